//! Rules over real requests: what they decide is done, in each phase, from outside to inside.

mod filters;
mod hostile;
mod pages;
mod sessions;
mod shared;
mod ways;

use crate::messages::Desk;
use crate::support::backend::{self, Backend};
use crate::support::edge::Edge;
use crate::support::request::{self, Request};
use crate::support::response::Response;
use crate::support::{ports, wait};
use std::path::Path;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// A server with these keys and locations; `$rules_fired` and `$rules_log` are logged.
fn start(top: &str, server: &str, locations: &str) -> Edge {
    let port = ports::free();
    let text = format!(
        "worker_processes: 2\nerror_log: {{ path: logs/error.log, level: info }}\n\
         log_format: {{ rules: '$status $rules_fired $rules_log' }}\naccess_log: {{ path: logs/access.log, format: rules }}\n\
         {top}\nserver:\n  - listen: 127.0.0.1:{port}\n{server}\n    location:\n{locations}\n"
    );
    let plan = Edge::yaml(&text, port);
    // For those who attach a file of their own.
    plan.with_file("rules.yaml", "rules: [{ name: r, when: request.path == '/a', then: [{ respond: 403 }] }]\n").start()
}

fn get(edge: &Edge, target: &str) -> Response {
    request::get(target).send(edge.address())
}

/// Says what it was asked for.
fn origin() -> Backend {
    Backend::start(|seen, answer| {
        let text = format!("{} {}", seen.target(), seen.header("x-from-rule").unwrap_or("-"));
        answer.write(backend::ok(&text));
    })
}

/// The line of a request in the log, once it is there.
fn logged(edge: &Edge, line: &str) -> bool {
    let read = || std::fs::read_to_string(edge.file("logs/access.log")).unwrap_or_default();
    wait::until(SOON, || read().lines().any(|l| l == line).then_some(())).is_some()
}

#[test]
fn a_rule_answers_in_the_place_of_the_application() {
    let origin = origin();
    let locations = format!("      - {{ match: /, proxy_pass: 'http://{}' }}", origin.address());
    let rules = "    rules:\n      - { name: no-php, when: \"request.path.endsWith('.php')\", then: [{ respond: 404 }] }\n      \
                 - { name: hello, when: request.path == '/hello', then: [{ respond: { status: 200, body: 'hello $remote_addr', \
                 headers: { X-A: b } } }] }\n      \
                 - { name: moved, when: request.path == '/old', then: [{ redirect: { to: '/new?from=$uri', status: 301 } }] }\n      \
                 - { name: shut, when: request.path == '/shut', then: [{ maintenance: { retry_after: 10m, body: <p>later</p> } }] }";
    let edge = start("", rules, &locations);
    assert_eq!(get(&edge, "/index.php").status(), 404);
    let hello = get(&edge, "/hello");
    assert_eq!((hello.status(), hello.text().as_str()), (200, "hello 127.0.0.1"));
    assert_eq!((hello.header("X-A"), hello.header("Content-Type")), (Some("b"), Some("text/plain")));
    let moved = get(&edge, "/old");
    assert_eq!(moved.status(), 301);
    assert!(
        moved.header("Location").is_some_and(|to| to.ends_with("/new?from=/old")),
        "{:?}",
        moved.header("Location")
    );
    let shut = get(&edge, "/shut");
    assert_eq!((shut.status(), shut.header("Retry-After"), shut.text().as_str()), (503, Some("600"), "<p>later</p>"));
    assert_eq!(origin.requests(), 0);
    assert_eq!(get(&edge, "/page").text(), "/page -");
    assert!(logged(&edge, "404 no-php -") && logged(&edge, "200 - -"));
}

#[test]
fn a_status_of_a_rule_gets_the_page_there_is_for_it() {
    let rules = "    error_page: { 403: /denied }\n    rules: [{ name: private, when: \"request.path.startsWith('/private/')\", \
                 then: [{ respond: 403 }] }]";
    let edge = start(
        "",
        rules,
        "      - { match: = /denied, return: { status: 200, text: the page } }\n      - { match: /, return: 204 }",
    );
    let denied = get(&edge, "/private/a");
    assert_eq!((denied.status(), denied.text().as_str()), (403, "the page"));
    assert_eq!(get(&edge, "/public").status(), 204);
}

