//! Directives become keys: what stands in `http {}` lands at the top of the tree beside what stands outside of it,
//! `server` and `location` in lists, `upstream` in a map.
//!
//! A directive that is wrong is noted and left out; the others are read all the same.

use super::directives;
use super::parser::{Block, Body, Directive};
use super::places::{Place, places_of};
use super::shown;
use super::values::{self, Entries};
use crate::config::diagnostics::nearest;
use crate::config::keys::Key;
use crate::config::node::{Entry, Kind};
use crate::config::raw::all_keys;
use crate::config::types::balance_of;
use crate::config::{Diagnostics, Node, Span};
use std::collections::HashMap;

/// After so many mistakes the rest would not be read by anybody.
const MAX_MISTAKES: usize = 1_000;
/// Longer words are not compared with what they may have been meant to be.
const MAX_COMPARED: usize = 64;

/// `ignore_unsupported`: what edge has not is left out with a warning, where it is a mistake otherwise.
pub fn build(conf: &Block, ignore_unsupported: bool, diagnostics: &mut Diagnostics) -> Node {
    let start = Span { line: 1, column: 1, width: 1, ..Span::default() };
    let span = conf.directives.first().map_or(start, |d| d.name.span);
    let mut builder = Builder {
        diagnostics,
        ignore_unsupported,
        mistakes: 0,
        sections: HashMap::new(),
        upstreams: HashMap::new(),
        logs: Vec::new(),
    };
    let mut top = Entries::default();
    builder.block(conf, Place::Main, &mut top);
    if !builder.sections.contains_key("http") && builder.mistakes < MAX_MISTAKES {
        builder
            .diagnostics
            .error(span, "no \"http\" section in configuration")
            .help("`server` and `upstream` stand in `http { … }`; a file of conf.d or sites-enabled is included by nginx.conf");
    }
    builder.place_error_log(&mut top);
    top.into_node(span)
}

pub(super) struct Builder<'d> {
    pub(super) diagnostics: &'d mut Diagnostics,
    ignore_unsupported: bool,
    mistakes: usize,
    /// `events` and `http`, each once.
    sections: HashMap<&'static str, Span>,
    upstreams: HashMap<String, Span>,
    /// What `error_log` says in `http` and `server`: edge has one error log.
    logs: Vec<Entry>,
}

