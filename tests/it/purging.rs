//! What is stored and forgotten by word of an operator: `edge cache`, PURGE, and what a reload or a new binary leaves.

use crate::messages::{Desk, Said};
use crate::support::backend::{self, Backend};
use crate::support::edge::Edge;
use crate::support::request::{self, Request};
use crate::support::response::Response;
use crate::support::{ports, wait};
use serde_json::Value;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

fn configuration(port: u16, origin: &Backend, zone: &str, more: &str) -> String {
    format!(
        "worker_processes: 2\nerror_log: {{ path: logs/error.log, level: info }}\nproxy_cache_path:\n  pages: {zone}\n  \
         other: {{ memory: 1m }}\nserver:\n  - listen: 127.0.0.1:{port}\n    location:\n      - match: /\n        \
         proxy_pass: http://{}\n        proxy_cache: pages\n        proxy_cache_valid: {{ 200: 1h }}\n        \
         proxy_cache_purge: [127.0.0.1]\n        add_header: {{ X-Cache: $upstream_cache_status }}\n{more}",
        origin.address()
    )
}

fn start(configuration: &str, port: u16) -> Edge {
    let edge = Edge::yaml(configuration, port).start();
    assert!(wait::until(SOON, || edge.file("logs/edge.sock").exists().then_some(())).is_some());
    edge
}

fn furnished(zone: &str) -> (Backend, Edge) {
    let origin = Backend::start(|seen, answer| {
        let text = format!("{} for {}", seen.target(), seen.header("accept-language").unwrap_or("all"));
        let tag = if seen.target().starts_with("/css") { "style" } else { "page" };
        answer.write(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nVary: Accept-Language\r\nCache-Tag: {tag}\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        ));
    });
    let port = ports::free();
    let edge = start(&configuration(port, &origin, zone, ""), port);
    for target in ["/a", "/b?x=1", "/css/one", "/css/two"] {
        assert_eq!(cached(&get(&edge, target)), "MISS");
    }
    assert_eq!(cached(&request::get("/a").header("Accept-Language", "de").send(edge.address())), "MISS");
    for target in ["/a", "/b?x=1", "/css/one", "/css/two"] {
        assert_eq!(cached(&get(&edge, target)), "HIT");
    }
    // What a purge counts and a list tells has reached the disk.
    assert!(wait::until(SOON, || (urls(&edge, &[]).len() == 5).then_some(())).is_some());
    (origin, edge)
}

fn get(edge: &Edge, target: &str) -> Response {
    request::get(target).send(edge.address())
}

fn cached(answer: &Response) -> String {
    answer.header("X-Cache").unwrap_or("-").to_owned()
}

fn cache(edge: &Edge, words: &[&str]) -> Said {
    let file = edge.file("edge.yaml");
    Desk::new().edge(&[&["cache"], words, &["-c", file.to_str().unwrap()]].concat())
}

