//! `rate_limit` and `concurrency_limit`: how many requests of one kind there may be. Who counts is the caller.

use super::{Action, Reader, Status};
use crate::config::keys::read_map;
use crate::config::value::{Spanned, mismatch};
use crate::config::{Diagnostics, Node, Value};
use crate::keys;
use crate::limit::{Delay, Rate, RateLimit};
use crate::rules::expr::Expr;
use std::sync::Arc;

/// `rate_limit`
#[derive(Debug)]
pub struct RateAction {
    /// Under which it is counted: rules with one name share their counts.
    pub name: Arc<str>,
    /// What is counted; a request for which it is empty is not.
    pub by: Expr,
    pub limit: RateLimit,
    pub status: u16,
    /// The store of the counts that several edges share.
    pub shared: Option<Arc<str>>,
}

/// `concurrency_limit`
#[derive(Debug)]
pub struct ConcurrencyAction {
    pub name: Arc<str>,
    pub by: Expr,
    pub limit: u32,
    pub status: u16,
}

/// `5/m`
#[derive(Clone, Debug)]
pub struct RateText(pub Rate);

impl Value for RateText {
    fn expected() -> String {
        "a rate such as `10/s`, `5/m` or `100/h`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<RateText> {
        match node.as_text().and_then(Rate::parse) {
            Some(rate) => Some(RateText(rate)),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "string", "pattern": "^[0-9]+r?/[smh]$" })
    }
}

keys! {
    /// `rate_limit`
    pub struct RateKeys {
        /// What is counted, an expression: `client.ip`, `request.cookie('JSESSIONID')`. Requests for which it is empty, or has no value,
        /// are not limited.
        ["-"] by: String,
        /// How many are let through, evenly: `10/s`, `5/m`, `100/h`.
        ["-"] rate: RateText,
        /// How many may come sooner than that.
        ["-"] burst: u32 = "0",
        /// Those of the burst go through at once; otherwise they wait for their turn, as in nginx.
        ["-"] nodelay: bool = "false",
        /// So many of the burst go through at once.
        ["-"] delay: u32,
        /// What those beyond are answered with, with `Retry-After`.
        ["-"] status: Status = "429",
        /// The `session_store` in whose memcached several edges count together.
        ["-"] shared: String,
        /// The name it is counted under; that of the rule by default. Rules of one name count together.
        ["-"] name: String,
    }
}

pub(super) fn rate(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys: RateKeys = read_map(node, "`rate_limit`", reader.diagnostics)?;
    let by = by(node, keys.by.as_ref(), "rate_limit", reader);
    if node.get("rate").is_none() {
        reader.error(node, "`rate_limit` has no `rate`").help("write `rate: 10/s`");
    }
    if let (Some(_), Some(delay)) = (&keys.nodelay, &keys.delay) {
        reader.diagnostics.error(delay.span, "a limit has either `nodelay` or `delay`");
    }
    let shared = match &keys.shared {
        Some(store) => Some(known_store(store, reader)?),
        None => None,
    };
    let delay = match (keys.nodelay(), &keys.delay) {
        (true, _) => Delay::None,
        (false, Some(after)) => Delay::After(after.value),
        (false, None) => Delay::All,
    };
    let limit = RateLimit { rate: keys.rate.as_ref()?.value.0, burst: keys.burst(), delay };
    let action = RateAction { name: name(keys.name.as_ref(), reader), by: by?, limit, status: keys.status().0, shared };
    reader.parts.rates.push(action);
    Some(vec![Action::RateLimit(reader.parts.rates.len() - 1)])
}

keys! {
    /// `concurrency_limit`
    pub struct ConcurrencyKeys {
        /// What is counted, an expression. Requests for which it is empty, or has no value, are not limited.
        ["-"] by: String,
        /// How many requests of one kind may be under way.
        ["-"] limit: u32,
        /// What those beyond are answered with.
        ["-"] status: Status = "503",
        /// The name it is counted under; that of the rule by default.
        ["-"] name: String,
    }
}

pub(super) fn concurrency(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys: ConcurrencyKeys = read_map(node, "`concurrency_limit`", reader.diagnostics)?;
    let by = by(node, keys.by.as_ref(), "concurrency_limit", reader);
    match &keys.limit {
        None if node.get("limit").is_none() => {
            reader.error(node, "`concurrency_limit` has no `limit`").help("write `limit: 10`");
        }
        Some(limit) if limit.value == 0 => {
            reader.diagnostics.error(limit.span, "a limit of 0 lets nobody through").help("write `respond: 503`");
        }
        _ => {}
    }
    let limit = keys.limit.as_ref()?.value;
    let action = ConcurrencyAction { name: name(keys.name.as_ref(), reader), by: by?, limit, status: keys.status().0 };
    reader.parts.concurrencies.push(action);
    Some(vec![Action::ConcurrencyLimit(reader.parts.concurrencies.len() - 1)])
}

fn by(node: &Node, by: Option<&Spanned<String>>, word: &str, reader: &mut Reader<'_>) -> Option<Expr> {
    let Some(by) = by else {
        reader
            .error(node, format!("`{word}` has no `by`: what is counted"))
            .help("write `by: client.ip`, or `by: \"'all'\"` for all requests together");
        return None;
    };
    reader.expression(by)
}

fn name(written: Option<&Spanned<String>>, reader: &Reader<'_>) -> Arc<str> {
    written.map_or(reader.rule, |name| name.as_str()).into()
}

fn known_store(name: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Arc<str>> {
    if let Some(known) = reader.names.stores.filter(|known| !known.contains(&name.value)) {
        reader
            .diagnostics
            .error(name.span, format!("there is no session_store `{}`", name.value))
            .did_you_mean(name, known.iter().map(String::as_str))
            .help("`session_store:` at the top of the configuration names the memcacheds");
        return None;
    }
    Some(name.as_str().into())
}
