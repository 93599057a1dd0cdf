//! What was expected beside what came out.

use super::Came;
use super::written::{CacheExpectKeys, ExpectKeys, Fields};
use crate::config::{Spanned, Value};
use crate::rules::outcome::{Answer, CacheWishes, Change, How};
use crate::variables::Defined;
use std::fmt;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: String,
    pub expected: String,
    pub came: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<24} expected {}, came {}", self.what, self.expected, self.came)
    }
}

/// Where nothing came.
const NOTHING: &str = "-";

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn compare(&mut self, what: impl Into<String>, expected: impl Into<String>, came: impl Into<String>) {
        let (expected, came): (String, String) = (expected.into(), came.into());
        if expected != came {
            let shown = |text: String| if text.is_empty() { NOTHING.to_owned() } else { text };
            self.0.push(Difference { what: what.into(), expected: shown(expected), came: shown(came) });
        }
    }

    fn text<T: Value + fmt::Display>(&mut self, what: &str, expected: &Option<Spanned<T>>, came: impl fmt::Display) {
        if let Some(expected) = expected {
            self.compare(what, expected.value.to_string(), came.to_string());
        }
    }

    fn list(&mut self, what: &str, expected: &Option<Spanned<Vec<Spanned<String>>>>, came: Vec<String>) {
        if let Some(expected) = expected {
            let expected: Vec<&str> = expected.value.iter().map(|name| name.as_str()).collect();
            self.compare(what, expected.join(", "), came.join(", "));
        }
    }

    fn fields(&mut self, what: &str, expected: &Option<Spanned<Fields>>, came: impl Fn(&str) -> Option<String>) {
        for (name, value) in expected.iter().flat_map(|fields| &fields.value.0) {
            self.compare(format!("{what} {name}"), value.clone().unwrap_or_default(), came(name).unwrap_or_default());
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All that differs.
pub(super) fn differences(expected: &ExpectKeys, came: &Came, defined: &Defined) -> Vec<Difference> {
    let mut out = Differences::default();
    let (outcome, Some(x)) = (&came.outcome, &came.exchange) else { return Vec::new() };
    out.text("status", &expected.status, came.status);
    out.fields("header", &expected.headers, |name| joined(&came.fields, name));
    if let Some(expected) = &expected.redirect {
        let to = match &outcome.answer {
            Some(Answer::Redirect { to, .. }) => lossy(to),
            _ => String::new(),
        };
        out.compare("redirect", expected.as_str(), to);
    }
    if let Some(expected) = &expected.body {
        let body = match &outcome.answer {
            Some(Answer::Text { body, .. }) => lossy(body),
            _ => String::new(),
        };
        out.compare("body", expected.as_str(), body);
    }
    out.text("path", &expected.path, lossy(&x.path));
    out.text("query", &expected.query, lossy(x.args.as_deref().unwrap_or_default()));
    out.fields("request header", &expected.request_headers, |name| {
        sent(&outcome.to_upstream, name, x.head.headers.get(name))
    });
    out.text("upstream", &expected.upstream, outcome.upstream.as_deref().unwrap_or_default());
    out.text("server", &expected.server, lossy(outcome.server.as_deref().unwrap_or_default()));
    let rules = x.rules.clone().unwrap_or_default();
    out.list("fired", &expected.fired, rules.fired.iter().map(|name| name.to_string()).collect());
    out.fields("variable", &expected.vars, |name| {
        defined.find(name).and_then(|slot| x.defined.value(slot, x)).as_deref().map(lossy)
    });
    out.fields("log", &expected.log, |name| {
        rules.log.iter().find(|(known, _)| &**known == name).map(|(_, value)| lossy(value))
    });
    if let Some(expected) = &expected.cache {
        cache(&mut out, &expected.value, &outcome.cache);
    }
    if let Some(expected) = &expected.delay {
        out.compare("delay", format!("{:?}", expected.value.0), format!("{:?}", outcome.delay));
    }
    out.list("mirrored", &expected.mirrored, outcome.mirrors.iter().map(|copy| copy.upstream.to_string()).collect());
    out.text("logged", &expected.logged, outcome.sampled.unwrap_or(true));
    out.0
}

fn cache(out: &mut Differences, expected: &CacheExpectKeys, came: &CacheWishes) {
    out.text("cache bypass", &expected.bypass, came.bypass);
    out.text("cache no_store", &expected.no_store, came.no_store);
    if let Some(ttl) = &expected.ttl {
        let came = came.ttl.map_or_else(String::new, |ttl| format!("{ttl:?}"));
        out.compare("cache ttl", format!("{:?}", ttl.value.0), came);
    }
    out.text("cache key", &expected.key, lossy(came.key.as_deref().unwrap_or_default()));
    out.list("cache tags", &expected.tags, came.tags.clone());
}

fn joined(fields: &[Change], name: &str) -> Option<String> {
    let values: Vec<String> =
        fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| lossy(&field.value)).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A field as the upstream is sent it.
fn sent(changes: &[Change], name: &str, client: Option<&[u8]>) -> Option<String> {
    let mut values: Vec<String> = client.map(lossy).into_iter().collect();
    for change in changes.iter().filter(|change| change.name.eq_ignore_ascii_case(name)) {
        if change.how != How::Add {
            values.clear();
        }
        if change.how != How::Remove && !change.value.is_empty() {
            values.push(lossy(&change.value));
        }
    }
    (!values.is_empty()).then(|| values.join(", "))
}
