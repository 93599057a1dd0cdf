//! How an upstream's sessions are kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A session lives in the Tomcat its route names; memcached holds a copy.
    Sticky,
    /// Each request loads it from memcached.
    NonSticky,
}

/// MSM's `requestUriIgnorePattern`: whether it matches the whole of `METHOD URI[?query]`.
#[derive(Clone)]
pub struct Ignore(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl Ignore {
    pub fn new(matches: impl Fn(&str) -> bool + Send + Sync + 'static) -> Ignore {
        Ignore(Arc::new(matches))
    }

    /// MSM leaves the query of a POST out.
    pub fn covers(&self, method: &str, path: &str, query: Option<&str>) -> bool {
        match query.filter(|_| method != "POST") {
            Some(query) => (self.0)(&format!("{method} {path}?{query}")),
            None => (self.0)(&format!("{method} {path}")),
        }
    }
}

impl fmt::Debug for Ignore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ignore")
    }
}

/// A web application: a session belongs to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// `/` or `/shop`, without a slash at the end.
    pub path: String,
    /// It has a FORM login: an unfinished one would land on the probe's address.
    pub form_login: bool,
    /// What MSM puts before the id in its keys (`storageKeyPrefix`), with its `_`.
    pub key_prefix: String,
}

impl Context {
    pub fn new(path: &str) -> Context {
        let path = path.trim_end_matches('/');
        Context {
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            form_login: false,
            key_prefix: String::new(),
        }
    }

    fn holds(&self, path: &str) -> bool {
        match path.strip_prefix(self.path.trim_end_matches('/')) {
            Some(rest) => rest.is_empty() || rest.starts_with(['/', ';', '?']),
            None => false,
        }
    }

    /// What is asked of a server so that it takes a session over.
    pub fn probe(&self) -> String {
        format!("{}/WEB-INF/edge", self.path.trim_end_matches('/'))
    }
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// Part of the names of all keys.
    pub upstream: String,
    pub contexts: Vec<Context>,
    pub mode: Mode,
    /// Off: a session whose owner is dead is balanced, as other proxies do.
    pub takeover: bool,
    /// How long a request waits for its session.
    pub takeover_wait: Duration,
    /// How long records are kept.
    pub session_max_age: Duration,
    /// More than MSM's `operationTimeout`, less than `lease`.
    pub probe_timeout: Duration,
    /// At one server at once.
    pub probes: usize,
    /// For how long an edge that died while it took a session over holds the others up.
    pub lease: Duration,
    pub ignore: Option<Ignore>,
    /// Non-sticky: one request of a session at a time.
    pub serialize: bool,
    /// A request that has waited in vain is balanced instead of answered with 503. This loses updates.
    pub proceed: bool,
}

impl Settings {
    pub fn new(upstream: &str) -> Settings {
        Settings {
            upstream: upstream.to_owned(),
            contexts: vec![Context::new("/")],
            mode: Mode::Sticky,
            takeover: true,
            takeover_wait: Duration::from_secs(8),
            session_max_age: Duration::from_secs(2 * 3600),
            probe_timeout: Duration::from_secs(5),
            probes: 64,
            lease: Duration::from_secs(6),
            ignore: None,
            serialize: false,
            proceed: false,
        }
    }

    pub fn is_sticky(&self) -> bool {
        self.mode == Mode::Sticky
    }

    /// The context with the longest path that holds this one; the first where none does.
    pub fn context_of(&self, path: &str) -> usize {
        let holding = self.contexts.iter().enumerate().filter(|(_, context)| context.holds(path));
        holding.max_by_key(|(_, context)| context.path.len()).map_or(0, |(at, _)| at)
    }

    /// Whether MSM ignores the probe too: then it would take nothing over.
    pub fn ignores_probe(&self, context: &Context) -> bool {
        self.ignore.as_ref().is_some_and(|ignore| ignore.covers("HEAD", &context.probe(), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_context_wins_at_whole_segments() {
        let mut settings = Settings::new("u");
        settings.contexts = ["/", "/shop", "/shop/admin/"].map(Context::new).to_vec();
        let of = |path: &str| settings.contexts[settings.context_of(path)].path.clone();
        assert_eq!(of("/a"), "/");
        assert_eq!(of("/shop"), "/shop");
        assert_eq!(of("/shop;jsessionid=x"), "/shop");
        assert_eq!(of("/shopping"), "/");
        assert_eq!(of("/shop/admin/x"), "/shop/admin");
    }

    #[test]
    fn the_probe_stands_in_its_context() {
        assert_eq!(Context::new("/").probe(), "/WEB-INF/edge");
        assert_eq!(Context::new("/shop/").probe(), "/shop/WEB-INF/edge");
    }

    #[test]
    fn what_is_ignored_has_its_query_unless_it_is_posted() {
        let ignore = Ignore::new(|text| text.ends_with(".css"));
        assert!(ignore.covers("GET", "/a.css", None));
        assert!(!ignore.covers("GET", "/a.css", Some("v=1")));
        assert!(ignore.covers("POST", "/a.css", Some("v=1")));
    }
}
