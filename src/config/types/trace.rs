//! How `trace` is written: where spans go, and of how many requests.

use serde_json::json;

use super::{read_short, short_schema};
use crate::config::value::{Arg, Spanned, Time, Value, mismatch};
use crate::config::{Diagnostics, Node};
use crate::keys;

/// `5%`, `0.1%`
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(pub f64);

impl Value for Percent {
    fn expected() -> String {
        "a percentage such as `5%` or `0.1%`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Percent> {
        let number = node.as_text().and_then(|text| text.strip_suffix('%')).and_then(|text| text.trim().parse().ok());
        match number.filter(|number| (0.0..=100.0).contains(number)) {
            Some(number) => Some(Percent(number)),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^[0-9.]+%$" })
    }
}

keys! {
    /// Traces.
    pub struct TraceKeys {
        /// The collector, which takes OTLP over HTTP in JSON: `http://127.0.0.1:4318`. `/v1/traces` is put behind it.
        ["-"] endpoint: String,
        /// Of so many requests spans are sent. A trace that somebody else has begun, and who is in `trust`, is sampled if it was there.
        ["-"] sample: Percent = "1%",
        /// What edge is called in traces.
        ["-"] service: String = "edge",
        /// Whose `traceparent` counts: addresses and networks, `unix:` or `all`. For everybody else, and by default for all, a trace begins here.
        ["-"] trust: Vec<Spanned<String>>,
        /// How long the collector may take for what it is sent at once; then it is lost.
        ["-"] timeout: Time = "5s",
    }
}

/// `trace: http://127.0.0.1:4318`, or `{endpoint, sample, service, trust, timeout}`
#[derive(Clone, Debug)]
pub struct Trace(pub TraceKeys);

impl Value for Trace {
    fn expected() -> String {
        "the URL of a collector, such as `http://127.0.0.1:4318`, or a map with `endpoint`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Trace> {
        let keys: TraceKeys = read_short::<Trace, _>(node, "endpoint", "`trace`", diagnostics)?;
        if keys.endpoint.is_none() {
            diagnostics
                .error(node.span, "`trace` has no `endpoint`")
                .help("write where the collector listens: `trace: { endpoint: http://127.0.0.1:4318, sample: 1% }`");
            return None;
        }
        Some(Trace(keys))
    }

    fn schema() -> serde_json::Value {
        short_schema::<TraceKeys>(json!({ "type": "string" }))
    }

    fn from_args(_: &[Arg]) -> Result<Node, String> {
        Err("nginx.conf has no form for it: it is a key of edge.yaml".into())
    }
}
