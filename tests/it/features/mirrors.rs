//! `mirror`: what the mirrored upstream is sent. The answer comes late, so that the copy was there before it.

use super::backends::{Act, Table};
use super::setup::Feature;

const LATE: Table = &[("/", Act::Late(150, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"))];

#[test]
fn a_copy_is_sent_with_the_body() {
    Feature::new(
        "mirror",
        "server { listen {port};
            location / { mirror /mirror; proxy_pass http://{a}; }
            location = /mirror { internal; proxy_pass http://{b}$request_uri; proxy_set_header X-Original $request_uri; }
            location /two { mirror /m1; mirror /m2; proxy_pass http://{a}; }
            location = /m1 { proxy_pass http://{b}; } location = /m2 { proxy_pass http://{b}/second; }
            location /bodiless { mirror /nobody; mirror_request_body off; proxy_pass http://{a}; }
            location = /nobody { proxy_pass http://{b}; proxy_pass_request_body off; proxy_set_header Content-Length ''; }
            location /off { mirror off; proxy_pass http://{a}; }
            location /again { mirror /loop; proxy_pass http://{a}; } location = /loop { mirror /loop; proxy_pass http://{b}; } }",
    )
    .backend(LATE)
    .backend(&[])
    .without_probes()
    .get(&["/x?a=b", "/a%20b?c=%20d", "/off", "/again?x=y"])
    .ask("POST", "/post?a=b", &["Content-Length: 5", "X-Own: yes"], "hello")
    .ask("POST", "/bodiless", &["Content-Length: 5"], "hello")
    .ask("DELETE", "/x", &[], "")
    .get_with("/x", &["Range: bytes=0-3", "If-None-Match: \"x\""])
    .check();
}

#[test]
fn what_becomes_of_the_copy_is_nobody_s_business() {
    Feature::new(
        "mirror that fails",
        "server { listen {port}; location / { mirror /gone; mirror /none; proxy_pass http://{a}; } location = /gone { proxy_pass http://{dead}; } location = /none { return 404; } }",
    )
    .backend(&[])
    .get(&["/", "/x"])
    .ask("POST", "/p", &["Content-Length: 5"], "hello")
    .check();
}
