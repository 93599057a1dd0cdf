//! What of an application's answer reaches the client.

use super::backends::{Act, Table};
use super::setup::Feature;

const ANSWERS: Table = &[
    (
        "/all",
        Act::Say(
            "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-b: 2\r\nX-A: 3\r\nServer: Tomcat\r\nDate: Sun, 09 Sep 2001 01:46:40 GMT\r\nX-Pad: p\r\nX-Powered-By: JSP\r\nContent-Length: 1\r\n\r\nx",
        ),
    ),
    (
        "/hop",
        Act::Say(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-A\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTE: x\r\nTrailer: y\r\nX-A: 1\r\nContent-Length: 1\r\n\r\nx",
        ),
    ),
    (
        "/accel",
        Act::Say(
            "HTTP/1.1 200 OK\r\nX-Accel-Expires: 5\r\nX-Accel-Limit-Rate: 100000\r\nX-Accel-Buffering: no\r\nX-Accel-Charset: koi8-r\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx",
        ),
    ),
    (
        "/inside",
        Act::Say(
            "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /local/a.txt\r\nX-Kept: no\r\nContent-Type: text/x-up\r\nContent-Disposition: attachment\r\nSet-Cookie: a=b\r\nContent-Length: 1\r\n\r\nx",
        ),
    ),
    (
        "/cookies",
        Act::Say(
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d; Path=/\r\nP3P: x\r\nContent-Length: 1\r\n\r\nx",
        ),
    ),
    (
        "/empty",
        Act::Say(
            "HTTP/1.1 200 OK\r\nX-Empty:\r\nX-Spaces:   a  b  \r\nX-Tab:\ta\r\nX_Under: u\r\nX.Dot: d\r\nContent-Length: 1\r\n\r\nx",
        ),
    ),
    (
        "/types",
        Act::Say(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
        ),
    ),
    (
        "/dup",
        Act::Say(
            "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nETag: \"b\"\r\nLast-Modified: Sun, 09 Sep 2001 01:46:40 GMT\r\nVary: a\r\nVary: b\r\nLink: c\r\nLink: d\r\nWWW-Authenticate: e\r\nWWW-Authenticate: f\r\nContent-Length: 1\r\n\r\nx",
        ),
    ),
];

