//! A checked expression: a tree in which every name is known and every pattern compiled.

use std::collections::HashSet;

use super::functions::Function;
use super::names::Name;
use super::quick::Quick;
use super::value::Value;

#[derive(Debug)]
pub(super) enum Node {
    Constant(Value<'static>),
    Name(Name),
    /// `vars.NAME`
    Variable(Box<str>),
    /// `has(request.…)`, `has(vars.…)`
    HasName(Name),
    HasVariable(Box<str>),
    /// The variable of a macro, by how many stand around it.
    Local(usize),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// `&&` and `||`, each with all that they join.
    All(Box<[Node]>),
    Any(Box<[Node]>),
    /// `a ? b : c`
    Choice(Box<[Node; 3]>),
    Compare(Comparison, Box<[Node; 2]>),
    /// A comparison of texts, beside the node that says the same.
    Quick(Box<Quick>, Box<Node>),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    /// `in` a long list of texts, which are known.
    InTexts(Box<Node>, HashSet<Box<[u8]>>),
    Index(Box<[Node; 2]>),
    /// `a.b`: an index with a text that is known.
    Select(Box<Node>, Value<'static>),
    Has(Box<Node>, Value<'static>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
    Macro(Box<Macro>),
    Call(Function, Box<[Node]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Arithmetic {
    pub fn sign(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Remainder => "%",
        }
    }
}

#[derive(Debug)]
pub(super) struct Macro {
    pub what: Repeat,
    pub over: Node,
    /// The place of its variable.
    pub slot: usize,
    /// The condition that `map` with three arguments asks first.
    pub only: Option<Node>,
    pub each: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

impl Node {
    /// Calls `visit` for this node and for each below it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Node)) {
        visit(self);
        let mut each = |nodes: &[Node]| nodes.iter().for_each(|node| node.walk(visit));
        match self {
            Node::Constant(_)
            | Node::Name(_)
            | Node::Variable(_)
            | Node::HasName(_)
            | Node::HasVariable(_)
            | Node::Local(_) => {}
            Node::Not(inner)
            | Node::Quick(_, inner)
            | Node::Negate(inner)
            | Node::InTexts(inner, _)
            | Node::Select(inner, _)
            | Node::Has(inner, _) => inner.walk(visit),
            Node::All(nodes) | Node::Any(nodes) | Node::List(nodes) | Node::Call(_, nodes) => each(nodes),
            Node::Choice(nodes) => each(&nodes[..]),
            Node::Compare(_, nodes) | Node::Arithmetic(_, nodes) | Node::In(nodes) | Node::Index(nodes) => {
                each(&nodes[..]);
            }
            Node::Map(entries) => entries.iter().for_each(|(key, value)| {
                key.walk(visit);
                value.walk(visit);
            }),
            Node::Macro(repeat) => {
                repeat.over.walk(visit);
                if let Some(only) = &repeat.only {
                    only.walk(visit);
                }
                repeat.each.walk(visit);
            }
        }
    }

    /// What it is, if it is known.
    pub fn constant(&self) -> Option<&Value<'static>> {
        match self {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }
}
