//! The request an upstream is sent: nginx's ngx_http_proxy_create_request.

use crate::config::types::UpstreamVersion;
use crate::http::Framing;
use crate::http::escape;
use crate::proxy::caching;
use crate::proxy::request::Request;
use crate::proxy::snapshot::{Pass, PassTarget};
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::RequestHeader;

/// How the body of the request to the upstream is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// Nothing is said of a body.
    None,
    Length(u64),
    Chunked,
}

/// Where the fields of a request are written.
pub(super) trait Fields {
    fn has(&self, name: &str) -> bool;
    fn append(&mut self, name: &[u8], value: &[u8]) -> Result<()>;
    /// In the place of what has that name.
    fn set(&mut self, name: &'static str, value: &[u8]) -> Result<()>;
}

impl Fields for RequestHeader {
    fn has(&self, name: &str) -> bool {
        self.headers.contains_key(name)
    }

    fn append(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        // Both came through a parser that refuses what breaks a message; a template may still have made something else of it.
        let name = String::from_utf8_lossy(name).into_owned();
        self.append_header(name, value_of(value)?).map(drop)
    }

    fn set(&mut self, name: &'static str, value: &[u8]) -> Result<()> {
        self.insert_header(name, value_of(value)?)
    }
}

fn value_of(value: &[u8]) -> Result<http::HeaderValue> {
    http::HeaderValue::from_bytes(value).or_err(ErrorType::InvalidHTTPHeader, "a value for the upstream")
}

/// The fields edge sets itself where the configuration sets none; with an empty value the client's is only dropped.
fn default_field<'r>(name: &str, request: &'r Request, pass: &Pass) -> Option<&'r [u8]> {
    let close = match &pass.target {
        PassTarget::Upstream { upstream, .. } => upstream.settings().keepalive == 0,
        PassTarget::Variable(_) => false,
    };
    match name {
        "Host" => Some(&request.exchange.proxy_host),
        "Connection" if close || pass.http_version == UpstreamVersion::Http10 => Some(b"close"),
        // It goes without saying, but only who is asked says how long it waits: Tomcat.
        "Connection" => Some(b"keep-alive"),
        _ => None,
    }
}

