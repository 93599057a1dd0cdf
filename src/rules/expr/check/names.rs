//! What names mean: the table's, parameters, what rules set, and the variables of macros.

use cel::common::ast::{Expr as Ast, IdedExpr, SelectExpr};

use super::super::functions::table;
use super::super::maps::Map;
use super::super::names::{self, Entry};
use super::super::node::Node;
use super::super::scope::Constant;
use super::super::time;
use super::super::types::Kind;
use super::super::value::Value;
use super::{Checker, Typed};
use crate::config::diagnostics::nearest;

/// The types, as values of `type(x) == string`.
const TYPES: &[&str] =
    &["null_type", "bool", "int", "uint", "double", "string", "bytes", "duration", "timestamp", "list", "map", "type"];

/// Names that other proxies and languages have for what is here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("req", "request"),
    ("http", "request"),
    ("res", "response"),
    ("resp", "response"),
    ("params", "with"),
    ("var", "vars"),
    ("request.url", "request.uri"),
    ("request.verb", "request.method"),
    ("request.hostname", "request.host"),
    ("request.authority", "request.host"),
    ("request.address", "client.ip"),
    ("request.ip", "client.ip"),
    ("request.protocol", "request.version"),
    ("request.body_size", "request.size"),
    ("request.length", "request.size"),
    ("request.params", "request.args"),
    ("client.address", "client.ip"),
    ("client.addr", "client.ip"),
    ("source.address", "client.ip"),
    ("response.code", "response.status"),
    ("upstream.address", "upstream.server"),
];

