//! Which of the directives that edge carries are held against nginx's: `directives.txt` names each, with the tests whose
//! configurations have it, or with the reason why none has. The list is computed; `EDGE_TEST_BLESS=1` writes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge::config::Value;
use edge::config::raw::all_keys;
use edge::config::types::Accepted;
use edge::convert::modules::carried;

/// What stands for a reason that nobody has given.
const NO_REASON: &str = "no reason is given";

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")
}

/// The sources whose texts are run by both proxies, by name.
fn sources() -> BTreeMap<String, String> {
    const NOT: &[&str] = &["backends", "case", "check", "compare", "covered", "files_of", "report", "wanted"];
    // Others that run nginx on the same configuration.
    const ALSO: &[&str] = &["balancing/chance", "cache/lock", "proxy_protocol", "slices"];
    let mut sources: BTreeMap<_, _> =
        ALSO.iter().map(|name| (name.to_string(), code(&tests().join(format!("{name}.rs"))))).collect();
    for room in ["features", "differential"] {
        for entry in std::fs::read_dir(tests().join(room)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.extension().is_some_and(|e| e == "rs") && !NOT.contains(&name.as_str()) {
                sources.insert(format!("{room}/{name}"), code(&path));
            }
        }
    }
    let small: Vec<String> = super::small::all().into_iter().map(|(_, text)| text).collect();
    sources.insert("features/small".into(), small.concat());
    sources
}

/// A source without its comments, the ends of lines in its texts made some.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.trim().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect::<String>().replace("\\n", "\n")
}

/// Whether a directive is accepted and does nothing, which its documentation says.
fn is_accepted(directive: &str) -> bool {
    all_keys().any(|key| key.name == directive && (key.kind.expected)() == Accepted::expected())
}

/// Whether a text has the directive: its name begins a statement, and something follows.
fn has(text: &str, directive: &str) -> bool {
    text.match_indices(directive).any(|(at, _)| {
        let before = text[..at].trim_end_matches(' ').chars().next_back();
        let begins = before.is_none_or(|c| ";{}\n\"#(".contains(c));
        begins && text[at + directive.len()..].starts_with([' ', ';', '\n'])
    })
}

/// The reasons that stand in the list.
fn reasons(list: &str) -> BTreeMap<&str, &str> {
    list.lines().filter_map(|line| line.split_once(" not covered: ")).map(|(name, why)| (name.trim(), why)).collect()
}

#[test]
fn every_directive_is_compared_with_nginx_s_or_says_why_not() {
    let path = tests().join("features/directives.txt");
    let listed = std::fs::read_to_string(&path).unwrap_or_default();
    let (sources, reasons) = (sources(), reasons(&listed));
    let (mut list, mut covered, mut unexplained) = (String::new(), 0, Vec::new());
    let carried = carried();
    for directive in &carried {
        let by: Vec<&str> =
            sources.iter().filter(|(_, text)| has(text, directive)).map(|(name, _)| name.as_str()).collect();
        list += &match by.as_slice() {
            [] if is_accepted(directive) => format!("{directive:34} accepted, has no effect\n"),
            [] => {
                let why = reasons.get(directive).copied().unwrap_or(NO_REASON);
                if why == NO_REASON {
                    unexplained.push(*directive);
                }
                format!("{directive:34} not covered: {why}\n")
            }
            by => {
                covered += 1;
                format!("{directive:34} covered: {}\n", by.iter().take(3).copied().collect::<Vec<_>>().join(" "))
            }
        };
    }
    println!("{covered} of {} directives are compared with nginx's", carried.len());
    reasons.keys().for_each(|directive| println!("not compared: {directive}"));
    if std::env::var_os("EDGE_TEST_BLESS").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    assert!(unexplained.is_empty(), "in no configuration that nginx runs as well: {unexplained:?}");
    let differing = list.lines().zip(listed.lines()).find(|(now, listed)| now != listed);
    assert!(list == listed, "directives.txt is not as it is now: {differing:?}");
}

#[test]
fn a_name_within_another_word_is_no_directive() {
    assert!(has("location / { root html; }", "root") && has("\"gzip on;\"", "gzip"));
    assert!(!has("root_of x;", "root") && !has("set $root 1;", "root") && !has("x root;", "root"));
}
