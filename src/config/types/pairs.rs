//! Values of two words, of which nginx.conf makes two arguments and edge.yaml one text: `proxy_buffers`,
//! `keepalive_timeout`, and the temporary paths.

use serde_json::json;

use crate::config::value::{Arg, Time, Value, mismatch, parse_size, parse_time};
use crate::config::{Diagnostics, Node};

/// How many buffers of what size: `4 32k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    pub number: u32,
    pub size: u64,
}

impl Value for Buffers {
    fn expected() -> String {
        "a number and a size, such as `4 32k`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Buffers> {
        let parsed = node.as_text().and_then(|text| {
            let (number, size) = text.split_once(' ')?;
            let number = number.parse().ok().filter(|n| *n > 0)?;
            Some(Buffers { number, size: parse_size(size.trim()).filter(|s| *s > 0)? })
        });
        parsed.or_else(|| mismatch(node, diagnostics))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-9]+ +[0-9]+[kKmMgG]?$" })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [number, size] => Ok(Node::scalar(number.span, format!("{} {}", number.text, size.text))),
            _ => Err(format!("expected {}", Self::expected())),
        }
    }
}

/// How long an idle connection stays open, and what the client is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepaliveTimeout {
    pub idle: Time,
    /// Sent as `Keep-Alive: timeout=…`.
    pub told: Option<Time>,
}

impl Value for KeepaliveTimeout {
    fn expected() -> String {
        "a time, or two: how long edge waits, and what it tells the client".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<KeepaliveTimeout> {
        let text = node.as_text().unwrap_or_default();
        let (idle, told) = match text.split_once(' ') {
            Some((idle, told)) => (idle, Some(told.trim())),
            None => (text, None),
        };
        let time = |text: &str| parse_time(text).map(Time);
        match (time(idle), told.map(time)) {
            (Some(idle), None) => Some(KeepaliveTimeout { idle, told: None }),
            (Some(idle), Some(Some(told))) => Some(KeepaliveTimeout { idle, told: Some(told) }),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        Time::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [idle] => Ok(idle.node()),
            [idle, told] => Ok(Node::scalar(idle.span, format!("{} {}", idle.text, told.text))),
            _ => Err("expected one or two times".into()),
        }
    }
}

/// A directory for temporary files. nginx's levels of directories are accepted and not needed: the files have no names.
#[derive(Clone, Debug)]
pub struct TempPath(pub String);

impl Value for TempPath {
    fn expected() -> String {
        "a directory".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<TempPath> {
        String::read(node, diagnostics).map(TempPath)
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [path, levels @ ..] if levels.len() <= 3 => Ok(path.node()),
            _ => Err("expected a directory and at most three levels".into()),
        }
    }
}
