//! `hash KEY`, compatible with Cache::Memcached: ((crc32([REHASH] KEY) >> 16) & 0x7fff), added up over the
//! tries; the first try has no REHASH.

use super::crc32::Crc32;
use super::{Round, Walk, by_weight};

pub(super) fn pick(round: &Round<'_>) -> Option<usize> {
    let mut hash = 0;
    let mut walk = Walk::default();
    for rehash in 0u32.. {
        let start = match rehash {
            0 => Crc32::new(),
            n => Crc32::new().with(n.to_string().as_bytes()),
        };
        hash += u64::from((start.with(round.want.key).value() >> 16) & 0x7fff);
        let at = by_weight(round.group, hash % round.group.total_weight)?;
        if round.is_usable(&round.peers()[at]) {
            return Some(at);
        }
        if !walk.passes(round, at) {
            break;
        }
    }
    None
}
