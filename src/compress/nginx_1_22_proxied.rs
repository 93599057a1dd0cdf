//! nginx 1.22's answers to requests with a `Via` field: `gzip_proxied`. How they were obtained says `nginx_1_22.rs`.

use std::time::SystemTime;

use http::{Method, Version};

use super::decide::{RequestFacts, decide};
use super::nginx_1_22::{AE, Pairs, fields};
use super::settings::{Proxied, Settings};

const CC: &str = "Cache-Control";

/// `gzip_proxied` of the locations that were asked. nginx hides the upstream's `Date` unless
/// `proxy_pass_header Date` stands there, as it did in `datevis`.
fn proxied(name: &str) -> Proxied {
    match name {
        "off" => Proxied::OFF,
        "any" => Proxied::ANY,
        "expired" | "datevis" => Proxied::EXPIRED,
        "nocache" => Proxied::NO_CACHE,
        "nostore" => Proxied::NO_STORE,
        "private" => Proxied::PRIVATE,
        "nolm" => Proxied::NO_LAST_MODIFIED,
        "noetag" => Proxied::NO_ETAG,
        "both" => Proxied::NO_LAST_MODIFIED | Proxied::NO_ETAG,
        "auth" => Proxied::AUTH,
        "offany" => Proxied::OFF | Proxied::ANY,
        _ => panic!("no such profile: {name}"),
    }
}

#[test]
fn answers_to_proxied_requests_are_compressed_as_by_nginx() {
    for (name, request, response, is_gzipped) in PROXIED {
        let mut settings = Settings::default();
        settings.gzip.on = true;
        settings.gzip.proxied = proxied(name);
        let request = fields(&[&[(AE, "gzip")], *request].concat());
        let facts = RequestFacts::view(Version::HTTP_11, &Method::GET, &request);
        let response = fields(&[&[("Content-Type", "text/html"), ("Content-Length", "1000")], *response].concat());
        let decision = decide(&settings, &facts, 200, &response, SystemTime::now());
        assert_eq!(decision.algorithm.is_some(), *is_gzipped, "{name} {response:?}");
    }
}

type Row = (&'static str, Pairs, Pairs, bool);

/// Profile, request fields beside Accept-Encoding, response fields; whether nginx compressed.
#[rustfmt::skip]
const PROXIED: &[Row] = &[
    ("off", &[("Via", "1.1 p")], &[], false),
    ("off", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("off", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("off", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("any", &[("Via", "1.1 p")], &[], true),
    ("any", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("any", &[("Via", "1.1 p")], &[(CC, "no-cache")], true),
    ("any", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("expired", &[("Via", "1.1 p")], &[], true),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("expired", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("expired", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("nocache", &[("Via", "1.1 p")], &[], true),
    ("nocache", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "no-cache")], true),
    ("nocache", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("nostore", &[("Via", "1.1 p")], &[], true),
    ("nostore", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("nostore", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("nostore", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("private", &[("Via", "1.1 p")], &[], true),
    ("private", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("private", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("private", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("nolm", &[("Via", "1.1 p")], &[], true),
    ("nolm", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("nolm", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("nolm", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("noetag", &[("Via", "1.1 p")], &[], true),
    ("noetag", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("noetag", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("noetag", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("auth", &[("Via", "1.1 p")], &[], true),
    ("auth", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("auth", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("auth", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("offany", &[("Via", "1.1 p")], &[], false),
    ("offany", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("offany", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("offany", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("auth", &[("Via", "1.1 p"), ("Authorization", "Basic eDp5")], &[], true),
    ("auth", &[("Via", "1.1 p"), ("Authorization", "Basic eDp5")], &[("Expires", "Thu, 31 Dec 2037 23:55:55 GMT")], true),
    ("auth", &[("Via", "1.1 p"), ("Authorization", "Basic eDp5")], &[(CC, "public")], true),
    ("nocache", &[("Via", "1.1 p"), ("Authorization", "Basic eDp5")], &[], true),
    ("off", &[("Via", "")], &[], false),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "Thu, 31 Dec 2037 23:55:55 GMT")], false),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "0")], false),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "Thursday, 01-Jan-70 00:00:01 GMT")], true),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "Thu Jan  1 00:00:01 1970")], true),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "Thu, 01-Jan-1970 00:00:01 GMT")], false),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "-1")], false),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "")], false),
    ("expired", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT"), (CC, "max-age=1")], true),
    ("expired", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("nocache", &[("Via", "1.1 p")], &[("Expires", "Thu, 01 Jan 1970 00:00:01 GMT"), (CC, "no-cache")], false),
    ("any", &[("Via", "1.1 p")], &[("Expires", "Thu, 31 Dec 2037 23:55:55 GMT"), (CC, "public")], true),
    ("datevis", &[("Via", "1.1 p")], &[("Date", "Thu, 01 Jan 2015 00:00:00 GMT"), ("Expires", "Thu, 01 Jan 2015 00:00:01 GMT")], false),
    ("datevis", &[("Via", "1.1 p")], &[("Date", "Thu, 01 Jan 2015 00:00:00 GMT"), ("Expires", "Wed, 31 Dec 2014 23:59:59 GMT")], true),
    ("datevis", &[("Via", "1.1 p")], &[("Date", "Thu, 01 Jan 2015 00:00:00 GMT"), ("Expires", "Thu, 01 Jan 2015 00:00:00 GMT")], false),
    ("datevis", &[("Via", "1.1 p")], &[("Date", "soon"), ("Expires", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "NO-CACHE")], true),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "public, no-cache")], true),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "public,no-cache , x")], true),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "no-cache=\"a\"")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "no-cache=x")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "xno-cache")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "no-cachex")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "max-age=0;no-cache")], true),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "no-cache; x")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "no-store")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "private")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "")], false),
    ("nocache", &[("Via", "1.1 p")], &[(CC, "public"), (CC, "no-cache")], true),
    ("nostore", &[("Via", "1.1 p")], &[(CC, "no-store")], true),
    ("nostore", &[("Via", "1.1 p")], &[(CC, "no-store, no-cache")], true),
    ("private", &[("Via", "1.1 p")], &[(CC, "private")], true),
    ("private", &[("Via", "1.1 p")], &[(CC, "private=\"x\"")], false),
    ("private", &[("Via", "1.1 p")], &[(CC, "no-store")], false),
    ("nolm", &[("Via", "1.1 p")], &[(CC, "no-cache")], false),
    ("nolm", &[("Via", "1.1 p")], &[("ETag", "\"x\"")], true),
    ("noetag", &[("Via", "1.1 p")], &[("ETag", "\"x\"")], false),
    ("noetag", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("both", &[("Via", "1.1 p")], &[], true),
    ("both", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], false),
    ("both", &[("Via", "1.1 p")], &[("ETag", "\"x\"")], false),
    ("both", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT"), ("ETag", "\"x\"")], false),
    ("nocache", &[("Via", "1.1 p")], &[("Last-Modified", "Thu, 01 Jan 1970 00:00:01 GMT")], true),
    ("nocache", &[("Via", "1.1 p")], &[("ETag", "\"x\"")], true),
];
