//! The blocks that define variables: `map`, `geo` and `split_clients`. Their lines are values, not directives; those that are
//! nginx's words (`default`, `hostnames`, …) become keys.

use super::parser::{Block, Directive};
use super::shown;
use super::tree::Builder;
use super::values::Entries;
use crate::config::node::Entry;
use crate::config::{Arg, Node, Span};
use std::collections::HashMap;

/// What a block comes to: the words that are keys, and the lines that are values.
#[derive(Default)]
struct Lines {
    keys: Vec<Entry>,
    values: Vec<Entry>,
    /// Where a value stands: such blocks may have a hundred thousand lines.
    at: HashMap<String, usize>,
}

impl Lines {
    fn key(&mut self, name: &str, span: Span, value: Node) {
        self.keys.retain(|e| e.key != name);
        self.keys.push(Entry { key: name.into(), span, value });
    }

    fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|e| e.key == name)
    }

    /// False if the line stood there before; it has the new value then.
    fn value(&mut self, line: &Directive, value: &Arg) -> bool {
        let value = Node::quoted(value.span, &value.text);
        if let Some(at) = self.at.get(&line.name.text) {
            self.values[*at].value = value;
            return false;
        }
        self.at.insert(line.name.text.clone(), self.values.len());
        self.values.push(Entry { key: line.name.text.clone(), span: line.name.span, value });
        true
    }

    /// False if there is no such line.
    fn delete(&mut self, key: &str) -> bool {
        let Some(at) = self.at.remove(key) else { return false };
        self.at.values_mut().filter(|other| **other > at).for_each(|other| *other -= 1);
        self.values.remove(at);
        true
    }

    fn into_node(mut self, span: Span) -> Node {
        let values = Node::map(span, self.values);
        self.keys.push(Entry { key: "values".into(), span, value: values });
        Node::map(span, self.keys)
    }
}