fn listed(edge: &Edge, words: &[&str]) -> Vec<Value> {
    let said = cache(edge, &[&["ls", "--json"], words].concat());
    assert!(said.status.success(), "{}", said.stderr);
    said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn urls(edge: &Edge, words: &[&str]) -> Vec<String> {
    let mut urls: Vec<String> = listed(edge, words).iter().map(|row| row["url"].as_str().unwrap().into()).collect();
    urls.sort();
    urls
}

#[test]
fn what_is_stored_is_listed() {
    for zone in ["{ memory: 1m }", "{ memory: 1m, path: cache }"] {
        let (_origin, edge) = furnished(zone);
        let all = ["shop.test/a", "shop.test/a", "shop.test/b?x=1", "shop.test/css/one", "shop.test/css/two"];
        assert_eq!(urls(&edge, &[]), all);
        assert_eq!(urls(&edge, &["pages", "--prefix", "http://Shop.test:80/css"]), all[3..]);
        assert!(urls(&edge, &["other"]).is_empty());
        let row = &listed(&edge, &["--prefix", "shop.test/b"])[0];
        assert_eq!((&row["zone"], &row["status"], &row["bytes"]), (&"pages".into(), &200.into(), &14.into()), "{row}");
        assert!((3500..=3600).contains(&row["fresh_for"].as_u64().unwrap()), "{row}");
        let text = cache(&edge, &["ls", "pages"]).stdout;
        assert_eq!(text.lines().count(), 1 + all.len(), "{text}");
        assert!(text.lines().any(|line| line.starts_with("   200        14 ") && line.ends_with("shop.test/b?x=1")));
    }
}

#[test]
fn a_list_tells_how_often_each_answer_was_found() {
    for zone in ["{ memory: 1m }", "{ memory: 1m, path: cache }", "{ memory: 0, path: cache }"] {
        let (_origin, edge) = furnished(zone);
        let hits = || listed(&edge, &["--prefix", "shop.test/css/"]).iter().map(|row| row["hits"].as_u64()).collect();
        // Whoever reads along while an answer is stored does not find it.
        let before: Vec<Option<u64>> = hits();
        for target in ["/css/one", "/css/one", "/css/one", "/css/two"] {
            assert_eq!(cached(&get(&edge, target)), "HIT");
        }
        let after: Vec<Option<u64>> = hits();
        let mut more: Vec<u64> = before.iter().zip(&after).map(|(b, a)| a.unwrap() - b.unwrap()).collect();
        more.sort_unstable();
        assert_eq!(more, [1, 3], "{zone}: {before:?} {after:?}");
        let text = cache(&edge, &["ls", "pages", "--prefix", "shop.test/css/one"]).stdout;
        let columns: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let found = columns[0].iter().position(|column| *column == "HITS").expect("a column");
        assert!(columns[1][found].parse::<u64>().is_ok_and(|hits| hits >= 3), "{text}");
    }
}

#[test]
fn a_list_of_many_pages_tells_each_answer_once() {
    let origin = Backend::saying("x");
    let port = ports::free();
    let edge = start(&configuration(port, &origin, "{ memory: 64m }", ""), port);
    let mut client = crate::support::client::Client::connect(edge.address());
    for at in 0..700 {
        assert_eq!(client.ask(&request::get(&format!("/{at}"))).unwrap().status(), 200);
    }
    assert!(wait::until(SOON, || (urls(&edge, &[]).len() == 700).then_some(())).is_some());
    let mut expected: Vec<String> = (0..700).map(|at| format!("shop.test/{at}")).collect();
    expected.sort();
    assert_eq!(urls(&edge, &[]), expected);
}

#[test]
fn what_is_named_is_forgotten_and_nothing_else() {
    let purges: [(&[&str], &str, &[&str]); 6] = [
        (&["http://shop.test/a"], "2 purged\n", &["/a"]),
        (&["SHOP.test:8080/b?x=1"], "1 purged\n", &["/b?x=1"]),
        (&["shop.test/b"], "0 purged\n", &[]),
        (&["--prefix", "shop.test/css/"], "2 purged\n", &["/css/one", "/css/two"]),
        (&["--tag", "page", "--zone", "pages"], "3 purged\n", &["/a", "/b?x=1"]),
        (&["--all"], "5 purged\n", &["/a", "/b?x=1", "/css/one", "/css/two"]),
    ];
    for (words, out, gone) in purges {
        let (_origin, edge) = furnished("{ memory: 1m, path: cache }");
        let said = cache(&edge, &[&["purge"], words].concat());
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), (out, ""), "{words:?}");
        for target in ["/a", "/b?x=1", "/css/one", "/css/two"] {
            let expected = if gone.contains(&target) { "MISS" } else { "HIT" };
            assert_eq!(cached(&get(&edge, target)), expected, "{words:?} {target}");
        }
    }
}

#[test]
fn what_is_purged_softly_is_asked_for_again() {
    let (_origin, edge) = furnished("{ memory: 1m }");
    assert_eq!(cache(&edge, &["purge", "shop.test/b?x=1", "--soft"]).stdout, "1 made stale\n");
    assert_eq!(cached(&get(&edge, "/b?x=1")), "EXPIRED");
    assert_eq!(cached(&get(&edge, "/b?x=1")), "HIT");
}

#[test]
fn a_mistake_is_told_with_what_was_meant() {
    let (_origin, edge) = furnished("{ memory: 1m }");
    for (words, why) in [
        (&["ls", "page"] as &[&str], "edge: there is no cache `page`; did you mean `pages`?\n"),
        (&["purge", "--all", "--zone", "zzzzzz"], "edge: there is no cache `zzzzzz`; known are: other, pages\n"),
        (&["stats", "othr"], "edge: there is no cache `othr`; did you mean `other`?\n"),
    ] {
        let said = cache(&edge, words);
        assert_eq!((said.status.code(), said.stdout.as_str(), said.stderr.as_str()), (Some(1), "", why), "{words:?}");
    }
    for words in [&["purge"] as &[&str], &["purge", "a", "--all"]] {
        assert_eq!(cache(&edge, words).status.code(), Some(1), "{words:?}");
    }
}

#[test]
fn requests_are_counted_by_what_the_cache_did_for_them() {
    let (origin, edge) = furnished("{ memory: 1m }");
    let counted = || {
        let said = cache(&edge, &["stats", "pages", "--json"]);
        let zone: Value = serde_json::from_str(&said.stdout).unwrap();
        (zone["requests"]["miss"].as_u64().unwrap(), zone["requests"]["hit"].as_u64().unwrap())
    };
    // A line is written, and a request counted, after its client has the answer.
    assert!(wait::until(SOON, || (counted() == (5, 4)).then_some(())).is_some(), "{:?}", counted());
    let again = configuration(edge.address().port(), &origin, "{ memory: 2m }", "");
    edge.write_configuration(&again);
    let file = edge.file("edge.yaml");
    let said = Desk::new().edge(&["-s", "reload", "-c", file.to_str().unwrap()]);
    assert!(said.status.success(), "{}", said.stderr);
    assert_eq!(counted(), (5, 4), "a reload keeps what was counted");
    let text = cache(&edge, &["stats"]).stdout;
    assert!(text.contains("pages: 5 objects, ") && text.ends_with("; requests: 4 hit, 5 miss\n"), "{text}");
}

