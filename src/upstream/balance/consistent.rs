//! `hash KEY consistent`: ketama, compatible with Cache::Memcached::Fast. Each server owns 160 points per
//! weight on a ring of 2³²; a key belongs to the next point. A server that leaves gives up only its own
//! keys. Points go by the server's name as it is written, so that the addresses of one name share its keys
//! and take turns.

use std::sync::Arc;

use super::crc32::Crc32;
use super::{PATIENCE, Round, round_robin};
use crate::upstream::peers::Peer;

#[derive(Debug, Default)]
pub(in crate::upstream) struct Ring {
    /// By place on the ring; the server as one of `names`.
    points: Vec<(u32, usize)>,
    names: Vec<String>,
}

impl Ring {
    pub(in crate::upstream) fn new(peers: &[Arc<Peer>]) -> Self {
        let mut ring = Ring::default();
        for peer in peers {
            let written = &peer.settings.address;
            let name = ring.names.iter().position(|name| name == written).unwrap_or_else(|| {
                ring.names.push(written.clone());
                ring.names.len() - 1
            });
            ring.points.extend(points_of(written, peer.weight).map(|point| (point, name)));
        }
        ring.points.sort_by_key(|(point, _)| *point);
        ring.points.dedup_by_key(|(point, _)| *point);
        ring
    }

    /// The servers from a key's place on, once around; a server comes as often as it has points.
    fn walk_from(&self, place: u32) -> impl Iterator<Item = &str> {
        let start = self.points.partition_point(|(point, _)| *point < place);
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|(_, name)| self.names[*name].as_str())
    }
}

/// crc32(HOST \0 PORT PREVIOUS), each point the beginning of the next.
fn points_of(written: &str, weight: i64) -> impl Iterator<Item = u32> {
    let (host, port) = split(written);
    let common = Crc32::new().with(host.as_bytes()).with(&[0]).with(port.as_bytes());
    let mut previous = 0u32;
    (0..weight * 160).map(move |_| {
        previous = common.with(&previous.to_le_bytes()).value();
        previous
    })
}

fn split(written: &str) -> (&str, &str) {
    if let Some(path) = written.strip_prefix("unix:") {
        return (path, "");
    }
    match written.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        _ => (written, ""),
    }
}

pub(super) fn pick(round: &Round<'_>) -> Option<usize> {
    let ring = &round.group.ring;
    let place = Crc32::new().with(round.want.key).value();
    ring.walk_from(place)
        .take(PATIENCE)
        .find_map(|name| round_robin::pick_among(round, |peer| peer.settings.address == name && round.is_usable(peer)))
}
