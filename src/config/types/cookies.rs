//! How it is written what becomes of cookies that upstreams set: `proxy_cookie_domain`, `proxy_cookie_path` and
//! `proxy_cookie_flags`.

use serde_json::json;

use crate::config::node::Kind;
use crate::config::value::{Arg, Named, Spanned, Value, mismatch};
use crate::config::{Diagnostics, Node};

/// `off`, or a map of what is replaced by what.
#[derive(Clone, Debug, Default)]
pub struct CookieRewrites(pub Named<String>);

impl Value for CookieRewrites {
    const REPEATS: bool = true;

    fn expected() -> String {
        "`off`, or a map of texts and what replaces them".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<CookieRewrites> {
        match (node.as_text(), &node.kind) {
            (Some("off" | "false"), _) => Some(CookieRewrites::default()),
            (_, Kind::Map(_)) => Named::read(node, diagnostics).map(CookieRewrites),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "enum": ["off", false] }, Named::<String>::schema()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [off] if off.text == "off" => Ok(off.node()),
            [from, to] => Ok(Node::pair(from.span, &from.text, Node::quoted(to.span, &to.text))),
            _ => Err("expected `off`, or a text and what replaces it".into()),
        }
    }
}

/// `off`, or a map of names and flags.
#[derive(Clone, Debug, Default)]
pub struct CookieFlags(pub Named<Vec<Spanned<String>>>);

impl Value for CookieFlags {
    const REPEATS: bool = true;

    fn expected() -> String {
        "`off`, or a map of names of cookies and their flags".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<CookieFlags> {
        match (node.as_text(), &node.kind) {
            (Some("off" | "false"), _) => Some(CookieFlags::default()),
            (_, Kind::Map(_)) => Named::read(node, diagnostics).map(CookieFlags),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "enum": ["off", false] }, Named::<Vec<String>>::schema()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [off] if off.text == "off" => Ok(off.node()),
            [name, flags @ ..] => {
                let flags = flags.iter().map(Arg::node).collect();
                Ok(Node::pair(name.span, &name.text, Node::list(name.span, flags)))
            }
            [] => Err("expected `off`, or the name of a cookie and its flags".into()),
        }
    }
}
