//! A rule file as it was written: what it is about, its parameters, its rules and its tests.
//!
//! Nothing is compiled here. Every mistake is noted with its place, and what is right is read all the same.

use super::Phase;
use super::parameters::{Parameters, With, is_name};
use crate::config::node::{Entry, Node};
use crate::config::types::RuleSource;
use crate::config::value::Value;
use crate::config::{Diagnostics, Span, Spanned, yaml};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The keys whose texts are expressions: they read parameters by themselves.
pub const EXPRESSIONS: &[&str] = &["when", "by", "set", "log"];

const FILE_KEYS: &[&str] = &["about", "parameters", "rules", "tests"];
const RULE_KEYS: &[&str] = &["name", "phase", "when", "then", "else", "stop"];

#[derive(Debug)]
pub struct File {
    pub path: PathBuf,
    pub about: String,
    pub parameters: Parameters,
    rules: Vec<Node>,
    pub tests: Vec<Node>,
    /// Where the file begins.
    pub span: Span,
}

/// Rules that belong together, with the values of their parameters: those of one file, or those that stand in one list of the
/// configuration itself. `stop` ends one group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Where they come from, for messages.
    pub from: String,
    pub with: With,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub name: Spanned<String>,
    pub span: Span,
    pub phase: Option<Spanned<Phase>>,
    pub when: Option<Spanned<String>>,
    pub then: Vec<Entry>,
    pub otherwise: Vec<Entry>,
    pub stop: bool,
}

impl File {
    pub fn read(path: &Path, node: &Node, diagnostics: &mut Diagnostics) -> File {
        let mut file = File {
            path: path.to_owned(),
            about: String::new(),
            parameters: Parameters::default(),
            rules: Vec::new(),
            tests: Vec::new(),
            span: node.span,
        };
        let Some(entries) = node.as_map() else {
            diagnostics
                .error(node.span, format!("expected a rule file, which is a map, found {}", node.describe()))
                .help("write `rules:` with a list of rules, and perhaps `about`, `parameters` and `tests`");
            return file;
        };
        for e in entries {
            match e.key.as_str() {
                "about" => file.about = String::read(&e.value, diagnostics).unwrap_or_default(),
                "parameters" => file.parameters = Parameters::read(&e.value, diagnostics),
                "rules" => file.rules = e.value.items().to_vec(),
                "tests" => file.tests = e.value.items().to_vec(),
                unknown => drop(
                    diagnostics
                        .error(e.span, format!("unknown key `{unknown}` in a rule file"))
                        .did_you_mean(unknown, FILE_KEYS.iter().copied()),
                ),
            }
        }
        if file.rules.is_empty() {
            diagnostics.error(node.span, "the file has no rules").help("write `rules:` with a list of rules");
        }
        file
    }

    /// Its rules with these values of its parameters.
    pub fn group(&self, given: Option<&Node>, diagnostics: &mut Diagnostics) -> Group {
        let with = self.parameters.fill(given, diagnostics);
        let rules = read_rules(self.rules.iter(), &with, diagnostics);
        Group { from: self.path.display().to_string(), with, rules }
    }
}

fn read_rules<'n>(nodes: impl Iterator<Item = &'n Node>, with: &With, diagnostics: &mut Diagnostics) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for node in nodes {
        let Some(rule) = Rule::read(&with.replaced(node, EXPRESSIONS, diagnostics), diagnostics) else { continue };
        if let Some(first) = rules.iter().find(|other| other.name.value == rule.name.value) {
            let line = first.name.span.line;
            diagnostics
                .error(rule.name.span, format!("another rule here is named `{}`", rule.name.value))
                .help(format!("it stands in line {line}; logs and tests know rules by their names"));
        }
        rules.push(rule);
    }
    rules
}

impl Rule {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Rule> {
        let Some(entries) = node.as_map() else {
            diagnostics
                .error(node.span, format!("expected a rule, which is a map, found {}", node.describe()))
                .help("write `{name: …, when: …, then: […]}`");
            return None;
        };
        let unknown = || entries.iter().filter(|e| !RULE_KEYS.contains(&e.key.as_str()));
        for e in unknown() {
            let told = diagnostics.error(e.span, format!("unknown key `{}` in a rule", e.key));
            match super::action::is_word(&e.key) {
                true => told.help(format!("`{}` is an action: it stands in `then`, a list", e.key)),
                false => told.did_you_mean(&e.key, RULE_KEYS.iter().copied()),
            };
        }
        let name = name(node, diagnostics)?;
        let phase = node.get("phase").and_then(|phase| Spanned::read(phase, diagnostics));
        let when = node.get("when").and_then(|when| Spanned::read(when, diagnostics));
        let then = actions(node.get("then"), diagnostics);
        let otherwise = actions(node.get("else"), diagnostics);
        let stop = node.get("stop").and_then(|stop| bool::read(stop, diagnostics)).unwrap_or_default();
        if node.get("then").is_none() && otherwise.is_empty() && !stop && unknown().next().is_none() {
            diagnostics
                .error(node.span, format!("the rule `{}` does nothing", name.value))
                .help("write `then:` with a list of actions, or `stop: true`");
        }
        if let (None, Some(e)) = (&when, entries.iter().find(|e| e.key == "else")) {
            diagnostics.error(e.span, "a rule without `when` always fires, and its `else` never does anything");
        }
        Some(Rule { name, span: node.span, phase, when, then, otherwise, stop })
    }
}

