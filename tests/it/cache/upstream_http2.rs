//! A cache in front of an upstream that speaks HTTP/2: what is stored is what came, whatever it came over.

use std::time::Duration;

use super::configuration;
use crate::support::client::Failure;
use crate::support::edge::Edge;
use crate::support::origin::{LONG, Origin};
use crate::support::request::get;
use crate::support::response::Response;
use crate::support::{ports, wait};

fn edge(origin: &Origin, more: &str) -> Edge {
    let port = ports::free();
    // nginx has no word for it: 1.1 is the last one that its configuration knows.
    let conf = configuration(port, origin.address(), "cache", more);
    let conf = conf.replace("proxy_http_version 1.1", "proxy_http_version 2");
    Edge::nginx_conf(&conf, port).start()
}

fn ask(edge: &Edge, target: &str) -> Response {
    get(target).send(edge.address())
}

fn cached(response: &Response) -> Option<&str> {
    response.header("x-cache")
}

fn asked(origin: &Origin, path: &str) -> usize {
    origin.calls().iter().filter(|call| call.http2 && call.path == path).count()
}

#[test]
fn an_answer_of_http2_is_stored_and_found_and_goes_out_as_it_came() {
    let origin = Origin::h2c();
    let edge = edge(&origin, "");
    let first = ask(&edge, "/kept/600");
    let second = ask(&edge, "/kept/600");
    assert_eq!((cached(&first), cached(&second)), (Some("MISS"), Some("HIT")), "{}", edge.errors());
    assert!(first.body == second.body && first.body.len() == LONG);
    assert_eq!((second.header("etag"), second.header("x-kept")), (Some("\"k\""), Some("yes")));
    assert_eq!(second.header("content-length"), Some(&*LONG.to_string()));
    let part = get("/kept/600").header("Range", "bytes=10-19").send(edge.address());
    assert_eq!((part.status(), part.body == first.body[10..20]), (206, true), "{part}");
    assert_eq!(asked(&origin, "/kept/600"), 1);
}

#[test]
fn an_old_answer_is_confirmed_over_http2() {
    let origin = Origin::h2c();
    let edge = edge(&origin, "proxy_cache_revalidate on;");
    let first = ask(&edge, "/kept/1");
    let confirmed = || Some(ask(&edge, "/kept/1")).filter(|response| cached(response) == Some("REVALIDATED"));
    let confirmed = wait::until(Duration::from_secs(10), confirmed).expect("it grows old");
    assert_eq!((confirmed.status(), confirmed.body == first.body), (200, true), "{confirmed}");
    let conditions: Vec<String> =
        origin.calls().iter().filter_map(|call| call.header("if-none-match").map(str::to_owned)).collect();
    assert!(!conditions.is_empty() && conditions.iter().all(|tag| tag == "\"k\""), "{conditions:?}");
    assert_eq!(origin.connections(), 1, "a 304 costs no connection");
}

#[test]
fn what_breaks_off_over_http2_is_cut_and_not_stored() {
    let origin = Origin::h2c();
    let edge = edge(&origin, "");
    for turn in 1..=2 {
        match get("/broken").try_send(edge.address()) {
            Err(Failure::Cut(response, _)) => {
                assert_eq!(cached(&response), Some("MISS"), "{}", edge.errors());
                assert!(response.body.len() < LONG);
            }
            Err(other) => panic!("no head came: {other}"),
            Ok(response) => panic!("as if it were whole: {response}"),
        }
        assert_eq!(asked(&origin, "/broken"), turn);
    }
    assert_eq!(cached(&ask(&edge, "/kept/600")), Some("MISS"));
    assert_eq!(cached(&ask(&edge, "/kept/600")), Some("HIT"), "the cache goes on");
}
