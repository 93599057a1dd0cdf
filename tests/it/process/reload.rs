//! HUP: a new configuration, and nobody notices but by the answers.

use std::net::TcpListener;

use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::request;
use crate::support::{ports, wait};

use super::{HEAD, Held, SOON, lines, one_more_saying, passing_to, reload, reload_in_vain, saying};

#[test]
fn a_connection_goes_on_with_the_new_configuration() {
    let port = ports::free();
    let edge = Edge::yaml(&saying(port, "old"), port).start();
    let mut client = Client::connect(edge.address());
    assert_eq!(client.ask(&request::get("/")).unwrap().text(), "old");
    reload(&edge, &saying(port, "new"));
    let answer = client.ask(&request::get("/")).unwrap();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("new", Some("keep-alive")));
    assert_eq!(client.ask(&request::get("/")).unwrap().text(), "new");
    assert_eq!(client::get(edge.address(), "/").text(), "new");
}

#[test]
fn a_new_location_answers_and_one_that_is_gone_does_not() {
    let port = ports::free();
    let with = |location: &str| {
        format!(
            "{HEAD}server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - {{ match: '= {location}', return: 204 }}\n      \
             - {{ match: /, return: 404 }}\n"
        )
    };
    let edge = Edge::yaml(&with("/old"), port).start();
    assert_eq!(client::get(edge.address(), "/old").status(), 204);
    reload(&edge, &with("/new"));
    assert_eq!(client::get(edge.address(), "/old").status(), 404);
    assert_eq!(client::get(edge.address(), "/new").status(), 204);
}

#[test]
fn listeners_come_and_go() {
    let (stays, goes, comes) = (ports::free(), ports::free(), ports::free());
    let before = saying(stays, "a") + &one_more_saying(goes, "going");
    let edge = Edge::yaml(&before, stays).also_on(goes).start();
    let mut idle = Client::connect(ports::local(goes));
    assert_eq!(idle.ask(&request::get("/")).unwrap().text(), "going");

    reload(&edge, &(saying(stays, "b") + &one_more_saying(comes, "coming")));
    assert_eq!(client::get(ports::local(comes), "/").text(), "coming");
    assert_eq!(client::get(ports::local(stays), "/").text(), "b");
    let refuses = wait::until(SOON, || (!wait::accepts(ports::local(goes))).then_some(()));
    assert!(refuses.is_some(), "the old port is still listened on");

    // Its connections are served once more, by the configuration they came to, and told to go.
    let last = idle.ask(&request::get("/")).unwrap();
    assert_eq!((last.text().as_str(), last.header("connection")), ("going", Some("close")));
    assert!(idle.wait_closed(SOON));

    // And it can come back.
    reload(&edge, &before);
    assert_eq!(client::get(ports::local(goes), "/").text(), "going");
}

#[test]
fn a_request_in_flight_ends_with_the_configuration_it_began_with() {
    let (port, held) = (ports::free(), Held::start());
    let with = |value: &str| passing_to(port, &held.backend, &format!("        add_header: {{ X-From: {value} }}\n"));
    let edge = Edge::yaml(&with("old"), port).start();
    let mut client = Client::connect(edge.address());
    client.write(request::get("/slow").bytes());
    assert!(held.backend.wait_requests(1));
    reload(&edge, &with("new"));
    held.let_go();
    let answer = client.response("GET").unwrap();
    assert_eq!((answer.text().as_str(), answer.header("x-from")), ("late", Some("old")));

    held.let_go();
    let answer = client.ask(&request::get("/")).unwrap();
    assert_eq!(answer.header("x-from"), Some("new"));
}

#[test]
fn a_request_in_flight_ends_although_its_listener_is_gone() {
    let (goes, stays, held) = (ports::free(), ports::free(), Held::start());
    let before = passing_to(goes, &held.backend, "") + &one_more_saying(stays, "a");
    let edge = Edge::yaml(&before, goes).also_on(stays).start();
    let mut client = Client::connect(edge.address());
    client.write(request::get("/slow").bytes());
    assert!(held.backend.wait_requests(1));
    reload(&edge, &saying(stays, "b"));
    held.let_go();
    let answer = client.response("GET").unwrap();
    assert_eq!((answer.text().as_str(), answer.header("connection")), ("late", Some("close")));
}

#[test]
fn a_broken_file_changes_nothing_and_says_where() {
    let (port, other) = (ports::free(), ports::free());
    let edge = Edge::yaml(&saying(port, "old"), port).start();
    let mut client = Client::connect(edge.address());
    assert_eq!(client.ask(&request::get("/")).unwrap().text(), "old");

    let broken = saying(port, "new") + &one_more_saying(other, "other") + "    servername: shop.example\n";
    reload_in_vain(&edge, &broken);
    let line = broken.lines().count();
    let told = format!("edge.yaml:{line}:5: error: unknown key `servername`");
    assert!(edge.errors().contains(&told), "{told}:\n{}", edge.errors());
    assert!(edge.errors().contains("did you mean `server_name`?"));
    assert_eq!(client.ask(&request::get("/")).unwrap().text(), "old");
    assert_eq!(client::get(edge.address(), "/").text(), "old");
    assert!(!wait::accepts(ports::local(other)));

    reload_in_vain(&edge, "server: [");
    reload_in_vain(&edge, "");
    std::fs::remove_file(edge.file("edge.yaml")).unwrap();
    edge.signal(libc::SIGHUP);
    assert!(edge.wait_error("No such file or directory"));
    assert_eq!(client.ask(&request::get("/")).unwrap().text(), "old");
    reload(&edge, &saying(port, "new"));
    assert_eq!(client.ask(&request::get("/")).unwrap().text(), "new");
}

