//! Session ids in logs: whoever reads a log must not be able to take over somebody's session. `;jsessionid=ABC-n1.t1` becomes
//! `;jsessionid=*-n1.t1`; the base is the secret, node and route may stay.
//!
//! An id is hidden wherever one of its names stands before it, in a cookie, a path, a query, or encoded within another address
//! (`%3Bjsessionid%3D…`). What has lost its name on the way, as a group that a regular expression has captured, is found by the
//! ids that the request and its answer hold. Too much is hidden rather than too little.

use crate::variables::{Exchange, Variable};
use memchr::memmem;
use std::ops::Range;
use std::sync::Arc;

/// What takes the place of a base.
const HIDDEN: u8 = b'*';

/// Shorter bases are no secrets, and stand in anything.
const SECRET: usize = 12;

/// More ids than this no browser sends; those beyond are hidden behind their names alone.
const MOST: usize = 16;

/// The names that session ids go by in a configuration.
#[derive(Debug)]
pub struct Mask(Vec<Box<[u8]>>);

impl Mask {
    /// Nothing where no names are known, so that nobody searches for them.
    pub fn new<'n>(names: impl Iterator<Item = &'n str>) -> Option<Arc<Mask>> {
        let mut all: Vec<Box<[u8]>> = names.map(|name| name.to_ascii_lowercase().into_bytes().into()).collect();
        all.sort();
        all.dedup();
        all.retain(|name| !name.is_empty());
        (!all.is_empty()).then(|| Arc::new(Mask(all)))
    }

    /// The bases of the ids that a request and its answer hold.
    pub fn bases<'x>(&self, x: &'x Exchange) -> Vec<&'x [u8]> {
        let heads = [x.answer.upstream.as_deref(), x.answer.sent.as_deref()];
        let set = heads.into_iter().flatten().flat_map(|head| head.headers.get_all("set-cookie"));
        let texts =
            x.head.headers.get_all("cookie").chain([&x.head.target[..]]).chain(set.map(|field| field.as_bytes()));
        let mut bases: Vec<&[u8]> =
            texts.flat_map(|text| self.places(text).into_iter().map(move |place| &text[place])).collect();
        bases.retain(|base| base.len() >= SECRET);
        // One may be part of another.
        bases.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        bases.dedup();
        bases.truncate(MOST);
        bases
    }

    /// Hides ids in a value that was appended from there on. `variable`: what it is the value of; else of a captured group.
    pub fn value(&self, variable: Option<&Variable>, bases: &[&[u8]], from: usize, out: &mut Vec<u8>) {
        let is_id = match variable {
            Some(Variable::Cookie(name) | Variable::UpstreamCookie(name) | Variable::Arg(name)) => self.has(name),
            _ => false,
        };
        if is_id {
            let base = base(out, from);
            if !base.is_empty() {
                out.splice(base, [HIDDEN]);
            }
        }
        self.text(from, out);
        for base in bases {
            let found: Vec<Range<usize>> =
                memmem::find_iter(&out[from..], base).map(|at| from + at..from + at + base.len()).collect();
            hide(&found, out);
        }
    }

    /// Hides ids that stand behind one of their names in what begins there.
    pub fn text(&self, from: usize, out: &mut Vec<u8>) {
        let found: Vec<Range<usize>> =
            self.places(&out[from..]).into_iter().map(|place| from + place.start..from + place.end).collect();
        hide(&found, out);
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Where bases stand, in order.
    fn places(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = self.0.iter().flat_map(|name| places(text, name)).collect();
        if self.0.len() > 1 {
            found.sort_by_key(|place| place.start);
            // The value of one name may hold the other.
            let mut end = 0;
            found.retain(|place| {
                let apart = place.start >= end;
                end = end.max(place.end);
                apart
            });
        }
        found
    }
}

/// Puts one byte in the place of each; they are in order and apart.
fn hide(places: &[Range<usize>], text: &mut Vec<u8>) {
    let Some(first) = places.first() else { return };
    let rest = text.split_off(first.start);
    let mut done = 0;
    for place in places {
        text.extend_from_slice(&rest[done..place.start - first.start]);
        text.push(HIDDEN);
        done = place.end - first.start;
    }
    text.extend_from_slice(&rest[done..]);
}

fn places<'t>(text: &'t [u8], name: &'t [u8]) -> impl Iterator<Item = Range<usize>> + 't {
    let mut done = 0;
    let first = name[0];
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), text).filter_map(move |at| {
        let end = at + name.len();
        let named = at >= done && text.get(at..end)?.eq_ignore_ascii_case(name) && begins_name(&text[..at]);
        let value = named.then(|| after_equals(text, end)).flatten()?;
        let base = base(text, value);
        done = base.end;
        (!base.is_empty()).then_some(base)
    })
}

/// Whether what follows is a name of its own, not the end of a longer one.
fn begins_name(before: &[u8]) -> bool {
    match before {
        [.., last] if last.is_ascii_alphanumeric() || matches!(last, b'_' | b'-') => ends_in_escape(before),
        _ => true,
    }
}

/// `%3B`, also encoded again and again, or `\x3B`.
fn ends_in_escape(text: &[u8]) -> bool {
    let [rest @ .., high, low] = text else { return false };
    let mut rest = rest;
    while let Some(once) = rest.strip_suffix(b"25") {
        rest = once;
    }
    high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && (rest.ends_with(b"%") || rest.ends_with(b"\\x"))
}

/// Where the value begins whose name ends there.
fn after_equals(text: &[u8], end: usize) -> Option<usize> {
    let blanks = |text: &[u8]| text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let at = end + blanks(&text[end..]);
    let at = match text.get(at)? {
        b'=' => at + 1,
        b'%' => {
            let mut rest = &text[at + 1..];
            while let Some(once) = rest.strip_prefix(b"25") {
                rest = once;
            }
            match rest {
                [b'3', b'D' | b'd', after @ ..] => text.len() - after.len(),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(at + blanks(&text[at..]))
}

/// The base of the id that begins there, or behind quotes.
fn base(text: &[u8], from: usize) -> Range<usize> {
    let mut from = from;
    while let Some(quote) = [&b"\""[..], b"\\x22", b"%22"].into_iter().find(|quote| text[from..].starts_with(quote)) {
        from += quote.len();
    }
    let ends = |b: &u8| !b.is_ascii_graphic() || b"-.\"\\,;/?#&<>{}|^`[]".contains(b);
    let length = text[from..].iter().position(ends).unwrap_or(text.len() - from);
    from..from + length
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
