//! What is counted of sessions, by name, for whoever asks how they do.

use super::kept::Sessions;
use crate::session::takeover::{Cause, Lost};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const CAUSES: [(Cause, &str); 8] = [
    (Cause::Died, "taken_over_died"),
    (Cause::Fenced, "taken_over_fenced"),
    (Cause::UnknownRoute, "taken_over_unknown_route"),
    (Cause::Restarted, "taken_over_restarted"),
    (Cause::Returned, "taken_over_returned"),
    (Cause::Node, "taken_over_node"),
    (Cause::ChosenDied, "taken_over_chosen_died"),
    (Cause::Moved, "taken_over_moved"),
];

const LOSSES: [(Lost, &str); 5] = [
    (Lost::NoKey, "lost_no_key"),
    (Lost::NodeDown, "lost_node_down"),
    (Lost::ChosenDied, "lost_chosen_died"),
    (Lost::Vanished, "lost_vanished"),
    (Lost::NotKept, "lost_not_kept"),
];

impl Sessions {
    /// The upstream whose sessions these are.
    pub fn upstream(&self) -> &str {
        &self.settings.takeover.upstream
    }

    /// All counts since the sessions were put to work; nothing before.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let Some(live) = self.live() else { return Vec::new() };
        let counts = live.affinity.counts();
        let read = |count: &AtomicU64| count.load(Relaxed);
        let mut all: Vec<(&str, u64)> = CAUSES.iter().map(|(cause, name)| (*name, counts.takeover(*cause))).collect();
        all.extend(LOSSES.iter().map(|(why, name)| (*name, counts.lost(*why))));
        all.extend([
            ("waited", read(&counts.waited)),
            ("wait_expired", read(&counts.wait_expired)),
            ("unarbitrated", read(&counts.unarbitrated)),
            ("stale_risk", read(&counts.stale_risk)),
            ("probe_refused", read(&counts.probe_refused)),
            ("rotated", read(&counts.rotated)),
            ("put_back", read(&counts.put_back)),
            ("stayed", read(&counts.stayed)),
            ("garbage", read(&counts.garbage)),
            ("takeover_ms", counts.gate_time.read().sum.as_millis() as u64),
            ("wait_ms", counts.wait_time.read().sum.as_millis() as u64),
        ]);
        if let Some(alive) = &live.alive {
            all.extend([
                ("keep_alive_refreshed", read(&alive.counts.refreshed)),
                ("keep_alive_left", read(&alive.counts.left)),
                ("keep_alive_failed", read(&alive.counts.failed)),
                ("keep_alive_dropped", read(&alive.counts.dropped)),
            ]);
        }
        all
    }
}
