//! Traces: what a collector is sent, what upstreams and logs are told, and that nobody waits for a collector.

use super::prometheus::Metrics;
use crate::messages::Desk;
use crate::support::backend::{self, Backend};
use crate::support::edge::Edge;
use crate::support::request::{self, Request};
use crate::support::{ports, wait};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(10);
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// An edge between an application and a collector. Nobody listens at the first server of the application.
struct Traced {
    edge: Edge,
    admin: SocketAddr,
    origin: Backend,
    collector: Backend,
}

fn taking() -> Backend {
    Backend::answering("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
}

impl Traced {
    /// `trace`: what stands there besides the endpoint; `None`: there is none.
    fn start(trace: Option<&str>, collector: Backend, environment: &[(&str, &str)]) -> Traced {
        let origin = Backend::start(|seen, answer| {
            let status = if seen.target().starts_with("/broken") { 503 } else { 200 };
            answer.write(backend::answer(status, "text/plain", "hello"));
        });
        let (port, admin) = (ports::free(), ports::free());
        let text = configuration(port, admin, origin.address(), trace.map(|more| (collector.address(), more)));
        let plan = Edge::yaml(&text, port).also_on(admin);
        let plan = environment.iter().fold(plan, |plan, (name, value)| plan.with_environment(name, value));
        Traced { edge: plan.start(), admin: ([127, 0, 0, 1], admin).into(), origin, collector }
    }

    fn send(&self, request: Request) -> u16 {
        request.host("shop.test").send(self.edge.address()).status()
    }

    /// The spans that the collector has, once there are so many.
    fn spans(&self, count: usize) -> Vec<Value> {
        let found = wait::until(SOON, || Some(spans(&self.collector)).filter(|spans| spans.len() >= count));
        let found = found.unwrap_or_else(|| panic!("{count} spans: {:?}", spans(&self.collector)));
        assert_eq!(found.len(), count, "{found:?}");
        found
    }

    fn reload(&self, trace: Option<&str>) {
        let (port, admin) = (self.edge.address().port(), self.admin.port());
        let trace = trace.map(|more| (self.collector.address(), more));
        self.edge.write_configuration(&configuration(port, admin, self.origin.address(), trace));
        let said = Desk::new().edge(&["-s", "reload", "-c", self.edge.file("edge.yaml").to_str().unwrap()]);
        assert!(said.status.success(), "{}", said.stderr);
    }

    fn lines(&self, count: usize) -> Vec<String> {
        let read = || std::fs::read_to_string(self.edge.file("logs/access.log")).unwrap_or_default();
        let lines = || read().lines().map(str::to_owned).collect::<Vec<_>>();
        wait::until(SOON, || Some(lines()).filter(|lines| lines.len() >= count))
            .unwrap_or_else(|| panic!("{:?}", lines()))
    }

    fn count(&self, outcome: &str) -> f64 {
        let answer = request::get("/metrics").send(self.admin);
        let metrics = Metrics::parse(&answer.text()).unwrap_or_else(|why| panic!("{why}"));
        metrics.value("edge_trace_spans_total", &[("outcome", outcome)]).unwrap_or_default()
    }
}

fn configuration(port: u16, admin: u16, origin: SocketAddr, trace: Option<(SocketAddr, &str)>) -> String {
    let trace =
        trace.map(|(collector, more)| format!("trace: {{ endpoint: 'http://{collector}', service: shop, {more} }}\n"));
    format!(
        "admin: 127.0.0.1:{admin}\n{}log_format: {{ traced: '$status $trace_id $span_id' }}\n\
         access_log: {{ path: logs/access.log, format: traced }}\n\
         upstream:\n  app: {{ servers: [{{ address: '127.0.0.1:1', max_fails: 0, weight: 100 }}, '{origin}'] }}\n  \
         kept: {{ session: {{ cookie: JSESSIONID }}, servers: [{{ address: '127.0.0.1:1', route: t1 }}] }}\n  \
         one: {{ servers: ['{origin}'] }}\n\
         server:\n  - listen: 127.0.0.1:{port}\n    server_name: [shop.test]\n    location:\n      \
         - {{ match: /, proxy_pass: 'http://one' }}\n      \
         - {{ match: /app/, proxy_pass: 'http://app' }}\n      \
         - {{ match: /made, return: 204 }}\n      \
         - {{ match: /own, proxy_pass: 'http://one', proxy_set_header: {{ traceparent: mine }} }}\n      \
         - {{ match: /copied, proxy_pass: 'http://one', mirror: /copy }}\n      \
         - {{ match: /copy, internal: on, proxy_pass: 'http://one' }}\n",
        trace.unwrap_or_default()
    )
}

/// What a collector was sent, each batch checked against what OTLP says of it.
fn spans(collector: &Backend) -> Vec<Value> {
    let mut all = Vec::new();
    for seen in collector.seen() {
        assert_eq!((seen.method(), seen.target()), ("POST", "/v1/traces"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        let of = &body["resourceSpans"][0];
        let service = serde_json::json!({ "key": "service.name", "value": { "stringValue": "shop" } });
        assert!(of["resource"]["attributes"].as_array().unwrap().contains(&service), "{of}");
        let spans = of["scopeSpans"][0]["spans"].as_array().unwrap();
        spans.iter().for_each(check);
        all.extend(spans.iter().cloned());
    }
    all
}

fn is_hex(value: &Value, digits: usize) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == digits
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && text.bytes().any(|b| b != b'0')
}

fn check(span: &Value) {
    assert!(is_hex(&span["traceId"], 32) && is_hex(&span["spanId"], 16), "{span}");
    assert!(span["parentSpanId"].is_null() || is_hex(&span["parentSpanId"], 16), "{span}");
    assert!(matches!(span["kind"].as_u64(), Some(2 | 3)) && span["name"].is_string(), "{span}");
    let time = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
    let (began, ended) = (time("startTimeUnixNano"), time("endTimeUnixNano"));
    // In this century, in nanoseconds.
    assert!(began > 1_600_000_000_000_000_000 && began <= ended && ended - began < 60_000_000_000, "{span}");
    for attribute in span["attributes"].as_array().unwrap() {
        let value = attribute["value"].as_object().unwrap();
        assert!(attribute["key"].is_string() && value.len() == 1, "{span}");
        assert!(value.get("intValue").is_none_or(Value::is_string), "{span}");
    }
}

fn attribute<'s>(span: &'s Value, name: &str) -> &'s str {
    let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == name);
    let value = found.map(|attribute| &attribute["value"]);
    value.and_then(|value| value["stringValue"].as_str().or(value["intValue"].as_str())).unwrap_or_default()
}