/// Names are printed in logs, joined with commas.
fn name(node: &Node, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
    let Some(name) = node.get("name") else {
        diagnostics.error(node.span, "a rule has no `name`").help("logs, tests and `edge explain` know it by its name");
        return None;
    };
    let name: Spanned<String> = Spanned::read(name, diagnostics)?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
    if name.is_empty() || !name.bytes().all(fits) {
        diagnostics
            .error(name.span, format!("`{}` is no name of a rule", name.value))
            .help("a name has letters, digits, `-`, `_`, `.` and `/`: logs join names with commas");
    }
    Some(name)
}

/// A list of actions, each a map of one key; or one such map.
fn actions(node: Option<&Node>, diagnostics: &mut Diagnostics) -> Vec<Entry> {
    let mut actions = Vec::new();
    for item in node.map(Node::items).unwrap_or_default() {
        match item.as_map() {
            Some([one]) => actions.push(one.clone()),
            Some(several) => {
                let told = diagnostics.error(item.span, "an action is a map of one key");
                match several {
                    [] => told.help("write `- respond: 403`"),
                    _ => told.help("begin each with a `-` of its own: they are done in this order"),
                };
                actions.extend_from_slice(several);
            }
            None => {
                let told = diagnostics.error(item.span, format!("expected an action, found {}", item.describe()));
                match item.as_text().filter(|word| super::action::is_word(word)) {
                    Some(word) => told.help(format!("write `{word}: …`")),
                    None => told.help("an action is a map of one key, such as `respond: 403`"),
                };
            }
        }
    }
    actions
}

impl Group {
    /// The names of variables that its rules set.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        let entries = self.rules.iter().flat_map(|rule| rule.then.iter().chain(&rule.otherwise));
        let named = entries.filter(|e| matches!(e.key.as_str(), "set" | "log")).filter_map(|e| e.value.as_map());
        named.flatten().map(|e| e.key.as_str()).filter(|name| is_name(name))
    }

    /// The regular expressions of its rewrites, whose groups may have names.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        let entries = self.rules.iter().flat_map(|rule| rule.then.iter().chain(&rule.otherwise));
        entries.filter(|e| e.key == "rewrite").filter_map(|e| e.value.get("match")?.as_text())
    }
}

/// The rule files of one configuration, each read once.
pub struct Library {
    /// Where relative paths begin.
    prefix: PathBuf,
    files: HashMap<PathBuf, Option<Arc<File>>>,
    /// In the order in which they were first named.
    order: Vec<PathBuf>,
}

impl Library {
    pub fn new(prefix: &Path) -> Library {
        Library { prefix: prefix.to_owned(), files: HashMap::new(), order: Vec::new() }
    }

    /// The files that were read, in the order of their first use.
    pub fn files(&self) -> impl Iterator<Item = &Arc<File>> {
        self.order.iter().filter_map(|path| self.files.get(path)?.as_ref())
    }

    /// What stands in `rules` somewhere, in the order as written. Rules of the configuration itself that follow each other are a
    /// group of their own.
    pub fn groups(&mut self, sources: &[RuleSource], diagnostics: &mut Diagnostics) -> Vec<Group> {
        let mut groups = Vec::new();
        let mut inline: Vec<&Node> = Vec::new();
        for source in sources {
            match source {
                RuleSource::Inline(node) => inline.push(node),
                RuleSource::File { path, with } => {
                    groups.extend(gathered(&mut inline, diagnostics));
                    if let Some(file) = self.file(path, diagnostics) {
                        groups.push(file.group(with.as_ref(), diagnostics));
                    }
                }
            }
        }
        groups.extend(gathered(&mut inline, diagnostics));
        groups
    }

    fn file(&mut self, written: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Arc<File>> {
        let path = self.prefix.join(written.as_str());
        if let Some(known) = self.files.get(&path) {
            return known.clone();
        }
        let file = match path.is_file() || crate::system::open(&path).is_ok() {
            true => load(&path, diagnostics).map(Arc::new),
            false => {
                diagnostics
                    .error(written.span, format!("there is no rule file {}", path.display()))
                    .help("the path is relative to the directory of the configuration");
                None
            }
        };
        self.order.push(path.clone());
        self.files.insert(path, file.clone());
        file
    }
}

/// Reads one file.
pub fn load(path: &Path, diagnostics: &mut Diagnostics) -> Option<File> {
    let node = yaml::load(path, diagnostics)?;
    Some(File::read(path, &node, diagnostics))
}

fn gathered(inline: &mut Vec<&Node>, diagnostics: &mut Diagnostics) -> Option<Group> {
    let nodes = std::mem::take(inline);
    if nodes.is_empty() {
        return None;
    }
    let with = With::default();
    let rules = read_rules(nodes.into_iter(), &with, diagnostics);
    Some(Group { from: String::new(), with, rules })
}
