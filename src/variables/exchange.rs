//! What is known of one request and its answer: plain data, filled in as the request goes its way, read by variables, rules
//! and logs. Nothing in here does anything.

use super::Place;
use super::defined::Values;
use super::template::Template;
use crate::http::Head;
use crate::pattern::{self, Pattern};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use pingora_core::protocols::SocketDigest;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// One request, from its first byte to its line in the log.
pub struct Exchange {
    pub head: Arc<Head>,
    pub peer: Peer,
    /// The client's method, or GET once `error_page` has led elsewhere. `$request_method`
    pub method: http::Method,
    /// The client's method, where edge asks something inside for its sake.
    pub asked_method: Option<http::Method>,
    /// The host asked for: lower case, without port; the server's first name if the client named none. `$host`
    pub host: Bytes,
    /// The target as sent, without scheme and host. `$request_uri`
    pub request_uri: Bytes,
    /// The path, decoded and normalized, as rewrites and internal redirects leave it. `$uri`
    pub path: Vec<u8>,
    /// What follows `?`, not decoded. `$args`
    pub args: Option<Vec<u8>>,
    /// The first name of the server. `$server_name`
    pub server_name: Arc<str>,
    /// What the last regular expression that matched has captured.
    pub captures: Captures,
    /// Some text asks for it. `$1`
    pub asks_captures: bool,
    /// The values of variables that the configuration itself defines.
    pub defined: Values,
    /// `using uninitialized … variable` is worth a line.
    pub warns_of_uninitialized: bool,
    /// Where the files of the location are, if some text asks for it. `$document_root`, `$request_filename`
    pub roots: Option<Arc<Roots>>,
    /// The directory that the file of this request was looked for in, and the file.
    pub root: Bytes,
    pub filename: Bytes,
    /// The path stands behind the alias of a regular expression's location, where `try_files` has found it.
    pub adds_path: bool,
    /// The body, if it was read before somebody is asked, and fits into memory. `$request_body`
    pub body: Option<Bytes>,
    /// The file it is in, where `client_body_in_file_only` wants one. `$request_body_file`
    pub body_file: Option<Bytes>,
    pub started: Instant,
    pub started_at: SystemTime,
    /// How long the body of the request turned out to be.
    pub body_length: u64,
    /// The bytes of the request, head included. `$request_length`
    pub request_length: u64,
    /// Host and port of `proxy_pass`. `$proxy_host`, `$proxy_port`
    pub proxy_host: Bytes,
    pub proxy_port: Bytes,
    /// `$upstream_cache_status`
    pub cache_status: Option<&'static str>,
    /// What `limit_req` and `limit_conn` have said. `$limit_req_status`, `$limit_conn_status`
    pub limit_req_status: Option<&'static str>,
    pub limit_conn_status: Option<&'static str>,
    /// Bytes of the answer per second; 0: as the client takes them. `$limit_rate`
    pub limit_rate: u64,
    /// The part of the answer that is asked for, where it is stored in parts. `$slice_range`
    pub slice_range: Option<String>,
    /// Its session, if some text asks for it and the location's upstream keeps sessions. `$session_…`
    pub session: Option<Box<super::Session>>,
    /// The trace it is part of, where traces are told of. `$trace_id`, `$span_id`
    pub trace: Option<super::Trace>,
    /// What rules have left behind, if any fired. `$rules_fired`, `$rules_log`
    pub rules: Option<Box<super::Rules>>,
    /// The place the request has come to, if some text asks for what it says.
    pub place: Option<Arc<dyn Place>>,
    /// The number a client without one is given. `$uid_set`
    pub uid_set: OnceLock<[u32; 4]>,
    /// The servers that were asked, in order.
    pub tries: Vec<Try>,
    pub answer: Answer,
    /// Whether the client got the whole answer. `$request_completion`
    pub completed: bool,
}

/// Where the files of a location are.
#[derive(Debug)]
pub struct Roots {
    /// Without a slash at its end, unless a variable gives it one.
    pub root: Template,
    /// What stands in the place of the location's prefix, or, in a regular expression's location, of the whole path.
    pub alias: Option<Template>,
    /// The length of the prefix.
    pub prefix: usize,
    pub is_regex: bool,
}