fn of_kind(spans: &[Value], kind: u64) -> Vec<&Value> {
    spans.iter().filter(|span| span["kind"] == kind).collect()
}

/// A server that is not there, then one that is: three spans, by Pingora's way and by the lane.
fn a_request_is_a_tree_of_spans(environment: &[(&str, &str)]) {
    let traced = Traced::start(Some("sample: 100%"), taking(), environment);
    let id = "0123456789ABCDEF0123456789ABCDEF.t1";
    let target = format!("/app/a;jsessionid={id}?x=1");
    assert_eq!(traced.send(request::get(&target).header("User-Agent", "tester")), 200);
    let all = traced.spans(3);
    assert!(!serde_json::to_string(&all).unwrap().contains("0123456789ABCDEF"), "{all:?}");
    let [server] = of_kind(&all, 2)[..] else { panic!("{all:?}") };
    let mut asked = of_kind(&all, 3);
    asked.sort_by_key(|span| span["startTimeUnixNano"].as_str().unwrap().to_owned());
    let [failed, answered] = asked[..] else { panic!("{all:?}") };
    assert!(server["parentSpanId"].is_null() && server["status"].is_null());
    for span in [failed, answered] {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&server["traceId"], &server["spanId"]));
        assert!(span["startTimeUnixNano"].as_str() >= server["startTimeUnixNano"].as_str());
        assert!(span["endTimeUnixNano"].as_str() <= server["endTimeUnixNano"].as_str(), "{all:?}");
    }
    for (name, expected) in [
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/app/a;jsessionid=*.t1"),
        ("url.query", "x=1"),
        ("http.route", "/app/"),
        ("server.address", "shop.test"),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "tester"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "5"),
    ] {
        assert_eq!(attribute(server, name), expected, "{name}: {server}");
    }
    assert_eq!(server["name"], "GET /app/");
    assert_eq!((&failed["status"]["code"], attribute(failed, "error.type")), (&2.into(), "connection_error"));
    assert_eq!(attribute(answered, "http.response.status_code"), "200");
    assert_eq!(attribute(answered, "http.request.resend_count"), "1");
    let origin = traced.origin.address();
    assert_eq!(attribute(answered, "server.port"), origin.port().to_string());
    assert_eq!(attribute(answered, "url.full"), format!("http://{origin}/app/a;jsessionid=*.t1?x=1"));
    let told = traced.origin.seen()[0].header("traceparent").unwrap().to_owned();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(told, format!("00-{}-{}-01", text(&server["traceId"]), text(&answered["spanId"])));
    let line = format!("200 {} {}", text(&server["traceId"]), text(&server["spanId"]));
    assert_eq!(traced.lines(1), [line]);

    // What went wrong there is told of both, what a client did wrong of neither; edge's own answers have no part in it.
    assert_eq!((traced.send(request::get("/broken")), traced.send(request::get("/made"))), (503, 204));
    let all = traced.spans(6);
    let broken: Vec<&Value> = all.iter().filter(|span| attribute(span, "http.response.status_code") == "503").collect();
    assert_eq!(broken.len(), 2, "{all:?}");
    assert!(broken.iter().all(|span| span["status"]["code"] == 2 && attribute(span, "error.type") == "503"));
    assert!(wait::until(SOON, || (traced.count("sent") == 6.0).then_some(())).is_some());
}

