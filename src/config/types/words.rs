//! Values that are one of a few words, and the directives that are accepted and not needed.

use serde_json::json;

use crate::config::value::{Arg, Named, Value, mismatch};
use crate::config::{Diagnostics, Node};
use crate::words;

/// Directives edge accepts and does not need, each with the reason. In edge.yaml they are accepted as well.
#[derive(Clone, Debug)]
pub struct Accepted;

impl Value for Accepted {
    const REPEATS: bool = true;

    fn expected() -> String {
        "anything: edge does not need it".into()
    }

    fn read(_: &Node, _: &mut Diagnostics) -> Option<Accepted> {
        Some(Accepted)
    }

    fn schema() -> serde_json::Value {
        json!({})
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let text = args.iter().map(|a| a.text.as_str()).collect::<Vec<_>>().join(" ");
        Ok(Node::scalar(args.first().map(|a| a.span).unwrap_or_default(), text))
    }
}

/// The body of `types { text/html html htm; }`: media types with their extensions.
pub type Types = Named<Vec<String>>;

words! {
    /// Whether precompressed files are used.
    pub enum Precompressed {
        Off = "off" | "false",
        On = "on" | "true",
        Always = "always",
    }
}

words! {
    /// How If-Modified-Since is compared.
    pub enum IfModifiedSince {
        Off = "off" | "false",
        Exact = "exact",
        Before = "before",
    }
}

words! {
    /// Whether a body that nobody reads is waited for before the connection closes.
    pub enum LingeringClose {
        Off = "off" | "false",
        On = "on" | "true",
        Always = "always",
    }
}

words! {
    /// Which answers to requests that came through a proxy (with `Via`) are compressed.
    pub enum GzipProxied {
        Off = "off" | "false",
        Expired = "expired",
        NoCache = "no-cache",
        NoStore = "no-store",
        Private = "private",
        NoLastModified = "no_last_modified",
        NoEtag = "no_etag",
        Auth = "auth",
        Any = "any",
    }
}

words! {
    /// Whether bodies are kept in files with names, and for how long.
    pub enum BodyInFile {
        Off = "off" | "false",
        On = "on" | "true",
        Clean = "clean",
    }
}

words! {
    /// Which symbolic links are not followed.
    pub enum Symlinks {
        Off = "off" | "false",
        On = "on" | "true",
        IfNotOwner = "if_not_owner",
    }
}

/// Which symbolic links are not followed, and from where on: `on from=$document_root`.
#[derive(Clone, Debug)]
pub struct DisableSymlinks {
    pub rule: Symlinks,
    pub from: Option<String>,
}

impl Value for DisableSymlinks {
    fn expected() -> String {
        "`off`, `on` or `if_not_owner`, perhaps with ` from=PATH` behind it".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<DisableSymlinks> {
        let text = node.as_text().unwrap_or_default();
        let (word, from) = match text.split_once(" from=") {
            Some((word, from)) => (word, Some(from.to_owned())),
            None => (text, None),
        };
        let rule = match word {
            "off" | "false" => Symlinks::Off,
            "on" | "true" => Symlinks::On,
            "if_not_owner" => Symlinks::IfNotOwner,
            _ => return mismatch(node, diagnostics),
        };
        Some(DisableSymlinks { rule, from })
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "boolean"] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [rule] => Ok(rule.node()),
            [rule, from] if from.text.starts_with("from=") => {
                Ok(Node::scalar(rule.span, format!("{} {}", rule.text, from.text)))
            }
            _ => Err(format!("expected {}", Self::expected())),
        }
    }
}
