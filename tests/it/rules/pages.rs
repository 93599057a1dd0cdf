//! The pages about rules say what is: their tables are those that rules are checked by, and what they show runs.

use crate::messages::Desk;
use edge::config::keys::Key;
use edge::rules::action::WORDS;
use edge::rules::expr::{FUNCTIONS, NAMES};
use edge::rules::testing;
use std::path::PathBuf;

fn page(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lua-free-rules").join(name)
}

/// The blocks of YAML in a page that are whole rule files.
fn rule_files(text: &str) -> Vec<&str> {
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.lines().any(|line| line == "rules:")).collect()
}

/// Runs the tests in each block of a page; how many there are.
fn run_blocks(name: &str) -> usize {
    let text = std::fs::read_to_string(page(name)).unwrap();
    let mut desk = Desk::new();
    let mut files = Vec::new();
    for (at, block) in rule_files(&text).into_iter().enumerate() {
        files.push(format!("{:02}.yaml", at + 1));
        desk = desk.with(&files[at], block);
    }
    let mut words = vec!["rules", "test"];
    words.extend(files.iter().map(String::as_str));
    let said = desk.edge(&words);
    assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
    assert!(!said.stdout.contains(": 0 tests"), "{}", said.stdout);
    files.len()
}

#[test]
fn every_rule_on_the_pages_passes_its_tests() {
    assert!(run_blocks("from-lua-and-nginx.md") >= 20);
    assert_eq!(run_blocks("README.md"), 1);
}

#[test]
fn the_page_names_every_file_that_ships() {
    let text = std::fs::read_to_string(page("README.md")).unwrap();
    for entry in std::fs::read_dir(page("")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(!name.ends_with(".yaml") || text.contains(&format!("| `{name}` |")), "{name} is not in the README");
    }
}

/// A table's cell.
fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|")
}

fn names() -> String {
    let mut table = "| name | type | from phase | is |\n|---|---|---|---|\n".to_owned();
    for name in NAMES {
        table += &format!("| `{}` | {} | `{}` | {} |\n", name.name, name.kind(), name.since, cell(name.doc));
    }
    table
}

fn functions() -> String {
    let mut table = "| function | yields | is |\n|---|---|---|\n".to_owned();
    for function in FUNCTIONS {
        let written = function.written.split("), ").collect::<Vec<_>>().join(")`, `");
        table += &format!("| `{}` | {} | {} |\n", cell(&written), function.kind(), cell(function.doc));
    }
    table
}

fn list(keys: &[Key], out: &mut String) {
    for key in keys {
        let default = key.default.map(|default| format!(" ({default})")).unwrap_or_default();
        let doc: Vec<&str> = key.doc.iter().map(|line| line.trim()).collect();
        *out += &format!("<br>`{}`{default}: {}", key.name, cell(&doc.join(" ")));
    }
}

fn actions() -> String {
    let mut table = "| action | phases | does |\n|---|---|---|\n".to_owned();
    for word in WORDS {
        table += &format!("| `{}` | {} | {}", word.name, word.phases.words(), cell(word.doc));
        list(word.keys, &mut table);
        table += " |\n";
    }
    table
}

fn tests() -> String {
    let mut table = "| in | keys |\n|---|---|\n".to_owned();
    for (place, keys) in testing::keys() {
        let place = if place.is_empty() { "a test" } else { place };
        let mut listed = String::new();
        list(keys, &mut listed);
        table += &format!("| {place} | {} |\n", listed.trim_start_matches("<br>"));
    }
    table
}

/// With `EDGE_TEST_BLESS=1` the tables are written anew.
#[test]
fn the_tables_of_the_page_are_those_of_the_check() {
    let path = page("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut wanted = text.clone();
    for (name, table) in [("names", names()), ("functions", functions()), ("actions", actions()), ("tests", tests())] {
        let begin = format!("<!-- {name} -->\n");
        let at = wanted.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
        let end = at + wanted[at..].find("<!-- end -->").expect("the table ends");
        wanted.replace_range(at..end, &table);
    }
    if std::env::var_os("EDGE_TEST_BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(text == wanted, "a table of {} is old: EDGE_TEST_BLESS=1 writes it anew", path.display());
}