#[test]
fn rules_add_up_from_outside_to_inside_and_run_once() {
    let origin = origin();
    let top = "rules: [{ name: whole, phase: request, then: [{ set: { seen: \"'whole'\" } }] }]";
    let server = "    rules: [{ name: server, phase: request, then: [{ set: { seen: \"vars.seen + ' server'\" } }] }]";
    let locations = format!(
        "      - match: /\n        proxy_pass: http://{0}\n        rules: [{{ name: location, then: [{{ set_request_header: \
         {{ X-From-Rule: '$seen location' }} }}] }}]\n        location:\n          - match: /in/\n            \
         proxy_pass: http://{0}\n            rules: [{{ name: inside, phase: log, then: [{{ log: {{ path: request.path }} }}] }}]\n          \
         - match: /alone/\n            proxy_pass: http://{0}\n            rules_inherit: off",
        origin.address()
    );
    let edge = start(top, server, &locations);
    assert_eq!(get(&edge, "/a").text(), "/a whole server location");
    assert_eq!(get(&edge, "/in/a").text(), "/in/a whole server location");
    assert_eq!(get(&edge, "/alone/a").text(), "/alone/a -");
    assert!(logged(&edge, "200 whole,server,location -"));
    assert!(logged(&edge, "200 whole,server,location,inside path=/in/a"));
    assert!(logged(&edge, "200 whole,server -"));
}

#[test]
fn a_rewrite_of_the_server_chooses_the_location() {
    let rules = "    rules:\n      - { name: old, then: [{ rewrite: { match: '^/old/(.*)$', to: '/new/$1?old=1' } }] }\n      \
                 - { name: strip, when: \"request.arg('debug') != ''\", then: [{ rewrite: { query: '' } }] }";
    let locations = "      - { match: /new/, return: { status: 200, text: 'new $uri $args' } }\n      \
                     - match: /again/\n        rules: [{ name: on, then: [{ rewrite: { path: /new/again } }] }]\n        return: 500\n      \
                     - { match: /, return: { status: 200, text: 'other $uri $args' } }";
    let edge = start("", rules, locations);
    assert_eq!(get(&edge, "/old/a?b=2").text(), "new /new/a old=1&b=2");
    assert_eq!(get(&edge, "/x?debug=1").text(), "other /x ");
    assert_eq!(get(&edge, "/again/").text(), "new /new/again ");
}

#[test]
fn a_rule_chooses_the_upstream_and_its_server() {
    let named = |name: &'static str| Backend::start(move |_, answer| answer.write(backend::ok(name)));
    let (stable, first, second) = (named("stable"), named("first"), named("second"));
    let top = format!(
        "upstream:\n  stable: {{ servers: ['{}'] }}\n  canary: {{ servers: [{{ address: '{}', route: one }}, {{ address: '{}', \
         route: two }}] }}",
        stable.address(),
        first.address(),
        second.address()
    );
    let locations = "      - match: /\n        proxy_pass: http://stable\n        rules:\n          \
                     - { name: canary, when: \"request.header('x-canary') != ''\", then: [{ upstream: canary }, { server: '$http_x_canary' }] }";
    let edge = start(&top, "", locations);
    let asked = |wanted: &str| request::get("/").header("X-Canary", wanted).send(edge.address()).text();
    assert_eq!(get(&edge, "/").text(), "stable");
    for _ in 0..3 {
        assert_eq!((asked("one").as_str(), asked("two").as_str()), ("first", "second"));
    }
    assert_eq!(asked(&first.address().to_string()), "first");
}

#[test]
fn attempts_beyond_a_limit_are_refused_and_told_when_to_come_again() {
    let rules = "    rules:\n      - name: slow\n        when: request.path == '/login'\n        then: [{ rate_limit: \
                 { by: client.ip, rate: 5/m, burst: 1, nodelay: true } }]";
    let edge = start("", rules, "      - { match: /, return: 204 }");
    let statuses: Vec<u16> = (0..3).map(|_| get(&edge, "/login").status()).collect();
    assert_eq!(statuses, [204, 204, 429]);
    let refused = get(&edge, "/login");
    let seconds: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=12).contains(&seconds), "{seconds}");
    assert_eq!(get(&edge, "/other").status(), 204);
}

