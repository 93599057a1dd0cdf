//! Range requests: which bytes of a representation to send, and the framing of several.
//!
//! Pure functions; local files, the cache and proxied answers use the same. What always holds: every planned span is
//! non-empty and lies within the representation, and a plan never sends more of its bytes than it has.
//! Where nginx is stricter than RFC 9110 14.2 (a malformed Range is 416 instead of being ignored), nginx wins.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::conditional::Validators;
use super::date;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// 200 with everything.
    Full,
    /// 206 with one span.
    Single(Range<u64>),
    /// 206 as `multipart/byteranges`; see [`Multipart`].
    Multi(Vec<Range<u64>>),
    /// 416 with [`unsatisfied`] as Content-Range.
    NotSatisfiable,
}

/// What to send of `len` bytes. `range` and `if_range` are the request's headers; `max_ranges` is the directive
/// (0 ignores ranges; the caller then leaves out `Accept-Ranges`, too).
pub fn plan(range: Option<&[u8]>, if_range: Option<&[u8]>, own: Validators<'_>, len: u64, max_ranges: usize) -> Plan {
    let Some(spans) = range.and_then(byte_ranges) else {
        return Plan::Full;
    };
    // Lengths beyond what a file can have are an upstream's word only, and their parts would not add up.
    if max_ranges == 0 || i64::try_from(len).is_err() || if_range.is_some_and(|condition| !is_current(condition, own)) {
        return Plan::Full;
    }
    select(spans, len, max_ranges)
}

/// `Content-Range` of a single span.
pub fn content_range(span: &Range<u64>, len: u64) -> String {
    // A planned span is never empty, hence its end is at least 1.
    format!("bytes {}-{}/{len}", span.start, span.end.saturating_sub(1))
}

/// `Content-Range` of a 416.
pub fn unsatisfied(len: u64) -> String {
    format!("bytes */{len}")
}

/// What follows `bytes=`; another unit, or nothing behind it, is no range at all.
fn byte_ranges(header: &[u8]) -> Option<&[u8]> {
    let (unit, spans) = header.split_at_checked(6)?;
    (unit.eq_ignore_ascii_case(b"bytes=") && !spans.is_empty()).then_some(spans)
}

/// If-Range: whatever ends in a quote is an entity tag, compared strongly; all else is a date, which must be equal.
fn is_current(condition: &[u8], own: Validators<'_>) -> bool {
    if condition.len() >= 2 && condition.ends_with(b"\"") {
        return !condition.starts_with(b"W/") && own.etag == Some(condition);
    }
    date::parse(condition).is_some_and(|date| own.last_modified == Some(date))
}

fn select(spans: &[u8], len: u64, max_ranges: usize) -> Plan {
    let mut selected: Vec<Range<u64>> = Vec::new();
    let mut total: u64 = 0;
    // By turns, so that what stops the scan first decides, as in nginx: too many ranges before a malformed one is 200,
    // behind it 416.
    for spec in spans.split(|&byte| byte == b',') {
        let Some(span) = resolve(spec, len) else {
            return Plan::NotSatisfiable;
        };
        if span.start < span.end {
            if selected.len() == max_ranges {
                return Plan::Full;
            }
            total = total.saturating_add(span.end - span.start);
            selected.push(span);
        } else if span.start == 0 {
            // Only an empty representation has an empty span at its start; nginx sends it as a whole.
            return Plan::Full;
        }
    }
    match selected.as_slice() {
        [] => Plan::NotSatisfiable,
        _ if total > len => Plan::Full,
        [only] => Plan::Single(only.clone()),
        _ => Plan::Multi(selected),
    }
}

/// `5-9`, `5-` or `-5`, cut to what there is; empty if it lies outside; None if malformed.
fn resolve(spec: &[u8], len: u64) -> Option<Range<u64>> {
    let spec = skip_blanks(spec);
    if let Some(suffix) = spec.strip_prefix(b"-") {
        let (count, rest) = number(suffix)?;
        return skip_blanks(rest).is_empty().then(|| len.saturating_sub(count)..len);
    }
    let (start, rest) = number(spec)?;
    let rest = skip_blanks(skip_blanks(rest).strip_prefix(b"-")?);
    if rest.is_empty() {
        return Some(start..len);
    }
    let (last, rest) = number(rest)?;
    skip_blanks(rest).is_empty().then(|| start..len.min(last.saturating_add(1)))
}

/// Blanks only: nginx takes a tab for a mistake.
fn skip_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| byte != b' ').unwrap_or(text.len());
    &text[start..]
}

/// At least one digit; None where nginx's signed 64 bits overflow.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let value =
        digits.iter().try_fold(0i64, |value, digit| value.checked_mul(10)?.checked_add(i64::from(digit - b'0')))?;
    Some((value.unsigned_abs(), rest))
}

/// Several spans in one body, framed byte for byte as nginx does it.
#[derive(Debug, Clone)]
pub struct Multipart {
    boundary: String,
    /// What stands before each span, up to `bytes `.
    lead: String,
    parts: Vec<Range<u64>>,
    /// Of the whole representation.
    of: u64,
}

impl Multipart {
    /// `content_type` is the representation's own, repeated in each part; the parts come from [`Plan::Multi`].
    pub fn new(boundary: String, content_type: Option<&str>, parts: Vec<Range<u64>>, of: u64) -> Self {
        let content_type = content_type.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let lead = format!("\r\n--{boundary}\r\n{content_type}Content-Range: ");
        Multipart { boundary, lead, parts, of }
    }

    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    pub fn parts(&self) -> &[Range<u64>] {
        &self.parts
    }

    /// What stands before part `index`; empty if there is no such part.
    pub fn head(&self, index: usize) -> Bytes {
        match self.parts.get(index) {
            Some(span) => format!("{}{}\r\n\r\n", self.lead, content_range(span, self.of)).into(),
            None => Bytes::new(),
        }
    }

    /// What stands behind the last part.
    pub fn tail(&self) -> Bytes {
        format!("\r\n--{}--\r\n", self.boundary).into()
    }

    /// The body's Content-Length.
    pub fn total_len(&self) -> u64 {
        let heads: u64 = (0..self.parts.len()).map(|index| self.head(index).len() as u64).sum();
        let spans: u64 = self.parts.iter().map(|span| span.end - span.start).sum();
        heads + spans + self.tail().len() as u64
    }
}

/// Twenty digits, no two alike in one process, counted like nginx's but from where no client can foresee.
pub fn next_boundary() -> String {
    static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(0)));
    format!("{:020}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
