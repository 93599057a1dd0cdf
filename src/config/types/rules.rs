//! `rules`: files whose rules hold for the whole, a server or a location, and rules that stand in the configuration itself.
//!
//! What a rule means is read by the `rules` room; here is only where it stands and what its file is told.

use serde_json::json;

use super::entry;
use crate::config::value::{Arg, Spanned, Value, mismatch};
use crate::config::{Diagnostics, Node};
use crate::words;

/// One entry of `rules`.
#[derive(Clone, Debug)]
pub enum RuleSource {
    /// `lua-free-rules/canary.yaml`, or `{file: …, with: {…}}`.
    File { path: Spanned<String>, with: Option<Node> },
    /// `{name: …, when: …, then: […]}`
    Inline(Node),
}

impl Value for RuleSource {
    const REPEATS: bool = true;

    fn expected() -> String {
        "the path of a rule file, a map with `file` and `with`, or a rule (a map with `name`, `when` and `then`)".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<RuleSource> {
        if node.as_text().is_some() {
            return Spanned::read(node, diagnostics).map(|path| RuleSource::File { path, with: None });
        }
        let Some(entries) = node.as_map() else {
            return mismatch(node, diagnostics);
        };
        let Some(file) = node.get("file") else {
            return Some(RuleSource::Inline(node.clone()));
        };
        for e in entries.iter().filter(|e| !["file", "with"].contains(&e.key.as_str())) {
            diagnostics
                .error(e.span, format!("unknown key `{}` beside `file`", e.key))
                .did_you_mean(&e.key, ["with"])
                .help("a rule file is attached with `file` and `with`; rules of its own have no `file`");
        }
        let path = Spanned::read(file, diagnostics)?;
        Some(RuleSource::File { path, with: node.get("with").cloned() })
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "properties": { "file": { "type": "string" }, "with": { "type": "object" } },
                "required": ["file"], "additionalProperties": false,
            },
            {
                "type": "object",
                "properties": {
                    "name": { "type": "string" },
                    "phase": { "enum": ["request", "upstream_request", "response", "log"] },
                    "when": { "type": ["string", "boolean"] },
                    "then": { "type": ["array", "object"] },
                    "else": { "type": ["array", "object"] },
                    "stop": { "type": "boolean" },
                },
                "required": ["name"], "additionalProperties": false,
            },
        ] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [file, parameters @ ..] = args else {
            return Err("expected the path of a rule file, and perhaps its parameters as `name=value`".into());
        };
        if parameters.is_empty() {
            return Ok(file.node());
        }
        let with: Result<Vec<_>, String> = parameters
            .iter()
            .map(|arg| match arg.text.split_once('=') {
                Some((name, value)) => Ok(entry(name, arg.span, Node::scalar(arg.span, value))),
                None => Err(format!("`{}` is no parameter: write `name=value`", arg.text)),
            })
            .collect();
        let (at, with) = (parameters[0].span, with?);
        Ok(Node::map(file.span, vec![entry("file", file.span, file.node()), entry("with", at, Node::map(at, with))]))
    }
}

words! {
    /// Whether the rules of the blocks outside hold here as well.
    pub enum RulesInherit {
        On = "on" | "true",
        Off = "off" | "false",
    }
}
