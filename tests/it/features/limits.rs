//! `limit_req`, `limit_conn`, `limit_rate`: how many pass, and what is said of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::backends::Act;
use super::setup::Feature;
use crate::differential::case;
use crate::support::backend::{self, Backend};
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::nginx::Nginx;
use crate::support::{ports, request, wait};

impl Feature {
    /// GET of a target so many times.
    fn in_turn(self, count: usize, target: &str) -> Feature {
        (1..=count).fold(self, |feature, at| feature.case(case::get(&format!("{target} #{at}"), target)))
    }
}

const LOG: &str =
    "log_format t '$uri $args $status $limit_req_status $limit_conn_status'; access_log logs/lines.log t;";

#[test]
fn requests_beyond_a_rate_are_refused() {
    let text = r#"{LOG}
        limit_req_zone $arg_k zone=a:1m rate=1r/m;
        limit_req_zone $arg_m zone=b:1m rate=1r/m;
        server { listen {port}; root {files};
            location /plain/ { limit_req zone=a; proxy_pass http://{a}; }
            location /burst/ { limit_req zone=a burst=2 nodelay; proxy_pass http://{a}; }
            location /status/ { limit_req zone=a; limit_req_status 429; error_page 429 /told; proxy_pass http://{a}; }
            location = /told { return 200 "told $limit_req_status\n"; }
            location /again/ { limit_req zone=a; error_page 503 = /plain/x; proxy_pass http://{a}; }
            location /dry/ { limit_req zone=a; limit_req_dry_run on; proxy_pass http://{a}; }
            location /drydelay/ { limit_req zone=a burst=5; limit_req_dry_run on; proxy_pass http://{a}; }
            location /returned/ { limit_req zone=a; return 200 "$limit_req_status\n"; }
            location /rewritten/ { rewrite ^/rewritten/(.*) /plain/$1 last; limit_req zone=b; }
            location /both/ { limit_req zone=b burst=3 nodelay; limit_req zone=a burst=1 nodelay; proxy_pass http://{a}; }
            location /outer/ { limit_req zone=a;
                location /outer/inherits/ { proxy_pass http://{a}; }
                location /outer/replaces/ { limit_req zone=b burst=1 nodelay; proxy_pass http://{a}; }
            }
            location /try/ { limit_req zone=a; try_files $uri /a.txt =404; }
            location = /a.txt { limit_req zone=a; }
            location /hidden/ { limit_req zone=a; error_page 404 @there; root /nowhere; log_not_found off; }
            location @there { limit_req zone=b; return 200 "there $limit_req_status\n"; }
        }"#
    .replace("{LOG}", LOG);
    Feature::new("limit_req", &text)
        .backend(&[])
        .without_probes()
        .in_turn(3, "/plain/?k=plain")
        .in_turn(2, "/plain/?k=another")
        .in_turn(3, "/plain/")
        .in_turn(5, "/burst/?k=burst")
        .in_turn(2, "/plain/?k=burst")
        .in_turn(3, "/status/?k=status")
        .in_turn(3, "/again/?k=again")
        .in_turn(3, "/dry/?k=dry")
        .in_turn(2, "/plain/?k=dry")
        .in_turn(3, "/drydelay/?k=drydelay")
        .in_turn(3, "/returned/?k=returned")
        .in_turn(3, "/rewritten/?k=rewritten&m=rewritten")
        .in_turn(5, "/both/?k=both&m=both")
        .in_turn(3, "/both/?k=other&m=both")
        .in_turn(3, "/both/?m=alone")
        .in_turn(2, "/outer/inherits/?k=inherits")
        .in_turn(3, "/outer/replaces/?k=replaces&m=replaces")
        .in_turn(2, "/try/?k=try")
        .in_turn(2, "/hidden/?k=hidden&m=hidden")
        .ask("HEAD", "/plain/?k=plain", &[], "")
        .ask("POST", "/plain/?k=plain", &["Content-Length: 3"], "abc")
        .check();
}

#[test]
fn requests_within_a_burst_wait_for_their_turns() {
    let text = r#"{LOG}
        limit_req_zone $arg_k zone=a:1m rate=1r/s;
        server { listen {port};
            location /all/ { limit_req zone=a burst=3; proxy_pass http://{a}; }
            location /after/ { limit_req zone=a burst=3 delay=1; proxy_pass http://{a}; }
        }"#
    .replace("{LOG}", LOG);
    let pipelined = |name: &str, target: &str| {
        let requests = vec![case::ask_bytes("GET", target, &[], ""); 3];
        case::pipelined(name, &requests)
    };
    Feature::new("limit_req delays", &text)
        .backend(&[])
        .without_probes()
        .in_turn(3, "/all/?k=a")
        .case(pipelined("in a row", "/all/?k=b"))
        .case(pipelined("after one", "/after/?k=c"))
        .check();
}

#[test]
fn a_stored_answer_is_limited_as_well() {
    let text = r#"log_format t '$uri $args $status $upstream_cache_status $limit_req_status'; access_log logs/lines.log t;
        proxy_cache_path cache keys_zone=c:1m;
        limit_req_zone $arg_k zone=a:1m rate=1r/m;
        server { listen {port}; add_header X-Limit $limit_req_status always;
            location / { limit_req zone=a burst=2 nodelay; proxy_cache c; proxy_cache_valid 1h; proxy_pass http://{a}; }
        }"#;
    Feature::new("cache, limit_req", text)
        .backend(&[])
        .without_probes()
        .in_turn(5, "/x?k=1")
        .comparing(super::setup::Upstream::Usual)
        .check();
}

/// The same done to Debian's nginx and to edge; gives what came of it. `logged`: lines that are written of it.
fn both<T: PartialEq + std::fmt::Debug>(
    text: &str,
    backend: &Backend,
    logged: usize,
    act: impl Fn(SocketAddr) -> T,
) -> T {
    let port = ports::free();
    let text = text.replace("{port}", &port.to_string()).replace("{a}", &backend.address().to_string());
    let text = format!(
        "worker_processes 1;\nerror_log logs/error.log info;\npid logs/it.pid;\nevents {{ worker_connections 512; }}\n\
         http {{\n{text}\n}}\n"
    );
    let lines = |log: std::path::PathBuf| {
        let read = || std::fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
        wait::until(Duration::from_secs(10), || (read().len() >= logged).then_some(()));
        read()
    };
    let (nginx, log) = {
        let nginx = Nginx::start(&text, port);
        (act(nginx.address()), lines(nginx.file("logs/lines.log")))
    };
    assert!(wait::until(Duration::from_secs(10), || (!wait::accepts(ports::local(port))).then_some(())).is_some());
    let edge = Edge::nginx_conf(&text, port).start();
    let ours = act(edge.address());
    assert_eq!(ours, nginx);
    assert_eq!(lines(edge.file("logs/lines.log")), log);
    ours
}

/// Answers at once but for `/slow`, which is answered when it is let go.
struct Held {
    backend: Backend,
    goes: Arc<AtomicBool>,
}

impl Held {
    fn start() -> Held {
        let goes = Arc::new(AtomicBool::new(false));
        let may_go = goes.clone();
        let backend = Backend::start(move |seen, answer| {
            if seen.target().contains("slow") {
                wait::until(Duration::from_secs(20), || may_go.load(Ordering::SeqCst).then_some(()));
            }
            answer.write(backend::ok("x"));
        });
        Held { backend, goes }
    }

    /// A client whose request is at the application, and stays there.
    fn client(&self, address: SocketAddr, target: &str) -> Client {
        self.goes.store(false, Ordering::SeqCst);
        let before = self.backend.requests();
        let mut client = Client::connect(address);
        client.write(request::get(target).bytes());
        assert!(self.backend.wait_requests(before + 1));
        client
    }

    fn let_go(&self, mut client: Client) -> u16 {
        self.goes.store(true, Ordering::SeqCst);
        client.response("GET").unwrap().status()
    }
}

#[test]
fn no_more_are_in_flight_than_may_be() {
    let held = Held::start();
    let text = r#"log_format t '$uri $args $status $limit_conn_status'; access_log logs/lines.log t;
        limit_conn_zone $arg_k zone=a:1m;
        limit_conn_zone $arg_m zone=b:1m;
        server { listen {port};
            location / { limit_conn a 1; proxy_pass http://{a}; }
            location /two/ { limit_conn a 2; limit_conn b 1; limit_conn_status 429; proxy_pass http://{a}; }
            location /dry/ { limit_conn a 1; limit_conn_dry_run on; proxy_pass http://{a}; }
            location /open/ { proxy_pass http://{a}; }
        }"#;
    let statuses = both(text, &held.backend, 10, |address| {
        let client = held.client(address, "/slow?k=1&m=1");
        let targets = ["/x?k=1", "/x?k=2", "/x", "/two/?k=1", "/two/?k=1&m=1", "/dry/?k=1", "/open/?k=1", "/x?k=1"];
        let mut statuses: Vec<u16> = targets.iter().map(|target| client::get(address, target).status()).collect();
        statuses.push(held.let_go(client));
        // Its place is free a moment after its client has the answer, which nobody tells.
        std::thread::sleep(Duration::from_millis(200));
        statuses.push(client::get(address, "/x?k=1").status());
        statuses
    });
    assert_eq!(statuses, [503, 200, 200, 200, 200, 200, 200, 503, 200, 200]);
}

#[test]
fn several_limits_hold_together() {
    let held = Held::start();
    let text = r#"log_format t '$uri $args $status $limit_req_status $limit_conn_status'; access_log logs/lines.log t;
        limit_conn_zone $arg_k zone=a:1m;
        limit_conn_zone $arg_m zone=b:1m;
        limit_req_zone $arg_r zone=r:1m rate=1r/m;
        server { listen {port}; error_page 503 /told;
            location / { limit_conn a 3; limit_conn b 1; limit_req zone=r; proxy_pass http://{a}; }
            location = /told { return 200 "told $limit_req_status $limit_conn_status\n"; }
        }"#;
    let told = both(text, &held.backend, 6, |address| {
        let client = held.client(address, "/slow?k=1&m=1");
        let targets = ["/x?k=1&m=1", "/x?k=1&m=2&r=1", "/x?k=1&m=2&r=1", "/x?k=1&m=1&r=2", "/x?r=2"];
        let told: Vec<String> = targets.iter().map(|target| client::get(address, target).text()).collect();
        held.let_go(client);
        told
    });
    let refused = "told  REJECTED\n".to_owned();
    // What was refused by one limit has been counted by the other one before, but is in flight no more.
    assert_eq!(
        told,
        [refused, "x".into(), "told REJECTED \n".into(), "told PASSED REJECTED\n".into(), "told REJECTED \n".into()]
    );
}

#[test]
fn who_leaves_while_waiting_is_let_go() {
    let backend = Backend::saying("x");
    let text = r#"log_format t '$uri $status $limit_req_status'; access_log logs/lines.log t;
        limit_req_zone $server_name zone=a:1m rate=1r/m;
        server { listen {port}; server_name a; location / { limit_req zone=a burst=5; proxy_pass http://{a}; } }"#;
    let asked = both(text, &backend, 2, |address| {
        let before = backend.requests();
        assert_eq!(client::get(address, "/first").status(), 200);
        let mut waits = Client::connect(address);
        waits.write(request::get("/waits").bytes());
        assert!(!waits.wait_readable(Duration::from_millis(300)));
        drop(waits);
        backend.requests() - before
    });
    assert_eq!(asked, 1);
}

#[test]
fn an_answer_takes_as_long_as_its_rate_says() {
    let text = r#"server { listen {port};
            location /slow/ { limit_rate 20k; proxy_pass http://{a}; }
            location /unbuffered/ { limit_rate 20k; proxy_buffering off; proxy_pass http://{a}; }
            location /variable/ { limit_rate $arg_rate; proxy_pass http://{a}; }
            location /accelerated/ { limit_rate 1; proxy_pass http://{a}; }
            location /after/ { limit_rate 1k; limit_rate_after 100k; proxy_pass http://{a}; }
        }"#;
    let body = "x".repeat(50_000);
    let backend = Backend::start(move |seen, answer| {
        let more = if seen.target().contains("accel") { "X-Accel-Limit-Rate: 20000\r\n" } else { "" };
        answer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{more}\r\n{body}", body.len()));
    });
    both(text, &backend, 0, |address| {
        let targets = ["/slow/", "/unbuffered/", "/variable/?rate=20k", "/accelerated/accel", "/after/", "/variable/"];
        targets.map(|target| {
            let begun = Instant::now();
            let answer = client::get(address, target);
            assert_eq!(answer.body.len(), 50_000, "{target}");
            assert_eq!(answer.header("x-accel-limit-rate"), None);
            let slow = !target.starts_with("/after") && !target.starts_with("/unbuffered") && target != "/variable/";
            assert!(!slow || begun.elapsed() > Duration::from_millis(1200), "{target} {:?}", begun.elapsed());
            // At 1k in a second it would be 50.
            assert!(begun.elapsed() < Duration::from_secs(20), "{target} {:?}", begun.elapsed());
        })
    });
}

#[test]
fn a_delayed_answer_of_an_application_is_limited_too() {
    Feature::new(
        "limit_rate headers",
        r#"log_format t '$uri $status $limit_rate'; access_log logs/lines.log t;
        server { listen {port};
            location / { limit_rate 100k; proxy_pass http://{a}; }
            location /ignored/ { proxy_ignore_headers X-Accel-Limit-Rate; proxy_pass http://{a}; }
            location /passed/ { proxy_pass_header X-Accel-Limit-Rate; proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[("accel", Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Limit-Rate: 5000\r\nContent-Length: 3\r\n\r\nabc"))])
    .get(&["/", "/accel", "/ignored/accel", "/passed/accel"])
    .check();
}
