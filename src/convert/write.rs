//! A tree as the edge.yaml that a person would write: blocks for what nests, one line for what fits in one.
//!
//! Always: what is printed reads as the same tree again.

use super::notes::{self, Notes};
use crate::config::Node;
use crate::config::node::{Entry, Kind, Scalar};
use std::collections::BTreeMap;

/// Longer lines are broken where that is possible.
const WIDTH: usize = 120;
/// What is never squeezed into one line.
const BLOCKS: &[&str] = &[
    "geo",
    "limit_except",
    "location",
    "log_format",
    "map",
    "proxy_cache_path",
    "server",
    "servers",
    "session_store",
    "split_clients",
    "upstream",
];
/// Maps by name, each in lines of its own.
const NAMED: &[&str] = &["upstream"];

/// `comments`: what is to stand above a key, by the keys that lead to it (`upstream/web/session`).
pub fn yaml(tree: &Node, comments: &BTreeMap<String, String>) -> String {
    noted(tree, comments, &mut Notes::default())
}

/// The same, with the comments of the files it was read from, each where it stood.
pub fn noted(tree: &Node, comments: &BTreeMap<String, String>, notes: &mut Notes) -> String {
    let mut writer = Writer { out: String::new(), comments, notes };
    for entry in tree.as_map().unwrap_or_default() {
        writer.entry(entry, "", 0, true);
    }
    let end = writer.notes.end();
    writer.remarks(&end, 0);
    let rest = writer.notes.rest();
    if !rest.is_empty() {
        writer.out += "\n# Comments at what is not here:\n";
        writer.remarks(&rest, 0);
    }
    writer.out
}

/// A text as a comment; what would end it is no line of its own.
pub fn comment(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control(), " ");
    format!("# {text}").trim_end().to_owned() + "\n"
}

struct Writer<'c> {
    out: String,
    comments: &'c BTreeMap<String, String>,
    notes: &'c mut Notes,
}

impl Writer<'_> {
    /// `begins`: it begins a line; otherwise it stands behind the dash of a list.
    fn entry(&mut self, entry: &Entry, above: &str, indent: usize, begins: bool) {
        let path = if above.is_empty() { entry.key.clone() } else { format!("{above}/{}", entry.key) };
        if let Some(text) = self.comments.get(&path).filter(|_| begins) {
            self.out += &format!("{:indent$}{}", "", comment(text));
        }
        let wide = BLOCKS.contains(&entry.key.as_str()) || NAMED.contains(&above);
        let in_one_line = self.is_one_line(entry, indent, wide);
        // Of a block in several lines the first thing in it has the comments, where both stood in one line.
        let mut lines = notes::lines_of(entry, in_one_line);
        if !in_one_line && first_in(&entry.value).is_some_and(|first| lines.contains(&first)) {
            lines.clear();
        }
        if begins {
            let above = self.notes.above(&lines);
            self.remarks(&above, indent);
            self.out += &" ".repeat(indent);
        }
        self.out += &format!("{}:", key(&entry.key));
        self.value(&entry.value, &path, indent, wide);
        let below = self.notes.below(&lines);
        self.remarks(&below, indent);
    }

    /// Comments of the user's, in lines of their own.
    fn remarks(&mut self, texts: &[String], indent: usize) {
        for text in texts {
            self.out += &format!("{:indent$}{}", "", comment(text.strip_prefix(' ').unwrap_or(text)));
        }
    }

    /// Whether `value` is going to put all of it behind the key.
    fn is_one_line(&self, entry: &Entry, indent: usize, wide: bool) -> bool {
        let length = indent + key(&entry.key).chars().count() + 2 + flow(&entry.value).chars().count();
        !is_filled(&entry.value) || !wide && length <= WIDTH
    }

    fn value(&mut self, node: &Node, path: &str, indent: usize, wide: bool) {
        let line = flow(node);
        let used = self.out.len() - self.out.rfind('\n').map_or(0, |at| at + 1);
        let fits = used + 1 + line.chars().count() <= WIDTH;
        match &node.kind {
            Kind::Map(entries) if !entries.is_empty() && (wide || !fits) => {
                self.out.push('\n');
                entries.iter().for_each(|e| self.entry(e, path, indent + 2, true));
            }
            Kind::List(items) if !items.is_empty() && (wide || !fits) => {
                self.out.push('\n');
                items.iter().for_each(|item| self.item(item, path, indent + 2));
            }
            _ => self.out += &format!(" {line}\n"),
        }
    }

    fn item(&mut self, item: &Node, path: &str, indent: usize) {
        let line = flow(item);
        let in_blocks = ["server", "location"].iter().any(|list| path.rsplit('/').next() == Some(list));
        match &item.kind {
            Kind::Map(entries) if !entries.is_empty() && (in_blocks || indent + 2 + line.chars().count() > WIDTH) => {
                let mut lines = Vec::new();
                notes::add_lines(&Node { kind: Kind::Null, ..item.clone() }, &mut lines);
                lines.extend(entries.first().map(|e| notes::lines_of(e, true)).into_iter().flatten());
                let above = self.notes.above(&lines);
                self.remarks(&above, indent);
                let below = self.notes.below(&lines);
                self.out += &format!("{:indent$}- ", "");
                for (at, e) in entries.iter().enumerate() {
                    self.entry(e, path, indent + 2, at > 0);
                }
                self.remarks(&below, indent);
            }
            _ => {
                let mut lines = Vec::new();
                notes::add_lines(item, &mut lines);
                let above = self.notes.above(&lines);
                self.remarks(&above, indent);
                self.out += &format!("{:indent$}- {line}\n", "");
                let below = self.notes.below(&lines);
                self.remarks(&below, indent);
            }
        }
    }
}

