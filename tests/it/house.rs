//! The house rules that no compiler holds: which room may know which, what stands at the top level, and that nothing is
//! left undone or may panic without saying why it cannot.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// From the top to the bottom: a room may use any room of a layer below its own, and none of its own layer.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["server"],
    &["proxy", "health"],
    &["access", "rules", "session", "cache", "upstream", "compress", "files", "client", "observe"],
    &["variables", "limit", "route"],
    &["tls", "memcached"],
    &["config", "http", "pattern", "filter"],
    &["system", "count"],
];

/// Rooms beside the layers: whom they know, and who knows them.
const BESIDE: &[(&str, &[&str], &[&str])] = &[
    ("convert", &["config", "system"], &["cli", "server"]),
    ("demo", &["http"], &["cli"]),
    // For tests alone: readers of every room, some of which stand there.
    (
        "fuzzing",
        &[
            "access",
            "cache",
            "client",
            "compress",
            "config",
            "convert",
            "files",
            "filter",
            "http",
            "memcached",
            "observe",
            "pattern",
            "proxy",
            "route",
            "rules",
            "server",
            "session",
            "system",
            "variables",
        ],
        &["cache", "client", "memcached", "proxy", "rules"],
    ),
    // Each other's file of main.rs and lib.rs.
    ("main", &["cli", "allocator"], &[]),
    ("allocator", &[], &["main"]),
    ("lib", &[], &[]),
];

/// What the product is made of, whatever else comes and goes.
const CRATES: &[&str] = &[
    "pingora",
    "pingora-proxy",
    "pingora-load-balancing",
    "pingora-cache",
    "async-trait",
    "memcache-async",
    "serde_yaml",
    "once_cell",
];

const TOP: &[&str] = &["Cargo.toml", "src", "conf", "lua-free-rules", "tests", "benches", "Dockerfile"];

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `src`, by its path from there.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![home().join("src")];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(&directory).unwrap().flatten() {
            let path = entry.path();
            match path.extension().and_then(|e| e.to_str()) {
                _ if path.is_dir() => left.push(path),
                Some("rs") => {
                    let text = std::fs::read_to_string(&path).unwrap();
                    found.insert(path.strip_prefix(home().join("src")).unwrap().to_owned(), text);
                }
                _ => {}
            }
        }
    }
    found
}

/// The room a file of `src` belongs to: `proxy/mod.rs` and `proxy/headers/client.rs` to `proxy`.
fn room(file: &Path) -> String {
    let first = file.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a line of code names, by `crate::ROOM`, `crate::{ROOM, …}` or, in main.rs, `edge::ROOM`.
fn named_rooms(line: &str, in_main: bool) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let root = if in_main { "edge::" } else { "crate::" };
    let mut named = Vec::new();
    for (at, _) in code.match_indices(root) {
        let rest = &code[at + root.len()..];
        let list = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default(),
        };
        let first = |item: &str| item.trim().split("::").next().unwrap_or_default().to_owned();
        named.extend(list.split(',').map(first).filter(|room| !room.is_empty()));
    }
    named
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

fn may_use(from: &str, to: &str) -> bool {
    let beside = |room: &str| BESIDE.iter().find(|(name, ..)| *name == room);
    match (beside(from), beside(to)) {
        (Some((_, knows, _)), _) => knows.contains(&to),
        (_, Some((.., known_by))) => known_by.contains(&from),
        _ => layer(from) < layer(to),
    }
}

/// Every use of a room by one that may not use it.
fn trespasses(sources: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let rooms: Vec<String> = sources.keys().map(|file| room(file)).collect();
    let mut found = Vec::new();
    for (file, text) in sources {
        let from = room(file);
        let uses = text
            .lines()
            .enumerate()
            .flat_map(|(at, line)| named_rooms(line, from == "main").into_iter().map(move |to| (at + 1, to)));
        // `crate::name!` is a macro, which belongs to no room.
        for (line, to) in uses.filter(|(_, to)| *to != from && rooms.contains(to)) {
            if !may_use(&from, &to) {
                found.push(format!("src/{}:{line}: `{from}` may not know `{to}`", file.display()));
            }
        }
    }
    found
}

