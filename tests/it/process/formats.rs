//! What a line of a log looks like, which requests get one, and which levels the error log writes.

use serde_json::Value;

use crate::support::backend::Backend;
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::request::{self, Request};
use crate::support::{ports, wait};

use super::{HEAD, SOON, lines, reload, saying};

/// An edge whose location `/` logs as `logs` says.
fn start(logs: &str) -> Edge {
    let port = ports::free();
    Edge::yaml(&format!("{logs}{}", saying(port, "hello")), port).start()
}

fn only_line(edge: &Edge, file: &str) -> String {
    let mut found = lines(edge, file, 1);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// `[22/Nov/2026:16:10:00 +0100]`
fn is_time(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| match c {
            '0'..='9' => '9',
            'A'..='Z' | 'a'..='z' => 'a',
            '-' => '+',
            other => other,
        })
        .collect();
    shape == "[99/aaa/9999:99:99:99 +9999]"
}

/// The time of a combined line cut out, which must be one.
fn without_time(line: &str) -> String {
    let (from, to) = (line.find('[').unwrap(), line.find(']').unwrap());
    assert!(is_time(&line[from..=to]), "{line}");
    format!("{}[]{}", &line[..from], &line[to + 1..])
}

#[test]
fn the_combined_format_is_nginx_s() {
    let edge = start("");
    let request = request::get("/a%20b?c=d")
        .header("Referer", "http://shop.test/")
        .header("User-Agent", "a \"quoted\" agent")
        .header("Authorization", "Basic amFuZTpzZWNyZXQ=");
    request.send(edge.address());
    assert_eq!(
        without_time(&only_line(&edge, "logs/access.log")),
        "127.0.0.1 - jane [] \"GET /a%20b?c=d HTTP/1.1\" 200 5 \"http://shop.test/\" \"a \\x22quoted\\x22 agent\""
    );
}

#[test]
fn what_is_not_known_is_a_dash() {
    let edge = start("");
    request::get("/").version("HTTP/1.0").without_host().send(edge.address());
    assert_eq!(
        without_time(&only_line(&edge, "logs/access.log")),
        "127.0.0.1 - - [] \"GET / HTTP/1.0\" 200 5 \"-\" \"-\""
    );
}

#[test]
fn a_format_of_ones_own_knows_every_variable() {
    let backend = Backend::answering(
        "HTTP/1.1 201 Made\r\nContent-Length: 4\r\nX-Up: yes\r\nSet-Cookie: s=1; Path=/\r\n\r\nbody",
    );
    let port = ports::free();
    let format = "$status|$request_method|$uri|$args|$arg_a|$cookie_c|$http_x_h|$sent_http_x_sent|$upstream_http_x_up|\
                  $upstream_cookie_s|$upstream_addr|$upstream_status|$body_bytes_sent|$bytes_sent|$request_length|$host|\
                  $server_port|$scheme|$remote_addr|$server_protocol|$connection_requests|$request_completion|$content_length|\
                  $pipe|$proxy_host|$nothing_defined";
    let format = format.replace("|$nothing_defined", "");
    let edge = Edge::yaml(
        &format!(
            "{HEAD}log_format: {{ all: '{format}' }}\nserver:\n  - listen: 127.0.0.1:{port}\n    access_log: {{ path: logs/all.log, \
             format: all }}\n    location:\n      - match: /\n        proxy_pass: http://{}\n        add_header: {{ X-Sent: sent }}\n",
            backend.address()
        ),
        port,
    )
    .start();
    let request = request::post("/x/../y?a=1&b=2", "12345").header("Cookie", "c=3").header("X-H", "h");
    let mut client = Client::connect(edge.address());
    let answer = client.ask(&request).unwrap();
    let line = only_line(&edge, "logs/all.log");
    let fields: Vec<&str> = line.split('|').collect();
    let upstream = backend.address().to_string();
    let (length, sent) = (request.bytes().len().to_string(), wire_length(&answer).to_string());
    assert_eq!(
        fields,
        [
            "201",
            "POST",
            "/y",
            "a=1&b=2",
            "1",
            "3",
            "h",
            "sent",
            "yes",
            "1",
            &upstream,
            "201",
            "4",
            &sent,
            &length,
            "shop.test",
            &port.to_string(),
            "http",
            "127.0.0.1",
            "HTTP/1.1",
            "1",
            "OK",
            "5",
            ".",
            &upstream,
        ]
    );
}

/// The bytes of an answer that had no chunks.
fn wire_length(answer: &crate::support::response::Response) -> usize {
    let head = &answer.head;
    let fields: usize = head.headers.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    "HTTP/1.1 201 \r\n\r\n".len() + head.reason.len() + fields + answer.body.len()
}

