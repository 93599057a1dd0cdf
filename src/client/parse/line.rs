//! The request line, as `ngx_http_parse_request_line` reads it, without HTTP/0.9.

use std::ops::Range;

use super::{Fault, host};
use crate::http::Version;

/// Where the parts of a request line stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    pub method: Range<usize>,
    /// The path with its query; empty or beginning with `?` where an absolute-form has no path.
    pub target: Range<usize>,
    /// The host and port of an absolute-form.
    pub authority: Option<Range<usize>>,
    pub version: Version,
}

const INVALID_METHOD: Fault = Fault::bad("client sent invalid method");
const INVALID_REQUEST: Fault = Fault::bad("client sent invalid request");
const INVALID_HOST: Fault = Fault::bad("client sent invalid host in request line");
const INVALID_VERSION: Fault = Fault { status: 505, reason: "client sent invalid version" };

/// Refuses what can never become a method, so that a TLS hello to a plain port is answered at once.
pub fn check_method(line: &[u8]) -> Result<(), Fault> {
    let end = line.iter().position(|b| !is_method_byte(*b)).unwrap_or(line.len());
    match line.get(end) {
        None => Ok(()),
        Some(b' ') if end > 0 => Ok(()),
        Some(_) => Err(INVALID_METHOD),
    }
}

fn is_method_byte(b: u8) -> bool {
    b.is_ascii_uppercase() || b == b'_' || b == b'-'
}

/// Reads a line without its line end.
pub fn parse(line: &[u8]) -> Result<RequestLine, Fault> {
    check_method(line)?;
    let method_end = line.iter().position(|b| *b == b' ').ok_or(INVALID_METHOD)?;
    let start = skip_spaces(line, method_end);
    let end = line[start..].iter().position(|b| *b == b' ').map_or(line.len(), |n| start + n);
    let whole = &line[start..end];
    if whole.is_empty() || whole.iter().any(u8::is_ascii_control) {
        return Err(INVALID_REQUEST);
    }
    let (authority, target) = match whole[0] {
        b'/' => (None, 0..whole.len()),
        // authority-form; nginx calls most of it an invalid request before it looks at the method
        _ if &line[..method_end] == b"CONNECT" => (None, 0..whole.len()),
        b if b.is_ascii_alphabetic() => absolute(whole)?,
        _ => return Err(INVALID_REQUEST),
    };
    let version = version(&line[skip_spaces(line, end)..])?;
    let shift = |r: Range<usize>| r.start + start..r.end + start;
    Ok(RequestLine { method: 0..method_end, target: shift(target), authority: authority.map(shift), version })
}

fn skip_spaces(line: &[u8], from: usize) -> usize {
    line[from..].iter().position(|b| *b != b' ').map_or(line.len(), |n| from + n)
}

/// `scheme://authority[/path][?query]` → where authority and the rest stand.
fn absolute(whole: &[u8]) -> Result<(Option<Range<usize>>, Range<usize>), Fault> {
    let scheme =
        whole.iter().position(|b| !(b.is_ascii_alphanumeric() || b"+-.".contains(b))).ok_or(INVALID_REQUEST)?;
    if !whole[scheme..].starts_with(b"://") {
        return Err(INVALID_REQUEST);
    }
    let from = scheme + 3;
    let to = whole[from..].iter().position(|b| *b == b'/' || *b == b'?').map_or(whole.len(), |n| from + n);
    host::parse(&whole[from..to]).ok_or(INVALID_HOST)?;
    Ok((Some(from..to), to..whole.len()))
}

/// `HTTP/1.x` with spaces after it. nginx takes up to three digits after the dot.
fn version(text: &[u8]) -> Result<Version, Fault> {
    let digits = text.strip_prefix(b"HTTP/").ok_or(INVALID_REQUEST)?;
    match digits.first() {
        Some(b'1') => {}
        Some(b'2'..=b'9') => return Err(INVALID_VERSION),
        _ => return Err(INVALID_REQUEST),
    }
    let minor = match digits.get(1) {
        Some(b'.') => &digits[2..],
        Some(b'0'..=b'9') => return Err(INVALID_VERSION),
        _ => return Err(INVALID_REQUEST),
    };
    let len = minor.iter().position(|b| !b.is_ascii_digit()).unwrap_or(minor.len());
    if !(1..=3).contains(&len) || minor[len..].iter().any(|b| *b != b' ') {
        return Err(INVALID_REQUEST);
    }
    if minor[..len].iter().all(|b| *b == b'0') { Ok(Version::Http10) } else { Ok(Version::Http11) }
}
