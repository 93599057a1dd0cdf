//! Calls of functions: found in the table, their arguments checked, and what is known already called at once.

use std::time::UNIX_EPOCH;

use cel::common::ast::{CallExpr, Expr as Ast, IdedExpr};

use super::super::eval::Budget;
use super::super::functions::Function;
use super::super::functions::table::{self, Form, Make, Shape, Signature};
use super::super::names;
use super::super::node::Node;
use super::super::types::Kind;
use super::super::value::Value;
use super::{Checker, Typed};
use crate::config::diagnostics::nearest;

/// What functions are called elsewhere.
const ELSEWHERE: &[(&str, &str)] = &[
    ("len", "size"),
    ("length", "size"),
    ("count", "size"),
    ("lower", "lowerAscii"),
    ("toLower", "lowerAscii"),
    ("toLowerCase", "lowerAscii"),
    ("tolower", "lowerAscii"),
    ("upper", "upperAscii"),
    ("toUpper", "upperAscii"),
    ("toUpperCase", "upperAscii"),
    ("toupper", "upperAscii"),
    ("strip", "trim"),
    ("substr", "substring"),
    ("has_prefix", "startsWith"),
    ("starts_with", "startsWith"),
    ("begins_with", "startsWith"),
    ("beginsWith", "startsWith"),
    ("hasPrefix", "startsWith"),
    ("ends_with", "endsWith"),
    ("has_suffix", "endsWith"),
    ("hasSuffix", "endsWith"),
    ("includes", "contains"),
    ("regex", "matches"),
    ("match", "matches"),
    ("test", "matches"),
    ("find", "indexOf"),
    ("any", "exists"),
    ("some", "exists"),
    ("every", "all"),
    ("sha256", "hash"),
    ("ip_in", "cidr"),
    ("inIpRange", "cidr"),
    ("str", "string"),
    ("float", "double"),
    ("number", "int"),
    ("now", "now"),
    ("exists_in", "in"),
    ("defined", "has"),
];