impl Roots {
    /// `$document_root`
    pub fn directory<'r>(&'r self, x: &Exchange) -> Cow<'r, [u8]> {
        self.alias.as_ref().unwrap_or(&self.root).evaluate(x)
    }

    /// `$request_filename`
    pub fn file(&self, x: &Exchange) -> Vec<u8> {
        let directory = self.directory(x);
        match (&self.alias, self.is_regex) {
            (Some(_), true) if x.adds_path => [&directory, &*x.path].concat(),
            (Some(_), true) => directory.into_owned(),
            (Some(_), false) => [&directory, x.path.get(self.prefix..).unwrap_or_default()].concat(),
            (None, _) => [&*directory, &x.path].concat(),
        }
    }
}

/// Both ends of the client's connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub remote: SocketAddr,
    /// Where the connection itself came from, if a trusted proxy has told of another client. `$realip_remote_addr`
    pub connected: Option<SocketAddr>,
    pub local: SocketAddr,
    /// What the PROXY protocol told of both ends, where it is spoken. `$proxy_protocol_addr`
    pub announced: Option<SocketAddr>,
    pub announced_server: Option<SocketAddr>,
    /// The connection's socket, which the kernel knows more of. `$tcpinfo_…`
    pub socket: Option<Arc<SocketDigest>>,
    /// `https` is spoken.
    pub tls: bool,
    /// Plain HTTP came where TLS is spoken.
    pub plain_to_tls: bool,
    /// `$ssl_…`
    pub session: Option<Arc<crate::tls::Session>>,
    /// The number of the connection. `$connection`
    pub serial: u64,
    /// Which request of the connection this is. `$connection_requests`
    pub requests: u32,
    pub accepted: SystemTime,
}

/// A server of an upstream that was asked.
#[derive(Clone, Debug, Default)]
pub struct Try {
    pub address: String,
    /// When it was chosen; `None`: nobody was.
    pub began: Option<Instant>,
    /// What it was asked, if its trace is sampled.
    pub asked: Option<Box<Asked>>,
    /// An internal redirect lies between this and the server before.
    pub redirected: bool,
    /// 0: it gave no answer.
    pub status: u16,
    pub connect_time: Option<Duration>,
    pub header_time: Option<Duration>,
    pub response_time: Option<Duration>,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    /// The length of the body it sent.
    pub response_length: u64,
}

/// What a server was asked, for the span of that.
#[derive(Clone, Debug)]
pub struct Asked {
    pub span: super::trace::SpanId,
    pub method: String,
    /// Path and query, as they were sent.
    pub target: Vec<u8>,
    pub scheme: &'static str,
}

/// What the client is told.
#[derive(Default)]
pub struct Answer {
    pub status: u16,
    /// The fields as they were sent. `$sent_http_…`
    pub sent: Option<Box<pingora_http::ResponseHeader>>,
    /// The fields as the last server gave them. `$upstream_http_…`
    pub upstream: Option<Box<pingora_http::ResponseHeader>>,
    /// The fields behind the body, if there are any. `$sent_trailer_…`
    pub trailers: Option<Box<http::HeaderMap>>,
    /// All bytes sent. `$bytes_sent`
    pub bytes: u64,
    /// The bytes of the body, as they went over the wire. `$body_bytes_sent`
    pub body_bytes: u64,
}

/// What a regular expression has captured, found out when somebody asks: most requests are never asked.
#[derive(Clone, Debug, Default)]
pub struct Captures(Option<Found>);

/// A pattern that was found in a subject.
#[derive(Clone, Debug)]
struct Found {
    pattern: Pattern,
    subject: Vec<u8>,
    groups: OnceLock<Option<pattern::Captures>>,
}

impl Captures {
    pub fn new(pattern: Pattern, subject: Vec<u8>) -> Captures {
        Captures(Some(Found { pattern, subject, groups: OnceLock::new() }))
    }

    /// `$0` is the whole match, `$1` the first group.
    pub fn get(&self, group: usize) -> Option<&[u8]> {
        let Found { pattern, subject, groups } = self.0.as_ref()?;
        groups.get_or_init(|| pattern.captures(subject)).as_ref()?.text(group, subject)
    }
}

/// As nginx takes it, which looks at nothing behind the first `=`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Before the server is known.
static NAMELESS: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));

