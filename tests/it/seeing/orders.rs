//! What can be changed over HTTP, by who knows the token and nobody else.

use crate::messages::Desk;
use crate::support::backend::{self, Backend};
use crate::support::edge::Edge;
use crate::support::request::{self, Request};
use crate::support::response::Response;
use crate::support::{ports, wait};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);
const TOKEN: &str = "d41d8cd98f00b204e9800998ecf8427e";

struct Run {
    edge: Edge,
    admin: SocketAddr,
    origin: Backend,
}

fn configuration(port: u16, admin: &str, origin: SocketAddr, more: &str) -> String {
    format!(
        "admin: {admin}\nerror_log: {{ path: logs/error.log, level: debug }}\nproxy_cache_path: {{ pages: {{ memory: 1m }} }}\n\
         upstream: {{ app: {{ servers: ['{origin}', {{ address: '127.0.0.1:1', backup: true }}] }} }}\n\
         server:\n  - listen: 127.0.0.1:{port}\n    server_name: [shop.test]\n    location:\n      \
         - {{ match: /, proxy_pass: 'http://app', proxy_cache: pages, proxy_cache_valid: 1h }}\n      \
         - {{ match: /own/, api: on }}\n{more}"
    )
}

impl Run {
    fn start() -> Run {
        let origin = Backend::answering(backend::ok("hello"));
        let (port, admin) = (ports::free(), ports::free());
        let text = configuration(port, &Run::admin(admin), origin.address(), "");
        let edge = Edge::yaml(&text, port).also_on(admin).with_file("admin.token", format!("{TOKEN}\n")).start();
        Run { edge, admin: ([127, 0, 0, 1], admin).into(), origin }
    }

    fn admin(port: u16) -> String {
        format!("{{ listen: 127.0.0.1:{port}, token_file: admin.token }}")
    }

    fn post(&self, target: &str) -> Response {
        self.with_token(request::post(target, "")).send(self.admin)
    }

    fn with_token(&self, request: Request) -> Request {
        request.header("Authorization", &format!("Bearer {TOKEN}"))
    }

    fn get(&self, target: &str) -> u16 {
        request::get(target).host("shop.test").send(self.edge.address()).status()
    }

    fn state(&self) -> String {
        let status = request::get("/status").send(self.admin).json();
        status["upstreams"][0]["servers"][0]["state"].as_str().unwrap().to_owned()
    }
}

#[test]
fn who_knows_the_token_may_drain_and_purge_and_reload() {
    let run = Run::start();
    assert_eq!((run.get("/a"), run.get("/a"), run.origin.requests()), (200, 200, 1));
    let purged = run.post("/cache/purge?url=http://shop.test/a");
    assert_eq!((purged.status(), purged.json()["out"].as_str()), (200, Some("1 purged\n")));
    assert_eq!((run.get("/a"), run.origin.requests()), (200, 2));
    assert_eq!(run.post("/cache/purge?all&soft").json()["done"], true);

    let server = format!("app/{}", run.origin.address());
    assert_eq!(run.state(), "up");
    assert_eq!(run.post(&format!("/upstream/drain?server={server}")).status(), 200);
    assert_eq!(run.state(), "draining");
    assert_eq!(run.post(&format!("/upstream/up?server={server}")).status(), 200);
    assert_eq!(run.state(), "up");
    let unknown = run.post("/upstream/drain?server=ap/x");
    assert_eq!((unknown.status(), unknown.json()["done"].as_bool()), (422, Some(false)));
    assert!(unknown.json()["failure"].as_str().unwrap().contains("did you mean `app`?"), "{}", unknown.text());
    assert_eq!(run.post("/upstream/drain").status(), 400);

    let more = "      - { match: /new, return: 204 }\n";
    let (port, admin) = (run.edge.address().port(), Run::admin(run.admin.port()));
    run.edge.write_configuration(&configuration(port, &admin, run.origin.address(), more));
    let reloaded = run.post("/reload");
    assert_eq!((reloaded.status(), run.get("/new")), (200, 204), "{}", reloaded.text());
    run.edge.write_configuration(&configuration(port, &admin, run.origin.address(), "nonsense: 1\n"));
    let refused = run.post("/reload");
    assert_eq!((refused.status(), run.get("/new")), (422, 204));
    assert!(refused.json()["errors"].as_str().unwrap().contains("unknown key `nonsense`"), "{}", refused.text());
    let told = "cache/purge over HTTP: cache purge";
    assert!(run.edge.wait_error(told), "{}", run.edge.errors());
}

