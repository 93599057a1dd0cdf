//! The reference of edge.yaml as a page, made of the definitions of the keys: `docs/reference.md`.

use super::keys::{Contexts, Key};
use super::raw::all_keys;
use serde_json::Value;
use std::fmt::Write;

/// The blocks, in the order of the page.
const BLOCKS: [(&str, Contexts, &str); 4] = [
    (
        "The top and what is inherited",
        Contexts(Contexts::MAIN.0 | Contexts::HTTP.0),
        "Keys of the process, and those that servers and locations inherit.",
    ),
    ("server", Contexts::SERVER, "Keys that stand in a `server` and not above it."),
    (
        "location",
        Contexts::LOCATION,
        "Keys that stand in a `location` (some in a `server`, too) and are not inherited.",
    ),
    ("upstream", Contexts::UPSTREAM, "Keys of one of the `upstream`s."),
];

/// How deep the keys of a value are told.
const DEPTH: usize = 2;

/// The whole page. To write to a text does not fail.
pub fn page() -> String {
    let mut out = String::from(
        "# Every key of edge.yaml\n\nMade of the definitions that the reader itself is made of (`edge schema` prints them for editors). A key has \
         nginx's name and meaning; where it stands in nginx.conf as a directive, its words are the directive's. A key of a group may be \
         written short: `gzip: { types: [text/css] }` is `gzip: on` and `gzip_types: [text/css]`.\n",
    );
    let mut told: Vec<&str> = Vec::new();
    for (title, contexts, what) in BLOCKS {
        let _ = write!(out, "\n## {title}\n\n{what}\n");
        let mut here: Vec<&Key> = all_keys()
            .filter(|key| key.contexts.0 & contexts.0 != 0 && !is_idle(key) && !told.contains(&key.name))
            .collect();
        here.sort_by_key(|key| key.name);
        for key in here {
            told.push(key.name);
            entry(&mut out, key);
        }
    }
    let mut idle: Vec<String> = all_keys().filter(|key| is_idle(key)).map(|key| format!("`{}`", key.name)).collect();
    idle.sort();
    idle.dedup();
    let _ = write!(
        out,
        "\n## Accepted without effect\n\nedge does by itself what these tell nginx to do: {}.\n",
        idle.join(", ")
    );
    out
}

/// What nginx.conf may say and edge need not be told.
fn is_idle(key: &Key) -> bool {
    key.doc.first().is_some_and(|line| line.trim_start().starts_with("Accepted;"))
}

fn entry(out: &mut String, key: &Key) {
    let default = key.default.map(|default| format!(" · default `{default}`")).unwrap_or_default();
    let doc: Vec<&str> = key.doc.iter().map(|line| line.trim()).collect();
    let expected = (key.kind.expected)();
    let _ =
        write!(out, "\n### `{}`\n\n{} · {expected}{default}\n\n{}\n", key.name, key.contexts.names(), doc.join("\n"));
    let mut parts = String::new();
    within(&mut parts, &(key.kind.schema)(), 0);
    if !parts.is_empty() {
        let _ = write!(out, "\n{parts}");
    }
}

/// The keys inside a value.
fn within(out: &mut String, schema: &Value, depth: usize) {
    if depth == DEPTH || !schema.is_object() {
        return;
    }
    for form in ["anyOf", "oneOf"].iter().flat_map(|word| schema[*word].as_array().into_iter().flatten()) {
        within(out, form, depth);
    }
    for inner in ["items", "additionalProperties"] {
        within(out, &schema[inner], depth);
    }
    for (name, part) in schema["properties"].as_object().into_iter().flatten() {
        let what = part["description"].as_str().unwrap_or_default().replace('\n', " ");
        let line = format!("{}- `{name}`: {what}", "  ".repeat(depth));
        let line = line.trim_end_matches(": ").to_owned() + "\n";
        if !out.contains(&line) {
            out.push_str(&line);
            within(out, part, depth + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_block_is_told_once() {
        let page = page();
        for key in all_keys().filter(|key| key.contexts.0 & !(Contexts::IF.0 | Contexts::LIMIT_EXCEPT.0) != 0) {
            let head = format!("\n### `{}`\n", key.name);
            let count = page.matches(&head).count();
            // One that has no effect in one block may have one in another.
            let has_effect = all_keys().any(|other| other.name == key.name && !is_idle(other));
            assert_eq!(count, usize::from(has_effect), "{}", key.name);
        }
    }
}
