//! Answers of the application: every status, headers that mean something to a proxy, redirects.

use super::case::{Case, ask, get};

const STATUSES: &[u16] = &[
    200, 201, 202, 203, 204, 205, 206, 207, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404, 405,
    406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 444,
    451, 494, 495, 496, 497, 499, 500, 501, 502, 503, 504, 505, 507, 511, 520, 599, 600, 999,
];

/// As a query of /status/200.
const HEADERS: &[(&str, &str)] = &[
    ("a header", "h=X-A:b"),
    ("the same header twice", "h=X-A:b&h=X-A:c"),
    ("an empty header", "h=X-A:"),
    ("an underscore in the name", "h=X_A:b"),
    ("a long header", "h=X-A:LONG"),
    ("two cookies", "h=Set-Cookie:a%3Db&h=Set-Cookie:c%3Dd"),
    ("a server name", "h=Server:Tomcat"),
    ("a date", "h=Date:Mon,%2001%20Jan%202001%2000:00:00%20GMT"),
    ("an ETag", "h=ETag:%22abc%22"),
    ("Last-Modified", "h=Last-Modified:Mon,%2001%20Jan%202001%2000:00:00%20GMT"),
    ("Expires", "h=Expires:Fri,%2031%20Dec%202100%2023:59:59%20GMT"),
    ("Expires that is none", "h=Expires:0"),
    ("Cache-Control", "h=Cache-Control:private,%20max-age=7"),
    ("two Cache-Controls", "h=Cache-Control:private&h=Cache-Control:max-age=7"),
    ("Cache-Control and Expires", "h=Cache-Control:no-store&h=Expires:0&h=Pragma:no-cache"),
    ("X-Accel-Expires", "h=X-Accel-Expires:60"),
    ("X-Accel-Buffering", "h=X-Accel-Buffering:no"),
    ("X-Accel-Charset", "h=X-Accel-Charset:koi8-r"),
    ("X-Accel-Limit-Rate", "h=X-Accel-Limit-Rate:100000"),
    ("X-Pad", "h=X-Pad:x"),
    ("Vary", "h=Vary:Accept-Language"),
    ("Vary on anything", "h=Vary:*"),
    ("WWW-Authenticate twice", "h=WWW-Authenticate:Basic&h=WWW-Authenticate:Digest"),
    ("Link", "h=Link:%3C/a.css%3E;%20rel=preload"),
    ("Refresh", "h=Refresh:5;%20url=http://web_server/x"),
    ("Content-Disposition", "h=Content-Disposition:attachment"),
    ("Content-Language", "h=Content-Language:de"),
    ("Content-Location", "h=Content-Location:http://web_server/x"),
    ("Accept-Ranges", "h=Accept-Ranges:bytes"),
    ("Keep-Alive", "h=Keep-Alive:timeout=5"),
    ("Upgrade", "h=Upgrade:h2c"),
    ("Via", "h=Via:1.1%20other"),
    ("Age", "h=Age:7"),
    ("Status", "h=Status:404"),
    ("Alt-Svc", "h=Alt-Svc:h3"),
];

/// Content types, for `charset utf-8`.
const TYPES: &[&str] = &[
    "text/plain",
    "text/html",
    "text/xml",
    "text/css",
    "application/javascript",
    "application/json",
    "application/rss%2Bxml",
    "application/octet-stream",
    "text/html;charset=iso-8859-1",
    "text/vnd.wap.wml",
    "nonsense",
];

const LOCATIONS: &[(&str, &str)] = &[
    ("a path", "/other"),
    ("the upstream's name", "http://web_server/other"),
    ("the upstream's name and a port", "http://web_server:80/other"),
    ("the upstream's name only", "http://web_server"),
    ("the upstream's name in capitals", "http://WEB_SERVER/other"),
    ("the upstream's name over https", "https://web_server/other"),
    ("the public name", "http://172.168.1.221/other"),
    ("the public name and port", "http://172.168.1.221:8888/other"),
    ("somewhere else", "https://other.test/a?b%3Dc"),
    ("relative", "other"),
    ("a query", "?a%3Db"),
    ("two slashes", "//other.test/a"),
    ("empty", ""),
];

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in STATUSES {
        cases.push(get(&format!("status: {status}"), &format!("/status/{status}")));
        // 502 and 504 of a script are failures of the upstream in the seed: they are in `failing`.
        if ![502, 504].contains(status) {
            cases.push(get(&format!("status: {status} of a script"), &format!("/status/{status}/a.js?u={{u}}")));
        }
    }
    for status in [200, 204, 301, 304, 404, 500] {
        cases.push(ask(&format!("status: {status} to HEAD"), "HEAD", &format!("/status/{status}"), &[], ""));
        let target = format!("/status/{status}?body=");
        cases.push(get(&format!("status: {status} without a body"), &target));
    }
    for (name, query) in HEADERS {
        let query = query.replace("LONG", &"v".repeat(6_000));
        cases.push(get(&format!("answer: {name}"), &format!("/status/200?{query}")));
        cases.push(get(&format!("answer: {name}, a script"), &format!("/status/200/a.js?u={{u}}&{query}")));
    }
    for kind in TYPES {
        cases.push(get(&format!("answer: type {kind}"), &format!("/status/200?ct={kind}")));
    }
    for (name, location) in LOCATIONS {
        cases.push(get(&format!("redirect: to {name}"), &format!("/status/302?h=Location:{location}")));
        cases.push(get(
            &format!("redirect: of a script to {name}"),
            &format!("/status/302/a.js?u={{u}}&h=Location:{location}"),
        ));
    }
    cases.push(get("redirect: 201 with a Location", "/status/201?h=Location:/made"));
    cases.push(get("redirect: 301 of a script", "/status/301/a.js?u={u}&h=Location:http://web_server/moved"));
    cases
}
