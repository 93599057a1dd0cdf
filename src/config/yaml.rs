//! edge.yaml, read into a tree that knows where each thing stands.
//!
//! serde_yaml keeps no places, so the text is read from saphyr's events. On the way `include:` brings in further files,
//! `${NAME}` an environment variable and `${file:path}` the content of a file. A hostile file ends in a message: depth,
//! size and the number of nodes that aliases multiply are bounded.

use super::diagnostics::{Diagnostics, Span, plain};
use super::node::{Entry, Kind, Node, Scalar};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A configuration of this depth was not written by a person.
const MAX_DEPTH: usize = 64;
/// Enough for thousands of servers; aliases that multiply themselves run into it.
const MAX_NODES: usize = 1_000_000;
const MAX_FILE: u64 = 16 << 20;
const MAX_INCLUDES: usize = 1_000;

/// Reads a file and everything it includes.
pub fn load(path: &Path, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut loader = Loader { diagnostics, open: Vec::new(), included: 0 };
    loader.file(path, None)
}

/// Reads a text that stands for the file `path`, for tests and defaults.
pub fn parse(path: &Path, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let mut loader = Loader { diagnostics, open: vec![path.to_owned()], included: 0 };
    loader.text(path, text)
}

struct Loader<'d> {
    diagnostics: &'d mut Diagnostics,
    /// The files that are being read, the outermost first.
    open: Vec<PathBuf>,
    included: usize,
}

