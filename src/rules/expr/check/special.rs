//! What is made when an expression is checked, not when it runs: patterns, networks, keys, times of day; and the macros.

use cel::common::ast::{Expr as Ast, IdedExpr};

use super::super::functions::networks::Networks;
use super::super::functions::{Function, jwt};
use super::super::node::{Macro, Node, Repeat};
use super::super::time::{self, Offset, Part};
use super::super::types::Kind;
use super::super::value::Value;
use super::{Checker, Typed};
use crate::config::diagnostics::nearest;
use crate::pattern::Pattern;

/// How deep macros may nest: each goes through all of its list for each element of the one around it.
const DEEPEST: usize = 4;

/// How a macro is written.
pub(super) fn written(name: &str) -> &'static str {
    match name {
        "has" => "has(request.headers.referer)",
        "all" => "list.all(x, condition)",
        "exists" => "list.exists(x, condition)",
        "map" => "list.map(x, value) or list.map(x, condition, value)",
        "filter" => "list.filter(x, condition)",
        _ => "list.exists_one(x, condition)",
    }
}

impl<'p> Checker<'_, 'p> {
    /// A text that is known, for what is made of it now.
    fn literal<'n>(&mut self, asts: &[&IdedExpr], nodes: &'n [Node], at: usize, what: &str) -> Option<&'n str> {
        let node = nodes.get(at)?;
        match node.constant().and_then(Value::as_text) {
            Some(text) => std::str::from_utf8(text).ok(),
            None => {
                let message = format!(
                    "{what} stands here as it is, in quotes or as with.NAME: it is read when the rule is loaded, not for each request"
                );
                self.tell_argument(asts, at, message);
                None
            }
        }
    }

    fn tell_argument(&mut self, asts: &[&IdedExpr], at: usize, message: impl Into<String>) {
        if let Some(ast) = asts.get(at) {
            self.tell(ast, message);
        }
    }

    fn pattern(&mut self, asts: &[&IdedExpr], nodes: &[Node]) -> Option<Pattern> {
        let text = self.literal(asts, nodes, 1, "a regular expression")?;
        match Pattern::compile(text, false) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let place = error.offset.map_or_else(String::new, |at| format!(", at its byte {}", at + 1));
                let span = self.place_in_literal(asts.get(1)?, text, error.offset);
                self.tell_at(span, format!("this regular expression does not compile: {}{place}", error.message));
                None
            }
        }
    }

    /// Where a byte of a text stands in the expression: exactly, if the text is written without escapes.
    fn place_in_literal(&self, ast: &IdedExpr, text: &str, offset: Option<usize>) -> (usize, usize) {
        let (start, end) = self.parsed.span(ast);
        let written = self.parsed.written(ast);
        match (written.find(text), offset) {
            (Some(inside), Some(offset)) if offset <= text.len() => {
                let at = start + inside + offset;
                (at, (at + 1).min(end))
            }
            _ => (start, end),
        }
    }

    pub(super) fn matches(&mut self, asts: &[&IdedExpr], nodes: &[Node]) -> Option<Function> {
        self.pattern(asts, nodes).map(Function::Matches)
    }

    pub(super) fn extract(&mut self, asts: &[&IdedExpr], nodes: &[Node]) -> Option<Function> {
        let pattern = self.pattern(asts, nodes)?;
        let groups = pattern.groups();
        let group = match nodes.get(2).map(Node::constant) {
            None => usize::from(groups > 0),
            Some(Some(Value::Int(group))) => match usize::try_from(*group).ok().filter(|group| *group <= groups) {
                Some(group) => group,
                None => {
                    let message = format!(
                        "this regular expression has {groups} group{}, and none numbered {group}",
                        if groups == 1 { "" } else { "s" }
                    );
                    self.tell_argument(asts, 2, message);
                    return None;
                }
            },
            Some(Some(Value::Text(name))) => {
                let name = String::from_utf8_lossy(name).into_owned();
                match pattern.names().find(|(known, _)| *known == name) {
                    Some((_, group)) => group,
                    None => {
                        let meant = nearest(&name, pattern.names().map(|(known, _)| known));
                        let hint = meant.map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"));
                        let message = format!("this regular expression has no group named '{name}'{hint}");
                        self.tell_argument(asts, 2, message);
                        return None;
                    }
                }
            }
            Some(_) => {
                self.tell_argument(asts, 2, "the number or name of a group stands here as it is");
                return None;
            }
        };
        Some(Function::Extract(pattern, group))
    }

    pub(super) fn cidr(&mut self, asts: &[&IdedExpr], nodes: &[Node]) -> Option<Function> {
        let read = match nodes.get(1)?.constant() {
            Some(Value::Text(text)) => Networks::read([&text[..]].into_iter()),
            Some(Value::List(list)) => Networks::read(list.as_slice().iter().filter_map(Value::as_text)),
            _ => Err("networks stand here as they are, in quotes or as with.NAME: they are read when the rule is loaded, not for each request".into()),
        };
        match read {
            Ok(networks) => Some(Function::Cidr(networks)),
            Err(message) => {
                self.tell_argument(asts, 1, message);
                None
            }
        }
    }

    pub(super) fn jwt(&mut self, asts: &[&IdedExpr], nodes: &[Node]) -> Option<Function> {
        let read = match nodes.get(1)?.constant() {
            Some(keys) => jwt::Keys::read(keys),
            None => Err("keys stand here as they are, or as with.NAME: they are read when the rule is loaded, not for each request".into()),
        };
        match read {
            Ok(keys) => Some(Function::Jwt(keys)),
            Err(message) => {
                self.tell_argument(asts, 1, message);
                None
            }
        }
    }

    pub(super) fn time_between(&mut self, asts: &[&IdedExpr], nodes: &[Node]) -> Option<Function> {
        let mut time = |at: usize| {
            let text = self.literal(asts, nodes, at, "a time of day")?;
            let second = time::parse_time_of_day(text);
            if second.is_none() {
                self.tell_argument(
                    asts,
                    at,
                    format!("'{text}' is no time of day; one is written '22:00' or '06:30:00'"),
                );
            }
            second
        };
        let (from, to) = (time(0), time(1));
        let offset = self.offset(asts, nodes, 2)?;
        if from? == to? {
            self.tell_argument(asts, 1, "there is no time between these two; the whole day is '00:00' to '24:00'");
        }
        Some(Function::TimeBetween(from?, to?, offset))
    }

    /// An offset from UTC, if one is written.
    fn offset(&mut self, asts: &[&IdedExpr], nodes: &[Node], at: usize) -> Option<Offset> {
        if nodes.len() <= at {
            return Some(0);
        }
        let text = self.literal(asts, nodes, at, "an offset from UTC")?;
        let offset = time::parse_offset(text);
        if offset.is_none() {
            let message = format!(
                "'{text}' is no offset from UTC; one is written '+01:00', '-05:30' or 'UTC' (names of time zones are not known)"
            );
            self.tell_argument(asts, at, message);
        }
        offset
    }

    pub(super) fn part(&mut self, asts: &[&IdedExpr], nodes: &[Node], part: Part) -> Option<Function> {
        self.offset(asts, nodes, 1).map(|offset| Function::Part(part, offset))
    }

    /// `list.all(x, …)` and its like.
    pub(super) fn repeat(&mut self, ast: &IdedExpr, name: &str, over: &IdedExpr, arguments: &[IdedExpr]) -> Typed {
        let (variable, only, each) = match (name, arguments) {
            ("map", [variable, only, each]) => (variable, Some(only), each),
            (_, [variable, each]) => (variable, None, each),
            _ => {
                self.tell_word(ast, format!("`{name}` is written {}", written(name)));
                return Typed::wrong();
            }
        };
        let over_typed = self.node(over);
        let item = match &over_typed.kind {
            Kind::List(items) => (**items).clone(),
            Kind::Map(keys, _) => (**keys).clone(),
            Kind::Dyn => Kind::Dyn,
            other => {
                let hint = if *other == Kind::Text { "; a text becomes a list by text.split(',')" } else { "" };
                self.tell(
                    over,
                    format!("`{name}` goes through a list or the keys of a map, and this is {other}{hint}"),
                );
                Kind::Dyn
            }
        };
        let Ast::Ident(variable_name) = &variable.expr else {
            self.tell(variable, format!("a name for each element is expected here: {}", written(name)));
            return Typed::wrong();
        };
        if self.locals.len() >= DEEPEST {
            self.tell_word(ast, format!("`{name}` and its like nest at most {DEEPEST} deep"));
            return Typed::wrong();
        }
        let slot = self.locals.len();
        self.locals.push((variable_name.clone(), item.clone()));
        let only = only.map(|only| self.condition(only, name));
        let what = match name {
            "all" => Repeat::All,
            "exists" => Repeat::Exists,
            "map" => Repeat::Map,
            "filter" => Repeat::Filter,
            _ => Repeat::ExistsOne,
        };
        let each =
            if what == Repeat::Map { self.node(each) } else { Typed::new(self.condition(each, name), Kind::Bool) };
        self.locals.pop();
        let kind = match what {
            Repeat::Map => Kind::list(each.kind),
            Repeat::Filter => Kind::list(item),
            _ => Kind::Bool,
        };
        Typed::new(Node::Macro(Box::new(Macro { what, over: over_typed.node, slot, only, each: each.node })), kind)
    }
}
