//! What redirects that the proxy makes itself lead to.

use super::setup::Feature;

const LOCATIONS: &str = "location /r { return 301 /there?x=y; } location /w { rewrite ^/w(.*)$ /there$1 permanent; } location /app/ { proxy_pass http://{a}; } \
                         location /u { return 302 http://other.test/; } location / { root {files}; }";

fn asked(name: &'static str, setting: &str) {
    let text = format!("server {{ listen {{port}}; server_name first.test second.test; {setting} {LOCATIONS} }}");
    Feature::new(name, &text)
        .backend(&[])
        .get(&["/r", "/w/a", "/app", "/dir", "/dir?x=y", "/u"])
        .host("second.test:77", "/r")
        .host("Some.Where", "/dir")
        .lines("1.0", &["GET /dir HTTP/1.0"])
        .lines("an empty host", &["GET /r HTTP/1.1", "Host:"])
        .lines("absolute", &["GET http://abs.test:5/dir HTTP/1.1", "Host: x.test"])
        .check();
}

#[test]
fn redirects_as_usual() {
    asked("redirects", "");
}

#[test]
fn redirects_that_are_paths() {
    asked("absolute_redirect off", "absolute_redirect off;");
}

#[test]
fn redirects_without_the_port() {
    asked("port_in_redirect off", "port_in_redirect off;");
}

#[test]
fn redirects_with_the_name_of_the_server() {
    asked("server_name_in_redirect", "server_name_in_redirect on;");
}

#[test]
fn redirects_with_the_name_of_a_server_that_has_none() {
    let text = format!("server {{ listen {{port}}; server_name_in_redirect on; {LOCATIONS} }}");
    Feature::new("server_name_in_redirect without a name", &text).backend(&[]).get(&["/r", "/dir"]).check();
}
