//! How `health_check` is written: a word (`http`, `tcp`) or a map. In nginx.conf it is a directive of the upstream, with the
//! parameters of nginx's commercial one; what that calls `fails` and `passes` is `fall` and `rise` here.

use serde_json::json;

use super::{entry, parameters, read_short, short_schema};
use crate::config::value::{Arg, Named, Time, Value, mismatch};
use crate::config::{Diagnostics, Node, Span, Spanned};
use crate::{keys, words};

words! {
    /// What a check does.
    pub enum HealthCheckType {
        Http = "http",
        Tcp = "tcp",
    }
}

keys! {
    /// How servers are checked.
    pub struct HealthCheckKeys {
        /// `http`: a request that must be answered as `status` and `body` say; `tcp`: a connection that must come about.
        ["-"] type_("type"): HealthCheckType = "http",
        /// What is asked for.
        ["-"] uri: String = "/",
        /// From the beginning of one check to that of the next. The checks of an upstream are spread over it.
        ["-"] interval: Time = "5s",
        /// Each check is late by a random time up to this.
        ["-"] jitter: Time = "0",
        /// How long one check may take, whatever it waits for.
        ["-"] timeout: Time = "5s",
        /// So many checks in a row must pass until a server that was unhealthy is used again.
        ["-"] rise: u32 = "1",
        /// So many checks in a row must fail until a server that was healthy is left out.
        ["-"] fall: u32 = "1",
        /// Another port than the one requests go to.
        ["-"] port: u16,
        /// The statuses that pass, and ranges of them.
        ["-"] status: Vec<StatusRange> = "200-399",
        /// A regular expression that the first 256k of the body must match.
        ["-"] body: String,
        /// Fields of the request beside `Host` (the upstream's name unless it is given here) and `User-Agent`.
        ["-"] headers: Named<String>,
    }
}

/// `health_check`
#[derive(Clone, Debug)]
pub struct HealthCheck(pub HealthCheckKeys);

impl Value for HealthCheck {
    fn expected() -> String {
        "`http`, `tcp`, or a map with `type`, `uri`, `interval`, `timeout`, `rise`, `fall`, `status`, `body` …".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<HealthCheck> {
        read_short::<HealthCheck, _>(node, "type", "`health_check`", diagnostics).map(HealthCheck)
    }

    fn schema() -> serde_json::Value {
        short_schema::<HealthCheckKeys>(HealthCheckType::schema())
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let at = args.first().map(|arg| arg.span).unwrap_or_default();
        let mut entries = Vec::new();
        for e in parameters(args, &["mandatory", "persistent"])? {
            let key = match e.key.as_str() {
                "fails" => "fall",
                "passes" => "rise",
                "match" => return Err("`match` blocks are written as `status=200-399` and `body=REGEX` here".into()),
                "mandatory" | "persistent" | "keepalive_time" => {
                    return Err(format!(
                        "`{}` is not needed: edge listens when each server was checked, and a reload forgets nothing",
                        e.key
                    ));
                }
                key => key,
            };
            entries.push(entry(key, e.span, e.value));
        }
        Ok(Node::map(at, entries))
    }
}

/// A status, or a range of them: `200`, `200-399`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    pub first: u16,
    pub last: u16,
}

impl Value for StatusRange {
    fn expected() -> String {
        "a status such as `200` or a range such as `200-399`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<StatusRange> {
        match node.as_text().and_then(range) {
            Some(range) => Some(range),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "integer"], "pattern": "^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$" })
    }
}

fn range(text: &str) -> Option<StatusRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    let range = StatusRange { first: status(first)?, last: status(last)? };
    (range.first <= range.last).then_some(range)
}

/// Where a key stands that means nothing for this type of check.
pub fn meant_for_http(keys: &HealthCheckKeys) -> Vec<(&'static str, Span)> {
    fn at<T>(name: &'static str, key: &Option<Spanned<T>>) -> Option<(&'static str, Span)> {
        key.as_ref().map(|key| (name, key.span))
    }
    [at("uri", &keys.uri), at("status", &keys.status), at("body", &keys.body), at("headers", &keys.headers)]
        .into_iter()
        .flatten()
        .collect()
}
