//! Compression.

use super::backends::{Act, Table};
use super::setup::Feature;

const PAGES: Table = &[
    (
        "/html",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 60\r\nETag: \"x\"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nAccept-Ranges: bytes\r\n\r\n012345678901234567890123456789012345678901234567890123456789",
        ),
    ),
    (
        "/weak",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 60\r\nETag: W/\"x\"\r\n\r\n012345678901234567890123456789012345678901234567890123456789",
        ),
    ),
    (
        "/private",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 60\r\nCache-Control: private, no-store\r\n\r\n012345678901234567890123456789012345678901234567890123456789",
        ),
    ),
    (
        "/expired",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 60\r\nExpires: Thu, 01 Jan 1970 00:00:01 GMT\r\n\r\n012345678901234567890123456789012345678901234567890123456789",
        ),
    ),
    ("/short", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 19\r\n\r\n0123456789012345678")),
    (
        "/twenty",
        Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n01234567890123456789"),
    ),
    (
        "/chunks",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
    ),
    ("/end", Act::Cut("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nabc")),
    (
        "/has",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: br\r\nContent-Length: 20\r\n\r\n01234567890123456789",
        ),
    ),
    (
        "/identity",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: identity\r\nContent-Length: 20\r\n\r\n01234567890123456789",
        ),
    ),
    (
        "/params",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 20\r\n\r\n01234567890123456789",
        ),
    ),
    (
        "/upper",
        Act::Say("HTTP/1.1 200 OK\r\nContent-Type: Text/HTML\r\nContent-Length: 20\r\n\r\n01234567890123456789"),
    ),
    ("/css", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 20\r\n\r\n01234567890123456789")),
    (
        "/json",
        Act::Say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n01234567890123456789"),
    ),
    ("/none", Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789")),
    ("/403", Act::Say("HTTP/1.1 403 No\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n01234567890123456789")),
    ("/404", Act::Say("HTTP/1.1 404 No\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n01234567890123456789")),
    ("/500", Act::Say("HTTP/1.1 500 No\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n01234567890123456789")),
    ("/201", Act::Say("HTTP/1.1 201 No\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n01234567890123456789")),
    (
        "/206",
        Act::Say(
            "HTTP/1.1 206 No\r\nContent-Type: text/html\r\nContent-Range: bytes 0-19/30\r\nContent-Length: 20\r\n\r\n01234567890123456789",
        ),
    ),
    (
        "/302",
        Act::Say(
            "HTTP/1.1 302 No\r\nContent-Type: text/html\r\nLocation: /x\r\nContent-Length: 20\r\n\r\n01234567890123456789",
        ),
    ),
    (
        "/vary",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nVary: Accept-Language\r\nContent-Length: 20\r\n\r\n01234567890123456789",
        ),
    ),
    (
        "/notransform",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-transform\r\nContent-Length: 20\r\n\r\n01234567890123456789",
        ),
    ),
];

fn compressed(name: &'static str, setting: &str, more: &[&str]) {
    let text = format!(
        "server {{ listen {{port}}; gzip on; {setting} include mime.types; location / {{ proxy_pass http://{{a}}; }} \
         location /f/ {{ alias {{files}}/; }} location /t {{ default_type text/html; return 200 \"a text that is longer than twenty bytes\"; }} \
         location /e {{ return 404; }} location /r {{ return 301 /x; }} }}"
    );
    let mut feature = Feature::new(name, &text).backend(PAGES);
    let mut fields = vec!["Accept-Encoding: gzip"];
    fields.extend_from_slice(more);
    for (target, _) in PAGES {
        feature = feature.get_with(target, &fields);
    }
    for target in ["/f/page.html", "/f/style.css", "/f/a.txt", "/f/empty.txt", "/f/none", "/f/dir", "/t", "/e", "/r"] {
        feature = feature.get_with(target, &fields);
    }
    feature
        .get(&["/html", "/css", "/f/page.html"])
        .get_with("/html", &["Accept-Encoding: deflate"])
        .get_with("/html", &["Accept-Encoding: gzip;q=0"])
        .get_with("/html", &["Accept-Encoding: *"])
        .get_with("/html", &["Accept-Encoding: x-gzip"])
        .get_with("/html", &["Accept-Encoding: br;q=1.0, gzip;q=0.8, *;q=0.1"])
        .get_with("/html", &["Accept-Encoding: GZIP"])
        .get_with("/html", &["Accept-Encoding: gzip", "User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows)"])
        .get_with("/html", &["Accept-Encoding: gzip", "User-Agent: Bad Browser"])
        .get_with("/html?via", &["Accept-Encoding: gzip", "Via: 1.1 x"])
        .get_with("/private?via", &["Accept-Encoding: gzip", "Via: 1.1 x"])
        .get_with("/expired?via", &["Accept-Encoding: gzip", "Via: 1.1 x"])
        .get_with("/html", &["Accept-Encoding: gzip", "Via: 1.1 x", "Authorization: Basic eDp5"])
        .get_with("/f/page.html", &["Accept-Encoding: gzip", "Range: bytes=0-3"])
        .get_with("/f/page.html", &["Accept-Encoding: gzip", "If-None-Match: \"3b9aca00-286\""])
        .get_with("/f/page.html", &["Accept-Encoding: gzip", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
        .ask("HEAD", "/html", &["Accept-Encoding: gzip"], "")
        .ask("HEAD", "/f/page.html", &["Accept-Encoding: gzip"], "")
        .lines("1.0", &["GET /html HTTP/1.0", "Accept-Encoding: gzip"])
        .lines("1.0 kept", &["GET /html HTTP/1.0", "Accept-Encoding: gzip", "Connection: keep-alive"])
        .lines("1.0 chunks kept", &["GET /chunks HTTP/1.0", "Accept-Encoding: gzip", "Connection: keep-alive"])
        .check();
}

#[test]
fn compression_as_usual() {
    compressed("gzip", "", &[]);
}

#[test]
fn compression_of_these_types() {
    compressed(
        "gzip_types",
        "gzip_types text/css application/json; gzip_comp_level 9; gzip_min_length 30; gzip_vary on;",
        &[],
    );
}

#[test]
fn compression_of_every_type_for_every_version() {
    compressed(
        "gzip of everything",
        "gzip_types *; gzip_min_length 0; gzip_http_version 1.0; gzip_proxied any; gzip_disable \"Bad|MSIE [1-6]\";",
        &[],
    );
}

#[test]
fn compression_for_proxies() {
    compressed("gzip_proxied", "gzip_proxied expired private auth; gzip_vary on; gzip_disable msie6;", &["Via: 1.1 x"]);
}

#[test]
fn compression_for_proxies_of_fresh_things() {
    compressed(
        "gzip_proxied of fresh things",
        "gzip_proxied no_last_modified no_etag no-store no-cache;",
        &["Via: 1.1 x"],
    );
}
