//! Spans, and what OTLP makes of them in JSON (opentelemetry-proto, "JSON Protobuf Encoding"): ids are hexadecimal, what has 64
//! bits is a text.

use crate::variables::hostname;
use crate::variables::trace::{SpanId, TraceId, write_hex};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// By OTLP's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request that was answered.
    Server = 2,
    /// One that was asked.
    Client = 3,
}

/// The number of a status that says that something went wrong.
const ERROR: u8 = 2;

#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    Text(String),
    Number(i64),
    Texts(Vec<String>),
}

/// A time in which something was done.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: TraceId,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub name: String,
    pub kind: Kind,
    pub began: SystemTime,
    pub time: Duration,
    pub attributes: Vec<(&'static str, Attribute)>,
    pub failed: bool,
}

impl Span {
    pub fn new(trace: TraceId, id: SpanId, kind: Kind, name: String) -> Span {
        Span {
            trace,
            id,
            parent: None,
            name,
            kind,
            began: UNIX_EPOCH,
            time: Duration::ZERO,
            attributes: Vec::new(),
            failed: false,
        }
    }

    pub fn text(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        self.attributes.push((name, Attribute::Text(String::from_utf8_lossy(value.as_ref()).into_owned())));
    }

    pub fn number(&mut self, name: &'static str, value: u64) {
        self.attributes.push((name, Attribute::Number(i64::try_from(value).unwrap_or(i64::MAX))));
    }

    fn to_json(&self) -> Value {
        let mut span = json!({
            "traceId": hex(&self.trace),
            "spanId": hex(&self.id),
            "name": self.name,
            "kind": self.kind as u8,
            "startTimeUnixNano": nanos(self.began),
            "endTimeUnixNano": nanos(self.began + self.time),
            "attributes": self.attributes.iter().map(|(name, value)| attribute(name, value)).collect::<Vec<_>>(),
        });
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = hex(parent).into();
        }
        if self.failed {
            span["status"] = json!({ "code": ERROR });
        }
        span
    }
}

/// What is sent (`ExportTraceServiceRequest`).
pub fn body(service: &str, spans: &[Span]) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let text = |text: &str| Attribute::Text(text.to_owned());
    let resource = [
        ("service.name", text(service)),
        ("service.version", text(version)),
        ("host.name", text(hostname())),
        ("process.pid", Attribute::Number(std::process::id().into())),
    ];
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource.iter().map(|(name, value)| attribute(name, value)).collect::<Vec<_>>() },
        "scopeSpans": [{
            "scope": { "name": "edge", "version": version },
            "spans": spans.iter().map(Span::to_json).collect::<Vec<_>>(),
        }],
    }] })
}

fn attribute(name: &str, value: &Attribute) -> Value {
    let text = |text: &String| json!({ "stringValue": text });
    let value = match value {
        Attribute::Text(value) => text(value),
        Attribute::Number(value) => json!({ "intValue": value.to_string() }),
        Attribute::Texts(values) => json!({ "arrayValue": { "values": values.iter().map(text).collect::<Vec<_>>() } }),
    };
    json!({ "key": name, "value": value })
}

fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(2 * bytes.len());
    write_hex(bytes, &mut out);
    // Digits alone.
    String::from_utf8(out).unwrap_or_default()
}

fn nanos(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_written_as_otlp_has_it() {
        let mut span = Span::new([0xab; 16], [0x01; 8], Kind::Client, "GET".into());
        span.parent = Some([0x02; 8]);
        (span.began, span.time) = (UNIX_EPOCH + Duration::from_secs(1_700_000_000), Duration::from_nanos(1_500));
        span.failed = true;
        span.text("url.path", b"/\xff");
        span.number("http.response.status_code", 502);
        span.attributes.push(("edge.rules", Attribute::Texts(vec!["a".into()])));
        let sent = body("shop", &[span]);
        let of = &sent["resourceSpans"][0];
        let service = json!({ "key": "service.name", "value": { "stringValue": "shop" } });
        assert!(of["resource"]["attributes"].as_array().unwrap().contains(&service));
        let expected = json!({
            "traceId": "abababababababababababababababab",
            "spanId": "0101010101010101",
            "parentSpanId": "0202020202020202",
            "name": "GET",
            "kind": 3,
            "startTimeUnixNano": "1700000000000000000",
            "endTimeUnixNano": "1700000000000001500",
            "attributes": [
                { "key": "url.path", "value": { "stringValue": "/\u{fffd}" } },
                { "key": "http.response.status_code", "value": { "intValue": "502" } },
                { "key": "edge.rules", "value": { "arrayValue": { "values": [{ "stringValue": "a" }] } } },
            ],
            "status": { "code": 2 },
        });
        assert_eq!(of["scopeSpans"][0]["spans"], json!([expected]));
    }
}
