//! Upstreams that fail: all dead, or each failing the first time a URL is asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::support::backend::{self, Answer, Backend, Seen};

use super::case::{Case, ask, get_with, lines};

/// To upstreams that refuse connections: 502, for any method, with nginx's own page.
pub fn dead() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in ["/page.html", "/index.jsp", "/js/small.js?u={u}", "/"] {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            cases.push(ask(&format!("dead: {method} {target}"), method, target, &["Content-Length: 3"], "abc"));
        }
    }
    cases.push(lines("dead: 1.0", &["GET /page.html HTTP/1.0", "Host: a"]));
    cases.push(get_with("dead: gzip asked for", "/page.html", &["Accept-Encoding: gzip"]));
    cases.push(get_with("dead: close", "/page.html", &["Connection: close"]));
    cases.push(get_with("dead: an old browser", "/page.html", &["User-Agent: Mozilla/4.0 (MSIE 6.0)"]));
    cases.push(get_with("dead: Chrome", "/page.html", &["User-Agent: Mozilla/5.0 Chrome/1"]));
    cases.push(ask("dead: a body over the limit", "POST", "/x", &["Content-Length: 99999999"], ""));
    cases.push(ask("dead: TRACE", "TRACE", "/x", &[], ""));
    cases
}

/// What the backends of `failing` do when they are asked for a URL with this word in it.
const FAILURES: &[&str] = &[
    "500",
    "502",
    "503",
    "504",
    "403",
    "404",
    "429",
    "hangup",
    "reset",
    "garbage",
    "cut-head",
    "bare-lf",
    "no-space",
    "huge-head",
    "bad-header",
    "wrong-version",
];

/// To a pair of `backend`s: each failure, of the first request for a URL or of all, per method and location.
pub fn failing() -> Vec<Case> {
    let mut cases = Vec::new();
    for failure in FAILURES {
        for (kind, extension) in [("script", "js"), ("page", "jsp")] {
            for (times, word) in [("once", "once"), ("always", "always")] {
                let target = format!("/{word}/{failure}/x.{extension}?u={{u}}");
                let mut add = |method: &str, headers: &[&str], body: &str| {
                    let name = format!("failing {times}: {failure} of a {kind} to {method}");
                    cases.push(ask(&name, method, &target, headers, body));
                };
                add("GET", &[], "");
                add("POST", &["Content-Length: 3"], "abc");
                if *failure == "502" || *failure == "hangup" {
                    add("HEAD", &[], "");
                    add("PUT", &["Content-Length: 3"], "abc");
                    add("DELETE", &[], "");
                    add("PATCH", &["Content-Length: 3"], "abc");
                }
            }
        }
    }
    cases
}

/// How often each URL was asked for, over both backends of a pair.
#[derive(Clone, Default)]
pub struct Tries(Arc<Mutex<HashMap<String, usize>>>);

impl Tries {
    /// Of the case with this number.
    pub fn of(&self, number: usize) -> usize {
        let tries = self.0.lock().expect("nobody panics holding it");
        let end = format!("?u={number}");
        tries.iter().filter(|(target, _)| target.ends_with(&end)).map(|(_, count)| count).sum()
    }

    fn count(&self, seen: &Seen) -> usize {
        let mut tries = self.0.lock().expect("nobody panics holding it");
        let count = tries.entry(seen.target().to_string()).or_default();
        *count += 1;
        *count
    }
}

/// One of the pair: the two are alike, so that it does not matter which is asked first.
pub fn backend(tries: &Tries) -> Backend {
    let tries = tries.clone();
    Backend::start(move |seen, answer| {
        let attempt = tries.count(seen);
        let mut words = seen.target().split('/').skip(1);
        let fails = match words.next() {
            Some("once") => attempt == 1,
            Some("always") => true,
            _ => false,
        };
        match (fails, words.next()) {
            (true, Some(failure)) => fail(failure, seen, answer),
            _ => answer.write(said(200, seen, "attempt")),
        }
    })
}

fn said(status: u16, seen: &Seen, text: &str) -> Vec<u8> {
    let mut bytes = backend::answer(status, "text/plain", text);
    if seen.method() == "HEAD" {
        bytes.truncate(bytes.len() - text.len());
    }
    bytes
}

fn fail(failure: &str, seen: &Seen, answer: &mut Answer) {
    match failure {
        "hangup" => {}
        "reset" => return answer.reset(),
        "garbage" => answer.write("this is not HTTP at all\r\n\r\n"),
        "cut-head" => answer.write("HTTP/1.1 200 OK\r\nContent-Le"),
        // Whole answers: the connection stays open, so that a proxy that accepts them may use it again.
        "bare-lf" => return answer.write("HTTP/1.1 200 OK\nContent-Length: 7\n\nattempt"),
        "no-space" => return answer.write("HTTP/1.1 200\r\nContent-Length: 7\r\n\r\nattempt"),
        "huge-head" => {
            let long = "v".repeat(100_000);
            return answer.write(format!("HTTP/1.1 200 OK\r\nX-Long: {long}\r\nContent-Length: 7\r\n\r\nattempt"));
        }
        "bad-header" => return answer.write("HTTP/1.1 200 OK\r\nBad Header: x\r\nContent-Length: 7\r\n\r\nattempt"),
        "wrong-version" => return answer.write("HTTP/9.9 200 OK\r\nContent-Length: 7\r\n\r\nattempt"),
        status => return answer.write(said(status.parse().expect("a status"), seen, "failed")),
    }
    answer.close();
}
