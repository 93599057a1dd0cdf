//! Every reader of bytes from outside, each as a function of bytes, and a driver that makes up bytes for it.
//!
//! A target takes any bytes, asserts what must hold of them, and gives a number for what came of them: inputs with an outcome
//! that was not seen before are kept and changed further, which leads deeper than chance. So it works with stable Rust, as
//! tests like others, and what it finds stays: `tests/fuzz/TARGET/` holds files that are run each time, among them one for
//! each mistake that was ever found.
//!
//! ```text
//!   cargo test --lib fuzzing::                                       each target for a moment, always with the same seed
//!   EDGE_FUZZ_SECONDS=60 cargo test --lib fuzzing::                  each for a minute, with a seed of its own, which is printed
//!   EDGE_FUZZ_SECONDS=60 EDGE_FUZZ_SEED=7 cargo test --lib fuzzing::readers::http1_head
//! ```
//!
//! What always holds besides what a target asserts: no input panics, none takes longer than [`drive::LONGEST`] of processor
//! time, and one that kills the process is found in `target/fuzz/TARGET.last`.
//!
//! Targets that need what a room keeps to itself stand there, in files named `fuzzed.rs`.

mod drive;
mod files;
mod headers;
mod mutate;
mod paths;
mod sessions;
mod texts;

use std::hash::{DefaultHasher, Hash, Hasher};

/// A reader: its name, how it is run, and what words mean something to it.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]) -> u64,
    pub words: &'static [&'static str],
}

/// The number of an outcome.
pub fn mark(outcome: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    outcome.hash(&mut hasher);
    hasher.finish()
}

/// The first byte says in pieces of how many bytes the others come.
pub fn pieces(bytes: &[u8]) -> (usize, &[u8]) {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    (usize::from(*first % 64) + 1, rest)
}

/// Lines, of which there are as many as are asked for; the last one has the rest.
pub fn lines<const N: usize>(bytes: &[u8]) -> [&[u8]; N] {
    let mut parts = bytes.splitn(N, |b| *b == b'\n');
    [(); N].map(|()| parts.next().unwrap_or_default())
}

macro_rules! targets {
    ($($name:ident = $run:path: [$($word:expr),* $(,)?];)*) => {
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $run, words: &[$($word),*] },)*];

        mod readers {
            $(#[test]
            fn $name() {
                super::drive::drive(stringify!($name));
            })*
        }
    };
}

