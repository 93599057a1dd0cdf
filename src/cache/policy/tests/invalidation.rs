//! RFC 9111 4.4: what an unsafe request makes worthless.

use super::*;

fn forgotten(base: &str, location: &str) -> Vec<String> {
    invalidated(&Method::POST, base, StatusCode::CREATED, &fields(&[("Location", location)]))
}

#[test]
fn rfc9111_4_4_only_an_unsafe_method_that_succeeded_invalidates() {
    let url = "http://h/a?b";
    let none = HeaderMap::new();
    let count =
        |method: Method, status: u16| invalidated(&method, url, StatusCode::from_u16(status).unwrap(), &none).len();
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
        assert_eq!(count(method, 200), 0);
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::from_bytes(b"PURGE").unwrap()] {
        assert_eq!([200, 204, 303, 400, 500, 101].map(|status| count(method.clone(), status)), [1, 1, 1, 0, 0, 0]);
    }
    assert_eq!(invalidated(&Method::PUT, url, StatusCode::OK, &none), [url]);
}

#[test]
fn rfc9111_4_4_location_and_content_location_go_with_it() {
    let answer = fields(&[("Location", "/x"), ("Content-Location", "y?z#f"), ("Link", "/w")]);
    let urls = invalidated(&Method::POST, "http://h:8080/a/b?c", StatusCode::OK, &answer);
    assert_eq!(urls, ["http://h:8080/a/b?c", "http://h:8080/x", "http://h:8080/a/y?z"]);
}

#[test]
fn rfc9111_4_4_another_origin_is_left_alone() {
    for foreign in
        ["http://other/x", "https://h/x", "http://h:81/x", "//other/x", "ftp://h/x", "mailto:a@b", "http://h@other/x"]
    {
        assert_eq!(forgotten("http://h/a", foreign), ["http://h/a"], "{foreign}");
    }
    for own in ["http://h/x", "HTTP://H:80/x", "http://h:/x", "//h/x", "/x", "x", "./x", "../x", "b/../x"] {
        assert_eq!(forgotten("http://h/a", own), ["http://h/a", "http://h/x"], "{own}");
    }
    assert_eq!(forgotten("https://h/a", "https://h:443/x"), ["https://h/a", "https://h/x"]);
}

#[test]
fn rfc3986_5_4_references_are_resolved_against_the_request() {
    for (reference, expected) in [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("g#s", "http://a/b/c/g"),
        (";x", "http://a/b/c/;x"),
        (".", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../../../g", "http://a/g"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
    ] {
        assert_eq!(forgotten("http://a/b/c/d;p?q", reference)[1], expected, "{reference}");
    }
    assert_eq!(forgotten("http://a/b/c/d;p?q", "").len(), 1);
    assert_eq!(forgotten("http://a", "x")[1], "http://a/x");
}