impl Builder<'_> {
    pub(super) fn map(&mut self, d: &Directive, top: &mut Entries) {
        let Some((block, source, name)) = self.defining(d, 2..=2) else { return };
        let mut lines = Lines::default();
        if let Some(source) = source {
            lines.key("source", source.span, Node::quoted(source.span, &source.text));
        }
        for line in &block.directives {
            if !self.is_simple(line) {
                continue;
            }
            let span = line.name.span;
            match (line.name.text.as_str(), line.args.as_slice()) {
                (word @ ("hostnames" | "volatile"), []) => lines.key(word, span, Node::scalar(span, "true")),
                ("default", [_]) if lines.has("default") => {
                    self.error(span, "duplicate default map parameter".into(), None)
                }
                ("default", [value]) => lines.key("default", span, Node::quoted(value.span, &value.text)),
                // Of two expressions that are the same the first one counts.
                (key, [_]) if key.starts_with('~') && lines.at.contains_key(key) => {}
                (key, [_]) if lines.at.contains_key(key) => {
                    self.error(span, format!("conflicting parameter \"{}\"", shown(key)), None)
                }
                (_, [value]) => drop(lines.value(line, value)),
                _ => self.error(span, "invalid number of the map parameters".into(), None),
            }
        }
        self.define("map", d, name, lines.into_node(d.name.span), top);
    }

    pub(super) fn geo(&mut self, d: &Directive, top: &mut Entries) {
        let Some((block, address, name)) = self.defining(d, 1..=2) else { return };
        let mut lines = Lines::default();
        if let Some(address) = address {
            lines.key("address", address.span, Node::quoted(address.span, &address.text));
        }
        let mut proxies = Vec::new();
        for line in &block.directives {
            if !self.is_simple(line) {
                continue;
            }
            let span = line.name.span;
            match (line.name.text.as_str(), line.args.as_slice()) {
                ("ranges", []) if !lines.values.is_empty() => {
                    let message = "the \"ranges\" directive must be the first directive inside \"geo\" block";
                    self.error(span, message.into(), None);
                }
                (word @ ("ranges" | "proxy_recursive"), []) => lines.key(word, span, Node::scalar(span, "true")),
                ("proxy", [network]) => proxies.push(Node::quoted(network.span, &network.text)),
                ("default", [value]) => {
                    if lines.has("default") {
                        self.diagnostics.warning(span, "a second `default`: the last one counts, as in nginx");
                    }
                    lines.key("default", span, Node::quoted(value.span, &value.text));
                }
                ("delete", [network]) => {
                    if !lines.delete(&network.text) {
                        let message = format!("no network \"{}\" to delete", shown(&network.text));
                        self.diagnostics.warning(network.span, message).help("write it as it is written above");
                    }
                }
                (network, [value]) => {
                    if !lines.value(line, value) {
                        let message = format!("duplicate network \"{}\": the last one counts", shown(network));
                        self.diagnostics.warning(span, message);
                    }
                }
                _ => self.error(span, "invalid number of the geo parameters".into(), None),
            }
        }
        if let Some(first) = proxies.first() {
            let span = first.span;
            lines.key("proxy", span, Node::list(span, proxies));
        }
        self.define("geo", d, name, lines.into_node(d.name.span), top);
    }

    pub(super) fn split_clients(&mut self, d: &Directive, top: &mut Entries) {
        let Some((block, source, name)) = self.defining(d, 2..=2) else { return };
        let span = d.name.span;
        let mut parts: Vec<Entry> = Vec::new();
        for line in &block.directives {
            if !self.is_simple(line) {
                continue;
            }
            match line.args.as_slice() {
                [value] => parts.push(Entry {
                    key: line.name.text.clone(),
                    span: line.name.span,
                    value: Node::quoted(value.span, &value.text),
                }),
                _ => self.error(line.name.span, "invalid number of the split_clients parameters".into(), None),
            }
        }
        // A map has each key once.
        let twice = parts.iter().enumerate().any(|(at, e)| parts[..at].iter().any(|other| other.key == e.key));
        let values = match twice {
            true => Node::list(span, parts.into_iter().map(|e| Node::map(e.span, vec![e])).collect()),
            false => Node::map(span, parts),
        };
        let source = source.map(|s| Entry { key: "source".into(), span: s.span, value: Node::quoted(s.span, &s.text) });
        let entries = source.into_iter().chain([Entry { key: "values".into(), span, value: values }]);
        self.define("split_clients", d, name, Node::map(span, entries.collect()), top);
    }

    /// The block of such a directive, what stands before the variable's name if anything does, and the name.
    fn defining<'b>(
        &mut self,
        d: &'b Directive,
        args: std::ops::RangeInclusive<usize>,
    ) -> Option<(&'b Block, Option<&'b Arg>, &'b Arg)> {
        let block = self.block_of(d, args)?;
        let (source, name) = match d.args.as_slice() {
            [source, name] => (Some(source), name),
            [name] => (None, name),
            _ => return None,
        };
        if name.text.len() < 2 || !name.text.starts_with('$') {
            self.error(name.span, format!("invalid variable name \"{}\"", shown(&name.text)), None);
            return None;
        }
        Some((block, source, name))
    }

    /// nginx lets a variable be defined twice; the last one counts.
    fn define(&mut self, key: &'static str, d: &Directive, name: &Arg, value: Node, top: &mut Entries) {
        if let Some(mut before) = top.remove(key) {
            if let crate::config::node::Kind::Map(entries) = &mut before.value.kind {
                let known = entries.len();
                entries.retain(|e| !e.key.eq_ignore_ascii_case(&name.text));
                if entries.len() < known {
                    let message = format!("`{}` is defined twice: the last one counts, as in nginx", shown(&name.text));
                    self.diagnostics.warning(name.span, message);
                }
            }
            top.set(key, before);
        }
        top.unite(key, d.name.span, Node::pair(name.span, &name.text, value));
    }
}
