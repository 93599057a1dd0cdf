//! The documents say what the code says: pages made of definitions, and examples that are read as a user's files would be.
//! `EDGE_TEST_BLESS=1` writes the pages.

mod commands;

use crate::messages::Desk;
use std::path::{Path, PathBuf};

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

fn is_as_made(name: &str, made: &str) {
    if std::env::var_os("EDGE_TEST_BLESS").is_some() {
        std::fs::write(page(name), made).unwrap();
        return;
    }
    let known = std::fs::read_to_string(page(name)).unwrap_or_default();
    assert!(known == made, "docs/{name} is not what the code says: EDGE_TEST_BLESS=1 writes it");
}

#[test]
fn every_metric_stands_in_the_documents() {
    let rows = edge::proxy::api::FAMILIES.iter().map(|(name, kind, what)| format!("| `{name}` | {kind} | {what} |\n"));
    let known = std::fs::read_to_string(page("metrics.md")).unwrap();
    let (before, _) = known.split_once("| metric |").expect("the page has its table at the end");
    is_as_made(
        "metrics.md",
        &format!("{before}| metric | kind | what it is |\n|---|---|---|\n{}", rows.collect::<String>()),
    );
}

#[test]
fn every_variable_stands_in_the_documents() {
    let rows = edge::variables::Variable::documented().map(|(name, what)| format!("| `${name}` | {what} |\n"));
    let known = std::fs::read_to_string(page("logs.md")).unwrap();
    let (before, _) = known.split_once("| field |").expect("the page has its table at the end");
    let table = format!("| field | what it is |\n|---|---|\n{}", rows.collect::<String>());
    is_as_made("logs.md", &format!("{before}{table}"));
}

#[test]
fn every_key_stands_in_the_reference() {
    is_as_made("reference.md", &edge::config::reference::page());
}

/// The blocks of a page in one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned() + "\n")).collect()
}

/// Every block of edge.yaml in the documents is a configuration without a mistake; what begins with the name of another file is not.
#[test]
fn the_configurations_in_the_documents_are_right() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = std::fs::read_dir(home.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut checked = 0;
    for path in pages.filter(|path| path.extension().is_some_and(|e| e == "md")).chain([home.join("README.md")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        for block in
            blocks(&text, "yaml").iter().filter(|block| !block.starts_with("# ") || block.starts_with("# edge.yaml"))
        {
            let desk = Desk::new().with("edge.yaml", block);
            let said = desk.check("edge.yaml");
            assert!(said.status.success(), "{}:\n{block}\n{}", path.display(), said.stderr);
            checked += 1;
        }
    }
    assert!(checked >= 2, "{checked} blocks");
}

fn conf(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)).unwrap()
}

/// The words of a command line of edge's, and whether they are such.
fn is_understood(words: &str) {
    let words: Vec<&str> = words.split_whitespace().take_while(|word| !word.starts_with("2>")).collect();
    // Where the help is asked for, nothing is done but reading the words before it.
    let said = Desk::new().edge(&[&words[..], &["--help"]].concat());
    assert!(said.status.success(), "edge {}: {}", words.join(" "), said.stderr);
}

#[test]
fn what_the_service_manager_and_the_log_rotation_run_is_understood() {
    let mut seen = 0;
    for file in ["edge.service", "edge.logrotate"] {
        for line in conf(file).lines().filter(|line| !line.trim_start().starts_with('#')) {
            if let Some((_, words)) = line.split_once("/usr/bin/edge ") {
                is_understood(words);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 4);
    assert!(conf("edge.service").contains("KillSignal=SIGQUIT"));
}

#[test]
fn the_edge_of_the_compose_file_is_configured_rightly_and_knows_its_neighbours() {
    let services: serde_yaml::Value = serde_yaml::from_str(&conf("compose/compose.yaml")).unwrap();
    let said = Desk::new().with("edge.yaml", conf("compose/edge.yaml")).check("edge.yaml");
    assert!(said.status.success(), "{}", said.stderr);
    let edge = conf("compose/edge.yaml");
    for name in ["tomcat1", "tomcat2", "memcached"] {
        assert!(services["services"].get(name).is_some(), "{name}");
        assert!(edge.contains(&format!("'{name}:")) || edge.contains(&format!(" {name}:")), "{name}");
    }
}

/// The commands of the command line, each with those it is below.
fn commands() -> Vec<Vec<String>> {
    let listed = |words: &[String]| -> Vec<String> {
        let said = Desk::new().edge(&[words.iter().map(String::as_str).collect::<Vec<_>>(), vec!["-h"]].concat());
        let (_, list) = said.stdout.split_once("\nCommands:\n").unwrap_or_default();
        let names = list.lines().take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
        names
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    let mut all = Vec::new();
    for name in listed(&[]) {
        let own = vec![name];
        all.extend(listed(&own).into_iter().map(|inner| vec![own[0].clone(), inner]));
        all.push(own);
    }
    all
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let all = commands();
    assert!(all.len() > 15, "{all:?}");
    for shell in ["bash", "zsh", "fish"] {
        let said = Desk::new().edge(&["completions", shell]);
        assert!(said.status.success(), "{}", said.stderr);
        for command in all.iter().flatten() {
            assert!(said.stdout.contains(command.as_str()), "{shell}: {command}");
        }
    }
    let main = Desk::new().edge(&["man"]).stdout;
    assert!(main.starts_with(".ie") || main.contains(".TH edge 1"), "{main}");
    for command in &all {
        let words: Vec<&str> = ["man"].into_iter().chain(command.iter().map(String::as_str)).collect();
        let said = Desk::new().edge(&words);
        assert!(
            said.status.success() && said.stdout.contains(&format!("edge\\-{}", command.join("\\-"))),
            "{words:?}: {}",
            said.stdout
        );
    }
    let unknown = Desk::new().edge(&["man", "cash"]);
    assert!(
        !unknown.status.success() && unknown.stderr.contains("has no command `cash`; it has: "),
        "{}",
        unknown.stderr
    );
}
