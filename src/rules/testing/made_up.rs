//! Requests and answers as tests write them.

use super::written::{RequestKeys, ResponseKeys, SessionKeys, denies, fields};
use crate::config::Diagnostics;
use crate::http::{Framing, Head, Headers, Version, status};
use crate::route::{Uri, validate_host};
use crate::rules::outcome::Answer;
use crate::variables::defined::Values;
use crate::variables::{Defined, Definitions, Exchange, Peer, Session, StoredSession};
use bytes::Bytes;
use pingora_http::ResponseHeader;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

const VERSIONS: [Version; 3] = [Version::Http10, Version::Http11, Version::Http2];

/// A request; a mistake is noted.
pub fn exchange(
    keys: &RequestKeys,
    defined: &Defined,
    now: SystemTime,
    diagnostics: &mut Diagnostics,
) -> Option<Exchange> {
    let at = |span: Option<crate::config::Span>| span.unwrap_or_default();
    let method = keys.method();
    let Ok(method) = http::Method::from_bytes(method.as_bytes()) else {
        diagnostics.error(at(keys.method.as_ref().map(|m| m.span)), format!("`{method}` is no method"));
        return None;
    };
    let Ok(client) = keys.client().parse::<IpAddr>() else {
        let span = at(keys.client.as_ref().map(|c| c.span));
        diagnostics.error(span, format!("`{}` is no address of a client", keys.client()));
        return None;
    };
    let version = keys.version();
    let Some(version) = VERSIONS.iter().copied().find(|known| known.as_str() == version) else {
        let message = format!("`{version}` is no version: expected HTTP/1.0, HTTP/1.1 or HTTP/2.0");
        diagnostics.error(at(keys.version.as_ref().map(|v| v.span)), message);
        return None;
    };
    let url = keys.url();
    let Some(url) = Url::read(&url) else {
        let span = at(keys.url.as_ref().map(|u| u.span));
        diagnostics
            .error(span, format!("`{url}` is no address"))
            .help("write a path with arguments, `/login?next=/`, or a whole URL");
        return None;
    };
    let mut headers = Headers::default();
    let given = fields(keys.headers.as_ref());
    let is_hostless = denies(keys.headers.as_ref(), "host");
    if !is_hostless && !given.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        headers.push(Bytes::from_static(b"Host"), Bytes::copy_from_slice(url.host.as_bytes()));
    }
    given.iter().for_each(|(name, value)| {
        headers.push(Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    });
    let framing = match &keys.body_size {
        _ if keys.chunked() => Framing::Chunked,
        Some(size) => Framing::Length(size.value),
        None => Framing::None,
    };
    let named = headers.get("host").unwrap_or_default();
    let host = match validate_host(named) {
        Ok(host) => Bytes::copy_from_slice(&host.name),
        Err(_) if named.is_empty() => Bytes::new(),
        Err(_) => {
            let message = format!("edge refuses the host `{}` before any rule", named.escape_ascii());
            diagnostics.error(at(keys.headers.as_ref().map(|h| h.span)), message);
            return None;
        }
    };
    let target = Bytes::copy_from_slice(url.target.as_bytes());
    let Ok(uri) = Uri::parse(&target, true) else {
        let message = format!("edge refuses the target `{}` before any rule", url.target);
        diagnostics.error(at(keys.url.as_ref().map(|u| u.span)), message);
        return None;
    };
    let head = Head {
        line: format!("{method} {} {}", url.target, version.as_str()).into(),
        target,
        version,
        method,
        headers,
        framing,
    };
    let mut x = Exchange::new(Arc::new(head), peer(client, url.tls, now));
    x.path = uri.path.to_vec();
    x.args = uri.args.as_ref().map(|args| args.to_vec());
    x.request_uri = uri.original;
    x.server_name = String::from_utf8_lossy(&host).into_owned().into();
    x.host = host;
    x.defined = Values::new(&Arc::new(Definitions::of_names(defined.clone())));
    x.started_at = now;
    x.session = keys.session.as_ref().map(|session| Box::new(session_of(&session.value)));
    x.cache_status = keys.cache.as_ref().and_then(|word| cache_status(word));
    Some(x)
}

struct Url<'u> {
    tls: bool,
    host: &'u str,
    target: &'u str,
}

impl<'u> Url<'u> {
    fn read(url: &'u str) -> Option<Url<'u>> {
        if url.starts_with('/') {
            return Some(Url { tls: false, host: "localhost", target: url });
        }
        let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return None,
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let target = if end == rest.len() { "/" } else { &rest[end..] };
        Some(Url { tls, host: &rest[..end], target })
    }
}

fn peer(client: IpAddr, tls: bool, now: SystemTime) -> Peer {
    Peer {
        remote: SocketAddr::new(client, 40_000),
        local: SocketAddr::from(([127, 0, 0, 1], if tls { 443 } else { 80 })),
        connected: None,
        announced: None,
        announced_server: None,
        socket: None,
        tls,
        plain_to_tls: false,
        session: None,
        // No connection has it.
        serial: 0,
        requests: 1,
        accepted: now,
    }
}

fn session_of(keys: &SessionKeys) -> Session {
    // The words come out of a table where requests are real.
    const STATES: &[&str] = &["none", "owner", "lost", "unknown", "expired", "taken_over", "waited", "any"];
    let text = |value: &Option<crate::config::Spanned<String>>| value.as_ref().map(|text| text.value.clone());
    let is_stored = keys.age.is_some() || keys.idle.is_some() || keys.user.is_some();
    let state = text(&keys.state);
    Session {
        id: Some(keys.id()),
        route: text(&keys.route),
        node: text(&keys.node),
        state: STATES.iter().copied().find(|known| Some(*known) == state.as_deref()),
        stored: is_stored.then(|| StoredSession { age: keys.age().0, idle: keys.idle().0, user: text(&keys.user) }),
    }
}

fn cache_status(word: &str) -> Option<&'static str> {
    const WORDS: &[&str] = &["HIT", "MISS", "EXPIRED", "STALE", "UPDATING", "REVALIDATED", "BYPASS"];
    WORDS.iter().copied().find(|known| known.eq_ignore_ascii_case(word))
}

/// What the upstream answers.
pub fn response(keys: Option<&ResponseKeys>) -> Option<ResponseHeader> {
    let keys = keys.cloned().unwrap_or_default();
    let mut head = build(keys.status())?;
    for (name, value) in fields(keys.headers.as_ref()) {
        // What no field can hold is none.
        let _ = head.append_header(name, value);
    }
    Some(head)
}

/// What a rule answers.
pub fn answer(answer: &Answer) -> Option<ResponseHeader> {
    let mut head = build(answer.status())?;
    match answer {
        Answer::Redirect { to, .. } => drop(head.insert_header("Location", &to[..])),
        Answer::Text { content_type, .. } => drop(head.insert_header("Content-Type", &content_type[..])),
        Answer::Status(_) | Answer::Close => {}
    }
    Some(head)
}

fn build(number: u16) -> Option<ResponseHeader> {
    let mut head = ResponseHeader::build(number, None).ok()?;
    let _ = head.set_reason_phrase(Some(status::reason(number)));
    Some(head)
}
