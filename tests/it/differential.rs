//! The same requests to Debian's nginx with the seed's nginx.conf and to edge, in front of the same two Tomcats.
//!
//! Edge runs twice: from `conf/edge.yaml`, and from that same nginx.conf. Whatever differs and is not in `wanted` fails.
//! nginx against nginx runs too, so that a difference is never the rig's, and nginx against a different nginx, so that
//! one is never overlooked.

mod answers;
mod bodies;
pub(crate) mod case;
pub(crate) mod compare;
mod content;
mod failing;
mod headers;
mod hosts;
mod methods;
mod paths;
pub(crate) mod report;
pub(crate) mod run;
mod sides;
pub(crate) mod wanted;

use std::sync::OnceLock;

use case::Case;
use report::Side;
use sides::{Kind, Upstreams};
use wanted::Wanted;

use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::{SEED_NGINX_CONF, client, ports, request, tomcat};

/// A list of cases, what they are done to, and what may differ.
struct Group {
    cases: fn() -> Vec<Case>,
    upstreams: fn() -> Upstreams,
    wanted: &'static [Wanted],
}

const LIVE: Group = Group { cases: live_cases, upstreams: Upstreams::tomcats, wanted: wanted::LIVE };
const DEAD: Group = Group { cases: failing::dead, upstreams: Upstreams::dead, wanted: wanted::DEAD };
const FAILING: Group = Group { cases: failing::failing, upstreams: Upstreams::failing, wanted: wanted::FAILING };

fn live_cases() -> Vec<Case> {
    [paths::all(), methods::all(), hosts::all(), bodies::all(), headers::all(), content::all(), answers::all()]
        .into_iter()
        .flatten()
        .collect()
}

/// nginx's outcomes of the live cases, for all tests that compare with them.
fn nginx_live() -> &'static Side {
    static SIDE: OnceLock<Side> = OnceLock::new();
    SIDE.get_or_init(|| LIVE.run(Kind::Nginx))
}

impl Group {
    fn run(&self, kind: Kind) -> Side {
        sides::run(kind, &(self.cases)(), &(self.upstreams)())
    }

    /// Runs edge both ways and compares.
    fn assert_edge_is_as(&self, nginx: &Side) {
        let cases = (self.cases)();
        let mut used = vec![false; self.wanted.len()];
        let mut problems = String::new();
        for kind in [Kind::EdgeYaml, Kind::EdgeNginxConf] {
            let edge = self.run(kind);
            problems += &report::unwanted(&cases, nginx, &edge, self.wanted, &mut used).unwrap_or_default();
        }
        let unused = report::unused(self.wanted, &used);
        assert!(problems.is_empty(), "{problems}");
        assert!(unused.is_empty(), "these entries of `wanted.rs` match nothing any more:\n  {}", unused.join("\n  "));
    }

    fn assert_nginx_is_as(&self, nginx: &Side) {
        let again = self.run(Kind::Nginx);
        if let Some(text) = report::unwanted(&(self.cases)(), nginx, &again, &[], &mut []) {
            panic!("nginx differs from itself: {text}");
        }
    }
}

#[test]
fn edge_answers_as_nginx_but_for_what_is_wanted() {
    LIVE.assert_edge_is_as(nginx_live());
}

#[test]
fn edge_answers_as_nginx_when_all_upstreams_are_dead() {
    DEAD.assert_edge_is_as(&DEAD.run(Kind::Nginx));
}

#[test]
fn edge_tries_the_next_upstream_when_nginx_does() {
    FAILING.assert_edge_is_as(&FAILING.run(Kind::Nginx));
}

#[test]
fn nginx_answers_as_itself() {
    LIVE.assert_nginx_is_as(nginx_live());
    DEAD.assert_nginx_is_as(&DEAD.run(Kind::Nginx));
    FAILING.assert_nginx_is_as(&FAILING.run(Kind::Nginx));
}

#[test]
fn a_different_nginx_is_noticed_in_every_way_it_differs() {
    let cases = live_cases();
    let other = LIVE.run(Kind::DifferentNginx);
    let ports = compare::Ports { left: nginx_live().port, right: other.port };
    let mut found = Vec::new();
    for (case, (left, right)) in cases.iter().zip(nginx_live().outcomes.iter().zip(&other.outcomes)) {
        found.extend(compare::compare(left, right, &ports).into_iter().map(|d| format!("{}: {}", case.name, d.what)));
    }
    for expected in [
        // keepalive_timeout 0
        "connection: nothing said: end",
        "pipeline: two: answer",
        // client_max_body_size 1m
        "length: 3 MiB: status",
        // gzip off
        "gzip: gzip: header:content-encoding",
        // expires 16m
        "file: a png: header:expires",
        // proxy_http_version 1.1
        "path: plain: json:protocol",
        "file: cut in a body without a length: answer",
        // proxy_hide_header
        "answer: a header: header:x-a",
        // large_client_header_buffers 4 8k
        "header size: a line of 31 KB: status",
        // proxy_pass with a URI
        "path: two dots: json:uri",
    ] {
        assert!(found.iter().any(|line| line == expected), "not noticed: {expected}; noticed:\n{}", found.join("\n"));
    }
}

#[test]
fn no_two_cases_have_the_same_name() {
    for cases in [live_cases(), failing::dead(), failing::failing()] {
        let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
    assert!(live_cases().len() >= 300);
}

/// The seed as it was found sends two Host headers from its dynamic locations.
#[test]
fn tomcat_refuses_the_two_hosts_that_nginx_sends_with_the_seed_as_it_was() {
    let port = ports::free();
    let text = Upstreams::tomcats().in_nginx_conf(SEED_NGINX_CONF, port);
    let nginx = Nginx::start(&text, port);
    assert_eq!(client::get(nginx.address(), "/index.jsp").status(), 400);
    assert_eq!(client::get(nginx.address(), "/js/small.js").status(), 200);
}

#[test]
fn edge_sends_one_host_with_the_seed_as_it_was_and_warns() {
    tomcat::pair();
    let port = ports::free();
    let text = Upstreams::tomcats().in_nginx_conf(SEED_NGINX_CONF, port);
    let edge = Edge::nginx_conf(&text, port).start();
    assert_eq!(client::get(edge.address(), "/index.jsp").status(), 200);
    // The first line of the two, $http_host, is the name as the client wrote it.
    let echo = request::get("/echo").host("Shop.Test:8888").send(edge.address()).json();
    assert_eq!(echo["headers"]["host"], serde_json::json!(["Shop.Test:8888"]));
    assert!(edge.wait_error("Host"), "no warning about the second Host:\n{}", edge.errors());
}
