//! HTTP/2 from curl and h2load: negotiated, by prior knowledge, and under load.

use crate::support::backend::Backend;
use crate::support::curl::{Curl, Loaded, h2load};
use crate::support::front::Front;
use crate::support::load::origin;
use crate::support::request::HOST;
use crate::support::response::sha256;

use super::{Site, Stage, backend, front, much};

const REQUESTS: usize = 20_000;

const ALL_WELL: Loaded = Loaded { succeeded: REQUESTS, failed: 0, good: REQUESTS };

/// A plain listener that speaks it by prior knowledge.
fn plain() -> (Front, Backend) {
    let backend = backend();
    (front(&[Site::plain(HOST)], true, backend.address()), backend)
}

#[test]
fn it_is_spoken_where_it_is_configured_and_asked_for() {
    let stage = Stage::start(true);
    let said = stage.curl().with(["--http2"]).get("/own").expecting(200);
    assert_eq!((said.version.as_str(), said.text()), ("2", format!("https HTTP/2.0 TLSv1.3 {HOST} NONE")));
    let said = stage.curl().with(["--http1.1"]).get("/own").expecting(200);
    assert_eq!((said.version.as_str(), said.text()), ("1.1", format!("https HTTP/1.1 TLSv1.3 {HOST} NONE")));
    let said = Stage::start(false).curl().with(["--http2"]).get("/own").expecting(200);
    assert_eq!(said.version, "1.1");
}

#[test]
fn prior_knowledge_is_enough_on_a_plain_listener() {
    let (front, _backend) = plain();
    let said = Curl::http(HOST, front.address()).with(["--http2-prior-knowledge"]).get("/own").expecting(200);
    assert_eq!((said.version.as_str(), said.text()), ("2", format!("http HTTP/2.0  {HOST} ")));
    // Debian's nginx takes nothing else there.
    if !Front::is_nginx() {
        let said = Curl::http(HOST, front.address()).with(["--http1.1"]).get("/own").expecting(200);
        assert_eq!((said.version.as_str(), said.text()), ("1.1", format!("http HTTP/1.1  {HOST} ")));
    }
}

#[test]
fn h2load_succeeds_with_every_request() {
    let stage = Stage::start(true);
    let url = format!("https://{}", stage.front.address());
    assert_eq!(h2load(&format!("{url}/own"), REQUESTS, 20, 10), ALL_WELL);
    let few = REQUESTS / 10;
    assert_eq!(h2load(&format!("{url}/item/99"), few, 20, 10), Loaded { succeeded: few, failed: 0, good: few });
}

#[test]
fn h2load_succeeds_without_tls() {
    let (front, _backend) = plain();
    assert_eq!(h2load(&format!("http://{}/own", front.address()), REQUESTS, 20, 10), ALL_WELL);
}

#[test]
fn much_goes_up_and_comes_down_whole() {
    let stage = Stage::start(true);
    let directory = crate::support::process::temporary_directory("much");
    let (file, body) = (directory.path().join("much"), much());
    std::fs::write(&file, &body).unwrap();
    let posted = stage.curl().with(["--http2", "--data-binary", &format!("@{}", file.display())]).get("/echo");
    let posted = posted.expecting(200);
    assert_eq!((posted.version.as_str(), posted.text()), ("2", format!("{} {}", body.len(), sha256(&body))));
    let got = stage.curl().with(["--http2"]).get("/much").expecting(200);
    assert_eq!((got.version.as_str(), got.body.len(), got.sha256()), ("2", body.len(), sha256(&body)));
    // Chunks have no meaning there; their bytes do.
    let got = stage.curl().with(["--http2"]).get("/item/99").expecting(200);
    assert!(got.body == origin::item(99) && got.header("transfer-encoding").is_none(), "{got}");
}

#[test]
fn answers_without_a_body_have_none() {
    let stage = Stage::start(true);
    let curl = || stage.curl().with(["--http2"]);
    let head = curl().with(["-I"]).get("/head").expecting(200);
    assert_eq!((head.version.as_str(), head.header("content-length")), ("2", Some("1234")), "{head}");
    let fresh = curl().get("/etag").expecting(200);
    assert_eq!((fresh.text().as_str(), fresh.header("etag")), ("fresh", Some("\"a\"")));
    let same = curl().with(["-H", "If-None-Match: \"a\""]).get("/etag").expecting(304);
    assert_eq!((same.body.len(), same.header("etag")), (0, Some("\"a\"")), "{same}");
}

#[test]
fn an_upstreams_trailers_do_no_harm() {
    let stage = Stage::start(true);
    let said = stage.curl().with(["--http2"]).get("/trailers").expecting(200);
    assert_eq!((said.version.as_str(), said.text().as_str()), ("2", "whole"));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let stage = Stage::start(true);
    let fields: Vec<String> = (0..6).map(|number| format!("X-Big-{number}: {}", "a".repeat(7_000))).collect();
    let fields: Vec<&str> = fields.iter().flat_map(|field| ["-H", field]).collect();
    let big = format!("X-Big: {}", "a".repeat(40_000));
    for fields in [fields, vec!["-H", &big]] {
        // nginx ends the connection; a page is more than it owes.
        let said = stage.curl().with(["--http2"]).with(fields).get("/item/1");
        assert!(said.code != 0 || [400, 431].contains(&said.status), "{said}");
    }
    assert_eq!(stage.backend.requests(), 0);
    stage.curl().with(["--http2", "-H", "X-Small: a"]).get("/item/1").expecting(200);
}
