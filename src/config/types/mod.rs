//! The types that one key or a few keys have of their own: how `listen`, `error_page`, `return` and their like are written
//! in edge.yaml and in nginx.conf.
//!
//! Many are maps of which one key can stand alone: `listen: 8888` for `listen: {address: 8888}`. What reads, describes and
//! makes these stands here, once; the files have the types by subject, all of which are [`crate::config::types`] outside.
//!
//! Always: what nginx.conf's words become ([`Value::from_args`]) is what a person would have written in edge.yaml.

use serde_json::json;

use super::diagnostics::{Diagnostics, Span, nearest};
use super::keys::{Keys, map_schema, read_map};
use super::node::{Entry, Kind, Node};
use super::value::{Arg, Value, mismatch};

mod access;
mod admin;
mod balance;
mod bodies;
mod cache;
mod cookies;
mod error_page;
mod handling;
mod headers;
mod health_check;
mod limits;
mod listen;
mod logs;
mod pairs;
mod rules;
mod script;
mod session;
mod session_demand;
mod session_store;
mod sticky;
mod store;
mod trace;
mod upstream;
mod variables;
mod words;

pub use access::*;
pub use admin::*;
pub use balance::*;
pub use bodies::*;
pub use cache::*;
pub use cookies::*;
pub use error_page::*;
pub use handling::*;
pub use headers::*;
pub use health_check::*;
pub use limits::*;
pub use listen::*;
pub use logs::*;
pub use pairs::*;
pub use rules::*;
pub use script::*;
pub use session::*;
pub use session_demand::*;
pub use session_store::*;
pub use sticky::*;
pub use store::*;
pub use trace::*;
pub use upstream::*;
pub use variables::*;
pub use words::*;

/// A node for `name=value` parameters and single words after the first word of a directive.
fn parameters(args: &[Arg], words: &[&str]) -> Result<Vec<Entry>, String> {
    args.iter()
        .map(|arg| match arg.text.split_once('=') {
            Some((name, value)) => Ok(entry(name, arg.span, Node::scalar(arg.span, value))),
            None if words.contains(&arg.text.as_str()) => {
                Ok(entry(&arg.text, arg.span, Node::scalar(arg.span, "true")))
            }
            None => {
                let meant = nearest(&arg.text, words.iter().copied());
                let hint = meant.map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
                Err(format!("unknown parameter `{}`{hint}", arg.text))
            }
        })
        .collect()
}

fn entry(key: &str, span: Span, value: Node) -> Entry {
    Entry { key: key.to_owned(), span, value }
}

/// Reads a map, or the value of its key `short`, which can stand for all of it.
fn read_short<T: Value, K: Keys>(node: &Node, short: &str, what: &str, diagnostics: &mut Diagnostics) -> Option<K> {
    match node.kind {
        Kind::Scalar(_) => {
            let mut keys = K::default();
            keys.read_key(short, node, diagnostics);
            Some(keys)
        }
        Kind::Map(_) => read_map(node, what, diagnostics),
        _ => {
            mismatch::<T>(node, diagnostics);
            None
        }
    }
}

/// The schema of such a map, with that of the value that can stand for it.
fn short_schema<K: Keys>(short: serde_json::Value) -> serde_json::Value {
    json!({ "anyOf": [short, map_schema::<K>()] })
}

/// Such a map, as short as it can be written.
fn short_or_map(short: &str, value: Node, rest: Vec<Entry>) -> Node {
    if rest.is_empty() {
        return value;
    }
    let at = value.span;
    let mut entries = vec![entry(short, at, value)];
    entries.extend(rest);
    Node::map(at, entries)
}
