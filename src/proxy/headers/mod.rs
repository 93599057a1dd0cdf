//! The fields of messages: what an upstream is sent, what a client is told, what is compressed for whom.

mod client;
mod cookies;
#[cfg(test)]
pub(crate) mod fuzzed;
mod text;
pub mod trailers;
mod upstream;

pub use client::{for_client, is_bodiless};
pub use text::{Wire, plain_for_upstream};
pub use upstream::{BodyFraming, asks_upgrade, for_upstream, target};

use super::request::{Pending, Request};
use crate::compress::{self, Algorithm, RequestFacts};
use crate::http::Version;
use http::header::{self, HeaderName};
use pingora_http::ResponseHeader;
use std::time::SystemTime;

/// Fields that concern one connection only and are never passed on (RFC 9110 7.6.1).
pub static HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether an upstream's answer is only a word to edge: `X-Accel-Redirect`, or a status with a page of edge's own. The fields
/// that nginx lets outlive the answer are kept.
pub fn sends_elsewhere(answer: &ResponseHeader, request: &mut Request) -> Option<Pending> {
    const KEPT: [&str; 6] =
        ["Content-Type", "Set-Cookie", "Content-Disposition", "Cache-Control", "Expires", "Accept-Ranges"];
    let status = answer.status.as_u16();
    let pass = request.pass()?;
    let obeyed = !pass.ignored.iter().any(|name| name == "x-accel-redirect");
    let (names, pending): (&[&'static str], Pending) = match answer.headers.get("x-accel-redirect").filter(|_| obeyed) {
        Some(target) => (&KEPT, Pending::Inside(target.as_bytes().to_vec())),
        None if pass.intercept_errors && status >= 300 && request.location.error_page(status).is_some() => {
            (&["WWW-Authenticate"], Pending::Status(status))
        }
        None => return None,
    };
    let fields = names.iter().flat_map(|name| answer.headers.get_all(*name).iter().map(|value| (*name, value.clone())));
    request.kept = fields.collect();
    Some(pending)
}

/// What the compression needs to know of a request.
pub fn compression_facts(request: &Request) -> RequestFacts {
    let head = &request.exchange.head;
    let facts = RequestFacts::keep(version(request), &request.exchange.method, &head.headers);
    RequestFacts { chunked: !ends_by_close(request), ..facts }
}

/// The same for who keeps nothing of it.
pub fn compression_view(request: &Request) -> RequestFacts<&[u8]> {
    let head = &request.exchange.head;
    let facts = RequestFacts::view(version(request), &request.exchange.method, &head.headers);
    RequestFacts { chunked: !ends_by_close(request), ..facts }
}

fn version(request: &Request) -> http::Version {
    match request.exchange.head.version {
        Version::Http10 => http::Version::HTTP_10,
        // a stream of HTTP/2 is an HTTP/1.1 connection to everybody above `client/`, and its answers have chunks
        Version::Http11 | Version::Http2 => http::Version::HTTP_11,
    }
}

/// `chunked_transfer_encoding off`: the end of a body whose length is not said is the end of the connection.
pub fn ends_by_close(request: &Request) -> bool {
    !request.location.chunked && request.exchange.head.version == Version::Http11
}

/// The precompressed files a client may be given.
pub struct AcceptedEncodings {
    pub gzip: bool,
    pub brotli: bool,
    pub zstd: bool,
}

pub fn accepted_encodings(request: &Request) -> AcceptedEncodings {
    let facts = compression_facts(request);
    let gzip = &request.location.compress.gzip;
    let accepts = |algorithm| facts.accepted.ranked().any(|a| a == algorithm);
    AcceptedEncodings {
        gzip: facts.accepted.gzip_as_nginx()
            && compress::gzip_ok(gzip, &facts, &http::HeaderMap::new(), SystemTime::now()),
        brotli: accepts(Algorithm::Brotli),
        zstd: accepts(Algorithm::Zstd),
    }
}
