//! How edge does, for people and for machines: metrics, the status, the live page, `edge top`.

mod browser;
mod orders;
mod prometheus;
mod rules;
mod traces;

use crate::messages::{Desk, Said};
use crate::support::backend::Backend;
use crate::support::edge::Edge;
use crate::support::response::Response;
use crate::support::{ports, request, wait};
use prometheus::Metrics;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// An edge with an upstream of one server that is there and one that is not, a cache, and the report on a socket of its own.
struct Seen {
    edge: Edge,
    admin: SocketAddr,
    backend: Backend,
    /// How many requests were answered.
    answered: AtomicU64,
}

impl Seen {
    fn start() -> Seen {
        let backend = Backend::start(|seen, answer| {
            let status = if seen.target().starts_with("/broken") { "500 Oh" } else { "200 OK" };
            answer.write(format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello"));
        });
        let (port, admin) = (ports::free(), ports::free());
        let text = configuration(port, admin, backend.address(), "");
        Seen {
            edge: Edge::yaml(&text, port).start(),
            admin: ([127, 0, 0, 1], admin).into(),
            backend,
            answered: AtomicU64::new(0),
        }
    }

    fn get(&self, target: &str) -> Response {
        let answer = request::get(target).host("shop.test").send(self.edge.address());
        self.answered.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn ask(&self, target: &str) -> Response {
        request::get(target).send(self.admin)
    }

    /// What the report says of all that was answered: an answer is counted after its last byte, which may be a moment later.
    fn metrics(&self) -> Metrics {
        self.status();
        let answer = self.ask("/metrics");
        assert_eq!(
            (answer.status(), answer.header("Content-Type")),
            (200, Some("text/plain; version=0.0.4; charset=utf-8"))
        );
        Metrics::parse(&answer.text()).unwrap_or_else(|why| panic!("{why}"))
    }

    fn status(&self) -> Value {
        let answered = self.answered.load(Ordering::Relaxed);
        let ask = || {
            let answer = self.ask("/status");
            assert_eq!((answer.status(), answer.header("Content-Type")), (200, Some("application/json")));
            let status: Value = serde_json::from_str(&answer.text()).unwrap();
            let traffic = status["traffic"].as_array().unwrap();
            let counted: u64 = traffic.iter().map(|of| of["requests"].as_u64().unwrap()).sum();
            (counted == answered).then_some(status)
        };
        wait::until(Duration::from_secs(10), ask).unwrap_or_else(|| panic!("{answered} answers are not counted"))
    }

    fn say(&self, words: &[&str]) -> Said {
        Desk::new().edge(&[words, &["-c", self.edge.file("edge.yaml").to_str().unwrap()]].concat())
    }
}

fn configuration(port: u16, admin: u16, server: SocketAddr, more: &str) -> String {
    format!(
        "admin: 127.0.0.1:{admin}\nproxy_cache_path: {{ pages: {{ memory: 1m }} }}\nupstream:\n  app: {{ servers: ['{server}', {{ address: \
         '127.0.0.1:1', backup: true, route: gone }}] }}\nserver:\n  - listen: 127.0.0.1:{port}\n    server_name: [shop.test]\n    \
         location:\n      - match: /\n        proxy_pass: http://app\n      - match: '~ \"?\\.css$'\n        proxy_pass: \
         http://app\n        proxy_cache: pages\n        proxy_cache_valid: 1h\n      - match: /own/\n        api: on\n        access: \
         {{ deny: all }}\n{more}"
    )
}

#[test]
fn metrics_are_those_of_the_requests_that_were_made() {
    let seen = Seen::start();
    (0..3).for_each(|_| assert_eq!(seen.get("/a").status(), 200));
    (0..2).for_each(|_| assert_eq!(seen.get("/broken").status(), 500));
    (0..4).for_each(|_| assert_eq!(seen.get("/x.css").status(), 200));
    let metrics = seen.metrics();
    let root = [("server", "shop.test"), ("location", "/")];
    let css = [("server", "shop.test"), ("location", "~ \"?\\.css$")];
    let with =
        |labels: &[(&str, &str)], more: &[(&str, &str)]| metrics.value("edge_requests_total", &[labels, more].concat());
    assert_eq!(with(&root, &[("status", "2xx")]), Some(3.0));
    assert_eq!(with(&root, &[("status", "5xx")]), Some(2.0));
    assert_eq!(with(&css, &[("status", "2xx")]), Some(4.0));
    assert_eq!(metrics.value("edge_request_seconds_count", &root), Some(5.0));
    assert_eq!(metrics.value("edge_cache_requests_total", &[("zone", "pages"), ("status", "hit")]), Some(3.0));
    assert_eq!(metrics.value("edge_cache_requests_total", &[("zone", "pages"), ("status", "miss")]), Some(1.0));
    let server = seen.backend.address().to_string();
    assert_eq!(metrics.value("edge_upstream_requests_total", &[("upstream", "app"), ("server", &server)]), Some(6.0));
    let up = [("upstream", "app"), ("server", &*server), ("state", "up")];
    assert_eq!(metrics.value("edge_upstream_server_up", &up), Some(1.0));
    // An answer has at least its head, and a request, too.
    assert!(metrics.value("edge_sent_bytes_total", &root).unwrap() > 5.0 * 40.0);
    assert!(metrics.value("edge_received_bytes_total", &root).unwrap() > 5.0 * 40.0);
    assert!(metrics.value("edge_connections_accepted_total", &[]).unwrap() >= 9.0);
}

#[test]
fn every_family_is_what_its_head_says_and_stands_in_the_table() {
    let seen = Seen::start();
    seen.get("/x.css");
    let metrics = seen.metrics();
    let known: Vec<&str> = edge::proxy::api::FAMILIES.iter().map(|(name, ..)| *name).collect();
    for (name, family) in metrics.families() {
        assert!(known.contains(&name), "{name}");
        assert!(!family.help.is_empty(), "{name}");
    }
    // What there is nothing of is not there.
    let missing: Vec<&str> = known.into_iter().filter(|name| metrics.family(name).is_none()).collect();
    assert!(
        missing
            .iter()
            .all(|name| ["edge_sessions_total", "edge_trace_spans_total"].contains(name)
                || name.starts_with("edge_rule_")),
        "{missing:?}"
    );
}

#[test]
fn the_status_says_the_same_and_where_things_are() {
    let seen = Seen::start();
    seen.get("/a");
    let status = seen.status();
    let is_root = |t: &&Value| t["server"] == "shop.test" && t["location"] == "/";
    let root = status["traffic"].as_array().unwrap().iter().find(is_root).unwrap();
    assert_eq!((&root["requests"], &root["statuses"][1]), (&1.into(), &1.into()));
    let servers = &status["upstreams"][0]["servers"];
    assert_eq!((&servers[0]["state"], &servers[1]["route"]), (&"up".into(), &"gone".into()));
    assert_eq!(status["caches"][0]["zone"], "pages");
    assert_eq!(status["edge"]["pid"], seen.edge.id());
}

#[test]
fn what_was_counted_outlives_a_reload() {
    let seen = Seen::start();
    (0..3).for_each(|_| assert_eq!(seen.get("/a").status(), 200));
    let more = "      - match: /new\n        return: 204\n";
    let (port, admin) = (seen.edge.address().port(), seen.admin.port());
    seen.edge.write_configuration(&configuration(port, admin, seen.backend.address(), more));
    let said = seen.say(&["-s", "reload"]);
    assert!(said.status.success(), "{}", said.stderr);
    assert_eq!((seen.get("/a").status(), seen.get("/new").status()), (200, 204));
    let metrics = seen.metrics();
    let of = |location| {
        metrics.value("edge_requests_total", &[("server", "shop.test"), ("location", location), ("status", "2xx")])
    };
    assert_eq!((of("/"), of("/new")), (Some(4.0), Some(1.0)));
    assert_eq!(metrics.value("edge_config_generation", &[]), Some(2.0));
}

#[test]
fn whoever_may_not_come_in_sees_nothing_and_nobody_changes_anything() {
    let seen = Seen::start();
    for target in ["/own/", "/own/status", "/own/metrics"] {
        assert_eq!(seen.get(target).status(), 403, "{target}");
    }
    assert_eq!(seen.ask("/nothing").status(), 404);
    assert_eq!(request::post("/status", "x").send(seen.admin).status(), 405);
    // The report is not in itself.
    let logged = std::fs::read_to_string(seen.edge.file("logs/access.log")).unwrap_or_default();
    assert!(!logged.contains("GET /status"), "{logged}");
}

#[test]
fn a_report_for_everybody_is_warned_of_and_no_report_is_the_default() {
    let desk = Desk::new();
    desk.put("open.yaml", "admin: 0.0.0.0:9145\nserver: [{ listen: 8080 }]\n");
    let said = desk.edge(&["-t", "-c", "open.yaml"]);
    assert!(said.status.success() && said.stderr.contains("whoever reaches 0.0.0.0:9145"), "{}", said.stderr);
    desk.put("wrong.yaml", "admin: 127.0.0.1:x\nserver: [{ listen: 8080 }]\n");
    let said = desk.edge(&["-t", "-c", "wrong.yaml"]);
    assert_eq!(said.stderr.matches("wrong.yaml:1:").count(), 1, "{}", said.stderr);
}

#[test]
fn top_prints_what_the_report_says() {
    let seen = Seen::start();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            (0..40).for_each(|_| {
                seen.get("/a");
                std::thread::sleep(std::time::Duration::from_millis(20));
            })
        });
        let said = seen.say(&["top", "--once", "--interval", "400ms"]);
        assert!(said.status.success(), "{}", said.stderr);
        let line = |start: &str| {
            said.stdout.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{}", said.stdout))
        };
        assert!(line("edge ").contains(&format!("process {}", seen.edge.id())));
        assert!(line(&format!("app/{}", seen.backend.address())).contains(" up "));
        assert!(line("shop.test /").split_whitespace().nth(2).unwrap().parse::<f64>().unwrap() > 0.0);
        assert!(line("pages").contains("0B"));
        asking.join().unwrap();
    });
}
