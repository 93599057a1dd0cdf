//! Stored answers leave on a short way of their own. A request that has a body, be it empty, takes the long one: both must
//! give the same answer and the same line in the log.

use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::edge::Edge;
use crate::support::request::{self, Request};
use crate::support::{ports, wait};

const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nETag: \"v1\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 \
                     GMT\r\nAccept-Ranges: bytes\r\nCache-Control: max-age=3600\r\nX-oDD: a\r\nX-Odd: b\r\nSet-Cookie2: \
                     x\r\nX-Pad: y\r\nRefresh: 5; url=http://app/x\r\nLocation: http://app/there\r\n";

const EXTRAS: [&str; 9] = [
    "",
    "expires: 15m",
    "expires: max\n        add_header: {X-Fixed: a, Age: '5', Expires: never}",
    "expires: -1\n        add_header: {Expires: never}",
    "expires: modified 1h",
    "gzip: {types: [text/html], vary: on}\n        add_header: {ETag: '\"v9\"', X-Fixed: a}",
    "charset: utf-8\n        keepalive_timeout: 65s 60s",
    "add_header: {X-Sent: 'a $sent_http_content_type', X-Up: $upstream_http_x_pad, X-Status: $upstream_cache_status}",
    "server_tokens: off\n        proxy_hide_header: [x-odd]\n        proxy_force_ranges: on",
];

fn edge(backend: &Backend, extra: &str) -> Edge {
    let port = ports::free();
    let text = format!(
        "log_format: {{main: '$request_method $status $body_bytes_sent $bytes_sent $sent_http_etag $upstream_http_x_pad \
         $upstream_cache_status $request_completion'}}\naccess_log: {{path: logs/short.log, format: main}}\n\
         proxy_cache_path: {{z: {{path: cache, memory: 10m}}}}\nupstream:\n  app: {{servers: ['{}']}}\nserver:\n  - listen: \
         127.0.0.1:{port}\n    location:\n      - match: /\n        proxy_pass: http://app\n        proxy_cache: z\n        {extra}\n",
        backend.address()
    );
    Edge::yaml(&text, port).start()
}

fn backend() -> Backend {
    let body = "body { color: red }\n".repeat(900);
    Backend::answering(format!("{PLAIN}Content-Length: {}\r\n\r\n{body}", body.len()))
}

