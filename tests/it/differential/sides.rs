//! The proxies that are compared, on the seed's configuration with the test's addresses.

use std::net::SocketAddr;

use crate::support::backend::Backend;
use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::ports::{self, Dead};
use crate::support::{SEED_NGINX_CONF, tomcat};

use super::case::Case;
use super::failing::{self, Tries};
use super::report::Side;
use super::run;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    /// Differs in many small ways, each of which has to be noticed.
    DifferentNginx,
    EdgeYaml,
    EdgeNginxConf,
}

/// The two servers behind the proxies.
pub struct Upstreams {
    addresses: [SocketAddr; 2],
    /// Whether they are out of rotation after `max_fails`; for servers that fail on purpose they must not be.
    counts_failures: bool,
    tries: Option<Tries>,
    _dead: Vec<Dead>,
    _backends: Vec<Backend>,
}

impl Upstreams {
    pub fn tomcats() -> Upstreams {
        let addresses = [tomcat::pair()[0].address(), tomcat::pair()[1].address()];
        Upstreams { addresses, counts_failures: true, tries: None, _dead: vec![], _backends: vec![] }
    }

    pub fn dead() -> Upstreams {
        let dead = vec![ports::dead(), ports::dead()];
        let addresses = [dead[0].address(), dead[1].address()];
        Upstreams { addresses, counts_failures: false, tries: None, _dead: dead, _backends: vec![] }
    }

    pub fn failing() -> Upstreams {
        let tries = Tries::default();
        let backends = vec![failing::backend(&tries), failing::backend(&tries)];
        let addresses = [backends[0].address(), backends[1].address()];
        Upstreams { addresses, counts_failures: false, tries: Some(tries), _dead: vec![], _backends: backends }
    }

    /// The text with these servers, listening on `port`.
    pub fn in_nginx_conf(&self, text: &str, port: u16) -> String {
        let text = replace(text, "listen   8888;", &format!("listen 127.0.0.1:{port};"));
        let text = replace(&text, "worker_processes    16;", "worker_processes 1;");
        let text = self.with_servers(&text);
        match self.counts_failures {
            true => text,
            false => replace(&text, "max_fails=3  fail_timeout=30s", "max_fails=0"),
        }
    }

    fn in_edge_yaml(&self, text: &str, port: u16) -> String {
        let text = replace(text, "listen: 8888", &format!("listen: 127.0.0.1:{port}"));
        // Nobody listens there: what is compared has no sessions.
        let text = replace(&text, "172.168.1.221:11211", &ports::local(ports::free()).to_string());
        let text = self.with_servers(&text);
        match self.counts_failures {
            true => text,
            false => replace(&text, "max_fails: 3", "max_fails: 0"),
        }
    }

    fn with_servers(&self, text: &str) -> String {
        let text = replace(text, "172.168.1.222:8080", &self.addresses[0].to_string());
        replace(&text, "172.168.1.222:8081", &self.addresses[1].to_string())
    }
}

/// Does all cases to a proxy of this kind.
pub fn run(kind: Kind, cases: &[Case], upstreams: &Upstreams) -> Side {
    let port = ports::free();
    let seed = upstreams.in_nginx_conf(&with_one_host(SEED_NGINX_CONF), port);
    match kind {
        Kind::Nginx => {
            let nginx = Nginx::start(&seed, port);
            side("nginx", port, cases, upstreams, nginx.address())
        }
        Kind::DifferentNginx => {
            let nginx = Nginx::start(&differing(&seed), port);
            side("a different nginx", port, cases, upstreams, nginx.address())
        }
        Kind::EdgeNginxConf => {
            let edge = Edge::nginx_conf(&seed, port).start();
            side("edge (nginx.conf)", port, cases, upstreams, edge.address())
        }
        Kind::EdgeYaml => {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/edge.yaml");
            let text = std::fs::read_to_string(file).expect("conf/edge.yaml");
            let edge = Edge::yaml(&upstreams.in_edge_yaml(&text, port), port).start();
            side("edge (edge.yaml)", port, cases, upstreams, edge.address())
        }
    }
}

fn side(name: &str, port: u16, cases: &[Case], upstreams: &Upstreams, proxy: SocketAddr) -> Side {
    let mut outcomes = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let mut outcome = run::run(case, number, proxy);
        outcome.tries = upstreams.tries.as_ref().map(|tries| tries.of(number));
        outcomes.push(outcome);
    }
    Side { name: name.into(), port, outcomes }
}

/// The dynamic locations with one Host line, the first of their two: Tomcat refuses two.
fn with_one_host(seed: &str) -> String {
    replace(seed, "proxy_set_header   Host             $host;", "")
}

fn differing(seed: &str) -> String {
    let text = replace(seed, "keepalive_timeout  65;", "keepalive_timeout 0; proxy_hide_header X-A;");
    let text = replace(&text, "client_max_body_size 20m;", "client_max_body_size 1m;");
    let text = replace(&text, "gzip  on;", "gzip off;");
    let text = replace(&text, "expires  15m;", "expires 16m;");
    let text = replace(&text, "charset utf-8;", "charset utf-8; proxy_http_version 1.1;");
    let text = replace(&text, "large_client_header_buffers 4 32k;", "large_client_header_buffers 4 8k;");
    // The location `/` is the last one: with a URI, what is sent upstream is the normalized path.
    let (before, last) = text.rsplit_once("http://web_server;").expect("the seed proxies");
    format!("{before}http://web_server/;{last}").replace("client_header_buffer_size 32k;", "")
}

/// Replaces, and fails if there is nothing to replace: then the seed has changed and the test would lie.
fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from:?} in:\n{text}");
    text.replace(from, to)
}