impl Builder<'_> {
    pub(super) fn block(&mut self, block: &Block, place: Place, into: &mut Entries) {
        for directive in &block.directives {
            if self.mistakes >= MAX_MISTAKES {
                return;
            }
            self.directive(directive, place, into);
        }
    }

    fn directive(&mut self, d: &Directive, place: Place, into: &mut Entries) {
        match (place, d.name.text.as_str()) {
            (Place::Main, "events") => self.section(d, "events", Place::Events, into),
            (Place::Main, "http") => self.section(d, "http", Place::Http, into),
            (Place::Main, "load_module") => {
                self.diagnostics.warning(d.name.span, "edge loads no modules: what it has is built in");
            }
            (Place::Http, "server") => self.server(d, into),
            (Place::Http, "upstream") => self.upstream(d, into),
            (Place::Http, "map") => self.map(d, into),
            (Place::Http, "geo") => self.geo(d, into),
            (Place::Http, "split_clients") => self.split_clients(d, into),
            (Place::Server | Place::Location, "if") => self.condition(d, place, into),
            (
                Place::Server | Place::Location | Place::ServerIf | Place::LocationIf,
                "set" | "break" | "rewrite" | "return",
            ) => self.step(d, place, into),
            (Place::Server | Place::Location, "location") => self.location(d, into),
            (Place::Location, "limit_except") => self.limit_except(d, into),
            (Place::Http | Place::Server | Place::Location | Place::LimitExcept, "allow" | "deny") => {
                self.rule(d, into)
            }
            (Place::Http | Place::Server | Place::Location, "types") => self.types(d, place, into),
            (Place::Http, "charset_map") => self.charset_map(d, into),
            (Place::Upstream, "server") => self.upstream_server(d, into),
            (Place::Upstream, "least_conn" | "ip_hash" | "random" | "hash" | "least_time") => self.balance(d, into),
            (Place::Main | Place::Http | Place::Server | Place::Location, "error_log") => {
                self.error_log(d, place, into)
            }
            (_, name) => match place.key(name) {
                Some(key) => self.value(d, key, into),
                None => self.misplaced(d, place),
            },
        }
    }

    /// `events {}` and `http {}`, whose directives land at the top.
    fn section(&mut self, d: &Directive, name: &'static str, inside: Place, top: &mut Entries) {
        if let Some(before) = self.sections.insert(name, d.name.span) {
            let place = self.diagnostics.place(before);
            self.error(
                d.name.span,
                format!("\"{name}\" directive is duplicate"),
                Some(format!("it stands at {place} already")),
            );
        }
        let Some(block) = self.block_of(d, 0..=0) else { return };
        self.block(block, inside, top);
    }

    fn server(&mut self, d: &Directive, top: &mut Entries) {
        let Some(block) = self.block_of(d, 0..=0) else { return };
        let mut server = Entries::default();
        self.block(block, Place::Server, &mut server);
        top.append("server", d.name.span, server.into_node(d.name.span));
    }

    fn upstream(&mut self, d: &Directive, top: &mut Entries) {
        let Some(block) = self.block_of(d, 1..=1) else { return };
        let [name] = d.args.as_slice() else { return };
        if let Some(before) = self.upstreams.get(&name.text).copied() {
            let place = self.diagnostics.place(before);
            let message = format!("duplicate upstream \"{}\"", shown(&name.text));
            self.error(name.span, message, Some(format!("it stands at {place} already")));
            return;
        }
        self.upstreams.insert(name.text.clone(), name.span);
        let mut upstream = Entries::default();
        self.block(block, Place::Upstream, &mut upstream);
        let node = Node::pair(name.span, &name.text, upstream.into_node(name.span));
        top.unite("upstream", d.name.span, node);
    }

    fn location(&mut self, d: &Directive, into: &mut Entries) {
        let Some(block) = self.block_of(d, 1..=2) else { return };
        let Some(pattern) = self.pattern(d) else { return };
        let mut location = Entries::default();
        location.set("match", Entry { key: "match".into(), span: d.name.span, value: pattern });
        self.block(block, Place::Location, &mut location);
        into.append("location", d.name.span, location.into_node(d.name.span));
    }

    /// What holds for other methods is a block inside of the location.
    fn limit_except(&mut self, d: &Directive, into: &mut Entries) {
        let Some(block) = self.block_of(d, 1..=usize::MAX) else { return };
        if let Some(before) = into.get("limit_except").map(|entry| entry.span) {
            let place = self.diagnostics.place(before);
            let help = format!("edge takes one in a location; another one stands at {place}");
            return self.error(d.name.span, "a second \"limit_except\"".into(), Some(help));
        }
        let span = d.name.span;
        let mut inside = Entries::default();
        let methods = Node::list(span, d.args.iter().map(|arg| arg.node()).collect());
        inside.set("methods", Entry { key: "methods".into(), span, value: methods });
        self.block(block, Place::LimitExcept, &mut inside);
        into.set("limit_except", Entry { key: "limit_except".into(), span, value: inside.into_node(span) });
    }

    /// `allow` and `deny` are one list, because their order counts.
    fn rule(&mut self, d: &Directive, into: &mut Entries) {
        if !self.is_simple(d) {
            return;
        }
        let [who] = d.args.as_slice() else { return self.wrong_number(d, None) };
        into.append("access", d.name.span, Node::pair(d.name.span, &d.name.text, who.node()));
    }

    /// `= /a`, `=/a` and their like as edge.yaml writes them.
    fn pattern(&mut self, d: &Directive) -> Option<Node> {
        let (first, modifier, rest) = match d.args.as_slice() {
            [one] => {
                let modifier = ["~*", "^~", "~", "="].into_iter().find(|m| one.text.starts_with(m)).unwrap_or_default();
                (one, modifier, &one.text[modifier.len()..])
            }
            [modifier, uri] => (modifier, modifier.text.as_str(), uri.text.as_str()),
            _ => return None,
        };
        if d.args.len() == 2 && !["~*", "^~", "~", "="].contains(&modifier) {
            let message = format!("invalid location modifier \"{}\"", shown(modifier));
            self.error(first.span, message, Some("expected `=`, `^~`, `~` or `~*`".into()));
            return None;
        }
        let text = if modifier.is_empty() { rest.to_owned() } else { format!("{modifier} {rest}") };
        Some(Node::quoted(first.span, text))
    }

    /// The lines of `types {}` are media types with their extensions, not directives.
    fn types(&mut self, d: &Directive, place: Place, into: &mut Entries) {
        let (Some(block), Some(key)) = (self.block_of(d, 0..=0), place.key("types")) else {
            return;
        };
        let mut entries: Vec<Entry> = Vec::with_capacity(block.directives.len());
        // A map has each key once, and nginx's own mime.types names one type in several lines.
        let mut at = HashMap::new();
        for line in &block.directives {
            if !self.is_simple(line) {
                continue;
            }
            let span = line.name.span;
            let extensions: Vec<Node> = line.args.iter().map(|arg| arg.node()).collect();
            let index = *at.entry(line.name.text.as_str()).or_insert(entries.len());
            match entries.get_mut(index).map(|e| &mut e.value.kind) {
                Some(Kind::List(before)) => before.extend(extensions),
                _ => entries.push(Entry { key: line.name.text.clone(), span, value: Node::list(span, extensions) }),
            }
        }
        self.put(key, d, Node::map(d.name.span, entries), into);
    }

    /// The lines of `charset_map FROM TO {}` are pairs of bytes.
    fn charset_map(&mut self, d: &Directive, into: &mut Entries) {
        let (Some(block), Some(key)) = (self.block_of(d, 2..=2), Place::Http.key("charset_map")) else {
            return;
        };
        let [from, to] = d.args.as_slice() else { return };
        let mut entries = Vec::with_capacity(block.directives.len());
        for line in &block.directives {
            if !self.is_simple(line) {
                continue;
            }
            let [byte] = line.args.as_slice() else {
                self.error(line.name.span, "invalid parameters number".into(), None);
                continue;
            };
            let value = Node::quoted(byte.span, &byte.text);
            entries.push(Entry { key: line.name.text.clone(), span: line.name.span, value });
        }
        let name = format!("{} {}", from.text, to.text);
        self.put(key, d, Node::pair(from.span, &name, Node::map(d.name.span, entries)), into);
    }

    fn upstream_server(&mut self, d: &Directive, into: &mut Entries) {
        if let Some(key) = all_keys().find(|key| key.name == "servers") {
            self.value(d, key, into);
        }
    }

    /// The directive that names a method of balancing is the value of `balance`.
    fn balance(&mut self, d: &Directive, into: &mut Entries) {
        if !self.is_simple(d) {
            return;
        }
        let (name, span) = (d.name.text.as_str(), d.name.span);
        let wrong_number = match name {
            "least_conn" | "ip_hash" => !d.args.is_empty(),
            "hash" | "least_time" => !(1..=2).contains(&d.args.len()),
            _ => d.args.len() > 2,
        };
        if wrong_number {
            return self.wrong_number(d, None);
        }
        let value = match balance_of(name, span, &d.args) {
            Ok(value) => value,
            Err(why) => return self.wrong_value(d, why),
        };
        if into.get("balance").is_some() {
            self.diagnostics.warning(span, "load balancing method redefined: the last one counts, as in nginx");
        }
        into.set("balance", Entry { key: "balance".into(), span, value });
    }

    /// nginx has an error log for each block, edge one for the process.
    fn error_log(&mut self, d: &Directive, place: Place, top: &mut Entries) {
        let Some(key) = Place::Main.key("error_log").filter(|_| self.is_simple(d)) else {
            return;
        };
        let node = match values::of(key, d) {
            Ok(node) => node,
            Err(why) => return self.wrong_value(d, why),
        };
        match place {
            Place::Main if top.get("error_log").is_none() => self.put(key, d, node, top),
            Place::Main => self.one_error_log(d.name.span),
            Place::Location => self.one_error_log(d.name.span),
            _ => self.logs.push(Entry { key: "error_log".into(), span: d.name.span, value: node }),
        }
    }

    /// Without an error log outside of `http`, the first one inside is the process's.
    fn place_error_log(&mut self, top: &mut Entries) {
        let mut logs = std::mem::take(&mut self.logs).into_iter();
        if top.get("error_log").is_none()
            && let Some(log) = logs.next()
        {
            top.set("error_log", log);
        }
        logs.for_each(|log| self.one_error_log(log.span));
    }

    fn one_error_log(&mut self, span: Span) {
        self.diagnostics
            .warning(span, "edge writes one error log, the first of the outermost block: this one is not used");
    }

    /// A directive that is a key.
    pub(super) fn value(&mut self, d: &Directive, key: &'static Key, into: &mut Entries) {
        if !self.is_simple(d) {
            return;
        }
        match values::of(key, d) {
            Ok(node) => self.put(key, d, node, into),
            Err(why) => self.wrong_value(d, why),
        }
    }

    fn put(&mut self, key: &'static Key, d: &Directive, node: Node, into: &mut Entries) {
        if !into.put(key, d, node, self.diagnostics) {
            self.mistakes += 1;
        }
    }

    /// A directive that may not stand here.
    fn misplaced(&mut self, d: &Directive, place: Place) {
        let (name, span) = (d.name.text.as_str(), d.name.span);
        let places = places_of(name);
        if !places.is_empty() {
            let places: Vec<&str> = places.into_iter().map(Place::name).collect();
            let help = format!("it may stand in: {}", places.join(", "));
            return self.error(span, format!("\"{name}\" directive is not allowed here"), Some(help));
        }
        if name == "ssl" {
            // nginx 1.25.1 has removed it.
            let help = Some("write `ssl` behind the address of each `listen`: `listen 443 ssl;`".to_owned());
            return self.error(span, "the \"ssl\" directive is a parameter of \"listen\" now".into(), help);
        }
        if let Some(module) = directives::module_of(name) {
            return self.unsupported(d, module);
        }
        let meant = match name.len() {
            0..=MAX_COMPARED => nearest(name, place.names()).or_else(|| nearest(name, directives::names())),
            _ => None,
        };
        let help = meant.map(|meant| format!("did you mean `{meant}`?"));
        self.error(span, format!("unknown directive \"{}\"", shown(name)), help);
    }

    /// A directive that nginx or a module for it has, and edge has not.
    fn unsupported(&mut self, d: &Directive, module: &str) {
        let (name, span) = (d.name.text.as_str(), d.name.span);
        let (message, help) = match directives::out_of_scope(name, module) {
            Some(why) => (format!("edge does not support \"{name}\""), format!("it is out of scope: {why}")),
            None => (format!("edge does not support \"{name}\" yet"), format!("it is a directive of nginx's {module}")),
        };
        match self.ignore_unsupported {
            true => drop(self.diagnostics.warning(span, format!("{message}: it is left out")).help(help)),
            false => self.error(span, message, Some(help)),
        }
    }

    /// The block of a directive that must have one, and the right number of words before it.
    pub(super) fn block_of<'b>(
        &mut self,
        d: &'b Directive,
        args: std::ops::RangeInclusive<usize>,
    ) -> Option<&'b Block> {
        let name = &d.name.text;
        match &d.body {
            Body::Block(block) if args.contains(&d.args.len()) => Some(block),
            Body::Block(_) => {
                self.wrong_number(d, None);
                None
            }
            _ => {
                self.error(d.name.span, format!("directive \"{name}\" has no opening \"{{\""), None);
                None
            }
        }
    }

    pub(super) fn is_simple(&mut self, d: &Directive) -> bool {
        let simple = d.body == Body::None;
        if !simple {
            let message = format!("directive \"{}\" is not terminated by \";\"", shown(&d.name.text));
            self.error(d.name.span, message, None);
        }
        simple
    }

    pub(super) fn wrong_value(&mut self, d: &Directive, why: String) {
        match d.args.is_empty() {
            true => self.wrong_number(d, Some(why)),
            false => self.error(d.name.span, format!("\"{}\" directive: {why}", d.name.text), None),
        }
    }

    pub(super) fn wrong_number(&mut self, d: &Directive, help: Option<String>) {
        self.error(d.name.span, format!("invalid number of arguments in \"{}\" directive", d.name.text), help);
    }

    pub(super) fn error(&mut self, span: Span, message: String, help: Option<String>) {
        self.mistakes += 1;
        let noted = self.diagnostics.error(span, message);
        if let Some(help) = help {
            noted.help(help);
        }
        if self.mistakes == MAX_MISTAKES {
            self.diagnostics.error(span, "too many mistakes: the rest is not read");
        }
    }
}
