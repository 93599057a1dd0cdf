//! What is stored, for how long, and what of it is sent: nginx's directives, one after another.

use super::backends::{Act, Table};
use super::setup::Feature;

/// A page that each request to the backend would change, were it not for the cache: its third turn says `three`.
macro_rules! page {
    ($status:literal, $fields:literal) => {
        Act::Turns(&[
            Act::Say(concat!("HTTP/1.1 ", $status, " Mock\r\n", $fields, "Content-Length: 10\r\n\r\none--34567")),
            Act::Say(concat!("HTTP/1.1 ", $status, " Mock\r\n", $fields, "Content-Length: 10\r\n\r\ntwo--34567")),
            Act::Say(concat!("HTTP/1.1 ", $status, " Mock\r\n", $fields, "Content-Length: 10\r\n\r\nthree34567")),
        ])
    };
}

const PAGES: Table = &[
    ("/max-age=0", page!("200", "Cache-Control: max-age=0\r\n")),
    ("/max-age=60", page!("200", "Cache-Control: max-age=60\r\n")),
    ("/s-maxage=0", page!("200", "Cache-Control: max-age=60, s-maxage=0\r\n")),
    ("/s-maxage=60", page!("200", "Cache-Control: s-maxage=60, max-age=0\r\n")),
    ("/two-lines", page!("200", "Cache-Control: public\r\nCache-Control: max-age=60\r\n")),
    ("/letters", page!("200", "CACHE-CONTROL: Max-Age=60\r\n")),
    ("/no-store", page!("200", "Cache-Control: no-store\r\n")),
    ("/no-cache", page!("200", "Cache-Control: no-cache\r\n")),
    ("/private", page!("200", "Cache-Control: private\r\n")),
    ("/public", page!("200", "Cache-Control: public\r\n")),
    ("/pragma", page!("200", "Pragma: no-cache\r\n")),
    ("/expires-future", page!("200", "Expires: Fri, 01 Jan 2100 00:00:00 GMT\r\n")),
    ("/expires-past", page!("200", "Expires: Thu, 01 Jan 1970 00:00:01 GMT\r\n")),
    ("/expires-no-date", page!("200", "Expires: 0\r\n")),
    ("/expires-and-no-cache", page!("200", "Expires: Fri, 01 Jan 2100 00:00:00 GMT\r\nCache-Control: no-cache\r\n")),
    ("/expired-but-max-age", page!("200", "Expires: Thu, 01 Jan 1970 00:00:01 GMT\r\nCache-Control: max-age=60\r\n")),
    ("/accel-60", page!("200", "X-Accel-Expires: 60\r\n")),
    ("/accel-0", page!("200", "X-Accel-Expires: 0\r\n")),
    ("/accel-at", page!("200", "X-Accel-Expires: @4102444800\r\n")),
    ("/accel-over-no-cache", page!("200", "X-Accel-Expires: 60\r\nCache-Control: no-cache\r\n")),
    ("/no-cache-under-accel", page!("200", "Cache-Control: no-cache\r\nX-Accel-Expires: 60\r\n")),
    ("/accel-0-over-max-age", page!("200", "Cache-Control: max-age=60\r\nX-Accel-Expires: 0\r\n")),
    ("/cookie", page!("200", "Set-Cookie: a=b\r\n")),
    ("/vary-star", page!("200", "Vary: *\r\n")),
    ("/404", page!("404", "")),
    ("/302", page!("302", "Location: http://elsewhere/\r\n")),
    ("/301", page!("301", "Location: http://elsewhere/\r\n")),
    ("/403", page!("403", "")),
    ("/500", page!("500", "")),
    ("/503-max-age", page!("503", "Cache-Control: max-age=60\r\n")),
    ("/204-max-age", Act::Say("HTTP/1.1 204 Mock\r\nCache-Control: max-age=60\r\n\r\n")),
    ("/404-max-age", page!("404", "Cache-Control: max-age=60\r\n")),
    ("/plain", page!("200", "Content-Type: text/plain\r\n")),
];

const HTTP: &str = "proxy_cache_path cache levels=1:2 keys_zone=one:10m; \
    log_format l 'cache=$upstream_cache_status status=$status uri=$request_uri'; ";
const SERVER: &str = "listen {port}; access_log logs/lines.log l; proxy_cache one; \
    add_header X-Cache $upstream_cache_status always; ";

fn feature(name: &'static str, server: &str, table: Table) -> Feature {
    Feature::new(name, &format!("{HTTP} server {{ {SERVER} {server} }}")).backend(table).without_probes()
}

impl Feature {
    fn twice(self, target: &str, fields: &[&str]) -> Feature {
        self.times(2, "GET", target, fields)
    }