/// The line of the first thing in a list or a map.
fn first_in(node: &Node) -> Option<notes::Line> {
    let span = match &node.kind {
        Kind::Map(entries) => entries.first()?.span,
        Kind::List(items) => items.first()?.span,
        Kind::Null | Kind::Scalar(_) => return None,
    };
    Some((span.file, span.line))
}

/// A list or a map with something in it.
fn is_filled(node: &Node) -> bool {
    match &node.kind {
        Kind::Map(entries) => !entries.is_empty(),
        Kind::List(items) => !items.is_empty(),
        Kind::Null | Kind::Scalar(_) => false,
    }
}

/// A node in one line.
fn flow(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "~".into(),
        Kind::Scalar(text) => scalar(text),
        Kind::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Kind::Map(entries) if entries.is_empty() => "{}".into(),
        Kind::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|e| format!("{}: {}", key(&e.key), flow(&e.value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn key(text: &str) -> String {
    match is_plain(text) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

fn scalar(scalar: &Scalar) -> String {
    if scalar.secret {
        return "'***'".into();
    }
    let is_as_written = match serde_yaml::from_str::<serde_yaml::Value>(&scalar.text) {
        Ok(serde_yaml::Value::String(text)) => text == scalar.text,
        Ok(serde_yaml::Value::Bool(_) | serde_yaml::Value::Number(_)) => !scalar.quoted,
        _ => false,
    };
    match is_as_written && is_plain(&scalar.text) {
        true => scalar.text.clone(),
        false => quoted(&scalar.text),
    }
}

/// Needs no quotes wherever it stands.
fn is_plain(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_/.$+-".contains(c);
    let mut rest = text.char_indices();
    let begins = rest.next().is_some_and(|(_, c)| is_word(c) && !"-+".contains(c));
    // A colon before a slash, as in a URL, ends no key.
    begins && rest.all(|(at, c)| is_word(c) || c == ':' && text[at + 1..].starts_with('/'))
}

fn quoted(text: &str) -> String {
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        // A string of JSON is one of YAML.
        return serde_json::Value::from(text).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Diagnostics, yaml as reader};
    use proptest::prelude::*;
    use std::path::Path;

    fn again(text: &str) -> serde_yaml::Value {
        let mut diagnostics = Diagnostics::new();
        let node = reader::parse(Path::new("edge.yaml"), text, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{diagnostics}\n{text}");
        node.unwrap().to_yaml()
    }

    #[test]
    fn what_ships_is_printed_as_it_was_meant() {
        for name in ["nginx.conf", "edge.yaml"] {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf").join(name);
            let mut diagnostics = Diagnostics::new();
            let tree = match name {
                "edge.yaml" => reader::load(&file, &mut diagnostics),
                _ => super::super::load(&file, &mut diagnostics),
            };
            let tree = tree.unwrap();
            assert_eq!(again(&yaml(&tree, &BTreeMap::new())), tree.to_yaml(), "{name}");
        }
    }

    #[test]
    fn short_things_stand_in_one_line_and_blocks_in_several() {
        let text = "upstream:\n  web:\n    servers:\n      - { address: '10.0.0.1:80', weight: 2 }\nserver:\n  - listen: 80\n    \
                    location:\n      - match: '~ \\.css$'\n        proxy_pass: http://web\n        expires: 15m\n";
        let node = reader::parse(Path::new("edge.yaml"), text, &mut Diagnostics::new()).unwrap();
        assert_eq!(yaml(&node, &BTreeMap::new()), text);
    }

    fn any_scalar() -> impl Strategy<Value = Node> {
        let text = prop_oneof![".{0,12}", "[ -~]{1,8}", "(true|null|~|-|1|0x1f|1e3|yes|=|: |a: b|a #b|\\$x|'|\")"];
        (text, any::<bool>()).prop_map(|(text, quoted)| match quoted {
            true => Node::quoted(Default::default(), text),
            false => Node::scalar(Default::default(), text),
        })
    }

    fn any_node() -> impl Strategy<Value = Node> {
        any_scalar().prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|items| Node::list(Default::default(), items)),
                prop::collection::btree_map("[a-z ]{1,6}", inner, 0..5).prop_map(|map| {
                    let entry = |(key, value)| Entry { key, span: Default::default(), value };
                    Node::map(Default::default(), map.into_iter().map(entry).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_as_the_same_tree(value in any_node()) {
            // A `${NAME}` would be the environment's.
            prop_assume!(!format!("{value:?}").contains("${"));
            let tree = Node::pair(Default::default(), "server", value);
            let text = yaml(&tree, &BTreeMap::new());
            prop_assert_eq!(again(&text), tree.to_yaml(), "\n{}", text);
        }
    }
}
