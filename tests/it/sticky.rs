//! Clients that are bound to servers: nginx's `sticky` by its three ways, and the route of sessions without a store.

use std::net::SocketAddr;

use md5::{Digest, Md5};

use crate::process::reload;
use crate::support::backend::{self, Backend};
use crate::support::client;
use crate::support::edge::Edge;
use crate::support::ports;
use crate::support::request::{self, Request};
use crate::support::response::Response;

/// Two backends that say `a` and `b`, with the routes `ra` and `rb`.
struct Farm {
    a: Backend,
    b: Backend,
    port: u16,
}

impl Farm {
    fn start() -> Farm {
        Farm { a: Backend::saying("a"), b: Backend::saying("b"), port: ports::free() }
    }

    /// edge.yaml with more for the first server, for the upstream and for the location.
    fn text(&self, server: &str, upstream: &str, location: &str) -> String {
        let (a, b, port) = (self.a.address(), self.b.address(), self.port);
        format!(
            "error_log: {{ path: logs/error.log, level: info }}\nproxy_cache_path: {{ z: {{ path: cache, memory: 10m }} }}\nupstream:\n  app:\n    keepalive: 0\n    servers:\n      \
             - {{ address: '{a}', route: ra{server} }}\n      - {{ address: '{b}', route: rb }}\n    {upstream}\nserver:\n  \
             - listen: 127.0.0.1:{port}\n    location:\n      - match: /\n        proxy_pass: http://app\n        {location}\n"
        )
    }

    fn edge(&self, server: &str, upstream: &str, location: &str) -> Edge {
        Edge::yaml(&self.text(server, upstream, location), self.port).start()
    }
}

fn ask(edge: &Edge, cookie: &str) -> Response {
    request::get("/").header("Cookie", cookie).send(edge.address())
}

fn set(answer: &Response) -> Vec<&str> {
    answer.head.headers.all("set-cookie").collect()
}

#[test]
fn a_cookie_of_edge_s_own_binds_a_client_until_its_server_is_gone() {
    let farm = Farm::start();
    let edge = farm.edge("", "sticky: { cookie: srv, httponly: true, samesite: lax, path: / }", "");
    let first = client::get(edge.address(), "/");
    let server = first.text();
    assert_eq!(set(&first), [format!("srv=r{server}; httponly; samesite=lax; path=/")]);
    for _ in 0..20 {
        let answer = ask(&edge, &format!("x=1; srv=r{server}"));
        assert_eq!((answer.text(), set(&answer)), (server.clone(), Vec::<&str>::new()), "it has its cookie");
    }
    let unknown = ask(&edge, "srv=nobody");
    assert_eq!(set(&unknown), [format!("srv=r{}; httponly; samesite=lax; path=/", unknown.text())]);

    let Farm { a, b, .. } = farm;
    let (gone, other) = if server == "a" { (a, "b") } else { (b, "a") };
    drop(gone);
    let answer = ask(&edge, &format!("srv=r{server}"));
    assert_eq!(answer.text(), other, "{answer}");
    assert_eq!(set(&answer), [format!("srv=r{other}; httponly; samesite=lax; path=/")]);
}

#[test]
fn a_cookie_with_a_time_begins_anew_with_each_answer() {
    let farm = Farm::start();
    let edge = farm.edge("", "sticky: { cookie: srv, expires: 1h, domain: $host }", "");
    let answer = ask(&edge, "srv=rb");
    assert_eq!(answer.text(), "b");
    let [line] = set(&answer)[..] else { panic!("{answer}") };
    let (begin, rest) = line.split_once("; expires=").unwrap();
    assert_eq!(begin, "srv=rb");
    assert!(rest.contains(" GMT; max-age=3600; domain="), "{line}");
}