#[test]
fn a_request_is_a_tree_of_spans_by_the_lane() {
    a_request_is_a_tree_of_spans(&[]);
}

#[test]
fn a_request_is_a_tree_of_spans_by_pingoras_way() {
    a_request_is_a_tree_of_spans(&[("EDGE_SHORT_WAY", "off")]);
}

#[test]
fn a_trace_goes_on_for_who_is_trusted_and_begins_anew_for_who_is_not() {
    let ask = || request::get("/a").header("traceparent", PARENT).header("tracestate", "a=b");
    let unsampled = PARENT.replace("-01", "-00");
    // Nothing is sampled that others have not.
    let trusting = Traced::start(Some("sample: 0%, trust: [127.0.0.0/8]"), taking(), &[]);
    assert_eq!(trusting.send(request::get("/a").header("traceparent", &unsampled)), 200);
    assert_eq!(trusting.send(request::get("/b")), 200);
    assert_eq!(trusting.send(ask()), 200);
    let all = trusting.spans(2);
    let server = of_kind(&all, 2)[0];
    assert_eq!((&server["traceId"], &server["parentSpanId"]), (&PARENT[3..35].into(), &PARENT[36..52].into()));
    let [first, second, third] = &trusting.origin.seen()[..] else { panic!("{:?}", trusting.origin.seen()) };
    let told = |seen: &backend::Seen| seen.header("traceparent").unwrap_or_default().to_owned();
    assert!(told(first).starts_with(&unsampled[..36]) && told(first).ends_with("-00"), "{}", told(first));
    assert!(told(second).ends_with("-00") && told(second).len() == PARENT.len(), "{}", told(second));
    assert!(told(third).starts_with(&PARENT[..36]) && told(third).ends_with("-01"), "{}", told(third));
    assert_eq!(third.header("tracestate"), Some("a=b"));
    assert_eq!(told(first).matches('-').count(), 3);

    let wary = Traced::start(Some("sample: 100%, trust: [192.0.2.0/24]"), taking(), &[]);
    assert_eq!((wary.send(ask()), wary.send(request::get("/own").header("traceparent", PARENT))), (200, 200));
    let all = wary.spans(4);
    assert!(all.iter().all(|span| span["traceId"] != PARENT[3..35]), "{all:?}");
    assert!(of_kind(&all, 2).iter().all(|span| span["parentSpanId"].is_null()));
    let seen = wary.origin.seen();
    assert!(!told(&seen[0]).contains(&PARENT[3..35]) && seen[0].header("tracestate").is_none(), "{}", seen[0].head);
    assert_eq!(seen[0].all("traceparent").len(), 1);
    // What the configuration says of the field holds.
    assert_eq!(seen[1].all("traceparent"), ["mine"]);
}

