//! The documents say what the code says: pages made of definitions, and examples that are read as a user's files would be.
//! `EDGE_TEST_BLESS=1` writes the pages.

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
