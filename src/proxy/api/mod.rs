//! `api`: how edge does, for people and for machines. Three views of one [`Report`]:
//!
//! ```text
//! page     a live page, at the location's own path
//! status   the report as JSON
//! metrics  the same for Prometheus
//! ```
//!
//! What always holds: nothing here changes anything, and no secret is in it; a view costs those who are served nothing but
//! the time to read the counts.

mod metrics;
mod report;

pub use metrics::FAMILIES;
pub use report::{Report, begin, state};

use super::content::Content;
use super::request::Request;
use bytes::Bytes;
use http::{HeaderValue, Method};

/// It loads nothing but `status`, from beside itself.
const PAGE: &str = include_str!("page.html");

/// Answers by the rest of the path behind the location's prefix. An error is the status the request is refused with.
pub fn answer(request: &Request) -> Result<Content, u16> {
    if !matches!(request.exchange.method, Method::GET | Method::HEAD) {
        return Err(405);
    }
    let below = request.exchange.path.get(request.location.prefix..).unwrap_or_default();
    let report = || Report::of(&request.bound.snapshot);
    let (kind, body) = match below.strip_prefix(b"/").unwrap_or(below) {
        b"" => ("text/html; charset=utf-8", Bytes::from_static(PAGE.as_bytes())),
        b"status" => ("application/json", report().to_json().to_string().into()),
        b"metrics" => ("text/plain; version=0.0.4; charset=utf-8", metrics::text(&report()).into()),
        _ => return Err(404),
    };
    Ok(Content::Text { status: 200, content_type: Some(HeaderValue::from_static(kind)), body })
}
