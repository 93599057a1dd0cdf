//! How it is written who may come in: `access`, `satisfy`, `userid`, `modern_browser`.

use serde_json::json;

use crate::config::node::Kind;
use crate::config::value::{Arg, Spanned, Value, mismatch};
use crate::config::{Diagnostics, Node};
use crate::words;

/// `allow: WHO` or `deny: WHO`.
#[derive(Clone, Debug)]
pub struct AccessRule {
    pub allow: bool,
    pub who: Spanned<String>,
}

/// `{allow: [10.0.0.0/8, 'unix:'], deny: all}` or a list of such maps: the order is that of the rules.
#[derive(Clone, Debug, Default)]
pub struct Access(pub Vec<AccessRule>);

impl Value for Access {
    fn expected() -> String {
        "a map of `allow` and `deny` with addresses, or a list of such maps".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Access> {
        if matches!(node.kind, Kind::Scalar(_) | Kind::Null) {
            return mismatch(node, diagnostics);
        }
        let mut rules = Vec::new();
        for item in node.items() {
            let Some(entries) = item.as_map() else {
                mismatch::<Access>(item, diagnostics);
                continue;
            };
            for entry in entries {
                let allow = match entry.key.as_str() {
                    "allow" => true,
                    "deny" => false,
                    other => {
                        diagnostics
                            .error(entry.span, format!("unknown key `{other}`: expected `allow` or `deny`"))
                            .did_you_mean(other, ["allow", "deny"]);
                        continue;
                    }
                };
                let all = Vec::<Spanned<String>>::read(&entry.value, diagnostics).unwrap_or_default();
                rules.extend(all.into_iter().map(|who| AccessRule { allow, who }));
            }
        }
        Some(Access(rules))
    }

    fn schema() -> serde_json::Value {
        let who = Vec::<String>::schema();
        let rules = json!({
            "type": "object", "properties": { "allow": who, "deny": who }, "additionalProperties": false,
        });
        json!({ "anyOf": [rules, { "type": "array", "items": rules }] })
    }

    fn from_args(_: &[Arg]) -> Result<Node, String> {
        Err("nginx has no such directive: write `allow` and `deny`".into())
    }
}

words! {
    /// Whether all who are asked must let a request in, or one.
    pub enum Satisfy {
        All = "all",
        Any = "any",
    }
}

words! {
    /// Whether clients are given cookies with a number.
    pub enum UserId {
        On = "on" | "true",
        /// Numbered as the first version did.
        V1 = "v1",
        /// Only those that are there are looked at.
        Log = "log",
        Off = "off" | "false",
    }
}

/// `msie 5.5`, `unlisted`: in nginx.conf two words.
#[derive(Clone, Debug)]
pub struct ModernBrowser(pub Spanned<String>);

impl Value for ModernBrowser {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a browser and its version, such as `msie 5.5`, or `unlisted`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<ModernBrowser> {
        Spanned::read(node, diagnostics).map(ModernBrowser)
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [one] => Ok(one.node()),
            [browser, version] => Ok(Node::scalar(browser.span, format!("{} {}", browser.text, version.text))),
            _ => Err(format!("expected {}", Self::expected())),
        }
    }
}
