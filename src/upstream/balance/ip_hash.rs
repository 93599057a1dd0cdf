//! `ip_hash`: the client's network decides — the first three octets of an IPv4 address, all of an IPv6
//! address. nginx's constants; a peer that cannot be used moves its clients on by hashing once more.

use std::net::IpAddr;

use super::{Round, Walk, by_weight};

pub(super) fn pick(round: &Round<'_>) -> Option<usize> {
    match round.want.client_ip {
        Some(IpAddr::V4(ip)) => pick_by(round, &ip.octets()[..3]),
        Some(IpAddr::V6(ip)) => pick_by(round, &ip.octets()),
        // nginx: all clients of unix sockets are one.
        None => pick_by(round, &[0; 3]),
    }
}

fn pick_by(round: &Round<'_>, network: &[u8]) -> Option<usize> {
    let mut hash = 89;
    let mut walk = Walk::default();
    loop {
        hash = network.iter().fold(hash, |hash, octet| (hash * 113 + u64::from(*octet)) % 6271);
        let at = by_weight(round.group, hash % round.group.total_weight)?;
        if round.is_usable(&round.peers()[at]) {
            return Some(at);
        }
        if !walk.passes(round, at) {
            return None;
        }
    }
}
