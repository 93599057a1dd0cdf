//! `add_before_body`, `add_after_body`.

use super::backends::{Act, Table};
use super::setup::Feature;

const PAGES: Table = &[
    (
        "/html",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nETag: \"x\"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nAccept-Ranges: bytes\r\n\r\nbody",
        ),
    ),
    ("/plain", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody")),
    (
        "/chunks",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
        ),
    ),
    ("/404", Act::Say("HTTP/1.1 404 No\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nbody")),
    ("/head", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\n<head/>")),
    (
        "/foot",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<fo\r\n4\r\not/>\r\n0\r\n\r\n",
        ),
    ),
];

fn around(name: &'static str, directives: &str) -> Feature {
    let text = format!(
        "server {{ listen {{port}}; include mime.types; {directives}
            location / {{ proxy_pass http://{{a}}; }}
            location /f/ {{ alias {{files}}/; }}
            location /t {{ default_type text/html; return 200 text; }}
            location = /foot {{ proxy_pass http://{{b}}; }}
            location = /before {{ return 200 '<before>'; }}
            location = /inside {{ internal; return 200 '<inside $request_uri $uri $args>'; }}
            location = /refused {{ return 403; }} }}"
    );
    Feature::new(name, &text)
        .backend(PAGES)
        .backend(PAGES)
        .get(&["/html", "/plain", "/chunks", "/404", "/f/page.html", "/f/a.txt", "/f/none", "/t", "/t?a=b"])
        .ask("HEAD", "/html", &[], "")
        .get_with("/f/page.html", &["Range: bytes=0-3"])
        .get_with("/html", &["If-None-Match: \"x\""])
        .lines("HTTP/1.0", &["GET /html HTTP/1.0"])
}

#[test]
fn what_another_location_answers_stands_before_and_behind() {
    around("add_before_body", "add_before_body /before;").check();
    around("add_after_body", "add_after_body /inside;").check();
    around("both bodies", "add_before_body /head; add_after_body /foot; addition_types text/plain;").check();
}

#[test]
fn what_is_refused_is_added_as_it_is() {
    around("add_before_body of files", "add_before_body /f/a.txt; add_after_body /f/dir/b.txt;").check();
}

#[test]
fn nothing_is_added_where_the_list_is_taken_back() {
    Feature::new(
        "addition taken back",
        "add_before_body /b; server { listen {port}; default_type text/html; location /b { return 200 before; }
            location /in { return 200 x; } location /out { add_before_body ''; return 200 x; } }",
    )
    .get(&["/in", "/out", "/b"])
    .check();
}

#[test]
fn what_is_added_went_through_its_own_filters() {
    Feature::new(
        "addition and other filters",
        "server { listen {port}; default_type text/html; gzip on; gzip_min_length 1;
            location /b { sub_filter x y; return 200 'x of before '; }
            location / { add_before_body /b; sub_filter x z; sub_filter_once off; return 200 'x of the body, x'; } }",
    )
    .get(&["/"])
    .get_with("/gzip", &["Accept-Encoding: gzip"])
    .check();
}
