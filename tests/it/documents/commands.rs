//! What the documents tell people to type can be typed: the parser takes every command of edge's, and every file and section they
//! lead to is there.

use clap::Parser;
use clap::error::ErrorKind;
use std::path::{Path, PathBuf};

/// Programs that the documents speak of beside edge.
const OTHERS: [&str; 6] = ["apt-get", "cargo", "conf/debian/build", "docker", "nginx", "systemctl"];
/// Where a path of the tree begins.
const ROOTS: [&str; 7] = ["benches/", "conf/", "docs/", "lua-free-rules/", "src/", "tests/", ".ci/"];

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages for users and for who works on edge, by their paths.
fn pages() -> Vec<(PathBuf, String)> {
    let mut all = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| home().join(name)).to_vec();
    for directory in ["docs", "lua-free-rules"] {
        let entries = std::fs::read_dir(home().join(directory)).unwrap().map(|entry| entry.unwrap().path());
        all.extend(entries.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    all.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The words of a line, as a shell takes them apart; a comment ends it, and so does what leads to another command.
fn commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word, mut quote) = (Vec::new(), Vec::new(), None::<String>, None);
    for character in line.trim().trim_start_matches("$ ").chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), inner) => word.get_or_insert_default().push(inner),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    assert!(quote.is_none(), "a quote is open: {line}");
    words.extend(word);
    for command in words.split(|word| word == "&&") {
        let own = command.iter().skip_while(|word| is_setting(word));
        all.push(own.take_while(|word| *word != ">").cloned().collect());
    }
    all.retain(|command: &Vec<String>| !command.is_empty());
    all
}

