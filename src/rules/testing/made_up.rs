//! Requests and answers as tests write them.

use super::written::{RequestKeys, ResponseKeys, SessionKeys, fields};
use crate::config::Diagnostics;
use crate::http::escape::{Unescape, unescape};
use crate::http::{Framing, Head, Headers, Version, status};
use crate::rules::outcome::Answer;
use crate::variables::{Exchange, Peer, Session, StoredSession};
use bytes::Bytes;
use pingora_http::ResponseHeader;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

/// A request; a mistake is noted.
pub fn exchange(keys: &RequestKeys, slots: usize, now: SystemTime, diagnostics: &mut Diagnostics) -> Option<Exchange> {
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
    if !given.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        headers.push(Bytes::from_static(b"Host"), Bytes::copy_from_slice(url.host.as_bytes()));
    }
    given.iter().for_each(|(name, value)| {
        headers.push(Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    });
    let framing = keys.body_size.as_ref().map_or(Framing::None, |size| Framing::Length(size.value));
    let host = headers.get("host").map(host_of).unwrap_or_default();
    let head = Head {
        line: format!("{method} {} HTTP/1.1", url.target).into(),
        target: Bytes::copy_from_slice(url.target.as_bytes()),
        version: Version::Http11,
        method,
        headers,
        framing,
    };
    let mut x = Exchange::new(Arc::new(head), peer(client, url.tls, now));
    let (path, args) = url.target.split_once('?').map_or((url.target, None), |(path, args)| (path, Some(args)));
    x.path = unescape(path.as_bytes(), Unescape::All).into_owned();
    x.args = args.map(|args| args.as_bytes().to_vec());
    x.server_name = String::from_utf8_lossy(&host).into_owned().into();
    x.host = host;
    x.defined = vec![None; slots];
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

/// Small letters, no port.
fn host_of(field: &[u8]) -> Bytes {
    let text = String::from_utf8_lossy(field).to_ascii_lowercase();
    let end = text.rfind(':').filter(|at| !text[*at..].contains(']')).unwrap_or(text.len());
    Bytes::copy_from_slice(&text.as_bytes()[..end])
}

fn peer(client: IpAddr, tls: bool, now: SystemTime) -> Peer {
    Peer {
        remote: SocketAddr::new(client, 40_000),
        local: SocketAddr::from(([127, 0, 0, 1], if tls { 443 } else { 80 })),
        announced: None,
        announced_server: None,
        tls,
        plain_to_tls: false,
        session: None,
        serial: 1,
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
