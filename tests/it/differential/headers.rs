//! Header lines: odd names, odd values, how many and how long.

use super::case::{Case, HOST, get_with, raw};

/// Lines that are sent as they stand here.
const LINES: &[(&str, &str)] = &[
    ("plain", "X-A: b"),
    ("no space after the colon", "X-A:b"),
    ("many spaces", "X-A:     b    "),
    ("a tab after the colon", "X-A:\tb"),
    ("empty", "X-A:"),
    ("empty with a space", "X-A: "),
    ("a tab inside", "X-A: b\tc"),
    ("quotes and more", "X-A: \"b\", <c>; d=e"),
    ("unicode in the value", "X-A: \u{fc}"),
    ("an underscore in the name", "X_A: b"),
    ("a dot in the name", "X.A: b"),
    ("a digit first", "1X: b"),
    ("odd but allowed characters", "X!#$%&'*+-.^`|~A: b"),
    ("a space before the colon", "X-A : b"),
    ("a space in the name", "X A: b"),
    ("a space before the name", " X-A: b"),
    ("a tab before the name", "\tX-A: b"),
    ("no name", ": b"),
    ("no colon", "X-A"),
    ("only a colon", ":"),
    ("brackets in the name", "X[A]: b"),
    ("a slash in the name", "X/A: b"),
    ("unicode in the name", "X-\u{fc}: b"),
    ("a NUL byte in the value", "X-A: b\0c"),
    ("a NUL byte in the name", "X\0A: b"),
    ("a control byte in the value", "X-A: b\u{1}c"),
    ("a DEL byte in the value", "X-A: b\u{7f}c"),
    ("a control byte in the name", "X\u{1}A: b"),
    ("CR in the value", "X-A: b\rc"),
    ("a folded line", "X-A: b\r\n c"),
    ("a folded line with a tab", "X-A: b\r\n\tc"),
    ("a line without CR", "X-A: b\nX-B: c"),
    ("twice", "X-A: b\r\nX-A: c"),
    ("twice in different case", "X-A: b\r\nx-a: c"),
    ("a cookie", "Cookie: a=b; c=d"),
    ("two cookies", "Cookie: a=b\r\nCookie: c=d"),
    ("an odd cookie", "Cookie: a=\"b c\"; ;=; d"),
    ("an unknown session", "Cookie: JSESSIONID=0123456789ABCDEF0123456789ABCDEF.tomcat9"),
    ("a session that is none", "Cookie: JSESSIONID=../../x"),
    ("authorization", "Authorization: Basic dTpw"),
    ("proxy authorization", "Proxy-Authorization: Basic dTpw"),
    ("via", "Via: 1.1 other"),
    ("max-forwards", "Max-Forwards: 0"),
    ("a real address that is not believed", "X-Real-IP: 10.9.8.7"),
    ("forwarded", "Forwarded: for=10.9.8.7"),
    ("a forwarded protocol", "X-Forwarded-Proto: https"),
    ("the header of httpoxy", "Proxy: http://evil.test"),
    ("X-Accel-Redirect from a client", "X-Accel-Redirect: /page.html"),
    ("a referer with quotes", "Referer: http://a/\"><script>"),
    ("a date that is none", "If-Modified-Since: yesterday"),
    ("a content type without a body", "Content-Type: text/plain"),
    ("a priority", "Priority: u=1"),
    ("TE with trailers", "TE: trailers"),
    ("an upgrade without a connection", "Upgrade: websocket"),
    ("cache control", "Cache-Control: no-cache\r\nPragma: no-cache"),
];

pub fn all() -> Vec<Case> {
    let mut cases: Vec<Case> =
        LINES.iter().map(|(name, line)| get_with(&format!("header: {name}"), "/echo/l", &[line])).collect();
    cases.extend(
        LINES[34..]
            .iter()
            .map(|(name, line)| get_with(&format!("header: {name}, to a script"), "/echo/l.js?u={u}", &[line])),
    );
    cases.extend(sizes());
    cases
}

/// The seed allows 32 KB per line, and four times that in all.
fn sizes() -> Vec<Case> {
    let line = |number: usize, size: usize| format!("X-Long-{number}: {}", "v".repeat(size));
    let with = |name: &str, lines: &[String]| {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        get_with(&format!("header size: {name}"), "/status/200", &lines)
    };
    let several = |count: usize, size: usize| (0..count).map(|n| line(n, size)).collect::<Vec<_>>();
    let tail = "a".repeat(40_000);
    vec![
        with("4 KB in all", &several(4, 1_000)),
        with("a line of 7 KB", &[line(0, 7_000)]),
        with("a line of 31 KB", &[line(0, 31_000)]),
        with("a line of 33 KB", &[line(0, 33_000)]),
        with("a line of 200 KB", &[line(0, 200_000)]),
        with("three lines of 30 KB", &several(3, 30_000)),
        with("five lines of 30 KB", &several(5, 30_000)),
        with("eight lines of 30 KB", &several(8, 30_000)),
        with("90 short lines", &several(90, 10)),
        with("300 short lines", &several(300, 10)),
        with("3000 short lines", &several(3_000, 100)),
        with("a long name", &[format!("X-{}: b", "n".repeat(1_000))]),
        with("a name of 40 KB", &[format!("X-{}: b", "n".repeat(40_000))]),
        raw("header size: a request line that never ends", format!("GET /echo/{tail}")),
        raw("header size: a line that never ends", format!("GET /echo HTTP/1.1\r\nHost: {HOST}\r\nX-A: {tail}")),
    ]
}
