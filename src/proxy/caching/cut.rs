//! Of an answer that is being fetched for the cache, what this client asked for: the upstream saw neither conditions
//! nor ranges, so they are met here, as nginx does. The cache gets the whole.

use super::answer::{Own, partial, refuse};
use crate::cache::policy;
use crate::files::conditional::{self, Verdict};
use crate::files::range::{self, Plan};
use crate::proxy::deliver::Payload;
use crate::proxy::request::Request;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use std::ops::Range;

/// Which bytes of the upstream's answer the client gets.
#[derive(Debug, Default)]
pub struct Cut {
    span: Range<u64>,
    /// So many have come.
    at: u64,
    /// Sent in their place, once.
    page: Option<Bytes>,
}

impl Cut {
    /// What goes out of a piece.
    pub fn apply(&mut self, piece: &mut Option<Bytes>) {
        if let Some(page) = self.page.take() {
            *piece = Some(page);
            return;
        }
        let Some(bytes) = piece.take() else { return };
        let begin = self.at;
        self.at += bytes.len() as u64;
        let (from, to) = (self.span.start.max(begin), self.span.end.min(self.at));
        if from < to {
            *piece = Some(bytes.slice((from - begin) as usize..(to - begin) as usize));
        }
    }
}

/// Changes the head to that of a part, of a 304 or of a refusal, if that is what the client asked for.
pub fn begin(request: &mut Request, answer: &mut ResponseHeader) -> Result<()> {
    let Some(work) = request.cache.as_ref().filter(|work| work.fill.is_some()) else { return Ok(()) };
    if answer.status != StatusCode::OK || request.error_status.is_some() {
        return Ok(());
    }
    let force = work.caching.force_ranges;
    let asked = crate::proxy::content::headers_of(request);
    let own = Own::of(answer);
    match conditional::judge(&asked, own.validators(), request.location.files.if_modified_since) {
        Verdict::Proceed => {}
        Verdict::NotModified => {
            let mut head = ResponseHeader::build(StatusCode::NOT_MODIFIED, Some(answer.headers.len()))?;
            for (name, value) in &policy::stored::not_modified(&answer.headers) {
                head.append_header(name, value.clone())?;
            }
            *answer = head;
            request.cut = Some(Cut::default());
            return Ok(());
        }
        Verdict::PreconditionFailed => {
            *answer = replace(request, 412)?;
            return Ok(());
        }
    }
    let max = request.location.files.max_ranges;
    let len = answer.headers.get(header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    match len.filter(|_| max > 0 && policy::stored::allows_ranges(answer.status, &answer.headers, force)) {
        Some(len) => cut(request, &asked, &own, answer, len, max),
        None => Ok(()),
    }
}

fn cut(
    request: &mut Request,
    asked: &HeaderMap,
    own: &Own,
    answer: &mut ResponseHeader,
    len: u64,
    max: usize,
) -> Result<()> {
    let field = |name: HeaderName| asked.get(name).map(HeaderValue::as_bytes);
    answer.insert_header("Accept-Ranges", "bytes")?;
    match range::plan(field(header::RANGE), field(header::IF_RANGE), own.validators(), len, max) {
        Plan::Single(span) => {
            partial(answer)?;
            answer.insert_header("Content-Range", range::content_range(&span, len))?;
            answer.insert_header("Content-Length", span.end - span.start)?;
            request.cut = Some(Cut { span, ..Cut::default() });
        }
        Plan::NotSatisfiable => {
            *answer = replace(request, 416)?;
            answer.insert_header("Content-Range", range::unsatisfied(len))?;
        }
        // Parts of what is still coming would have to wait for each other: the whole is an answer, too (RFC 9110 14.2).
        Plan::Full | Plan::Multi(_) => {}
    }
    Ok(())
}

/// A page of edge's own instead of the answer.
fn replace(request: &mut Request, status: u16) -> Result<ResponseHeader> {
    let (head, payload) = refuse(request, status)?;
    let page = if let Payload::Bytes(page) = payload { Some(page) } else { None };
    request.cut = Some(Cut { page, ..Cut::default() });
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(mut cut: Cut, pieces: &[&'static str]) -> String {
        let mut out = Vec::new();
        for piece in pieces {
            let mut piece = Some(Bytes::from_static(piece.as_bytes()));
            cut.apply(&mut piece);
            out.extend_from_slice(&piece.unwrap_or_default());
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_span_is_cut_out_wherever_the_pieces_end() {
        for pieces in [&["0123456789"][..], &["0", "12", "345", "6789"], &["01", "", "23456", "789"]] {
            for (from, to) in [(0, 10), (0, 1), (2, 5), (9, 10), (3, 3)] {
                let cut = Cut { span: from..to, ..Cut::default() };
                assert_eq!(sent(cut, pieces), "0123456789"[from as usize..to as usize], "{pieces:?}");
            }
        }
    }

    #[test]
    fn a_page_goes_out_once_in_the_place_of_all() {
        let cut = Cut { page: Some(Bytes::from_static(b"page")), ..Cut::default() };
        assert_eq!(sent(cut, &["abc", "def"]), "page");
    }
}
