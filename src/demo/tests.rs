//! The applications, the store and the control listener together, spoken to as a browser or an edge would.

use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::demo::blob::Blob;

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn cookie(&self) -> Option<&str> {
        self.header("Set-Cookie")?.strip_prefix("JSESSIONID=")?.strip_suffix("; Path=/; HttpOnly")
    }

    fn json(&self, key: &str) -> Value {
        serde_json::from_str::<Value>(&self.body).unwrap()[key].clone()
    }

    fn counter(&self) -> u64 {
        self.json("counter").as_u64().unwrap()
    }
}

/// One request on a connection of its own; `headers` are whole lines.
async fn try_ask(address: SocketAddr, line: &str, headers: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await?;
    let (head, body) = reply.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.to_string(), body: body.to_string() })
}

async fn ask(app: &App, line: &str, id: &str) -> Answer {
    let cookie = if id.is_empty() { String::new() } else { format!("Cookie: x=y; JSESSIONID={id}\r\n") };
    try_ask(app.address, line, &cookie).await.unwrap()
}

/// What the store has under a session's id.
async fn stored(demo: &Demo, id: &str) -> Option<Blob> {
    let value = client::Client::new(demo.store, "ping-n1".to_string(), Duration::ZERO).get(id).await.unwrap();
    value.map(|value| Blob::decode(&value).unwrap())
}

async fn three() -> (Demo, [App; 3]) {
    let apps = ["t1", "t2", "t3"].map(|route| (route.to_string(), 0)).to_vec();
    let demo = start(Options { apps, ..Options::default() }).await.unwrap();
    let apps = [0, 1, 2].map(|at| demo.apps[at].clone());
    (demo, apps)
}

/// A session of `t1` that counted to 2.
async fn two(t1: &App) -> String {
    let id = ask(t1, "POST /count", "").await.cookie().unwrap().to_string();
    assert_eq!(ask(t1, "POST /count", &id).await.counter(), 2);
    id
}

#[tokio::test]
async fn a_session_is_made_counted_and_saved_under_its_full_id() {
    let (demo, [t1, ..]) = three().await;
    let first = ask(&t1, "GET /count", "").await;
    let id = first.cookie().unwrap();
    let base = id.strip_suffix("-n1.t1").unwrap();
    assert!(base.len() == 32 && base.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)));
    assert_eq!(first.json("session"), base[..6]);
    assert_eq!((first.counter(), first.json("new"), first.json("route")), (1, true.into(), "t1".into()));
    let second = ask(&t1, "GET /count", id).await;
    assert_eq!((second.counter(), second.json("new"), second.cookie()), (2, false.into(), None));
    let blob = stored(&demo, id).await.unwrap();
    assert_eq!((&blob.id[..], blob.counter(), blob.is_new), (id, Some(2), false));
    let path_parameter = ask(&t1, &format!("GET /get;jsessionid={id}"), "").await;
    assert_eq!(path_parameter.counter(), 2);
}

#[tokio::test]
async fn an_id_of_a_killed_application_is_taken_over() {
    let (demo, [t1, t2, t3]) = three().await;
    let old = two(&t1).await;
    t1.stop().await;
    assert!(try_ask(t1.address, "GET /", "").await.is_err());
    let taken = ask(&t2, "GET /", &old).await;
    let new = old.replace(".t1", ".t2");
    assert_eq!((taken.counter(), taken.cookie()), (2, Some(&new[..])));
    assert_eq!(stored(&demo, &old).await, None);
    assert_eq!(stored(&demo, &new).await.unwrap().id, new);
    // A late request with the old id still finds it here, but nowhere else.
    let late = ask(&t2, "GET /count", &old).await;
    assert_eq!((late.counter(), late.cookie()), (3, Some(&new[..])));
    assert_eq!(stored(&demo, &new).await.unwrap().counter(), Some(3));
    let elsewhere = ask(&t3, "GET /count", &old).await;
    assert_eq!((elsewhere.counter(), elsewhere.json("new")), (1, true.into()));
}

