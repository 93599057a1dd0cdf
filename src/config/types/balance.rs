//! How `balance` is written: a word, or a map where the method needs one more thing. In nginx.conf the method is a directive.

use serde_json::json;

use super::entry;
use crate::config::keys::{map_schema, read_map};
use crate::config::node::Kind;
use crate::config::value::{Arg, Value, mismatch};
use crate::config::{Diagnostics, Node, Span, Spanned};
use crate::{keys, words};

/// How a server of an upstream is chosen.
#[derive(Clone, Debug)]
pub enum BalanceBy {
    RoundRobin,
    LeastConn,
    IpHash,
    Random,
    RandomTwo,
    Hash { key: Spanned<String>, consistent: bool },
    LeastTime(LeastTime),
}

words! {
    /// The methods that are a word; those that need more are here so that a message can say what.
    pub enum BalanceMethod {
        RoundRobin = "round_robin",
        LeastConn = "least_conn",
        IpHash = "ip_hash",
        Random = "random",
        Hash = "hash",
        LeastTime = "least_time",
    }
}

words! {
    /// Between how many servers chance lets the fewer requests decide.
    pub enum RandomOf {
        Two = "two",
    }
}

words! {
    /// Which time `least_time` compares.
    pub enum LeastTime {
        Header = "header",
        LastByte = "last_byte",
    }
}

keys! {
    /// A method with what it needs.
    pub struct BalanceKeys {
        /// The text whose hash chooses the server, such as `$request_uri`: equal texts, the same server.
        ["-"] hash: String,
        /// When a server comes or goes, only the texts change their server that must (ketama).
        ["-"] consistent: bool = "false",
        /// Two servers are drawn, and the one with fewer requests is taken.
        ["-"] random: RandomOf,
        /// The shortest average time until the head (`header`) or the end (`last_byte`) of answers, for its requests.
        ["-"] least_time: LeastTime,
    }
}

impl Value for BalanceBy {
    fn expected() -> String {
        "`round_robin`, `least_conn`, `ip_hash`, `random`, `{ random: two }`, `{ hash: KEY, consistent: true }` or \
         `{ least_time: header }`"
            .into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<BalanceBy> {
        match node.kind {
            Kind::Scalar(_) => read_word(node, diagnostics),
            Kind::Map(_) => read_method(node, diagnostics),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "enum": ["round_robin", "least_conn", "ip_hash", "random"] }, map_schema::<BalanceKeys>()] })
    }
}

fn read_word(node: &Node, diagnostics: &mut Diagnostics) -> Option<BalanceBy> {
    Some(match BalanceMethod::read(node, diagnostics)? {
        BalanceMethod::RoundRobin => BalanceBy::RoundRobin,
        BalanceMethod::LeastConn => BalanceBy::LeastConn,
        BalanceMethod::IpHash => BalanceBy::IpHash,
        BalanceMethod::Random => BalanceBy::Random,
        BalanceMethod::Hash => {
            diagnostics
                .error(node.span, "`hash` needs the text that is hashed")
                .help("write `balance: { hash: $request_uri }`");
            return None;
        }
        BalanceMethod::LeastTime => {
            diagnostics
                .error(node.span, "`least_time` needs the time that is compared")
                .help("write `balance: { least_time: header }` or `{ least_time: last_byte }`");
            return None;
        }
    })
}

fn read_method(node: &Node, diagnostics: &mut Diagnostics) -> Option<BalanceBy> {
    let keys: BalanceKeys = read_map(node, "a method of balancing", diagnostics)?;
    let methods = ["hash", "random", "least_time"].iter().filter(|method| node.get(method).is_some()).count();
    if methods != 1 {
        let (message, help) = match methods {
            0 => (
                "no method of balancing is named",
                "`hash`, `random` and `least_time` are those that are written as a map",
            ),
            _ => {
                ("several methods of balancing are named", "take all but one of `hash`, `random` and `least_time` out")
            }
        };
        diagnostics.error(node.span, message).help(help);
        return None;
    }
    if let Some(lost) = keys.consistent.as_ref().filter(|_| node.get("hash").is_none()) {
        diagnostics.error(lost.span, "`consistent` belongs to `hash`").help("write `{ hash: KEY, consistent: true }`");
    }
    let consistent = keys.consistent();
    if let Some(key) = keys.hash {
        if key.is_empty() {
            diagnostics.error(key.span, "the text that is hashed is empty: every request would get the same server");
            return None;
        }
        return Some(BalanceBy::Hash { key, consistent });
    }
    let until = keys.least_time.map(|until| BalanceBy::LeastTime(until.value));
    until.or(keys.random.map(|_| BalanceBy::RandomTwo))
}

/// The words of a method's directive as `balance` would say it; an error is nginx's, or says what edge has not.
pub fn balance_of(name: &str, at: Span, args: &[Arg]) -> Result<Node, String> {
    let words: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
    match (name, words.as_slice()) {
        (_, []) => Ok(Node::scalar(at, name)),
        ("hash", [_]) => Ok(Node::map(at, vec![entry("hash", args[0].span, args[0].node())])),
        ("hash", [_, "consistent"]) => {
            let consistent = entry("consistent", args[1].span, Node::scalar(args[1].span, "true"));
            Ok(Node::map(at, vec![entry("hash", args[0].span, args[0].node()), consistent]))
        }
        ("random", ["two"] | ["two", "least_conn"]) => {
            Ok(Node::map(at, vec![entry("random", args[0].span, Node::scalar(args[0].span, "two"))]))
        }
        ("random", ["two", time]) if time.starts_with("least_time") => {
            Err(format!("edge has `random two` with `least_conn` only, not with `{time}`"))
        }
        ("least_time", ["header" | "last_byte"]) => {
            Ok(Node::map(at, vec![entry("least_time", args[0].span, args[0].node())]))
        }
        ("least_time", [_, "inflight"]) => {
            Err("edge's `least_time` has no `inflight`: it counts the times of answers that have come".into())
        }
        ("least_time" | "random", [wrong]) | ("hash" | "random" | "least_time", [_, wrong]) => {
            Err(format!("invalid parameter \"{wrong}\""))
        }
        _ => Err("invalid number of arguments".into()),
    }
}