    fn times(mut self, times: usize, method: &str, target: &str, fields: &[&str]) -> Feature {
        for _ in 0..times {
            let number = self.cases.len();
            let name = format!("{method} {target} [{}] {number}", fields.join("] ["));
            self = self.case(crate::differential::case::ask(&name, method, target, fields, ""));
        }
        self
    }
}

fn every_page(name: &'static str, settings: &str) {
    let mut feature = feature(name, &format!("{settings} location / {{ proxy_pass http://{{a}}; }}"), PAGES);
    for (target, _) in PAGES {
        feature = feature.twice(target, &[]);
    }
    feature.check();
}

#[test]
fn without_times_an_answer_is_stored_if_it_says_how_long() {
    every_page("cache", "");
}

#[test]
fn a_time_counts_where_an_answer_says_none() {
    every_page("cache, a time", "proxy_cache_valid 1m;");
}

#[test]
fn times_by_status() {
    every_page("cache, times", "proxy_cache_valid 200 404 1m; proxy_cache_valid 302 0; proxy_cache_valid any 1m;");
}

#[test]
fn fields_that_are_ignored_do_not_count() {
    every_page(
        "cache, ignoring",
        "proxy_cache_valid 200 1m; proxy_ignore_headers Cache-Control Expires X-Accel-Expires Set-Cookie Vary;",
    );
}

#[test]
fn some_fields_are_ignored() {
    every_page("cache, ignoring some", "proxy_cache_valid 200 302 1m; proxy_ignore_headers Cache-Control;");
}

