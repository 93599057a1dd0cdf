//! How `error_page` is written: in edge.yaml a map of statuses and paths, in nginx.conf a directive a page.

use serde_json::json;

use super::entry;
use crate::config::node::Kind;
use crate::config::value::{Arg, Spanned, Value, mismatch};
use crate::config::{Diagnostics, Node};

/// What the answer is when a request ends with one of some statuses.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    pub codes: Vec<u16>,
    /// A path, a named location or a URL; may hold variables.
    pub uri: Spanned<String>,
    pub status: ErrorPageStatus,
}

/// What status the page is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorPageStatus {
    /// The status that led here.
    Same,
    /// The one that fetching the page gives (`=` in nginx.conf).
    OfPage,
    /// A chosen one (`=200` in nginx.conf).
    Set(u16),
}

/// `{404: /404.html, '502 504': '@fallback'}`, or a list of `{code, uri, status}`.
#[derive(Clone, Debug, Default)]
pub struct ErrorPages(pub Vec<ErrorPage>);

impl ErrorPages {
    fn one(node: &Node, diagnostics: &mut Diagnostics) -> Option<ErrorPage> {
        for e in node.as_map().unwrap_or_default() {
            if !["code", "uri", "status"].contains(&e.key.as_str()) {
                diagnostics.error(e.span, format!("unknown key `{}`: expected `code`, `uri` or `status`", e.key));
                return None;
            }
        }
        let (Some(code), Some(uri)) = (node.get("code"), node.get("uri")) else {
            diagnostics.error(node.span, "an error page has a `code` and a `uri`");
            return None;
        };
        let status = match node.get("status").map(|n| (n, n.as_text())) {
            None => ErrorPageStatus::Same,
            Some((_, Some("of_page"))) => ErrorPageStatus::OfPage,
            Some((n, text)) => match text.and_then(|t| t.parse().ok()) {
                Some(code) => ErrorPageStatus::Set(code),
                None => {
                    diagnostics.error(n.span, format!("expected a status or `of_page`, found {}", n.describe()));
                    return None;
                }
            },
        };
        Some(ErrorPage { codes: read_codes(code, diagnostics)?, uri: Spanned::read(uri, diagnostics)?, status })
    }
}

impl Value for ErrorPages {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a map of statuses and paths, or a list of `{code, uri, status}`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<ErrorPages> {
        let pages = match &node.kind {
            Kind::List(items) => items.iter().filter_map(|item| Self::one(item, diagnostics)).collect(),
            Kind::Map(_) if node.get("code").is_some() => Self::one(node, diagnostics).into_iter().collect(),
            Kind::Map(entries) => entries
                .iter()
                .filter_map(|e| {
                    let codes = read_codes(&Node::quoted(e.span, &e.key), diagnostics)?;
                    Some(ErrorPage { codes, uri: Spanned::read(&e.value, diagnostics)?, status: ErrorPageStatus::Same })
                })
                .collect(),
            _ => return mismatch(node, diagnostics),
        };
        Some(ErrorPages(pages))
    }

    fn schema() -> serde_json::Value {
        let codes = json!({ "type": ["integer", "string", "array"] });
        let page = json!({
            "type": "object",
            "properties": { "code": codes, "uri": { "type": "string" }, "status": { "type": ["integer", "string"] } },
            "required": ["code", "uri"],
            "additionalProperties": false,
        });
        let by_code = json!({ "type": "object", "additionalProperties": { "type": "string" } });
        json!({ "anyOf": [page.clone(), { "type": "array", "items": page }, by_code] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [codes @ .., uri] = args else {
            return Err("expected statuses and a path".into());
        };
        let (codes, status) = match codes {
            [codes @ .., last] if last.text.starts_with('=') => (codes, Some(last)),
            codes => (codes, None),
        };
        let Some(first) = codes.first() else {
            return Err("expected at least one status before the path".into());
        };
        let mut entries = vec![
            entry("code", first.span, Node::list(first.span, codes.iter().map(Arg::node).collect())),
            entry("uri", uri.span, uri.node()),
        ];
        entries.extend(status.map(|s| {
            let value = if s.text == "=" { "of_page" } else { &s.text[1..] };
            entry("status", s.span, Node::scalar(s.span, value))
        }));
        Ok(Node::list(first.span, vec![Node::map(first.span, entries)]))
    }
}

/// A status, or several, of 3xx to 5xx.
fn read_codes(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<u16>> {
    let texts: Vec<&str> = match &node.kind {
        Kind::List(items) => items.iter().filter_map(Node::as_text).collect(),
        _ => node.as_text().map(|t| t.split_whitespace().collect()).unwrap_or_default(),
    };
    let codes: Option<Vec<u16>> = texts.iter().map(|t| t.parse().ok().filter(|c| (300..=599).contains(c))).collect();
    if codes.as_ref().is_none_or(Vec::is_empty) {
        diagnostics.error(node.span, format!("expected statuses from 300 to 599, found {}", node.describe()));
        return None;
    }
    codes
}