#[tokio::test]
async fn a_probe_of_web_inf_is_not_found_and_takes_over() {
    let (demo, [t1, t2, _]) = three().await;
    let old = two(&t1).await;
    let probe = ask(&t2, "HEAD /WEB-INF/edge", &old).await;
    let new = old.replace(".t1", ".t2");
    assert_eq!((probe.status, probe.cookie(), &probe.body[..]), (404, Some(&new[..]), ""));
    assert_eq!((stored(&demo, &old).await, stored(&demo, &new).await.unwrap().counter()), (None, Some(2)));
    let counts = (0..6).map(|_| {
        let (t2, new) = (t2.clone(), new.clone());
        tokio::spawn(async move { ask(&t2, "POST /count", &new).await.counter() })
    });
    let mut seen = Vec::new();
    for count in counts.collect::<Vec<_>>() {
        seen.push(count.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, [3, 4, 5, 6, 7, 8]);
    assert_eq!(stored(&demo, &new).await.unwrap().counter(), Some(8));
}

#[tokio::test]
async fn a_restarted_application_goes_on_from_the_store() {
    let (_demo, [t1, ..]) = three().await;
    let id = two(&t1).await;
    t1.stop().await;
    t1.start().await.unwrap();
    let answer = ask(&t1, "GET /count", &id).await;
    assert_eq!((answer.counter(), answer.cookie()), (3, None));
}

#[tokio::test]
async fn a_static_file_takes_nothing_over_but_leaves_a_stale_copy() {
    let (demo, [t1, t2, _]) = three().await;
    let old = two(&t1).await;
    let css = ask(&t2, "GET /style.css", &old).await;
    assert_eq!((css.status, css.cookie()), (200, None));
    assert!(css.body.contains("t2"), "{}", css.body);
    assert_eq!(stored(&demo, &old).await.unwrap().counter(), Some(2));
    assert_eq!(ask(&t1, "GET /count", &old).await.counter(), 3);
    assert_eq!(ask(&t2, "GET /", &old).await.counter(), 2, "as in Tomcat, which finds its copy");
}

#[tokio::test]
async fn of_several_cookies_the_first_with_a_session_counts_and_nonsense_is_none() {
    let (_demo, [t1, ..]) = three().await;
    let id = two(&t1).await;
    let several = format!("Cookie: JSESSIONID=AA-n1.t1; JSESSIONID={id}\r\n");
    assert_eq!(try_ask(t1.address, "GET /", &several).await.unwrap().counter(), 2);
    for id in ["", ".", "-n1.t1", "a b", "A\tB-n1.t1", &"A".repeat(5000), "..", "é-n1.t1"] {
        let answer = ask(&t1, "GET /count", id).await;
        assert_eq!((answer.status, answer.counter(), answer.cookie().is_some()), (200, 1, true), "{id}");
    }
}

#[tokio::test]
async fn without_a_store_sessions_go_on_in_memory_and_get_a_node_when_it_is_back() {
    let (demo, [t1, ..]) = three().await;
    let known = two(&t1).await;
    demo._services[0].halt().await;
    assert_eq!(ask(&t1, "GET /count", &known).await.counter(), 3);
    let id = ask(&t1, "GET /count", "").await.cookie().unwrap().to_string();
    assert!(id.ends_with(".t1") && !id.contains('-'), "{id}");
    assert_eq!(ask(&t1, "GET /count", &id).await.counter(), 2);
    demo._services[0].resume().await.unwrap();
    // The node counts as gone for a second.
    let limit = Instant::now() + Duration::from_secs(10);
    let moved = loop {
        let answer = ask(&t1, "GET /", &id).await;
        if let Some(moved) = answer.cookie() {
            break moved.to_string();
        }
        assert!(Instant::now() < limit);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(moved, id.replace(".t1", "-n1.t1"));
    assert_eq!(stored(&demo, &moved).await.unwrap().counter(), Some(2));
}

#[tokio::test]
async fn a_stop_ends_requests_in_flight() {
    let (_demo, [t1, ..]) = three().await;
    let mut stream = TcpStream::connect(t1.address).await.unwrap();
    stream.write_all(b"GET /slow?ms=60000 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").await.unwrap();
    let mut reply = vec![0; 25];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(reply, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(t1.is_running());
    t1.stop().await;
    assert!(!t1.is_running());
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
    let slow = t1.start().await.map(|()| Instant::now()).unwrap();
    assert_eq!(ask(&t1, "GET /slow?ms=50", "").await.json("path"), "/slow");
    assert!(slow.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn only_the_edges_own_page_may_stop_and_start() {
    let (demo, [t1, ..]) = three().await;
    let stop = "POST /demo/apps/t1/stop";
    let own = "Origin: http://127.0.0.1:8080\r\n";
    assert_eq!(try_ask(demo.control, stop, own).await.unwrap().status, 403, "not told yet");
    demo.set_origin("http://127.0.0.1:8080/");
    for other in ["", "Origin: http://127.0.0.1:8081\r\n", "Origin: null\r\n"] {
        assert_eq!(try_ask(demo.control, stop, other).await.unwrap().status, 403, "{other}");
    }
    assert!(t1.is_running());
    let stopped = try_ask(demo.control, stop, own).await.unwrap();
    assert_eq!(stopped.header("Access-Control-Allow-Origin"), Some("http://127.0.0.1:8080"));
    assert_eq!((stopped.json("apps")[0]["running"].clone(), t1.is_running()), (false.into(), false));
    let started = try_ask(demo.control, "POST /demo/apps/t1/start", own).await.unwrap();
    assert_eq!((started.json("apps")[0]["running"].clone(), t1.is_running()), (true.into(), true));
    for (line, status) in [
        ("GET /demo/apps", 200),
        ("OPTIONS /demo/apps/t1/stop", 204),
        ("GET /demo/apps/t1/stop", 405),
        ("POST /demo/apps", 405),
        ("POST /demo/apps/t9/stop", 404),
        ("POST /demo/apps/t1/explode", 404),
        ("GET /", 404),
    ] {
        assert_eq!(try_ask(demo.control, line, own).await.unwrap().status, status, "{line}");
    }
}

#[tokio::test]
async fn the_page_comes_with_what_it_has_to_know_and_needs_nothing_else() {
    let (demo, [t1, ..]) = three().await;
    demo.set_origin("http://127.0.0.1:8080");
    let page = ask(&t1, "GET /demo", "").await;
    assert_eq!((page.status, page.cookie()), (200, None));
    for outside in ["http://", "https://", "src=\"/", "@import"] {
        let found = page.body.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "the page refers to {outside}");
    }
    let config = ask(&t1, "GET /demo/config.json", "").await;
    assert_eq!(config.json("control"), format!("http://{}", demo.control));
    assert_eq!(config.json("origin"), "http://127.0.0.1:8080");
    assert_eq!(config.json("apps")[1], "t2");
    assert_eq!(config.json("takeover"), json!({ "on": "", "off": null }));
}

#[tokio::test]
async fn a_dropped_demo_is_gone() {
    let (demo, [t1, ..]) = three().await;
    let (store, control, app) = (demo.store, demo.control, t1.address);
    drop((demo, t1));
    let limit = Instant::now() + Duration::from_secs(10);
    for address in [store, control, app] {
        while TcpStream::connect(address).await.is_ok() {
            assert!(Instant::now() < limit, "{address} still answers");
            tokio::task::yield_now().await;
        }
    }
}
