//! Which server a request is for.

use super::setup::Feature;

#[test]
fn servers_are_chosen_by_their_names() {
    Feature::new(
        "server names",
        r#"
        server { listen {port}; server_name first.test; return 200 "first $server_name $host\n"; }
        server { listen {port}; server_name *.wild.test; return 200 "leading $server_name $host\n"; }
        server { listen {port}; server_name .dot.test; return 200 "dot $server_name\n"; }
        server { listen {port}; server_name tail.*; return 200 "trailing $server_name\n"; }
        server { listen {port}; server_name www.wild.test; return 200 "exact $server_name\n"; }
        server { listen {port}; server_name ~^re(?<n>\d+)\.test$; return 200 "regex $n $1 $server_name\n"; }
        server { listen {port}; server_name ~^re1\.; return 200 "later regex\n"; }
        server { listen {port}; server_name ~UPPER; return 200 "upper regex\n"; }
        server { listen {port}; server_name *.deep.wild.test; return 200 "deeper\n"; }
        server { listen {port}; server_name many.test more.test *.many.test; return 200 "many $server_name $host\n"; }
        server { listen {port} default_server; server_name default.test; return 200 "default $server_name $host\n"; }
        server { listen {port}; server_name ""; return 200 "none $server_name $host\n"; }
        server { listen {port}; server_name mail.*.test tail.wild.test; return 200 "x\n"; }
        "#
        .replace("mail.*.test ", "")
        .as_str(),
    )
    .host("first.test", "/")
    .host("FIRST.test", "/")
    .host("first.test:1234", "/")
    .host("first.test.", "/")
    .host("a.wild.test", "/")
    .host("a.b.wild.test", "/")
    .host("wild.test", "/")
    .host("www.wild.test", "/")
    .host("x.deep.wild.test", "/")
    .host("tail.wild.test", "/")
    .host("dot.test", "/")
    .host("a.dot.test", "/")
    .host("tail.com", "/")
    .host("tail.co.uk", "/")
    .host("tail", "/")
    .host("re17.test", "/")
    .host("re1.test", "/")
    .host("re1.x", "/")
    .host("RE5.TEST", "/")
    .host("upper.x", "/")
    .host("more.test", "/")
    .host("q.many.test", "/")
    .host("unknown.test", "/")
    .host("127.0.0.1", "/")
    .host("[::1]:80", "/")
    .host("a_b.test", "/")
    .lines("an empty host", &["GET / HTTP/1.1", "Host:"])
    .lines("1.0 without a host", &["GET / HTTP/1.0"])
    .lines("absolute", &["GET http://first.test/ HTTP/1.1", "Host: more.test"])
    .lines("absolute with a port", &["GET http://First.test:99/ HTTP/1.1", "Host: more.test"])
    .check();
}

#[test]
fn the_first_server_of_a_port_is_its_default() {
    Feature::new(
        "default server",
        r#"
        server { listen 127.0.0.1:{port2}; server_name x.test; return 200 "other port\n"; }
        server { listen 127.0.0.1:{port}; server_name a.test; client_header_timeout 5s; return 200 "first $server_name $server_port $server_addr\n"; }
        server { listen {port} default_server; server_name b.test; return 200 "wildcard default $server_port $server_addr\n"; }
        server { listen {port}; server_name a.test; return 200 "wildcard a\n"; }
        server { listen 127.0.0.1:{port}; server_name c.test; return 200 "c\n"; }
        "#,
    )
    .host("a.test", "/")
    .host("b.test", "/")
    .host("c.test", "/")
    .host("none.test", "/")
    .check();
}

#[test]
fn settings_of_the_server_that_was_named_hold() {
    Feature::new(
        "settings of servers",
        r#"
        default_type text/x-http;
        server { listen {port}; server_name a.test; keepalive_timeout 0; location / { return 200 a; } }
        server { listen {port}; server_name b.test; default_type text/x-b; server_tokens off; location / { return 200 b; } location /x { default_type text/x-x; return 200 x; } }
        server { listen {port}; server_name c.test; underscores_in_headers on; location / { return 200 "$http_a_b|$http_x\n"; } }
        server { listen {port}; server_name d.test; client_max_body_size 2; root {files}; location / { } }
        "#,
    )
    .host("a.test", "/")
    .host("b.test", "/")
    .host("b.test", "/x")
    .lines("c", &["GET / HTTP/1.1", "Host: c.test", "A_B: 1"])
    .lines("d", &["POST / HTTP/1.1", "Host: d.test", "Content-Length: 3", "", "abc"])
    .check();
}