#[test]
fn times_are_seconds_with_milliseconds() {
    let edge = start(
        "log_format: { t: '$request_time $msec $time_iso8601 $time_local $connection' }\naccess_log: { path: logs/t.log, format: t }\n",
    );
    client::get(edge.address(), "/");
    let line = only_line(&edge, "logs/t.log");
    let fields: Vec<&str> = line.split(' ').collect();
    for seconds in &fields[..2] {
        let (whole, part) = seconds.split_once('.').unwrap_or_else(|| panic!("{line}"));
        assert!(whole.parse::<u64>().is_ok() && part.len() == 3 && part.parse::<u16>().is_ok(), "{line}");
    }
    assert_eq!((fields[2].len(), &fields[2][10..11]), (25, "T"), "{line}");
    assert!(is_time(&format!("[{} {}]", fields[3], fields[4])), "{line}");
    assert!(fields[5].parse::<u64>().is_ok(), "{line}");
}

#[test]
fn a_json_line_is_json_whatever_a_client_sends() {
    let edge = start(
        "log_format: { j: { json: { status: $status, agent: $http_user_agent, 'a \"b\"': 'x $request', none: $http_none } } }\n\
         access_log: { path: logs/j.log, format: j }\n",
    );
    let agents = ["plain", "\"},{\"", "back\\slash\\", "tab\there", "käse ☃", "{\"a\":1}", "\\u0000", "$status"];
    let mut client = Client::connect(edge.address());
    for agent in agents {
        client.ask(&request::get("/\"q\\").header("User-Agent", agent)).unwrap();
    }
    let found = lines(&edge, "logs/j.log", agents.len());
    for (line, agent) in found.iter().zip(agents) {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let expected =
            serde_json::json!({ "status": "200", "agent": agent, "a \"b\"": "x GET /\"q\\ HTTP/1.1", "none": "" });
        assert_eq!(value, expected);
    }
}

#[test]
fn values_are_escaped_as_the_format_says() {
    let edge = start(
        "log_format:\n  d: '[$http_x]'\n  j: { format: '[$http_x]', escape: json }\n  n: { format: '[$http_x]', escape: none }\n\
         access_log:\n  - { path: logs/d.log, format: d }\n  - { path: logs/j.log, format: j }\n  - { path: logs/n.log, format: n }\n",
    );
    let mut client = Client::connect(edge.address());
    client.ask(&request::get("/").header("X", "a\"b\\c\td\u{e9}")).unwrap();
    client.ask(&request::get("/")).unwrap();
    for (file, expected) in [
        ("logs/d.log", ["[a\\x22b\\x5Cc\\x09d\\xC3\\xA9]", "[-]"]),
        ("logs/j.log", ["[a\\\"b\\\\c\\tdé]", "[]"]),
        ("logs/n.log", ["[a\"b\\c\tdé]", "[]"]),
    ] {
        assert_eq!(lines(&edge, file, 2), expected, "{file}");
    }
}

#[test]
fn a_client_cannot_write_a_second_line() {
    let edge = start(
        "log_format: { n: { format: '$request|$http_x', escape: none } }\naccess_log: { path: logs/n.log, format: n }\n",
    );
    let mut client = Client::connect(edge.address());
    client.write("GET /a%0Ab HTTP/1.1\r\nHost: a\r\nX: one\rtwo\r\nConnection: close\r\n\r\n");
    assert!(client.wait_closed(SOON));
    client::get(edge.address(), "/last");
    let found = lines(&edge, "logs/n.log", 2);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(!found[0].contains("two") || !found[0].contains('\r'), "{found:?}");
}

#[test]
fn only_requests_for_which_if_is_true_are_logged() {
    let edge = start("access_log: { path: logs/a.log, if: $arg_log }\n");
    let mut client = Client::connect(edge.address());
    for target in ["/1", "/2?log=", "/3?log=0", "/4?log=1", "/5?log=00", "/6?log=no"] {
        client.ask(&request::get(target)).unwrap();
    }
    let found = lines(&edge, "logs/a.log", 3);
    let logged: Vec<_> = found.iter().map(|line| line.split(' ').nth(6).unwrap()).collect();
    assert_eq!(logged, ["/4?log=1", "/5?log=00", "/6?log=no"]);
}

#[test]
fn a_block_inside_replaces_the_logs_of_the_one_outside() {
    let port = ports::free();
    let edge = Edge::yaml(
        &format!(
            "{HEAD}access_log: logs/outer.log\nserver:\n  - listen: 127.0.0.1:{port}\n    location:\n      \
             - {{ match: /, return: 204 }}\n      - {{ match: /off, access_log: off, return: 204 }}\n      \
             - {{ match: /own, access_log: logs/own.log, return: 204 }}\n      \
             - {{ match: /two, access_log: [logs/own.log, logs/two.log], return: 204 }}\n"
        ),
        port,
    )
    .start();
    let mut client = Client::connect(edge.address());
    for target in ["/off", "/own", "/two", "/outer"] {
        client.ask(&request::get(target)).unwrap();
    }
    let targets = |file: &str, count: usize| -> Vec<String> {
        lines(&edge, file, count).iter().map(|line| line.split(' ').nth(6).unwrap().to_owned()).collect()
    };
    assert_eq!(targets("logs/outer.log", 1), ["/outer"]);
    assert_eq!(targets("logs/own.log", 2), ["/own", "/two"]);
    assert_eq!(targets("logs/two.log", 1), ["/two"]);
}

