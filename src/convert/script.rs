//! The rewrite module's directives: steps of one list, because their order counts and the keys of a map have none. A
//! `return` that ends a block stands beside the list, as a person would write it.

use super::parser::Directive;
use super::places::Place;
use super::shown;
use super::tree::Builder;
use super::values::Entries;
use crate::config::node::Entry;
use crate::config::types::{Condition, Return, Rewrite};
use crate::config::{Node, Value};

impl Builder<'_> {
    /// `set`, `break`, `rewrite`, `return`
    pub(super) fn step(&mut self, d: &Directive, place: Place, into: &mut Entries) {
        if !self.is_simple(d) {
            return;
        }
        let (name, span) = (d.name.text.as_str(), d.name.span);
        if name == "return" && into.get("return").is_none() {
            match place.key("return") {
                Some(key) => self.value(d, key, into),
                None => self.error(span, "\"return\" directive is not allowed here".into(), None),
            }
            return;
        }
        let never = into.get("return").is_some() && matches!(name, "rewrite" | "return");
        if never {
            let ending = if name == "return" { "one above" } else { "`return` above" };
            self.diagnostics.warning(span, format!("this `{name}` is never reached: the {ending} ends the request"));
            return;
        }
        let step = match (name, d.args.as_slice()) {
            ("break", []) => Ok(Node::scalar(span, "break")),
            ("set", [name, value]) if !is_variable(&name.text) => {
                return self.error(name.span, format!("invalid variable name \"{}\"", shown(&name.text)), None);
            }
            ("set", [name, value]) => {
                let set = Node::pair(name.span, &name.text, Node::quoted(value.span, &value.text));
                Ok(Node::pair(span, "set", set))
            }
            ("rewrite", args) => Rewrite::from_args(args),
            ("return", args) => Return::from_args(args).map(|node| Node::pair(span, "return", node)),
            _ => return self.wrong_number(d, None),
        };
        match step {
            Ok(step) => append(d, step, into),
            Err(why) => self.wrong_value(d, why),
        }
    }

    /// `if (…) { … }`
    pub(super) fn condition(&mut self, d: &Directive, place: Place, into: &mut Entries) {
        let Some(block) = self.block_of(d, 1..=usize::MAX) else { return };
        let span = d.name.span;
        let text = match Condition::text_of(&d.args) {
            Ok(text) => text,
            Err(why) => {
                let help = "expected `($name)`, `($name = value)`, `!=`, `~`, `~*`, `!~`, `!~*`, or `(-f path)`, `-d`, `-e`, `-x`";
                return self.error(d.args.first().map_or(span, |arg| arg.span), why, Some(help.into()));
            }
        };
        let at = d.args.first().map_or(span, |arg| arg.span);
        let mut inner = Entries::default();
        inner.set("if", Entry { key: "if".into(), span, value: Node::quoted(at, text) });
        let inside = if place == Place::Server { Place::ServerIf } else { Place::LocationIf };
        self.block(block, inside, &mut inner);
        append(d, inner.into_node(span), into);
    }
}

/// Behind a `return` that stood at the end so far nothing is reached; but what is defined there is defined.
fn append(d: &Directive, step: Node, into: &mut Entries) {
    if let Some(ending) = into.remove("return") {
        into.append("rewrite", ending.span, Node::pair(ending.span, "return", ending.value));
    }
    into.append("rewrite", d.name.span, step);
}

fn is_variable(name: &str) -> bool {
    name.len() > 1 && name.starts_with('$')
}
