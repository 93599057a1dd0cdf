//! `sticky` of an upstream: what binds a client to a server.

use super::{Accepted, entry};
use crate::config::keys::{map_schema, read_map};
use crate::config::value::{Arg, Size, Spanned, Time, Value, mismatch};
use crate::config::{Diagnostics, Node, Span};
use crate::keys;
use serde_json::json;

keys! {
    /// One of `cookie`, `route` and `learn`, with what belongs to it.
    pub struct StickyKeys {
        /// The name of a cookie that edge sets: it holds the `route` of the client's server, or the MD5 of its address.
        ["-"] cookie: String,
        /// How long the browser keeps the cookie, from each answer on; `max`: until 2037. Without it, until the browser is closed.
        ["-"] expires: StickyExpires,
        /// The cookie's `domain`; may have variables.
        ["-"] domain: String,
        /// The cookie's `path`.
        ["-"] path: String,
        /// The cookie goes over TLS only.
        ["-"] secure: bool = "false",
        /// Scripts do not see the cookie.
        ["-"] httponly: bool = "false",
        /// The cookie's `samesite`: `strict`, `lax`, `none`, or a variable that says one of these.
        ["-"] samesite: String,
        /// Variables: the first that is not empty is the `route` of the client's server.
        ["-"] route: Vec<Spanned<String>>,
        /// Ids that the application gives its clients are remembered with the server that gave them.
        ["-"] learn: LearnBy,
    }
}

keys! {
    /// What is learned.
    pub struct LearnKeys {
        /// Variables of the answer, such as `$upstream_cookie_sid`: the first that is not empty is an id that is the server's now.
        ["-"] create: Vec<Spanned<String>>,
        /// Variables of the request, such as `$cookie_sid`: the first that is not empty is the id that is looked for.
        ["-"] lookup: Vec<Spanned<String>>,
        /// Room for ids, 8000 in each `1m`; of too many the one that was not used for longest is forgotten. A reload forgets nobody.
        ["-"] size: Size = "1m",
        /// An id that is not used for so long is forgotten.
        ["-"] timeout: Time = "10m",
        /// Accepted; edge learns an id as soon as the head of the answer is there.
        ["-"] header: Accepted,
    }
}

/// `sticky`
#[derive(Clone, Debug)]
pub struct Sticky(pub StickyKeys);

/// `learn`
#[derive(Clone, Debug)]
pub struct LearnBy(pub LearnKeys);

/// `expires` of the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StickyExpires {
    Max,
    After(Time),
}

impl Value for Sticky {
    fn expected() -> String {
        "a map with `cookie`, `route` or `learn`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Sticky> {
        match node.as_map() {
            Some(_) => read_map(node, "`sticky`", diagnostics).map(Sticky),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        map_schema::<StickyKeys>()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [method, rest @ ..] = args else { return Err(NUMBER.into()) };
        if rest.is_empty() {
            return Err(NUMBER.into());
        }
        match method.text.as_str() {
            "cookie" => cookie(method.span, rest),
            "route" => route(method.span, rest),
            "learn" => learn(method.span, rest),
            other => Err(format!("unknown parameter \"{other}\"")),
        }
    }
}

const NUMBER: &str = "invalid number of arguments";

/// `sticky cookie NAME [PARAMETER …]`
fn cookie(at: Span, args: &[Arg]) -> Result<Node, String> {
    let mut entries = Vec::new();
    for (place, arg) in args.iter().enumerate() {
        let (name, value) = match arg.text.split_once('=') {
            _ if place == 0 && arg.text.is_empty() => return Err("empty cookie name".into()),
            _ if place == 0 => ("cookie", arg.node()),
            Some((name @ ("domain" | "path"), "")) => return Err(format!("no value for \"{name}\"")),
            Some((name @ ("domain" | "path" | "expires" | "samesite"), value)) => (name, Node::scalar(arg.span, value)),
            None if ["secure", "httponly"].contains(&arg.text.as_str()) => {
                (arg.text.as_str(), Node::scalar(arg.span, "true"))
            }
            _ => return Err(format!("unknown parameter \"{}\"", arg.text)),
        };
        if entries.iter().any(|e: &crate::config::node::Entry| e.key == name) {
            return Err(format!("parameter \"{name}\" is duplicate"));
        }
        entries.push(entry(name, arg.span, value));
    }
    Ok(Node::map(at, entries))
}

/// `sticky route $VARIABLE …`
fn route(at: Span, args: &[Arg]) -> Result<Node, String> {
    if let Some(wrong) = args.iter().find(|arg| !arg.text.starts_with('$')) {
        return Err(format!("invalid variable name \"{}\"", wrong.text));
    }
    let variables = Node::list(at, args.iter().map(Arg::node).collect());
    Ok(Node::map(at, vec![entry("route", at, variables)]))
}

/// `sticky learn create=$VARIABLE lookup=$VARIABLE zone=NAME:SIZE [timeout=TIME] [header]`
fn learn(at: Span, args: &[Arg]) -> Result<Node, String> {
    let (mut create, mut lookup, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for arg in args {
        match arg.text.split_once('=') {
            Some((name @ ("create" | "lookup"), value)) => {
                if !value.starts_with('$') {
                    return Err(format!("missing variable in the \"{name}\" parameter"));
                }
                let list = if name == "create" { &mut create } else { &mut lookup };
                list.push(Node::scalar(arg.span, value));
            }
            Some(("zone", zone)) => match zone.split_once(':') {
                None => return Err("zone size is not specified".into()),
                Some(("", _)) => return Err("zone name is not specified".into()),
                // A table belongs to its upstream and needs no name.
                Some((_, size)) => rest.push(entry("size", arg.span, Node::scalar(arg.span, size))),
            },
            Some(("timeout", time)) => rest.push(entry("timeout", arg.span, Node::scalar(arg.span, time))),
            None if arg.text == "header" => rest.push(entry("header", arg.span, Node::scalar(arg.span, "true"))),
            None if arg.text == "sync" => {
                return Err("edge shares what it has learned with no other edge (`sync`)".into());
            }
            _ => return Err(format!("unknown parameter \"{}\"", arg.text)),
        }
    }
    for (name, missing) in [("lookup", lookup.is_empty()), ("create", create.is_empty())] {
        if missing {
            return Err(format!("\"{name}\" parameter is not specified"));
        }
    }
    let is_given = |name: &str| rest.iter().filter(|e| e.key == name).count();
    match (is_given("size"), is_given("timeout")) {
        (0, _) => return Err("\"zone\" parameter is not specified".into()),
        (2.., _) => return Err("duplicate zone".into()),
        (_, 2..) => return Err("duplicate timeout".into()),
        _ => {}
    }
    let mut entries = vec![entry("create", at, Node::list(at, create)), entry("lookup", at, Node::list(at, lookup))];
    entries.extend(rest);
    Ok(Node::map(at, vec![entry("learn", at, Node::map(at, entries))]))
}

impl Value for LearnBy {
    fn expected() -> String {
        "a map with `create` and `lookup`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<LearnBy> {
        match node.as_map() {
            Some(_) => read_map(node, "`learn`", diagnostics).map(LearnBy),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        map_schema::<LearnKeys>()
    }
}

impl Value for StickyExpires {
    fn expected() -> String {
        "a time such as `1h`, or `max`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<StickyExpires> {
        match node.as_text() {
            Some("max") => Some(StickyExpires::Max),
            Some(text) if crate::config::value::parse_time(text).is_some() => {
                Time::read(node, diagnostics).map(StickyExpires::After)
            }
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "const": "max" }, Time::schema()] })
    }
}
