//! `return`.

use super::setup::Feature;

const EVERY: &[&str] = &["Content-Length: 3"];

#[test]
fn returns_with_a_status_alone() {
    let mut text = "server { listen {port}; ".to_string();
    let statuses = [
        200, 201, 202, 204, 206, 299, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 411,
        412, 413, 414, 415, 416, 418, 421, 429, 430, 451, 494, 495, 497, 499, 500, 501, 502, 503, 504, 505, 507, 511,
        599, 600, 999, 444,
    ];
    for status in statuses {
        text += &format!("location = /{status} {{ return {status}; }} ");
    }
    let mut feature = Feature::new("return of a status", &(text + "}"));
    for status in statuses {
        feature = feature.get(&[&format!("/{status}")]);
    }
    feature.ask("HEAD", "/404", &[], "").ask("HEAD", "/200", &[], "").ask("POST", "/404", EVERY, "abc").check();
}

#[test]
fn returns_with_a_text() {
    Feature::new(
        "return of a text",
        r#"server { listen {port};
            location /plain { return 200 "a text\n"; }
            location /empty { return 200 ""; }
            location /html { default_type text/html; return 200 "<p>"; }
            location /none { default_type ""; return 200 "x"; }
            location /201 { return 201 made; }
            location /204 { return 204 "not sent"; }
            location /304 { return 304 "x"; }
            location /404 { return 404 "nothing here"; }
            location /500 { return 500 "broken"; }
            location /503 { return 503 "later"; }
            location /400 { return 400 "bad"; }
            location /413 { return 413 "big"; }
            location /variables { return 200 "$uri|$args|$request_uri|$host|$http_x_y|$arg_a|$cookie_c|$request_method|$is_args|$server_port|$scheme|$server_protocol|$remote_addr|$content_length|$content_type|$document_uri|$query_string|$server_name|$http_absent|"; }
            location /braces { return 200 "${uri}x$host-$request_method.$is_args$args"; }
            location /dollar { return 200 "a\tb\"c\\d"; }
            location /single { return 200 'it "is" $uri'; }
            location ~ ^/re/(\w+)/(?<name>\w+) { return 200 "$1 $2 $name $3|"; }
        }"#,
    )
    .get(&[
        "/plain", "/empty", "/html", "/none", "/201", "/204", "/304", "/404", "/500", "/503", "/400", "/413",
        "/variables", "/variables/a%20b//c?a=1&b=2", "/variables?", "/braces?x", "/braces", "/dollar", "/single",
        "/re/one/two", "/re/one/two/three?x=1", "/index.html", "/plain.png",
    ])
    .get_with("/variables?A=5&a=6", &["X-Y: yes", "Cookie: b=1; c=2; d=3", "Content-Type: a/b"])
    .get_with("/variables", &["X-Y: one", "Cookie: C=7", "X-y: two"])
    .ask("POST", "/variables", &["Content-Length: 3"], "abc")
    .ask("POST", "/plain", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
    .ask("PUT", "/404", &["Content-Length: 3"], "abc")
    .ask("HEAD", "/plain", &[], "")
    .ask("HEAD", "/404", &[], "")
    .ask("OPTIONS", "/plain", &[], "")
    .lines("1.0", &["GET /plain HTTP/1.0"])
    .lines("1.0 variables", &["GET /variables HTTP/1.0"])
    .check();
}

#[test]
fn returns_that_redirect() {
    Feature::new(
        "return that redirects",
        r#"server { listen {port}; server_name first.test second.test;
            location /url { return http://other.test/x?y; }
            location /secure { return https://$host$request_uri; }
            location /scheme { return $scheme://other.test$uri; }
            location /301 { return 301 http://other.test/; }
            location /302 { return 302 http://other.test/; }
            location /303 { return 303 /there; }
            location /307 { return 307 /there; }
            location /308 { return 308 /there; }
            location /relative { return 302 there; }
            location /path { return 301 /there?$args; }
            location /variable { return 302 $uri/x; }
            location /empty { return 302 ""; }
            location /space { return 302 "/a b"; }
            location /double { return 302 //other.test/x; }
            location /crlf { return 302 $uri; }
            location /300 { return 300 /there; }
            location /304 { return 304 /there; }
        }"#,
    )
    .get(&[
        "/url",
        "/secure/x?y=z",
        "/scheme/a%20b",
        "/301",
        "/302",
        "/303",
        "/307",
        "/308",
        "/relative",
        "/path?a=b",
        "/path",
        "/variable?x",
        "/variable/%C3%BC",
        "/empty",
        "/space",
        "/double",
        "/crlf/a%0d%0aX:%20y",
        "/300",
        "/304",
    ])
    .host("second.test", "/path")
    .host("SECOND.Test:8888", "/path")
    .host("other.test", "/secure")
    .lines("1.0 without a host", &["GET /path HTTP/1.0"])
    .lines("1.0 with a host", &["GET /path HTTP/1.0", "Host: a.test"])
    .lines("an empty host", &["GET /path HTTP/1.1", "Host:"])
    .ask("HEAD", "/301", &[], "")
    .ask("POST", "/307", EVERY, "abc")
    .check();
}

#[test]
fn a_return_in_the_server_itself() {
    Feature::new(
        "return in the server",
        r#"server { listen {port}; server_name a.test; return 301 https://a.test$request_uri; location / { return 200 never; } }
           server { listen {port}; server_name b.test; default_type text/css; return 200 "$uri b\n"; }
           server { listen {port}; server_name c.test; error_page 404 /e.html; return 404; location /e.html { return 200 e; } }
           server { listen {port}; server_name d.test; return 444; }
           server { listen {port}; server_name e.test; rewrite ^/x$ /y; return 200 "$uri"; }"#,
    )
    .host("a.test", "/x?y=z")
    .host("b.test", "/x")
    .host("c.test", "/x")
    .host("d.test", "/x")
    .host("e.test", "/x")
    .host("e.test", "/z")
    .check();
}
