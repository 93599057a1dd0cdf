//! Where a link to here may stand: `valid_referers` (nginx's ngx_http_referer_module).

use crate::pattern::Pattern;

/// `valid_referers` of a place, compiled.
#[derive(Clone, Debug, Default)]
pub struct Referers {
    /// No `Referer` at all is as good.
    pub none: bool,
    /// One without a scheme is as good: somebody on the way has cut it.
    pub blocked: bool,
    pub names: Vec<Name>,
    /// Over what follows the scheme.
    pub patterns: Vec<Pattern>,
    /// Over the host alone: names of the server that are regular expressions.
    pub hosts: Vec<Pattern>,
}

/// `example.com`, `*.example.com/path`, `.example.com`, `www.example.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    host: Host,
    path: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Exact(Vec<u8>),
    /// With the dot it begins with; true: the name without it as well.
    Ends(Vec<u8>, bool),
    /// With the dot it ends with.
    Begins(Vec<u8>),
}

/// No name is longer.
const LONGEST: usize = 256;

impl Name {
    pub fn parse(text: &str) -> Option<Name> {
        let (host, path) = match text.find('/') {
            Some(at) => (&text[..at], Some(text.as_bytes()[at..].to_vec())),
            None => (text, None),
        };
        let host = host.to_ascii_lowercase();
        let inner = |text: &str| !text.is_empty() && !text.contains('*') && !text.contains("..");
        let host = match (host.strip_prefix("*."), host.strip_suffix(".*"), host.strip_prefix('.')) {
            (Some(rest), None, _) if inner(rest) => Host::Ends(format!(".{rest}").into_bytes(), false),
            (None, Some(rest), _) if inner(rest) => Host::Begins(format!("{rest}.").into_bytes()),
            (None, None, Some(rest)) if inner(rest) => Host::Ends(host.clone().into_bytes(), true),
            (None, None, None) if inner(&host) => Host::Exact(host.into_bytes()),
            _ => return None,
        };
        Some(Name { host, path })
    }

    /// How well it fits: an exact name before the longest end, an end before the longest beginning.
    fn fits(&self, host: &[u8]) -> Option<(u8, usize)> {
        match &self.host {
            Host::Exact(name) => (name == host).then_some((3, 0)),
            Host::Ends(end, or_all) if *or_all && host == &end[1..] => Some((3, 0)),
            Host::Ends(end, _) => (host.len() > end.len() && host.ends_with(end)).then_some((2, end.len())),
            Host::Begins(begin) => (host.len() > begin.len() && host.starts_with(begin)).then_some((1, begin.len())),
        }
    }
}

impl Referers {
    /// `$invalid_referer` is empty. What names nobody lets everybody pass.
    pub fn allow(&self, referer: Option<&[u8]>) -> bool {
        if self.names.is_empty() && self.patterns.is_empty() && self.hosts.is_empty() {
            return true;
        }
        let Some(referer) = referer else { return self.none };
        match after_scheme(referer) {
            None => self.blocked,
            Some(rest) => self.knows(rest),
        }
    }

    fn knows(&self, rest: &[u8]) -> bool {
        let end = rest.iter().position(|b| matches!(*b, b'/' | b':')).unwrap_or(rest.len());
        if end > LONGEST {
            return false;
        }
        let host = rest[..end].to_ascii_lowercase();
        let named = self.names.iter().filter_map(|name| Some((name.fits(&host)?, name)));
        // Of two that fit as well the first counts.
        let best = named.reduce(|best, other| if other.0 > best.0 { other } else { best });
        if let Some((_, name)) = best {
            let path = rest[end..].iter().position(|b| *b == b'/').map_or(&b""[..], |at| &rest[end + at..]);
            return name.path.as_ref().is_none_or(|wanted| path.starts_with(wanted));
        }
        self.hosts.iter().any(|pattern| pattern.is_match(&host))
            || self.patterns.iter().any(|pattern| pattern.is_match(rest))
    }
}

/// What follows `http://` or `https://`.
fn after_scheme(referer: &[u8]) -> Option<&[u8]> {
    // The shortest that nginx looks into.
    if referer.len() < b"http://i.ru".len() {
        return None;
    }
    let scheme = |scheme: &str| {
        let (begin, rest) = referer.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    };
    scheme("http://").or_else(|| scheme("https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn referers(words: &[&str]) -> Referers {
        let mut referers = Referers::default();
        for word in words {
            match *word {
                "none" => referers.none = true,
                "blocked" => referers.blocked = true,
                _ => match word.strip_prefix('~') {
                    Some(pattern) => referers.patterns.push(Pattern::compile(pattern, true).unwrap()),
                    None => referers.names.push(Name::parse(word).unwrap()),
                },
            }
        }
        referers
    }

    #[test]
    fn referers_are_judged_as_nginx_judges_them() {
        let all =
            ["none", "blocked", "example.com", "*.wild.test", ".both.test", "www.tail.*", "path.test/a", "~\\.re\\."];
        let all = referers(&all);
        for (referer, expected) in [
            ("http://example.com/", true),
            ("https://EXAMPLE.com:8080/x", true),
            ("HTTP://example.com", true),
            ("http://example.org/", false),
            ("http://a.wild.test/", true),
            ("http://wild.test/", false),
            ("http://both.test/", true),
            ("http://a.both.test/", true),
            ("http://www.tail.org/x", true),
            ("http://www.tail/xxxx", false),
            ("http://path.test/a/b", true),
            ("http://path.test/b", false),
            ("http://path.test:1/a", true),
            ("http://path.test", false),
            ("http://x.re.test/", true),
            ("ftp://example.com/", true),
            ("nonsense", true),
            ("http://a.b", true),
        ] {
            assert_eq!(all.allow(Some(referer.as_bytes())), expected, "{referer}");
        }
        assert!(all.allow(None));
        let strict = referers(&["example.com"]);
        assert!(!strict.allow(None) && !strict.allow(Some(b"nonsense")) && !strict.allow(Some(b"ftp://example.com/")));
        assert!(Referers::default().allow(None));
        assert!(!strict.allow(Some(format!("http://{}/", "a".repeat(300)).as_bytes())));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "*", "*.", "a.*.b", ".", "*.a.*", "/path", "a..b"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }
}