const ANY: Table = &[
    (
        "/etag",
        page!("200", "ETag: \"x\"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nCache-Control: max-age=60\r\n"),
    ),
    (
        "/ranges",
        page!(
            "200",
            "ETag: \"x\"\r\nAccept-Ranges: bytes\r\nCache-Control: max-age=60\r\nContent-Type: text/plain\r\n"
        ),
    ),
    (
        "/chunks",
        Act::Say(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
    ),
    ("/end", Act::Cut("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nabc")),
    ("/none", Act::Say("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n")),
    ("/hidden", page!("200", "Cache-Control: max-age=60\r\nX-Secret: 1\r\nX-Open: 2\r\nSet-Cookie: a=b\r\n")),
    ("/vary", page!("200", "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n")),
    ("/coding", page!("200", "Cache-Control: max-age=60\r\nVary: Accept-Encoding, Accept-Language\r\n")),
    ("/", page!("200", "Content-Type: text/plain\r\nCache-Control: max-age=60\r\n")),
];

#[test]
fn keys_of_answers() {
    feature(
        "cache keys",
        "location / { proxy_pass http://{a}; } \
         location /host/ { proxy_cache_key $host; proxy_pass http://{a}; } \
         location /arg/ { proxy_cache_key $uri$arg_x; proxy_pass http://{a}; } \
         location /cookie/ { proxy_cache_key \"$uri $cookie_lang\"; proxy_pass http://{a}; } \
         location /method/ { proxy_cache_key $request_method$request_uri; proxy_cache_convert_head off; proxy_pass http://{a}; }",
        ANY,
    )
    .twice("/a", &[])
    .twice("/a?", &[])
    .twice("/a?b", &[])
    .twice("/%61", &[])
    .twice("/host/1", &[])
    .twice("/host/2", &[])
    .twice("/arg/?x=1&y=1", &[])
    .twice("/arg/?y=2&x=1", &[])
    .twice("/arg/?x=2", &[])
    .twice("/cookie/", &["Cookie: lang=de"])
    .twice("/cookie/", &["Cookie: a=b; lang=fr"])
    .twice("/cookie/", &["Cookie: lang=de"])
    .times(2, "HEAD", "/method/x", &[])
    .twice("/method/x", &[])
    .times(2, "HEAD", "/method/x", &[])
    .check();
}

#[test]
fn methods_of_requests() {
    feature(
        "cache methods",
        "location / { proxy_pass http://{a}; } \
         location /post/ { proxy_cache_methods POST; proxy_cache_key $request_uri$request_method; proxy_pass http://{a}; }",
        ANY,
    )
    .times(2, "HEAD", "/a", &[])
    .twice("/a", &[])
    .times(1, "HEAD", "/a", &[])
    .twice("/b", &[])
    .times(2, "HEAD", "/b", &[])
    .times(2, "OPTIONS", "/c", &[])
    .times(2, "POST", "/d", &["Content-Length: 0"])
    .times(2, "POST", "/post/d", &["Content-Length: 0"])
    .twice("/post/d", &[])
    .times(2, "PUT", "/post/d", &["Content-Length: 0"])
    .times(2, "HEAD", "/chunks", &[])
    .twice("/chunks", &[])
    .twice("/end", &[])
    .times(1, "HEAD", "/end", &[])
    .twice("/none", &[])
    .check();
}

#[test]
fn answers_are_stored_after_some_uses() {
    feature("cache uses", "proxy_cache_min_uses 3; location / { proxy_pass http://{a}; }", ANY)
        .times(5, "GET", "/a", &[])
        .times(2, "HEAD", "/b", &[])
        .times(3, "GET", "/b", &[])
        .check();
}

#[test]
fn requests_that_go_by_the_cache() {
    feature(
        "cache bypass",
        "proxy_cache_bypass $arg_fresh $http_x_fresh; proxy_no_cache $arg_keep $cookie_nocache; \
         location / { proxy_cache_key $uri; proxy_pass http://{a}; }",
        ANY,
    )
    .twice("/a", &[])
    .twice("/a?fresh=1", &[])
    .twice("/a", &[])
    .twice("/a?fresh=0", &[])
    .twice("/a?fresh=", &[])
    .times(1, "GET", "/a", &["X-Fresh: yes"])
    .twice("/b?keep=1", &[])
    .twice("/b", &["Cookie: nocache=1"])
    .twice("/b?keep=0", &[])
    .twice("/c?fresh=1&keep=1", &[])
    .twice("/c", &[])
    .check();
}

fn conditions(name: &'static str, settings: &str) {
    let server = format!("{settings} location / {{ proxy_pass http://{{a}}; }}");
    let mut feature = feature(name, &server, ANY);
    for target in ["/etag", "/ranges", "/chunks"] {
        feature = feature
            .twice(target, &[])
            .times(1, "GET", target, &["If-None-Match: \"x\""])
            .times(1, "GET", target, &["If-None-Match: W/\"x\""])
            .times(1, "GET", target, &["If-None-Match: *"])
            .times(1, "GET", target, &["If-None-Match: \"y\", \"x\""])
            .times(1, "GET", target, &["If-None-Match: \"y\""])
            .times(1, "HEAD", target, &["If-None-Match: \"x\""])
            .times(1, "GET", target, &["If-Match: \"y\""])
            .times(1, "GET", target, &["If-Match: \"x\""])
            .times(1, "GET", target, &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
            .times(1, "GET", target, &["If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT"])
            .times(1, "GET", target, &["If-Modified-Since: Sun, 09 Sep 2101 01:46:40 GMT"])
            .times(1, "GET", target, &["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"])
            .times(1, "GET", target, &["Range: bytes=2-4"])
            .times(1, "GET", target, &["Range: bytes=-2"])
            .times(1, "GET", target, &["Range: bytes=7-"])
            .times(1, "GET", target, &["Range: bytes=0-1,4-5"])
            .times(1, "GET", target, &["Range: bytes=10-"])
            .times(1, "GET", target, &["Range: lines=1-2"])
            .times(1, "GET", target, &["Range: bytes=2-4", "If-Range: \"x\""])
            .times(1, "GET", target, &["Range: bytes=2-4", "If-Range: \"y\""])
            .times(1, "GET", target, &["Range: bytes=2-4", "If-Range: Sun, 09 Sep 2001 01:46:40 GMT"])
            .times(1, "HEAD", target, &["Range: bytes=2-4"]);
    }
    feature.check();
}

/// The upstream sees none of these.
fn first_requests(name: &'static str, settings: &str) {
    const FIELDS: [&[&str]; 16] = [
        &["If-None-Match: \"x\""],
        &["If-None-Match: \"y\""],
        &["If-Match: \"x\""],
        &["If-Match: \"y\""],
        &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"],
        &["If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT"],
        &["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"],
        &["If-Range: \"x\""],
        &["Range: bytes=2-4"],
        &["Range: bytes=-2"],
        &["Range: bytes=10-"],
        &["Range: bytes=0-1,4-5"],
        &["Range: bytes=2-4", "If-Range: \"x\""],
        &["Range: bytes=2-4", "If-Range: \"y\""],
        &["Range: bytes=2-4", "If-None-Match: \"x\""],
        &["Range: bytes=2-4", "If-Match: \"y\""],
    ];
    let server = format!(
        "{settings} location / {{ proxy_pass http://{{a}}; }} \
         location /kept/ {{ proxy_no_cache 1; proxy_pass http://{{a}}; }}"
    );
    let mut feature = feature(name, &server, FIRST);
    for target in ["/ranges", "/etag", "/chunks", "/forbidden", "/over", "/unsaid", "/kept/ranges", "/404"] {
        for (at, fields) in FIELDS.iter().enumerate() {
            for method in ["GET", "HEAD"] {
                let target = format!("{target}/{method}{at}");
                feature = feature.times(1, method, &target, fields).times(1, "GET", &target, &[]);
            }
        }
    }
    feature.check();
}

const FIRST: Table = &[
    (
        "/etag",
        page!("200", "ETag: \"x\"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nCache-Control: max-age=60\r\n"),
    ),
    (
        "/ranges",
        page!(
            "200",
            "ETag: \"x\"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nAccept-Ranges: bytes\r\n\
             Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n"
        ),
    ),
    (
        "/chunks",
        Act::Say(
            "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\nCache-Control: max-age=60\r\n\
             Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
        ),
    ),
    ("/forbidden", page!("200", "ETag: \"x\"\r\nAccept-Ranges: bytes\r\nCache-Control: private\r\n")),
    ("/over", page!("200", "ETag: \"x\"\r\nAccept-Ranges: bytes\r\nCache-Control: max-age=0\r\n")),
    ("/unsaid", page!("200", "ETag: \"x\"\r\nAccept-Ranges: bytes\r\n")),
    ("/404", page!("404", "ETag: \"x\"\r\nCache-Control: max-age=60\r\n")),
];

#[test]
fn conditions_and_ranges_of_what_is_not_stored_yet() {
    first_requests("cache first", "");
}

#[test]
fn ranges_are_forced_of_what_is_not_stored_yet() {
    first_requests("cache first, forced ranges", "proxy_force_ranges on;");
}

const FAILING: Table = &[("/hangup", Act::Cut("")), ("/silent", Act::Stall), ("/502", page!("502", ""))];

#[test]
fn what_the_proxy_answers_itself() {
    let server = "proxy_read_timeout 100ms; location / { proxy_pass http://{a}; } \
                  location /any/ { proxy_cache_valid any 1m; proxy_pass http://{a}; } \
                  location /listed/ { proxy_cache_valid 502 504 1m; proxy_pass http://{a}; }";
    let mut feature = feature("cache failures", server, FAILING);
    for target in ["/", "/any/", "/listed/"] {
        for (failing, _) in FAILING {
            feature = feature.twice(&format!("{}{failing}", target.trim_end_matches('/')), &[]);
        }
    }
    feature.check();
}

#[test]
fn conditions_and_ranges_of_stored_answers() {
    conditions("cache conditions", "");
}

#[test]
fn ranges_are_made_of_every_answer() {
    conditions("cache forced ranges", "proxy_force_ranges on;");
}

#[test]
fn a_range_far_behind_goes_to_the_upstream() {
    feature("cache far ranges", "proxy_cache_max_range_offset 4; location / { proxy_pass http://{a}; }", ANY)
        .twice("/ranges/1", &["Range: bytes=5-"])
        .twice("/ranges/1", &["Range: bytes=4-5"])
        .twice("/ranges/2", &["Range: bytes=3-"])
        .twice("/ranges/3", &["Range: bytes=-2"])
        .twice("/ranges/3", &["Range: bytes=6-"])
        .twice("/ranges/4", &[])
        .twice("/ranges/4", &["Range: bytes=6-"])
        .twice("/ranges/4", &["Range: bytes=-2"])
        .check();
}

#[test]
fn fields_of_stored_answers() {
    feature(
        "cache fields",
        "location / { proxy_pass http://{a}; } \
         location /hide/ { proxy_hide_header X-Secret; proxy_ignore_headers Set-Cookie; proxy_hide_header Set-Cookie; proxy_pass http://{a}; } \
         location /expires/ { expires 1h; add_header X-Cache $upstream_cache_status; proxy_pass http://{a}; } \
         location /off/ { proxy_cache off; proxy_pass http://{a}; }",
        ANY,
    )
    .twice("/hidden", &[])
    .twice("/hide/hidden", &[])
    .twice("/expires/x", &[])
    .twice("/off/x", &[])
    .check();
}

#[test]
fn answers_vary_by_fields_of_requests() {
    let mut feature = feature("cache vary", "location / { proxy_pass http://{a}; }", ANY);
    for target in ["/vary", "/coding"] {
        feature = feature
            .twice(target, &["Accept-Language: de"])
            .twice(target, &["Accept-Language: fr"])
            .times(1, "GET", target, &["Accept-Language: de"])
            .twice(target, &[])
            .times(1, "GET", target, &["Accept-Language: fr"]);
    }
    feature
        .twice("/coding", &["Accept-Language: de", "Accept-Encoding: gzip"])
        .twice("/coding", &["Accept-Language: de", "Accept-Encoding: br"])
        .times(1, "GET", "/coding", &["Accept-Language: de", "Accept-Encoding: gzip"])
        .check();
}
