//! What an unsafe request makes worthless (RFC 9111 4.4).
//!
//! What always holds: only URLs of the request's own origin, so that no application can empty another's cache.

use http::{HeaderMap, Method, StatusCode, header};

/// The URLs whose stored answers are to be forgotten after a request for `url` (`http://host/path?args`): none after a
/// safe method or an error, else itself and what Location and Content-Location name.
pub fn invalidated(method: &Method, url: &str, status: StatusCode, answer: &HeaderMap) -> Vec<String> {
    if method.is_safe() || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut urls = vec![url.to_owned()];
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let named = answer.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
        let Some(other) = named.and_then(|reference| resolve(url, reference.trim())) else { continue };
        if !urls.contains(&other) {
            urls.push(other);
        }
    }
    urls
}

/// A reference against its base (RFC 3986 5.2), without its fragment; None if it leads to another origin or is none.
fn resolve(base: &str, reference: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let base = Url::split(base)?;
    if let Some(network) = reference.strip_prefix("//") {
        let other = Url::split_authority(base.scheme, network);
        return other.same_origin(&base).then(|| base.with(other.path, other.query));
    }
    if let Some(other) = Url::split(reference) {
        return other.same_origin(&base).then(|| base.with(other.path, other.query));
    }
    let (path, query) = path_and_query(reference);
    if path.is_empty() {
        return Some(base.with(base.path, query.or(base.query)));
    }
    // A scheme edge does not speak is another origin.
    if path.split('/').next().is_some_and(|first| first.contains(':')) {
        return None;
    }
    if path.starts_with('/') {
        return Some(base.with(path, query));
    }
    let directory = base.path.rfind('/').map_or("/", |slash| &base.path[..=slash]);
    Some(base.with(&format!("{directory}{path}"), query))
}

#[derive(Clone, Copy)]
struct Url<'a> {
    scheme: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn split(text: &'a str) -> Option<Url<'a>> {
        let (scheme, rest) = text.split_once("://")?;
        let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        known.then(|| Url::split_authority(scheme, rest))
    }

    fn split_authority(scheme: &'a str, rest: &'a str) -> Url<'a> {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (path, query) = path_and_query(rest);
        Url { scheme, authority, path, query }
    }

    /// RFC 9110 4.3.1: scheme, host and port, whether written or not.
    fn same_origin(&self, other: &Url<'_>) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme) && self.host().eq_ignore_ascii_case(other.host())
    }

    /// With the port unless it is the scheme's own.
    fn host(&self) -> &str {
        let own = if self.scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
        let host = self.authority.strip_suffix(own).unwrap_or(self.authority);
        host.strip_suffix(':').unwrap_or(host)
    }

    /// Written as this one, so that the stored URL is found.
    fn with(&self, path: &str, query: Option<&str>) -> String {
        let mut url = format!("{}://{}{}", self.scheme, self.authority, without_dots(path));
        if let Some(query) = query {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

fn path_and_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

/// RFC 3986 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    for segment in segments.clone() {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let directory = matches!(segments.next_back(), Some("." | ".."));
    let slash = if directory && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}