/// Names that never go from the client to an upstream by themselves.
const OWN: &[&str] =
    &["Host", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Keep-Alive", "Expect", "Upgrade", "Trailer"];

/// Fields that HTTP/2 has no place for (RFC 9113 8.2.2), whoever sets them.
const NOT_HTTP2: &[&str] = &["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "TE"];

/// Makes the request for an upstream. `version`: what its connection speaks.
pub fn for_upstream(
    request: &Request,
    pass: &Pass,
    framing: BodyFraming,
    version: http::Version,
) -> Result<RequestHeader> {
    let http2 = version == http::Version::HTTP_2;
    let method = match &pass.method {
        Some(method) => method.evaluate(&request.exchange).into_owned(),
        None => request.exchange.method.as_str().as_bytes().to_vec(),
    };
    let fields = request.exchange.head.headers.len() + pass.fields.len() + 4;
    let method = caching::method(request).map_or(method, |method| method.as_str().as_bytes().to_vec());
    let mut out = RequestHeader::build(&method[..], &target(request, pass), Some(fields))?;
    out.set_version(match pass.http_version {
        _ if http2 => http::Version::HTTP_2,
        UpstreamVersion::Http10 => http::Version::HTTP_10,
        UpstreamVersion::Http11 | UpstreamVersion::Http2 => http::Version::HTTP_11,
    });
    write_fields(&mut out, request, pass, framing, http2)?;
    for (name, value) in caching::conditions(request) {
        out.insert_header(name, value)?;
    }
    Ok(out)
}

/// All fields but those that only the cache wants.
pub(super) fn write_fields(
    out: &mut impl Fields,
    request: &Request,
    pass: &Pass,
    framing: BodyFraming,
    http2: bool,
) -> Result<()> {
    let fits = |name: &str| !http2 || !NOT_HTTP2.iter().any(|n| n.eq_ignore_ascii_case(name));
    let mut value = Vec::new();
    for field in pass.fields.iter().filter(|field| fits(&field.name)) {
        value.clear();
        field.value.write(&request.exchange, &mut value);
        // A field set twice by the configuration is sent once: the first.
        if !value.is_empty() && !out.has(&field.name) {
            out.append(field.name.as_bytes(), &value)?;
        }
    }
    let configured = |name: &str| pass.fields.iter().any(|f| f.name.eq_ignore_ascii_case(name));
    for name in ["Host", "Connection"].into_iter().filter(|name| fits(name)) {
        if let Some(value) = default_field(name, request, pass).filter(|_| !configured(name)) {
            out.append(name.as_bytes(), value)?;
        }
    }
    if http2 {
        complete_http2(out, request)?;
    }
    match framing {
        BodyFraming::Chunked if http2 => {}
        BodyFraming::None => {}
        BodyFraming::Length(length) => out.set("Content-Length", length.to_string().as_bytes())?,
        BodyFraming::Chunked => out.set("Transfer-Encoding", b"chunked")?,
    }
    if pass.pass_headers {
        for (name, value) in request.exchange.head.headers.iter() {
            let is = |other: &str| other.as_bytes().eq_ignore_ascii_case(name);
            if !OWN.iter().any(|own| is(own))
                && !caching::hides(request, name)
                && fits(&String::from_utf8_lossy(name))
                && !pass.fields.iter().any(|f| is(&f.name))
            {
                out.append(name, value)?;
            }
        }
    }
    Ok(())
}

/// What every request over HTTP/2 has, or may keep: an authority, and the word that trailers are understood.
fn complete_http2(out: &mut impl Fields, request: &Request) -> Result<()> {
    if !out.has("Host") {
        out.append(b"Host", &request.exchange.proxy_host)?;
    }
    let words = request.exchange.head.headers.get_all("te").flat_map(|value| value.split(|b| *b == b','));
    let trailers = words.into_iter().any(|word| word.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    if trailers { out.append(b"TE", b"trailers") } else { Ok(()) }
}

/// The URI as the upstream gets it: the client's own text where it is still that, else the path escaped anew.
pub fn target(request: &Request, pass: &Pass) -> Vec<u8> {
    let x = &request.exchange;
    let mut out = match (&pass.target, &pass.uri) {
        (PassTarget::Variable(_), _) => match &request.attempts.variable_uri {
            Some(uri) => return sendable(uri.clone()),
            None => own_path(request),
        },
        (_, None) => own_path(request),
        // Once a rewrite has made another path, there is no prefix to be replaced.
        (_, Some(_)) if !request.prefix_holds => own_path(request),
        (_, Some(uri)) => {
            let mut out = uri.evaluate(x).into_owned();
            let rest = x.path.get(request.location.prefix..).unwrap_or_default();
            match request.quoted || request.internal || request.changed {
                true => out.extend_from_slice(&escape::uri(rest)),
                false => out.extend_from_slice(rest),
            }
            with_args(out, x.args.as_deref())
        }
    };
    if out.is_empty() {
        out.push(b'/');
    }
    sendable(out)
}

fn own_path(request: &Request) -> Vec<u8> {
    let x = &request.exchange;
    if !request.changed {
        return x.request_uri.to_vec();
    }
    with_args(escape::uri(&x.path).into_owned(), x.args.as_deref())
}

fn with_args(mut path: Vec<u8>, args: Option<&[u8]>) -> Vec<u8> {
    if let Some(args) = args.filter(|a| !a.is_empty()) {
        path.push(b'?');
        path.extend_from_slice(args);
    }
    path
}

/// Two things nginx passes on as they are: a fragment, which is no part of a request target (RFC 9112 3.2) and which the
/// location was chosen without, is left out; the few bytes that no URI may hold (RFC 3986 2) are encoded.
fn sendable(mut uri: Vec<u8>) -> Vec<u8> {
    if let Some(fragment) = uri.iter().position(|b| *b == b'#') {
        uri.truncate(fragment);
    }
    let refused = |byte: u8| matches!(byte, b'<' | b'>' | b'`' | b'"' | ..=b' ' | 0x7f);
    if !uri.iter().any(|byte| refused(*byte)) {
        return uri;
    }
    let mut out = Vec::with_capacity(uri.len() + 16);
    for byte in uri {
        match refused(byte) {
            true => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            false => out.push(byte),
        }
    }
    out
}

/// Whether the upstream is asked to change the protocol: the configuration passes `Upgrade` and `Connection: upgrade` on.
pub fn asks_upgrade(request: &Request, pass: &Pass) -> bool {
    if pass.http_version == UpstreamVersion::Http2 {
        return false; // it knows no such thing
    }
    let sent = |name: &str| {
        let field = pass.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name));
        field.map(|f| f.value.evaluate(&request.exchange).to_ascii_lowercase()).unwrap_or_default()
    };
    !sent("upgrade").is_empty() && sent("connection").split(|b| *b == b',').any(|t| t.trim_ascii() == b"upgrade")
}

impl BodyFraming {
    /// What the body of a request turned out to be.
    pub fn of(request: &Request, pass: &Pass) -> BodyFraming {
        if let Some(body) = &request.attempts.set_body {
            return BodyFraming::Length(body.len() as u64);
        }
        // As in nginx: that there is a body is said of one that was too long, and that it is empty.
        if request.failed == 413 && request.body_is_gone && request.body.is_none() {
            return BodyFraming::Length(0);
        }
        if !pass.pass_body || (request.body_is_gone && request.body.is_none()) {
            return BodyFraming::None;
        }
        match (&request.body, request.exchange.head.framing) {
            (Some(body), _) => BodyFraming::Length(body.bytes.len() as u64),
            // Pingora was told of an open body and would announce one.
            (None, Framing::None) if asks_upgrade(request, pass) && request.exchange.head.wants_upgrade() => {
                BodyFraming::Length(0)
            }
            (None, Framing::None) => BodyFraming::None,
            (None, Framing::Length(length)) => BodyFraming::Length(length),
            (None, Framing::Chunked) => BodyFraming::Chunked,
        }
    }
}
