//! How often an answer was asked for that is not stored: `proxy_cache_min_uses`.
//!
//! A table of fixed size, so that clients who ask for ever new addresses cost nothing: what is asked for rarely makes
//! room for others.

use crate::cache::key::Hash;

const PLACES: usize = 1024;
/// Where a key may stand.
const WAYS: usize = 4;

#[derive(Clone, Copy, Default)]
struct Counted {
    tag: u32,
    uses: u32,
    /// In milliseconds since 1970.
    used: u64,
}

/// Made at the first miss.
#[derive(Default)]
pub struct Uses(Option<Box<[Counted; PLACES]>>);

impl Uses {
    /// This use included; those before are forgotten once nobody asked for `inactive` milliseconds.
    pub fn count(&mut self, hash: &Hash, now: u64, inactive: u64) -> u32 {
        let number = |at: usize| u32::from_le_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]);
        let tag = number(8);
        let begin = number(12) as usize % (PLACES / WAYS) * WAYS;
        let places = self.0.get_or_insert_with(|| Box::new([Counted::default(); PLACES]));
        let ways = &mut places[begin..begin + WAYS];
        let known = ways.iter().position(|place| place.tag == tag && place.uses > 0);
        let at = known.or_else(|| (0..WAYS).min_by_key(|way| ways[*way].used)).unwrap_or_default();
        let expired = known.is_none() || now.saturating_sub(ways[at].used) > inactive;
        let uses = if expired { 1 } else { ways[at].uses.saturating_add(1) };
        ways[at] = Counted { tag, uses, used: now };
        uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Key;

    #[test]
    fn uses_are_counted_by_key_and_forgotten_after_a_time() {
        let mut uses = Uses::default();
        let (a, b) = (Key::of(&[b"a"]), Key::of(&[b"b"]));
        assert_eq!([1, 2, 3].map(|now| uses.count(a.hash(), now, 10)), [1, 2, 3]);
        assert_eq!(uses.count(b.hash(), 3, 10), 1);
        assert_eq!(uses.count(a.hash(), 13, 10), 4);
        assert_eq!(uses.count(a.hash(), 24, 10), 1);
    }

    #[test]
    fn what_is_asked_for_often_outlives_many_that_are_asked_for_once() {
        let mut uses = Uses::default();
        let hot = Key::of(&[b"hot"]);
        for now in 0..10_000u64 {
            uses.count(Key::of(&[&now.to_le_bytes()]).hash(), now, u64::MAX);
            if now % 100 == 0 {
                assert_eq!(u64::from(uses.count(hot.hash(), now, u64::MAX)), now / 100 + 1);
            }
        }
    }
}
