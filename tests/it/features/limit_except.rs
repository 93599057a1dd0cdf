//! `limit_except`.

use super::setup::Feature;

fn with_methods(mut feature: Feature, target: &str) -> Feature {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND", "PATCH", "ODD"] {
        feature = feature.ask(method, target, &[], "");
    }
    feature.ask("POST", target, &["Content-Length: 3"], "abc").ask("PUT", target, &["Content-Length: 3"], "abc")
}

#[test]
fn other_methods_have_rules_of_their_own() {
    let feature = Feature::new(
        "limit_except",
        r#"server { listen {port};
            location /get/ { proxy_pass http://{a}; limit_except GET { deny all; } }
            location /head/ { proxy_pass http://{a}; limit_except HEAD { deny all; } }
            location /post/ { proxy_pass http://{a}; limit_except get POST Put { deny all; } }
            location /local/ { proxy_pass http://{a}; limit_except GET { allow 127.0.0.1; deny all; } }
            location /basic/ { proxy_pass http://{a}; limit_except GET { auth_basic x; auth_basic_user_file {files}/users; } }
            location /outer/ { proxy_pass http://{a}; deny all; limit_except POST { allow all; } }
            location /kept/ { proxy_pass http://{a}; deny all; limit_except POST { auth_basic off; } }
        }"#,
    )
    .backend(&[]);
    let feature = ["/get/", "/head/", "/post/", "/local/", "/outer/", "/kept/"].into_iter().fold(feature, with_methods);
    with_methods(feature, "/basic/")
        .ask("DELETE", "/basic/", &["Authorization: Basic cGxhaW46cGFzcyB3b3Jk"], "")
        .ask("DELETE", "/basic/", &["Authorization: Basic cGxhaW46cGFzcw=="], "")
        .check();
}

#[test]
fn other_methods_go_elsewhere() {
    let feature = Feature::new(
        "limit_except elsewhere",
        r#"server { listen {port}; root {files};
            location /read/ { proxy_pass http://{a}; limit_except GET { proxy_pass http://{b}; } }
            location /uri/ { proxy_pass http://{a}/one/; limit_except GET { proxy_pass http://{b}; } }
            location /same/ { proxy_pass http://{a}/one/; limit_except GET { allow all; } }
            location /files/ { alias {files}/; limit_except GET { proxy_pass http://{b}; } }
            location /fields/ { proxy_pass http://{a}; proxy_set_header X-A 1; add_header X-B 2; limit_except GET { allow all; } }
        }"#,
    )
    .backend(&[])
    .backend(&[]);
    ["/read/a.txt", "/uri/a.txt", "/same/a.txt", "/files/a.txt", "/fields/x"]
        .into_iter()
        .fold(feature, with_methods)
        .check();
}

#[test]
fn rewrites_and_returns_are_not_for_other_methods() {
    let feature = Feature::new(
        "limit_except and rewrites",
        r#"server { listen {port}; root {files};
            location /return { return 200 "returned"; limit_except GET { deny all; } }
            location /rewrite/ { rewrite ^/rewrite/(.*)$ /$1 last; limit_except GET { allow all; } }
            location /tried { try_files /a.txt =404; limit_except GET { allow all; } }
            location /proxied { rewrite ^ /x break; proxy_pass http://{a}; limit_except GET { allow all; } }
            location /page { limit_except GET { deny all; } error_page 403 /denied; }
            location /denied { return 200 "denied $request_method"; }
            location /named { limit_except GET { deny all; } error_page 403 @named; proxy_pass http://{a}; }
            location @named { limit_except GET { deny all; } proxy_pass http://{a}; }
            location /regex { limit_except GET { deny all; } location ~ \.txt$ { proxy_pass http://{a}; } }
        }"#,
    )
    .backend(&[]);
    ["/return", "/rewrite/a.txt", "/tried", "/proxied", "/page", "/named", "/regex/a.txt"]
        .into_iter()
        .fold(feature, with_methods)
        .check();
}