impl<'p> Checker<'_, 'p> {
    /// A name without a dot.
    pub(super) fn name(&mut self, ast: &IdedExpr, name: &str) -> Typed {
        // `.a` is `a`, whatever a macro calls its own.
        let (name, own) = name.strip_prefix('.').map_or((name, true), |name| (name, false));
        if let Some(slot) = self.local(name).filter(|_| own) {
            return Typed::new(Node::Local(slot), self.locals[slot].1.clone());
        }
        if let Some(entry) = names::find(name) {
            return self.entry(ast, entry);
        }
        if let Some(known) = TYPES.iter().find(|known| **known == name) {
            return Typed::new(Node::Constant(Value::Type(known)), Kind::Type);
        }
        let message = match name {
            "vars" => "`vars` is what rules set: write vars.NAME".to_owned(),
            "with" => "`with` is the parameters of the file: write with.NAME".to_owned(),
            _ if names::GROUPS.contains(&name) => {
                let inside: Vec<_> = members(name).collect();
                format!("`{name}` is a group of names: {}", inside.join(", "))
            }
            _ => format!("`{name}` is not known{}", self.hint_for(name)),
        };
        self.tell(ast, message);
        Typed::wrong()
    }

    fn hint_for(&self, name: &str) -> String {
        if let Some((_, meant)) = ELSEWHERE.iter().find(|(other, _)| *other == name) {
            return format!("; did you mean {meant}?");
        }
        // `method` for `request.method`
        if let Some(entry) = names::TABLE.iter().find(|entry| entry.name.split('.').nth(1) == Some(name)) {
            return format!("; did you mean {}?", entry.name);
        }
        if self.scope.vars.contains(name) {
            return format!("; did you mean vars.{name}?");
        }
        if self.scope.with.contains_key(name) {
            return format!("; did you mean with.{name}?");
        }
        let locals = self.locals.iter().map(|(name, _)| name.as_str());
        let known = names::GROUPS.iter().copied().chain(["now", "true", "false", "null"]).chain(locals);
        let member = |entry: &&Entry| entry.name.split('.').nth(1).is_some_and(|of| nearest(name, [of]).is_some());
        let inside = || names::TABLE.iter().find(member).map(|entry| entry.name);
        nearest(name, known).or_else(inside).map_or_else(
            || "; a text stands in quotes, and a name begins with request, client, session, upstream, response, cache, edge, vars or with".to_owned(),
            |meant| format!("; did you mean {meant}?"),
        )
    }

    pub(super) fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|(known, _)| known == name)
    }

    /// A name of the table, if it is known in this phase.
    pub(super) fn entry(&mut self, ast: &IdedExpr, entry: &Entry) -> Typed {
        let phase = self.scope.phase;
        if phase < entry.since {
            let why = names::why_not_before(entry.since);
            self.tell(ast, format!("{} is not known {why}: this rule runs in phase {phase}", entry.name));
        }
        Typed::new(Node::Name(entry.name_of()), entry.kind())
    }

    pub(super) fn select(&mut self, ast: &IdedExpr, select: &SelectExpr) -> Typed {
        if let Some(group) = self.group_of(&select.operand) {
            return self.member(ast, group, &select.field);
        }
        let of = self.node(&select.operand);
        self.inside(ast, of, &select.field)
    }

    /// The group that an expression names.
    pub(super) fn group_of(&self, ast: &IdedExpr) -> Option<&'static str> {
        let Ast::Ident(name) = &ast.expr else { return None };
        let (name, own) = name.strip_prefix('.').map_or((name.as_str(), true), |name| (name, false));
        if own && self.local(name).is_some() {
            return None;
        }
        names::GROUPS.iter().copied().find(|group| *group == name)
    }

    /// `group.member`
    fn member(&mut self, ast: &IdedExpr, group: &'static str, member: &str) -> Typed {
        let full = format!("{group}.{member}");
        match group {
            "with" => return self.parameter(ast, member),
            "vars" => return self.variable(ast, member),
            _ => {}
        }
        if let Some(entry) = names::find(&full) {
            return self.entry(ast, entry);
        }
        let meant = ELSEWHERE.iter().find(|(other, _)| *other == full).map(|(_, meant)| *meant);
        // `request.status` for `response.status`
        let elsewhere = || names::TABLE.iter().find(|entry| entry.name.split('.').nth(1) == Some(member));
        let meant = meant.or_else(|| elsewhere().map(|entry| entry.name));
        let function = table::FIELDS.iter().find(|(name, _)| *name == full);
        let hint = match (meant.or_else(|| nearest(&full, members(group))), function) {
            (_, Some((name, _))) => format!("; it is a function: {name}('name')"),
            (Some(meant), _) => format!("; did you mean {meant}?"),
            (None, _) => format!("; known are: {}", members(group).collect::<Vec<_>>().join(", ")),
        };
        self.tell(ast, format!("{full} is not known{hint}"));
        Typed::wrong()
    }

    fn parameter(&mut self, ast: &IdedExpr, name: &str) -> Typed {
        if let Some(constant) = self.scope.with.get(name) {
            return Typed::constant(value_of(constant));
        }
        let known = self.scope.with.keys().map(String::as_str);
        let hint = nearest(name, known).map_or_else(
            || match self.scope.with.len() {
                0 => "; the file has no `parameters`".to_owned(),
                _ => {
                    let known: Vec<_> = self.scope.with.keys().map(|name| format!("with.{name}")).collect();
                    format!("; known are: {}", known.join(", "))
                }
            },
            |meant| format!("; did you mean with.{meant}?"),
        );
        self.tell(ast, format!("with.{name} is no parameter of the file{hint}"));
        Typed::wrong()
    }

    fn variable(&mut self, ast: &IdedExpr, name: &str) -> Typed {
        if self.scope.vars.contains(name) {
            return Typed::new(Node::Variable(name.into()), Kind::Text);
        }
        let meant = nearest(name, self.scope.vars.iter().map(String::as_str));
        let hint = meant.map_or_else(
            || "; a rule sets one with `set: {NAME: expression}`".to_owned(),
            |meant| format!("; did you mean vars.{meant}?"),
        );
        self.tell(ast, format!("vars.{name} is set by no rule{hint}"));
        Typed::wrong()
    }

    /// `x.field` of a map.
    fn inside(&mut self, ast: &IdedExpr, of: Typed, field: &str) -> Typed {
        let kind = match &of.kind {
            Kind::Map(keys, values) if matches!(**keys, Kind::Text | Kind::Dyn) => (**values).clone(),
            Kind::Dyn => Kind::Dyn,
            other => {
                let call = table::find(field)
                    .map_or(String::new(), |known| format!("; `{field}` is a function: {}", known.written));
                let message = format!("`.{field}` asks for something in a map, and this is {other}{call}");
                self.tell(ast, message);
                return Typed::wrong();
            }
        };
        let key = Value::made_text(field);
        if let Some(Value::Map(map)) = of.node.constant() {
            return self.constant_inside(ast, &map.clone(), &key, kind);
        }
        Typed::new(Node::Select(Box::new(of.node), key), kind)
    }

    /// A key of a map that is known; one that is not there is a mistake already.
    fn constant_inside(&mut self, ast: &IdedExpr, map: &Map<'static>, key: &Value<'static>, kind: Kind) -> Typed {
        if let Some(value) = map.get(key) {
            return Typed::new(Node::Constant(value), kind);
        }
        let known: Vec<String> = map.keys().iter().filter_map(Value::as_text).map(lossy).collect();
        let written = lossy(key.as_text().unwrap_or_default());
        let hint = nearest(&written, known.iter().map(String::as_str))
            .map_or_else(|| format!("; there are: {}", known.join(", ")), |meant| format!("; did you mean '{meant}'?"));
        self.tell(ast, format!("this map has no '{written}'{hint}"));
        Typed::wrong()
    }

    /// `has(x.y)`
    pub(super) fn has(&mut self, argument: &IdedExpr) -> Typed {
        let Ast::Select(select) = &argument.expr else {
            self.tell(argument, "has() asks for a name behind a dot: has(request.headers.referer), has(vars.site); a key that is no name is asked for with 'x-name' in request.headers");
            return Typed::wrong();
        };
        let node = match self.group_of(&select.operand) {
            Some("with") => Node::Constant(Value::Bool(self.scope.with.contains_key(&select.field))),
            Some(group) => match self.member(argument, group, &select.field).node {
                Node::Name(name) => Node::HasName(name),
                Node::Variable(name) => Node::HasVariable(name),
                other => other,
            },
            None => {
                let of = self.node(&select.operand);
                if !matches!(of.kind, Kind::Map(..) | Kind::Dyn) {
                    self.tell(&select.operand, format!("has() looks into a map, and this is {}", of.kind));
                }
                Node::Has(Box::new(of.node), Value::made_text(select.field.as_str()))
            }
        };
        Typed::new(node, Kind::Bool)
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The names of a group, in full.
fn members(group: &str) -> impl Iterator<Item = &'static str> {
    names::TABLE.iter().map(|entry| entry.name).filter(move |name| name.split('.').next() == Some(group))
}

/// A parameter as a value.
fn value_of(constant: &Constant) -> Value<'static> {
    match constant {
        Constant::Bool(is) => Value::Bool(*is),
        Constant::Int(number) => Value::Int(*number),
        Constant::Double(number) => Value::Double(*number),
        Constant::Text(text) => Value::made_text(text.as_str()),
        Constant::Duration(duration) => Value::Duration(time::nanos(*duration)),
        Constant::List(items) => Value::made_list(items.iter().map(value_of).collect::<Vec<_>>()),
        Constant::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|(name, value)| (Value::made_text(name.as_str()), value_of(value))).collect();
            Value::Map(Map::Made(entries.into()))
        }
    }
}
