//! The picture of what others lose: the owner of all sessions is killed, and then everybody sends six updates at once, behind nginx,
//! HAProxy and edge. `EDGE_TEST_BLESS=1` writes `docs/failover.svg` and its words in README; with `EDGE_TEST_LONG=1`, which takes
//! more visitors, it is the one to publish.
//!
//! The others are configured as well as they can be for it: each sends a session to the server of its route, tries another one at
//! once where that cannot be reached, and then knows that it is gone. Of several copies of a session the fullest counts.

use super::picture::{self, Outcome};
use super::rig::{Plan, Rig};
use super::visitor::{AT_ONCE, Visitor};
use crate::support::haproxy::Haproxy;
use crate::support::nginx::Nginx;
use crate::support::ports;
use crate::support::standin::Standin;
use std::path::Path;

/// What visitors go through.
enum Front {
    Nginx(Nginx),
    Haproxy(Haproxy),
}

#[test]
fn behind_others_updates_are_lost_when_a_server_dies_and_behind_edge_none_is() {
    let nginx = play("nginx", Nginx::version(), Some(|servers| Front::Nginx(nginx(servers))));
    let haproxy = play("HAProxy", Haproxy::version(), Some(|servers| Front::Haproxy(haproxy(servers))));
    let edge = play("edge", env!("CARGO_PKG_VERSION").to_owned(), None);
    let outcomes = [nginx, haproxy, edge];
    println!("{outcomes:?}");
    let [nginx, haproxy, edge] = &outcomes;
    assert_eq!(edge.lost, 0, "{edge:?}");
    assert!(nginx.lost > 0 && haproxy.lost > 0, "the others have lost nothing: {outcomes:?}");
    if std::env::var_os("EDGE_TEST_BLESS").is_some() {
        publish(&outcomes);
    }
}

#[test]
fn the_picture_and_the_readme_say_the_same() {
    let (readme, svg) = (read("README.md"), read("docs/failover.svg"));
    let drawn = roxmltree::Document::parse(&svg).expect("the picture is XML");
    let words = drawn.root_element().attribute("aria-label").expect("the picture has words");
    assert!(words.contains("edge 0 %"), "{words}");
    let line = picture::line(words);
    assert!(readme.contains(&line), "README shows other words than docs/failover.svg: `{line}`");
}

/// With all sessions at a server that is killed: what became of the updates that came next.
fn play(name: &'static str, version: String, other: Option<fn(&[Standin]) -> Front>) -> Outcome {
    let mut front = None;
    let plan = Plan::of("owner killed, compared", usize::from(other.is_none()));
    let mut rig = Rig::behind(&plan, |servers| {
        front = other.map(|start| start(servers));
        front.as_ref().map(Front::address)
    });
    let then = |visitor: &Visitor| (visitor.acknowledged(), visitor.id.clone());
    let known: Vec<(usize, String)> = rig.visitors.iter().map(then).collect();
    rig.stage.servers[0].kill();
    rig.round();
    if other.is_none() {
        rig.finish();
    }
    let visitors = || rig.visitors.iter().zip(&known);
    let lost: Vec<usize> =
        visitors().map(|(visitor, known)| visitor.lost_since(known, &rig.stage.servers[1..])).collect();
    Outcome {
        name,
        version,
        sessions: plan.visitors,
        at_once: AT_ONCE,
        updates: visitors().map(|(visitor, known)| visitor.acknowledged() - known.0).sum(),
        lost: lost.iter().sum(),
        hit: lost.iter().filter(|lost| **lost > 0).count(),
        with_tomcats: other.map(|_| picture::WITH_TOMCATS),
    }
}

impl Front {
    fn address(&self) -> std::net::SocketAddr {
        match self {
            Front::Nginx(nginx) => nginx.address(),
            Front::Haproxy(haproxy) => haproxy.address(),
        }
    }
}

/// An upstream for each route, with the others behind it.
fn nginx(servers: &[Standin]) -> Nginx {
    let (mut routes, mut upstreams, mut all) = (String::new(), String::new(), String::new());
    for owner in servers {
        let listed = servers.iter().map(|server| {
            let backup = if server.name == owner.name { "" } else { " backup" };
            format!("server {}{backup}; ", server.address())
        });
        routes += &format!("~\\.{0}$ app_{0}; ", owner.name);
        upstreams += &format!("    upstream app_{} {{ {}}}\n", owner.name, listed.collect::<String>());
        all += &format!("server {}; ", owner.address());
    }
    let port = ports::free();
    let configuration = format!(
        "worker_processes 1;\npid sbin/nginx.pid;\nerror_log logs/error.log;\nevents {{ worker_connections 1024; }}\nhttp {{\n    \
         access_log off;\n    map $cookie_JSESSIONID $owner {{ default app; {routes}}}\n    upstream app {{ {all}}}\n{upstreams}    \
         server {{\n        listen 127.0.0.1:{port};\n        location / {{\n            proxy_pass http://$owner;\n            \
         proxy_http_version 1.1;\n            proxy_set_header Host $http_host;\n            proxy_set_header Connection \"\";\n            \
         proxy_next_upstream error timeout;\n        }}\n    }}\n}}\n"
    );
    Nginx::start(&configuration, port)
}

/// A rule for each route; a server that refuses a connection is out at once, and the request goes to another one.
fn haproxy(servers: &[Standin]) -> Haproxy {
    let rule =
        |server: &Standin| format!("    use-server {0} if {{ req.cook(JSESSIONID) -m end .{0} }}\n", server.name);
    let listed = |server: &Standin| {
        let checked = "check inter 1s fall 1 rise 2 observe layer4 error-limit 1 on-error mark-down";
        format!("    server {} {} {checked}\n", server.name, server.address())
    };
    let port = ports::free();
    let configuration = format!(
        "global\n    nbthread 1\n    maxconn 1000\n\
         defaults\n    mode http\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n    \
         retries 3\n    option redispatch 1\n\
         frontend web\n    bind 127.0.0.1:{port}\n    default_backend app\n\
         backend app\n    balance roundrobin\n{}{}",
        servers.iter().map(rule).collect::<String>(),
        servers.iter().map(listed).collect::<String>(),
    );
    Haproxy::start(&configuration, port)
}

fn publish(outcomes: &[Outcome]) {
    let words = picture::words(outcomes);
    write("docs/failover.svg", &picture::draw(outcomes));
    let readme = read("README.md");
    let lines = readme.lines().map(|line| match line.ends_with(picture::END) {
        true => picture::line(&words),
        false => line.to_owned(),
    });
    write("README.md", &lines.map(|line| line + "\n").collect::<String>());
}

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

fn write(name: &str, text: &str) {
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), text).expect(name);
}