impl Loader<'_> {
    fn file(&mut self, path: &Path, from: Option<Span>) -> Option<Node> {
        let text = match read_text(path) {
            Ok(text) => text,
            Err(why) => {
                let message = format!("{}: {why}", path.display());
                match from {
                    Some(span) => self.diagnostics.error(span, message),
                    None => self
                        .diagnostics
                        .error_nowhere(message)
                        .help("name the configuration with `-c FILE`; `edge demo` needs none"),
                };
                return None;
            }
        };
        self.open.push(path.to_owned());
        let node = self.text(path, &text);
        self.open.pop();
        node
    }

    fn text(&mut self, path: &Path, text: &str) -> Option<Node> {
        let file = self.diagnostics.add_source(path, text);
        let mut builder = Builder { file, nodes: 0, anchors: HashMap::new(), diagnostics: self.diagnostics };
        let mut node = builder.document(text)?;
        self.expand(&mut node, path, true);
        Some(node)
    }

    /// Puts in what `${…}` and `include:` stand for, from the inside out.
    fn expand(&mut self, node: &mut Node, path: &Path, top: bool) {
        let span = node.span;
        match &mut node.kind {
            Kind::Null => {}
            Kind::Scalar(scalar) => self.substitute(scalar, span, path),
            Kind::List(items) => items.iter_mut().for_each(|item| self.expand(item, path, false)),
            Kind::Map(entries) => {
                entries.iter_mut().for_each(|e| self.expand(&mut e.value, path, false));
                self.include(entries, path);
                merge(entries, self.diagnostics);
                if top && entries.is_empty() {
                    self.diagnostics.error(span, "the configuration is empty").help("expected at least `server:`");
                }
            }
        }
    }

    /// Replaces the `include` keys of a map by the maps that stand in the files.
    fn include(&mut self, entries: &mut Vec<Entry>, path: &Path) {
        let Some(at) = entries.iter().position(|e| e.key == "include") else {
            return;
        };
        let entry = entries.remove(at);
        let mut brought = Vec::new();
        for item in entry.value.items() {
            let Some(pattern) = item.as_text() else {
                self.diagnostics
                    .error(item.span, format!("expected the path of a file, found {}", item.describe()))
                    .help("write `include: conf.d/*.yaml`, or a list of such paths");
                continue;
            };
            for file in self.matching(path, pattern, item.span) {
                match self.included_file(&file, item.span).map(|n| (n.span, n.kind)) {
                    Some((_, Kind::Map(inner))) => brought.extend(inner),
                    Some((span, _)) => {
                        self.diagnostics.error(span, "an included file must be a map of keys, as edge.yaml is");
                    }
                    None => {}
                }
            }
        }
        entries.splice(at..at, brought);
        self.include(entries, path);
    }

    fn included_file(&mut self, file: &Path, span: Span) -> Option<Node> {
        self.included += 1;
        if self.open.iter().any(|open| same_file(open, file)) {
            self.diagnostics.error(span, format!("{} includes itself", file.display()));
            return None;
        }
        if self.included > MAX_INCLUDES {
            self.diagnostics.error(span, format!("more than {MAX_INCLUDES} files are included"));
            return None;
        }
        self.file(file, Some(span))
    }

    /// The files a pattern names, in the order of their names. Relative to the file that includes.
    fn matching(&mut self, path: &Path, pattern: &str, span: Span) -> Vec<PathBuf> {
        match super::glob::files(path.parent().unwrap_or(Path::new("")), pattern) {
            Ok(files) => files,
            Err(why) => {
                self.diagnostics.error(span, format!("include {pattern}: {why}"));
                Vec::new()
            }
        }
    }

    /// `${NAME}`, `${NAME:-default}` and `${file:path}`. Names in lower case are nginx's variables and stay.
    fn substitute(&mut self, scalar: &mut Scalar, span: Span, path: &Path) {
        if !scalar.text.contains("${") {
            return;
        }
        let mut out = String::new();
        let mut rest = scalar.text.as_str();
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let Some(end) = from.find('}') else {
                rest = from;
                break;
            };
            match self.value_of(&from[2..end], span, path) {
                Some(value) => {
                    self.diagnostics.hide(&value);
                    out.push_str(&value);
                    scalar.secret = true;
                }
                None => out.push_str(&from[..=end]),
            }
            rest = &from[end + 1..];
        }
        out.push_str(rest);
        scalar.text = out;
    }

    fn value_of(&mut self, inner: &str, span: Span, path: &Path) -> Option<String> {
        if let Some(file) = inner.strip_prefix("file:") {
            let file = path.parent().unwrap_or(Path::new("")).join(file);
            self.diagnostics.add_read(&file);
            return match read_text(&file) {
                Ok(text) => Some(text.trim_end_matches(['\n', '\r']).to_owned()),
                Err(why) => {
                    self.diagnostics.error(span, format!("${{file:{}}}: {why}", file.display()));
                    Some(String::new())
                }
            };
        }
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let is_environment = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if !is_environment {
            return None;
        }
        match (std::env::var(name), default) {
            (Ok(value), _) => Some(value),
            (Err(_), Some(default)) => Some(default.to_owned()),
            (Err(_), None) => {
                self.diagnostics
                    .error(span, format!("the environment has no variable `{name}`"))
                    .help(format!("set it, or give a default: `${{{name}:-value}}`"));
                Some(String::new())
            }
        }
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A text file of a sensible size.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let is_other = |kind: std::io::Result<std::fs::Metadata>| kind.is_ok_and(|kind| !kind.is_file());
    if is_other(std::fs::metadata(path)) {
        return Err("it is no regular file".into());
    }
    let file = crate::system::open(path).map_err(|e| plain(&e))?;
    if is_other(file.metadata()) {
        return Err("it is no regular file".into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| plain(&e))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("the file is larger than {} MB", MAX_FILE >> 20));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        format!("the file is not UTF-8 text (line {line})")
    })
}

/// Joins what an include brought with what was there: lists are appended, maps united. The same key twice in one file, or
/// twice with different single values, is a mistake.
fn merge(entries: &mut Vec<Entry>, diagnostics: &mut Diagnostics) {
    let mut merged: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    for entry in entries.drain(..) {
        let Some(first) = places.get(&entry.key).and_then(|place| merged.get_mut(*place)) else {
            places.insert(entry.key.clone(), merged.len());
            merged.push(entry);
            continue;
        };
        let other_file = first.span.file != entry.span.file;
        match (&mut first.value.kind, entry.value.kind) {
            (Kind::List(a), Kind::List(b)) if other_file => a.extend(b),
            (Kind::Map(a), Kind::Map(b)) if other_file => {
                a.extend(b);
                merge(a, diagnostics);
            }
            _ => {
                let before = diagnostics.place(first.span);
                diagnostics
                    .error(entry.span, format!("duplicate key `{}`", entry.key))
                    .help(format!("it stands at {before} already"));
            }
        }
    }
    *entries = merged;
}

