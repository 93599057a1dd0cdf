//! Smooth weighted round robin. Each usable peer earns its weight, the richest is picked and pays what all
//! have earned together: weights 5,1,1 give a a b a c a a. The weight a peer earns is lowered by failures
//! and grows back by one with each choice it takes part in.

use std::sync::atomic::Ordering::Relaxed;

use super::Round;
use crate::upstream::peers::Peer;

pub(super) fn pick(round: &Round<'_>) -> Option<usize> {
    pick_among(round, |peer| round.is_usable(peer))
}

/// Only those who pass take part: neither earn nor pay the others.
pub(super) fn pick_among(round: &Round<'_>, takes_part: impl Fn(&Peer) -> bool) -> Option<usize> {
    let mut best: Option<(usize, i64)> = None;
    let mut total = 0;
    for (at, peer) in round.peers().iter().enumerate().filter(|(_, peer)| takes_part(peer)) {
        let share = peer.share(round.now);
        let current = peer.server.current.load(Relaxed) + share;
        peer.server.current.store(current, Relaxed);
        total += share;
        let effective = peer.server.effective.load(Relaxed);
        if effective < peer.weight {
            peer.server.effective.store(effective + 1, Relaxed);
        }
        if best.is_none_or(|(_, richest)| current > richest) {
            best = Some((at, current));
        }
    }
    let (at, current) = best?;
    round.peers()[at].server.current.store(current - total, Relaxed);
    Some(at)
}
