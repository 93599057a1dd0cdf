//! Manual pages and completions, held against the parser they are made of: shells and groff read them without a complaint, and
//! every command and option is in both.

use super::{printed, program};
use crate::support::edge;
use crate::support::process::temporary_directory;
use clap::CommandFactory;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command of the command line: the words before its options, and its options.
struct Known {
    words: Vec<String>,
    options: Vec<String>,
}

/// As the parser has them.
fn known() -> Vec<Known> {
    let mut edge = ::edge::cli::Arguments::command();
    edge.build();
    let mut all = Vec::new();
    add(&edge, &[], &mut all);
    assert!(all.len() > 15 && all.iter().map(|known| known.options.len()).sum::<usize>() > 100, "a small parser");
    all
}

fn add(command: &clap::Command, words: &[String], all: &mut Vec<Known>) {
    let shown = command.get_arguments().filter(|option| !option.is_positional() && !option.is_hide_set());
    let names = |option: &clap::Arg| {
        let long = option.get_long().map(|name| format!("--{name}"));
        long.into_iter().chain(option.get_short().map(|name| format!("-{name}"))).collect::<Vec<_>>()
    };
    all.push(Known { words: words.to_vec(), options: shown.flat_map(names).collect() });
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        add(inner, &[words, &[inner.get_name().to_owned()]].concat(), all);
    }
}

fn says(words: &[&str]) -> String {
    printed(Command::new(edge::program()).args(words))
}

fn completions(directory: &Path, shell: &str) -> PathBuf {
    let file = directory.join(shell);
    std::fs::write(&file, says(&["completions", shell])).unwrap();
    file
}

#[test]
fn manual_pages_are_read_without_a_warning_and_name_every_option() {
    let directory = temporary_directory("man");
    let groff = program("groff").expect("groff is installed: tests/run does it");
    for command in known() {
        let words: Vec<&str> = ["man"].into_iter().chain(command.words.iter().map(String::as_str)).collect();
        let page = directory.path().join("page.1");
        std::fs::write(&page, says(&words)).unwrap();
        let mut format = Command::new(&groff);
        // Without colours and overstrikes, and lines that are never broken.
        format.args(["-K", "utf8", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=2000n", "-rHY=0"]).arg(&page);
        let text = printed(&mut format).replace(['\u{2010}', '\u{2212}'], "-");
        for option in &command.options {
            let is_there = text.split([' ', '[', ']', ',', '|', '\n']).any(|word| word == option);
            assert!(is_there, "the page of {words:?} has no {option}:\n{text}");
        }
        for inner in known()
            .iter()
            .filter(|inner| inner.words.len() == command.words.len() + 1 && inner.words.starts_with(&command.words))
        {
            let name = format!("edge-{}(1)", inner.words.join("-"));
            assert!(text.contains(&name), "the page of {words:?} does not lead to {name}:\n{text}");
        }
    }
}

/// For each command the words that a shell offers after a dash, a line each.
fn are_offered(lines: &str) {
    let all = known();
    assert_eq!(lines.lines().count(), all.len(), "{lines}");
    for (command, line) in all.iter().zip(lines.lines()) {
        let offered: Vec<&str> = line.split_whitespace().collect();
        for option in &command.options {
            assert!(offered.contains(&option.as_str()), "{:?}: {option} is not among {offered:?}", command.words);
        }
    }
}

#[test]
fn bash_offers_every_option() {
    let directory = temporary_directory("bash");
    let mut script = format!("source '{}'\n", completions(directory.path(), "bash").display());
    for command in known() {
        let words = command.words.join(" ");
        let before = command.words.last().map_or("edge", String::as_str);
        script += &format!(
            "COMP_WORDS=(edge {words} -); COMP_CWORD={}; COMPREPLY=(); _edge edge - {before}; echo \"${{COMPREPLY[*]}}\"\n",
            command.words.len() + 1
        );
    }
    are_offered(&printed(Command::new("bash").args(["--norc", "-c", &script])));
}

#[test]
fn fish_offers_every_option() {
    let Some(fish) = program("fish") else { return println!("not run: there is no fish") };
    let directory = temporary_directory("fish");
    let mut script = format!("source '{}'\n", completions(directory.path(), "fish").display());
    for command in known() {
        // It offers long names after two dashes, and short ones after one.
        let line = ["edge"].into_iter().chain(command.words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        script += &format!(
            "set found (complete -C '{line} -' | string split -f1 \\t) (complete -C '{line} --' | string split -f1 \\t); printf '%s ' $found; echo\n"
        );
    }
    let mut command = Command::new(fish);
    command.args(["--no-config", "-c", &script]).env("HOME", directory.path());
    are_offered(&printed(&mut command));
}

#[test]
fn zsh_takes_the_completions_and_they_name_every_option() {
    let Some(zsh) = program("zsh") else { return println!("not run: there is no zsh") };
    let directory = temporary_directory("zsh");
    let file = completions(directory.path(), "zsh");
    let script = format!(
        "autoload -U compinit; compinit -D -u; source '{}'; whence -w _edge; echo $_comps[edge]",
        file.display()
    );
    let said = printed(Command::new(zsh).args(["-f", "-c", &script]).env("HOME", directory.path()));
    assert_eq!(said, "_edge: function\n_edge\n");
    let text = std::fs::read_to_string(&file).unwrap();
    for command in known() {
        for option in &command.options {
            // Before the name: what it cannot stand beside, or a star; behind it: how its value is joined to it.
            let forms = ["[", "=[", "+["].map(|end| format!("{option}{end}"));
            let is_there =
                forms.iter().any(|form| ["'", "*", ")"].iter().any(|quote| text.contains(&format!("{quote}{form}"))));
            assert!(is_there, "{:?}: {option}", command.words);
        }
    }
}
