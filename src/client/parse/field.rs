//! One field line, as `ngx_http_parse_header_line` reads it. Stricter in one thing: control characters in a value are
//! refused (nginx refuses only NUL), because RFC 9110 5.5 forbids them and no upstream should have to judge them.

use std::ops::Range;

use super::Fault;
use crate::http::bytes::{ByteSet, has_controls};

/// Of nearly all names.
static USUAL: ByteSet = ByteSet::alphanumeric_and(b"-");

pub const INVALID_LINE: Fault = Fault::bad("client sent invalid header line");

/// What a field's name is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// Letters, digits and `-` (and `_` where allowed).
    Plain,
    /// Something else RFC 9110 allows in a token.
    Token,
    /// Bytes that no name may have.
    Odd,
}

/// Where name and value stand in a field line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Range<usize>,
    pub value: Range<usize>,
    pub kind: NameKind,
}

/// Reads a line without its line end. A line without a colon is a field without a value, as in nginx.
pub fn parse(line: &[u8], underscores: bool) -> Result<Field, Fault> {
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let kind = classify(&line[..colon], underscores)?;
    let rest = line.get(colon + 1..).unwrap_or_default();
    if has_controls(rest) {
        return Err(INVALID_LINE);
    }
    let value = match rest.iter().position(|b| *b != b' ') {
        None => line.len()..line.len(),
        Some(lead) => {
            let trail = rest.iter().rev().take_while(|b| **b == b' ').count();
            colon + 1 + lead..line.len() - trail
        }
    };
    Ok(Field { name: 0..colon, value, kind })
}

fn classify(name: &[u8], underscores: bool) -> Result<NameKind, Fault> {
    if name.is_empty() {
        return Err(INVALID_LINE);
    }
    if USUAL.holds_all(name) {
        return Ok(NameKind::Plain);
    }
    let mut kind = NameKind::Plain;
    for b in name {
        match *b {
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {}
            b'_' if underscores => {}
            0..=b' ' | 0x7f => return Err(INVALID_LINE),
            b if is_token_byte(b) => kind = if kind == NameKind::Odd { kind } else { NameKind::Token },
            _ => kind = NameKind::Odd,
        }
    }
    Ok(kind)
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}
