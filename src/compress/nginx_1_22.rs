//! nginx 1.22's answers, as a table.
//!
//! Every expectation in this file and in `nginx_1_22_proxied.rs` is what nginx 1.22.1 (Debian) did when it was
//! asked: `proxy_pass` to an origin that sent exactly these fields, one location per profile, `gzip on` in
//! each. They are nginx's outcomes, not this program's: where a row fails, the program is wrong.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::decide::{Decision, RequestFacts, decide};
use super::negotiate::Algorithm;
use super::settings::{Pattern, Settings, Types};

pub(super) type Pairs = &'static [(&'static str, &'static str)];

pub(super) const AE: &str = "Accept-Encoding";
const UA: &str = "User-Agent";
const CT: &str = "Content-Type";
const CL: &str = "Content-Length";

pub(super) fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
    let one = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    pairs.iter().map(one).collect()
}

/// The locations of the nginx that was asked.
fn profile(name: &str) -> Settings {
    let mut settings = Settings::default();
    let gzip = &mut settings.gzip;
    gzip.on = true;
    let patterns = |sources: &[&str]| sources.iter().map(|source| Pattern::compile(source).unwrap()).collect();
    match name {
        "default" => {}
        "off" => (gzip.on, gzip.vary) = (false, true),
        "types" => gzip.types = Types::new(["text/css", "Application/JSON", "application/atom+xml;type=entry"]),
        "any_type" => gzip.types = Types::new(["*"]),
        "vary" => (gzip.vary, gzip.types) = (true, Types::new(["text/css"])),
        "v10" => gzip.http_version = Version::HTTP_10,
        "min100" => gzip.min_length = 100,
        "msie6" => gzip.disable = patterns(&["msie6"]),
        "look" => gzip.disable = patterns(&[r"MSIE [1-6]\.(?!.*SV1)"]),
        "two" => gzip.disable = patterns(&["curl", "^wget"]),
        _ => panic!("no such profile: {name}"),
    }
    settings
}

fn ask(name: &str, request_line: &str, request: &[(&str, &str)], status: u16, response: &[(&str, &str)]) -> Decision {
    let (method, version) = request_line.split_once(' ').unwrap();
    let version = if version == "1.0" { Version::HTTP_10 } else { Version::HTTP_11 };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = fields(request);
    let facts = RequestFacts::view(version, &method, &request);
    decide(&profile(name), &facts, status, &fields(response), SystemTime::now())
}

#[test]
fn accept_encoding_is_read_as_by_nginx() {
    for (lines, is_gzipped) in ACCEPT_ENCODING {
        let request: Vec<_> = lines.iter().map(|line| (AE, *line)).collect();
        let decision = ask("default", "GET 1.1", &request, 200, &[(CT, "text/html"), (CL, "1000")]);
        assert_eq!(decision.algorithm.is_some(), *is_gzipped, "{lines:?}");
    }
}

#[test]
fn user_agents_are_refused_as_by_nginx() {
    for (name, user_agent, is_gzipped) in USER_AGENT {
        let request = [(AE, "gzip"), (UA, *user_agent)];
        let decision = ask(name, "GET 1.1", &request, 200, &[(CT, "text/html"), (CL, "1000")]);
        assert_eq!(decision.algorithm.is_some(), *is_gzipped, "{name} {user_agent}");
    }
}

#[test]
fn status_method_version_type_and_length_decide_as_in_nginx() {
    for (name, line, request, status, response, outcome) in ANSWERS {
        let decision = ask(name, line, request, *status, response);
        let expected =
            Decision { algorithm: outcome.contains("gzip").then_some(Algorithm::Gzip), vary: outcome.contains("vary") };
        assert_eq!(decision, expected, "{name} {line} {request:?} {status} {response:?}");
    }
}

/// Lines of Accept-Encoding, and whether nginx compressed.
#[rustfmt::skip]
const ACCEPT_ENCODING: &[(&[&str], bool)] = &[
    (&["gzip"], true),
    (&["GZIP"], true),
    (&["gzip,deflate"], true),
    (&["gzip, deflate"], true),
    (&["deflate, gzip"], true),
    (&["deflate,gzip"], true),
    (&["deflate"], false),
    (&[""], false),
    (&["gz"], false),
    (&["*"], false),
    (&["*;q=1"], false),
    (&["gzip;q=1"], true),
    (&["gzip;q=0"], false),
    (&["gzip;q=0.0"], false),
    (&["gzip;q=0.000"], false),
    (&["gzip;q=0.001"], true),
    (&["gzip;q=0.0001"], false),
    (&["gzip;q=1.000"], true),
    (&["gzip;q=1.001"], false),
    (&["gzip;q=1.0000"], false),
    (&["gzip;q=2"], false),
    (&["gzip;q="], false),
    (&["gzip;"], true),
    (&["gzip;q"], false),
    (&["gzip ; q=0.5"], true),
    (&["gzip; q=0.5"], true),
    (&["gzip;q =0.5"], false),
    (&["gzip;q= 0.5"], false),
    (&["gzip;Q=1"], true),
    (&["gzip;q=.5"], false),
    (&["gzip;q=0.5;x=1"], false),
    (&["gzip;x=1"], false),
    (&["gzip;q=0, *"], false),
    (&["gzip;q=0,gzip"], false),
    (&["gzip,gzip;q=0"], true),
    (&["x-gzip"], false),
    (&["x-gzip, gzip"], true),
    (&["xgzipgzip"], true),
    (&["gzipped"], false),
    (&["gzip\tdeflate"], false),
    (&["br;q=1, gzip;q=0.2"], true),
    (&["identity, gzip"], true),
    (&["identity;q=1, gzip;q=0.1"], true),
    (&["deflate;q=1,gzip;q=0"], false),
    (&["a gzip"], true),
    (&["gzip b"], false),
    (&["gzip;q=1,"], true),
    (&["gzip;q=0 ,br"], false),
    (&["gzip;q=0.9 ,br"], true),
    (&["\"gzip\""], false),
    (&["gzip;q=0.00a"], false),
    (&["gzip;q=1 .0"], true),
    (&[], false),
    (&["br", "gzip"], false),
    (&["gzip", "br"], true),
];

