//! What one sees of sessions: variables, logs that hold no id, locations that ask for a session, counts; and that a session
//! which is only read outlives its server.

use std::process::{Command, Output};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::session_show::{put, recorded};
use crate::support::edge::Edge;
use crate::support::memcached::Memcached;
use crate::support::request::{self, Request};
use crate::support::response::Response;
use crate::support::standin::{Standin, WISHES, new_id};
use crate::support::{ports, wait};

struct Stage {
    node: Memcached,
    second: Memcached,
    one: Standin,
    _two: Standin,
    edge: Edge,
}

impl Stage {
    fn new(session: &str, tomcats: &[&str]) -> Stage {
        let (node, second) = (Memcached::start(), Memcached::start());
        let nodes = format!("n1:{},n2:{}", node.address(), second.address());
        let (one, two) = (Standin::start_with("t1", &nodes, tomcats), Standin::start_with("t2", &nodes, tomcats));
        let port = ports::free();
        let yaml = format!(
            "error_log: {{ path: logs/error.log, level: info }}
session_log_key: a key
log_format:
  seen: '$request|$request_uri|$uri|$args|$http_cookie|$cookie_jsessionid|$http_referer|$sent_http_set_cookie|$upstream_http_set_cookie|$1'
  json: {{ json: {{ request: $request, cookie: $http_cookie, set: $sent_http_set_cookie, session: $session_id }} }}
access_log: [{{ path: logs/seen.log, format: seen }}, {{ path: logs/json.log, format: json }}, logs/combined.log]
session_store: {{ msm: {{ memcached: {{ n1: '{}', n2: '{}' }}, timeout: 2s }} }}
upstream:
  app:
    servers: [{{ address: '{}', route: t1 }}, {{ address: '{}', route: t2 }}]
    session: {{ store: msm{session} }}
  gone: {{ servers: ['{}'] }}
server:
  listen: 127.0.0.1:{port}
  location:
    - match: /
      proxy_pass: http://app
      add_header: {{ X-Session: {{ value: '$session_id $session_state $session_route $session_node [$session_age] [$session_user]', always: true }} }}
    - {{ match: /private/, session: required, proxy_pass: http://app/ }}
    - {{ match: /login/, session: {{ redirect: /login/form }}, proxy_pass: http://app/ }}
    - {{ match: /strict/, session: {{ strict: on }}, proxy_pass: http://app/ }}
    - {{ match: '~ ^/gone(.*)$', proxy_pass: http://gone }}
",
            node.address(),
            second.address(),
            one.address(),
            two.address(),
            ports::local(ports::free())
        );
        let edge = Edge::yaml(&yaml, port).start();
        Stage { node, second, one, _two: two, edge }
    }

    fn ask(&self, request: Request, id: &str) -> Response {
        let request = match id {
            "" => request,
            id => request.header("Cookie", &format!("JSESSIONID={id}")),
        };
        request.send(self.edge.address())
    }

    /// A session that t1 owns.
    fn begin(&self) -> String {
        let count = request::post("/count", "").header(WISHES, "n1");
        let id = new_id(&self.one.ask(count, "")).expect("a session");
        assert!(id.ends_with("-n1.t1"), "{id}");
        id
    }

    fn status(&self, target: &str, id: &str) -> u16 {
        self.ask(request::get(target), id).status()
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.edge.file(&format!("logs/{name}.log"))).unwrap_or_default()
    }

    fn stats(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        command.args(["session", "stats"]).args(more).arg("-c").arg(self.edge.file("edge.yaml"));
        command.current_dir(self.edge.file(".")).output().expect("edge runs")
    }
}

/// What the answer tells of its session, word by word.
fn told(answer: &Response) -> Vec<String> {
    let text = answer.header("x-session").unwrap_or_else(|| panic!("nothing is told in {answer}"));
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn no_session_id_stands_in_a_log() {
    let stage = Stage::new("", &[]);
    let id = stage.begin();
    let base = id.split('-').next().unwrap();
    let referer = |request: Request| request.header("Referer", &format!("http://h/x;jsessionid={id}"));
    stage.ask(referer(request::get(&format!("/get;jsessionid={id}?next=%2F%3Bjsessionid%3D{id}"))), &id);
    // The application sets another one, whose base nobody has sent.
    let other = new_id(&stage.ask(request::post("/count", "").header(WISHES, "n1"), "")).expect("a session");
    assert_eq!(stage.status(&format!("/gone/x;jsessionid={id}"), &id), 502);
    stage.ask(request::get("/last"), "");
    let written =
        |name: &str, text: &str| wait::until(Duration::from_secs(5), || stage.log(name).contains(text).then_some(()));
    for name in ["seen", "json", "combined"] {
        assert!(written(name, "/last").is_some(), "{name}: {}", stage.log(name));
    }
    assert!(written("error", "/gone").is_some(), "{}", stage.log("error"));
    for name in ["seen", "json", "combined", "error"] {
        let log = stage.log(name);
        assert!(!log.contains(base) && !log.contains(other.split('-').next().unwrap()), "{name}:\n{log}");
    }
    let seen = stage.log("seen");
    assert!(seen.starts_with("GET /get;jsessionid=*-n1.t1?next=%2F%3Bjsessionid%3D*-n1.t1 HTTP/1.1|"), "{seen}");
    assert!(seen.contains("|JSESSIONID=*-n1.t1|*-n1.t1|http://h/x;jsessionid=*-n1.t1|"), "{seen}");
    assert!(seen.contains("|JSESSIONID=*-n1.t"), "{seen}");
    let error = stage.log("error");
    assert!(error.contains("request: \"GET /gone/x;jsessionid=*-n1.t1 HTTP/1.1\""), "{error}");
    assert!(error.contains("/gone/x;jsessionid=*-n1.t1\", host:"), "{error}");
}

#[test]
fn a_session_is_told_by_a_hash_that_stays_when_it_moves() {
    let mut stage = Stage::new("", &[]);
    let id = stage.begin();
    let before = told(&stage.ask(request::get("/get"), &id));
    assert!(before[0].len() == 16 && before[0].bytes().all(|b| b.is_ascii_hexdigit()), "{before:?}");
    assert_eq!(before[1..4], ["owner", "t1", "n1"]);
    assert!(before[4].starts_with("[0.") || before[4].starts_with("[1."), "its age: {before:?}");
    // Without an id the state is the first word.
    assert_eq!(told(&stage.ask(request::get("/get"), ""))[0], "none");
    stage.one.kill();
    let moved = stage.ask(request::get("/get"), &id);
    let after = told(&moved);
    assert_eq!((after[0].as_str(), after[1].as_str()), (before[0].as_str(), "waited"));
    let again = told(&stage.ask(request::get("/get"), &id));
    assert_eq!((again[0].as_str(), again[1].as_str()), (before[0].as_str(), "taken_over"));
    assert!(again[4].starts_with('[') && again[4].len() > 2, "its age, wherever it is: {again:?}");
    let at_home = told(&stage.ask(request::get("/get"), &new_id(&moved).expect("the new id")));
    assert_eq!((at_home[0].as_str(), &at_home[2..4]), (before[0].as_str(), &["t2".to_owned(), "n1".to_owned()][..]));
    let said = stage.stats(&["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    assert_eq!((json["upstream"].as_str(), json["sessions"]["taken_over_died"].as_u64()), (Some("app"), Some(1)));
    let table = String::from_utf8(stage.stats(&[]).stdout).unwrap();
    assert!(table.starts_with("app:\n") && table.contains("\n  taken_over_died                    1\n"), "{table}");
    let unknown = stage.stats(&["ap"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `app`?"), "{unknown:?}");
}

/// The configuration with another text in the place of one.
fn reload_with(stage: &Stage, text: &str, other: &str) {
    let before = std::fs::read_to_string(stage.edge.file("edge.yaml")).unwrap();
    assert_eq!(before.matches(text).count(), 1, "{text} in {before}");
    crate::process::reload(&stage.edge, &before.replace(text, other));
}

fn taken_over(stage: &Stage) -> Option<u64> {
    let said = stage.stats(&["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    // On a busy machine it may have been given up before it was killed.
    let count = |cause: &str| json["sessions"][cause].as_u64();
    Some(count("taken_over_died")? + count("taken_over_fenced")?)
}

#[test]
fn what_is_known_and_counted_of_sessions_outlives_a_reload_with_other_settings() {
    let mut stage = Stage::new("", &[]);
    let id = stage.begin();
    stage.one.kill();
    assert_eq!(stage.status("/get", &id), 200);
    assert_eq!(taken_over(&stage), Some(1));
    reload_with(&stage, "session: { store: msm", "session: { takeover_wait: 9s, probes: 7, store: msm");
    // Nobody has to look for it: it is where it was found before.
    assert_eq!(told(&stage.ask(request::get("/get"), &id))[1], "taken_over");
    assert_eq!(taken_over(&stage), Some(1));
    // With eyes that begin anew.
    reload_with(&stage, "takeover_wait: 9s", "fence: 3s");
    assert_eq!(stage.status("/get", &id), 200);
    assert_eq!(taken_over(&stage), Some(1));
}

#[test]
fn the_sessions_of_a_server_that_is_taken_out_by_a_reload_go_on_at_another_and_stay_there() {
    let stage = Stage::new("", &[]);
    let id = stage.begin();
    let counter = |id: &str| stage.ask(request::get("/get"), id).json()["counter"].as_u64();
    assert_eq!(counter(&id), Some(1));
    reload_with(&stage, "route: t1 }", "route: t1, down: true }");
    let moved = stage.ask(request::post("/count", ""), &id);
    let new = new_id(&moved).expect("a new id");
    assert!(new.starts_with(id.trim_end_matches(".t1")) && new.ends_with(".t2"), "{id} {new}");
    assert_eq!((counter(&new), counter(&id)), (Some(2), Some(2)));
    reload_with(&stage, "route: t1, down: true }", "route: t1 }");
    // The first one has an old copy, which nobody is sent to.
    assert_eq!((counter(&new), counter(&id)), (Some(2), Some(2)));
    let own = stage.begin();
    assert_eq!(counter(&own), Some(1));
}

#[test]
fn whoever_has_no_session_is_not_let_in() {
    let mut stage = Stage::new("", &[]);
    let id = stage.begin();
    let base = id.split('-').next().unwrap().to_owned();
    let nobody = "0123456789ABCDEF0123456789ABCDEF-n1";
    for (target, id, status) in [
        ("/private/get", id.as_str(), 200),
        ("/private/get", "", 401),
        ("/private/get", &format!("{nobody}.t9"), 401),
        // Its server lives and knows best.
        ("/private/get", &format!("{nobody}.t1"), 200),
        ("/strict/get", &id, 200),
        ("/strict/get", &format!("{nobody}.t1"), 401),
        // Of a server that is no more: the session is there, wherever.
        ("/private/get", &format!("{base}-n1.t9"), 200),
        ("/login/get", &id, 200),
        ("/login/form", "", 404),
    ] {
        assert_eq!(stage.status(target, id), status, "{target} with `{id}`");
    }
    let sent = stage.ask(request::get("/login/get"), "");
    assert_eq!((sent.status(), sent.header("location").map(|to| to.ends_with("/login/form"))), (302, Some(true)));
    assert_eq!(stage.ask(request::post("/login/count", ""), "").status(), 303);
    stage.node.kill();
    assert_eq!(stage.status("/private/get", &id), 200);
    assert_eq!(stage.status("/strict/get", &id), 503);
}

#[test]
fn a_session_that_is_only_read_outlives_its_server() {
    const INTERVAL: &str = "14";
    let mut stage = Stage::new(", keep_alive: on", &["--max-inactive-interval", INTERVAL]);
    let id = stage.begin();
    let counter = stage.ask(request::get("/get"), &id).json()["counter"].clone();
    assert!(counter.is_number());
    // Longer than it would live in memcached, and than it may lie idle there.
    let until = Instant::now() + Duration::from_secs(16);
    while Instant::now() < until {
        assert_eq!(stage.status("/get", &id), 200);
        std::thread::sleep(Duration::from_millis(500));
    }
    let commands = stage.node.commands();
    let times = commands.iter().filter(|command| command.starts_with(&format!("cas {id} "))).count();
    assert!((2..=3).contains(&times), "at once and every ten seconds: {times}");
    // A session that is not there is not made.
    let nobody = "0123456789ABCDEF0123456789ABCDEF-n1.t1";
    stage.ask(request::get("/touch"), nobody);
    stage.one.kill();
    let answer = stage.ask(request::get("/get"), &id);
    assert_eq!((answer.status(), &answer.json()["counter"]), (200, &counter));
    assert!(stage.node.keys().iter().all(|(key, _)| key != nobody));
    let said = stage.stats(&["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    // Perhaps once more, where it is now.
    assert!(json["sessions"]["keep_alive_refreshed"].as_u64() >= Some(times as u64), "{json}");
}

/// Waits until a node was told a command that begins so.
fn told_to(node: &Memcached, command: &str) -> bool {
    let told = || node.commands().iter().any(|said| said.starts_with(command)).then_some(());
    wait::until(Duration::from_secs(5), told).is_some()
}

#[test]
fn a_stored_session_looks_accessed_now_and_is_otherwise_what_it_was() {
    const ID: &str = "846194CB6E75F9419CFDEC558679CE33-n1.t1";
    let stage = Stage::new(", keep_alive: on", &[]);
    let before = recorded("basic");
    put(stage.node.address(), ID, &before);
    // No access: memcached-session-manager ignores it, or it failed.
    assert_eq!(stage.status("/nothing-of-that-name", ID), 404);
    assert_eq!(stage.node.get(ID).map(|(_, value)| value), Some(before.clone()));
    assert_eq!(stage.status("/nosession", ID), 200);
    let changed = || stage.node.get(ID).map(|(_, value)| value).filter(|value| *value != before);
    let mut after = wait::until(Duration::from_secs(5), changed).expect("it is renewed");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    for place in [12..20, 26..34] {
        let time = u64::from_be_bytes(after[place.clone()].try_into().unwrap());
        assert!((now - 10_000..=now).contains(&time), "{time}, and it is {now}");
        after[place.clone()].copy_from_slice(&before[place]);
    }
    assert_eq!(after, before);
    let left = stage.node.keys().into_iter().find_map(|(key, left)| (key == ID).then_some(left));
    assert!(matches!(left, Some(Some(1780..=1800))), "{left:?}");
}

#[test]
fn of_a_session_that_is_not_sticky_the_life_is_renewed_and_that_of_its_backup() {
    const ID: &str = "873083CB9C4689FDFB4F00550DBD1958-n1";
    let stage = Stage::new(", mode: non_sticky, keep_alive: on", &["--mode", "non_sticky"]);
    let (session, validity) = (recorded("non_sticky"), recorded("validity"));
    put(stage.node.address(), ID, &session);
    put(stage.node.address(), &format!("validity:{ID}"), &validity);
    put(stage.second.address(), &format!("bak:{ID}"), &session);
    assert_eq!(stage.status("/nosession", ID), 200);
    let life = 2 * i32::from_be_bytes(session[20..24].try_into().unwrap());
    assert!(told_to(&stage.node, &format!("cas {ID} 0 {life} ")), "{:?}", stage.node.commands());
    assert!(told_to(&stage.second, &format!("cas bak:{ID} 0 {life} ")), "{:?}", stage.second.commands());
    assert!(!stage.node.commands().iter().any(|said| said.starts_with("cas validity:")));
}
