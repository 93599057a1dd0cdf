//! The operators and the types they join.

use cel::common::ast::{IdedExpr, operators as op};

use super::super::node::{Arithmetic, Comparison, Node};
use super::super::types::Kind;
use super::super::value::Value;
use super::{Checker, Typed, as_condition, comparable, table_of};

impl<'p> Checker<'_, 'p> {
    /// An operator, if the function is one.
    pub(super) fn operator(&mut self, ast: &IdedExpr, function: &str, arguments: &[IdedExpr]) -> Option<Typed> {
        let typed = match (function, arguments) {
            (op::LOGICAL_AND, _) => self.join(arguments, "&&"),
            (op::LOGICAL_OR, _) => self.join(arguments, "||"),
            (op::LOGICAL_NOT, [inner]) => {
                let condition = self.condition(inner, "!");
                Typed::new(Node::Not(Box::new(condition)), Kind::Bool)
            }
            (op::NEGATE, [inner]) => self.negate(ast, inner),
            (op::CONDITIONAL, [condition, yes, no]) => self.choice(ast, condition, yes, no),
            (op::EQUALS, [a, b]) => self.compare(ast, Comparison::Equal, a, b),
            (op::NOT_EQUALS, [a, b]) => self.compare(ast, Comparison::NotEqual, a, b),
            (op::LESS, [a, b]) => self.compare(ast, Comparison::Less, a, b),
            (op::LESS_EQUALS, [a, b]) => self.compare(ast, Comparison::LessOrEqual, a, b),
            (op::GREATER, [a, b]) => self.compare(ast, Comparison::Greater, a, b),
            (op::GREATER_EQUALS, [a, b]) => self.compare(ast, Comparison::GreaterOrEqual, a, b),
            (op::ADD, [a, b]) => self.arithmetic(ast, Arithmetic::Add, a, b),
            (op::SUBSTRACT, [a, b]) => self.arithmetic(ast, Arithmetic::Subtract, a, b),
            (op::MULTIPLY, [a, b]) => self.arithmetic(ast, Arithmetic::Multiply, a, b),
            (op::DIVIDE, [a, b]) => self.arithmetic(ast, Arithmetic::Divide, a, b),
            (op::MODULO, [a, b]) => self.arithmetic(ast, Arithmetic::Remainder, a, b),
            (op::IN, [item, of]) => self.is_in(ast, item, of),
            (op::INDEX, [of, key]) => self.index(ast, of, key),
            _ => return None,
        };
        Some(typed)
    }

    /// Something that has to be true or false.
    pub(super) fn condition(&mut self, ast: &IdedExpr, sign: &str) -> Node {
        let typed = self.node(ast);
        if !matches!(typed.kind, Kind::Bool | Kind::Dyn) {
            let hint = as_condition(&typed.kind, self.parsed.written(ast));
            self.tell(ast, format!("`{sign}` takes conditions (bool), and this is {}{hint}", typed.kind));
        }
        typed.node
    }

    /// All that are joined by one sign become one node.
    fn join(&mut self, arguments: &[IdedExpr], sign: &str) -> Typed {
        let mut nodes = Vec::new();
        for argument in arguments {
            match self.condition(argument, sign) {
                Node::All(inner) if sign == "&&" => nodes.extend(inner),
                Node::Any(inner) if sign == "||" => nodes.extend(inner),
                node => nodes.push(node),
            }
        }
        Typed::new(if sign == "&&" { Node::All(nodes.into()) } else { Node::Any(nodes.into()) }, Kind::Bool)
    }

    fn negate(&mut self, ast: &IdedExpr, inner: &IdedExpr) -> Typed {
        let typed = self.node(inner);
        if !matches!(typed.kind, Kind::Int | Kind::Double | Kind::Duration | Kind::Dyn) {
            self.tell(ast, format!("`-` takes int, double or duration, and this is {}", typed.kind));
        }
        Typed::new(Node::Negate(Box::new(typed.node)), typed.kind)
    }

    fn choice(&mut self, ast: &IdedExpr, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Typed {
        let condition = self.condition(condition, "?");
        let (yes, no) = (self.node(yes), self.node(no));
        let kind = match (&yes.kind, &no.kind) {
            (a, b) if a == b => a.clone(),
            (a, b) if comparable(a, b) => Kind::Dyn,
            (a, b) => {
                self.tell(ast, format!("both sides of `:` have one type, and these are {a} and {b}"));
                Kind::Dyn
            }
        };
        Typed::new(Node::Choice(Box::new([condition, yes.node, no.node])), kind)
    }

    fn compare(&mut self, ast: &IdedExpr, how: Comparison, a: &IdedExpr, b: &IdedExpr) -> Typed {
        let (left, right) = (self.node(a), self.node(b));
        let ordered = |kind: &Kind| !matches!(kind, Kind::List(_) | Kind::Map(..) | Kind::Null | Kind::Type);
        let equality = matches!(how, Comparison::Equal | Comparison::NotEqual);
        if !comparable(&left.kind, &right.kind) {
            let hint = self.hint_to_compare(&left, a, &right, b);
            self.tell(ast, format!("{} cannot be compared to {}{hint}", left.kind, right.kind));
        } else if !equality && !(ordered(&left.kind) && ordered(&right.kind)) {
            let kind = if ordered(&left.kind) { &right.kind } else { &left.kind };
            self.tell(ast, format!("{kind} has no order; only `==` and `!=` compare it"));
        }
        Typed::new(Node::Compare(how, Box::new([left.node, right.node])), Kind::Bool)
    }

    fn hint_to_compare(&self, left: &Typed, a: &IdedExpr, right: &Typed, b: &IdedExpr) -> String {
        let text =
            |of: &Typed| of.node.constant().and_then(Value::as_text).map(|t| String::from_utf8_lossy(t).into_owned());
        let written = |ast| {
            let written = self.parsed.written(ast);
            if written.len() <= 40 { written } else { "x" }
        };
        match (&left.kind, &right.kind) {
            (Kind::Int | Kind::Uint | Kind::Double, Kind::Text)
                if text(right).is_some_and(|t| t.parse::<f64>().is_ok()) =>
            {
                format!("; write {} without quotes", text(right).unwrap_or_default())
            }
            (Kind::Text, number) if number.is_number() => match right.node.constant() {
                Some(_) => format!("; write int({}) or '{}'", written(a), written(b)),
                None => format!("; write int({})", written(a)),
            },
            (number, Kind::Text) if number.is_number() => format!("; write int({})", written(b)),
            (Kind::Duration, Kind::Text) => format!("; write duration({})", written(b)),
            (Kind::Duration, number) if number.is_number() => format!("; write duration('{}s')", written(b)),
            (Kind::Timestamp, Kind::Text) => format!("; write timestamp({})", written(b)),
            (Kind::Text, Kind::List(_)) => format!("; write {} in {}", written(a), written(b)),
            _ => String::new(),
        }
    }

    fn arithmetic(&mut self, ast: &IdedExpr, how: Arithmetic, a: &IdedExpr, b: &IdedExpr) -> Typed {
        let (left, right) = (self.node(a), self.node(b));
        let kind = yields(how, &left.kind, &right.kind).unwrap_or_else(|| {
            let sign = how.sign();
            let hint = match (how, &left.kind, &right.kind) {
                (Arithmetic::Add, Kind::Text, _) => format!("; write string({})", self.parsed.written(b)),
                (Arithmetic::Add, _, Kind::Text) => format!("; write string({})", self.parsed.written(a)),
                (Arithmetic::Remainder, Kind::Double, _) => "; `%` takes int or uint".to_owned(),
                (_, Kind::Double, other) if other.is_number() => format!("; write double({})", self.parsed.written(b)),
                (_, other, Kind::Double) if other.is_number() => format!("; write double({})", self.parsed.written(a)),
                _ => String::new(),
            };
            self.tell(ast, format!("{} {sign} {} has no meaning{hint}", left.kind, right.kind));
            Kind::Dyn
        });
        Typed::new(Node::Arithmetic(how, Box::new([left.node, right.node])), kind)
    }

    fn is_in(&mut self, ast: &IdedExpr, item: &IdedExpr, of: &IdedExpr) -> Typed {
        let (item, of_typed) = (self.node(item), self.node(of));
        let fits = match &of_typed.kind {
            Kind::List(items) => comparable(&item.kind, items),
            Kind::Map(keys, _) => comparable(&item.kind, keys),
            Kind::Dyn => true,
            Kind::Text => {
                let written = self.parsed.written(of);
                self.tell(
                    ast,
                    format!("`in` looks into a list or map, and this is string; write {written}.contains(…)"),
                );
                true
            }
            other => {
                self.tell(of, format!("`in` looks into a list or map, and this is {other}"));
                true
            }
        };
        if !fits {
            self.tell(ast, format!("{} cannot be in {}", item.kind, of_typed.kind));
        }
        let node = match table_of(&of_typed.node) {
            Some(table) => Node::InTexts(Box::new(item.node), table),
            None => Node::In(Box::new([item.node, of_typed.node])),
        };
        Typed::new(node, Kind::Bool)
    }

    fn index(&mut self, ast: &IdedExpr, of: &IdedExpr, key: &IdedExpr) -> Typed {
        if let Some(group) = self.group_of(of) {
            let quoted = self.parsed.written(key).trim_matches(['\'', '"']);
            let name = if quoted.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') { quoted } else { "NAME" };
            let message = format!("`{group}` is a group of names: write {group}.{name}");
            self.tell(ast, message);
            return Typed::wrong();
        }
        let (of_typed, key_typed) = (self.node(of), self.node(key));
        let kind = match &of_typed.kind {
            Kind::List(items) => {
                if !matches!(key_typed.kind, Kind::Int | Kind::Uint | Kind::Dyn) {
                    self.tell(key, format!("a list is indexed by int, and this is {}", key_typed.kind));
                }
                (**items).clone()
            }
            Kind::Map(keys, values) => {
                if !comparable(keys, &key_typed.kind) {
                    self.tell(key, format!("the keys of this map are {keys}, and this is {}", key_typed.kind));
                }
                (**values).clone()
            }
            Kind::Dyn => Kind::Dyn,
            other => {
                let hint = if *other == Kind::Text { "; a part of a text is text.substring(from, to)" } else { "" };
                self.tell(ast, format!("`[…]` asks for something in a list or map, and this is {other}{hint}"));
                Kind::Dyn
            }
        };
        Typed::new(Node::Index(Box::new([of_typed.node, key_typed.node])), kind)
    }
}

/// The type of what arithmetic yields; `None` if it has no meaning.
fn yields(how: Arithmetic, left: &Kind, right: &Kind) -> Option<Kind> {
    use Kind::{Bytes, Double, Duration, Dyn, Int, List, Text, Timestamp, Uint};
    let kind = match (how, left, right) {
        (_, Dyn, _) | (_, _, Dyn) => Dyn,
        (_, Int, Int) => Int,
        (_, Uint, Uint) => Uint,
        (Arithmetic::Remainder, ..) => return None,
        (_, Double, Double) => Double,
        (Arithmetic::Add, Text, Text) => Text,
        (Arithmetic::Add, Bytes, Bytes) => Bytes,
        (Arithmetic::Add | Arithmetic::Subtract, Duration, Duration) => Duration,
        (Arithmetic::Add | Arithmetic::Subtract, Timestamp, Duration) => Timestamp,
        (Arithmetic::Add, Duration, Timestamp) => Timestamp,
        (Arithmetic::Subtract, Timestamp, Timestamp) => Duration,
        (Arithmetic::Add, List(a), List(b)) => Kind::list(if a == b { (**a).clone() } else { Dyn }),
        _ => return None,
    };
    Some(kind)
}
