//! What a stand-in does beside its scenarios: the ends of a Tomcat, its connector, where it takes ids from.

use crate::support::client::Client;
use crate::support::memcached::Memcached;
use crate::support::request::{self, Request};
use crate::support::standin::{self, Standin, WISHES};
use crate::support::wait;
use std::process::Command;
use std::time::{Duration, Instant};

fn one(options: &[&str]) -> (Memcached, Standin) {
    let node = Memcached::start();
    let tomcat = Standin::start_with("t1", &format!("n1:{}", node.address()), options);
    (node, tomcat)
}

fn begun(tomcat: &Standin) -> String {
    standin::new_id(&tomcat.ask(request::get("/count"), "")).expect("a session")
}

#[test]
fn a_terminated_tomcat_accepts_without_answering_and_then_resets() {
    let (_node, mut tomcat) = one(&[]);
    let mut before = Client::connect(tomcat.address());
    assert_eq!(before.ask(&request::get("/get")).map(|answer| answer.status()).unwrap_or(0), 200);
    let began = Instant::now();
    tomcat.terminate();
    // TERM has arrived once a request on an open connection is left without an answer.
    let mut during = Client::connect(tomcat.address());
    before.set_patience(Duration::from_millis(300));
    let hangs = wait::until(Duration::from_secs(1), || before.ask(&request::get("/get")).err());
    assert!(hangs.is_some(), "it still answers");
    let failure = during.ask(&request::get("/get")).err().expect("no answer").to_string();
    assert!(failure.contains("reset"), "{failure}");
    tomcat.wait_end();
    assert!(began.elapsed() >= Duration::from_millis(1300), "{:?}", began.elapsed());
    assert!(!wait::accepts(tomcat.address()));
}

#[test]
fn the_connector_answers_options_for_all_and_refuses_two_hosts() {
    let (_node, tomcat) = one(&[]);
    let options = Request::new("OPTIONS", "*").send(tomcat.address());
    assert_eq!((options.status(), options.header("allow").is_some()), (200, true), "{options}");
    let two = request::get("/get").header("Host", "other.test");
    assert_eq!(two.send(tomcat.address()).status(), 400);
    let asked = request::get("/get").header("Connection", "keep-alive");
    let answer = Client::connect(tomcat.address()).ask(&asked).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(answer.header("keep-alive"), Some("timeout=20"));
    let answer = Client::connect(tomcat.address()).ask(&request::get("/get")).unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(answer.header("keep-alive"), None);
}

#[test]
fn an_id_comes_from_the_first_cookie_with_a_session_or_from_the_path() {
    let (_node, tomcat) = one(&[]);
    let id = begun(&tomcat);
    let bogus = "DEADBEEFDEADBEEFDEADBEEFDEADBEEF-n1.t1";
    let cookie = |text: String| request::get("/get").header("Cookie", &text);
    for (request, is_found) in [
        (cookie(format!("JSESSIONID={bogus}; JSESSIONID={id}")), true),
        (cookie(format!("JSESSIONID={id}; JSESSIONID={bogus}")), true),
        (cookie(format!("JSESSIONID=\"{id}\"")), true),
        (cookie(format!("jsessionid={id}")), false),
        (cookie(format!("JSESSIONID={}", id.replace('.', "%2E"))), false),
        (request::get(&format!("/get;jsessionid={id}")), true),
        (request::get(&format!("/get;a=b;jsessionid={id};c=d")), true),
        (request::get(&format!("/get;JSESSIONID={id}")), false),
        (request::get(&format!("/get;jsessionid={}", id.replace('.', "%2E"))), false),
        (request::get(&format!("/get?jsessionid={id}")), false),
        (request::get(&format!("/get;jsessionid={id}")).header("Cookie", &format!("JSESSIONID={bogus}")), false),
    ] {
        let answer = request.send(tomcat.address());
        assert_eq!(answer.json()["counter"].is_number(), is_found, "{}: {answer}", request.line());
    }
}

#[test]
fn without_cookies_the_id_is_in_urls_and_an_old_one_still_works() {
    let node = Memcached::start();
    let nodes = format!("n1:{}", node.address());
    let start = |name: &str| Standin::start_with(name, &nodes, &["--no-cookies"]);
    let (mut t1, t2) = (start("t1"), start("t2"));
    let first = t1.ask(request::get("/url"), "");
    assert_eq!(first.header("set-cookie"), None);
    let old = first.json()["encoded"].as_str().expect("a URL").to_string();
    assert_eq!(t1.ask(request::get(&old), "").json()["counter"], 1);
    t1.kill();
    let moved = t2.ask(request::get(&old), "");
    assert_eq!((moved.json()["counter"].as_i64(), moved.header("set-cookie")), (Some(2), None));
    assert_eq!(t2.ask(request::get(&old), "").json()["counter"], 3);
}

