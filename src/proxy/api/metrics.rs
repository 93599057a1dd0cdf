//! The report for Prometheus (text exposition format 0.0.4), each family with what it is.

use super::report::{Report, ServerReport, UpstreamReport};
use crate::cache::store::Counters;
use crate::count::Times;
use crate::observe::traffic::{CLASSES, Counted, Name};
use crate::rules::counts::{self, Attached};
use std::borrow::Cow;
use std::fmt::{Display, Write};

/// What a family is: its name, its kind, and a sentence. One table, so that the reference has all of them.
pub const FAMILIES: &[(&str, &str, &str)] = &[
    ("edge_info", "gauge", "1, labelled with the version of this edge."),
    ("edge_start_time_seconds", "gauge", "When the process began, in seconds since 1970."),
    ("edge_config_generation", "gauge", "How often the configuration has been read since the start."),
    (
        "edge_connections",
        "gauge",
        "Open connections of clients, by what they do: reading a head, writing an answer, waiting.",
    ),
    ("edge_connections_accepted_total", "counter", "Connections of clients that were accepted."),
    ("edge_connections_handled_total", "counter", "Those of them that were not too many (worker_connections)."),
    (
        "edge_requests_total",
        "counter",
        "Requests that have ended, by server, location and class of status; `0xx`: not answered.",
    ),
    ("edge_received_bytes_total", "counter", "Bytes of requests from clients, heads included."),
    ("edge_sent_bytes_total", "counter", "Bytes of answers to clients, heads included."),
    ("edge_request_seconds", "histogram", "From the first byte of a request to the last one of its answer."),
    (
        "edge_rule_asked_total",
        "counter",
        "How often the condition of a rule was looked at, by where it is attached; those that method, host or path leave out are not asked.",
    ),
    ("edge_rule_fired_total", "counter", "How often it held."),
    ("edge_rule_faults_total", "counter", "How often it had no value, which is told in the error log once a minute."),
    (
        "edge_rule_answered_total",
        "counter",
        "Requests that a rule answered, by class of status: refused, sent elsewhere, answered with a text.",
    ),
    (
        "edge_rule_limited_total",
        "counter",
        "What `rate_limit` and `concurrency_limit` of a rule said: `passed`, `delayed` or `refused`.",
    ),
    (
        "edge_rule_limited_alone_total",
        "counter",
        "Those that this edge decided alone, because memcached had no answer, of limits that several edges share.",
    ),
    ("edge_upstream_server_up", "gauge", "Whether requests are sent to a server, by its state: 1 for `up`."),
    ("edge_upstream_requests_total", "counter", "How often a server was chosen."),
    ("edge_upstream_failures_total", "counter", "How many of these failed in a way that counts for `max_fails`."),
    ("edge_upstream_requests_in_flight", "gauge", "Requests that a server has not answered in whole."),
    ("edge_upstream_seconds", "histogram", "From the choice of a server to the last byte of its answer."),
    ("edge_cache_requests_total", "counter", "Requests by what the cache was to them."),
    ("edge_cache_objects", "gauge", "Answers that are stored."),
    ("edge_cache_memory_bytes", "gauge", "What of them is in memory."),
    ("edge_cache_disk_bytes", "gauge", "What of them is on the disk."),
    ("edge_cache_evictions_total", "counter", "Answers that made room for others."),
    ("edge_cache_errors_total", "counter", "Failures of the disk, damaged files included."),
    (
        "edge_sessions_total",
        "counter",
        "What happened to sessions, by upstream; the words are those of `edge session stats`.",
    ),
    (
        "edge_trace_spans_total",
        "counter",
        "Spans of sampled requests: `sent`, `dropped` (more than could wait) or `failed` (the collector did not take them).",
    ),
];

