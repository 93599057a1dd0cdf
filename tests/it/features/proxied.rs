//! `proxy_pass`: what the application is asked.

use super::setup::{Feature, Upstream};

#[test]
fn the_uri_an_application_is_asked_for() {
    let mut feature = Feature::new(
        "proxy_pass",
        r#"upstream app { server {a}; }
        server { listen {port};
            location / { proxy_pass http://{a}; }
            location /slash/ { proxy_pass http://{a}/; }
            location /uri/ { proxy_pass http://{a}/base; }
            location /uri2/ { proxy_pass http://{a}/base/; }
            location /noslash { proxy_pass http://{a}/base; }
            location /up/ { proxy_pass http://app; }
            location /upuri/ { proxy_pass http://app/x/; }
            location = /exact { proxy_pass http://{a}/exactly; }
            location ~ ^/re/ { proxy_pass http://{a}; }
            location /args/ { proxy_pass http://{a}/base?x=y; }
            location ^~ /caret/ { proxy_pass http://{a}/%20b/; }
            location "/sp ace/" { proxy_pass http://{a}/; }
        }"#,
    )
    .backend(&[]);
    for place in [
        "/",
        "/slash/",
        "/uri/",
        "/uri2/",
        "/noslash",
        "/noslash/",
        "/up/",
        "/upuri/",
        "/re/",
        "/args/",
        "/caret/",
        "/sp%20ace/",
    ] {
        for rest in [
            "",
            "a",
            "a?b=c",
            "a//b/./c/../d",
            "a%20b",
            "a%2Fb",
            "a%25b?c=%20",
            "%C3%BC",
            "a%3Fb",
            "a%23b",
            "a;b=c",
            "?",
            "a%41",
            "a+b&c'\"<>|^`{}",
        ] {
            feature = feature.get(&[&format!("{place}{rest}")]);
        }
    }
    feature
        .get(&["/exact", "/exact?x=y", "//uri//a", "/x/../uri/a%20b"])
        .lines("absolute", &["GET http://x.test/uri/a?b HTTP/1.1", "Host: y.test"])
        .check();
}

#[test]
fn the_uri_of_variables() {
    Feature::new(
        "proxy_pass with variables",
        r#"upstream app { server {a}; }
        server { listen {port};
            location /plain/ { proxy_pass http://{a}$request_uri; }
            location /uri/ { proxy_pass http://{a}$uri; }
            location /host/ { proxy_pass http://$arg_h; }
            location /name/ { proxy_pass http://$arg_u/fixed; }
            location ~ ^/re/(.*)$ { proxy_pass http://{a}/$1; }
            location ~ ^/rea/(.*)$ { proxy_pass http://{a}/$1$is_args$args; }
            location /both/ { proxy_pass http://{a}/x$is_args$args; }
            location /bad/ { proxy_pass $arg_b; }
            location /re2/ { rewrite ^/re2/(.*)$ /new/$1 break; proxy_pass http://$arg_h; }
        }"#,
    )
    .backend(&[])
    .get(&[
        "/plain/a%20b?c",
        "/uri/a%20b?c",
        "/uri/a",
        "/name/x?u=app",
        "/re/a%20b?x",
        "/re/a/b",
        "/rea/a?x",
        "/rea/a",
        "/both/?q",
        "/both/",
        "/bad/?b=ftp://x",
        "/bad/",
        "/name/x?u=",
        "/host/x",
    ])
    .check();
}

#[test]
fn the_fields_an_application_gets() {
    Feature::new(
        "fields of the request",
        r#"proxy_set_header X-Http http;
        upstream app { server {a}; keepalive 4; }
        server { listen {port};
            location /inherit/ { proxy_pass http://{a}; }
            location /own/ { proxy_set_header X-Own "own $uri"; proxy_pass http://{a}; }
            location /host/ { proxy_set_header Host $host; proxy_pass http://{a}; }
            location /http_host/ { proxy_set_header Host $http_host; proxy_pass http://{a}; }
            location /nohost/ { proxy_set_header Host ""; proxy_pass http://{a}; }
            location /fixed/ { proxy_set_header Host fixed.test; proxy_pass http://app; }
            location /up/ { proxy_pass http://app; }
            location /empty/ { proxy_set_header Accept-Encoding ""; proxy_set_header X-Empty $arg_none; proxy_pass http://{a}; }
            location /forwarded/ { proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Port $server_port; proxy_pass http://{a}; }
            location /replace/ { proxy_set_header user-agent edge-test; proxy_pass http://{a}; }
            location /upgrade/ { proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_pass http://{a}; }
            location /conn/ { proxy_set_header Connection ""; proxy_pass http://{a}; }
            location /close/ { proxy_set_header Connection close; proxy_pass http://{a}; }
            location /te/ { proxy_set_header TE trailers; proxy_set_header Trailer x; proxy_pass http://{a}; }
            location /length/ { proxy_set_header Content-Type a/b; proxy_set_header Content-Length ""; proxy_pass http://{a}; }
            location /vars/ { proxy_set_header X-Vars "$proxy_host|$proxy_port|$request_method|$args|$http_x_a|$cookie_c|$server_protocol"; proxy_pass http://app; }
            location /off/ { proxy_pass_request_headers off; proxy_pass http://{a}; }
            location /offset/ { proxy_pass_request_headers off; proxy_set_header X-A $http_x_a; proxy_pass http://{a}; }
            location /nested/ { proxy_set_header X-Nested 1; location /nested/in/ { proxy_pass http://{a}; } location /nested/own/ { proxy_set_header X-In 2; proxy_pass http://{a}; } }
        }"#,
    )
    .backend(&[])
    .get(&["/inherit/x", "/own/a%20b", "/host/x", "/http_host/x", "/nohost/x", "/fixed/x", "/up/x", "/empty/x", "/forwarded/x", "/replace/x", "/conn/x", "/close/x", "/te/x", "/vars/x?y", "/nested/in/", "/nested/own/"])
    .get_with("/inherit/h", &["X-A: 1", "X-A: 2", "x-b:3", "X-C:  spaces  ", "X-Empty:", "Cookie: a=b", "Cookie: c=d", "Accept-Encoding: gzip"])
    .get_with("/empty/h", &["Accept-Encoding: gzip", "X-Empty: full"])
    .get_with("/forwarded/h", &["X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.2"])
    .get_with("/forwarded/two", &["X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.3"])
    .get_with("/replace/h", &["User-Agent: browser"])
    .get_with("/inherit/hop", &["Connection: keep-alive, X-A", "Keep-Alive: timeout=5", "TE: trailers", "Trailer: x", "Upgrade: h2c", "Proxy-Connection: x", "Proxy-Authorization: y", "X-A: hop", "Expect: 200-ok", "Via: 1.0 x", "Range: bytes=0-1", "If-None-Match: \"x\""])
    .get_with("/upgrade/h", &["Connection: Upgrade", "Upgrade: websocket"])
    .get_with("/upgrade/none", &[])
    .get_with("/vars/h", &["X-A: 1", "Cookie: c=2"])
    .get_with("/off/h", &["X-A: 1", "Accept: */*"])
    .get_with("/offset/h", &["X-A: 1", "Accept: */*"])
    .ask("POST", "/off/p", &["Content-Length: 3", "Content-Type: a/b"], "abc")
    .ask("POST", "/length/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/inherit/p", &["Content-Length: 3", "Content-Type: a/b"], "abc")
    .ask("POST", "/inherit/e", &["Content-Length: 0"], "")
    .ask("POST", "/inherit/n", &[], "")
    .ask("PUT", "/inherit/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
    .ask("HEAD", "/inherit/x", &[], "")
    .host("Mixed.CASE:81", "/host/x")
    .host("Mixed.CASE:81", "/http_host/x")
    .lines("1.0 host", &["GET /host/x HTTP/1.0"])
    .lines("1.0 http_host", &["GET /http_host/x HTTP/1.0"])
    .lines("1.0", &["GET /inherit/x HTTP/1.0", "Connection: keep-alive"])
    .lines("invalid fields", &["GET /inherit/i HTTP/1.1", "Host: a", "A_B: 1", "A.B: 2", "A!B: 3", "-: 4", "1: 5"])
    .check();
}

#[test]
fn methods_and_bodies_an_application_gets() {
    Feature::new(
        "method and body of the request",
        r#"server { listen {port};
            location /post/ { proxy_method POST; proxy_pass http://{a}; }
            location /get/ { proxy_method GET; proxy_pass http://{a}; }
            location /odd/ { proxy_method $arg_m; proxy_pass http://{a}; }
            location /set/ { proxy_set_body "uri=$uri&a=$arg_a"; proxy_pass http://{a}; }
            location /setempty/ { proxy_set_body ""; proxy_pass http://{a}; }
            location /nobody/ { proxy_pass_request_body off; proxy_pass http://{a}; }
            location /nobodylen/ { proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://{a}; }
            location /unbuffered/ { proxy_request_buffering off; proxy_pass http://{a}; }
            location /small/ { client_body_buffer_size 1k; proxy_pass http://{a}; }
            location / { proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[])
    .get(&["/post/x", "/get/x", "/odd/x?m=PURGE", "/set/x?a=b", "/setempty/x", "/nobody/x", "/unbuffered/x"])
    .ask("PUT", "/post/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/get/p", &["Content-Length: 3"], "abc")
    .ask("HEAD", "/get/h", &[], "")
    .ask("HEAD", "/post/h", &[], "")
    .ask("POST", "/set/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/set/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
    .ask("POST", "/setempty/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/nobodylen/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/unbuffered/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/unbuffered/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    .ask("POST", "/c", &["Transfer-Encoding: chunked"], "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n")
    .ask("GET", "/withbody", &["Content-Length: 3"], "abc")
    .ask("DELETE", "/withbody", &["Content-Length: 3"], "abc")
    .ask("PATCH", "/p", &["Content-Length: 3"], "abc")
    .ask("OPTIONS", "/p", &[], "")
    .ask("BREW", "/p", &[], "")
    .ask("M-SEARCH", "/p", &[], "")
    .ask("PROPFIND", "/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/small/p", &["Content-Length: 3000"], &"x".repeat(3000))
    .ask("POST", "/small/c", &["Transfer-Encoding: chunked"], &format!("bb8\r\n{}\r\n0\r\n\r\n", "x".repeat(3000)))
    // Last: the backend of nginx waits for these bodies, and counts them when it gives up.
    .ask("POST", "/nobody/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/nobody/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
    .check();
}

#[test]
fn the_version_spoken_to_applications() {
    Feature::new(
        "proxy_http_version",
        r#"upstream kept { server {a}; keepalive 4; }
        server { listen {port};
            location /10/ { proxy_http_version 1.0; proxy_pass http://{a}; }
            location /11/ { proxy_http_version 1.1; proxy_pass http://{a}; proxy_set_header Connection ""; }
            location /10c/ { proxy_http_version 1.0; proxy_set_header Connection keep-alive; proxy_pass http://{a}; }
            location /kept/ { proxy_pass http://kept; proxy_set_header Connection ""; }
            location /11close/ { proxy_pass http://kept; proxy_set_header Connection close; }
        }"#,
    )
    .comparing(Upstream::Exactly)
    .backend(&[])
    .get(&["/10/x", "/11/x", "/10c/x", "/kept/x", "/kept/y", "/11close/x"])
    .ask("POST", "/10/p", &["Content-Length: 3"], "abc")
    .ask("POST", "/10/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
    .ask("POST", "/11/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
    .lines("1.0", &["GET /11/x HTTP/1.0"])
    .check();
}