/// `gzip_disable`, User-Agent, and whether nginx compressed.
#[rustfmt::skip]
const USER_AGENT: &[(&str, &str, bool)] = &[
    ("msie6", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", false),
    ("msie6", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)", true),
    ("msie6", "Mozilla/4.0 (compatible; MSIE 5.5; Windows NT 5.1)", false),
    ("msie6", "Mozilla/4.0 (compatible; MSIE 4.01; Windows NT 5.1)", false),
    ("msie6", "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1)", true),
    ("msie6", "Mozilla/4.0 (compatible; MSIE 3.0; Windows NT 5.1)", true),
    ("msie6", "Mozilla/4.0 (compatible; MSIE 10.0; Windows NT 5.1)", true),
    ("msie6", "Mozilla/4.0 (compatible; msie 6.0; Windows NT 5.1)", true),
    ("msie6", "MSIE 6.", true),
    ("msie6", "MSIE 6.0", false),
    ("msie6", "MSIE 6.0 MSIE 7.0", false),
    ("msie6", "MSIE 7.0 MSIE 6.0", true),
    ("msie6", "curl/7", true),
    ("look", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", false),
    ("look", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)", true),
    ("look", "Mozilla/4.0 (compatible; msie 6.0; Windows NT 5.1)", false),
    ("look", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; sv1)", true),
    ("look", "MSIE 7.0", true),
    ("look", "curl/7", true),
    ("look", "MSIE 7.0; MSIE 6.0", false),
    ("two", "curl/7", false),
    ("two", "CURL", false),
    ("two", "a curl", false),
    ("two", "wget", false),
    ("two", "Wget/1.2", false),
    ("two", "x wget", true),
    ("two", "", true),
];

type Answer = (&'static str, &'static str, Pairs, u16, Pairs, &'static str);

/// Profile, request line, request fields, status, response fields; what nginx did.
#[rustfmt::skip]
const ANSWERS: &[Answer] = &[
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "gzip vary"),
    ("vary", "GET 1.1", &[(AE, "gzip")], 201, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 203, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 204, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 206, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 301, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 302, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 304, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 400, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 401, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 403, &[(CT, "text/html"), (CL, "1000")], "gzip vary"),
    ("vary", "GET 1.1", &[(AE, "gzip")], 404, &[(CT, "text/html"), (CL, "1000")], "gzip vary"),
    ("vary", "GET 1.1", &[(AE, "gzip")], 405, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 410, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 500, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 502, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 503, &[(CT, "text/html"), (CL, "1000")], ""),
    ("vary", "HEAD 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "gzip vary"),
    ("vary", "POST 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "gzip vary"),
    ("vary", "PUT 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "gzip vary"),
    ("vary", "GET 1.0", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "vary"),
    ("vary", "HEAD 1.0", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "vary"),
    ("v10", "GET 1.0", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "gzip"),
    ("v10", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "TEXT/HTML"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/css"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "Text/CSS"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/plain"), (CL, "1000")], ""),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "application/json"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "APPLICATION/json"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html; charset=utf-8"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html;charset=utf-8"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html;  charset=\"utf-8\""), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html; Charset=utf-8"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html ;charset=utf-8"), (CL, "1000")], ""),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html;version=1"), (CL, "1000")], ""),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html; version=1; charset=utf-8"), (CL, "1000")], ""),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html;"), (CL, "1000")], ""),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html; "), (CL, "1000")], ""),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "application/atom+xml"), (CL, "1000")], ""),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "application/atom+xml;type=entry"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "application/atom+xml;type=entry; charset=x"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "application/atom+xml;Type=Entry"), (CL, "1000")], "gzip"),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, ""), (CL, "1000")], ""),
    ("types", "GET 1.1", &[(AE, "gzip")], 200, &[(CL, "1000")], ""),
    ("default", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/css"), (CL, "1000")], ""),
    ("any_type", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "image/png"), (CL, "1000")], "gzip"),
    ("any_type", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/event-stream"), (CL, "1000")], "gzip"),
    ("any_type", "GET 1.1", &[(AE, "gzip")], 200, &[(CL, "1000")], "gzip"),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "0")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "19")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "20")], "gzip vary"),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "21")], "gzip vary"),
    ("min100", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "99")], ""),
    ("min100", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "100")], "gzip"),
    ("min100", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html")], "gzip"),
    ("default", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html")], "gzip"),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), ("Content-Encoding", "gzip"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), ("Content-Encoding", "br"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), ("Content-Encoding", "identity"), (CL, "1000")], ""),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), ("Content-Encoding", ""), (CL, "1000")], "gzip vary"),
    ("vary", "GET 1.1", &[], 200, &[(CT, "text/html"), (CL, "1000")], "vary"),
    ("vary", "GET 1.1", &[(AE, "br")], 200, &[(CT, "text/html"), (CL, "1000")], "vary"),
    ("vary", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "image/png"), (CL, "1000")], ""),
    ("off", "GET 1.1", &[(AE, "gzip")], 200, &[(CT, "text/html"), (CL, "1000")], ""),
];
