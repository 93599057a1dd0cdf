//! `proxy_pass` and the keys around it, compiled.

use super::Next;
use super::compile::Texts;
use super::headers::{UpstreamField, upstream_fields};
use crate::config::raw::Scope;
use crate::config::types::{HttpVersion, ProxyRedirect};
use crate::config::{Diagnostics, Spanned};
use crate::pattern::Pattern;
use crate::upstream::{self, UpstreamSettings};
use crate::variables::Template;
use std::sync::Arc;
use std::time::Duration;

/// Where requests of a location go, and how.
#[derive(Debug)]
pub struct Pass {
    pub target: PassTarget,
    /// What stands in the place of the location's prefix; `None`: the client's URI goes on as it is.
    pub uri: Option<Template>,
    pub http_version: HttpVersion,
    pub method: Option<Template>,
    pub set_body: Option<Template>,
    pub fields: Vec<UpstreamField>,
    pub pass_body: bool,
    pub pass_headers: bool,
    /// Fields of the answer that the client does not see, in lower case.
    pub hidden: Vec<String>,
    /// Fields of the answer that edge does not obey, in lower case.
    pub ignored: Vec<String>,
    pub redirect: Vec<Redirect>,
    pub next: Next,
    pub connect_timeout: Duration,
    pub send_timeout: Duration,
    pub read_timeout: Duration,
    pub buffering: bool,
    /// `proxy_buffer_size`: the longest head of an answer, in bytes.
    pub longest_head: u64,
    pub intercept_errors: bool,
    pub ignore_client_abort: bool,
    pub socket_keepalive: bool,
}

/// Who is asked.
#[derive(Debug)]
pub enum PassTarget {
    /// An upstream, or a host that was made one.
    Upstream { upstream: Arc<upstream::Upstream>, host: String, port: String },
    /// Known only when a request is there: the whole URL.
    Variable(Template),
}

/// One replacement in `Location` and `Refresh`.
#[derive(Debug)]
pub enum Redirect {
    Prefix { from: Template, to: Template },
    Regex { from: Pattern, to: Template },
}

/// The parts of `http://host:port/uri`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url<'u> {
    /// `host` or `host:port` or `unix:/path`, as written.
    pub authority: &'u str,
    pub port: Option<&'u str>,
    /// Begins with `/` or `?`; nothing if there is none.
    pub uri: Option<&'u str>,
}

impl<'u> Url<'u> {
    pub fn parse(text: &'u str) -> Result<Url<'u>, &'static str> {
        let rest = match (text.strip_prefix("http://"), text.starts_with("https://")) {
            (Some(rest), _) => rest,
            (None, true) => return Err("`https://` upstreams are not supported yet"),
            (None, false) => return Err("the URL must begin with `http://`"),
        };
        if let Some(unix) = rest.strip_prefix("unix:") {
            let (path, uri) = match unix.split_once(':') {
                Some((path, uri)) => (path, Some(uri).filter(|u| !u.is_empty())),
                None => (unix, None),
            };
            let authority = &rest[..path.len() + "unix:".len()];
            return Ok(Url { authority, port: None, uri });
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, uri) = rest.split_at(end);
        if authority.is_empty() {
            return Err("the URL names no host");
        }
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let port = colon.map(|at| &authority[at + 1..]);
        if port.is_some_and(|p| p.parse::<u16>().is_err()) {
            return Err("the port of the URL is not a number from 0 to 65535");
        }
        Ok(Url { authority, port, uri: Some(uri).filter(|u| !u.is_empty()) })
    }
}

/// The upstreams that `proxy_pass` makes of plain hosts: those no `upstream` block defines.
pub(super) fn implicit_upstream(written: &str, defined: &[UpstreamSettings]) -> Option<UpstreamSettings> {
    if written.contains('$') {
        return None;
    }
    let url = Url::parse(written).ok()?;
    if defined.iter().any(|u| u.name == url.authority) {
        return None;
    }
    let mut settings = UpstreamSettings::new(url.authority);
    settings.servers.push(upstream::ServerSettings::new(url.authority));
    Some(settings)
}

/// What a `proxy_pass` stands in.
pub(super) struct Place<'p> {
    pub pattern: &'p str,
    pub is_regex: bool,
    pub is_named: bool,
}