impl Exchange {
    /// A request at its beginning.
    pub fn new(head: Arc<Head>, peer: Peer) -> Exchange {
        Exchange {
            request_uri: head.target.clone(),
            method: head.method.clone(),
            asked_method: None,
            head,
            peer,
            host: Bytes::new(),
            path: Vec::new(),
            args: None,
            server_name: NAMELESS.clone(),
            captures: Captures::default(),
            asks_captures: true,
            defined: Values::default(),
            warns_of_uninitialized: false,
            roots: None,
            body: None,
            body_file: None,
            root: Bytes::new(),
            filename: Bytes::new(),
            adds_path: false,
            started: Instant::now(),
            started_at: SystemTime::now(),
            body_length: 0,
            request_length: 0,
            proxy_host: Bytes::new(),
            proxy_port: Bytes::new(),
            cache_status: None,
            limit_req_status: None,
            limit_conn_status: None,
            limit_rate: 0,
            slice_range: None,
            session: None,
            trace: None,
            rules: None,
            place: None,
            uid_set: OnceLock::new(),
            tries: Vec::new(),
            answer: Answer::default(),
            completed: false,
        }
    }

    /// The value of an argument, not decoded; the name is compared without regard to case, as nginx does.
    pub fn argument(&self, name: &str) -> Option<&[u8]> {
        self.args.as_deref()?.split(|b| *b == b'&').find_map(|pair| {
            let at = pair.iter().position(|b| *b == b'=')?;
            pair[..at].eq_ignore_ascii_case(name.as_bytes()).then_some(&pair[at + 1..])
        })
    }

    /// The value of a cookie of the request; the name is compared without regard to case, as nginx does.
    pub fn cookie(&self, name: &str) -> Option<&[u8]> {
        self.head.headers.get_all("cookie").find_map(|field| {
            field.split(|b| *b == b';').find_map(|pair| {
                let pair = pair.trim_ascii_start();
                let at = pair.iter().position(|b| *b == b'=')?;
                let named = pair[..at].trim_ascii_end().eq_ignore_ascii_case(name.as_bytes());
                named.then(|| pair[at + 1..].trim_ascii_start())
            })
        })
    }

    /// User and password of `Authorization: Basic`; the user is never empty.
    pub fn credentials(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let (scheme, encoded) = self.head.headers.get("authorization")?.split_at_checked(6)?;
        let encoded = Some(encoded.trim_ascii()).filter(|_| scheme.eq_ignore_ascii_case(b"basic "))?;
        let letters = encoded.split(|b| *b == b'=').next().unwrap_or_default();
        let mut user = BASE64.decode(letters).ok()?;
        let at = user.iter().position(|b| *b == b':').filter(|at| *at > 0)?;
        let password = user.split_off(at + 1);
        user.truncate(at);
        Some((user, password))
    }

    /// The bytes of the request, as far as they have come.
    pub fn request_length(&self) -> u64 {
        if self.request_length > 0 {
            return self.request_length;
        }
        let fields: usize = self.head.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        (self.head.line.len() + 2 + fields + 2) as u64 + self.body_length
    }

    pub fn scheme(&self) -> &'static str {
        if self.peer.tls { "https" } else { "http" }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::http::{Framing, Version};

    /// A request as tests want it.
    pub fn exchange() -> Exchange {
        let fields: &[(&[u8], &[u8])] =
            &[(b"Host", b"Example.com:80"), (b"Cookie", b"b=6; A=7"), (b"X-Test", b"yes"), (b"Evil", b"a\"\\\t\xE9")];
        let head = Head {
            method: ::http::Method::GET,
            target: Bytes::from_static(b"/a%20b?x=1&y=2"),
            version: Version::Http11,
            headers: fields.iter().map(|(n, v)| (Bytes::copy_from_slice(n), Bytes::copy_from_slice(v))).collect(),
            line: Bytes::from_static(b"GET /a%20b?x=1&y=2 HTTP/1.1"),
            framing: Framing::None,
        };
        let peer = Peer {
            remote: "192.0.2.7:4711".parse().unwrap(),
            connected: None,
            local: "127.0.0.1:8888".parse().unwrap(),
            announced: None,
            announced_server: None,
            socket: None,
            tls: false,
            plain_to_tls: false,
            session: None,
            serial: 3,
            requests: 1,
            accepted: SystemTime::now(),
        };
        let mut exchange = Exchange::new(head.into(), peer);
        exchange.host = Bytes::from_static(b"example.com");
        exchange.path = b"/a b".to_vec();
        exchange.args = Some(b"x=1&y=2".to_vec());
        exchange
    }
}