#[test]
fn who_does_not_know_it_changes_nothing_and_it_is_told_to_nobody() {
    let run = Run::start();
    assert_eq!(run.get("/a"), 200);
    let wrong = |value: &str| request::post("/cache/purge?all", "").header("Authorization", value).send(run.admin);
    let bare = request::post("/cache/purge?all", "").send(run.admin);
    assert_eq!((bare.status(), bare.header("WWW-Authenticate")), (401, Some("Bearer")));
    for value in ["Bearer nonsense-nonsense", &format!("Bearer {TOKEN}x"), &format!("Basic {TOKEN}"), "Bearer "] {
        assert_eq!(wrong(value).status(), 401, "{value}");
    }
    let twice = run.with_token(run.with_token(request::post("/reload", "")));
    // Nobody reads a head that says two things.
    assert_eq!(twice.send(run.admin).status(), 400);
    let read = run.with_token(request::get("/cache/purge?all")).send(run.admin);
    assert_eq!((read.status(), read.header("Allow")), (405, Some("POST")));
    let written = run.with_token(request::post("/status", "")).send(run.admin);
    assert_eq!((written.status(), written.header("Allow")), (405, Some("GET, HEAD")));
    assert_eq!(run.post("/cache").status(), 405);
    // A location that shows the same has no token.
    let own = run.with_token(request::post("/own/cache/purge?all", "")).host("shop.test").send(run.edge.address());
    assert_eq!(own.status(), 403);
    assert_eq!((run.get("/a"), run.origin.requests()), (200, 1));
    assert!(run.edge.wait_error("the token is wrong, nothing is changed"));
    assert!(run.edge.wait_error("there is no `token_file`"));

    let printed = Desk::new().edge(&["-T", "-c", run.edge.file("edge.yaml").to_str().unwrap()]);
    assert!(printed.status.success() && printed.stdout.contains("admin.token"), "{}", printed.stderr);
    let logs = std::fs::read_to_string(run.edge.file("logs/access.log")).unwrap_or_default();
    for text in [printed.stdout, printed.stderr, run.edge.errors(), logs] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[test]
fn a_new_token_counts_from_the_next_reload_on() {
    let run = Run::start();
    std::fs::write(run.edge.file("admin.token"), "another-one-of-some-length").unwrap();
    assert_eq!(run.post("/reload").status(), 200);
    let asked =
        || request::post("/reload", "").header("Authorization", "Bearer another-one-of-some-length").send(run.admin);
    let found = wait::until(SOON, || (asked().status() == 200).then_some(()));
    assert!(found.is_some(), "{}", asked().text());
    assert_eq!(run.post("/reload").status(), 401);
}

#[test]
fn what_is_wrong_with_a_token_is_told_and_the_short_form_has_none() {
    let check = |admin: &str, token: &str, mode: u32| {
        let desk = Desk::new();
        desk.put("edge.yaml", format!("admin: {admin}\nserver: [{{ listen: 8080 }}]\n"));
        desk.put("t", token);
        std::fs::set_permissions(desk.path("t"), PermissionsExt::from_mode(mode)).unwrap();
        desk.check("edge.yaml")
    };
    let good = check("{ listen: 127.0.0.1:9145, token_file: t }", TOKEN, 0o600);
    assert!(good.status.success() && !good.stderr.contains("warning"), "{}", good.stderr);
    let open = check("{ listen: 127.0.0.1:9145, token_file: t }", TOKEN, 0o644);
    assert!(
        open.status.success() && open.stderr.contains("edge.yaml:1:46: warning: everybody on this machine"),
        "{}",
        open.stderr
    );
    let far = check("{ listen: 0.0.0.0:9145, token_file: t }", TOKEN, 0o600);
    assert!(far.status.success() && far.stderr.contains("it is sent without TLS"), "{}", far.stderr);
    for (admin, token, expected) in [
        ("{ listen: 127.0.0.1:9145, token_file: t }", "short", "a token has at least 16 characters"),
        ("{ listen: 127.0.0.1:9145, token_file: none }", "", "cannot be read"),
        ("{ token_file: t }", TOKEN, "edge.yaml:1:8: error: `admin` has no `listen`"),
        ("{ listen: 127.0.0.1:9145, token: t }", TOKEN, "unknown key `token` in `admin`"),
    ] {
        let said = check(admin, token, 0o600);
        assert!(!said.status.success() && said.stderr.contains(expected), "{admin}: {}", said.stderr);
        assert!(token.is_empty() || token == "short" || !said.stderr.contains(token), "{}", said.stderr);
    }
    for short in ["127.0.0.1:9145", "{ address: '127.0.0.1:9145', backlog: 7 }", "['127.0.0.1:9145', '[::1]:9145']"] {
        let said = check(short, "", 0o600);
        assert!(said.status.success() && !said.stderr.contains("warning"), "{short}: {}", said.stderr);
    }
}