#[test]
fn dependencies_run_one_way() {
    let found = trespasses(&sources());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_room_that_calls_back_is_found() {
    let file = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    let house = BTreeMap::from([
        file(
            "upstream/mod.rs",
            "//! crate::proxy may be spoken of\nuse crate::config::Node;\nuse crate::proxy::Edge;\n",
        ),
        file("config/mod.rs", "fn f() { crate::{http, variables::Template}; }"),
        file("proxy/mod.rs", "use crate::upstream;\nuse crate::demo;"),
        file("demo/mod.rs", "use crate::http;"),
        file("http/mod.rs", ""),
        file("variables/mod.rs", "crate::keys! {}"),
        file("main.rs", "edge::server::run(); crate::x;"),
        file("server/mod.rs", ""),
    ]);
    assert_eq!(
        trespasses(&house),
        [
            "src/config/mod.rs:1: `config` may not know `http`",
            "src/config/mod.rs:1: `config` may not know `variables`",
            "src/main.rs:1: `main` may not know `server`",
            "src/proxy/mod.rs:2: `proxy` may not know `demo`",
            "src/upstream/mod.rs:3: `upstream` may not know `proxy`",
        ]
    );
}

#[test]
fn every_room_has_its_place() {
    for file in sources().keys() {
        let room = room(file);
        let placed = layer(&room).is_some() || BESIDE.iter().any(|(name, ..)| *name == room);
        assert!(placed, "src/{}: the room `{room}` has no place in the table above", file.display());
    }
}

/// A file that another room compiles as its own would be a way around the table.
#[test]
fn every_file_belongs_to_one_room() {
    for (file, text) in sources() {
        for (at, line) in text.lines().enumerate() {
            let borrowed = line.trim_start().starts_with("#[path") && line.contains("..");
            assert!(!borrowed, "src/{}:{}: {}", file.display(), at + 1, line.trim());
        }
    }
}

/// The files that are compiled for tests only: `#[cfg(test)] mod NAME;`, and all below them.
fn is_test_file(file: &Path, sources: &BTreeMap<PathBuf, String>) -> bool {
    file.ancestors().filter(|path| !path.as_os_str().is_empty()).any(|path| {
        let module = path.with_extension("");
        let (Some(name), Some(directory)) = (module.file_name(), module.parent()) else {
            return false;
        };
        let siblings = sources
            .iter()
            .filter(|(other, _)| other.parent() == Some(directory) || **other == directory.with_extension("rs"));
        let name = name.to_string_lossy();
        siblings.map(|(_, text)| text).any(|text| test_modules(text).contains(&name.as_ref()))
    })
}

/// The names of the files, without `.rs`, that a file declares for tests only.
fn test_modules(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while lines.by_ref().any(|line| line == "#[cfg(test)]") {
        let next = lines.next().unwrap_or_default();
        let path = next.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix(".rs\"]"));
        let declared = next.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';'));
        found.extend(path.or(declared));
    }
    found
}

/// The lines of a file without its `#[cfg(test)]` blocks, with their numbers.
fn lines_that_run(text: &str) -> Vec<(usize, &str)> {
    let mut running = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            running.push((at + 1, line));
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let opens = lines.by_ref().map(|(_, line)| line).find(|line| !line.trim().starts_with("#["));
        if opens.is_some_and(|line| !line.trim_end().ends_with([';', '}'])) {
            lines.by_ref().find(|(_, line)| *line == end);
        }
    }
    running
}

/// Whether a line may panic, or leaves something undone, without a comment of its own.
fn is_careless(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let undone = ["todo!(", "unimplemented!("].iter().any(|word| code.contains(word));
    let panics = [".unwrap()", ".expect(\""].iter().any(|word| code.contains(word));
    undone || (panics && !line.contains("//"))
}

#[test]
fn nothing_is_left_undone_and_no_panic_goes_unexplained() {
    let sources = sources();
    let mut found = Vec::new();
    for (file, text) in &sources {
        if is_test_file(file, &sources) {
            continue;
        }
        for (at, line) in lines_that_run(text).into_iter().filter(|(_, line)| is_careless(line)) {
            found.push(format!("src/{}:{at}: {}", file.display(), line.trim()));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_careless_line_is_found_and_tests_may_be_careless() {
    let text = "a.unwrap();\nb.unwrap(); // c is checked above\n// d.unwrap()\n#[cfg(test)]\nmod tests {\n    e.unwrap();\n}\n\
                f.expect(\"f\")\n#[cfg(test)]\nmod more;\ntodo!() // later\n";
    let found: Vec<usize> =
        lines_that_run(text).into_iter().filter(|(_, l)| is_careless(l)).map(|(at, _)| at).collect();
    assert_eq!(found, [1, 8, 11]);
    let file = |path: &str, text: &str| (PathBuf::from(path), text.to_owned());
    let house = BTreeMap::from([
        file("a/mod.rs", "mod b;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[path = \"d_tests.rs\"]\nmod x;"),
        file("a/b.rs", "#[cfg(test)]\nmod c;\n"),
    ]);
    let is_test = |path: &str| is_test_file(Path::new(path), &house);
    assert_eq!(
        ["a/mod.rs", "a/b.rs", "a/tests.rs", "a/tests/deep.rs", "a/b/c.rs", "a/d_tests.rs"].map(is_test),
        [false, false, true, true, true, true]
    );
}

#[test]
fn the_product_is_made_of_what_it_promises() {
    let manifest = std::fs::read_to_string(home().join("Cargo.toml")).unwrap();
    let dependencies: Vec<&str> = manifest
        .split("\n[")
        .find_map(|section| section.strip_prefix("dependencies]"))
        .unwrap()
        .lines()
        .filter_map(|line| line.split(['=', '.', ' ']).next())
        .collect();
    for name in CRATES {
        assert!(dependencies.contains(name), "{name} is no dependency: {dependencies:?}");
    }
}

#[test]
fn everything_of_the_top_level_is_there() {
    let missing: Vec<&&str> = TOP.iter().filter(|entry| !home().join(entry).exists()).collect();
    assert!(missing.is_empty(), "missing at the top level: {missing:?}");
}

#[test]
fn every_configuration_that_ships_passes_the_check() {
    let mut checked = 0;
    for entry in std::fs::read_dir(home().join("conf")).unwrap().flatten() {
        let path = entry.path();
        if !matches!(path.extension().and_then(|e| e.to_str()), Some("yaml" | "conf")) {
            continue;
        }
        let output =
            Command::new(env!("CARGO_BIN_EXE_edge")).args(["-t", "--offline", "-c"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{said}", path.display());
        checked += 1;
    }
    assert!(checked >= 3, "{checked}");
}
