//! What the words of a directive are as a value, and how a directive joins one that stands in its block already.

use super::parser::Directive;
use super::shown;
use crate::config::keys::Key;
use crate::config::node::{Entry, Kind};
use crate::config::types::{Accepted, AccessLog, Listen, UpstreamServer};
use crate::config::{Arg, Diagnostics, Node, Span, Value};
use std::collections::{HashMap, HashSet};

/// Directives that nginx lets stand twice in a block although each has one list for a value: the lists are appended.
const APPENDED: &[&str] = &[
    "addition_types",
    "ancient_browser",
    "brotli_types",
    "charset_types",
    "gzip_disable",
    "gzip_proxied",
    "gzip_types",
    "index",
    "proxy_ignore_headers",
    "proxy_next_upstream",
    "server_name",
    "sub_filter_types",
    "valid_referers",
    "zstd_types",
];

/// The node of a directive's words: as its key says, but for a few whose form in nginx.conf is their own.
pub fn of(key: &Key, directive: &Directive) -> Result<Node, String> {
    let args = directive.args.as_slice();
    let span = directive.name.span;
    match (key.name, args) {
        ("internal", []) => Ok(Node::scalar(span, "true")),
        ("internal", _) => Err("no arguments are expected".into()),
        ("api" | "empty_gif" | "random_index" | "stub_status", []) => Ok(Node::scalar(span, "true")),
        // What it was given once has no meaning any more.
        ("stub_status", [_]) => Ok(Node::scalar(span, "true")),
        ("health_check", []) => Ok(Node::scalar(span, "http")),
        ("user", [_, _]) => Ok(joined(args)),
        ("expires", [modified, _]) if modified.text == "modified" => Ok(joined(args)),
        // The levels of directories are not needed: temporary files have no names.
        ("client_body_temp_path", [path, levels @ ..]) if levels.len() <= 3 => Ok(path.node()),
        ("proxy_cache_valid", [time]) => {
            let statuses = [200, 301, 302].map(|status| entry(&status.to_string(), time));
            Ok(Node::map(time.span, statuses.into()))
        }
        ("listen", _) => item(Listen::from_args, args),
        ("access_log", _) => item(AccessLog::from_args, args),
        ("servers", _) => item(UpstreamServer::from_args, args),
        _ => (key.kind.from_args)(args),
    }
}

fn entry(key: &str, value: &Arg) -> Entry {
    Entry { key: key.to_owned(), span: value.span, value: value.node() }
}

/// Whether edge accepts the directive without needing it: two of them say no more than one.
fn is_accepted(key: &Key) -> bool {
    (key.kind.expected)() == Accepted::expected()
}

/// Several words as one text.
fn joined(args: &[Arg]) -> Node {
    let text: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
    Node::scalar(args.first().map(|arg| arg.span).unwrap_or_default(), text.join(" "))
}

/// One item of a list that further directives go on with.
fn item(from_args: fn(&[Arg]) -> Result<Node, String>, args: &[Arg]) -> Result<Node, String> {
    let node = from_args(args)?;
    Ok(Node::list(node.span, vec![node]))
}

/// The keys of one block, as they come.
#[derive(Default)]
pub struct Entries {
    list: Vec<Entry>,
    at: HashMap<&'static str, usize>,
    /// The names in maps that may hold each once, by key.
    names: HashSet<(&'static str, String)>,
}

impl Entries {
    pub fn into_node(self, span: Span) -> Node {
        Node::map(span, self.list)
    }

    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.at.get(key).map(|at| &self.list[*at])
    }

