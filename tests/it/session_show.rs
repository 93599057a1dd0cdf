//! `edge session show`, against memcacheds that hold what a Tomcat has stored.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::messages::{Desk, Said};
use crate::support::memcached::Memcached;
use crate::support::ports;

const VALUES: &str = include_str!("../msm/values.txt");
const STICKY: &str = "846194CB6E75F9419CFDEC558679CE33-n2.t1";
const NON_STICKY: &str = "873083CB9C4689FDFB4F00550DBD1958-n2";

/// A value that a Tomcat has stored, accessed a minute ago.
pub fn recorded(name: &str) -> Vec<u8> {
    let hex = VALUES.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    let mut value: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let accessed = (now - 60_000).to_be_bytes();
    let places: &[usize] = if value.len() == 20 { &[4, 12] } else { &[12, 26] };
    places.iter().for_each(|at| value[*at..at + 8].copy_from_slice(&accessed));
    value
}

pub fn put(address: SocketAddr, key: &str, value: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "set {key} 0 0 {}\r\n", value.len()).unwrap();
    stream.write_all(value).unwrap();
    stream.write_all(b"\r\nquit\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "STORED\r\n");
}

struct Stage {
    n1: Memcached,
    n2: Memcached,
    desk: Desk,
}

impl Stage {
    fn new() -> Stage {
        let (n1, n2) = (Memcached::start(), Memcached::start());
        let store = format!("{{ memcached: {{ n1: '{}', n2: '{}' }} }}", n1.address(), n2.address());
        let desk = Desk::new().with("edge.yaml", yaml(&format!("{{ msm: {store} }}")));
        Stage { n1, n2, desk }
    }

    fn show(&self, arguments: &[&str]) -> Said {
        self.desk.edge(&[&["session", "show", "-c", "edge.yaml"], arguments].concat())
    }
}

fn yaml(stores: &str) -> String {
    format!("session_store: {stores}\nserver:\n  - listen: 127.0.0.1:8080\n")
}

/// The line that begins with a word.
fn line<'s>(said: &'s Said, what: &str) -> &'s str {
    let line = said.stdout.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no `{what}` in\n{}{}", said.stdout, said.stderr)).trim_start()
}

#[test]
fn a_session_is_shown_with_its_user_and_without_a_password() {
    let stage = Stage::new();
    put(stage.n2.address(), STICKY, &recorded("basic"));
    let said = stage.show(&[STICKY]);
    assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
    assert_eq!(line(&said, "owner"), "t1");
    assert_eq!(line(&said, "node"), format!("n2 ({})", stage.n2.address()));
    assert_eq!(line(&said, "stored"), "510 bytes, 124 of them attributes; format 2");
    assert!(line(&said, "accessed").contains(" GMT, 1m "), "{}", said.stdout);
    assert!(line(&said, "timeout").starts_with("after 30m 0s without an access; 28m "), "{}", said.stdout);
    assert_eq!((line(&said, "valid"), line(&said, "user")), ("yes", "alice (BASIC)"));
    assert!(!said.stdout.contains("secret"), "{}", said.stdout);
}

#[test]
fn a_session_that_is_not_sticky_is_shown_with_lock_and_backup() {
    let stage = Stage::new();
    let (session, validity) = (recorded("non_sticky"), recorded("validity"));
    put(stage.n2.address(), &format!("shop_{NON_STICKY}"), &session);
    let arguments = [NON_STICKY, "--mode", "non_sticky", "--prefix", "shop_"];
    let said = stage.show(&arguments);
    assert_eq!(said.status.code(), Some(1));
    assert!(line(&said, "valid").starts_with("no: there is no validity"), "{}", said.stdout);
    put(stage.n2.address(), &format!("validity:shop_{NON_STICKY}"), &validity);
    put(stage.n2.address(), &format!("lock:shop_{NON_STICKY}"), b"locked");
    put(stage.n1.address(), &format!("bak:shop_{NON_STICKY}"), &session);
    put(stage.n1.address(), &format!("bak:shop_validity:shop_{NON_STICKY}"), &validity);
    let said = stage.show(&arguments);
    assert!(said.status.success(), "{}{}", said.stdout, said.stderr);
    assert_eq!((line(&said, "valid"), line(&said, "user")), ("yes, and new", "none has logged in"));
    assert!(line(&said, "lock").starts_with("held"), "{}", said.stdout);
    let backup = format!("on n1 ({}), with its validity: 183 bytes, saved ", stage.n1.address());
    assert!(line(&said, "backup").starts_with(&backup), "{}", said.stdout);
}

#[test]
fn what_is_not_there_is_said_and_the_command_fails() {
    let mut stage = Stage::new();
    let said = stage.show(&[STICKY]);
    assert_eq!(said.status.code(), Some(1));
    assert!(line(&said, "stored").starts_with("no;"), "{}", said.stdout);
    put(stage.n2.address(), STICKY, &[1]);
    let said = stage.show(&[STICKY]);
    assert!(line(&said, "stored").contains("the session is missing"), "{}", said.stdout);
    put(stage.n1.address(), STICKY, &recorded("basic"));
    stage.n2.kill();
    let said = stage.show(&[STICKY]);
    assert_eq!(said.status.code(), Some(1));
    assert!(line(&said, "stored").starts_with("not known: n2 ("), "{}", said.stdout);
    assert!(line(&said, "also").starts_with("under the same key on n1 ("), "{}", said.stdout);
    let said = stage.show(&["846194CB6E75F9419CFDEC558679CE33-n3.t1"]);
    assert_eq!(line(&said, "node"), "n3, which the store does not have");
}

#[test]
fn what_cannot_be_asked_for_is_said_before_anybody_is_asked() {
    let dead = ports::dead();
    let nodes = format!("{{ memcached: 'n1:{}' }}", dead.address());
    let desk = Desk::new()
        .with("edge.yaml", yaml(&format!("{{ a: {nodes}, b: {nodes} }}")))
        .with("none.yaml", "server:\n  - listen: 127.0.0.1:8080\n")
        .with("wrong.yaml", yaml("{ a: { memcached: 'redis://h' } }"));
    for (arguments, told) in [
        (&["A-n1.t1"][..], "several session stores (`a`, `b`): say which with --store"),
        (&["A-n1.t1", "--store", "c"], "has no session store `c`, but `a`, `b`"),
        (&["A\r\nflush_all", "--store", "a"], "`A\\r\\nflush_all` can be no session id"),
        (&["A-n1.t1", "--store", "a", "--prefix", "a b_"], "the prefix is too long"),
        (&["A-n1.t1", "-c", "none.yaml"], "names no `session_store`: write"),
        (&["A-n1.t1", "-c", "wrong.yaml"], "wrong.yaml has mistakes"),
    ] {
        let said = desk.edge(&[&["session", "show"], arguments].concat());
        assert_eq!(said.status.code(), Some(1), "{arguments:?}");
        assert!(said.stderr.contains(told), "{arguments:?}: {}", said.stderr);
    }
    let said = desk.edge(&["session", "show", "A-n1.t1", "--store", "a", "--prefix", "my-app_"]);
    assert!(said.stderr.contains("memcached-session-manager looks for the node's name"), "{}", said.stderr);
}
