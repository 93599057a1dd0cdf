//! Configurations, the files of a Tomcat, and rules: whatever they hold, reading them ends in an outcome or in mistakes that
//! have their places, and what is written of them is read as the same.

use super::mark;
use crate::config::{Diagnostics, Node, Raw, yaml};
use crate::convert::{self, parser, print, tomcat, write};
use crate::rules::testing;
use crate::rules::{EdgeFacts, Met, Names, Need, Outcome, Phase, RuleSet, Run, Step, World, file::File};
use crate::server::load::{Loader, Options};
use crate::variables::defined::Values;
use crate::variables::{Definitions, tests::exchange};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Files of this machine are none of a test's business.
fn leads_out(text: &str) -> bool {
    ["include", "file:", "/dev", "/proc", "/sys"].iter().any(|word| text.contains(word))
}

/// Every mistake has its words, and is in the order of its place.
fn told(mut diagnostics: Diagnostics) -> u64 {
    diagnostics.sort();
    let said = diagnostics.to_string();
    assert_eq!(said.is_empty(), diagnostics.is_empty());
    let messages: Vec<usize> = diagnostics.iter().map(|one| one.message.len()).take(3).collect();
    mark((messages, diagnostics.count().0.min(5)))
}

/// A directory for one input.
struct Home(tempfile::TempDir);

impl Home {
    fn with(name: &str, text: &str) -> (Home, PathBuf) {
        let home = Home(tempfile::tempdir().expect("a temporary directory"));
        let path = home.0.path().join(name);
        std::fs::write(&path, text).expect("a file there");
        (home, path)
    }
}

/// As `edge -t --offline` does. It takes some milliseconds, so that only some inputs go through it.
fn checked(name: &str, text: &str) -> u64 {
    if !mark(text).is_multiple_of(6) {
        return 0;
    }
    let (home, file) = Home::with(name, text);
    let prefix = Some(home.0.path().to_owned());
    let loaded = Loader::new(Options { file, prefix, offline: true, check_only: true, ..Options::default() }).load();
    assert!(loaded.snapshot.is_some() || loaded.diagnostics.has_errors(), "no configuration and no mistake");
    mark((loaded.snapshot.is_some(), told(loaded.diagnostics)))
}

fn again(tree: &Node) {
    let text = write::yaml(tree, &BTreeMap::new());
    let mut diagnostics = Diagnostics::new();
    let read = yaml::parse(Path::new("edge.yaml"), &text, &mut diagnostics);
    let read = read.unwrap_or_else(|| panic!("{diagnostics}\n{text}"));
    assert_eq!(read.to_yaml(), tree.to_yaml(), "\n{text}");
}

pub fn edge_yaml(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    if leads_out(&text) {
        return 0;
    }
    let mut diagnostics = Diagnostics::new();
    let tree = yaml::parse(Path::new("edge.yaml"), &text, &mut diagnostics);
    if let Some(tree) = tree.filter(|tree| !diagnostics.has_errors() && tree.as_map().is_some() && !text.contains("${"))
    {
        again(&tree);
    }
    checked("edge.yaml", &text)
}

pub fn nginx_conf(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    if leads_out(&text) {
        return 0;
    }
    let path = Path::new("nginx.conf");
    let mut diagnostics = Diagnostics::new();
    if let Some(block) = parser::parse(path, &text, &mut diagnostics) {
        let printed = print::print(&block);
        let read = parser::parse(path, &printed, &mut Diagnostics::new());
        let read = read.unwrap_or_else(|| panic!("not read again:\n{printed}"));
        assert_eq!(print::print(&read), printed);
    }
    let mut diagnostics = Diagnostics::new();
    let tree = convert::parse(path, &text, &mut diagnostics);
    if let Some(tree) = tree.filter(|_| !text.contains("${")) {
        again(&tree);
        let _ = Raw::read(&tree, &mut diagnostics);
    }
    checked("nginx.conf", &text)
}

const BEFORE_TOMCATS: &str = "upstream:\n  web: { servers: ['10.0.0.1:8080', '10.0.0.1:8081'] }\nserver:\n  - listen: 80\n    location: [{ match: /, proxy_pass: 'http://web' }]\n";

/// No password of a Tomcat's is shown, even where the file is none.
pub fn context_xml(bytes: &[u8]) -> u64 {
    let (_home, path) = Home::with("context.xml", &String::from_utf8_lossy(bytes));
    let mut diagnostics = Diagnostics::new();
    let tree = yaml::parse(Path::new("edge.yaml"), BEFORE_TOMCATS, &mut diagnostics);
    let mut tree = tree.expect("a configuration");
    let source = tomcat::Source { address: None, path };
    tomcat::add(&mut tree, &[source], &mut diagnostics);
    again(&tree);
    let _ = Raw::read(&tree, &mut diagnostics);
    told(diagnostics)
}

/// A file of rules is read, compiled, and run over a request in each phase.
pub fn rule_file(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    if leads_out(&text) || text.contains("file") {
        return 0;
    }
    let path = Path::new("rules.yaml");
    let mut diagnostics = Diagnostics::new();
    let Some(node) = yaml::parse(path, &text, &mut diagnostics) else { return told(diagnostics) };
    let file = File::read(path, &node, &mut diagnostics);
    let groups = [file.group(None, &mut diagnostics)];
    let defined = testing::defined(&groups);
    let names = Names {
        defined: &defined,
        upstreams: None,
        stores: None,
        prefix: Path::new("."),
        note: &|_| {},
        counts: &|_| Arc::default(),
    };
    let Some(set) = RuleSet::compile(&groups, &names, &mut diagnostics) else { return told(diagnostics) };
    let mut x = exchange();
    x.defined = Values::new(&Arc::new(Definitions::of_names(defined.clone())));
    let (edge, mut outcome, mut steps) = (EdgeFacts::default(), Outcome::default(), Vec::new());
    for phase in [Phase::Request, Phase::UpstreamRequest, Phase::Response, Phase::Log] {
        let mut run = Run::new(&set, phase, &x);
        for _ in 0..=1000 {
            let mut chance = || 0.5;
            let mut world = World {
                exchange: &mut x,
                response: None,
                vars: &defined,
                upstream: Some("web"),
                edge: &edge,
                now: UNIX_EPOCH,
                chance: &mut chance,
            };
            match run.go(&mut world, &mut outcome) {
                Step::Need(Need::Session) => run.met(Met::Session),
                Step::Need(_) => run.met(Met::Passed),
                over => {
                    steps.push(matches!(over, Step::Answered));
                    break;
                }
            }
        }
    }
    assert_eq!(steps.len(), 4, "a run without an end");
    mark((steps, told(diagnostics), outcome.answer.is_some(), outcome.to_client.len()))
}
