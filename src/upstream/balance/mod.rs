//! The methods: which of the usable peers is next. One file per method, each following nginx's module of
//! that name so closely that the same requests reach the same servers; `recorded.rs` holds what nginx did.
//!
//! All of them run while the pool's turn is held, which is what makes reading and moving the weights one
//! step. Methods that find nobody in their own way fall back to round robin, as in nginx.

mod consistent;
mod crc32;
mod hash;
mod ip_hash;
mod least_conn;
mod least_time;
mod random;
#[cfg(test)]
mod recorded;
mod round_robin;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(super) use consistent::Ring;
pub(super) use least_time::note_times;

use super::choose::Want;
use super::peers::{Group, Peer, Peers};
use super::settings::Balance;
use super::state::{Dice, Stamp};

/// Places that cannot be used until a method gives up: nginx lets twenty pass.
const PATIENCE: usize = 21;

/// What every method knows of the request.
struct Round<'a> {
    group: &'a Group,
    want: &'a Want<'a>,
    now: Stamp,
}

impl<'a> Round<'a> {
    fn peers(&self) -> &'a [Arc<Peer>] {
        &self.group.peers
    }

    fn is_usable(&self, peer: &Peer) -> bool {
        peer.is_usable(self.want.tried, self.now)
    }
}

/// How far a hash has walked. nginx goes on where the request's last try left off and counts the places it
/// passes over; here each try walks from the beginning, so the places where earlier tries ended are met
/// again, and are free the first time.
#[derive(Default)]
struct Walk {
    passed: usize,
    met: Vec<usize>,
}

impl Walk {
    /// May the walk go on, though this peer cannot be used?
    fn passes(&mut self, round: &Round<'_>, at: usize) -> bool {
        if round.want.tried.contains(round.peers()[at].server.id()) && !self.met.contains(&at) {
            self.met.push(at);
            return true;
        }
        self.passed += 1;
        self.passed < PATIENCE
    }
}

/// The next peer and its place: of the primaries, and of the backups if there is none.
pub(super) fn pick<'a>(
    peers: &'a Peers,
    balance: Balance,
    want: &Want<'_>,
    now: Stamp,
    dice: &mut Dice,
) -> Option<(usize, &'a Arc<Peer>)> {
    let mut offset = 0;
    for group in &peers.groups {
        let round = Round { group, want, now };
        if let Some(at) = pick_in(&round, balance, dice) {
            return Some((offset + at, &group.peers[at]));
        }
        offset += group.peers.len();
    }
    None
}

fn pick_in(round: &Round<'_>, balance: Balance, dice: &mut Dice) -> Option<usize> {
    if round.peers().is_empty() {
        return None;
    }
    let own = match balance {
        Balance::RoundRobin => None,
        Balance::LeastConn => return least_conn::pick(round),
        Balance::LeastTime(until) => return least_time::pick(round, until),
        Balance::IpHash => ip_hash::pick(round),
        Balance::Hash => hash::pick(round),
        Balance::ConsistentHash => consistent::pick(round),
        Balance::Random => random::pick(round, dice),
        Balance::RandomTwo => random::pick_two(round, dice),
    };
    own.or_else(|| round_robin::pick(round))
}

/// The peer under a point of `0..total_weight` when peers lie side by side, each as wide as its weight.
fn by_weight(group: &Group, point: u64) -> Option<usize> {
    let mut left = i64::try_from(point).ok()?;
    group.peers.iter().position(|peer| {
        left -= peer.weight;
        left < 0
    })
}