/// Builds one file's tree from the parser's events.
struct Builder<'d> {
    file: u16,
    nodes: usize,
    anchors: HashMap<usize, Node>,
    diagnostics: &'d mut Diagnostics,
}

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

impl Builder<'_> {
    fn document(&mut self, text: &str) -> Option<Node> {
        let mut events = Parser::new_from_str(text);
        loop {
            let (event, span) = self.next(&mut events)?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd => {
                    return Some(Node::map(span, Vec::new()));
                }
                event => {
                    let node = self.node(event, span, &mut events, 0)?;
                    self.end(&mut events)?;
                    return Some(node);
                }
            }
        }
    }

    /// One document only: a second `---` would silently not count.
    fn end(&mut self, events: &mut Events<'_>) -> Option<()> {
        loop {
            let (event, span) = self.next(events)?;
            match event {
                Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => return Some(()),
                _ => {
                    self.diagnostics.error(span, "a second document begins here; a configuration is one document");
                    return None;
                }
            }
        }
    }

    fn next<'t>(&mut self, events: &mut Events<'t>) -> Option<(Event<'t>, Span)> {
        match events.next_event()? {
            Ok((event, span)) => Some((event, self.span(span))),
            Err(e) => {
                let span = Span {
                    file: self.file,
                    line: e.marker().line() as u32,
                    column: e.marker().col() as u32 + 1,
                    width: 1,
                };
                self.diagnostics.error(span, format!("this is not YAML: {}", e.info()));
                None
            }
        }
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        let width = if span.end.line() == span.start.line() {
            span.end.col().saturating_sub(span.start.col()).max(1)
        } else {
            1
        };
        Span {
            file: self.file,
            line: span.start.line() as u32,
            column: span.start.col() as u32 + 1,
            width: width as u32,
        }
    }

    fn node<'t>(&mut self, event: Event<'t>, span: Span, events: &mut Events<'t>, depth: usize) -> Option<Node> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            self.diagnostics.error(span, "the configuration is nested too deeply or is too large");
            return None;
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => (scalar(text.into_owned(), style, span), anchor),
            Event::SequenceStart(anchor, _) => (self.list(span, events, depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(span, events, depth)?, anchor),
            Event::Alias(anchor) => (self.alias(anchor, span)?, 0),
            _ => {
                self.diagnostics.error(span, "expected a value");
                return None;
            }
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Some(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Option<Node> {
        let Some(node) = self.anchors.get(&anchor) else {
            self.diagnostics.error(span, "this alias names an anchor that is not complete yet");
            return None;
        };
        self.nodes += count(node);
        if self.nodes > MAX_NODES {
            self.diagnostics.error(span, "the aliases of this file multiply it beyond a million values");
            return None;
        }
        Some(node.clone())
    }

    fn list<'t>(&mut self, span: Span, events: &mut Events<'t>, depth: usize) -> Option<Node> {
        let mut items = Vec::new();
        loop {
            match self.next(events)? {
                (Event::SequenceEnd, _) => return Some(Node::list(span, items)),
                (event, at) => items.push(self.node(event, at, events, depth + 1)?),
            }
        }
    }

    fn map<'t>(&mut self, span: Span, events: &mut Events<'t>, depth: usize) -> Option<Node> {
        let mut entries = Vec::new();
        loop {
            let (event, at) = self.next(events)?;
            if matches!(event, Event::MappingEnd) {
                return Some(Node::map(span, entries));
            }
            let key = self.node(event, at, events, depth + 1)?;
            let (event, value_at) = self.next(events)?;
            let value = self.node(event, value_at, events, depth + 1)?;
            match key.kind {
                Kind::Scalar(scalar) => entries.push(Entry { key: scalar.text, span: at, value }),
                _ => {
                    self.diagnostics.error(at, "a key must be a word, not a list or a map");
                }
            }
        }
    }
}

