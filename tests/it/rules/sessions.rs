//! What rules read of sessions and demand of them, with a real memcached that holds what a Tomcat has stored, and with one that
//! is gone.

use super::{logged, start};
use crate::session_show::{put, recorded};
use crate::support::backend::{self, Backend};
use crate::support::edge::Edge;
use crate::support::memcached::Memcached;
use crate::support::request;
use crate::support::response::Response;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const BASE: &str = "846194CB6E75F9419CFDEC558679CE33";
/// Of a session that alice has logged into, two hours old and not used for a minute.
const STORED: &str = "846194CB6E75F9419CFDEC558679CE33-n2.t1";
/// Its server is up, and nothing is stored.
const UNSTORED: &str = "00000000000000000000000000000000-n2.t1";
/// Of a server that is no more; nothing is stored either.
const OF_NOBODY: &str = "00000000000000000000000000000000-n2.t9";

const RULES: &str = "    rules:
      - name: named
        when: request.path == '/named'
        then: [{ set: { named: \"session.id + ' ' + session.route\" } }, { set_response_header: { X-Told: '$named' } }]
      - name: stored
        when: request.path == '/stored'
        then:
          - set: { times: \"string(session.age > duration('1h')) + ' ' + string(session.idle)\" }
          - set: { stored: \"session.node + ' ' + session.user + ' ' + vars.times.split('.')[0]\" }
          - set_response_header: { X-Told: '$stored' }
      - { name: alice, when: \"session.user == 'alice' && request.path == '/alice'\", then: [{ respond: 202 }] }
      - name: decided
        phase: response
        when: request.path == '/app/state'
        then: [{ set: { state: session.state } }, { set_response_header: { X-Told: '$state' } }]
      - { name: area, when: \"below(request.path, '/area')\", then: [{ require_session: true }] }
      - { name: strict, when: request.path == '/strict', then: [{ require_session: { strict: true } }] }
      - { name: door, when: request.path == '/door', then: [{ require_session: { redirect: '/login?from=$uri' } }] }
      - { name: users, phase: log, when: \"request.path == '/logged'\", then: [{ log: { user: session.user } }] }";

struct Stage {
    n2: Memcached,
    _n1: Memcached,
    _origin: Backend,
    edge: Edge,
}

impl Stage {
    fn new() -> Stage {
        let (n1, n2) = (Memcached::start(), Memcached::start());
        let mut session = recorded("basic");
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(2 * 3600);
        session[4..12].copy_from_slice(&(created.as_millis() as u64).to_be_bytes());
        put(n2.address(), STORED, &session);
        let origin = Backend::start(|_, answer| answer.write(backend::ok("x")));
        let top = format!(
            "session_store: {{ msm: {{ memcached: {{ n1: '{}', n2: '{}' }}, timeout: 1s }} }}\n\
             upstream: {{ app: {{ servers: [{{ address: '{}', route: t1 }}], session: {{ store: msm }} }} }}",
            n1.address(),
            n2.address(),
            origin.address()
        );
        let locations = "      - { match: /app/, proxy_pass: 'http://app' }\n      - { match: /, return: 204 }";
        let edge = start(&top, RULES, locations);
        Stage { n2, _n1: n1, _origin: origin, edge }
    }

    fn ask(&self, target: &str, id: &str) -> Response {
        let request = match id {
            "" => request::get(target),
            id => request::get(target).header("Cookie", &format!("JSESSIONID={id}")),
        };
        request.send(self.edge.address())
    }

    fn told(&self, target: &str, id: &str) -> String {
        self.ask(target, id).header("X-Told").unwrap_or_default().to_owned()
    }

    fn status(&self, target: &str, id: &str) -> u16 {
        self.ask(target, id).status()
    }

    /// How often memcached was asked for a session.
    fn questions(&self) -> usize {
        let is_asked =
            |command: &&String| command.starts_with("get") && (command.contains(BASE) || command.contains(UNSTORED));
        self.n2.commands().iter().filter(is_asked).count()
    }
}

#[test]
fn rules_read_what_memcached_knows_of_a_session_and_ask_only_where_they_come_to_need_it() {
    let stage = Stage::new();
    let told = stage.told("/named", STORED);
    let (id, route) = told.split_once(' ').unwrap();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()) && route == "t1", "{told}");
    assert_eq!(stage.told("/named", &format!("{BASE}-n1.t2")), format!("{id} t2"), "it stays the same while it moves");
    assert_eq!(stage.told("/named", "").trim(), "");
    // The id alone tells that; nor is anybody asked where the rest of a condition does not hold.
    assert_eq!((stage.status("/other", STORED), stage.status("/alice", "")), (204, 204));
    assert_eq!(stage.questions(), 0);
    let told = stage.told("/stored", STORED);
    let seconds = told.strip_prefix("n2 alice true ").unwrap_or_else(|| panic!("{told}")).trim_end_matches('s');
    assert!((60..120).contains(&seconds.parse::<u64>().unwrap()), "{told}");
    assert_eq!(stage.questions(), 1);
    assert_eq!((stage.status("/alice", STORED), stage.status("/alice", UNSTORED)), (202, 204));
    assert_eq!(stage.questions(), 3);
    assert_eq!(stage.told("/stored", UNSTORED).trim(), "n2");
    assert_eq!(stage.told("/app/state", STORED), "owner");
    assert_eq!(stage.status("/logged", STORED), 204);
    assert!(logged(&stage.edge, "204 users user=alice"));
}

#[test]
fn rules_demand_a_session_and_memcached_is_asked_where_its_server_does_not_vouch_for_it() {
    let stage = Stage::new();
    let of_another = format!("{BASE}-n2.t9");
    for (target, id, status) in [
        ("/area/a", "", 401),
        ("/area/a", STORED, 204),
        ("/area/a", OF_NOBODY, 401),
        ("/door", "", 302),
        ("/door", STORED, 204),
        // Its server lives and knows best.
        ("/area/a", UNSTORED, 204),
    ] {
        assert_eq!(stage.status(target, id), status, "{target} with `{id}`");
    }
    assert!(stage.ask("/door", "").header("Location").is_some_and(|to| to.ends_with("/login?from=/door")));
    assert_eq!(stage.questions(), 1, "only that of a server that is no more was looked for");
    assert_eq!(stage.status("/area/a", &of_another), 204, "it is there, wherever");
    assert_eq!(stage.questions(), 2);
    for (id, status) in [("", 401), (STORED, 204), (UNSTORED, 401), (OF_NOBODY, 401)] {
        assert_eq!(stage.status("/strict", id), status, "strictly, with `{id}`");
    }
}

#[test]
fn without_memcached_rules_know_what_the_id_says_and_nobody_waits_for_long() {
    let mut stage = Stage::new();
    stage.n2.freeze();
    let begun = Instant::now();
    assert_eq!(stage.status("/alice", STORED), 204);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    stage.n2.thaw();
    stage.n2.kill();
    let begun = Instant::now();
    assert_eq!(stage.status("/alice", STORED), 204, "nobody is alice as long as nobody knows");
    assert_eq!(stage.told("/named", STORED).split(' ').next_back(), Some("t1"));
    assert_eq!(stage.told("/stored", STORED).trim(), "n2");
    for (target, id, status) in [
        ("/area/a", STORED, 204),
        // What cannot be known passes, unless it must be known.
        ("/area/a", OF_NOBODY, 204),
        ("/area/a", "", 401),
        ("/strict", STORED, 503),
        ("/strict", "", 401),
    ] {
        assert_eq!(stage.status(target, id), status, "{target} with `{id}`");
    }
    assert_eq!(stage.status("/logged", STORED), 204);
    assert!(logged(&stage.edge, "204 users user="));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
