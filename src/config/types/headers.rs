//! How it is written what becomes of header fields: `add_header`, `proxy_redirect`, `server_tokens` and their like.

use serde_json::json;

use super::{entry, read_short, short_or_map, short_schema};
use crate::config::node::Kind;
use crate::config::value::{Arg, Named, Repeated, Spanned, Value, mismatch};
use crate::config::{Diagnostics, Node};
use crate::{keys, words};

keys! {
    /// A field added to answers.
    pub struct AddHeaderKeys {
        /// The value, with variables.
        ["-"] value: String,
        /// Whatever the status, not only for 200, 201, 204, 206, 301, 302, 303, 304, 307 and 308.
        ["-"] always: bool = "false",
    }
}

/// `X-A: value` or `X-A: {value, always: true}`.
#[derive(Clone, Debug)]
pub struct AddHeader(pub AddHeaderKeys);

impl Value for AddHeader {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a value, or a map with `value` and `always`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<AddHeader> {
        read_short::<AddHeader, _>(node, "value", "a field", diagnostics).map(AddHeader)
    }

    fn schema() -> serde_json::Value {
        short_schema::<AddHeaderKeys>(String::schema())
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [value] => Ok(value.node()),
            [value, always] if always.text == "always" => {
                let always = entry("always", always.span, Node::scalar(always.span, "true"));
                Ok(short_or_map("value", value.node(), vec![always]))
            }
            _ => Err("expected a name, a value and perhaps `always`".into()),
        }
    }
}

/// `proxy_redirect: default`, `off`, or a map of what is replaced by what.
#[derive(Clone, Debug)]
pub enum ProxyRedirect {
    Off,
    /// The address of `proxy_pass` becomes the path of the location.
    Default,
    Pairs(Named<String>),
}

impl Value for ProxyRedirect {
    const REPEATS: bool = true;

    fn expected() -> String {
        "`default`, `off`, or a map of prefixes and what replaces them".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<ProxyRedirect> {
        match (node.as_text(), &node.kind) {
            (Some("off" | "false"), _) => Some(ProxyRedirect::Off),
            (Some("default"), _) => Some(ProxyRedirect::Default),
            (_, Kind::Map(_)) => Named::read(node, diagnostics).map(ProxyRedirect::Pairs),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "enum": ["default", "off", false] }, Named::<String>::schema()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [word] if word.text == "off" || word.text == "default" => Ok(word.node()),
            [from, to] => Ok(Node::pair(from.span, &from.text, Node::quoted(to.span, &to.text))),
            _ => Err("expected `off`, `default`, or a prefix and what replaces it".into()),
        }
    }
}

words! {
    /// What the `Server` field says.
    pub enum ServerTokens {
        On = "on" | "true",
        Off = "off" | "false",
    }
}

words! {
    /// How the list of a block stands to the list of the block outside.
    pub enum ListInherit {
        /// It replaces the outer list, as in nginx.
        On = "on" | "true",
        /// It starts from nothing even if the block has no list of its own.
        Off = "off" | "false",
        /// It is added to the outer list.
        Merge = "merge",
    }
}

/// Lists that repeat: names of fields.
pub type FieldNames = Repeated<Spanned<String>>;
