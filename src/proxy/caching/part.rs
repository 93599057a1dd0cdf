//! What of an answer a client gets, by its conditions and its range: of one that is stored as of one that is being fetched,
//! for which the upstream saw neither.

use crate::cache::policy;
use crate::files::conditional::{self, Validators, Verdict};
use crate::files::range::{self, Plan};
use crate::http::pages;
use crate::proxy::content;
use crate::proxy::request::Request;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use std::ops::Range;

#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Span(Range<u64>),
    /// Of so many bytes, if they can be given one after another; the head is still that of the whole.
    Spans(Vec<Range<u64>>, u64),
    /// The client's copy is still good.
    Nothing,
    /// Instead of the answer: a condition or a range cannot be met.
    Page(Bytes),
}

/// Of an answer with status 200 and a body of `len` bytes, if that is known: If-None-Match and its kin, then Range. The head
/// becomes that of what the client gets.
pub fn of(request: &Request, head: &mut ResponseHeader, len: Option<u64>) -> Result<Part> {
    let asked = content::headers_of(request);
    let own = Own::of(head);
    let mode = request.location.files.if_modified_since;
    match conditional::judge(&asked, own.validators(), mode) {
        Verdict::PreconditionFailed => refuse(request, head, 412),
        Verdict::NotModified => {
            let mut answer = ResponseHeader::build(StatusCode::NOT_MODIFIED, Some(head.headers.len()))?;
            for (name, value) in &policy::stored::not_modified(&head.headers) {
                answer.append_header(name, value.clone())?;
            }
            *head = answer;
            Ok(Part::Nothing)
        }
        Verdict::Proceed => ranged(request, &asked, &own, head, len),
    }
}

/// The same where only a range counts.
pub fn of_range(request: &Request, head: &mut ResponseHeader, len: Option<u64>) -> Result<Part> {
    ranged(request, &content::headers_of(request), &Own::of(head), head, len)
}

/// `proxy_force_ranges`
pub fn forces(request: &Request) -> bool {
    request.pass().is_some_and(|pass| pass.force_ranges)
}

fn ranged(
    request: &Request,
    asked: &HeaderMap,
    own: &Own,
    head: &mut ResponseHeader,
    len: Option<u64>,
) -> Result<Part> {
    let max = request.location.files.max_ranges;
    let allowed = max > 0 && policy::stored::allows_ranges(head.status, &head.headers, forces(request));
    let Some(len) = len.filter(|_| allowed) else { return Ok(Part::Whole) };
    head.insert_header("Accept-Ranges", "bytes")?;
    let field = |name| asked.get(name).map(HeaderValue::as_bytes);
    match range::plan(field(header::RANGE), field(header::IF_RANGE), own.validators(), len, max) {
        Plan::Full => Ok(Part::Whole),
        Plan::Multi(spans) => Ok(Part::Spans(spans, len)),
        Plan::Single(span) => {
            partial(head)?;
            head.insert_header("Content-Range", range::content_range(&span, len))?;
            head.insert_header("Content-Length", span.end - span.start)?;
            Ok(Part::Span(span))
        }
        Plan::NotSatisfiable => {
            let page = refuse(request, head, 416)?;
            head.insert_header("Content-Range", range::unsatisfied(len))?;
            Ok(page)
        }
    }
}

/// A page instead of the answer.
fn refuse(request: &Request, head: &mut ResponseHeader, status: u16) -> Result<Part> {
    let server = request.location.answer.server_tokens;
    let page = pages::page(status, if server { pages::SERVER_WITH_VERSION } else { pages::SERVER });
    let body = Bytes::from(page.unwrap_or_default());
    *head = ResponseHeader::build(status, Some(4))?;
    head.set_reason_phrase(Some(crate::http::status::reason(status)))?;
    head.insert_header("Content-Type", "text/html")?;
    head.insert_header("Content-Length", body.len())?;
    Ok(Part::Page(body))
}

pub fn partial(head: &mut ResponseHeader) -> Result<()> {
    head.set_status(StatusCode::PARTIAL_CONTENT)?;
    head.set_reason_phrase(None)
}

/// What a client's copy is compared with.
struct Own {
    etag: Option<HeaderValue>,
    modified: Option<i64>,
}

impl Own {
    fn of(head: &ResponseHeader) -> Own {
        let modified = head.headers.get(header::LAST_MODIFIED);
        Own {
            etag: head.headers.get(header::ETAG).cloned(),
            modified: modified.and_then(|date| crate::files::date::parse(date.as_bytes())),
        }
    }

    fn validators(&self) -> Validators<'_> {
        Validators { etag: self.etag.as_ref().map(HeaderValue::as_bytes), last_modified: self.modified }
    }
}