impl<'p> Checker<'_, 'p> {
    pub(super) fn call(&mut self, ast: &IdedExpr, call: &CallExpr) -> Typed {
        let name = call.func_name.strip_prefix('.').unwrap_or(&call.func_name);
        match &call.target {
            None => {
                if let Some(typed) = self.operator(ast, name, &call.args) {
                    return typed;
                }
                match (name, &call.args[..]) {
                    ("has", [argument]) => self.has(argument),
                    _ => self.function(ast, name, None, &call.args),
                }
            }
            Some(target) => self.method(ast, name, target, &call.args),
        }
    }

    fn method(&mut self, ast: &IdedExpr, name: &str, target: &IdedExpr, arguments: &[IdedExpr]) -> Typed {
        if table::MACROS.contains(&name) && name != "has" {
            return self.repeat(ast, name, target, arguments);
        }
        if let Ast::Ident(group) = &target.expr
            && self.local(group).is_none()
        {
            let full = format!("{group}.{name}");
            if let Some((_, map)) = table::FIELDS.iter().find(|(known, _)| *known == full) {
                return self.field(ast, &full, map, arguments);
            }
            if table::find(&full).is_some() {
                return self.function(ast, &full, None, arguments);
            }
            if table::TABLE.iter().any(|known| known.name.split_once('.').is_some_and(|(of, _)| of == group)) {
                let known: Vec<_> =
                    table::TABLE.iter().map(|known| known.name).filter(|n| n.starts_with(group)).collect();
                self.tell_word(ast, format!("{full} is no function; there are {}", known.join(" and ")));
                return Typed::wrong();
            }
            if names::GROUPS.contains(&group.as_str()) && table::find(name).is_none() {
                return self.no_method_of_group(ast, group, name);
            }
        }
        self.function(ast, name, Some(target), arguments)
    }

    fn no_method_of_group(&mut self, ast: &IdedExpr, group: &str, name: &str) -> Typed {
        let full = format!("{group}.{name}");
        let fields = table::FIELDS.iter().map(|(known, _)| *known);
        let hint = if names::find(&full).is_some() {
            format!("; write {full} without brackets")
        } else {
            nearest(&full, fields).map_or_else(String::new, |meant| format!("; did you mean {meant}('name')?"))
        };
        self.tell_word(ast, format!("{full}() is no function{hint}"));
        Typed::wrong()
    }

    /// `request.header('x-name')`
    fn field(&mut self, ast: &IdedExpr, full: &str, map: &str, arguments: &[IdedExpr]) -> Typed {
        let [key] = arguments else {
            self.tell_word(ast, format!("{full} takes one name: {full}('name')"));
            return Typed::wrong();
        };
        let key_typed = self.node(key);
        if !matches!(key_typed.kind, Kind::Text | Kind::Dyn) {
            self.tell(key, format!("{full} takes a name (string), and this is {}", key_typed.kind));
        }
        let Some(entry) = names::find(map) else { return Typed::wrong() };
        let of = self.entry(ast, entry);
        Typed::new(Node::Call(Function::Field, [of.node, key_typed.node].into()), Kind::Text)
    }

    fn function(&mut self, ast: &IdedExpr, name: &str, target: Option<&IdedExpr>, arguments: &[IdedExpr]) -> Typed {
        let Some(signature) = table::find(name) else {
            return self.unknown(ast, name, target, arguments);
        };
        let form_fits = match signature.form {
            Form::Plain => target.is_none(),
            Form::Method => target.is_some(),
            Form::Both => true,
        };
        if !form_fits {
            self.tell_word(ast, format!("`{name}` is written {}", signature.written));
            return Typed::wrong();
        }
        let asts: Vec<&IdedExpr> = target.into_iter().chain(arguments).collect();
        let typed: Vec<Typed> = asts.iter().map(|ast| self.node(ast)).collect();
        if typed.len() < signature.least || typed.len() > signature.takes.len() {
            let given = arguments.len();
            self.tell_word(
                ast,
                format!(
                    "`{name}` is written {}, and here it has {given} argument{}",
                    signature.written,
                    if given == 1 { "" } else { "s" }
                ),
            );
            return Typed::wrong();
        }
        let before = self.mistakes.len();
        for ((ast, typed), takes) in asts.iter().zip(&typed).zip(signature.takes) {
            self.fits(ast, name, typed, takes);
        }
        if self.mistakes.len() > before {
            return Typed::new(Node::Constant(Value::Null), signature.kind());
        }
        self.make(ast, signature, &asts, typed)
    }

    fn fits(&mut self, ast: &IdedExpr, name: &str, typed: &Typed, takes: &[Shape]) {
        if takes.iter().any(|shape| shape.takes(&typed.kind)) {
            return;
        }
        let words: Vec<_> = takes.iter().map(|shape| shape.as_str()).collect();
        let hint = match (&typed.kind, takes) {
            (Kind::Int | Kind::Uint | Kind::Double | Kind::Bool, [Shape::Text, ..]) => {
                format!("; write string({})", self.parsed.written(ast))
            }
            (Kind::Map(..), [Shape::Text, ..]) => {
                format!("; one of its values is {}['name']", self.parsed.written(ast))
            }
            _ => String::new(),
        };
        self.tell(ast, format!("`{name}` takes {}, and this is {}{hint}", words.join(" or "), typed.kind));
    }

    fn make(&mut self, ast: &IdedExpr, signature: &Signature, asts: &[&IdedExpr], typed: Vec<Typed>) -> Typed {
        let mut nodes: Vec<Node> = typed.into_iter().map(|typed| typed.node).collect();
        let made = match &signature.make {
            Make::Plain(function) => Some(function.clone()),
            Make::Part(part) => self.part(asts, &nodes, *part),
            Make::Matches => self.matches(asts, &nodes),
            Make::Extract => self.extract(asts, &nodes),
            Make::Cidr => self.cidr(asts, &nodes),
            Make::TimeBetween => self.time_between(asts, &nodes),
            Make::Jwt => self.jwt(asts, &nodes),
        };
        let Some(function) = made else { return Typed::new(Node::Constant(Value::Null), signature.kind()) };
        // What was made of the other arguments is in the function.
        nodes.truncate(match &signature.make {
            Make::Plain(_) => nodes.len(),
            Make::TimeBetween => 0,
            _ => 1,
        });
        let kind = if matches!(function, Function::Dyn) { Kind::Dyn } else { signature.kind() };
        match self.known(ast, &function, &nodes) {
            Some(value) => Typed::new(Node::Constant(value), kind),
            None => Typed::new(Node::Call(function, nodes.into()), kind),
        }
    }

    /// Calls a function whose arguments are known; a fault is a mistake then.
    fn known(&mut self, ast: &IdedExpr, function: &Function, nodes: &[Node]) -> Option<Value<'static>> {
        if !function.is_pure() {
            return None;
        }
        let mut values: Vec<Value<'static>> =
            nodes.iter().map(|node| node.constant().cloned()).collect::<Option<_>>()?;
        match function.call(&mut values, UNIX_EPOCH, &mut Budget::new()) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.tell(ast, fault.to_string());
                Some(Value::Null)
            }
        }
    }

    fn unknown(&mut self, ast: &IdedExpr, name: &str, target: Option<&IdedExpr>, arguments: &[IdedExpr]) -> Typed {
        // What is wrong inside is told as well.
        for inner in target.into_iter().chain(arguments) {
            self.node(inner);
        }
        let known = table::TABLE.iter().map(|signature| signature.name).chain(table::MACROS.iter().copied());
        let elsewhere = |name: &str| ELSEWHERE.iter().find(|(other, _)| *other == name).map(|(_, meant)| *meant);
        let others = || nearest(name, ELSEWHERE.iter().map(|(other, _)| *other)).and_then(elsewhere);
        let hint = match elsewhere(name).or_else(|| nearest(name, known)).or_else(others) {
            Some("now") => "; `now` is written without brackets".to_owned(),
            Some("in") => "; write x in list".to_owned(),
            Some(meant) => match table::find(meant) {
                Some(signature) => format!("; did you mean {}?", signature.written),
                None => format!("; did you mean {}?", super::special::written(meant)),
            },
            None => String::new(),
        };
        self.tell_word(ast, format!("`{name}` is no function{hint}"));
        Typed::wrong()
    }
}