const CLASS_WORDS: [&str; CLASSES] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A family, and its value of each.
type Read<T> = (&'static str, fn(&T) -> u64);

/// The whole text. A family is written where it has values.
pub fn text(report: &Report) -> String {
    let mut page = Page::default();
    process(&mut page, report);
    traffic(&mut page, &report.traffic);
    rules(&mut page, &report.rules);
    upstreams(&mut page, &report.upstreams);
    caches(&mut page, report);
    page.family("edge_sessions_total");
    for sessions in &report.sessions {
        for (outcome, count) in &sessions.counts {
            page.value("", &[("upstream", &sessions.upstream), ("outcome", outcome)], count);
        }
    }
    page.family("edge_trace_spans_total");
    for (outcome, count) in &report.spans {
        page.value("", &[("outcome", outcome)], count);
    }
    page.out
}

fn process(page: &mut Page, report: &Report) {
    let connections = &report.connections;
    page.family("edge_info").value("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let started = report.started.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    page.family("edge_start_time_seconds").value("", &[], started.as_secs_f64());
    page.family("edge_config_generation").value("", &[], report.generation);
    page.family("edge_connections");
    let states = [("reading", connections.reading), ("writing", connections.writing), ("waiting", connections.waiting)];
    states.iter().for_each(|(state, count)| page.value("", &[("state", state)], count));
    page.family("edge_connections_accepted_total").value("", &[], connections.accepted);
    page.family("edge_connections_handled_total").value("", &[], connections.handled);
}

fn traffic(page: &mut Page, traffic: &[(Name, Counted)]) {
    let labels = |name: &'_ Name| [("server", name.server.clone()), ("location", name.location.clone())];
    page.family("edge_requests_total");
    for (name, counted) in traffic {
        let statuses = CLASS_WORDS.into_iter().zip(counted.statuses).chain([("0xx", counted.unanswered)]);
        for (status, count) in statuses.filter(|(_, count)| *count > 0) {
            page.value("", &[("server", &name.server), ("location", &name.location), ("status", status)], count);
        }
    }
    let each: [Read<Counted>; 2] =
        [("edge_received_bytes_total", |counted| counted.received), ("edge_sent_bytes_total", |counted| counted.sent)];
    for (family, read) in each {
        page.family(family);
        for (name, counted) in traffic {
            let [server, location] = labels(name);
            page.value("", &[(server.0, &server.1), (location.0, &location.1)], read(counted));
        }
    }
    page.family("edge_request_seconds");
    for (name, counted) in traffic.iter().filter(|(_, counted)| counted.requests() > 0) {
        page.histogram(&[("server", &name.server), ("location", &name.location)], &counted.times);
    }
}

fn rules(page: &mut Page, rules: &[(Attached, counts::Counted)]) {
    let each: [Read<counts::Counted>; 2] =
        [("edge_rule_asked_total", |counted| counted.asked), ("edge_rule_fired_total", |counted| counted.fired)];
    for (family, read) in each {
        page.family(family);
        for (attached, counted) in rules {
            page.value("", &labels_of(attached), read(counted));
        }
    }
    // What never happened to a rule, and to most of them cannot, is left out.
    let some: [Read<counts::Counted>; 2] = [
        ("edge_rule_faults_total", |counted| counted.faults),
        ("edge_rule_limited_alone_total", |counted| counted.alone),
    ];
    for (family, read) in some {
        page.family(family);
        for (attached, counted) in rules.iter().filter(|(_, counted)| read(counted) > 0) {
            page.value("", &labels_of(attached), read(counted));
        }
    }
    by_word(page, "edge_rule_answered_total", "status", rules, |counted| {
        CLASS_WORDS.into_iter().zip(counted.answered).collect()
    });
    by_word(page, "edge_rule_limited_total", "outcome", rules, |counted| {
        vec![("passed", counted.passed), ("delayed", counted.delayed), ("refused", counted.refused)]
    });
}

fn by_word(
    page: &mut Page,
    family: &'static str,
    label: &str,
    rules: &[(Attached, counts::Counted)],
    read: impl Fn(&counts::Counted) -> Vec<(&'static str, u64)>,
) {
    page.family(family);
    for (attached, counted) in rules {
        for (word, count) in read(counted).into_iter().filter(|(_, count)| *count > 0) {
            let [server, location, rule] = labels_of(attached);
            page.value("", &[server, location, rule, (label, word)], count);
        }
    }
}

fn labels_of(attached: &Attached) -> [(&str, &str); 3] {
    [("server", &attached.server), ("location", &attached.location), ("rule", &attached.rule)]
}

fn upstreams(page: &mut Page, upstreams: &[UpstreamReport]) {
    let each: [Read<ServerReport>; 3] = [
        ("edge_upstream_requests_total", |server| server.requests),
        ("edge_upstream_failures_total", |server| server.failures),
        ("edge_upstream_requests_in_flight", |server| server.in_flight as u64),
    ];
    let servers =
        || upstreams.iter().flat_map(|upstream| upstream.servers.iter().map(|server| (&upstream.name, server)));
    page.family("edge_upstream_server_up");
    for (upstream, server) in servers() {
        let labels = [("upstream", &**upstream), ("server", &*server.name), ("state", server.state)];
        page.value("", &labels, u8::from(server.state == "up"));
    }
    for (family, read) in each {
        page.family(family);
        for (upstream, server) in servers() {
            page.value("", &[("upstream", upstream), ("server", &server.name)], read(server));
        }
    }
    page.family("edge_upstream_seconds");
    for (upstream, server) in servers().filter(|(_, server)| server.times.count() > 0) {
        page.histogram(&[("upstream", upstream), ("server", &server.name)], &server.times);
    }
}

fn caches(page: &mut Page, report: &Report) {
    page.family("edge_cache_requests_total");
    for cache in &report.caches {
        for (status, count) in cache.statuses() {
            page.value("", &[("zone", &cache.name), ("status", &status)], count);
        }
    }
    let each: [Read<Counters>; 5] = [
        ("edge_cache_objects", |counters| counters.objects),
        ("edge_cache_memory_bytes", |counters| counters.memory_bytes),
        ("edge_cache_disk_bytes", |counters| counters.disk_bytes),
        ("edge_cache_evictions_total", |counters| counters.evictions),
        ("edge_cache_errors_total", |counters| counters.errors),
    ];
    for (family, read) in each {
        page.family(family);
        for cache in &report.caches {
            page.value("", &[("zone", &cache.name)], read(&cache.counters));
        }
    }
}

/// What is being written. The head of a family stands before its first value.
#[derive(Default)]
struct Page {
    out: String,
    family: &'static str,
    head: Option<String>,
}

impl Page {
    fn family(&mut self, name: &'static str) -> &mut Page {
        let known = FAMILIES.iter().find(|(known, ..)| *known == name);
        self.head = known.map(|(name, kind, what)| format!("# HELP {name} {what}\n# TYPE {name} {kind}\n"));
        self.family = name;
        self
    }

    /// To write to a text does not fail.
    fn value(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out += &self.head.take().unwrap_or_default();
        let _ = write!(self.out, "{}{suffix}", self.family);
        for (at, (name, value)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            let _ = write!(self.out, "{open}{name}=\"{}\"", escaped(value));
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.out, "{close} {value}");
    }

    fn histogram(&mut self, labels: &[(&str, &str)], times: &Times) {
        let up_to = times.up_to().map(|(end, count)| (end.as_secs_f64().to_string(), count));
        for (end, count) in up_to.chain([("+Inf".to_owned(), times.count())]) {
            let with_end: Vec<_> = labels.iter().copied().chain([("le", &*end)]).collect();
            self.value("_bucket", &with_end, count);
        }
        self.value("_sum", labels, times.sum.as_secs_f64());
        self.value("_count", labels, times.count());
    }
}

/// The value of a label.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return text.into();
    }
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_without_values_has_no_head_and_labels_are_escaped() {
        let mut page = Page::default();
        page.family("edge_cache_objects");
        page.family("edge_requests_total").value("", &[("location", "~ \"\\.js\"")], 3);
        page.value("", &[], 4);
        let lines: Vec<&str> = page.out.lines().filter(|line| !line.starts_with("# HELP")).collect();
        let value = r#"edge_requests_total{location="~ \"\\.js\""} 3"#;
        assert_eq!(lines, ["# TYPE edge_requests_total counter", value, "edge_requests_total 4"]);
    }

    #[test]
    fn names_say_what_kind_they_are_and_stand_once() {
        for (at, (name, kind, what)) in FAMILIES.iter().enumerate() {
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name}");
            assert!(what.ends_with('.') && !what.contains('\n'), "{name}");
            assert!(FAMILIES[..at].iter().all(|(other, ..)| other != name), "{name} stands twice");
        }
    }
}
