//! `Vary`: which fields of a request choose among the answers of one key (RFC 9111 4.1).
//!
//! What always holds: names are lower case, sorted and each there once, so that the order in which an upstream says them
//! makes no variant; and two requests share a variant only if the fields say the same.

use std::borrow::Cow;

use http::HeaderMap;

use crate::http::Headers;

/// More names than that are taken for `*`. (nginx: 128 bytes of the field.)
pub const MOST_NAMES: usize = 16;
/// All names together.
pub const MOST_BYTES: usize = 512;

/// Why no request can be known to want the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unselectable {
    /// `*`.
    Anything,
    /// Too many names, or what is no name.
    Names,
}

/// The names of all `Vary` lines.
pub fn names(headers: &HeaderMap) -> Result<Vec<String>, Unselectable> {
    let mut names: Vec<String> = Vec::new();
    let mut bytes = 0;
    let lines = headers.get_all(http::header::VARY).iter().map(|line| line.as_bytes());
    for name in lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
        if name == b"*" {
            return Err(Unselectable::Anything);
        }
        if name.is_empty() {
            continue;
        }
        let name = http::HeaderName::from_bytes(name).map_err(|_| Unselectable::Names)?;
        if names.iter().any(|known| known == name.as_str()) {
            continue;
        }
        bytes += name.as_str().len();
        if names.len() == MOST_NAMES || bytes > MOST_BYTES {
            return Err(Unselectable::Names);
        }
        names.push(name.as_str().to_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Each name with what the request says under it, made comparable: what a variant is computed from. `codings` are the
/// content codings that are told apart; of `Accept-Encoding` only which of them are acceptable counts.
pub fn selecting<'a>(names: &'a [String], request: &Headers, codings: &[&str]) -> Vec<(&'a str, Vec<u8>)> {
    names.iter().map(|name| (name.as_str(), comparable(name, request, codings))).collect()
}

/// Empty where the field is absent, which is not the same as there and empty.
fn comparable(name: &str, request: &Headers, codings: &[&str]) -> Vec<u8> {
    if name == "accept-encoding" {
        let acceptable = codings.iter().filter(|coding| accepts(request, coding));
        return acceptable.fold(Vec::new(), |mut list, coding| {
            list.push(b',');
            list.extend_from_slice(coding.as_bytes());
            list
        });
    }
    let mut said = Vec::new();
    for value in request.get_all(name) {
        said.push(b',');
        said.extend_from_slice(&without_blanks(value));
    }
    said
}

/// Blanks around commas and at the ends mean nothing (RFC 9110 5.6.1); within quotes they might.
fn without_blanks(value: &[u8]) -> Cow<'_, [u8]> {
    if value.contains(&b'"') {
        return Cow::Borrowed(value);
    }
    let members: Vec<&[u8]> = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    Cow::Owned(members.join(&b','))
}

/// RFC 9110 12.5.3: by its own weight, else by that of `*`, else not.
fn accepts(request: &Headers, coding: &str) -> bool {
    let mut any = false;
    for member in request.get_all("accept-encoding").flat_map(|line| line.split(|byte| *byte == b',')) {
        let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let wanted = !parts.any(is_zero_weight);
        let short = name.strip_prefix(b"x-").unwrap_or(name);
        if name.eq_ignore_ascii_case(coding.as_bytes()) || short.eq_ignore_ascii_case(coding.as_bytes()) {
            return wanted;
        }
        any |= name == b"*" && wanted;
    }
    any
}

/// `q=0`, `q=0.000`.
fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some((name, value)) = parameter.split_at_checked(2) else { return false };
    name.eq_ignore_ascii_case(b"q=") && !value.is_empty() && value.iter().all(|byte| matches!(byte, b'0' | b'.'))
}
