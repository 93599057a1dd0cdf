//! Comparisons of texts that stand where they are: what most conditions are made of, without a value being made of either side.
//!
//! `request.method == 'POST'`, `request.header('user-agent').contains('bot')`: a name, field, cookie or argument of the request, and
//! a text that is known. The node that says the same in general stays beside it: what a condition needs, and what must hold for
//! it, is read from that one, and a test holds both to the same.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::eval::Budget;
use super::fault::Fault;
use super::functions::Function;
use super::functions::arithmetic::LONGEST;
use super::maps::Map;
use super::names::{self, Name};
use super::node::{Comparison, Node};
use super::types::Kind;
use super::value::Value;
use crate::rules::View;

#[derive(Debug)]
pub(super) struct Quick {
    source: Source,
    test: Test,
}

/// Where the text stands.
#[derive(Debug)]
enum Source {
    Name(Name),
    /// What a field, cookie or argument of this name says; nothing where there is none.
    Field(Name, Box<str>),
}

#[derive(Debug)]
enum Test {
    Is(Box<[u8]>),
    IsNot(Box<[u8]>),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    Contains(Box<Finder<'static>>),
}

/// The same condition with what can be quick made so.
pub(super) fn quicken(node: Node) -> Node {
    let all = |nodes: Box<[Node]>| -> Box<[Node]> { nodes.into_iter().map(quicken).collect() };
    match node {
        Node::All(nodes) => Node::All(all(nodes)),
        Node::Any(nodes) => Node::Any(all(nodes)),
        Node::Not(inner) => Node::Not(Box::new(quicken(*inner))),
        node => match of(&node) {
            Some(quick) => Node::Quick(Box::new(quick), Box::new(node)),
            None => node,
        },
    }
}

/// As it was before.
#[cfg(test)]
pub(super) fn slowed(node: Node) -> Node {
    let all = |nodes: Box<[Node]>| -> Box<[Node]> { nodes.into_iter().map(slowed).collect() };
    match node {
        Node::All(nodes) => Node::All(all(nodes)),
        Node::Any(nodes) => Node::Any(all(nodes)),
        Node::Not(inner) => Node::Not(Box::new(slowed(*inner))),
        Node::Quick(_, whole) => *whole,
        node => node,
    }
}

fn of(node: &Node) -> Option<Quick> {
    match node {
        Node::Compare(how, sides) => {
            let [left, right] = &**sides;
            let (source, text) = match (left.constant(), right.constant()) {
                (None, Some(text)) => (left, text),
                (Some(text), None) => (right, text),
                _ => return None,
            };
            let text = text.as_text()?.into();
            let test = match how {
                Comparison::Equal => Test::Is(text),
                Comparison::NotEqual => Test::IsNot(text),
                _ => return None,
            };
            Some(Quick { source: source_of(source)?, test })
        }
        Node::Call(function, nodes) => {
            let [source, other] = &nodes[..] else { return None };
            let text = other.constant()?.as_text()?;
            let test = match function {
                Function::StartsWith => Test::StartsWith(text.into()),
                Function::EndsWith => Test::EndsWith(text.into()),
                Function::Contains => Test::Contains(Box::new(Finder::new(text).into_owned())),
                _ => return None,
            };
            Some(Quick { source: source_of(source)?, test })
        }
        _ => None,
    }
}

fn source_of(node: &Node) -> Option<Source> {
    match node {
        Node::Name(name) => (names::find(name.as_str())?.kind() == Kind::Text).then_some(Source::Name(*name)),
        Node::Call(Function::Field, nodes) => match &nodes[..] {
            [Node::Name(map), Node::Constant(Value::Text(key))] => {
                Some(Source::Field(*map, std::str::from_utf8(key).ok()?.into()))
            }
            _ => None,
        },
        _ => None,
    }
}

impl Quick {
    pub fn holds(&self, view: &View<'_>, budget: &mut Budget) -> Result<bool, Fault> {
        let text = self.source.read(view, budget)?;
        budget.spend(2)?;
        budget.spend_text(text.len())?;
        Ok(match &self.test {
            Test::Is(known) => *text == **known,
            Test::IsNot(known) => *text != **known,
            Test::StartsWith(known) => text.starts_with(known),
            Test::EndsWith(known) => text.ends_with(known),
            Test::Contains(finder) => finder.find(&text).is_some(),
        })
    }
}

impl Source {
    fn read<'v>(&self, view: &View<'v>, budget: &mut Budget) -> Result<Cow<'v, [u8]>, Fault> {
        const NOTHING: Cow<'static, [u8]> = Cow::Borrowed(b"");
        match self {
            Source::Name(name) => match name.read(view) {
                Some(Value::Text(text)) => Ok(text),
                _ => Ok(NOTHING),
            },
            Source::Field(map, name) => {
                let Some(Value::Map(map)) = map.read(view) else { return Ok(NOTHING) };
                budget.spend(Map::weight(&map))?;
                let text = map.field(name).unwrap_or(NOTHING);
                if text.len() > LONGEST { Err(Fault::TooLarge) } else { Ok(text) }
            }
        }
    }
}
