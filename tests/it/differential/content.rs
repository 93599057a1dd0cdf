//! What is negotiated: gzip, ranges, conditions.

use super::case::{Case, HOST, ask, get_with, lines};

pub fn all() -> Vec<Case> {
    [encodings(), types(), agents(), ranges(), conditions()].into_iter().flatten().collect()
}

const ACCEPTED: &[(&str, &str)] = &[
    ("gzip", "gzip"),
    ("gzip and others", "gzip, deflate, br, zstd"),
    ("gzip last", "br, gzip"),
    ("upper case", "GZIP"),
    ("x-gzip", "x-gzip"),
    ("part of a word", "xgzip"),
    ("the beginning of a word", "gzipx"),
    ("q=1", "gzip;q=1"),
    ("q=1.000", "gzip;q=1.000"),
    ("q=0.5", "gzip;q=0.5"),
    ("q=0.001", "gzip;q=0.001"),
    ("q=0", "gzip;q=0"),
    ("q=0.0", "gzip;q=0.0"),
    ("q=0.000", "gzip;q=0.000"),
    ("q too big", "gzip;q=2"),
    ("q is not a number", "gzip;q=abc"),
    ("q without a value", "gzip;q="),
    ("spaces around q", "gzip ; q=0.5"),
    ("Q in capitals", "gzip;Q=0.5"),
    ("another parameter", "gzip;level=9"),
    ("refused after identity", "identity, gzip;q=0"),
    ("anything", "*"),
    ("nothing but identity", "identity"),
    ("identity refused", "identity;q=0"),
    ("deflate", "deflate"),
    ("br", "br"),
    ("zstd", "zstd"),
    ("empty", ""),
    ("commas", ",,gzip,,"),
    ("spaces only before", "    gzip"),
];

fn encodings() -> Vec<Case> {
    let one = |(name, value): &(&str, &str)| {
        get_with(&format!("gzip: {name}"), "/docs/long.txt", &[&format!("Accept-Encoding: {value}")])
    };
    let mut cases: Vec<Case> = ACCEPTED.iter().map(one).collect();
    cases.push(get_with("gzip: nothing said", "/docs/long.txt", &[]));
    cases.push(get_with("gzip: two lines", "/docs/long.txt", &["Accept-Encoding: br", "Accept-Encoding: gzip"]));
    cases.push(ask("gzip: HEAD", "HEAD", "/docs/long.txt", &["Accept-Encoding: gzip"], ""));
    cases
}

fn types() -> Vec<Case> {
    let asked = |name: &str, target: &str, more: &[&str]| {
        let mut headers = vec!["Accept-Encoding: gzip"];
        headers.extend_from_slice(more);
        get_with(&format!("gzip: {name}"), target, &headers)
    };
    let mut cases = vec![
        asked("html is always compressed", "/page.html", &[]),
        asked("jsp", "/index.jsp", &[]),
        asked("css", "/css/site.css?u={u}", &[]),
        asked("a script", "/js/big.js?u={u}", &[]),
        asked("a small script", "/js/small.js?u={u}", &[]),
        asked("xml", "/docs/feed.xml", &[]),
        asked("json is not in the list", "/docs/data.json", &[]),
        asked("a picture", "/img/logo.png?u={u}", &[]),
        asked("no type", "/docs/README", &[]),
        asked("one byte", "/docs/one-byte.txt", &[]),
        asked("an empty file", "/docs/empty.txt", &[]),
        asked("no length beforehand", "/chunked?n=4&ct=text/plain", &[]),
        asked("no length, not in the list", "/chunked?n=4", &[]),
        asked("1 MiB", "/big?kb=1024&ct=text/plain", &[]),
        asked("events", "/events?n=2&ms=10", &[]),
        asked("an error page of Tomcat's", "/none", &[]),
        asked("a part of a file", "/docs/long.txt", &["Range: bytes=0-999"]),
        asked("through another proxy", "/docs/long.txt", &["Via: 1.1 other"]),
        asked("upper-case type", "/echo/t?ct=TEXT/PLAIN", &[]),
        asked("a type with a charset", "/echo/t?ct=text/plain;charset=iso-8859-1", &[]),
        asked("a type that begins like one", "/echo/t?ct=text/plainer", &[]),
        asked("x-javascript", "/echo/t?ct=application/x-javascript", &[]),
        asked("javascript", "/echo/t?ct=application/javascript", &[]),
        lines(
            "gzip: close",
            &["GET /docs/long.txt HTTP/1.1", &format!("Host: {HOST}"), "Accept-Encoding: gzip", "Connection: close"],
        ),
    ];
    let long = "x".repeat(100);
    let answers: &[(&str, &str)] = &[
        ("already encoded", "h=Content-Encoding:br"),
        ("already gzipped", "h=Content-Encoding:gzip&ct=image/png"),
        ("with a strong ETag", "h=ETag:%22abc%22"),
        ("with a weak ETag", "h=ETag:W/%22abc%22"),
        ("with Vary", "h=Vary:Accept-Language"),
        ("with Vary: Accept-Encoding", "h=Vary:Accept-Encoding"),
        ("no-transform", "h=Cache-Control:no-transform"),
        ("with Accept-Ranges", "h=Accept-Ranges:bytes"),
        ("with Content-MD5", "h=Content-MD5:abc"),
    ];
    for (name, query) in answers {
        cases.push(asked(&format!("an answer {name}"), &format!("/status/200?body={long}&{query}"), &[]));
    }
    for status in [201, 203, 206, 301, 400, 403, 404, 410, 500, 503] {
        cases.push(asked(&format!("status {status}"), &format!("/status/{status}?body={long}"), &[]));
    }
    for size in [1, 19, 20, 21] {
        cases.push(asked(&format!("{size} bytes"), &format!("/status/200?body={}", "y".repeat(size)), &[]));
    }
    cases
}