/// `NAME=value` before a command.
fn is_setting(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

/// Lines of blocks that are typed.
fn typed(page: &Path, text: &str) -> Vec<String> {
    let blocks: Vec<String> = ["sh", "console"].iter().flat_map(|language| super::blocks(text, language)).collect();
    let lines = blocks.iter().flat_map(|block| block.lines()).filter(|line| !line.is_empty()).map(str::to_owned);
    let indented = text.lines().filter(|line| page.ends_with("CONTRIBUTING.md") && line.starts_with("    "));
    lines.chain(indented.map(str::to_owned)).collect()
}

fn is_typed_rightly(command: &[String], is_whole: bool) -> Result<(), String> {
    match command[0].as_str() {
        "edge" => match edge::cli::Arguments::try_parse_from(command) {
            Ok(_) => Ok(()),
            Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Ok(()),
            Err(e) if !is_whole && is_unfinished(&e) => Ok(()),
            Err(e) => Err(e.to_string()),
        },
        "tests/run" => match command.get(1) {
            Some(word)
                if !std::fs::read_to_string(home().join("tests/run")).unwrap().contains(&format!("\n    {word})")) =>
            {
                Err(format!("tests/run has no command {word}"))
            }
            _ => Ok(()),
        },
        other if OTHERS.contains(&other) => Ok(()),
        other => Err(format!("nobody knows the program {other}")),
    }
}

/// In a sentence a command may be named without what has to follow it.
fn is_unfinished(e: &clap::Error) -> bool {
    match e.kind() {
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => true,
        ErrorKind::InvalidValue => e.to_string().contains("none was supplied"),
        _ => false,
    }
}

/// What stands between backquotes, outside of blocks.
fn spans(text: &str) -> Vec<String> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|part| part.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// `drain|up|list` stands for three commands.
fn alternatives(command: &[String]) -> Vec<Vec<String>> {
    let Some(at) = command.iter().position(|word| word.contains('|')) else { return vec![command.to_vec()] };
    let one = |word: &str| [&command[..at], &[word.to_owned()], &command[at + 1..]].concat();
    command[at].split('|').map(one).collect()
}

#[test]
fn every_command_in_the_documents_is_one() {
    let mut checked = 0;
    for (page, text) in pages() {
        for line in typed(&page, &text) {
            for command in commands(&line) {
                let is_right = is_typed_rightly(&command, true);
                assert!(is_right.is_ok(), "{}: `{line}`: {}", page.display(), is_right.unwrap_err());
                checked += 1;
            }
        }
        for span in spans(&text).iter().filter(|span| span.starts_with("edge ") && !span.contains('\n')) {
            for command in commands(span).iter().flat_map(|command| alternatives(command)) {
                let is_right = is_typed_rightly(&command, false);
                assert!(is_right.is_ok(), "{}: `{span}`: {}", page.display(), is_right.unwrap_err());
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "{checked} commands");
}

#[test]
fn what_is_no_command_is_found() {
    let is_right =
        |line: &str, is_whole| commands(line).iter().all(|command| is_typed_rightly(command, is_whole).is_ok());
    assert!(is_right("$ edge -t -c edge.yaml   # and a comment", true));
    assert!(is_right("edge upstream move a/b && systemctl restart b && edge upstream up a/b", true));
    assert!(is_right("edge -p /srv -c nginx.conf -g 'daemon on;' -s reload", true));
    assert!(is_right("EDGE_TEST_LONG=1 tests/run quick", true));
    assert!(is_right("edge cache purge --tag", false));
    for wrong in ["edge --cheque", "edge cash ls", "edge -s relaod", "tests/run fast", "rm x", "edge completions"] {
        assert!(!is_right(wrong, true), "{wrong}");
    }
    for wrong in ["edge cash ls", "edge -s relaod", "edge cache purge --tug"] {
        assert!(!is_right(wrong, false), "{wrong}");
    }
}

/// As GitHub makes the name of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept: String = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c)).collect();
    kept.replace(' ', "-")
}

#[test]
fn every_file_and_section_that_the_documents_lead_to_is_there() {
    let mut checked = 0;
    let architecture = home().join("ARCHITECTURE.md");
    let architecture = (architecture.clone(), std::fs::read_to_string(architecture).unwrap());
    for (page, text) in pages().into_iter().chain([architecture]) {
        let prose: String = text.split("```").step_by(2).collect();
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
        for link in links.filter(|link| !link.contains("://")) {
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(path.exists(), "{}: {link} leads nowhere", page.display());
            if !section.is_empty() {
                let target = std::fs::read_to_string(&path).unwrap();
                let is_there = target.lines().any(|line| line.starts_with('#') && anchor(line) == section);
                assert!(is_there, "{}: {link}: there is no such section", page.display());
            }
            checked += 1;
        }
        for path in named(&text) {
            assert!(home().join(&path).exists(), "{}: {path} is not there", page.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} files");
}

/// Files of the tree that a page names: in sentences from the tree's root on, in blocks where somebody types them.
fn named(text: &str) -> Vec<String> {
    let spans = spans(text);
    let typed = ["sh", "console"].iter().flat_map(|language| super::blocks(text, language)).collect::<Vec<_>>();
    let words = spans.iter().chain(&typed).flat_map(|text| text.split([' ', '\n', '(', ')', ',', '\'', '"']));
    let begins = |word: &&str| ROOTS.iter().any(|root| word.starts_with(root) && word.len() > root.len());
    // What stands for several files is not looked for, and of `it/x.rs:12` the line is not.
    let is_one = |word: &&str| {
        !word.contains(['*', '<', '…', '$']) && !word.chars().any(|c| c.is_ascii_uppercase() && !word.contains('.'))
    };
    words.filter(begins).filter(is_one).map(|word| word.trim_end_matches(['.', ':', ';', '/']).to_owned()).collect()
}

/// As keepachangelog has it, one entry until there is a release.
#[test]
fn the_changelog_has_its_form() {
    let text = std::fs::read_to_string(home().join("CHANGELOG.md")).unwrap();
    assert!(text.starts_with("# Changelog\n"), "{text}");
    let versions: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
    assert_eq!(versions, ["## [Unreleased]"]);
    let kinds = ["### Added", "### Changed", "### Deprecated", "### Removed", "### Fixed", "### Security"];
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("### ")).collect();
    assert!(!headings.is_empty() && headings.iter().all(|heading| kinds.contains(heading)), "{headings:?}");
}
