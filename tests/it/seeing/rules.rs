//! What is counted of rules: each where it is attached, on both ways of a request, and beyond a reload.

use super::prometheus::Metrics;
use crate::messages::Desk;
use crate::support::backend::Backend;
use crate::support::edge::Edge;
use crate::support::{ports, request, wait};
use std::net::SocketAddr;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Rules of the whole, of a file at the server, and of a location. Nobody listens where the limit is shared.
fn configuration(port: u16, admin: u16, server: SocketAddr, more: &str) -> String {
    format!(
        "admin: 127.0.0.1:{admin}\nsession_store: {{ gone: {{ memcached: {{ n1: '127.0.0.1:1' }} }} }}\n\
         rules:\n  - {{ name: no-php, when: \"request.path.endsWith('.php')\", then: [{{ respond: 404 }}] }}\n\
         upstream:\n  app: {{ servers: ['{server}'] }}\n\
         server:\n  - listen: 127.0.0.1:{port}\n    server_name: [shop.test]\n    rules: [counted.yaml]\n    location:\n      \
         - match: /\n        proxy_pass: http://app\n      \
         - match: /few\n        return: 204\n        rules:\n          \
         - {{ name: few, then: [{{ rate_limit: {{ by: \"'all'\", rate: 1/h, burst: 1, nodelay: true }} }}] }}\n      \
         - match: /shared\n        return: 204\n        rules:\n          \
         - {{ name: all, then: [{{ rate_limit: {{ by: \"'all'\", rate: 100/s, burst: 50, nodelay: true, shared: gone }} }}] }}\n{more}"
    )
}

const FILE: &str = "rules:\n  - { name: old, when: request.path == '/old', then: [{ redirect: /new }] }\n  \
                    - { name: odd, when: \"request.headers['x-n'] == 'b'\", then: [{ respond: 418 }] }\n";

struct Ruled {
    edge: Edge,
    admin: SocketAddr,
    backend: Backend,
}

impl Ruled {
    fn start() -> Ruled {
        let backend = Backend::saying("hello");
        let (port, admin) = (ports::free(), ports::free());
        let text = configuration(port, admin, backend.address(), "");
        let edge = Edge::yaml(&text, port).also_on(admin).with_file("counted.yaml", FILE).start();
        Ruled { edge, admin: ([127, 0, 0, 1], admin).into(), backend }
    }

    fn get(&self, target: &str) -> u16 {
        request::get(target).host("shop.test").send(self.edge.address()).status()
    }

    fn metrics(&self) -> Metrics {
        let answer = request::get("/metrics").send(self.admin);
        Metrics::parse(&answer.text()).unwrap_or_else(|why| panic!("{why}"))
    }

    /// What a rule is counted with, once it is that.
    fn expect(&self, family: &str, at: [&str; 2], more: &[(&str, &str)], expected: f64) {
        let labels = [&[("server", "shop.test"), ("location", at[0]), ("rule", at[1])], more].concat();
        let value = || self.metrics().value(family, &labels);
        let found = wait::until(SOON, || value().filter(|value| *value == expected));
        assert!(found.is_some(), "{family} of {at:?} {more:?}: {:?}, not {expected}", value());
    }
}

#[test]
fn rules_are_counted_where_they_are_attached() {
    let ruled = Ruled::start();
    assert_eq!((ruled.get("/a"), ruled.get("/x.php"), ruled.get("/old"), ruled.get("/old")), (200, 404, 302, 302));
    assert_eq!([(); 4].map(|()| ruled.get("/few")), [204, 204, 429, 429]);
    assert_eq!(ruled.get("/shared"), 204);
    let whole = ["", "no-php"];
    ruled.expect("edge_rule_asked_total", whole, &[], 9.0);
    ruled.expect("edge_rule_fired_total", whole, &[], 1.0);
    ruled.expect("edge_rule_answered_total", whole, &[("status", "4xx")], 1.0);
    let file = ["", "counted/old"];
    // Its path leaves it out of all other requests.
    ruled.expect("edge_rule_asked_total", file, &[], 2.0);
    ruled.expect("edge_rule_fired_total", file, &[], 2.0);
    ruled.expect("edge_rule_answered_total", file, &[("status", "3xx")], 2.0);
    // What was answered before asked it nothing.
    ruled.expect("edge_rule_faults_total", ["", "counted/odd"], &[], 6.0);
    let few = ["/few", "few"];
    ruled.expect("edge_rule_asked_total", few, &[], 4.0);
    ruled.expect("edge_rule_limited_total", few, &[("outcome", "passed")], 2.0);
    ruled.expect("edge_rule_limited_total", few, &[("outcome", "refused")], 2.0);
    ruled.expect("edge_rule_answered_total", few, &[("status", "4xx")], 2.0);
    ruled.expect("edge_rule_limited_alone_total", ["/shared", "all"], &[], 1.0);
    let status = request::get("/status").send(ruled.admin).json();
    let old = status["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "counted/old").unwrap();
    assert_eq!((&old["fired"], &old["answered"][2], &old["server"]), (&2.into(), &2.into(), &"shop.test".into()));
}

#[test]
fn what_was_counted_of_rules_outlives_a_reload_that_keeps_them() {
    let ruled = Ruled::start();
    assert_eq!(ruled.get("/old"), 302);
    ruled.expect("edge_rule_fired_total", ["", "counted/old"], &[], 1.0);
    let more =
        "      - match: /new\n        return: 204\n        rules: [{ name: fresh, then: [{ log: { x: \"'1'\" } }] }]\n";
    let (port, admin) = (ruled.edge.address().port(), ruled.admin.port());
    ruled.edge.write_configuration(&configuration(port, admin, ruled.backend.address(), more));
    let file = ruled.edge.file("edge.yaml");
    let said = Desk::new().edge(&["-s", "reload", "-c", file.to_str().unwrap()]);
    assert!(said.status.success(), "{}", said.stderr);
    assert_eq!((ruled.get("/old"), ruled.get("/new")), (302, 204));
    ruled.expect("edge_rule_fired_total", ["", "counted/old"], &[], 2.0);
    ruled.expect("edge_rule_fired_total", ["/new", "fresh"], &[], 1.0);
}
