//! `split_clients`: a text becomes one of several by its hash, with nginx's hash and nginx's arithmetic, so that every
//! client stays in the part that nginx had put it in.

use crate::variables::Exchange;
use crate::variables::template::Template;
use bytes::Bytes;

/// A `split_clients`, compiled.
#[derive(Debug)]
pub struct Split {
    source: Template,
    /// The upper ends of the parts; `None`: all the rest.
    parts: Vec<(Option<u32>, Bytes)>,
    /// Hundredths of a percent that are given away.
    sum: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitMistake {
    #[error("this is no part of a hundred: expected `0.5%`, `33%` or, for the rest, `*`")]
    NoPercent,
    #[error("all parts together are more than 100%")]
    TooMuch,
}

const WHOLE: u32 = 10_000;

impl Split {
    pub fn new(source: Template) -> Split {
        Split { source, parts: Vec::new(), sum: 0, last: 0 }
    }

    /// `0.5%` of all, or `*` for what is left.
    pub fn insert(&mut self, part: &str, value: Bytes) -> Result<(), SplitMistake> {
        if part == "*" {
            self.sum = WHOLE;
            self.parts.push((None, value));
            return Ok(());
        }
        let percent = hundredths(part.strip_suffix('%').unwrap_or_default()).filter(|p| *p > 0);
        let percent = percent.ok_or(SplitMistake::NoPercent)?;
        self.sum = self.sum.checked_add(percent).filter(|sum| *sum <= WHOLE).ok_or(SplitMistake::TooMuch)?;
        self.last = self.last.wrapping_add((u64::from(percent) * 0xffff_ffff / u64::from(WHOLE)) as u32);
        self.parts.push((Some(self.last), value));
        Ok(())
    }

    pub(super) fn find(&self, x: &Exchange) -> &[u8] {
        let hash = murmur2(&self.source.evaluate(x));
        self.parts.iter().find(|(end, _)| end.is_none_or(|end| hash < end)).map_or(b"", |(_, value)| value)
    }
}

/// A number with at most two digits behind the point, times a hundred (nginx's `ngx_atofp`).
fn hundredths(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if text.is_empty() || !digits(whole) || !digits(rest) || rest.len() > 2 {
        return None;
    }
    format!("{whole}{rest:0<2}").parse().ok()
}

/// MurmurHash2, as nginx has it.
fn murmur2(data: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    let mut hash = data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = word.iter().rev().fold(0, |k, byte| k << 8 | u32::from(*byte)).wrapping_mul(MIX);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |k, byte| k << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_murmurhash2() {
        // Of the reference implementation with the seed 0.
        for (text, hash) in [("", 0), ("a", 0x9268_5f5e), ("ab", 0x1aa1_4063), ("abcd", 0x2687_3021)] {
            assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn parts_of_a_hundred_have_two_digits_behind_the_point() {
        assert_eq!(hundredths("0.5"), Some(50));
        assert_eq!(hundredths("33"), Some(3300));
        assert_eq!(hundredths("12.34"), Some(1234));
        for wrong in ["", "a", "1.234", "-1", "1.a", "99999999999"] {
            assert_eq!(hundredths(wrong), None, "{wrong}");
        }
    }
}
