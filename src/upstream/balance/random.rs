//! `random` and `random two [least_conn]`, by weight. The second takes two and picks the one with fewer
//! requests in flight: nearly as even as `least_conn` where several edges do not know of each other.

use super::{PATIENCE, Round, by_weight};
use crate::upstream::state::Dice;

pub(super) fn pick(round: &Round<'_>, dice: &mut Dice) -> Option<usize> {
    (0..attempts(round)).find_map(|_| throw(round, dice))
}

pub(super) fn pick_two(round: &Round<'_>, dice: &mut Dice) -> Option<usize> {
    let mut first = None;
    for _ in 0..attempts(round) {
        let Some(at) = throw(round, dice) else { continue };
        match first {
            None => first = Some(at),
            Some(first) if first != at => return Some(less_loaded(round, first, at)),
            Some(_) => {}
        }
    }
    None
}

/// nginx leaves a group of one, and a search without luck, to round robin.
fn attempts(round: &Round<'_>) -> usize {
    if round.peers().len() < 2 { 0 } else { PATIENCE }
}

fn throw(round: &Round<'_>, dice: &mut Dice) -> Option<usize> {
    let at = by_weight(round.group, dice.roll(round.group.total_weight))?;
    round.is_usable(&round.peers()[at]).then_some(at)
}

fn less_loaded(round: &Round<'_>, first: usize, second: usize) -> usize {
    let [a, b] = [first, second].map(|at| &round.peers()[at]);
    let crosswise = |x: &super::Peer, y: &super::Peer| x.server.in_flight() as i128 * i128::from(y.weight);
    if crosswise(b, a) > crosswise(a, b) { first } else { second }
}
