//! Who decided over the limits that several edges share: `edge rules stats`.

use super::Desk;
use super::commands::Answer;
use crate::limit::Counts;
use std::collections::BTreeMap;
use std::fmt::Write;

/// One line for each limit, in JSON; rules of one name count together.
pub fn stats(desk: &Desk) -> Answer {
    let snapshot = desk.snapshot.load_full();
    let mut all: BTreeMap<&str, Counts> = BTreeMap::new();
    for shared in &snapshot.shared_limits {
        let (name, counts) = (shared.name(), shared.counts());
        let sum = all.entry(name.strip_prefix("rules:").unwrap_or(name)).or_default();
        sum.asked += counts.asked;
        sum.known += counts.known;
        sum.alone += counts.alone;
    }
    let mut out = String::new();
    for (name, Counts { asked, known, alone }) in all {
        let line = serde_json::json!({ "limit": name, "counts": { "asked": asked, "known": known, "alone": alone } });
        // To write to a text does not fail.
        let _ = writeln!(out, "{line}");
    }
    Answer { out, ..Answer::default() }
}