fn scalar(text: String, style: ScalarStyle, span: Span) -> Node {
    let quoted = style != ScalarStyle::Plain;
    match text.as_str() {
        "" | "~" | "null" if !quoted => Node::null(span),
        _ if quoted => Node::quoted(span, text),
        _ => Node::scalar(span, text),
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::List(items) => items.iter().map(count).sum(),
        Kind::Map(entries) => entries.iter().map(|e| count(&e.value)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<Node>, String) {
        let mut diagnostics = Diagnostics::new();
        let node = parse(Path::new("edge.yaml"), text, &mut diagnostics);
        (node, diagnostics.to_string())
    }

    #[test]
    fn every_node_knows_where_it_stands() {
        let (node, said) = read("a: 1\nb:\n  - c: 'x'\n");
        assert_eq!(said, "");
        let b = node.as_ref().unwrap().get("b").unwrap();
        let c = b.items()[0].get("c").unwrap();
        assert_eq!((c.span.line, c.span.column), (3, 8));
        let key = &b.items()[0].as_map().unwrap()[0];
        assert_eq!((key.span.line, key.span.column, key.span.width), (3, 5, 1));
    }

    #[test]
    fn a_duplicate_key_is_named_with_both_places() {
        let (_, said) = read("a: 1\na: 2\n");
        assert!(said.contains("edge.yaml:2:1: error: duplicate key `a`"), "{said}");
        assert!(said.contains("edge.yaml:1"), "{said}");
    }

    #[test]
    fn broken_yaml_is_a_message_with_a_place() {
        let (node, said) = read("a: [1, 2\nb: }\n");
        assert!(node.is_none());
        assert!(said.starts_with("edge.yaml:2:"), "{said}");
    }

    #[test]
    fn an_environment_variable_is_put_in_and_a_variable_of_nginx_stays() {
        // PATH is always set where tests run.
        let (node, said) = read("a: 'x${PATH}y'\nb: '${host}'\nc: '${EDGE_NOT_SET:-z}'\n");
        assert_eq!(said, "");
        let node = node.unwrap();
        let path = std::env::var("PATH").unwrap();
        assert_eq!(node.get("a").unwrap().as_text(), Some(&*format!("x{path}y")));
        assert_eq!(node.get("b").unwrap().as_text(), Some("${host}"));
        assert_eq!(node.get("c").unwrap().as_text(), Some("z"));
        assert!(!serde_yaml::to_string(&node.to_yaml()).unwrap().contains(&path));
    }

    #[test]
    fn a_missing_environment_variable_is_an_error_at_its_place() {
        let (_, said) = read("a:\n  b: ${EDGE_NOT_SET}\n");
        assert!(said.contains("edge.yaml:2:6: error: the environment has no variable `EDGE_NOT_SET`"), "{said}");
    }

    #[test]
    fn includes_bring_in_lists_and_maps_and_never_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("edge.yaml", "include: parts/*.yaml\nserver:\n  - listen: 1\n");
        std::fs::create_dir(dir.path().join("parts")).unwrap();
        write("parts/a.yaml", "server:\n  - listen: 2\nlog_format: { a: x }\n");
        write("parts/b.yaml", "log_format: { b: y }\n");
        let mut diagnostics = Diagnostics::new();
        let node = load(&dir.path().join("edge.yaml"), &mut diagnostics).unwrap();
        assert_eq!(diagnostics.to_string(), "");
        assert_eq!(node.get("server").unwrap().items().len(), 2);
        assert_eq!(node.get("log_format").unwrap().as_map().unwrap().len(), 2);

        write("parts/b.yaml", "include: ../edge.yaml\n");
        let mut diagnostics = Diagnostics::new();
        load(&dir.path().join("edge.yaml"), &mut diagnostics);
        assert!(diagnostics.to_string().contains("includes itself"), "{diagnostics}");
    }

    #[test]
    fn aliases_that_multiply_end_in_a_message() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..9 {
            let inner = vec![format!("*a{}", i - 1); 10].join(", ");
            text += &format!("a{i}: &a{i} [{inner}]\n");
        }
        let (node, said) = read(&text);
        assert!(node.is_none());
        assert!(said.contains("beyond a million values"), "{said}");
    }

    #[test]
    fn deep_nesting_ends_in_a_message() {
        let (node, said) = read(&format!("a: {}", "[".repeat(100_000)));
        assert!(node.is_none() && !said.is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC*|[a-z:\\n \\-\\[\\]{}&*'\"$#|>]{0,200}") {
            let (_, said) = read(&text);
            let _ = said.len();
        }
    }
}
