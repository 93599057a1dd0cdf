//! `least_conn`: the fewest requests in flight for its weight; among equals, round robin.

use super::{Round, round_robin};
use crate::upstream::peers::Peer;

pub(super) fn pick(round: &Round<'_>) -> Option<usize> {
    pick_least(round, |peer| peer.server.in_flight() as i128)
}

/// The usable peer with the least `load` for its weight. Compared crosswise, without dividing, as nginx.
pub(super) fn pick_least(round: &Round<'_>, load: impl Fn(&Peer) -> i128) -> Option<usize> {
    let mut least: Option<(usize, i128, i128)> = None;
    let mut many = false;
    for (at, peer) in round.peers().iter().enumerate().filter(|(_, peer)| round.is_usable(peer)) {
        let (here, weight) = (load(peer), i128::from(peer.warm_weight(round.now)));
        match least {
            Some((_, best, best_weight)) if here * best_weight > best * weight => {}
            Some((_, best, best_weight)) if here * best_weight == best * weight => many = true,
            _ => {
                least = Some((at, here, weight));
                many = false;
            }
        }
    }
    let (at, best, best_weight) = least?;
    if !many {
        return Some(at);
    }
    let equals = |peer: &Peer| {
        round.is_usable(peer) && load(peer) * best_weight == best * i128::from(peer.warm_weight(round.now))
    };
    // A request that ends between the two looks can leave nobody equal; the first find is still good.
    round_robin::pick_among(round, equals).or(Some(at))
}
