//! What is counted of sessions: `edge session stats`.

use super::Desk;
use super::commands::{Answer, hint};
use std::fmt::Write;

/// One line for each upstream that keeps sessions, in JSON.
pub fn stats(desk: &Desk, name: &str) -> Answer {
    let snapshot = desk.snapshot.load_full();
    let mut all: Vec<_> = snapshot.sessions.iter().collect();
    all.sort_by(|a, b| a.upstream().cmp(b.upstream()));
    let known: Vec<&str> = all.iter().map(|sessions| sessions.upstream()).collect();
    if !name.is_empty() && !known.contains(&name) {
        return Answer::failed(format!("no upstream `{name}` has a `session`; {}", hint(name, &known)));
    }
    let mut out = String::new();
    for sessions in all.iter().filter(|sessions| name.is_empty() || sessions.upstream() == name) {
        let counts: serde_json::Map<String, serde_json::Value> =
            sessions.counts().into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
        let line = serde_json::json!({ "upstream": sessions.upstream(), "sessions": counts });
        // To write to a text does not fail.
        let _ = writeln!(out, "{line}");
    }
    Answer { out, ..Answer::default() }
}