#[test]
fn each_context_has_sessions_and_a_cookie_path_of_its_own() {
    let (_node, tomcat) = one(&["--context-path", "/shop", "--context-path", "/shop2"]);
    let answer = tomcat.ask(request::get("/shop/count"), "");
    assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.ends_with("; Path=/shop; HttpOnly")), "{answer}");
    let id = standin::new_id(&answer).expect("a session");
    assert_eq!(tomcat.ask(request::get("/shop/count.jsp"), &id).json()["counter"], 2);
    // The other context finds the key, as the real one does, and goes on with a copy of its own.
    assert_eq!(tomcat.ask(request::get("/shop2/get"), &id).json()["counter"], 2);
    for outside in ["/count", "/shopping/count", "/WEB-INF/x"] {
        assert_eq!(tomcat.ask(request::get(outside), "").status(), 404, "{outside}");
    }
}

#[test]
fn what_there_is_not_is_404_and_takes_over_inside_a_context_only() {
    let node = Memcached::start();
    let nodes = format!("n1:{}", node.address());
    let start = |name: &str| Standin::start_with(name, &nodes, &["--context-path", "/shop"]);
    let (mut t1, t2) = (start("t1"), start("t2"));
    let id = standin::new_id(&t1.ask(request::get("/shop/count"), "")).expect("a session");
    t1.kill();
    let outside = t2.ask(request::head("/WEB-INF/x"), &id);
    assert_eq!((outside.status(), standin::new_id(&outside)), (404, None));
    let inside = t2.ask(request::head("/shop/missing"), &id);
    assert_eq!((inside.status(), standin::new_id(&inside)), (404, Some(id.replace(".t1", ".t2"))));
}

#[test]
fn without_a_memcached_ids_have_no_node_until_one_is_back() {
    let (mut node, tomcat) = one(&["--max-reconnect-delay", "100"]);
    node.kill();
    let id = begun(&tomcat);
    assert!(id.ends_with(".t1") && !id.contains('-'), "{id}");
    assert_eq!(tomcat.ask(request::get("/count"), &id).json()["counter"], 2);
    node.restart();
    let moved = wait::until(Duration::from_secs(10), || standin::new_id(&tomcat.ask(request::get("/get"), &id)));
    assert_eq!(moved, Some(id.replace(".t1", "-n1.t1")));
}

#[test]
fn the_lock_of_a_killed_tomcat_ends_by_itself_and_nobody_waits_longer_than_a_second() {
    let nodes = [Memcached::start(), Memcached::start()];
    let start = |name: &str| Standin::start(name, &nodes, &["--mode", "non_sticky", "--locking", "all"]);
    let (mut t1, t2) = (start("t1"), start("t2"));
    let id = standin::new_id(&t1.ask(request::get("/count").header(WISHES, "n1"), "")).expect("a session");
    let mut slow = Client::connect(t1.address());
    let cookie = format!("JSESSIONID={id}");
    slow.write(request::get("/slow?ms=30000").header("Cookie", &cookie).bytes());
    let lock = format!("lock:{id}");
    let is_locked = || nodes[0].get(&lock).is_some().then_some(());
    assert!(wait::until(Duration::from_secs(5), is_locked).is_some(), "it is not locked");
    t1.kill();
    let began = Instant::now();
    assert_eq!(t2.ask(request::get("/count"), &id).json()["counter"], 2);
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait: {:?}", began.elapsed());
    assert!(nodes[0].get(&lock).is_some(), "it is the dead one's, and stays");
    let is_free = || nodes[0].get(&lock).is_none().then_some(());
    assert!(wait::until(Duration::from_secs(8), is_free).is_some(), "it never ends");
}

#[test]
fn a_takeover_leaves_the_session_nowhere_until_it_ends() {
    let node = Memcached::start();
    let nodes = format!("n1:{}", node.address());
    let start = |name: &str| Standin::start_with(name, &nodes, &[]);
    let (mut t1, mut t2, t3) = (start("t1"), start("t2"), start("t3"));
    let id = begun(&t1);
    t1.kill();
    let mut slow = Client::connect(t2.address());
    slow.write(request::get("/slow?ms=30000").header("Cookie", &format!("JSESSIONID={id}")).bytes());
    let is_gone = || node.keys().is_empty().then_some(());
    assert!(wait::until(Duration::from_secs(5), is_gone).is_some(), "{:?}", node.keys());
    assert_eq!(t3.ask(request::get("/get"), &id).json()["session"], serde_json::Value::Null);
    t2.kill();
    assert_eq!(t3.ask(request::get("/count"), &id).json()["new"], true, "it is lost");
}

#[test]
fn what_is_wrong_with_the_options_is_said() {
    let (node, other) = ("n1:127.0.0.1:1", "n2:127.0.0.1:2");
    let both = format!("{node},{other}");
    for (options, said) in [
        (&["--memcached", "127.0.0.1:1,127.0.0.1:2"][..], "several nodes need names"),
        (&["--memcached", &both, "--failover-nodes", "n3"], "no such node"),
        (&["--memcached", node, "--listen", "0.0.0.0:0"], "127.0.0.1 only"),
        (&["--memcached", node, "--locking", "some"], "uriPattern:REGEX"),
        (&["--memcached", node, "--context-path", "shop"], "begins with /"),
        (&["--memcached", "nowhere"], "NAME:HOST:PORT"),
        (&[], "--memcached"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        let output = command.args(["demo", "application"]).args(options).output().expect("edge runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said), "{options:?}: {text}");
    }
}
