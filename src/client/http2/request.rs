//! The head of a stream, written as HTTP/1.1.
//!
//! Whatever is written is then read by the strict parser, which knows the limits and refuses in nginx's words. Refused
//! here is what could not be written without changing its meaning: a path that would be read as an absolute-form, two
//! hosts, none. RFC 9113 8.2 and 8.3 are otherwise the `h2` crate's work: it resets streams with connection-specific
//! fields, names in upper case, pseudo-header fields out of place, bodies that are not as long as they say.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, Uri};

use super::CONNECTION_SPECIFIC;
use crate::client::parse::Refusal;

/// How the body of a request stands in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    /// As it is: its length was said.
    Plain,
    Chunked,
}

/// The text of a head; `is_whole`: no body follows.
pub fn write(parts: &Parts, is_whole: bool) -> Result<(Bytes, Framing), Refusal> {
    let refuse = |status, reason| Refusal {
        status,
        reason,
        answered: true,
        line: line(&parts.method, &parts.uri, "HTTP/2.0"),
        host: host(parts).map(Bytes::copy_from_slice),
    };
    if parts.method == Method::CONNECT {
        return Err(refuse(405, "client sent CONNECT method"));
    }
    let path = parts.uri.path_and_query().map(|p| p.as_str()).unwrap_or_default();
    if !path.starts_with('/') || path.bytes().any(|b| b == b' ' || b.is_ascii_control()) {
        return Err(refuse(400, "client sent invalid \":path\" header"));
    }
    // not even an `h2` that let them through may make them mean anything
    if CONNECTION_SPECIFIC.iter().any(|name| parts.headers.contains_key(*name)) {
        return Err(refuse(400, "client sent connection-specific header"));
    }
    let authority = parts.uri.authority().map(|a| a.as_str().as_bytes());
    let differs = |said: &[u8]| authority.is_some_and(|a| !a.eq_ignore_ascii_case(said));
    if parts.headers.get_all(HOST).iter().any(|said| differs(said.as_bytes())) {
        return Err(refuse(400, "client sent \":authority\" and \"Host\" headers that differ"));
    }
    if authority.is_none() && !parts.headers.contains_key(HOST) {
        return Err(refuse(400, "client sent neither \":authority\" nor \"Host\" header"));
    }
    let mut out = BytesMut::with_capacity(512);
    out.put_slice(&line(&parts.method, &parts.uri, "HTTP/1.1"));
    out.put_slice(b"\r\n");
    if let Some(authority) = authority {
        put_field(&mut out, b"Host", authority);
    }
    put_fields(&mut out, &parts.headers, authority.is_some());
    let framing = match parts.headers.contains_key(CONTENT_LENGTH) {
        _ if is_whole => Framing::None,
        true => Framing::Plain,
        false => {
            put_field(&mut out, b"Transfer-Encoding", b"chunked");
            Framing::Chunked
        }
    };
    out.put_slice(b"\r\n");
    Ok((out.freeze(), framing))
}

fn line(method: &Method, uri: &Uri, version: &str) -> Bytes {
    let target = match (uri.path_and_query(), uri.authority()) {
        (Some(path), _) => path.as_str(),
        (None, Some(authority)) => authority.as_str(),
        (None, None) => "",
    };
    format!("{method} {target} {version}").into()
}

fn host(parts: &Parts) -> Option<&[u8]> {
    let authority = parts.uri.authority().map(|a| a.as_str().as_bytes());
    authority.or_else(|| parts.headers.get(HOST).map(|v| v.as_bytes()))
}

fn put_fields(out: &mut BytesMut, fields: &HeaderMap, has_host: bool) {
    for name in fields.keys() {
        match name {
            &HOST if has_host => {}
            // RFC 9113 8.2.3: a client may take it to pieces
            &COOKIE => put_field(out, b"cookie", &cookies(fields)),
            name => put_all(out, fields, name),
        }
    }
}

fn put_all(out: &mut BytesMut, fields: &HeaderMap, name: &HeaderName) {
    for value in fields.get_all(name) {
        put_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

fn cookies(fields: &HeaderMap) -> Vec<u8> {
    let crumbs: Vec<&[u8]> = fields.get_all(COOKIE).iter().map(|value| value.as_bytes()).collect();
    crumbs.join(&b"; "[..])
}

pub(super) fn put_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}
