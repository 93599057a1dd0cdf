//! The parameters of a rule file: declared in it with a default, which gives the type, and filled by whoever attaches it.
//!
//! Expressions read them as constants (`with.rate`). In the other texts of a rule `${with.NAME}` is replaced before anything
//! is read, and a value that is nothing but that may be a list or a map.

use super::expr::Constant;
use crate::config::diagnostics::{Diagnostics, plain};
use crate::config::node::{Kind as Written, Node, Scalar};
use crate::config::value::parse_time;
use crate::config::{Span, Spanned};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int,
    Double,
    Duration,
    Rate,
    Text,
    List,
    Map,
}

impl Type {
    fn of(node: &Node) -> Option<Type> {
        let scalar = match &node.kind {
            Written::Null => return None,
            Written::List(_) => return Some(Type::List),
            Written::Map(_) => return Some(Type::Map),
            Written::Scalar(scalar) => scalar,
        };
        let text = scalar.text.as_str();
        Some(match () {
            () if scalar.quoted => Type::Text,
            () if matches!(text, "true" | "false" | "on" | "off") => Type::Bool,
            () if text.parse::<i64>().is_ok() => Type::Int,
            () if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && text.parse::<f64>().is_ok() => {
                Type::Double
            }
            () if is_rate(text) => Type::Rate,
            () if parse_time(text).is_some() => Type::Duration,
            () => Type::Text,
        })
    }

    fn expected(self) -> &'static str {
        match self {
            Type::Bool => "`true` or `false`",
            Type::Int => "a whole number",
            Type::Double => "a number",
            Type::Duration => "a time such as `10s`",
            Type::Rate => "a rate such as `5/m`",
            Type::Text => "a text",
            Type::List => "a list",
            Type::Map => "a map",
        }
    }

    /// What an expression reads; `None`: the value is of another type.
    fn constant(self, node: &Node) -> Option<Constant> {
        let text = || node.as_text();
        match self {
            Type::Bool => match text()? {
                "true" | "on" => Some(Constant::Bool(true)),
                "false" | "off" => Some(Constant::Bool(false)),
                _ => None,
            },
            Type::Int => text()?.parse().ok().map(Constant::Int),
            Type::Double => text()?.parse().ok().filter(|number: &f64| number.is_finite()).map(Constant::Double),
            Type::Duration => parse_time(text()?).map(Constant::Duration),
            Type::Rate => text().filter(|text| is_rate(text)).map(|text| Constant::Text(text.to_owned())),
            Type::Text => text().map(|text| Constant::Text(text.to_owned())),
            Type::List => match &node.kind {
                Written::List(items) => items.iter().map(constant_of).collect::<Option<_>>().map(Constant::List),
                _ => None,
            },
            Type::Map => {
                let entries = node.as_map()?.iter().map(|e| Some((e.key.clone(), constant_of(&e.value)?)));
                entries.collect::<Option<_>>().map(Constant::Map)
            }
        }
    }
}

fn constant_of(node: &Node) -> Option<Constant> {
    Type::of(node)?.constant(node)
}

/// `5/m`, `10r/s`
fn is_rate(text: &str) -> bool {
    let Some((number, unit)) = text.split_once('/') else { return false };
    let number = number.strip_suffix('r').unwrap_or(number);
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && matches!(unit, "s" | "m" | "h")
}

/// The parameters of one file.
#[derive(Debug, Default)]
pub struct Parameters(Vec<Parameter>);

#[derive(Debug)]
struct Parameter {
    name: Spanned<String>,
    default: Node,
    kind: Type,
}

