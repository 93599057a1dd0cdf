//! `least_time header|last_byte`: the shortest expected time, which is the average of a server's times
//! multiplied by the requests before it, for its weight. As ngx_http_upstream_least_time_module (without
//! `inflight`): times are rounded up to 20 ms so that equals take turns, those above 5 s are all the same,
//! and a server nobody asked for `fail_timeout` counts as twice as fast, again and again, until it gets
//! another chance.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::{Round, least_conn};
use crate::upstream::peers::Peer;
use crate::upstream::settings::Until;
use crate::upstream::state::{Server, Stamp, millis};

pub(super) fn pick(round: &Round<'_>, until: Until) -> Option<usize> {
    least_conn::pick_least(round, |peer| {
        i128::from(expected_time(peer, until, round.now)) * (1 + peer.server.in_flight() as i128)
    })
}

fn expected_time(peer: &Peer, until: Until, now: Stamp) -> u64 {
    let average = match until {
        Until::Header => &peer.server.header_time,
        Until::LastByte => &peer.server.response_time,
    };
    let idle = now - peer.server.checked.load(Relaxed);
    let halvings = if idle > peer.fail_timeout { idle / (peer.fail_timeout + 1000) } else { 0 };
    let time = average.load(Relaxed).checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0);
    if time > 5000 { 5000 } else { time + 20 - time % 20 }
}

/// Takes the times of a successful exchange into the averages.
pub(in crate::upstream) fn note_times(server: &Server, header: Duration, response: Duration) {
    note(&server.header_time, header);
    note(&server.response_time, response);
}

/// A twentieth of the new value, as nginx; the first value is the average. Two threads at once may lose
/// one of their values, which an average can bear.
fn note(average: &AtomicU64, time: Duration) {
    let time = millis(time).unsigned_abs();
    let next = match average.load(Relaxed) {
        0 => time,
        before => (time + 19 * before + 10) / 20,
    };
    average.store(next, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_moves_by_a_twentieth() {
        let average = AtomicU64::new(0);
        for (time, expected) in [(100, 100), (200, 105), (0, 100), (5, 95)] {
            note(&average, Duration::from_millis(time));
            assert_eq!(average.load(Relaxed), expected);
        }
    }
}