    /// Sets a key that has no value yet, or replaces its value.
    pub fn set(&mut self, key: &'static str, entry: Entry) {
        match self.at.get(key) {
            Some(at) => self.list[*at] = entry,
            None => {
                self.at.insert(key, self.list.len());
                self.list.push(entry);
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        let at = self.at.remove(key)?;
        self.at.values_mut().filter(|other| **other > at).for_each(|other| *other -= 1);
        Some(self.list.remove(at))
    }

    /// Appends an item to a list.
    pub fn append(&mut self, key: &'static str, span: Span, item: Node) {
        if self.get(key).is_none() {
            self.set(key, Entry { key: key.into(), span, value: Node::list(span, Vec::new()) });
        }
        self.extend(key, Node::list(span, vec![item]));
    }

    /// Adds entries to a map.
    pub fn unite(&mut self, key: &'static str, span: Span, more: Node) {
        if self.get(key).is_none() {
            self.set(key, Entry { key: key.into(), span, value: Node::map(span, Vec::new()) });
        }
        self.extend(key, more);
    }

    /// Appends one list to another, or unites two maps. False if they are neither.
    fn extend(&mut self, key: &str, more: Node) -> bool {
        let first = self.at.get(key).map(|at| &mut self.list[*at].value.kind);
        match (first, more.kind) {
            (Some(Kind::List(items)), Kind::List(more)) => items.extend(more),
            (Some(Kind::Map(entries)), Kind::Map(more)) => entries.extend(more),
            _ => return false,
        }
        true
    }

    /// Adds what a directive says. False if that was a mistake.
    pub fn put(
        &mut self,
        key: &'static Key,
        directive: &Directive,
        mut node: Node,
        diagnostics: &mut Diagnostics,
    ) -> bool {
        if let Kind::Map(entries) = &mut node.kind {
            entries.retain(|e| self.is_first(key.name, e, directive, diagnostics));
        }
        let span = directive.name.span;
        let Some(before) = self.get(key.name).map(|e| e.span) else {
            self.set(key.name, Entry { key: key.name.to_owned(), span, value: node });
            return true;
        };
        let repeats = key.kind.repeats || APPENDED.contains(&key.name);
        if key.name == "proxy_redirect" {
            self.combine_default(key.name, &mut node);
        }
        if key.name == "return" {
            diagnostics.warning(span, "this `return` is never reached: the one above ends the request");
        } else if !(is_accepted(key) || repeats && self.extend(key.name, node)) {
            let place = diagnostics.place(before);
            diagnostics
                .error(span, format!("\"{}\" directive is duplicate", key.name))
                .help(format!("it stands at {place} already"));
            return false;
        }
        true
    }

    /// nginx applies `proxy_redirect default` beside others, though not beside `off`: then it is a line of their map.
    fn combine_default(&mut self, key: &str, node: &mut Node) {
        let is_default = |node: &Node| node.as_text() == Some("default");
        let as_pair = |node: &Node| Node::pair(node.span, "default", Node::scalar(node.span, "default"));
        let Some(before) = self.at.get(key).map(|at| &mut self.list[*at].value) else { return };
        if is_default(before) && node.as_map().is_some() {
            *before = as_pair(before);
        } else if is_default(node) && before.as_map().is_some() {
            *node = as_pair(node);
        }
    }

    /// Whether a name of a map is new, in the maps that may hold each name once.
    fn is_first(&mut self, key: &'static str, e: &Entry, directive: &Directive, diagnostics: &mut Diagnostics) -> bool {
        let name = match key {
            "proxy_set_header" => e.key.to_ascii_lowercase(),
            "limit_conn" | "limit_conn_zone" | "limit_req_zone" | "log_format" | "proxy_cache_path"
            | "proxy_cache_valid" | "proxy_redirect" => e.key.clone(),
            _ => return true,
        };
        let predefined = key == "log_format" && name == "combined";
        if self.names.insert((key, name)) && !predefined {
            return true;
        }
        let span = directive.name.span;
        let name = shown(&e.key);
        match key {
            "log_format" => diagnostics.error(e.span, format!("duplicate \"log_format\" name \"{name}\"")),
            "limit_conn" => diagnostics.error(e.span, format!("the zone \"{name}\" limits here already")),
            "limit_conn_zone" | "limit_req_zone" | "proxy_cache_path" => {
                diagnostics.error(e.span, format!("duplicate zone \"{name}\""))
            }
            "proxy_set_header" => {
                let host = e.key.eq_ignore_ascii_case("host");
                let then = if host { ", and Tomcat would answer that with 400" } else { "" };
                diagnostics
                    .warning(span, format!("`{name}` is set twice in this block: edge sends the first"))
                    .help(format!("nginx would send both{then}; take one of them out"))
            }
            _ => diagnostics
                .warning(e.span, format!("`{name}` stands in this block already: the first counts, as in nginx")),
        };
        false
    }
}
