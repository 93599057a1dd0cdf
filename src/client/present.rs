//! The head Pingora is given instead of the client's.
//!
//! Pingora must parse it whatever the client sent, so it has only what Pingora itself acts on: the method, a target that
//! `httparse` and `http::Uri` surely take, HTTP/1.1, `Host`, `Connection`, `Upgrade`, `Transfer-Encoding: chunked` if
//! there is a body, and the fields its cache and range filters read. All else is read from [`Head`], above all what is
//! sent to the upstream.

use bytes::{BufMut, Bytes, BytesMut};

use crate::http::Head;

/// What Pingora's cache and its filters look at.
const READ_BY_PINGORA: [&str; 10] = [
    "Range",
    "If-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Cache-Control",
    "Authorization",
    "Accept-Encoding",
    "Via",
];
/// Pingora takes 256 fields and 1 MiB.
const FIELDS: usize = 64;
const FIELD_BYTES: usize = 256 << 10;
/// `http::Uri` takes 65534 bytes.
const TARGET_BYTES: usize = 60 << 10;

/// Writes the head; `keepalive` is what edge decided for the connection.
pub fn synthesize(head: &Head, keepalive: bool) -> BytesMut {
    let mut out = BytesMut::with_capacity(512 + head.target.len());
    out.put_slice(head.method.as_str().as_bytes());
    out.put_u8(b' ');
    put_target(&mut out, &head.target);
    out.put_slice(b" HTTP/1.1\r\n");
    put_field(&mut out, b"Host", host(head));
    if head.wants_upgrade() {
        put_field(&mut out, b"Connection", b"upgrade");
        put_field(&mut out, b"Upgrade", head.headers.get("upgrade").unwrap_or_default());
        // An empty body would be sent on to the upstream as its end, and under load Pingora's two halves may see that
        // end after the 101: the tunnel would close at once. A body that has not ended yet cannot.
        put_field(&mut out, b"Transfer-Encoding", b"chunked");
    } else {
        put_field(&mut out, b"Connection", if keepalive { b"keep-alive" } else { b"close" });
    }
    if head.framing.has_body() && !head.wants_upgrade() {
        put_field(&mut out, b"Transfer-Encoding", b"chunked");
    }
    let limit = out.len() + FIELD_BYTES;
    for (name, value) in presented(head).take(FIELDS) {
        if out.len() + name.len() + value.len() <= limit {
            put_field(&mut out, name, value);
        }
    }
    out.put_slice(b"\r\n");
    out
}

fn presented(head: &Head) -> impl Iterator<Item = (&Bytes, &Bytes)> {
    head.headers.iter().filter(|(name, _)| READ_BY_PINGORA.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(name)))
}

/// A client of HTTP/1.0 need not say a host.
fn host(head: &Head) -> &[u8] {
    head.headers.get("host").unwrap_or(b"localhost")
}

fn put_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// The target with everything percent-encoded that is not plainly part of a path and query. What is too long for
/// `http::Uri` becomes `/`.
fn put_target(out: &mut BytesMut, target: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let start = out.len();
    for b in target {
        if b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(b) {
            out.put_u8(*b);
        } else {
            out.put_slice(&[b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
    }
    if out.len() - start > TARGET_BYTES || !target.starts_with(b"/") {
        out.truncate(start);
        out.put_u8(b'/');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Settings;
    use crate::client::parse::Parser;

    fn head(text: &[u8]) -> Head {
        let settings = Settings { client_header_buffer_size: 1 << 20, max_headers: 10_000, ..Settings::default() };
        let mut parser = Parser::new(&settings);
        let n = parser.advance(text, &settings).unwrap().unwrap();
        parser.finish(Bytes::copy_from_slice(&text[..n])).unwrap().head
    }

    fn synthesized(text: &[u8]) -> String {
        String::from_utf8(synthesize(&head(text), true).to_vec()).unwrap()
    }

    #[test]
    fn framing_and_hop_by_hop_fields_are_replaced() {
        let text = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\
            Connection: x-foo, keep-alive\r\nX-Foo: 1\r\nKeep-Alive: 5\r\nRange: bytes=0-1\r\nCookie: a\r\n\r\n";
        assert_eq!(
            synthesized(text),
            "POST /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nRange: bytes=0-1\r\n\r\n"
        );
    }

    #[test]
    fn a_host_is_always_there_and_the_version_is_always_1_1() {
        assert_eq!(
            synthesized(b"GET /\xff<>#\"{} HTTP/1.0\r\n\r\n"),
            "GET /%FF%3C%3E%23%22%7B%7D HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
        );
    }

    #[test]
    fn an_upgrade_keeps_its_field() {
        let text = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n";
        assert!(synthesized(text).contains("Connection: upgrade\r\nUpgrade: websocket\r\n"));
        let without = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n";
        assert!(!synthesized(without).contains("Upgrade"));
    }

    #[test]
    fn any_number_of_fields_and_any_length_stay_below_pingoras_limits() {
        let mut text = b"GET /".to_vec();
        text.extend(std::iter::repeat_n(0xe4, 30_000));
        text.extend_from_slice(b" HTTP/1.1\r\nHost: x\r\n");
        for _ in 0..5000 {
            text.extend_from_slice(b"Cache-Control: no-cache\r\n");
        }
        text.extend_from_slice(b"\r\n");
        let out = synthesized(&text);
        assert!(out.starts_with("GET / HTTP/1.1\r\n"));
        assert_eq!(out.matches("Cache-Control").count(), FIELDS);

        let long =
            format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", format!("Via: {}\r\n", "x".repeat(50_000)).repeat(10));
        assert_eq!(synthesized(long.as_bytes()).matches("Via").count(), 5);
    }
}