#[test]
fn fields_of_answers_are_hidden_and_passed() {
    Feature::new(
        "fields of the answer",
        r#"server { listen {port};
            location / { proxy_pass http://{a}; }
            location /hide/ { proxy_hide_header X-A; proxy_hide_header x-powered-by; proxy_hide_header Set-Cookie; proxy_pass http://{a}/; }
            location /pass/ { proxy_pass_header Server; proxy_pass_header Date; proxy_pass_header X-Pad; proxy_pass_header X-Accel-Expires; proxy_pass_header x-accel-buffering; proxy_pass http://{a}/; }
            location /ignore/ { proxy_ignore_headers X-Accel-Redirect X-Accel-Charset X-Accel-Expires; proxy_pass http://{a}/; }
            location /hidect/ { proxy_hide_header Content-Type; proxy_hide_header ETag; proxy_hide_header Last-Modified; proxy_pass http://{a}/; }
            location /local/ { internal; alias {files}/; }
        }"#,
    )
    .backend(ANSWERS)
    .get(&[
        "/all", "/hop", "/accel", "/cookies", "/empty", "/types", "/dup", "/inside", "/hide/all", "/hide/cookies", "/pass/all", "/pass/accel", "/ignore/inside", "/ignore/accel", "/hidect/types", "/hidect/dup", "/x",
    ])
    .ask("HEAD", "/all", &[], "")
    .lines("1.0", &["GET /all HTTP/1.0", "Connection: keep-alive"])
    .check();
}

const MOVED: Table = &[
    ("/up", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://app/x/y\r\nContent-Length: 0\r\n\r\n")),
    ("/base", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://app/base/y?z\r\nContent-Length: 0\r\n\r\n")),
    ("/path", Act::Say("HTTP/1.1 302 Found\r\nLocation: /x/y\r\nContent-Length: 0\r\n\r\n")),
    ("/relative", Act::Say("HTTP/1.1 302 Found\r\nLocation: y\r\nContent-Length: 0\r\n\r\n")),
    ("/other", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://other.test/a\r\nContent-Length: 0\r\n\r\n")),
    ("/secure", Act::Say("HTTP/1.1 302 Found\r\nLocation: https://app/a\r\nContent-Length: 0\r\n\r\n")),
    ("/case", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://APP/a\r\nContent-Length: 0\r\n\r\n")),
    ("/bare", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://app\r\nContent-Length: 0\r\n\r\n")),
    ("/refresh", Act::Say("HTTP/1.1 200 OK\r\nRefresh: 5; url=http://app/x\r\nContent-Length: 0\r\n\r\n")),
    ("/ok", Act::Say("HTTP/1.1 200 OK\r\nLocation: http://app/x\r\nContent-Length: 0\r\n\r\n")),
    ("/201", Act::Say("HTTP/1.1 201 Made\r\nLocation: http://app/x\r\nContent-Length: 0\r\n\r\n")),
    ("/double", Act::Say("HTTP/1.1 302 Found\r\nLocation: //app/x\r\nContent-Length: 0\r\n\r\n")),
    ("/spacy", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://app/a b\r\nContent-Length: 0\r\n\r\n")),
];

const PLACES: &[&str] =
    &["up", "base", "path", "relative", "other", "secure", "case", "bare", "refresh", "ok", "201", "double", "spacy"];

fn redirected(name: &'static str, locations: &str, places: &[&str]) {
    let text =
        format!("upstream app {{ server {{a}}; }} server {{ listen {{port}}; server_name first.test; {locations} }}");
    let mut feature = Feature::new(name, &text).backend(MOVED);
    for place in places {
        for what in PLACES {
            feature = feature.get(&[&format!("{place}{what}")]);
        }
    }
    feature.host("Other.test:81", &format!("{}up", places[0])).check();
}

#[test]
fn locations_of_applications_as_usual() {
    redirected(
        "proxy_redirect default",
        "location / { proxy_pass http://app; } location /d/ { proxy_pass http://app/base/; } location /e/ { proxy_pass http://app/; proxy_redirect default; } location ~ ^/re/ { proxy_pass http://app; } location /v/ { proxy_pass http://$arg_none{a}; }",
        &["/", "/d/", "/e/", "/re/"],
    );
}

#[test]
fn locations_of_applications_rewritten() {
    redirected(
        "proxy_redirect of pairs",
        r#"location /off/ { proxy_redirect off; proxy_pass http://app/; }
        location /pair/ { proxy_redirect http://app/ /pair/; proxy_pass http://app/; }
        location /two/ { proxy_redirect http://app/base/ /b/; proxy_redirect http://app/ http://$host:$server_port/t/; proxy_redirect / /slash/; proxy_pass http://app/; }
        location /re/ { proxy_redirect ~^http://[^/]+(/.*)$ $1; proxy_pass http://app/; }
        location /rei/ { proxy_redirect ~*^(http|https)://app/(.*)$ $scheme://new.test/$2?h=$host; proxy_pass http://app/; }
        location /rel/ { proxy_redirect http://app/ /rel/; absolute_redirect off; proxy_pass http://app/; }
        location /empty/ { proxy_redirect http://app/ ""; proxy_pass http://app/; }
        location /var/ { proxy_redirect http://$proxy_host/ /var/; proxy_pass http://app/; }
"#,
        &["/off/", "/pair/", "/two/", "/re/", "/rei/", "/rel/", "/empty/", "/var/"],
    );
}

#[test]
fn locations_of_applications_rewritten_with_named_groups() {
    redirected(
        "proxy_redirect with names",
        r"location /named/ { proxy_redirect ~^http://app/(?<rest>.*)$ /named/$rest; proxy_pass http://app/; }",
        &["/named/"],
    );
}

/// Names are compared without regard to case everywhere else; old clients are less lenient.
#[test]
fn names_of_fields_are_spelled_as_usual() {
    Feature::new(
        "spelling",
        r#"server { listen {port}; root {files}; gzip on; gzip_types *; gzip_vary on;
            location / { }
            location /p/ { proxy_pass http://{a}/; }
            location /t { add_header x-Odd-Name 1; expires 1h; return 200 x; }
            location /r { return 301 /x; }
        }"#,
    )
    .backend(ANSWERS)
    .spelled()
    .get(&["/a.txt", "/dir", "/none", "/p/all", "/p/dup", "/p/cookies", "/t", "/r"])
    .get_with("/a.txt", &["Range: bytes=0-3"])
    .get_with("/a.txt", &["Range: bytes=90-"])
    .get_with("/a.txt", &["Accept-Encoding: gzip"])
    .get_with("/p/dup", &["Accept-Encoding: gzip"])
    .get_with("/a.txt", &["If-None-Match: *"])
    .check();
}