#[test]
fn a_server_without_a_route_is_called_by_the_md5_of_its_address() {
    let (a, port) = (Backend::saying("a"), ports::free());
    let text = format!(
        "events {{}} http {{ upstream app {{ server {}; sticky cookie srv expires=max path=/; }} server {{ listen 127.0.0.1:{port}; \
         location / {{ proxy_pass http://app; }} }} }}",
        a.address()
    );
    let edge = Edge::nginx_conf(&text, port).start();
    let id: String = Md5::digest(a.address().to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = format!("srv={id}; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000; path=/");
    assert_eq!(set(&client::get(edge.address(), "/")), [expected]);
}

#[test]
fn a_draining_server_keeps_its_clients_and_gets_no_others() {
    let farm = Farm::start();
    let edge = farm.edge(", drain: true", "sticky: { cookie: srv }", "");
    for _ in 0..6 {
        assert_eq!(ask(&edge, "srv=ra").text(), "a");
        assert_eq!(client::get(edge.address(), "/").text(), "b");
    }
}

#[test]
fn no_stored_answer_has_a_cookie_that_binds() {
    let farm = Farm::start();
    let edge = farm.edge("", "sticky: { cookie: srv }", "proxy_cache: z\n        proxy_cache_valid: 1h");
    assert_eq!(set(&client::get(edge.address(), "/")).len(), 1, "who had it fetched is bound");
    for _ in 0..3 {
        let stored = client::get(edge.address(), "/");
        assert_eq!((stored.status(), set(&stored)), (200, Vec::<&str>::new()));
    }
    assert_eq!(farm.a.requests() + farm.b.requests(), 1);
}

#[test]
fn the_first_variable_that_says_something_names_the_route() {
    let farm = Farm::start();
    let edge = farm.edge("", "sticky: { route: [$cookie_route, $arg_route] }", "");
    let at = |target: &str, cookie: &str| request::get(target).header("Cookie", cookie).send(edge.address()).text();
    for _ in 0..4 {
        assert_eq!(at("/?route=rb", "x=1"), "b");
        assert_eq!(at("/?route=ra", "x=1"), "a");
        assert_eq!(at("/?route=rb", "route=ra"), "a");
    }
    let unbound: Vec<String> = (0..4).map(|_| at("/?route=rb", "route=nobody")).collect();
    assert!(
        unbound.contains(&"a".into()) && unbound.contains(&"b".into()),
        "as in nginx the first one counts: {unbound:?}"
    );
}

#[test]
fn an_id_is_learned_from_answers_and_outlives_a_reload() {
    let farm = Farm::start();
    let learn = "sticky: { learn: { create: $upstream_cookie_sid, lookup: [$cookie_sid, $arg_sid], timeout: 1h } }";
    let edge = farm.edge("", learn, "");
    let giving = |backend: &Backend, name: &str| {
        let text = format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid=of-{name}; Path=/\r\nContent-Length: 1\r\n\r\n{name}");
        backend.now(move |seen, answer| match seen.target() == "/login" {
            true => answer.write(&text),
            false => answer.write(backend::ok(&text[text.len() - 1..])),
        });
    };
    giving(&farm.a, "a");
    giving(&farm.b, "b");
    let logins: Vec<String> = (0..2).map(|_| client::get(edge.address(), "/login").text()).collect();
    assert!(logins.contains(&"a".into()) && logins.contains(&"b".into()), "{logins:?}");
    let check = || {
        for _ in 0..4 {
            assert_eq!(ask(&edge, "sid=of-b").text(), "b");
            assert_eq!(ask(&edge, "sid=of-a").text(), "a");
            assert_eq!(client::get(edge.address(), "/?sid=of-b").text(), "b");
        }
    };
    check();
    reload(&edge, &farm.text("", &learn.replace("1h", "2h"), "proxy_read_timeout: 59s"));
    check();
}

#[test]
fn an_id_that_was_learned_belongs_to_whoever_answers_it_when_its_server_is_gone() {
    let farm = Farm::start();
    let learn = "sticky: { learn: { create: $upstream_cookie_sid, lookup: $cookie_sid } }";
    let edge = farm.edge(", max_fails: 0", learn, "");
    for (backend, name) in [(&farm.a, "a"), (&farm.b, "b")] {
        let text = format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid=of-{name}\r\nContent-Length: 1\r\n\r\n{name}");
        backend.now(move |_, answer| answer.write(&text));
    }
    let server = client::get(edge.address(), "/").text();
    for (backend, name) in [(&farm.a, "a"), (&farm.b, "b")] {
        backend.now(move |_, answer| answer.write(backend::ok(name)));
    }
    let id = format!("sid=of-{server}");
    let Farm { a, b, .. } = farm;
    let (gone, left, other) = if server == "a" { (a, b, "b") } else { (b, a, "a") };
    let port = gone.address().port();
    drop(gone);
    assert_eq!(ask(&edge, &id).text(), other);
    let back = Backend::start_on(port, |_, answer| answer.write(backend::ok("back")));
    for _ in 0..6 {
        assert_eq!(ask(&edge, &id).text(), other, "it does not go back");
    }
    drop((left, back));
}

/// The first server of two is dead; the other one tells what it was sent.
fn half_dead(rewrite: &str) -> (Edge, Backend) {
    let (echo, port, dead) = (Backend::echo(), ports::free(), ports::free());
    let text = format!(
        "upstream:\n  app:\n    session: {{ contexts: [/, /shop], rewrite_route: {rewrite} }}\n    servers:\n      \
         - {{ address: '127.0.0.1:{dead}', route: t1 }}\n      - {{ address: '{}', route: t2 }}\nserver:\n  \
         - listen: 127.0.0.1:{port}\n    location: [{{ match: /, proxy_pass: 'http://app' }}]\n",
        echo.address()
    );
    (Edge::yaml(&text, port).start(), echo)
}

/// The line and the cookies that the server was sent.
fn sent(answer: &Response) -> (String, String) {
    let head = answer.json()["head"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let line = head.lines().next().unwrap_or_default().to_owned();
    let cookie = head.lines().find_map(|line| line.strip_prefix("Cookie: ").or(line.strip_prefix("cookie: ")));
    (line, cookie.unwrap_or_default().to_owned())
}

fn with_id(to: SocketAddr, target: &str, id: &str) -> Response {
    request::get(target).header("Cookie", &format!("x=1; JSESSIONID={id}")).send(to)
}

#[test]
fn the_client_of_a_dead_server_is_told_the_route_of_another() {
    let (edge, _echo) = half_dead("on");
    let answer = with_id(edge.address(), "/shop/cart", "ABC.t1");
    assert_eq!(set(&answer), ["JSESSIONID=ABC.t2; Path=/shop; HttpOnly"]);
    assert_eq!(sent(&answer).1, "x=1; JSESSIONID=ABC.t1", "Tomcat's replication knows the session by this id");
    let secure = request::get("/").header("Cookie", "JSESSIONID=ABC.t1").header("X-Forwarded-Proto", "https");
    assert_eq!(set(&secure.send(edge.address())), ["JSESSIONID=ABC.t2; Path=/; HttpOnly; Secure"]);
    for id in ["ABC.t2", "ABC", "ABC.unknown", "head.claims.signature"] {
        let answer = with_id(edge.address(), "/", id);
        assert_eq!((set(&answer), sent(&answer).1), (vec![], format!("x=1; JSESSIONID={id}")), "{id} is left alone");
    }
}

#[test]
fn an_application_that_sets_the_cookie_itself_is_not_spoken_over() {
    let (edge, backend) = half_dead("on");
    backend.now(|_, answer| {
        answer.write("HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=NEW.t2; Path=/\r\nContent-Length: 0\r\n\r\n");
    });
    assert_eq!(set(&with_id(edge.address(), "/", "ABC.t1")), ["JSESSIONID=NEW.t2; Path=/"]);
}

#[test]
fn both_sends_the_new_route_to_the_server_too_in_cookie_and_path_parameter() {
    let (edge, _echo) = half_dead("both");
    let answer = with_id(edge.address(), "/a;jsessionid=ABC.t1/b?q=ABC.t1", "ABC.t1");
    assert_eq!(set(&answer), ["JSESSIONID=ABC.t2; Path=/; HttpOnly"]);
    let expected = "GET /a;jsessionid=ABC.t2/b?q=ABC.t1 HTTP/1.1";
    assert_eq!(sent(&answer), (expected.into(), "x=1; JSESSIONID=ABC.t2".into()));
    let in_path = Request::new("GET", "/a;jsessionid=ABC.t1").send(edge.address());
    assert_eq!(set(&in_path), [""; 0], "a cookie would count for other pages' ids as well");
    assert_eq!(sent(&in_path).0, "GET /a;jsessionid=ABC.t2 HTTP/1.1");
}

/// As Tomcat's DeltaManager with JvmRouteBinderValve: it has a copy of the dead one's session under its whole id, and gives it its
/// own route when it is first asked for it.
fn replicate(backend: &Backend) {
    let known = std::sync::Mutex::new("ABC.t1".to_owned());
    backend.now(move |seen, answer| {
        let asked = seen.header("cookie").and_then(|cookie| cookie.split_once("JSESSIONID=")).map_or("", |(_, id)| id);
        let mut known = known.lock().unwrap();
        let (set, told) = match (*known == asked, asked == "ABC.t2") {
            (true, true) => ("", "found"),
            (true, false) => ("Set-Cookie: JSESSIONID=ABC.t2; Path=/\r\n", "found"),
            (false, _) => ("Set-Cookie: JSESSIONID=NEW.t2; Path=/\r\n", "new"),
        };
        if told == "found" {
            *known = "ABC.t2".to_owned();
        }
        answer.write(format!("HTTP/1.1 200 OK\r\n{set}Content-Length: {}\r\n\r\n{told}", told.len()));
    });
}

#[test]
fn a_replicated_session_is_found_under_the_id_that_it_was_replicated_by() {
    let (edge, backend) = half_dead("on");
    replicate(&backend);
    let answer = with_id(edge.address(), "/", "ABC.t1");
    assert_eq!((answer.text().as_str(), set(&answer)), ("found", vec!["JSESSIONID=ABC.t2; Path=/"]));
    for _ in 0..3 {
        let answer = with_id(edge.address(), "/", "ABC.t2");
        assert_eq!((answer.text().as_str(), set(&answer)), ("found", vec![]));
    }
    let (edge, backend) = half_dead("both");
    replicate(&backend);
    assert_eq!(with_id(edge.address(), "/", "ABC.t1").text(), "new", "it is not known by another id");
}

#[test]
fn off_leaves_ids_of_dead_servers_as_they_are() {
    let (edge, _echo) = half_dead("off");
    let answer = with_id(edge.address(), "/a;jsessionid=ABC.t1", "ABC.t1");
    assert_eq!(set(&answer), [""; 0]);
    let expected = "GET /a;jsessionid=ABC.t1 HTTP/1.1";
    assert_eq!(sent(&answer), (expected.into(), "x=1; JSESSIONID=ABC.t1".into()));
}
