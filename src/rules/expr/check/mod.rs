//! From the parsed tree to one of typed nodes. All mistakes are told, not only the first.
//!
//! What is wrong becomes [`Kind::Dyn`], which fits everywhere, so that one mistake is told once.

mod calls;
mod names;
mod operators;
mod special;

use std::collections::HashSet;

use cel::common::ast::{Expr as Ast, IdedExpr, LiteralValue};

use super::node::Node;
use super::parse::{self, Parsed};
use super::scope::{Mistake, Scope};
use super::types::Kind;
use super::value::{List, Value};

/// How many nodes an expression may have.
const MOST_NODES: usize = 2048;

/// From how many texts on a list is asked through a table.
const LONG_LIST: usize = 8;

/// A node and the type of what it yields.
pub(super) struct Typed {
    pub node: Node,
    pub kind: Kind,
}

impl Typed {
    fn new(node: Node, kind: Kind) -> Typed {
        Typed { node, kind }
    }

    fn constant(value: Value<'static>) -> Typed {
        let kind = value.kind();
        Typed { node: Node::Constant(value), kind }
    }

    /// What stands for something wrong that was told.
    fn wrong() -> Typed {
        Typed { node: Node::Constant(Value::Null), kind: Kind::Dyn }
    }
}

pub(super) struct Checker<'s, 'p> {
    parsed: &'p Parsed<'p>,
    scope: &'s Scope<'s>,
    /// The variables of the macros around, the outer first.
    locals: Vec<(String, Kind)>,
    mistakes: Vec<Mistake>,
    nodes: usize,
}

/// Checks a parsed expression.
pub(super) fn check(parsed: &Parsed<'_>, scope: &Scope<'_>, condition: bool) -> Result<Typed, Vec<Mistake>> {
    let mut checker = Checker { parsed, scope, locals: Vec::new(), mistakes: Vec::new(), nodes: 0 };
    let typed = checker.node(&parsed.root);
    if condition && !matches!(typed.kind, Kind::Bool | Kind::Dyn) {
        let written = parsed.written(&parsed.root);
        let message =
            format!("a condition is a bool, and this is {}{}", typed.kind, as_condition(&typed.kind, written));
        checker.tell(&parsed.root, message);
    }
    if checker.nodes > MOST_NODES {
        let message = format!("an expression has at most {MOST_NODES} parts");
        checker.mistakes.insert(0, Mistake::new(0, parsed.text.len(), message));
    }
    let mut mistakes = checker.mistakes;
    mistakes.sort_by_key(|mistake| mistake.at);
    if mistakes.is_empty() { Ok(typed) } else { Err(mistakes) }
}

/// How a value becomes a condition.
fn as_condition(kind: &Kind, written: &str) -> String {
    // What is long is not repeated.
    let written = if written.len() <= 40 { written } else { "x" };
    match kind {
        Kind::Text => format!("; write {written} != '' if it must not be empty"),
        Kind::Int | Kind::Uint | Kind::Double => format!("; write {written} != 0 if it must not be 0"),
        Kind::List(_) | Kind::Map(..) => format!("; write size({written}) > 0 if it must not be empty"),
        _ => String::new(),
    }
}

