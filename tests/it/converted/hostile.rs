//! What is no configuration, and what was one before somebody fell asleep on the keyboard: a message, no panic, in time.

use std::path::Path;
use std::time::{Duration, Instant};

use edge::config::{Diagnostics, Raw};
use proptest::prelude::*;

use super::all;

/// Generous for a debug build on a machine with other work; a loop would take for ever.
const LIMIT: Duration = Duration::from_secs(10);

/// Reads a text as an nginx.conf and types it; gives how much was said.
fn read(text: &str) -> usize {
    let begun = Instant::now();
    let mut diagnostics = Diagnostics::new();
    if let Some(tree) = edge::convert::parse(Path::new("nginx.conf"), text, &mut diagnostics) {
        Raw::read(&tree, &mut diagnostics);
    }
    assert!(begun.elapsed() < LIMIT, "{:?} for {} bytes", begun.elapsed(), text.len());
    for (_, message) in diagnostics.each() {
        assert!(message.len() < 4_000, "{message}");
    }
    diagnostics.count().0
}

#[test]
fn large_nonsense_is_told_soon() {
    let size = 100_000;
    for text in [
        "{".repeat(size),
        "}".repeat(size),
        "{}".repeat(size / 2),
        "http {".repeat(size / 6),
        "a{".repeat(size / 2),
        "a;".repeat(size / 2),
        ";".repeat(size),
        "\"".repeat(size + 1),
        "'a".repeat(size / 2),
        "\\".repeat(size),
        "${".repeat(size / 2),
        "$".repeat(size),
        format!("http {{ server {{ location / {{ return 200 \"{}", "x".repeat(size)),
        format!("http {{ content_by_lua_block {{ {}", "{ [[ ".repeat(size / 5)),
    ] {
        assert!(read(&text) > 0, "{:?}… has no mistake", text.chars().take(30).collect::<String>());
    }
}

#[test]
fn large_configurations_are_read_soon() {
    let size = 100_000;
    for text in [
        format!("http {{ {} }}", "server { listen 1; } ".repeat(size / 20)),
        format!("http {{ server {{ {} }} }}", "location /a { } ".repeat(size / 16)),
        format!("http {{ map $a $b {{ {} }} }}", "x y; ".repeat(size / 5)),
        format!("http {{ server {{ rewrite {} /; }} }}", "(".repeat(size / 100)),
        format!("http {{ server {{ server_name {}; }} }}", "a.test ".repeat(size / 7)),
    ] {
        read(&text);
    }
}

/// One of the configurations with a few bytes taken out, put in or moved.
fn mutated() -> impl Strategy<Value = String> {
    let texts: Vec<String> = all().into_iter().map(|(_, text)| text.replace("include mime.types;", "")).collect();
    let edit =
        (any::<prop::sample::Index>(), 0usize..40, prop_oneof!["[{};\"'\\\\#$ \n]{0,3}", "(?s).{0,4}", "[a-z_]{1,9}"]);
    (prop::sample::select(texts), prop::collection::vec(edit, 1..6)).prop_map(|(text, edits)| {
        edits.into_iter().fold(text, |text, (at, length, new)| {
            let mut chars: Vec<char> = text.chars().collect();
            let from = at.index(chars.len().max(1)).min(chars.len());
            let to = (from + length).min(chars.len());
            chars.splice(from..to, new.chars());
            chars.into_iter().collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_end_in_a_message(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_configuration_somebody_fell_asleep_on_ends_in_a_message(text in mutated()) {
        read(&text);
    }
}