/// A mistake is an error, whatever lines it takes to show it; a warning is none.
#[test]
fn a_warning_at_a_reload_is_logged_as_one() {
    let port = ports::free();
    let edge = Edge::yaml(&saying(port, "old"), port).start();
    let outer = format!("proxy_set_header: {{ X-A: 1 }}\n{}", saying(port, "new"));
    reload(
        &edge,
        &(outer + "    location: [{ match: /a, proxy_pass: 'http://127.0.0.1:1', proxy_set_header: { X-B: 1 } }]\n"),
    );
    let errors = edge.errors();
    let line = errors.lines().find(|line| line.contains("this list replaces the outer")).expect("a warning");
    assert!(line.contains(" [warn] "), "{line}");
    assert!(!errors.contains(" [error] "), "{errors}");
}

#[test]
fn a_port_that_is_taken_changes_nothing_and_says_so() {
    let (port, free) = (ports::free(), ports::free());
    let edge = Edge::yaml(&saying(port, "old"), port).start();
    let taken = ports::free();
    let somebody = TcpListener::bind(ports::local(taken)).unwrap();
    let wanted = saying(port, "new") + &one_more_saying(free, "free") + &one_more_saying(taken, "taken");
    reload_in_vain(&edge, &wanted);
    let told = format!("cannot listen on 127.0.0.1:{taken}: Address already in use");
    assert!(edge.errors().contains(&told), "{}", edge.errors());
    assert_eq!(client::get(edge.address(), "/").text(), "old");
    assert!(!wait::accepts(ports::local(free)), "one of two new ports is listened on");

    drop(somebody);
    reload(&edge, &wanted);
    assert_eq!(client::get(ports::local(taken), "/").text(), "taken");
}

/// `*:PORT` cannot take the place of `127.0.0.1:PORT` while that is listened on: nginx refuses it as well.
#[test]
fn a_wildcard_address_in_the_place_of_one_of_its_port_is_refused() {
    let port = ports::free();
    let edge = Edge::yaml(&saying(port, "one"), port).start();
    reload_in_vain(&edge, &saying(port, "all").replace("127.0.0.1:", ""));
    assert!(edge.errors().contains(&format!("cannot listen on 0.0.0.0:{port}: ")), "{}", edge.errors());
    assert_eq!(client::get(edge.address(), "/").text(), "one");
}

#[test]
fn logs_move_with_the_configuration() {
    let port = ports::free();
    let with = |name: &str| {
        format!("access_log: logs/{name}.log\n{}", saying(port, name))
            .replace("logs/error.log", &format!("logs/{name}-error.log"))
    };
    let edge = Edge::yaml(&with("old"), port).start();
    client::get(edge.address(), "/1");
    assert_eq!(lines(&edge, "logs/old.log", 1).len(), 1);
    reload(&edge, &with("new"));
    client::get(edge.address(), "/2");
    assert!(lines(&edge, "logs/new.log", 1)[0].contains("GET /2 "));
    assert_eq!(lines(&edge, "logs/old.log", 1).len(), 1);
    reload_in_vain(&edge, "x");
    assert!(lines(&edge, "logs/new-error.log", 1).iter().any(|line| line.contains("not reloaded")));
}

#[test]
fn a_log_that_cannot_be_opened_changes_nothing() {
    let port = ports::free();
    let edge = Edge::yaml(&saying(port, "old"), port).start();
    reload_in_vain(&edge, &format!("access_log: edge.yaml/a.log\n{}", saying(port, "new")));
    assert!(edge.errors().contains("edge.yaml:1:13: error: the log "), "{}", edge.errors());
    assert_eq!(client::get(edge.address(), "/").text(), "old");
}

#[test]
fn an_nginx_conf_is_reloaded_as_well() {
    let port = ports::free();
    let with = |text: &str| {
        format!(
            "error_log logs/error.log info;\nevents {{ }}\nhttp {{ server {{ listen 127.0.0.1:{port}; location / {{ return 200 {text}; }} }} }}\n"
        )
    };
    let edge = Edge::nginx_conf(&with("old"), port).start();
    let mut client = Client::connect(edge.address());
    assert_eq!(client.ask(&request::get("/")).unwrap().text(), "old");
    reload(&edge, &with("new"));
    assert_eq!(client.ask(&request::get("/")).unwrap().text(), "new");
    reload_in_vain(&edge, &with("x;y"));
    assert!(edge.errors().contains("nginx.conf:3:"), "{}", edge.errors());
}
