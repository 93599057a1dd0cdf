//! The head of a request, as the client wrote it.
//!
//! Every decision edge makes reads this one type, whether the bytes came over HTTP/1 or HTTP/2, so that names keep their
//! case, fields their order and a target its odd bytes: nginx's variables and the upstream see what was sent. The values
//! are slices of the one buffer the head was read into.

use bytes::Bytes;
use http::Method;

/// What was asked for, in the client's own bytes.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: Method,
    /// The request target as sent: origin-form, absolute-form or `*`.
    pub target: Bytes,
    pub version: Version,
    pub headers: Headers,
    /// The request line without its line end, for `$request` and the logs.
    pub line: Bytes,
    /// How the end of the body is known.
    pub framing: Framing,
}

/// The version of the protocol a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
    Http2,
}

impl Version {
    /// As nginx prints it in `$server_protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        }
    }
}

/// How a body ends (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// `Content-Length` bytes follow.
    Length(u64),
    /// `Transfer-Encoding: chunked`, or an HTTP/2 stream that says no length.
    Chunked,
}

impl Framing {
    pub fn has_body(self) -> bool {
        !matches!(self, Framing::None | Framing::Length(0))
    }
}

/// The fields of a head, in their order and with their case.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(Bytes, Bytes)>);

impl Headers {
    pub fn with_capacity(fields: usize) -> Self {
        Headers(Vec::with_capacity(fields))
    }

    pub fn push(&mut self, name: Bytes, value: Bytes) {
        self.0.push((name, value));
    }

    /// The first field of that name; case does not matter.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.0.iter();
        fields.find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| &v[..])
    }

    /// Every field of that name, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| &v[..])
    }

    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.0.iter().map(|(n, v)| (n, v))
    }

    /// Keeps the fields for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        self.0.retain(|(n, v)| keep(n, v));
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Bytes, Bytes)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Bytes, Bytes)>>(fields: I) -> Self {
        Headers(fields.into_iter().collect())
    }
}

impl Head {
    /// Whether the token `wanted` stands in the comma-separated list of one of the fields of that name.
    pub fn has_token(&self, name: &str, wanted: &str) -> bool {
        self.headers
            .get_all(name)
            .flat_map(|value| value.split(|b| *b == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
    }

    /// Whether the client wants the connection kept after the answer (RFC 9112 9.3).
    pub fn wants_keepalive(&self) -> bool {
        match self.version {
            Version::Http10 => self.has_token("connection", "keep-alive"),
            Version::Http11 => !self.has_token("connection", "close"),
            Version::Http2 => true,
        }
    }

    /// Whether this asks to change the protocol to websocket or another (RFC 9110 7.8).
    pub fn wants_upgrade(&self) -> bool {
        self.version == Version::Http11 && self.headers.contains("upgrade") && self.has_token("connection", "upgrade")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, fields: &[(&'static str, &'static str)]) -> Head {
        Head {
            method: Method::GET,
            target: Bytes::from_static(b"/"),
            version,
            headers: fields
                .iter()
                .map(|(n, v)| (Bytes::from_static(n.as_bytes()), Bytes::from_static(v.as_bytes())))
                .collect(),
            line: Bytes::new(),
            framing: Framing::None,
        }
    }

    #[test]
    fn a_name_is_found_whatever_its_case_and_the_first_field_wins() {
        let head = head(Version::Http11, &[("X-A", "1"), ("x-a", "2")]);
        assert_eq!(head.headers.get("x-A"), Some(&b"1"[..]));
        assert_eq!(head.headers.get_all("X-a").count(), 2);
    }

    #[test]
    fn keepalive_follows_the_version_and_the_connection_field() {
        assert!(head(Version::Http11, &[]).wants_keepalive());
        assert!(!head(Version::Http11, &[("Connection", "foo, Close")]).wants_keepalive());
        assert!(!head(Version::Http10, &[]).wants_keepalive());
        assert!(head(Version::Http10, &[("connection", "Keep-Alive")]).wants_keepalive());
    }
}
