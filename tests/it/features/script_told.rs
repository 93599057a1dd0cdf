//! What the error log says of scripts and variables, in nginx's words.

use super::setup::Feature;
use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::{ports, wait};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const TEXT: &str = r#"
    map $arg_x $loop { default "$loop"; }
    server { listen {port}; rewrite_log on;
        location /a { if ($uri ~ "^/(a)") { } rewrite ^/a(.*)$ /t$1?x=1 last; }
        location /r { rewrite ^ /t redirect; }
        location /u { return 200 "$u $u"; if ($arg_x) { set $u 1; } }
        location /q { uninitialized_variable_warn off; rewrite_log off; rewrite ^/nope /x; return 200 "$u"; }
        location /t { rewrite ^/nope /x; return 200 t; }
        location /z { rewrite ^/z(.*)$ $1 last; }
        location /loop { rewrite_log off; return 200 "[$loop]"; }
    }"#;

fn ask(port: u16, target: &str) -> String {
    let mut client = TcpStream::connect(ports::local(port)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(client, "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

/// What is told of requests, without times, numbers and places.
fn told(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let of_requests = text.lines().filter_map(|line| line.split_once("] ").zip(line.split_once(": *")));
    let parts = of_requests.filter_map(|((before, _), (_, said))| {
        let level = before.rsplit('[').next()?;
        let (_, message) = said.split_once(' ')?;
        Some(format!("{level}: {}", message.split(", client: ").next()?))
    });
    parts.filter(|line| !line.starts_with("info")).collect()
}

#[test]
fn steps_and_variables_are_told_of_in_the_error_log() {
    let feature = Feature::new("error log of scripts", TEXT);
    let text = feature.nginx_conf();
    let targets = ["/a/b", "/r", "/u", "/q", "/z"];
    let said = |log: &Path, enough: usize| {
        targets.iter().for_each(|target| drop(ask(feature.port, target)));
        let _ = wait::until(Duration::from_secs(5), || (told(log).len() >= enough).then_some(()));
        told(log)
    };
    let nginx = {
        let nginx = Nginx::start(&text, feature.port);
        said(&nginx.file("logs/error.log"), 8)
    };
    assert!(nginx.len() >= 8, "{nginx:#?}");
    let gone = || (!wait::accepts(ports::local(feature.port))).then_some(());
    assert!(wait::until(Duration::from_secs(10), gone).is_some(), "nginx still listens on the port");
    let edge = Edge::nginx_conf(&text, feature.port).start();
    let log = edge.file("logs/error.log");
    let of_edge = said(&log, nginx.len());
    let strip =
        |lines: &[String]| lines.iter().map(|l| l.trim_end_matches(" while logging request").to_owned()).collect();
    let (left, right): (Vec<String>, Vec<String>) = (strip(&nginx), strip(&of_edge));
    assert_eq!(left, right);
    // nginx goes round a hundred times and prints what has come together by then.
    assert!(ask(feature.port, "/loop").ends_with("[]"));
    let cycle =
        || told(&log).iter().any(|line| line == "error: cycle while evaluating variable \"loop\"").then_some(());
    assert!(wait::until(Duration::from_secs(5), cycle).is_some(), "{:#?}", told(&log));
}
