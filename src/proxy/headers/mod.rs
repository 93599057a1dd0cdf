//! The fields of messages: what an upstream is sent, what a client is told, what is compressed for whom.

mod client;
mod upstream;

pub use client::for_client;
pub use upstream::{BodyFraming, for_upstream};

use super::request::Request;
use crate::compress::{self, Algorithm, RequestFacts};
use crate::http::Version;
use std::time::SystemTime;

/// Fields that concern one connection only and are never passed on (RFC 9110 7.6.1).
pub const HOP_BY_HOP: &[&str] = &["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// What the compression needs to know of a request.
pub fn compression_facts(request: &Request) -> RequestFacts {
    let head = &request.exchange.head;
    let version = match head.version {
        Version::Http10 => http::Version::HTTP_10,
        Version::Http11 => http::Version::HTTP_11,
        Version::Http2 => http::Version::HTTP_2,
    };
    RequestFacts::keep(version, &request.method, &head.headers)
}

/// The precompressed files a client may be given.
pub struct AcceptedEncodings {
    pub gzip: bool,
    pub brotli: bool,
}

pub fn accepted_encodings(request: &Request) -> AcceptedEncodings {
    let facts = compression_facts(request);
    let gzip = &request.location.compress.gzip;
    AcceptedEncodings {
        gzip: compress::gzip_ok(gzip, &facts, &http::HeaderMap::new(), SystemTime::now()),
        brotli: facts.accepted.ranked().any(|a| a == Algorithm::Brotli),
    }
}
