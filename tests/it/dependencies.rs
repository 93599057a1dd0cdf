//! What edge is made of is what `deny.toml` lets in: licences, sources, crates. cargo-deny reads the same file; this holds it
//! wherever the tests run.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Every crate that is built for this machine, as cargo tells it.
fn packages() -> Vec<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let nodes = told["resolve"]["nodes"].as_array().expect("what is built");
    let built: BTreeSet<&str> = nodes.iter().filter_map(|node| node["id"].as_str()).collect();
    let all = told["packages"].as_array().expect("packages").iter();
    all.filter(|package| built.contains(text(package, "id"))).cloned().collect()
}

fn text<'a>(package: &'a Value, name: &str) -> &'a str {
    package[name].as_str().unwrap_or_default()
}

/// A list of a section of `deny.toml`, of which it has no other kind: a text a line.
fn listed(section: &str, key: &str) -> Vec<String> {
    let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let begin = format!("[{section}]\n");
    let (_, rest) = file.split_once(&begin).unwrap_or_else(|| panic!("deny.toml has no {begin}"));
    let body = rest.split("\n[").next().unwrap_or_default();
    let opening = format!("\n{key} = [\n");
    let (_, list) = body.split_once(&opening).unwrap_or_else(|| panic!("{begin} has no list {key}"));
    let lines = list.lines().take_while(|line| *line != "]").map(str::trim);
    let entry = |line: &str| {
        let inner = line.strip_prefix('"').and_then(|line| line.strip_suffix("\","));
        inner.unwrap_or_else(|| panic!("{key}: `{line}` is no text with a comma")).to_owned()
    };
    lines.map(entry).collect()
}

/// Whether an SPDX expression can be chosen from these licences. `/` is how `OR` was written once.
fn may_be_had(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (had, rest) = either(&words, allowed);
    assert!(rest.is_empty(), "`{expression}` goes on after its end: {rest:?}");
    had
}

fn either<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> (bool, &'a [&'w str]) {
    let (mut had, mut rest) = all(words, allowed);
    while let ["OR", after @ ..] = rest {
        let (other, end) = all(after, allowed);
        (had, rest) = (had | other, end);
    }
    (had, rest)
}

fn all<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> (bool, &'a [&'w str]) {
    let (mut had, mut rest) = one(words, allowed);
    while let ["AND", after @ ..] = rest {
        let (other, end) = one(after, allowed);
        (had, rest) = (had & other, end);
    }
    (had, rest)
}

fn one<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> (bool, &'a [&'w str]) {
    let is_allowed = |name: &str| allowed.iter().any(|allowed| allowed == name);
    match words {
        ["(", inside @ ..] => match either(inside, allowed) {
            (had, [")", after @ ..]) => (had, after),
            (_, rest) => panic!("a parenthesis is open before {rest:?}"),
        },
        [name, "WITH", exception, after @ ..] => (is_allowed(&format!("{name} WITH {exception}")), after),
        [name, after @ ..] => (is_allowed(name), after),
        [] => panic!("a licence is missing"),
    }
}

#[test]
fn every_licence_is_one_that_is_let_in() {
    let allowed = listed("licenses", "allow");
    let packages = packages();
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !may_be_had(text(package, "license"), &allowed))
        .map(|package| format!("{} {}: {}", text(package, "name"), text(package, "version"), text(package, "license")))
        .collect();
    assert!(packages.len() > 100 && refused.is_empty(), "deny.toml does not let in: {refused:#?}");
}

#[test]
fn licences_are_chosen_as_their_expression_says() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
    let cases = [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND ISC OR GPL-3.0", true),
        ("MIT AND (ISC OR GPL-3.0)", true),
        ("MIT AND (GPL-2.0 OR GPL-3.0)", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
    ];
    for (expression, had) in cases {
        assert_eq!(may_be_had(expression, &allowed), had, "{expression}");
    }
}

#[test]
fn every_crate_comes_from_the_registry() {
    let ours = |package: &&Value| text(package, "name") != "edge";
    let others = packages();
    let sources: BTreeSet<&str> = others.iter().filter(ours).map(|package| text(package, "source")).collect();
    assert!(
        sources.len() == 1
            && sources.iter().all(|source| source.starts_with("registry+") && source.ends_with("/crates.io-index")),
        "{sources:?}"
    );
}

#[test]
fn no_crate_is_there_that_is_banned_or_twice_unless_it_is_listed() {
    let (banned, mut skipped) = (listed("bans", "deny"), listed("bans", "skip"));
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let name = text(&package, "name").to_owned();
        assert!(!banned.contains(&name), "deny.toml bans {name}");
        versions.entry(name).or_default().push(text(&package, "version").to_owned());
    }
    let mut twice = Vec::new();
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let mut is_listed = |version: &String| {
            let found = skipped.iter().position(|entry| is_of(entry, name, version));
            found.map(|at| skipped.remove(at)).is_some()
        };
        let left = versions.iter().filter(|version| !is_listed(version)).count();
        if left != 1 {
            twice.push(format!("{name}: {versions:?}"));
        }
    }
    assert!(twice.is_empty(), "in several versions: {twice:#?}; see `skip` in deny.toml");
    // Elsewhere there may be fewer.
    if cfg!(target_arch = "x86_64") {
        assert!(skipped.is_empty(), "is not there twice any more, so that deny.toml need not list it: {skipped:?}");
    }
}

/// Whether `NAME@VERSION` of a list, a version or how it begins, is this one.
fn is_of(entry: &str, name: &str, version: &str) -> bool {
    let rest =
        entry.strip_prefix(name).and_then(|rest| rest.strip_prefix('@')).and_then(|rest| version.strip_prefix(rest));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// `wildcards = "deny"` of `deny.toml`.
#[test]
fn every_dependency_names_its_version() {
    let all = packages();
    let edge = all.iter().find(|package| text(package, "name") == "edge").expect("edge itself");
    for dependency in edge["dependencies"].as_array().expect("dependencies") {
        assert!(!text(dependency, "req").contains('*'), "{dependency}");
    }
}
