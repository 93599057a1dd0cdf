//! `Cache-Control`, of requests and of answers.
//!
//! Not pingora-cache's parser: it lets the last of several directives win (`private, private="x"`, `max-age=0,
//! max-age=60`), sees only the first of two that a blank separates, and takes a directive without a usable number for
//! absent. Here what contradicts itself is read in the strictest way, and what cannot be read is zero.
//! Nothing is allocated, whatever comes.

use super::freshness::LONGEST;

/// What was said. Seconds are at most [`LONGEST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    pub no_store: bool,
    /// Also if only for some fields: nginx makes no difference.
    pub no_cache: bool,
    /// As `no_cache`.
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub must_understand: bool,
    pub proxy_revalidate: bool,
    pub only_if_cached: bool,
    pub max_age: Option<u64>,
    pub s_maxage: Option<u64>,
    pub stale_while_revalidate: Option<u64>,
    pub stale_if_error: Option<u64>,
    pub min_fresh: Option<u64>,
    /// [`u64::MAX`] without a value: however stale.
    pub max_stale: Option<u64>,
}

/// Where a directive's meaning is kept.
pub(super) enum Slot<'a> {
    Flag(&'a mut bool),
    /// The smaller number is the stricter one.
    Limit(&'a mut Option<u64>),
    /// The greater number is.
    Demand(&'a mut Option<u64>),
}

impl CacheControl {
    /// Of all lines of the field.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> CacheControl {
        let mut control = CacheControl::default();
        for (name, value) in lines.into_iter().flat_map(|rest| Directives { rest, unclosed: false }) {
            control.note(name, value);
        }
        control
    }

    /// Of an answer.
    pub fn of(headers: &http::HeaderMap) -> CacheControl {
        CacheControl::parse(headers.get_all(http::header::CACHE_CONTROL).iter().map(|line| line.as_bytes()))
    }

    /// Of a request; `Pragma: no-cache` stands in where there is no Cache-Control (RFC 9111 5.4).
    pub fn asked(headers: &crate::http::Headers) -> CacheControl {
        if headers.contains("cache-control") {
            return CacheControl::parse(headers.get_all("cache-control"));
        }
        let pragma = CacheControl::parse(headers.get_all("pragma"));
        CacheControl { no_cache: pragma.no_cache, ..CacheControl::default() }
    }

    /// Whether stale use is forbidden in so many words.
    pub fn revalidates(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate
    }

    fn note(&mut self, name: &[u8], value: Option<&[u8]>) {
        let bare = if name.eq_ignore_ascii_case(b"max-stale") { u64::MAX } else { 0 };
        let number = || value.map_or(bare, |value| seconds(value).unwrap_or(0));
        match self.slot(name) {
            Some(Slot::Flag(flag)) => *flag = true,
            Some(Slot::Limit(limit)) => *limit = Some(limit.unwrap_or(u64::MAX).min(number())),
            // A demand that cannot be read is one that nothing meets.
            Some(Slot::Demand(demand)) => {
                let asked = value.and_then(seconds).unwrap_or(LONGEST);
                *demand = Some(demand.unwrap_or(0).max(asked));
            }
            None => {}
        }
    }

    pub(super) fn slot(&mut self, name: &[u8]) -> Option<Slot<'_>> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        Some(match name.len() {
            6 if is("public") => Slot::Flag(&mut self.public),
            7 if is("max-age") => Slot::Limit(&mut self.max_age),
            7 if is("private") => Slot::Flag(&mut self.private),
            8 if is("no-store") => Slot::Flag(&mut self.no_store),
            8 if is("no-cache") => Slot::Flag(&mut self.no_cache),
            8 if is("s-maxage") => Slot::Limit(&mut self.s_maxage),
            9 if is("min-fresh") => Slot::Demand(&mut self.min_fresh),
            9 if is("max-stale") => Slot::Limit(&mut self.max_stale),
            14 if is("stale-if-error") => Slot::Limit(&mut self.stale_if_error),
            14 if is("only-if-cached") => Slot::Flag(&mut self.only_if_cached),
            15 if is("must-understand") => Slot::Flag(&mut self.must_understand),
            15 if is("must-revalidate") => Slot::Flag(&mut self.must_revalidate),
            16 if is("proxy-revalidate") => Slot::Flag(&mut self.proxy_revalidate),
            22 if is("stale-while-revalidate") => Slot::Limit(&mut self.stale_while_revalidate),
            _ => return None,
        })
    }
}

/// delta-seconds, also quoted (RFC 9111 5.2); more than fits is [`LONGEST`] (RFC 9111 1.2.2).
pub(super) fn seconds(value: &[u8]) -> Option<u64> {
    let digits = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, add).min(LONGEST))
}

/// The directives of one line, by turns: name and, behind a `=`, the value with its quotes. As in nginx a semicolon or
/// a blank ends one as a comma does, so that `private max-age=60` is both.
struct Directives<'a> {
    rest: &'a [u8],
    /// A quote was not closed: it hides nothing, and from there on quotes are bytes as any other.
    unclosed: bool,
}

impl<'a> Iterator for Directives<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.rest.iter().position(|byte| !separates(*byte))?;
        self.rest = &self.rest[start..];
        let (directive, rest) = self.rest.split_at(self.end());
        self.rest = rest;
        Some(match directive.iter().position(|byte| *byte == b'=') {
            Some(equals) => (&directive[..equals], Some(&directive[equals + 1..])),
            None => (directive, None),
        })
    }
}

impl Directives<'_> {
    /// Where the directive at the start of the rest ends.
    fn end(&mut self) -> usize {
        let mut at = 0;
        while let Some(byte) = self.rest.get(at).filter(|byte| !separates(**byte)) {
            let closed = (*byte == b'"' && !self.unclosed).then(|| quoted(&self.rest[at..]));
            self.unclosed |= closed == Some(None);
            at += closed.flatten().unwrap_or(1);
        }
        at
    }
}

fn separates(byte: u8) -> bool {
    matches!(byte, b',' | b';' | b' ' | b'\t')
}

/// The length of the quoted string at the start of `text`, with both quotes.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
