//! `error_page` and `internal`.

use super::backends::Act;
use super::setup::Feature;

const APPLICATION: super::backends::Table = &[
    (
        "/404",
        Act::Say(
            "HTTP/1.1 404 Gone Fishing\r\nX-Up: yes\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\nup says",
        ),
    ),
    ("/500", Act::Say("HTTP/1.1 500 Oops\r\nX-Up: yes\r\nContent-Length: 7\r\n\r\nup says")),
    ("/503", Act::Say("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 7\r\n\r\nup says")),
    ("/401", Act::Say("HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 7\r\n\r\nup says")),
    ("/302", Act::Say("HTTP/1.1 302 Away\r\nLocation: http://other.test/\r\nContent-Length: 7\r\n\r\nup says")),
    ("/304", Act::Say("HTTP/1.1 304 Same\r\n\r\n")),
    ("/418", Act::Say("HTTP/1.1 418 Teapot\r\nContent-Length: 7\r\n\r\nup says")),
    ("/chunk", Act::Say("HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")),
    ("/hangup", Act::Cut("")),
    ("/garbage", Act::Cut("garbage\r\n\r\n")),
];

#[test]
fn pages_for_errors() {
    Feature::new(
        "error_page",
        r#"server { listen {port}; root {files}; server_name errors.test;
            error_page 404 /errors/404.html;
            error_page 500 502 503 504 /errors/50x.html;
            location / { }
            location /same { error_page 403 /page?code=403; return 403; }
            location /set { error_page 404 =200 /page; return 404; }
            location /of { error_page 404 = /page; return 404; }
            location /of404 { error_page 403 = /c410; return 403; }
            location /set404 { error_page 403 =404 /c410; return 403; }
            location /named { error_page 404 @named; return 404; }
            location /namedof { error_page 404 = @named; return 404; }
            location /named299 { error_page 404 =299 @named; return 404; }
            location /url { error_page 404 http://other.test/x; return 404; }
            location /url301 { error_page 404 =301 http://other.test$request_uri; return 404; }
            location /url404 { error_page 404 =404 http://other.test/; return 404; }
            location /relative { error_page 404 relative; return 404; }
            location /none { error_page 404 /nothing/at/all; return 404; }
            location /twice { error_page 404 /c410; error_page 410 /page; return 404; }
            location /var { error_page 404 /page?u=$uri&$args; return 404; }
            location /s503 { return 503; }
            location /c410 { error_page 410 /page; return 410; }
            location /text { return 404 "own text"; }
            location /first { error_page 404 /page?1; error_page 404 /page?2; return 404; }
            location /redirected { error_page 301 /page; return 301 /x; }
            location /redirect302 { error_page 302 =200 /page; return 302 /x; }
            location /to301 { error_page 404 /go; return 404; }
            location /go { return 301 /away; }
            location /files/ { alias {files}/; error_page 404 =200 /errors/404.html; error_page 405 =200 $uri; }
            location /page { return 200 "page $uri $args $request_uri $request_method $status\n"; }
            location @named { return 200 "named $uri $args $request_method\n"; }
            location /inner/ { internal; return 200 "inner $uri\n"; }
            location /toinner { error_page 404 /inner/x; return 404; }
            location /rewritten { rewrite ^ /inner/y last; }
            location /internalnamed { internal; }
            location /e/ { internal; alias {files}/errors/; }
            location /toe { error_page 404 /e/404.html; return 404; }
        }"#,
    )
    .get(&[
        "/missing",
        "/missing?x=y",
        "/same",
        "/set",
        "/of",
        "/of404",
        "/set404",
        "/named",
        "/named?x",
        "/namedof",
        "/named299",
        "/url",
        "/url301?x=y",
        "/url404",
        "/relative",
        "/none",
        "/twice",
        "/var?x=y",
        "/s503",
        "/c410",
        "/text",
        "/first",
        "/redirected",
        "/redirect302",
        "/to301",
        "/files/missing",
        "/noindex/",
        "/inner/",
        "/inner",
        "/toinner",
        "/rewritten",
        "/internalnamed",
        "/e/404.html",
        "/toe",
        "/errors/404.html",
        "/missing/a%20b",
    ])
    .ask("HEAD", "/missing", &[], "")
    .ask("HEAD", "/set", &[], "")
    .ask("POST", "/missing", &["Content-Length: 3"], "abc")
    .ask("POST", "/same", &["Content-Length: 3"], "abc")
    .ask("POST", "/named", &["Content-Length: 3"], "abc")
    .ask("PUT", "/named", &["Content-Length: 3"], "abc")
    .ask("DELETE", "/missing", &[], "")
    .ask("POST", "/files/a.txt", &["Content-Length: 3"], "abc")
    .get_with("/missing", &["Range: bytes=0-3"])
    .get_with("/missing", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
    .get_with("/files/missing", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"])
    .get_with("/files/missing", &["Range: bytes=0-3"])
    .lines("1.0", &["GET /missing HTTP/1.0"])
    .check();
}

#[test]
fn pages_for_errors_of_applications() {
    Feature::new(
        "error_page of applications",
        r#"server { listen {port}; root {files};
            error_page 404 /errors/404.html;
            error_page 500 502 503 504 /errors/50x.html;
            location /plain/ { proxy_pass http://{a}/; }
            location /i/ { proxy_pass http://{a}/; proxy_intercept_errors on; }
            location /iset/ { proxy_pass http://{a}/; proxy_intercept_errors on; error_page 404 500 =200 /errors/404.html; }
            location /inamed/ { proxy_pass http://{a}/; proxy_intercept_errors on; error_page 401 404 500 = @b; }
            location /isame/ { proxy_pass http://{a}/; proxy_intercept_errors on; error_page 404 500 @b; }
            location /iuri/ { proxy_pass http://{a}/; proxy_intercept_errors on; error_page 404 500 /b/page?from=$uri; }
            location /i302/ { proxy_pass http://{a}/; proxy_intercept_errors on; error_page 302 = /follow; error_page 304 /follow; error_page 418 /follow; }
            location /iself/ { proxy_pass http://{a}/; proxy_intercept_errors on; error_page 404 /iself/500; }
            location /follow { return 200 "followed $upstream_http_location $upstream_status\n"; }
            location /dead/ { proxy_pass http://{dead}; }
            location /deadnamed/ { proxy_pass http://{dead}; error_page 502 @b; }
            location /deadset/ { proxy_pass http://{dead}; error_page 502 =503 /b/sorry; }
            location /deadof/ { proxy_pass http://{dead}; error_page 502 = /b/sorry; }
            location /deadurl/ { proxy_pass http://{dead}; error_page 502 http://other.test/; }
            location /deaddead/ { proxy_pass http://{dead}; error_page 502 /dead/x; }
            location @b { proxy_pass http://{b}; }
            location /b/ { proxy_pass http://{b}; }
        }"#,
    )
    .backend(APPLICATION)
    .backend(&[])
    .get(&[
        "/plain/404", "/plain/500", "/plain/hangup", "/plain/garbage", "/i/404", "/i/500", "/i/503", "/i/401", "/i/302", "/i/418", "/i/chunk", "/i/hangup", "/i/ok",
        "/iset/404", "/iset/500", "/inamed/404?x", "/inamed/500", "/inamed/401", "/isame/404", "/isame/500", "/iuri/404?x", "/i302/302", "/i302/304", "/i302/418", "/iself/404",
        "/dead/x", "/deadnamed/x?y", "/deadset/x", "/deadof/x", "/deadurl/x", "/deaddead/x",
    ])
    .ask("HEAD", "/i/404", &[], "")
    .ask("HEAD", "/dead/x", &[], "")
    .ask("POST", "/i/404", &["Content-Length: 3"], "abc")
    .ask("POST", "/inamed/404", &["Content-Length: 3"], "abc")
    .ask("POST", "/iuri/404", &["Content-Length: 3"], "abc")
    .ask("PUT", "/deadnamed/x", &["Content-Length: 3"], "abc")
    .ask("POST", "/deadset/x", &["Content-Length: 3"], "abc")
    .ask("POST", "/deadnamed/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
    .lines("1.0", &["GET /i/chunk HTTP/1.0", "Connection: keep-alive"])
    .check();
}

#[test]
fn pages_for_requests_that_are_refused() {
    let long = format!("/{}", "x".repeat(9_000));
    let long_field = format!("X-Long: {}", "x".repeat(9_000));
    Feature::new(
        "error_page of refusals",
        r#"server { listen {port}; root {files}; client_max_body_size 10; server_name first.test;
            error_page 413 /page?413; error_page 400 /page?400; error_page 414 /page?414; error_page 405 /page?405; error_page 494 /page?494;
            location / { proxy_pass http://{a}; }
            location /named/ { error_page 413 @big; proxy_pass http://{a}; }
            location /set/ { error_page 413 =200 /page?set; proxy_pass http://{a}; }
            location /up/ { error_page 413 /b; proxy_pass http://{a}; }
            location /b { proxy_pass http://{b}; }
            location @big { return 200 "big $request_method\n"; }
            location /page { return 200 "page $args $uri $request_method\n"; }
            location /f/ { alias {files}/; }
        }"#,
    )
    .backend(&[])
    .backend(&[])
    .ask("POST", "/x", &["Content-Length: 20"], "01234567890123456789")
    .ask("POST", "/named/x", &["Content-Length: 20"], "01234567890123456789")
    .ask("POST", "/set/x", &["Content-Length: 20"], "01234567890123456789")
    .ask("POST", "/up/x", &["Content-Length: 20"], "01234567890123456789")
    .ask("POST", "/x/chunked", &["Transfer-Encoding: chunked"], "14\r\n01234567890123456789\r\n0\r\n\r\n")
    .ask("POST", "/set/chunked", &["Transfer-Encoding: chunked"], "14\r\n01234567890123456789\r\n0\r\n\r\n")
    .ask("POST", "/page", &["Content-Length: 20"], "01234567890123456789")
    .ask("POST", "/f/a.txt", &["Content-Length: 3"], "abc")
    .lines("a long target", &[&format!("GET {long} HTTP/1.1"), "Host: a"])
    .lines("a long field", &["GET / HTTP/1.1", "Host: a", &long_field])
    .lines("no host", &["GET / HTTP/1.1"])
    .lines("a bad host", &["GET / HTTP/1.1", "Host: a/b"])
    .lines("two hosts", &["GET / HTTP/1.1", "Host: a", "Host: b"])
    .lines("a bad path", &["GET /%zz HTTP/1.1", "Host: a"])
    .lines("a bad line", &["GET/ HTTP/1.1", "Host: a"])
    .lines("HTTP/2", &["GET / HTTP/2.0", "Host: a"])
    .lines("TRACE", &["TRACE / HTTP/1.1", "Host: a"])
    .lines("CONNECT", &["CONNECT a:1 HTTP/1.1", "Host: a"])
    .lines("a bad length", &["POST / HTTP/1.1", "Host: a", "Content-Length: x"])
    .lines("a bad coding", &["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: gzip"])
    .check();
}
