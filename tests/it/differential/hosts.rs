//! The Host header.

use super::case::{Case, HOST, get_with, lines};

/// Every value it may come with.
const VALUES: &[(&str, &str)] = &[
    ("the name", "172.168.1.221"),
    ("the name and a port", "172.168.1.221:8888"),
    ("another name", "other.test"),
    ("upper case", "SHOP.Test"),
    ("a trailing dot", "shop.test."),
    ("two trailing dots", "shop.test.."),
    ("a leading dot", ".shop.test"),
    ("two dots inside", "shop..test"),
    ("empty", ""),
    ("a port only", ":8888"),
    ("an empty port", "shop.test:"),
    ("a port that is not a number", "shop.test:abc"),
    ("a port that is too big", "shop.test:99999"),
    ("two ports", "shop.test:80:80"),
    ("IPv6", "[::1]"),
    ("IPv6 and a port", "[::1]:8888"),
    ("IPv6 not closed", "[::1"),
    ("IPv6 without brackets", "::1"),
    ("a space inside", "shop test"),
    ("a space before and after", "  shop.test  "),
    ("a tab inside", "shop\ttest"),
    ("a slash", "shop.test/x"),
    ("a backslash", "shop.test\\x"),
    ("a question mark", "shop.test?x"),
    ("a number sign", "shop.test#x"),
    ("an at sign", "user@shop.test"),
    ("an underscore", "shop_a.test"),
    ("a percent", "shop%2etest"),
    ("a comma", "shop.test,other.test"),
    ("quotes", "\"shop.test\""),
    ("braces", "{shop}"),
    ("a star", "*.test"),
    ("less-than", "<shop>"),
    ("unicode", "sh\u{f6}p.test"),
    ("a NUL byte", "shop\0.test"),
    ("a control byte", "shop\u{1}.test"),
];

pub fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = VALUES
        .iter()
        .map(|(name, value)| lines(&format!("host: {name}"), &["GET /echo/h HTTP/1.1", &format!("Host: {value}")]))
        .collect();
    let long = format!("{}.test", "a".repeat(300));
    cases.push(lines("host: 300 bytes", &["GET /echo/h HTTP/1.1", &format!("Host: {long}")]));
    cases.push(lines("host: none", &["GET /echo/h HTTP/1.1"]));
    cases.push(lines("host: none, a script", &["GET /echo/h.js?u={u} HTTP/1.1"]));
    cases.push(lines("host: none in 1.0", &["GET /echo/h HTTP/1.0"]));
    cases.push(lines("host: none in 1.0, a script", &["GET /echo/h.js?u={u} HTTP/1.0"]));
    cases.push(lines("host: empty in 1.0", &["GET /echo/h HTTP/1.0", "Host:"]));
    cases.push(lines("host: bad in 1.0", &["GET /echo/h HTTP/1.0", "Host: a/b"]));
    cases.push(get_with("host: twice the same", "/echo/h", &[&format!("Host: {HOST}")]));
    cases.push(get_with("host: two", "/echo/h", &["Host: other.test"]));
    cases.push(get_with("host: the second empty", "/echo/h", &["Host:"]));
    cases.push(lines("host: not the first header", &["GET /echo/h HTTP/1.1", "X-A: b", "Host: shop.test"]));
    cases.push(lines("host: lower-case name", &["GET /echo/h HTTP/1.1", "host: shop.test"]));
    cases.push(lines("host: a space before the colon", &["GET /echo/h HTTP/1.1", "Host : shop.test"]));
    cases.push(lines("host: a script keeps no port", &["GET /echo/h.js?u={u} HTTP/1.1", "Host: Shop.Test:8888"]));
    cases.push(lines("host: a page keeps the port", &["GET /echo/h.jsp HTTP/1.1", "Host: Shop.Test:8888"]));
    cases.push(lines("host: absolute target without Host", &["GET http://shop.test/echo/h HTTP/1.1"]));
    cases.push(lines("host: absolute target, 1.0, without Host", &["GET http://shop.test/echo/h HTTP/1.0"]));
    cases.push(lines(
        "host: absolute target, another Host, a script",
        &["GET http://shop.test/echo/h.js?u={u} HTTP/1.1", "Host: other.test"],
    ));
    cases
}