#[test]
fn whoever_is_one_too_many_is_refused_until_another_has_left() {
    let (leave, may_leave) = std::sync::mpsc::channel::<()>();
    let may_leave = std::sync::Mutex::new(may_leave);
    let origin = Backend::start(move |_, answer| {
        may_leave.lock().unwrap().recv_timeout(SOON).unwrap();
        answer.write(backend::ok("x"));
    });
    let locations = format!(
        "      - match: /\n        proxy_pass: http://{}\n        rules: [{{ name: few, then: [{{ concurrency_limit: {{ by: client.ip, \
         limit: 1 }} }}] }}]",
        origin.address()
    );
    let edge = start("", "", &locations);
    let address = edge.address();
    let first = std::thread::spawn(move || request::get("/").send(address).status());
    assert!(origin.wait_requests(1));
    assert_eq!(get(&edge, "/").status(), 503);
    leave.send(()).unwrap();
    assert_eq!(first.join().unwrap(), 200);
    leave.send(()).unwrap();
    // It has left when its line is written.
    assert!(wait::until(SOON, || (get(&edge, "/").status() == 200).then_some(())).is_some());
}

#[test]
fn rules_see_the_answer_and_change_it() {
    let origin = Backend::start(|seen, answer| {
        let status = if seen.target() == "/broken" { "500 Internal Server Error" } else { "200 OK" };
        answer.write(format!("HTTP/1.1 {status}\r\nX-Powered-By: Servlet\r\nContent-Length: 2\r\n\r\nok"));
    });
    let rules = "    rules:\n      - { name: shown, then: [{ set_response_header: { X-Rule: '$rules_fired' } }, \
                 { remove_response_header: [X-Powered-By, Server] }] }\n      \
                 - { name: broken, when: response.status >= 500, then: [{ add_response_header: { X-Broken: 'yes' } }, \
                 { log: { why: \"'broken ' + string(response.status)\" } }] }\n      \
                 - { name: kept, when: request.path == '/kept', then: [{ set_response_header: { X-Kept: a } }, { rewrite: { query: '' } }] }";
    let locations = format!(
        "      - {{ match: /, proxy_pass: 'http://{}' }}\n      - {{ match: /own, return: 404 }}",
        origin.address()
    );
    let edge = start("", rules, &locations);
    let fine = get(&edge, "/");
    assert_eq!(
        (fine.header("X-Rule"), fine.header("X-Powered-By"), fine.header("Server")),
        (Some("shown"), None, None)
    );
    assert_eq!(fine.header("X-Broken"), None);
    assert_eq!(get(&edge, "/broken").header("X-Broken"), Some("yes"));
    let own = get(&edge, "/own");
    assert_eq!((own.status(), own.header("X-Rule"), own.header("Server")), (404, Some("shown"), None));
    assert_eq!(get(&edge, "/kept").header("X-Kept"), Some("a"));
    assert!(logged(&edge, "500 shown,broken why='broken 500'"));
}

#[test]
fn the_cache_does_what_rules_want() {
    let origin = Backend::start(|_, answer| answer.write(backend::ok("x")));
    let top = "proxy_cache_path: { pages: { memory: 1m } }";
    let locations = format!(
        "      - match: /\n        proxy_pass: http://{}\n        proxy_cache: pages\n        add_header: {{ X-Cache: \
         $upstream_cache_status }}\n        rules:\n          - {{ name: ttl, when: \"request.path.startsWith('/long/')\", then: [{{ \
         cache: {{ ttl: 1h, tags: [long] }} }}] }}\n          - {{ name: bypass, when: \"request.header('x-fresh') != ''\", then: [{{ \
         cache: {{ bypass: true }} }}] }}\n          - {{ name: one-key, when: \"request.path.startsWith('/long/same')\", then: [{{ cache: {{ \
         key: same }} }}] }}\n          - {{ name: never, when: \"response.status == 200 && request.arg('never') != ''\", then: [{{ cache: {{ \
         no_store: true }} }}] }}",
        origin.address()
    );
    let edge = start(top, "", &locations);
    let cached = |target: &str| get(&edge, target).header("X-Cache").unwrap_or("-").to_owned();
    // Nothing says how long it is fresh.
    assert_eq!([cached("/a"), cached("/a")], ["MISS", "MISS"]);
    assert_eq!([cached("/long/a"), cached("/long/a")], ["MISS", "HIT"]);
    let fresh = request::get("/long/a").header("X-Fresh", "1").send(edge.address());
    assert_eq!(fresh.header("X-Cache"), Some("BYPASS"));
    assert_eq!([cached("/long/same1"), cached("/long/same2")], ["MISS", "HIT"]);
    assert_eq!([cached("/long/b?never=1"), cached("/long/b?never=1")], ["MISS", "MISS"]);
    let file = edge.file("edge.yaml");
    let list = Desk::new().edge(&["cache", "ls", "-c", file.to_str().unwrap()]);
    assert!(list.stdout.contains("/long/a"), "{} {}", list.stdout, list.stderr);
    assert!(logged(&edge, "200 ttl,one-key -"));
}

