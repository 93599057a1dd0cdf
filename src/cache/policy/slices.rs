//! `slice`: an answer fetched and stored in parts of one size, each under the key its `$slice_range` makes.
//!
//! What always holds: a part is passed on only if it is exactly the one asked for and of the same version as the first,
//! so that no client is sent bytes of two versions; and nothing here grows with the size of the answer.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::http::Headers;

/// The greatest offset, as nginx's.
const FURTHEST: u64 = i64::MAX as u64;

/// The directive; a size of 0 is off and makes no `Slices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slices {
    size: u64,
}

impl Slices {
    pub fn new(size: u64) -> Option<Slices> {
        (1..=FURTHEST).contains(&size).then_some(Slices { size })
    }

    /// Where the first slice for a request begins; at 0 if more than one range or none that is simple is asked for.
    pub fn first(self, request: &Headers) -> u64 {
        let start = if request.contains("if-range") { 0 } else { start_of(request.get("range")) };
        let aligned = self.aligned(start);
        if aligned > FURTHEST - self.size { 0 } else { aligned }
    }

    /// `$slice_range` of the slice that begins there.
    pub fn range(self, start: u64) -> String {
        format!("bytes={start}-{}", start.saturating_add(self.size - 1))
    }

    /// The beginnings of the slices that hold `span`.
    pub fn covering(self, span: Range<u64>) -> impl Iterator<Item = u64> {
        let next = move |start: &u64| start.checked_add(self.size).filter(|start| *start < span.end);
        let first = (!span.is_empty()).then(|| self.aligned(span.start));
        std::iter::successors(first, next)
    }

    /// Which bytes of the slice's own body belong to `span`; empty if none does.
    pub fn part(self, start: u64, span: &Range<u64>) -> Range<u64> {
        let end = start.saturating_add(self.size);
        let from = span.start.clamp(start, end) - start;
        let to = span.end.clamp(start, end) - start;
        from..to.max(from)
    }

    fn aligned(self, offset: u64) -> u64 {
        offset - offset % self.size
    }
}

/// The first offset of the only range.
fn start_of(range: Option<&[u8]>) -> u64 {
    let spans =
        range.and_then(|range| range.split_at_checked(6)).filter(|(unit, _)| unit.eq_ignore_ascii_case(b"bytes="));
    let Some((_, spans)) = spans.filter(|(_, spans)| !spans.contains(&b',')) else { return 0 };
    let mut text = spans.trim_ascii_start();
    number(&mut text).unwrap_or(0)
}

/// Digits, and the blanks before them; None beyond [`FURTHEST`].
fn number(text: &mut &[u8]) -> Option<u64> {
    *text = text.trim_ascii_start();
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number <= FURTHEST)
}

/// `Content-Range: bytes 0-99/200`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRange {
    pub span: Range<u64>,
    /// None for `*`.
    pub complete: Option<u64>,
}

impl ContentRange {
    pub fn parse(value: &[u8]) -> Option<ContentRange> {
        let mut text = value.strip_prefix(b"bytes ")?;
        let start = number(&mut text)?;
        text = text.trim_ascii_start().strip_prefix(b"-")?;
        let last = number(&mut text)?;
        text = text.trim_ascii_start().strip_prefix(b"/")?.trim_ascii_start();
        let complete = match text.strip_prefix(b"*") {
            Some(rest) => {
                text = rest;
                None
            }
            None => Some(number(&mut text)?),
        };
        let span = start..last.checked_add(1)?;
        (text.trim_ascii().is_empty() && start <= last).then_some(ContentRange { span, complete })
    }
}

/// Why a slice is not passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("unexpected status code {0} in slice response")]
    Status(u16),
    #[error("invalid range in slice response")]
    Range,
    #[error("no complete length in slice response")]
    NoLength,
    #[error("unexpected range in slice response: {}-{}, expected: {}-{}", .0.start, .0.end, .1.start, .1.end)]
    OtherRange(Range<u64>, Range<u64>),
    #[error("etag mismatch in slice response")]
    Etag,
    #[error("modification time mismatch in slice response")]
    LastModified,
    #[error("the length was {0} bytes before and is {1} in this slice response")]
    Length(u64, u64),
}

/// What all slices of one answer have in common, known from the first.
#[derive(Clone, Debug)]
pub struct Assembly {
    slices: Slices,
    length: u64,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Assembly {
    /// By the first slice, which was asked for from `start` on. An upstream that answers with anything but 206 knows no
    /// ranges, or the request failed: its answer is passed on as it is, so do not ask here.
    pub fn begin(slices: Slices, start: u64, answer: &HeaderMap) -> Result<Assembly, Mismatch> {
        let (span, length) = described(answer)?;
        let assembly = Assembly {
            slices,
            length,
            etag: answer.get(header::ETAG).cloned(),
            last_modified: answer.get(header::LAST_MODIFIED).cloned(),
        };
        assembly.expect(start, span)?;
        Ok(assembly)
    }

    /// Of the whole answer.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether a later slice belongs to the same answer.
    pub fn check(&self, start: u64, status: StatusCode, answer: &HeaderMap) -> Result<(), Mismatch> {
        if status != StatusCode::PARTIAL_CONTENT {
            return Err(Mismatch::Status(status.as_u16()));
        }
        if self.etag.as_ref() != answer.get(header::ETAG) {
            return Err(Mismatch::Etag);
        }
        // nginx looks at the tag alone; without one nothing else tells versions apart.
        if self.etag.is_none() && self.last_modified.as_ref() != answer.get(header::LAST_MODIFIED) {
            return Err(Mismatch::LastModified);
        }
        let (span, length) = described(answer)?;
        if length != self.length {
            return Err(Mismatch::Length(self.length, length));
        }
        self.expect(start, span)
    }

    fn expect(&self, start: u64, span: Range<u64>) -> Result<(), Mismatch> {
        let wanted = start..start.saturating_add(self.slices.size).min(self.length);
        if span == wanted { Ok(()) } else { Err(Mismatch::OtherRange(span, wanted)) }
    }
}

fn described(answer: &HeaderMap) -> Result<(Range<u64>, u64), Mismatch> {
    let value = answer.get(header::CONTENT_RANGE).ok_or(Mismatch::Range)?;
    let range = ContentRange::parse(value.as_bytes()).ok_or(Mismatch::Range)?;
    Ok((range.span, range.complete.ok_or(Mismatch::NoLength)?))
}