targets! {
    http1_head = crate::client::fuzzed::head: [
        "GET ", "POST ", "OPTIONS * ", "CONNECT ", " HTTP/1.1\r\n", " HTTP/1.0\r\n", " HTTP/2.0\r\n", "\r\n", "\n", "\r", "\r\n\r\n", " \r\n ", "\0",
        "Host: a\r\n", "Host: b\r\n", "Content-Length: 5\r\n", "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n",
        "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding:\x0bchunked\r\n", "Transfer-Encoding : chunked\r\n",
        "Connection: Upgrade\r\n", "Upgrade: websocket\r\n", "Expect: 100-continue\r\n", "http://h/", "http://h:80?x", "h:80", "/%2e%2e/", "_",
        "Content_Length: 5\r\n", "\t", "\x7f", "Range: bytes=0-\r\n", "If-None-Match: *\r\n", "18446744073709551616",
    ];
    chunked_body = crate::client::fuzzed::chunked: [
        "0\r\n\r\n", "5\r\n", "\r\n", "\n", "ffffffffffffffff\r\n", "7fffffffffffffff\r\n", "8000000000000000\r\n", ";a=b", ";a=\"\r\n\"", "0x5\r\n", "+5\r\n",
        "00000000000000000005\r\n", " \r\n", "A: b\r\n", "Content-Length: 5\r\n", "Host: x\r\n", "\r\n0\r\n\r\n", "a\r\n0123456789\r\n", "\t;",
    ];
    proxy_protocol = crate::client::fuzzed::proxy_protocol: [
        "PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n", "PROXY TCP6 ::1 ::2 1 2\r\n", "PROXY UNKNOWN", "\r\n", "\r\n\r\n\0\r\nQUIT\n", "\x21\x11", "\x20", "\x21\x21", "\0\x0c",
        "\0\x24", "65536", "255.255.255.255", "::ffff:1.2.3.4",
    ];
    http2_frames = crate::client::http2::fuzzed::frames: ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\x04\0\0\0\0\0", "\0\0\x08\x06\0\0\0\0\0", "\0\x40\0\0"];
    http2_head = crate::client::http2::fuzzed::head: [
        "GET\n", "CONNECT\n", "/\n", "*\n", "//x\n", "a.test\n", "host: a\n", "content-length: 5\n", "transfer-encoding: chunked\n", "cookie: a=b\n",
        "connection: close\n", "te: trailers\n", "\r", "\0", "expect: 100-continue\n", "upgrade: h2c\n",
    ];
    http2_answer = crate::client::http2::fuzzed::answer: [
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 204 \r\n", "HTTP/1.1 304 \r\n", "HTTP/1.1 101 \r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "\r\n\r\n",
        "Connection: close\r\n", "Content-Length: 18446744073709551616\r\n", ":", "\n",
    ];
    memcached_reply = crate::memcached::fuzzed::reply: [
        "VALUE a 0 3\r\n", "VALUE bb 0 0 7\r\n", "END\r\n", "STORED\r\n", "NOT_FOUND\r\n", "ERROR\r\n", "SERVER_ERROR out of memory\r\n", "\r\n", "8388609", "8388608",
        "18446744073709551615", "-1", " ", "VERSION 1.6\r\n", "12345\r\n", "12345  \r\n",
    ];
    session_blob = sessions::blob: ["\0\x01", "\0\x02", "\0\x5a", "\x7f\u{ff}", "\u{ff}\u{ff}", "1", "0", "t\0\x05alice", "\0\0\0\0\0\0\x07\x08"];
    session_id = sessions::id: ["-n1", ".tomcat1", "-", ".", "A1B2", " ", "\r\n", "%", ";", "\"", "static:", "é"];
    session_carried = sessions::carried: [
        "JSESSIONID=", "jsessionid=", ";jsessionid=", "A-n1.t1", "B.t2", "; ", "\"", "?", "#", "/", "\n", "=", " ", "\t",
    ];
    session_record = sessions::record: ["edge1 ", " done ", " taking ", "\n", "A-n1.t1", "4294967296", "18446744073709551615", "app:1", "\r", "JSESSIONID=A.t1; Path=/"];
    session_nodes = sessions::nodes: ["n1:", "127.0.0.1:11211", " ", ",", "[::1]:11211", "n2:a:0", ":", "65536"];
    server_answer = sessions::answer: [
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 501 \r\n", "HTTP/1.1 100 Continue\r\n\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "X-Instance: 7\r\n", "\r\n",
        "0\r\n\r\n", "3\r\nabc\r\n", "ffffffffffffffff\r\n", "Connection: close\r\n", "HTTP/1.0 200\r\n",
    ];
    sticky_cookie = crate::proxy::fuzzed::set_cookie: [
        "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; samesite", "; Domain=.a.test", "=", ";", ";;", " ", "secure", "a=b", "\t",
    ];
    cache_head = crate::cache::store::fuzzed::head: ["\0\0\0\0", "\x01\0\0\0", "\u{ff}\u{ff}\u{ff}\u{ff}", "\u{c8}\0", "OK", "content-type", "\x04\0\0\0Vary", "\x02"];
    cache_file = crate::cache::store::fuzzed::file: ["edge\r\nob", "\x01\0\0\0", "\u{ff}\u{ff}\u{ff}\u{ff}", "\0\0\0\0", "\0\x02\0\0"];
    cache_purges = crate::cache::store::fuzzed::purges: ["\0", "\x01", "\x02", "\x03", "\x04", "\x10\0\0\0", "\u{ff}\u{ff}\u{ff}\u{ff}", "http://h/"];
    cache_control = headers::cache_control: [
        "max-age=", "s-maxage=", "no-store", "no-cache=\"", "private", "stale-while-revalidate=", "must-revalidate", ",", ";", " ", "\"", "\\", "\n",
        "99999999999999999999", "-1", "max-stale", "only-if-cached",
    ];
    content_range = headers::content_range: ["bytes ", "0-0/1", "*/", "/*", "18446744073709551615", "-", "/"];
    accept_encoding = headers::accept_encoding: ["gzip", "br", "zstd", "identity", "*", ";q=", "0.5", "1.000", "0.0000", ",", " ", "\n", "q=0", "x-gzip", "\t"];
    range = headers::range: ["bytes=", "0-", "-1", "0-0", ",", " ", "9223372036854775807", "18446744073709551616", "\"e\"", "W/\"e\"", "Sun, 06 Nov 1994 08:49:37 GMT", "\n"];
    conditions = headers::conditions: [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "\"e\"", "W/\"e\"", "*", ",", "\n", "29 Feb", "9999", "0000",
    ];
    forwarded = headers::forwarded: ["192.0.2.7", "10.0.0.1", "[::1]:80", "::ffff:10.0.0.1", ",", " ", ":65535", "/8", "/32", "/128", "/0", "\n", "unix:", "255.255.255.255"];
    signed = headers::signed: [",", "2147483647", "=", "==", "_-", "AAAAAAAAAAAAAAAAAAAAAA", "/p/0123456789abcdef0123456789abcdef/l", "\n"];
    htpasswd = headers::htpasswd: [
        "alice:", "$apr1$salt$", "$1$", "$5$", "$6$", "$6$rounds=", "$2y$04$", "$y$j9T$", "{SHA}", "{SSHA}", "{PLAIN}", "\n", "#", ":", "\r", "$", "1000$", "abcdefghijklm",
    ];
    traceparent = headers::traceparent: ["00-", "-01", "-00", "cc-", "ff-", "0af7651916cd43dd8448eb211c80319c", "-b7ad6b7169203331", "00000000", "-", "A"];
    collector_answer = headers::collector_answer: ["HTTP/1.1 ", "HTTP/1.0 ", "200", "503", "099", " ", "\r\n", "+20", "65536"];
    log_escape = headers::escape: ["%", "%2e", "%00", "%zz", "\"", "\\", "\n", "<", "&", "?", "\u{7f}", "é"];
    gunzip = texts::gunzip: ["\x1f\u{8b}\x08\0\0\0\0\0\0\x03", "\x03\0\0\0\0\0\0\0\0\0", "\u{4b}\u{4c}\x04\0"];
    compressed = texts::compressed: ["data: x\n\n", "aaaaaaaaaaaaaaaaaaaaaaaa", "\0\0\0\0\0\0\0\0"];
    substituted = texts::substituted: ["\n", "ab", "abc", "aa", "A", "</head>", "a"];
    recoded = texts::recoded: ["\u{d0}\u{b0}", "а", "ё", "€", "😀", "\u{c1}", "\u{ff}"];
    pattern = texts::pattern: [
        "(a+)+$", "(?=", "(?!", "(?<!", "(?<n>", "\\1", "[^", "]", "{1,1000}", "{65535}", ".*", "\\d", "\\x{100}", "(?i)", "\n", "|", "^", "\\b", "[[:alpha:]]", "*+", "(?>",
    ];
    log_format = texts::log_format: ["$", "${", "}", "$1", "$request", "$http_x", "$cookie_a", "$arg_x", "$time_local", "$upstream_addr", "\"", "\\", "$session_id", "\n"];
    uri = paths::uri: ["/", "..", ".", "%2e", "%2f", "%00", "//", "?", "#", "http://a", "http://[::1]:80", "%", "%zz", ";", "*", "\\", " "];
    host = paths::host: ["a.test", "[::1]", ":80", "..", ".", "@", "/", "[", "]", "%", "_", "\0", "xn--"];
    edge_yaml = files::edge_yaml: [
        "server:\n", "  - listen: 80\n", "location:\n", "- match: /\n", "proxy_pass: http://a\n", "upstream:\n", "rules:\n", "${HOME}", "${file:x}", "&a ", "*a", "<<: *a", "|\n", ">\n",
        "'", "\"", "{", "}", "[", "]", ": ", "- ", "#", "---\n", "!!binary", "? ", "\t", "include: x\n", "~", "64k", "1h", "on", "return: { status: 200, text: 'x' }\n", "$uri",
    ];
    nginx_conf = files::nginx_conf: [
        "http {", "server {", "location / {", "}", ";", "\"", "'", "\\", "${", "$uri", "#", "\n", "listen 80;", "proxy_pass http://a;", "if ($a) {", "map $a $b {", "rewrite ^/(.*) /$1 last;",
        "upstream u {", "server a:80;", "include x;", "log_format a '$b';", "types {", "return 200 x;", "gzip on;", "content_by_lua_block {", "limit_except GET {", "geo $a {", "~*",
    ];
    context_xml = files::context_xml: [
        "<Context>", "</Context>", "<Manager className=\"de.javakaffee.web.msm.MemcachedBackupSessionManager\" ", "memcachedNodes=\"", "n1:a:1", "sticky=\"false\"", "/>", "password=\"",
        "<!DOCTYPE", "<!ENTITY", "&a;", "&#x0;", "<![CDATA[", "<!--", "-->", "<Engine jvmRoute=\"t1\">", "<Connector port=\"8080\"/>", "'", "<?xml", "storageKeyPrefix=\"static:x\"",
        "failoverNodes=\"n1\"", "requestUriIgnorePattern=\".*\"",
    ];
    rule_file = files::rule_file: [
        "rules:\n", "  - name: a\n", "    when: ", "    then:\n", "      - respond: 403\n", "      - set_header: { a: b }\n", "      - rate: ", "parameters:\n", "with.", "true", "request.path",
        "phase: response\n", "else:\n", "stop: true\n", "tests:\n", "rewrite: { match: '^/(.*)$', to: /$1 }\n", "limit: { key: a, rate: 1/s }\n", "$uri", "'",
    ];
    keeper = paths::keeper: ["r/", "a/", "b127.0.0.1:80", "m/*", "\0", "y", "h", "s", "/../", "\0\0\0\0"];
    control = paths::control: ["[\"", "\"]", "\",\"", "upstream", "drain", "o ", "e ", "= ok\n", "= failed ", "\n", "\\u0000"];
    expression = crate::rules::expr::fuzzed::expression: [
        "request.path", "request.headers['a']", "cookie['a']", ".startsWith('", "matches('", " && ", " || ", "!", "(", ")", "[", "]", "{", "}", " ? ", " : ", " in ", "1", "2u", "1.5", "-9223372036854775808",
        "'a'", "b'a'", "r'a'", "\"", "size(", ".map(x, x)", ".all(x, true)", ".exists(x, x == 1)", "timestamp('2026-01-01T00:00:00Z')", "duration('1h')", "cidr(", "jwt(", "hash(", "has(session.user)",
        "%", "/", "*", "==", "with.rate", "vars.site", "session.", "\n", "int(", "string(", ".split('')", ".replace('', 'x')", "/*", "//",
    ];
    jwt = crate::rules::expr::fuzzed::jwt: ["eyJhbGciOiJIUzI1NiJ9", ".", "e30", "{\"alg\":\"HS256\"}", "{\"alg\":\"none\"}", "\"exp\":", "\"crit\":[]", "1e999", "[[[[[[[[", "\"kid\":\"a\"", "\n"];
}