#[test]
fn purge_over_http_takes_an_address_or_all_that_begins_so() {
    let (_origin, edge) = furnished("{ memory: 1m, path: cache }");
    let purge = |target: &str| Request::new("PURGE", target).send(edge.address()).status();
    assert_eq!((purge("/a"), purge("/a"), purge("/css/*"), purge("/nothing*")), (204, 404, 204, 204));
    assert_eq!(urls(&edge, &[]), ["shop.test/b?x=1"]);
}

#[test]
fn a_reload_that_comes_to_nothing_leaves_a_cache_its_size() {
    let (origin, edge) = furnished("{ memory: 1m }");
    let taken = Backend::saying("taken");
    let port = edge.address().port();
    let other = format!("  - listen: {}\n    return: {{ status: 204 }}\n", taken.address());
    edge.write_configuration(&configuration(port, &origin, "{ memory: 4k }", &other));
    let file = edge.file("edge.yaml");
    let said = Desk::new().edge(&["-s", "reload", "-c", file.to_str().unwrap()]);
    assert_eq!(said.status.code(), Some(1), "{}", said.stderr);
    assert_eq!(cache(&edge, &["purge", "--all"]).status.code(), Some(0));
    for target in ["/a", "/b?x=1", "/css/one", "/css/two"] {
        assert_eq!(cached(&get(&edge, target)), "MISS");
    }
    for target in ["/a", "/b?x=1", "/css/one", "/css/two"] {
        assert_eq!(cached(&get(&edge, target)), "HIT", "{target}");
    }
}

#[test]
fn a_new_binary_shares_the_cache_of_the_one_before() {
    let (origin, edge) = furnished("{ memory: 1m, path: cache }");
    let number = || std::fs::read_to_string(edge.file("logs/edge.pid")).ok()?.trim().parse::<i32>().ok();
    edge.signal(libc::SIGUSR2);
    let new = wait::until(SOON, || number().filter(|id| *id != edge.id() as i32));
    let new = new.unwrap_or_else(|| panic!("no new binary:\n{}", edge.errors()));
    edge.signal(libc::SIGQUIT);
    let asked = origin.requests();
    let old_is_gone = wait::until(SOON, || (!edge.file("logs/edge.pid.oldbin").exists()).then_some(()));
    let hit = cached(&get(&edge, "/a"));
    // SAFETY: kill takes two numbers.
    unsafe { libc::kill(new, libc::SIGTERM) };
    assert!(old_is_gone.is_some());
    assert_eq!((hit.as_str(), origin.requests()), ("HIT", asked), "{}", edge.errors());
}

#[test]
fn a_check_makes_nothing_and_tells_what_could_not_be_written() {
    let origin = Backend::answering(backend::ok("x"));
    let desk = Desk::new().with("file", "");
    desk.put("edge.yaml", configuration(1, &origin, "{ memory: 1m, path: new/cache }", ""));
    let right = desk.check("edge.yaml");
    assert!(right.status.success(), "{}", right.stderr);
    assert!(!desk.path("new").exists());
    desk.put("edge.yaml", configuration(1, &origin, "{ memory: 1m, path: file/cache }", ""));
    let wrong = desk.check("edge.yaml");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(wrong.stderr.contains("error: the cache `pages` cannot have "), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("file is not a directory"), "{}", wrong.stderr);
}

#[test]
fn explain_tells_what_the_cache_has_to_do_with_a_request() {
    let origin = Backend::answering(backend::ok("x"));
    let more = "        proxy_ignore_headers: [Set-Cookie, Vary]\n        proxy_cache_bypass: [$arg_fresh]\n";
    let desk = Desk::new().with("edge.yaml", configuration(8080, &origin, "{ memory: 1m }", more));
    let explain = |words: &[&str]| desk.edge(&[&["explain"], words].concat()).stdout;
    let text = explain(&["GET", "http://shop.test:8080/a?b=1"]);
    for line in [
        "  cache      pages (memory): looked into, the answer may be stored\n",
        "/a?b=1\n",
        "  listed as  shop.test/a?b=1\n",
        "  ignored    Set-Cookie, Vary of the answer\n",
        "  PURGE      from 127.0.0.1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert!(explain(&["GET", "http://shop.test:8080/?fresh=1"]).contains("not looked into (proxy_cache_bypass)"));
    assert!(explain(&["DELETE", "http://shop.test:8080/"]).contains("not for DELETE (proxy_cache_methods)"));
}