#[test]
fn what_edge_asks_for_itself_belongs_to_the_trace_of_its_client() {
    let traced = Traced::start(Some("sample: 100%"), taking(), &[]);
    assert_eq!(traced.send(request::get("/copied").header("traceparent", PARENT)), 200);
    assert!(traced.origin.wait_requests(2));
    let all = traced.spans(3);
    let [server] = of_kind(&all, 2)[..] else { panic!("{all:?}") };
    let asked = of_kind(&all, 3);
    assert!(asked.iter().all(|span| span["parentSpanId"] == server["spanId"] && span["traceId"] == server["traceId"]));
    let mut told: Vec<String> =
        traced.origin.seen().iter().map(|seen| seen.header("traceparent").unwrap().to_owned()).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut expected: Vec<String> =
        asked.iter().map(|span| format!("00-{}-{}-01", text(&span["traceId"]), text(&span["spanId"]))).collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

/// Fifty requests, and how long they took.
fn load(traced: &Traced) -> Duration {
    let began = Instant::now();
    (0..50).for_each(|_| assert_eq!(traced.send(request::get("/a")), 200));
    began.elapsed()
}

#[test]
fn a_collector_that_is_frozen_holds_nobody_up_and_what_is_lost_is_counted() {
    // It may take much longer than fifty requests do: a single one that waited for it would be seen.
    let traced = Traced::start(Some("sample: 100%, timeout: 30s"), Backend::silent(), &[]);
    let took = load(&traced);
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert!(traced.collector.wait_requests(1));
    assert_eq!(traced.count("sent"), 0.0);
    traced.reload(Some("sample: 100%, timeout: 200ms"));
    let took = load(&traced);
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert!(
        wait::until(SOON, || (traced.count("failed") >= 100.0).then_some(())).is_some(),
        "{}",
        traced.count("failed")
    );
    assert!(traced.edge.wait_error("does not take spans: it did not answer within 200ms"));
}

#[test]
fn a_collector_that_is_gone_or_refuses_loses_spans_and_nothing_else() {
    let refusing = Backend::answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    let traced = Traced::start(Some("sample: 100%"), refusing, &[]);
    assert_eq!(traced.send(request::get("/a")), 200);
    assert!(
        wait::until(SOON, || (traced.count("failed") == 2.0).then_some(())).is_some(),
        "{}",
        traced.count("failed")
    );
    assert!(traced.edge.wait_error("does not take spans: it answers 503; 2 are lost"));
    traced.collector.now(|_, answer| answer.close());
    assert_eq!(traced.send(request::get("/a")), 200);
    assert!(
        wait::until(SOON, || (traced.count("failed") == 4.0).then_some(())).is_some(),
        "{}",
        traced.count("failed")
    );
    traced.collector.now(|_, answer| answer.write(backend::ok("{}")));
    assert_eq!(traced.send(request::get("/a")), 200);
    assert!(wait::until(SOON, || (traced.count("sent") == 2.0).then_some(())).is_some(), "{}", traced.count("sent"));
}

#[test]
fn a_reload_turns_traces_on_and_off() {
    let traced = Traced::start(None, taking(), &[]);
    let ask = || traced.send(request::get("/a").header("traceparent", PARENT));
    assert_eq!(ask(), 200);
    traced.reload(Some("sample: 100%"));
    assert_eq!(ask(), 200);
    let all = traced.spans(2);
    assert!(all.iter().all(|span| span["traceId"] != PARENT[3..35]), "{all:?}");
    traced.reload(None);
    assert_eq!(ask(), 200);
    let told: Vec<String> =
        traced.origin.seen().iter().map(|seen| seen.header("traceparent").unwrap().to_owned()).collect();
    assert_eq!((&*told[0], &*told[2]), (PARENT, PARENT));
    assert!(!told[1].contains(&PARENT[3..35]), "{}", told[1]);
    let lines = traced.lines(3);
    assert_eq!((&*lines[0], &*lines[2]), ("200 - -", "200 - -"));
    assert_eq!(traced.count("sent"), 2.0);
    assert_eq!(spans(&traced.collector).len(), 2);
}

#[test]
fn the_last_spans_are_sent_before_edge_ends() {
    let mut traced = Traced::start(Some("sample: 100%"), taking(), &[]);
    assert_eq!(traced.send(request::get("/made")), 204);
    assert_eq!(traced.lines(1).len(), 1);
    traced.edge.signal(libc::SIGQUIT);
    assert!(traced.edge.wait_end(SOON).is_some_and(|status| status.success()));
    assert_eq!(spans(&traced.collector).len(), 1);
}

#[test]
fn what_is_wrong_with_a_trace_is_told_with_its_place() {
    for (written, expected) in [
        ("https://collector:4318", "edge.yaml:1:8: error: spans are sent over plain HTTP"),
        ("{ sample: 1% }", "edge.yaml:1:8: error: `trace` has no `endpoint`"),
        ("{ endpoint: 'http://a', sample: 2 }", "edge.yaml:1:40: error: expected a percentage"),
        ("{ endpoint: 'http://a', trust: [me] }", "edge.yaml:1:40: error: `me` is no address"),
        ("{ endpoint: 'http://a', timeout: 2h }", "edge.yaml:1:41: error: the collector may take"),
    ] {
        let text = format!("trace: {written}\nserver: [{{ listen: 8080 }}]\n");
        let said = Desk::new().with("edge.yaml", text).check("edge.yaml");
        assert!(!said.status.success() && said.stderr.contains(expected), "{written}: {}", said.stderr);
    }
    let said = Desk::new().with("edge.yaml", "trace: http://a\nserver: [{ listen: 8080 }]\n").check("edge.yaml");
    assert!(said.status.success(), "{}", said.stderr);
}