fn agents() -> Vec<Case> {
    let agent = |name: &str, value: &str| {
        let header = format!("User-Agent: {value}");
        get_with(&format!("agent: {name}"), "/docs/long.txt", &["Accept-Encoding: gzip", &header])
    };
    vec![
        agent("a modern one", "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"),
        agent("MSIE 6", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"),
        agent("MSIE 6 with SV1", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)"),
        agent("MSIE 5.5", "Mozilla/4.0 (compatible; MSIE 5.5; Windows 98)"),
        agent("MSIE 4", "Mozilla/4.0 (compatible; MSIE 4.0; Windows 95)"),
        agent("MSIE 7", "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1)"),
        agent("MSIE 10", "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2)"),
        agent("MSIE 6 in lower case", "mozilla/4.0 (compatible; msie 6.0)"),
        agent("MSIE 6 with sv1 in lower case", "Mozilla/4.0 (compatible; MSIE 6.0; sv1)"),
        agent("empty", ""),
    ]
}

fn ranges() -> Vec<Case> {
    let values = [
        "bytes=0-99",
        "bytes=100-",
        "bytes=-50",
        "bytes=0-0",
        "bytes=5-4",
        "bytes=999999-",
        "bytes=-999999",
        "bytes=0-99,200-299",
        "bytes=0-99,50-149",
        "bytes= 0-99",
        "bytes=a-b",
        "bytes=",
        "lines=0-9",
        "0-99",
    ];
    let mut cases = Vec::new();
    for value in values {
        let header = format!("Range: {value}");
        cases.push(get_with(&format!("range: {value} of a text"), "/docs/long.txt", &[&header]));
        cases.push(get_with(&format!("range: {value} of a script"), "/js/big.js?u={u}", &[&header]));
    }
    cases.push(ask("range: HEAD", "HEAD", "/docs/long.txt", &["Range: bytes=0-99"], ""));
    cases.push(ask("range: HEAD of a script", "HEAD", "/js/big.js?u={u}", &["Range: bytes=0-99"], ""));
    cases.push(get_with("range: of a page", "/index.jsp", &["Range: bytes=0-9"]));
    cases.push(get_with("range: if a tag matches not", "/docs/long.txt", &["Range: bytes=0-99", "If-Range: \"no\""]));
    cases.push(get_with(
        "range: if old",
        "/docs/long.txt",
        &["Range: bytes=0-99", "If-Range: Mon, 01 Jan 2001 00:00:00 GMT"],
    ));
    cases
}

fn conditions() -> Vec<Case> {
    let future = "Fri, 31 Dec 2100 23:59:59 GMT";
    let past = "Mon, 01 Jan 2001 00:00:00 GMT";
    let mut cases = Vec::new();
    for (what, target) in [("a text", "/docs/long.txt"), ("a script", "/js/big.js?u={u}"), ("a page", "/index.jsp")] {
        let mut add = |name: &str, headers: &[&str]| {
            cases.push(get_with(&format!("condition: {name}, {what}"), target, headers));
        };
        add("modified since long ago", &[&format!("If-Modified-Since: {past}")]);
        add("not modified since the future", &[&format!("If-Modified-Since: {future}")]);
        add("unmodified since long ago", &[&format!("If-Unmodified-Since: {past}")]);
        add("unmodified since the future", &[&format!("If-Unmodified-Since: {future}")]);
        add("none match another tag", &["If-None-Match: \"other\""]);
        add("none match anything", &["If-None-Match: *"]);
        add("match another tag", &["If-Match: \"other\""]);
        add("match anything", &["If-Match: *"]);
    }
    cases
}