fn questions() -> Vec<Request> {
    vec![
        request::get("/a"),
        request::head("/a"),
        request::get("/a").header("Range", "bytes=5-9"),
        request::get("/a").header("Range", "bytes=90000-"),
        request::get("/a").header("If-None-Match", "\"v1\""),
        request::get("/a").header("If-Match", "\"v2\""),
        request::get("/a").header("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        request::get("/a").header("Cache-Control", "no-cache"),
        request::get("/a").header("Accept-Encoding", "gzip"),
        request::get("/a").header("Connection", "close"),
    ]
}

/// The answer as text, without what says when it was made.
fn told(edge: &Edge, request: &Request) -> String {
    let response = Client::connect(edge.address()).ask(request).unwrap();
    let lines = response.head.headers.0.iter().filter(|(name, _)| !["Date", "Age", "Expires"].contains(&&**name));
    let lines: Vec<String> = lines.map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{} {}\n{}\n{}", response.status(), response.head.reason, lines.join("\n"), response.text())
}

fn logged(edge: &Edge, count: usize) -> Vec<String> {
    let lines = || -> Vec<String> {
        let text = std::fs::read_to_string(edge.file("logs/short.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    wait::until(Duration::from_secs(5), || (lines().len() >= count).then_some(()));
    lines()
}

#[test]
fn the_short_way_and_the_long_one_tell_the_same() {
    for extra in EXTRAS {
        let backend = backend();
        let edge = edge(&backend, extra);
        told(&edge, &request::get("/a"));
        // The next line would overtake the one of an answer that is still being stored.
        logged(&edge, 1);
        let mut lines = 1;
        for question in questions() {
            // What the first answer left behind the second one may use.
            let short = [told(&edge, &question), told(&edge, &question)];
            let long = told(&edge, &question.clone().chunked(&[]));
            assert_eq!(short, [long.clone(), long], "{extra}");
            lines += 3;
            let logged = logged(&edge, lines);
            assert_eq!(logged.len(), lines);
            assert_eq!(logged[lines - 3..lines - 1], logged[lines - 2..], "{extra}");
        }
        assert_eq!(backend.requests(), 1, "all but the first answer are from the cache");
    }
}

#[test]
fn what_the_clock_decides_is_told_anew_each_time() {
    let backend = backend();
    let edge = edge(&backend, "expires: 15m");
    let times = || {
        let response = Client::connect(edge.address()).ask(&request::get("/a")).unwrap();
        let at = |name| httpdate::parse_http_date(response.header(name).unwrap()).unwrap();
        let ahead = at("expires").duration_since(at("date")).unwrap().as_secs();
        assert!((900..=901).contains(&ahead), "{ahead}");
        assert_eq!(response.header("cache-control"), Some("max-age=900"));
        (response.header("age").map(|age| age.parse::<u64>().unwrap()), at("date"))
    };
    assert_eq!(times().0, None, "the first answer is the server's");
    let first = times();
    let later = wait::until(Duration::from_secs(10), || {
        let later = times();
        (later.0 > first.0 && later.1 > first.1).then_some(())
    });
    assert!(later.is_some());
}

#[test]
fn one_stored_answer_is_told_by_the_words_of_each_location() {
    let backend = backend();
    let port = ports::free();
    let location = |path: &str, word: &str| {
        format!(
            "      - match: {path}\n        proxy_pass: http://app\n        proxy_cache: z\n        proxy_cache_key: one\n        \
             add_header: {{X-Place: {word}}}\n"
        )
    };
    let text = format!(
        "proxy_cache_path: {{z: {{path: cache, memory: 10m}}}}\nupstream:\n  app: {{servers: ['{}']}}\nserver:\n  - listen: \
         127.0.0.1:{port}\n    location:\n{}{}",
        backend.address(),
        location("/a", "here"),
        location("/b", "there")
    );
    let edge = Edge::yaml(&text, port).start();
    let mut client = Client::connect(edge.address());
    for (path, word) in
        [("/a", "here"), ("/a", "here"), ("/b", "there"), ("/b", "there"), ("/b", "there"), ("/a", "here")]
    {
        let response = client.ask(&request::get(path)).unwrap();
        assert_eq!(response.header("x-place"), Some(word));
    }
    assert_eq!(backend.requests(), 1);
}

#[test]
fn a_client_that_takes_a_coding_is_never_given_what_was_made_for_others() {
    let backend = backend();
    let edge = edge(&backend, "gzip: {types: [text/css], min_length: 1, vary: on}");
    let plain = || told(&edge, &request::get("/a"));
    plain();
    let expected = plain();
    assert!(expected.contains("vary: Accept-Encoding") || expected.contains("Vary: Accept-Encoding"), "{expected}");
    assert_eq!(plain(), expected);
    let response = Client::connect(edge.address()).ask(&request::get("/a").header("Accept-Encoding", "gzip")).unwrap();
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    let refused = request::get("/a").header("Accept-Encoding", "gzip;q=0, identity");
    assert_eq!([plain(), told(&edge, &refused)], [expected.clone(), expected]);
}

#[test]
fn many_stored_answers_follow_each_other_on_one_connection() {
    let backend = backend();
    let edge = edge(&backend, "");
    let mut client = Client::connect(edge.address());
    for _ in 0..3 {
        for question in questions().iter().take(7) {
            assert!(client.ask(question).is_ok());
        }
        assert_eq!(client.ask(&request::post("/other", "x")).unwrap().status(), 200);
    }
    assert_eq!(backend.requests(), 4);
}

#[test]
fn what_allows_ranges_is_compressed_once_too() {
    let backend = backend();
    let edge = edge(&backend, "gzip: {types: [text/css], min_length: 1}");
    let question = request::get("/a").header("Accept-Encoding", "gzip");
    told(&edge, &question);
    let stored = wait::until(Duration::from_secs(10), || {
        let response = Client::connect(edge.address()).ask(&question).unwrap();
        assert_eq!(response.header("content-encoding"), Some("gzip"));
        response.header("content-length").is_some().then_some(())
    });
    assert!(stored.is_some(), "each answer is compressed as it goes out");
}

/// Who comes in at `/open` has it stored; the others may not have it, whichever way they come.
#[test]
fn a_stored_answer_is_for_nobody_who_may_not_come_in() {
    let backend = backend();
    let port = ports::free();
    let text = format!(
        "proxy_cache_path: {{z: {{path: cache, memory: 10m}}}}\nproxy_cache: z\nproxy_cache_key: one\nupstream:\n  app: {{servers: \
         ['{}']}}\nserver:\n  - listen: 127.0.0.1:{port}\n    proxy_cache_valid: {{200: 1h}}\n    auth_basic_user_file: users\n    \
         location:\n      - {{match: /open, proxy_pass: 'http://app'}}\n      - {{match: /shut, access: {{deny: all}}, proxy_pass: \
         'http://app'}}\n      - {{match: /asks, auth_basic: x, proxy_pass: 'http://app'}}\n      - {{match: /inquires, auth_request: \
         /judge, proxy_pass: 'http://app'}}\n      - {{match: /judge, return: 403}}\n      - {{match: /real, set_real_ip_from: \
         127.0.0.1, access: {{allow: 192.0.2.7, deny: all}}, proxy_pass: 'http://app'}}\n      - match: /limited\n        proxy_pass: \
         'http://app'\n        limit_except: {{methods: [POST], access: {{deny: all}}}}\n",
        backend.address()
    );
    let edge = Edge::yaml(&text, port).with_file("users", "a:{PLAIN}b\n").start();
    let status = |request: &Request| Client::connect(edge.address()).ask(request).unwrap().status();
    assert_eq!(status(&request::get("/open")), 200);
    let stored = || status(&request::get("/open").header("Cache-Control", "only-if-cached")) == 200;
    assert!(wait::until(Duration::from_secs(5), || stored().then_some(())).is_some());
    let user = |request: Request, pair: &str| request.header("Authorization", &format!("Basic {pair}"));
    let asked: [(Request, u16); 9] = [
        (request::get("/open"), 200),
        (request::get("/shut"), 403),
        (request::head("/shut"), 403),
        (request::get("/asks"), 401),
        (user(request::get("/asks"), "YTpi"), 200),
        (user(request::get("/asks"), "YTpj"), 401),
        (request::get("/inquires"), 403),
        (request::get("/real").header("X-Real-IP", "192.0.2.8"), 403),
        (request::get("/limited"), 403),
    ];
    for (number, (request, expected)) in asked.into_iter().enumerate() {
        for _ in 0..2 {
            assert_eq!(status(&request), expected, "{number}, the short way");
            assert_eq!(status(&request.clone().chunked(&[])), expected, "{number}, the long way");
        }
    }
    assert_eq!(status(&request::get("/real").header("X-Real-IP", "192.0.2.7")), 200);
    assert_eq!(backend.requests(), 1, "all but the first answer are from the cache");
}
