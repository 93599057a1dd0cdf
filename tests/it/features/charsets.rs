//! Charsets changed: `source_charset`, `charset_map`, `override_charset`.

use super::backends::{Act, Table};
use super::setup::Feature;

const MAPS: &str = "charset_map koi8-r windows-1251 { C1 E0; C2 E1; A3 B8; 80 80; }
    charset_map koi8-r utf-8 { C1 D0B0; C2 D0B1; A3 D191; 80 E29480; }
    charset_map windows-1251 utf-8 { E0 D0B0; E1 D0B1; B8 D191; }";

const PAGES: Table = &[
    (
        "/utf8",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 13\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\na\u{430}\u{431}\u{451}\u{20ac}\u{e9}b",
        ),
    ),
    (
        "/none",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\na\u{430}\u{431}\u{451}\u{20ac}\u{e9}b",
        ),
    ),
    (
        "/koi",
        Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=koi8-r\r\nContent-Length: 4\r\n\r\nab\u{e9}"),
    ),
    (
        "/other",
        Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=iso-8859-7\r\nContent-Length: 4\r\n\r\nab\u{e9}"),
    ),
    ("/css", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 4\r\n\r\nab\u{e9}")),
    ("/typeless", Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab\u{e9}")),
    ("/404", Act::Say("HTTP/1.1 404 No\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nab\u{e9}")),
    (
        "/split",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na\u{430}\u{431}\r\n3\r\n\u{20ac}\r\n0\r\n\r\n",
        ),
    ),
];

fn recoded(name: &'static str, directives: &str) -> Feature {
    let text = format!(
        "{MAPS} server {{ listen {{port}}; include mime.types; {directives} location / {{ proxy_pass http://{{a}}; }}
            location /f/ {{ alias {{files}}/; }} location /t {{ default_type text/plain; return 200 't\u{430}\u{451}\u{20ac}'; }} location /e {{ return 404; }} }}"
    );
    let mut feature = Feature::new(name, &text).backend(PAGES);
    for (target, _) in PAGES {
        feature = feature.get(&[target]);
    }
    feature
        .get(&["/f/page.html", "/f/style.css", "/f/a.txt", "/f/koi8.txt", "/t", "/e"])
        .ask("HEAD", "/none", &[], "")
        .get_with("/f/a.txt", &["Range: bytes=0-3"])
        .get_with("/f/page.html", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
        .lines("HTTP/1.0", &["GET /none HTTP/1.0"])
}

#[test]
fn utf8_becomes_bytes() {
    recoded("charset from utf-8", "charset koi8-r; source_charset utf-8;").check();
    recoded("charset from utf-8 to windows", "charset windows-1251; source_charset utf-8; charset_types text/css;")
        .check();
}

#[test]
fn bytes_become_utf8() {
    recoded("charset to utf-8", "charset utf-8; source_charset koi8-r;").check();
}

#[test]
fn bytes_become_bytes() {
    recoded("charset of bytes", "charset windows-1251; source_charset koi8-r;").check();
}

#[test]
fn a_charset_that_is_named_is_overridden_if_so_wished() {
    recoded("override_charset", "charset koi8-r; override_charset on;").check();
    recoded("override_charset to utf-8", "charset utf-8; source_charset windows-1251; override_charset on;").check();
}

#[test]
fn a_charset_that_is_the_same_is_only_named() {
    recoded("charset of its own", "charset utf-8; source_charset utf-8;").check();
}
