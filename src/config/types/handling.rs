//! How it is written that a request is answered at once or becomes another: `return` and `rewrite`.

use serde_json::json;

use super::entry;
use crate::config::keys::{map_schema, read_map};
use crate::config::value::{Arg, Spanned, Value, mismatch};
use crate::config::{Diagnostics, Node};
use crate::{keys, words};

/// `return: 403`, `return: {status: 301, location: '…'}` or `return: {status: 200, text: '…'}`.
#[derive(Clone, Debug)]
pub struct Return {
    pub status: u16,
    /// The text of the answer, or where a redirect leads; may hold variables.
    pub content: Option<Spanned<String>>,
}

impl Return {
    /// Statuses whose content is a URL.
    pub fn is_redirect(status: u16) -> bool {
        matches!(status, 301 | 302 | 303 | 307 | 308)
    }
}

impl Value for Return {
    fn expected() -> String {
        "a status, a URL, or a map with `status` and `text` or `location`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Return> {
        if let Some(text) = node.as_text() {
            return match text.parse::<u16>() {
                Ok(status) if status <= 999 => Some(Return { status, content: None }),
                Err(_)
                    if text.starts_with("http://") || text.starts_with("https://") || text.starts_with("$scheme") =>
                {
                    Some(Return { status: 302, content: Spanned::read(node, diagnostics) })
                }
                _ => mismatch(node, diagnostics),
            };
        }
        let Some(entries) = node.as_map() else {
            return mismatch(node, diagnostics);
        };
        let unknown = entries.iter().find(|e| !["status", "text", "location"].contains(&e.key.as_str()));
        if let Some(e) = unknown {
            diagnostics.error(e.span, format!("unknown key `{}`: expected `status`, `text` or `location`", e.key));
            return None;
        }
        let Some(status) = node.get("status") else {
            diagnostics.error(node.span, "`return` has no `status`");
            return None;
        };
        let at = status;
        let status = u16::read(status, diagnostics).filter(|s| *s <= 999);
        let Some(status) = status else {
            diagnostics.error(at.span, "a status has at most three digits");
            return None;
        };
        let content = node.get("text").or(node.get("location"));
        Some(Return { status, content: content.and_then(|n| Spanned::read(n, diagnostics)) })
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [{ "type": ["integer", "string"] }, {
            "type": "object",
            "properties": { "status": { "type": "integer" }, "text": { "type": "string" }, "location": { "type": "string" } },
            "required": ["status"], "additionalProperties": false,
        }] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [one] => Ok(one.node()),
            [status, content] => {
                let redirect = status.text.parse().is_ok_and(Return::is_redirect);
                let key = if redirect { "location" } else { "text" };
                Ok(Node::map(
                    status.span,
                    vec![
                        entry("status", status.span, status.node()),
                        entry(key, content.span, Node::quoted(content.span, &content.text)),
                    ],
                ))
            }
            _ => Err("expected a status and perhaps a text or a URL".into()),
        }
    }
}

words! {
    /// What happens after a `rewrite` has changed the URI.
    pub enum RewriteFlag {
        /// Goes on with the next rewrite.
        Continue = "continue",
        /// Ends the rewrites and searches for a location again.
        Last = "last",
        /// Ends the rewrites and stays in this location.
        Break = "break",
        /// Answers 302.
        Redirect = "redirect",
        /// Answers 301.
        Permanent = "permanent",
    }
}

keys! {
    /// One rewrite.
    pub struct RewriteKeys {
        /// A regular expression over the path.
        ["-"] pattern ("match"): String,
        /// What the URI becomes, with `$1` and variables.
        ["-"] to: String,
        /// What happens then.
        ["-"] flag: RewriteFlag = "continue",
    }
}

/// `{match: '^/old/(.*)$', to: /new/$1, flag: last}`.
#[derive(Clone, Debug)]
pub struct Rewrite(pub RewriteKeys);

impl Value for Rewrite {
    fn expected() -> String {
        "a map with `match`, `to` and perhaps `flag`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Rewrite> {
        let keys: RewriteKeys = read_map(node, "a rewrite", diagnostics)?;
        if keys.pattern.is_none() || keys.to.is_none() {
            diagnostics.error(node.span, "a rewrite has `match` and `to`");
            return None;
        }
        Some(Rewrite(keys))
    }

    fn schema() -> serde_json::Value {
        map_schema::<RewriteKeys>()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let (pattern, to, flag) = match args {
            [pattern, to] => (pattern, to, None),
            [pattern, to, flag] => (pattern, to, Some(flag)),
            _ => return Err("expected a regular expression, a replacement and perhaps a flag".into()),
        };
        let mut entries = vec![
            entry("match", pattern.span, Node::quoted(pattern.span, &pattern.text)),
            entry("to", to.span, Node::quoted(to.span, &to.text)),
        ];
        entries.extend(flag.map(|f| entry("flag", f.span, f.node())));
        Ok(Node::map(pattern.span, entries))
    }
}
