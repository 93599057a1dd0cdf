//! `api`: how edge does, for people and for machines. Three views of one [`Report`]:
//!
//! ```text
//! page     a live page, at the location's own path
//! status   the report as JSON
//! metrics  the same for Prometheus
//! ```
//!
//! and, for who knows the token, what the control socket can do ([`orders`]).
//!
//! What always holds: no view changes anything, and no secret is in one; a view costs those who are served nothing but
//! the time to read the counts.

mod metrics;
mod orders;
mod report;

pub use metrics::FAMILIES;
pub use orders::{Operator, Refused, Told};
pub use report::{Report, begin, state};

use super::content::Content;
use super::request::Request;
use crate::access::tokens::Token;
use bytes::Bytes;
use http::{HeaderValue, Method};

/// It loads nothing but `status`, from beside itself.
const PAGE: &str = include_str!("page.html");

/// Answers by the rest of the path behind the location's prefix. `token`: of those who may change something.
pub async fn answer(request: &Request, token: Option<&Token>) -> Result<Content, Refused> {
    let below = request.exchange.path.get(request.location.prefix..).unwrap_or_default();
    let below = below.strip_prefix(b"/").unwrap_or(below);
    match orders::is_order(below) {
        true => orders::answer(request, below, token).await,
        false => view(request, below),
    }
}

fn view(request: &Request, below: &[u8]) -> Result<Content, Refused> {
    if !matches!(request.exchange.method, Method::GET | Method::HEAD) {
        return Err(orders::refused(405, Some(("Allow", "GET, HEAD"))));
    }
    let report = || Report::of(&request.bound.snapshot);
    let (kind, body) = match below {
        b"" => ("text/html; charset=utf-8", Bytes::from_static(PAGE.as_bytes())),
        b"status" => ("application/json", report().to_json().to_string().into()),
        b"metrics" => ("text/plain; version=0.0.4; charset=utf-8", metrics::text(&report()).into()),
        _ => return Err(orders::refused(404, None)),
    };
    Ok(Content::Text { status: 200, content_type: Some(HeaderValue::from_static(kind)), body })
}