impl Pass {
    pub(super) fn compile(
        written: &Spanned<String>,
        place: &Place<'_>,
        scope: &Scope,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Pass> {
        let (target, uri) = match written.contains('$') {
            true => (PassTarget::Variable(texts.template(written, written.span, diagnostics)), None),
            false => Self::fixed(written, place, texts, diagnostics)?,
        };
        let words: Vec<&str> = scope.proxy_next_upstream().iter().map(|w| w.word()).collect();
        let mut next =
            Next::from_words(words.into_iter().filter(|w| *w != "updating" && *w != "denied")).unwrap_or_default();
        next.tries = scope.proxy_next_upstream_tries();
        next.timeout = scope.proxy_next_upstream_timeout().0;
        Some(Pass {
            uri: uri.as_ref().map(|u| texts.template(u, written.span, diagnostics)),
            redirect: Self::redirects(written, uri.as_deref(), place, scope, texts, diagnostics),
            target,
            http_version: scope.proxy_http_version(),
            method: scope.proxy_method.as_ref().map(|m| texts.template(m, m.span, diagnostics)),
            set_body: scope.proxy_set_body.as_ref().map(|b| texts.template(b, b.span, diagnostics)),
            fields: upstream_fields(scope, texts, diagnostics),
            pass_body: scope.proxy_pass_request_body(),
            pass_headers: scope.proxy_pass_request_headers(),
            hidden: hidden(scope),
            ignored: scope.proxy_ignore_headers.iter().flat_map(|l| &l.value).map(|n| n.to_ascii_lowercase()).collect(),
            next,
            connect_timeout: scope.proxy_connect_timeout().0,
            send_timeout: scope.proxy_send_timeout().0,
            read_timeout: scope.proxy_read_timeout().0,
            buffering: scope.proxy_buffering(),
            longest_head: scope.proxy_buffer_size().0,
            intercept_errors: scope.proxy_intercept_errors(),
            ignore_client_abort: scope.proxy_ignore_client_abort(),
            socket_keepalive: scope.proxy_socket_keepalive(),
        })
    }

    /// The upstream and the URI of a URL without variables.
    fn fixed(
        written: &Spanned<String>,
        place: &Place<'_>,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<(PassTarget, Option<String>)> {
        let url = match Url::parse(written) {
            Ok(url) => url,
            Err(why) => {
                diagnostics
                    .error(written.span, format!("`proxy_pass: {}`: {why}", written.value))
                    .help("write `http://NAME` with the name of an upstream, or `http://host:port`");
                return None;
            }
        };
        if url.uri.is_some() && (place.is_regex || place.is_named) {
            diagnostics
                .error(
                    written.span,
                    "`proxy_pass` can have no URI part in a location given by a regular expression or a name",
                )
                .help(format!("write `proxy_pass: http://{}`, or a `rewrite` before it", url.authority));
            return None;
        }
        let Some(upstream) = texts.upstreams.get(url.authority) else {
            diagnostics.error(written.span, format!("`{}` is neither an upstream nor an address", url.authority));
            return None;
        };
        let target = PassTarget::Upstream {
            upstream: upstream.clone(),
            host: url.authority.to_owned(),
            port: url.port.unwrap_or("80").to_owned(),
        };
        Some((target, url.uri.map(str::to_owned)))
    }

    fn redirects(
        written: &Spanned<String>,
        uri: Option<&str>,
        place: &Place<'_>,
        scope: &Scope,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Vec<Redirect> {
        let pairs = match scope.proxy_redirect() {
            ProxyRedirect::Off => return Vec::new(),
            // nginx has no default where proxy_pass has variables.
            ProxyRedirect::Default if written.contains('$') => return Vec::new(),
            ProxyRedirect::Default => {
                // With a URI its text becomes the location's; without one the upstream's root becomes ours.
                let (from, to) = match uri {
                    Some(_) if !place.is_regex => (written.value.clone(), place.pattern.to_owned()),
                    _ => (format!("{}/", written.value.trim_end_matches('/')), "/".to_owned()),
                };
                return vec![Redirect::Prefix { from: Template::literal(from), to: Template::literal(to) }];
            }
            ProxyRedirect::Pairs(pairs) => pairs,
        };
        pairs
            .iter()
            .filter_map(|(from, to)| {
                let to = texts.template(to, from.span, diagnostics);
                let (regex, insensitive) = match from.strip_prefix("~*") {
                    Some(rest) => (Some(rest), true),
                    None => (from.strip_prefix('~'), false),
                };
                match regex {
                    Some(regex) => {
                        let from = texts.pattern(regex.trim_start(), insensitive, from.span, diagnostics)?;
                        Some(Redirect::Regex { from, to })
                    }
                    None => Some(Redirect::Prefix { from: texts.template(from, from.span, diagnostics), to }),
                }
            })
            .collect()
    }
}

/// nginx hides these of an upstream's answer, more with `proxy_hide_header`, fewer with `proxy_pass_header`.
fn hidden(scope: &Scope) -> Vec<String> {
    const ALWAYS: &[&str] = &[
        "date",
        "server",
        "x-pad",
        "x-accel-expires",
        "x-accel-redirect",
        "x-accel-limit-rate",
        "x-accel-buffering",
        "x-accel-charset",
    ];
    let passed: Vec<String> =
        scope.proxy_pass_header.iter().flat_map(|l| &l.value.0).map(|n| n.to_ascii_lowercase()).collect();
    let more = scope.proxy_hide_header.iter().flat_map(|l| &l.value.0).map(|n| n.to_ascii_lowercase());
    ALWAYS.iter().map(|n| (*n).to_owned()).filter(|n| !passed.contains(n)).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_as_nginx_splits_it() {
        let parse = |text| Url::parse(text).map(|u| (u.authority, u.port, u.uri));
        assert_eq!(parse("http://web_server"), Ok(("web_server", None, None)));
        assert_eq!(parse("http://a:8080/x?y"), Ok(("a:8080", Some("8080"), Some("/x?y"))));
        assert_eq!(parse("http://[::1]:81/"), Ok(("[::1]:81", Some("81"), Some("/"))));
        assert_eq!(parse("http://[::1]"), Ok(("[::1]", None, None)));
        assert_eq!(parse("http://unix:/run/a.sock:/x"), Ok(("unix:/run/a.sock", None, Some("/x"))));
        for wrong in ["web", "http://", "http://a:b", "https://a", "ftp://a"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }
}