#[test]
fn a_copy_of_a_request_goes_to_another_upstream() {
    let (origin, copied) = (origin(), Backend::echo());
    let top = format!("upstream: {{ shadow: {{ servers: ['{}'] }} }}", copied.address());
    let locations = format!(
        "      - match: /\n        proxy_pass: http://{}\n        rules: [{{ name: copy, then: [{{ mirror: {{ upstream: shadow, body: \
         true }} }}] }}]",
        origin.address()
    );
    let edge = start(&top, "", &locations);
    assert_eq!(Request::new("POST", "/a?b=1").body("text").send(edge.address()).text(), "/a?b=1 -");
    let seen = wait::until(SOON, || copied.seen().into_iter().next()).expect("a copy");
    assert_eq!((seen.method(), seen.target(), &seen.body[..]), ("POST", "/a?b=1", &b"text"[..]));
    assert_eq!(origin.requests(), 1);
    // The copy has no line of its own.
    assert!(logged(&edge, "200 copy -"));
    assert_eq!(std::fs::read_to_string(edge.file("logs/access.log")).unwrap().lines().count(), 1);
}

#[test]
fn some_requests_are_not_logged() {
    let rules = "    rules: [{ name: quiet, when: request.path == '/health', then: [{ sample: 0% }] }]";
    let edge = start("", rules, "      - { match: /, return: 204 }");
    assert_eq!((get(&edge, "/health").status(), get(&edge, "/a").status()), (204, 204));
    assert!(logged(&edge, "204 - -"));
    assert_eq!(std::fs::read_to_string(edge.file("logs/access.log")).unwrap().lines().count(), 1);
}

#[test]
fn explain_names_the_rules_that_fire() {
    let desk = Desk::new().with(
        "edge.yaml",
        "upstream: { web: { servers: ['127.0.0.1:1'] } }\nserver:\n  - listen: 8080\n    rules: [{ name: marked, then: [{ \
         set_request_header: { X-Marked: 'yes' } }] }]\n    location: [{ match: /, proxy_pass: http://web }]\n",
    );
    let said = desk.edge(&["explain", "GET", "http://127.0.0.1:8080/", "-c", "edge.yaml", "--offline"]);
    assert!(
        said.stdout.contains("  rules      marked\n") && said.stdout.contains("X-Marked: yes"),
        "{}{}",
        said.stdout,
        said.stderr
    );
}

#[test]
fn the_check_runs_the_tests_of_attached_files() {
    let rule = |status: u16| {
        format!(
            "parameters: {{ status: 403 }}\nrules: [{{ name: no, then: [{{ respond: '${{with.status}}' }}] }}]\n\
             tests: [{{ name: it is refused, request: GET /, expect: {{ status: {status} }} }}]\n"
        )
    };
    let desk = Desk::new()
        .with("right.yaml", rule(403))
        .with("wrong.yaml", rule(404))
        .with("edge.yaml", "rules: [{ file: right.yaml, with: { status: 410 } }]\nserver: [{ listen: 8080 }]\n")
        .with("bad.yaml", "rules: [wrong.yaml]\nserver: [{ listen: 8080 }]\n")
        .with("nginx.conf", "events {} http { rules right.yaml status=410; server { listen 8080; } }\n")
        .with("unknown.conf", "events {} http { rules right.yaml stats=410; server { listen 8080; } }\n");
    for file in ["edge.yaml", "nginx.conf"] {
        let said = desk.check(file);
        assert!(said.status.success(), "{}", said.stderr);
    }
    let said = desk.check("bad.yaml").stderr;
    assert!(said.contains("wrong.yaml:3:17: error: the test \"it is refused\" fails"), "{said}");
    assert!(said.contains("expected 404, came 403"), "{said}");
    let said = desk.check("unknown.conf").stderr;
    assert!(said.contains("has no parameter `stats`") && said.contains("did you mean `status`?"), "{said}");
    let said = desk.edge(&["rules", "test", "right.yaml"]);
    assert_eq!((said.status.code(), said.stdout.as_str()), (Some(0), "right.yaml: 1 test passes\n"), "{}", said.stderr);
}

#[test]
fn every_rule_file_that_ships_passes_its_tests() {
    let mut checked = 0;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("lua-free-rules")).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let said = Desk::new().edge(&["rules", "test", path.to_str().unwrap()]);
            assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
            assert!(!said.stdout.contains(": 0 tests"), "{}", said.stdout);
            checked += 1;
        }
    }
    assert_eq!(checked, 20);
}