impl Parameters {
    pub fn read(node: &Node, diagnostics: &mut Diagnostics) -> Parameters {
        let Some(entries) = node.as_map() else {
            diagnostics
                .error(node.span, format!("expected a map of parameters, found {}", node.describe()))
                .help("write `parameters: { rate: 5/m }`: each name with its default, which gives the type");
            return Parameters::default();
        };
        let mut all = Vec::new();
        for e in entries {
            if !is_name(&e.key) {
                diagnostics
                    .error(e.span, format!("`{}` is no name of a parameter", e.key))
                    .help("a name has letters, digits and `_`, and does not begin with a digit");
                continue;
            }
            match Type::of(&e.value).filter(|kind| kind.constant(&e.value).is_some()) {
                Some(kind) => all.push(Parameter {
                    name: Spanned { value: e.key.clone(), span: e.span },
                    default: e.value.clone(),
                    kind,
                }),
                None => drop(
                    diagnostics
                        .error(e.value.span, format!("the parameter `{}` has no default", e.key))
                        .help("the default gives the type: a text, a number, `true`, `10s`, `5/m`, a list or a map"),
                ),
            }
        }
        Parameters(all)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values: those given, defaults for the others.
    pub fn fill(&self, given: Option<&Node>, diagnostics: &mut Diagnostics) -> With {
        let mut with = With::default();
        for parameter in &self.0 {
            with.put(&parameter.name, parameter.default.clone(), parameter.kind);
        }
        let Some(given) = given else { return with };
        let Some(entries) = given.as_map() else {
            diagnostics.error(given.span, format!("expected a map of parameters, found {}", given.describe()));
            return with;
        };
        for e in entries {
            let Some(parameter) = self.0.iter().find(|p| p.name.value == e.key) else {
                self.unknown(&e.key, e.span, diagnostics);
                continue;
            };
            // nginx.conf has no lists.
            let value = match (parameter.kind, e.value.as_text()) {
                (Type::List, Some(text)) => {
                    Node::list(e.value.span, text.split(',').map(|item| Node::scalar(e.value.span, item)).collect())
                }
                _ => e.value.clone(),
            };
            if !with.put(&parameter.name, value, parameter.kind) {
                let expected = parameter.kind.expected();
                diagnostics
                    .error(
                        e.value.span,
                        format!("the parameter `{}` is {expected}, found {}", e.key, e.value.describe()),
                    )
                    .help(format!("its default is {}", parameter.default.describe()));
            }
        }
        with
    }

    fn unknown(&self, name: &str, at: Span, diagnostics: &mut Diagnostics) {
        let told = diagnostics.error(at, format!("the rule file has no parameter `{name}`"));
        let known: Vec<&str> = self.0.iter().map(|p| p.name.as_str()).collect();
        told.did_you_mean(name, known.iter().copied());
        match known.is_empty() {
            true => told.help("it has none at all"),
            false => told.help(format!("it has: {}", known.join(", "))),
        };
    }
}

pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The parameters with their values.
#[derive(Clone, Debug, Default)]
pub struct With {
    nodes: BTreeMap<String, Node>,
    pub constants: BTreeMap<String, Constant>,
}

impl With {
    fn put(&mut self, name: &str, value: Node, kind: Type) -> bool {
        let Some(constant) = kind.constant(&value) else { return false };
        self.constants.insert(name.to_owned(), constant);
        self.nodes.insert(name.to_owned(), value);
        true
    }

    /// The node with each `${with.NAME}` replaced; what stands below a key of `untouched` stays.
    pub fn replaced(&self, node: &Node, untouched: &[&str], diagnostics: &mut Diagnostics) -> Node {
        let kind = match &node.kind {
            Written::Null => Written::Null,
            Written::Scalar(scalar) => return self.scalar(scalar, node.span, diagnostics),
            Written::List(items) => {
                Written::List(items.iter().map(|item| self.replaced(item, untouched, diagnostics)).collect())
            }
            Written::Map(entries) => Written::Map(
                entries
                    .iter()
                    .cloned()
                    .map(|mut e| {
                        if !untouched.contains(&e.key.as_str()) {
                            e.value = self.replaced(&e.value, untouched, diagnostics);
                        }
                        e
                    })
                    .collect(),
            ),
        };
        Node { span: node.span, kind }
    }

    fn scalar(&self, scalar: &Scalar, span: Span, diagnostics: &mut Diagnostics) -> Node {
        const OPEN: &str = "${with.";
        let whole = scalar.text.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = whole.filter(|name| is_name(name)) {
            let mut node = self.value(name, span, diagnostics).cloned().unwrap_or_else(|| Node::scalar(span, ""));
            node.span = span;
            return node;
        }
        let mut out = scalar.clone();
        out.text.clear();
        let mut rest = scalar.text.as_str();
        while let Some(at) = rest.find(OPEN) {
            out.text.push_str(&rest[..at]);
            rest = &rest[at + OPEN.len()..];
            let Some(end) = rest.find('}') else {
                out.text.push_str(OPEN);
                break;
            };
            let name = &rest[..end];
            rest = &rest[end + 1..];
            match self.value(name, span, diagnostics).map(|node| (node.as_text(), node.describe())) {
                Some((Some(text), _)) => out.text.push_str(text),
                Some((None, what)) => drop(
                    diagnostics
                        .error(span, format!("the parameter `{name}` is {what}, which is no part of a text"))
                        .help(format!("`${{with.{name}}}` must stand alone here")),
                ),
                None => {}
            }
        }
        out.text.push_str(rest);
        Node { span, kind: Written::Scalar(out) }
    }

    /// With the files read that keys for `jwt()` name (`{alg: RS256, file: keys/site.pem}`). Paths begin at `prefix`.
    pub fn with_key_files(mut self, prefix: &Path, diagnostics: &mut Diagnostics) -> With {
        for (name, constant) in &mut self.constants {
            let mut read = |file: &str| {
                let path = prefix.join(file);
                diagnostics.add_read(&path);
                let read =
                    crate::system::read(&path).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
                read.map_err(|e| format!("{} cannot be read: {}", path.display(), plain(&e)))
            };
            let told = constant.read_key_files(&mut read).err().unwrap_or_default();
            let span = self.nodes.get(name).map(|node| node.span).unwrap_or_default();
            for message in told {
                diagnostics.error(span, message);
            }
        }
        self
    }

    fn value(&self, name: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<&Node> {
        let found = self.nodes.get(name);
        if found.is_none() {
            diagnostics
                .error(span, format!("there is no parameter `{name}`"))
                .did_you_mean(name, self.nodes.keys().map(String::as_str))
                .help("`parameters:` of the file declares them, each with a default");
        }
        found
    }
}