#[test]
fn without_a_word_requests_are_logged_and_off_is_off() {
    let edge = start("");
    client::get(edge.address(), "/");
    assert_eq!(lines(&edge, "logs/access.log", 1).len(), 1);
    let edge = start("access_log: off\n");
    client::get(edge.address(), "/");
    assert!(!edge.file("logs/access.log").exists());
}

#[test]
fn every_request_of_a_connection_has_its_line() {
    let edge = start(
        "log_format: { n: '$connection $connection_requests $request_uri' }\naccess_log: { path: logs/n.log, format: n }\n",
    );
    let mut client = Client::connect(edge.address());
    let together: Vec<u8> = (0..20).flat_map(|at| request::get(&format!("/{at}")).bytes()).collect();
    client.write(together);
    for _ in 0..20 {
        client.response("GET").unwrap();
    }
    let found = lines(&edge, "logs/n.log", 20);
    let connection = found[0].split(' ').next().unwrap();
    let expected: Vec<String> = (0..20).map(|at| format!("{connection} {} /{at}", at + 1)).collect();
    assert_eq!(found, expected);
}

/// `2026/11/22 16:10:00 [notice] 123#124: message`
fn level_of(line: &str, edge: &Edge) -> String {
    let shape: String = line[..19].chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999/99/99 99:99:99", "{line}");
    let (level, rest) = line[20..].trim_start_matches('[').split_once("] ").unwrap_or_else(|| panic!("{line}"));
    let (process, rest) = rest.split_once('#').unwrap_or_else(|| panic!("{line}"));
    assert_eq!(process, edge.id().to_string(), "{line}");
    assert!(rest.split_once(": ").is_some_and(|(thread, _)| thread.parse::<u32>().is_ok()), "{line}");
    level.to_owned()
}

#[test]
fn the_error_log_writes_what_its_level_says() {
    const LEVELS: [&str; 8] = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];
    for level in ["debug", "info", "notice", "warn", "error", "crit"] {
        let port = ports::free();
        let with = |text: &str| saying(port, text).replace("level: info", &format!("level: {level}"));
        let edge = Edge::yaml(&with("old"), port).start();
        // A notice (it reads again, and reopens), a warning and an error.
        let warns = with("new") + "    location: [{ match: /a, add_header: { X-B: 1 } }]\n";
        edge.write_configuration(&format!("add_header: {{ X-A: 1 }}\n{warns}"));
        edge.signal(libc::SIGHUP);
        let new = wait::until(SOON, || (client::get(edge.address(), "/").text() == "new").then_some(()));
        assert!(new.is_some(), "{}", edge.errors());
        edge.write_configuration("nonsense");
        edge.signal(libc::SIGHUP);
        edge.signal(libc::SIGUSR1);
        let reopened = wait::until(SOON, || {
            let text = std::fs::read_to_string(edge.file("logs/error.log")).unwrap_or_default();
            (level == "crit" || text.contains("not reloaded")).then_some(text)
        });
        let text = reopened.expect(level);
        let mut found: Vec<String> = text.lines().map(|line| level_of(line, &edge)).collect();
        let place = |level: &str| LEVELS.iter().position(|l| *l == level).unwrap_or_else(|| panic!("{level}"));
        found.sort_by_key(|level| place(level));
        found.dedup();
        let least = found.first().map_or(7, |level| place(level));
        assert!(least >= place(level), "{level}: {found:?}\n{text}");
        for expected in ["notice", "warn", "error"] {
            let wanted = place(expected) >= place(level);
            assert_eq!(found.iter().any(|l| l == expected), wanted, "{level}, {expected}:\n{text}");
        }
    }
}

#[test]
fn errors_go_to_stderr_if_that_is_what_is_written() {
    let port = ports::free();
    let with = |text: &str| saying(port, text).replace("path: logs/error.log", "path: stderr");
    let edge = Edge::yaml(&with("old"), port).start();
    reload(&edge, &with("new"));
    assert!(edge.output().contains(" [notice] "), "{}", edge.output());
    assert!(!edge.file("logs/error.log").exists());
}

/// A request whose client has gone is logged as nginx does it, with 499.
#[test]
fn a_client_that_leaves_is_logged() {
    let (port, held) = (ports::free(), super::Held::start());
    let edge = Edge::yaml(&super::passing_to(port, &held.backend, ""), port).start();
    let mut client = Client::connect(edge.address());
    client.write(Request::new("GET", "/left").bytes());
    assert!(held.backend.wait_requests(1));
    drop(client);
    let line = only_line(&edge, "logs/access.log");
    assert!(line.contains("\"GET /left HTTP/1.1\" 499 0 "), "{line}");
}