impl<'p> Checker<'_, 'p> {
    /// Notes what is wrong with a node.
    fn tell(&mut self, node: &IdedExpr, message: impl Into<String>) {
        let span = self.parsed.span(node);
        self.tell_at(span, message);
    }

    /// The same, about its operator or the name of its function.
    fn tell_word(&mut self, node: &IdedExpr, message: impl Into<String>) {
        let span = self.parsed.word(node);
        self.tell_at(span, message);
    }

    fn tell_at(&mut self, (start, end): (usize, usize), message: impl Into<String>) {
        self.mistakes.push(Mistake::new(start, end.saturating_sub(start), message));
    }

    fn node(&mut self, ast: &IdedExpr) -> Typed {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Typed::wrong();
        }
        match &ast.expr {
            Ast::Literal(literal) => Typed::constant(value_of(literal)),
            Ast::Ident(name) => self.name(ast, name),
            Ast::Select(select) => self.select(ast, select),
            Ast::Call(call) => self.call(ast, call),
            Ast::List(list) => self.list(&list.elements),
            Ast::Map(map) => self.map(ast, map),
            Ast::Struct(_) => {
                self.tell(ast, "CEL's messages are not known here; a map is written {'key': value}");
                Typed::wrong()
            }
            Ast::Comprehension(_) | Ast::Unspecified => {
                self.tell(ast, "this is no expression of CEL");
                Typed::wrong()
            }
        }
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Typed {
        let typed: Vec<Typed> = elements.iter().map(|element| self.node(element)).collect();
        let kind = Kind::list(one_kind(typed.iter().map(|typed| &typed.kind)));
        let nodes: Vec<Node> = typed.into_iter().map(|typed| typed.node).collect();
        if nodes.iter().all(|node| node.constant().is_some()) {
            let values: Vec<Value<'static>> = nodes.iter().filter_map(Node::constant).cloned().collect();
            return Typed::new(Node::Constant(Value::made_list(values)), kind);
        }
        Typed::new(Node::List(nodes.into()), kind)
    }

    fn map(&mut self, ast: &IdedExpr, map: &cel::common::ast::MapExpr) -> Typed {
        let mut nodes = Vec::new();
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (key, value) in parse::entries(map) {
            let (key_at, key, value) = (key, self.node(key), self.node(value));
            if !matches!(key.kind, Kind::Text | Kind::Int | Kind::Uint | Kind::Bool | Kind::Dyn) {
                self.tell(key_at, format!("a key of a map is string, int, uint or bool, and this is {}", key.kind));
            }
            keys.push(key.kind);
            values.push(value.kind);
            nodes.push((key.node, value.node));
        }
        let kind = Kind::map(one_kind(keys.iter()), one_kind(values.iter()));
        let known = nodes.iter().map(|(key, value)| Some((key.constant()?.clone(), value.constant()?.clone())));
        let Some(entries) = known.collect::<Option<Vec<_>>>() else { return Typed::new(Node::Map(nodes.into()), kind) };
        for (at, (key, _)) in entries.iter().enumerate() {
            if entries[..at].iter().any(|(other, _)| super::value::equal(other, key)) {
                let mut text = Vec::new();
                key.write_text(&mut text);
                self.tell(ast, format!("the key '{}' stands twice in this map", String::from_utf8_lossy(&text)));
            }
        }
        Typed::new(Node::Constant(Value::Map(super::maps::Map::Made(entries.into()))), kind)
    }
}

fn value_of(literal: &LiteralValue) -> Value<'static> {
    match literal {
        LiteralValue::Boolean(is) => Value::Bool(*is.inner()),
        LiteralValue::Bytes(bytes) => Value::Bytes(bytes.inner().to_vec().into()),
        LiteralValue::Double(number) => Value::Double(*number.inner()),
        LiteralValue::Int(number) => Value::Int(*number.inner()),
        LiteralValue::UInt(number) => Value::Uint(*number.inner()),
        LiteralValue::String(text) => Value::made_text(text.inner()),
        LiteralValue::Null => Value::Null,
    }
}

/// The kind that all have, or dyn.
fn one_kind<'k>(mut kinds: impl Iterator<Item = &'k Kind>) -> Kind {
    let Some(first) = kinds.next() else { return Kind::Dyn };
    if kinds.all(|kind| kind == first) { first.clone() } else { Kind::Dyn }
}

/// Whether a value of one kind may equal one of the other.
fn comparable(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (Kind::Dyn | Kind::Null, _) | (_, Kind::Dyn | Kind::Null) => true,
        (Kind::List(a), Kind::List(b)) => comparable(a, b),
        (Kind::Map(a, x), Kind::Map(b, y)) => comparable(a, b) && comparable(x, y),
        _ => a == b || a.is_number() && b.is_number(),
    }
}

/// The texts of a list that is long enough for a table.
fn table_of(node: &Node) -> Option<HashSet<Box<[u8]>>> {
    let Some(Value::List(List::Made(values))) = node.constant() else { return None };
    if values.len() < LONG_LIST {
        return None;
    }
    values.iter().map(|value| value.as_text().map(Box::from)).collect()
}
