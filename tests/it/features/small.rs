//! Small configurations in files of their own (`small/*.conf`), each about one thing that people write: what stands in
//! `http {}`, run by nginx and by edge, with the requests in its first lines.
//!
//! ```text
//! # What it is about.
//! #> GET /target | Field: value | Another: value
//! #> POST /target || the body
//! #: unprobed
//! ```
//!
//! Bodies without a framing of their own get a `Content-Length`. `#> RAW GET / HTTP/1.0\r\n\r\n` is sent as it stands.
//! Unprobed: no further request is sent on a connection, because requests are counted or logged. `#: awaited`: backends are
//! asked after the client was answered. `{memcached}` is a memcached
//! that has a few items, `{tls}` a directory with an authority, what it has signed and revoked, and a key with a passphrase,
//! `{secure}` the address of a third listener.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::backends::{Act, Table};
use super::setup::Feature;
use crate::differential::case;
use crate::support::certificates::{Authority, Issued};
use crate::support::memcached::Memcached;
use crate::support::{ports, process};

/// What both applications do.
const APPLICATION: Table = &[
    ("/status/302", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://up.test/moved\r\nContent-Length: 0\r\n\r\n")),
    ("/status/403", Act::Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\n403\n")),
    ("/status/404", Act::Say("HTTP/1.1 404 Not Found\r\nX-Own: o\r\nContent-Length: 4\r\n\r\n404\n")),
    ("/status/429", Act::Say("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 4\r\n\r\n429\n")),
    ("/status/500", Act::Say("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\n500\n")),
    ("/status/503", Act::Say("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\n503\n")),
    ("/accelexpires", Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Expires: 60\r\nContent-Length: 2\r\n\r\nx\n")),
    ("/accel_args", Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Redirect: /show?a=b&c\r\nContent-Length: 0\r\n\r\n")),
    (
        "/accel_encoded",
        Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Redirect: /show%20a%3fb%2fc?d%20\r\nContent-Length: 0\r\n\r\n"),
    ),
    ("/accel_up", Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Redirect: /show/%2e%2e/x\r\nContent-Length: 0\r\n\r\n")),
    ("/accel_nowhere", Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Redirect: nowhere\r\nContent-Length: 0\r\n\r\n")),
    (
        "/accel_cookies",
        Act::Say(
            "HTTP/1.1 404 Not Found\r\nX-Accel-Redirect: /hidden/a.txt\r\nContent-Type: text/special\r\nSet-Cookie: a=1\r\n\
             Set-Cookie: b=2\r\nCache-Control: no-cache\r\nContent-Disposition: attachment\r\nContent-Language: de\r\n\
             Content-Length: 0\r\n\r\n",
        ),
    ),
    ("/accel_named", Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Redirect: @inside\r\nContent-Length: 0\r\n\r\n")),
    (
        "/accel",
        Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Redirect: /hidden/a.txt\r\nX-Lost: l\r\nContent-Length: 0\r\n\r\n"),
    ),
    ("/redirect/abs", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://up.test/there?q\r\nContent-Length: 0\r\n\r\n")),
    ("/redirect/rel", Act::Say("HTTP/1.1 301 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")),
    ("/redirect/other", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://other.test/x\r\nContent-Length: 0\r\n\r\n")),
    ("/refresh", Act::Say("HTTP/1.1 200 OK\r\nRefresh: 5; url=/next\r\nContent-Length: 2\r\n\r\nx\n")),
    (
        "/cookie",
        Act::Say(
            "HTTP/1.1 200 OK\r\nSet-Cookie: sid=1; Domain=.up.test; Path=/app/x; Secure\r\nContent-Length: 2\r\n\r\nx\n",
        ),
    ),
    (
        "/fields",
        Act::Say(
            "HTTP/1.1 200 OK\r\nServer: up\r\nDate: Sun, 09 Sep 2001 01:46:40 GMT\r\nETag: \"e\"\r\nX-Secret: s\r\n\
             X-Other: o\r\nX-Accel-Expires: 0\r\nX-Powered-By: p\r\nContent-Length: 2\r\n\r\nx\n",
        ),
    ),
    ("/private", Act::Say("HTTP/1.1 200 OK\r\nCache-Control: private\r\nContent-Length: 2\r\n\r\nx\n")),
    ("/maxage", Act::Say("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nx\n")),
    ("/html", Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<p>x\n")),
    (
        "/dated",
        Act::Say("HTTP/1.1 200 OK\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nContent-Length: 6\r\n\r\ndated\n"),
    ),
    ("/chunks", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")),
];

/// The names of the configurations, with their texts.
pub fn all() -> Vec<(String, String)> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/features/small");
    let files = std::fs::read_dir(room).expect("the directory of the small configurations");
    let mut all: Vec<(String, String)> = files
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    all.sort();
    all
}

fn items() -> Memcached {
    let memcached = Memcached::start();
    let big = "0123456789".repeat(3000);
    for (key, flags, value) in [
        ("/m/one", 0, "the item of one\n"),
        ("/m/empty.html", 0, ""),
        ("/m/a%20b", 0, "a space\n"),
        ("/m/with%25", 0, "a percent sign\n"),
        ("/m/packed", 2, "said to be packed\n"),
        ("big", 0, &big),
    ] {
        let set = format!("set {key} {flags} 0 {}\r\n{value}\r\n", value.len());
        assert_eq!(memcached.ask(&set, "STORED\r\n"), b"STORED\r\n", "{key}");
    }
    memcached
}

/// `ca.pem`, `other.pem` of another authority; of `one.test`, `two.test`, `client` and `revoked` certificate and key;
/// `revoked.crl`; `locked.key`, the client's, which the second of the `passwords` opens; `ticket.key`.
fn certificates(home: &Path) {
    let (authority, other) = (Authority::new("authority"), Authority::new("other authority"));
    let put = |name: &str, text: &str| std::fs::write(home.join(name), text).expect("a file of a certificate");
    put("ca.pem", &authority.pem());
    let install = |issued: &Issued, name: &str| {
        issued.install(&home.join(format!("{name}.pem")), &home.join(format!("{name}.key")));
    };
    for name in ["one.test", "two.test"] {
        install(&authority.server(&[name]), name);
    }
    let (client, revoked) = (authority.client("client"), authority.client("revoked"));
    install(&client, "client");
    install(&revoked, "revoked");
    install(&other.client("stranger"), "stranger");
    std::fs::copy(authority.revoking(&[&revoked]), home.join("revoked.crl")).expect("a list of revoked certificates");
    put("other.pem", &other.pem());
    put("passwords", "wrong\nsecret\n");
    put("ticket.key", &"0123456789".repeat(8));
    let mut lock = std::process::Command::new("openssl");
    lock.args(["pkey", "-aes256", "-passout", "pass:secret", "-in"]).arg(home.join("client.key"));
    assert!(lock.arg("-out").arg(home.join("locked.key")).status().expect("openssl").success());
}

/// `GET /target | Field: value || body`
fn with_request(feature: Feature, number: usize, line: &str) -> Feature {
    if let Some(raw) = line.strip_prefix("RAW ") {
        let bytes = raw.replace("\\r", "\r").replace("\\n", "\n").into_bytes();
        return feature.case(case::raw(&format!("{number} {raw}"), bytes));
    }
    let (head, body) = line.split_once(" || ").unwrap_or((line, ""));
    let body = body.replace("\\r", "\r").replace("\\n", "\n");
    let mut parts = head.split(" | ");
    let (method, target) = parts.next().and_then(|first| first.split_once(' ')).expect("a method and a target");
    let mut fields: Vec<String> = parts.map(str::to_owned).collect();
    let framed = fields.iter().any(|field| field.starts_with("Transfer-Encoding"));
    if !body.is_empty() && !framed {
        fields.push(format!("Content-Length: {}", body.len()));
    }
    let first = format!("{method} {target} HTTP/1.1");
    let host = format!("Host: {}", case::HOST);
    let own = fields.iter().any(|field| field.starts_with("Host:"));
    let mut lines: Vec<&str> = vec![&first];
    lines.extend((!own).then_some(host.as_str()));
    lines.extend(fields.iter().map(String::as_str));
    let mut bytes = case::request(&lines);
    bytes.extend_from_slice(body.as_bytes());
    let shown: String = line.chars().take(80).collect();
    feature.case(case::raw(&format!("{number} {shown}"), bytes))
}

fn check(name: &str, text: &str) {
    let memcached = text.contains("{memcached}").then(items);
    let address = memcached.as_ref().map(|memcached| memcached.address().to_string()).unwrap_or_default();
    let tls = text.contains("{tls}").then(|| process::temporary_directory("tls"));
    let tls_path = tls.as_ref().map(|tls| tls.path().display().to_string()).unwrap_or_default();
    if let Some(tls) = &tls {
        certificates(tls.path());
    }
    let secure = format!("127.0.0.1:{}", ports::free());
    let filled = text.replace("{memcached}", &address).replace("{tls}", &tls_path).replace("{secure}", &secure);
    let name: &'static str = format!("small {name}").leak();
    let mut feature = Feature::new(name, &filled).backend(APPLICATION).backend(APPLICATION);
    if text.lines().any(|line| line == "#: unprobed") {
        feature = feature.without_probes();
    }
    feature.awaits = text.lines().any(|line| line == "#: awaited");
    let requests = text.lines().filter_map(|line| line.strip_prefix("#> "));
    let feature = requests.enumerate().fold(feature, |feature, (at, line)| with_request(feature, at + 1, line));
    assert!(!feature.cases.is_empty(), "{name} asks nothing");
    feature.check();
}

/// Every fourth of them, from there on; `EDGE_TEST_SMALL` is a part of the names of those that are wanted alone.
fn check_every_fourth(from: usize) {
    let wanted = std::env::var("EDGE_TEST_SMALL").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, text) in all().into_iter().skip(from).step_by(4).filter(|(name, _)| name.contains(&wanted)) {
        if catch_unwind(AssertUnwindSafe(|| check(&name, &text))).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "these differ from nginx: {failed:?}");
}

#[test]
fn small_configurations_answer_as_nginx_first_quarter() {
    check_every_fourth(0);
}

#[test]
fn small_configurations_answer_as_nginx_second_quarter() {
    check_every_fourth(1);
}

#[test]
fn small_configurations_answer_as_nginx_third_quarter() {
    check_every_fourth(2);
}

#[test]
fn small_configurations_answer_as_nginx_fourth_quarter() {
    check_every_fourth(3);
}

#[test]
fn there_are_many_small_configurations() {
    assert!(all().len() >= 65, "{}", all().len());
}
