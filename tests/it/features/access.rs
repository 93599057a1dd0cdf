//! `allow`, `deny`, `satisfy`.

use super::backends::{Act, Table};
use super::setup::Feature;

const BACKEND: Table = &[(
    "/kept",
    Act::Say(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nkept",
    ),
)];

#[test]
fn the_first_rule_that_fits_decides() {
    Feature::new(
        "allow and deny",
        r#"server { listen {port}; root {files};
            location / { }
            location /1/ { alias {files}/; deny all; }
            location /2/ { alias {files}/; allow 127.0.0.1; deny all; }
            location /3/ { alias {files}/; deny 127.0.0.1; allow all; }
            location /4/ { alias {files}/; allow 10.0.0.0/8; allow 127.0.0.0/8; deny all; }
            location /5/ { alias {files}/; allow 10.0.0.0/8; deny 192.168.0.0/16; }
            location /6/ { alias {files}/; deny 0.0.0.0/0; }
            location /7/ { alias {files}/; deny ::/0; }
            location /8/ { alias {files}/; allow unix:; deny all; }
            location /9/ { alias {files}/; deny unix:; }
            location /10/ { alias {files}/; deny 127.0.0.1/31; allow all; }
            location /11/ { alias {files}/; allow ::1; allow 127.0.0.1; deny all; }
            location /12/ { alias {files}/; allow 0127.0.0.1; deny all; }
            location /13/ { alias {files}/; deny all; allow all; }
        }"#,
    )
    .get(&[
        "/a.txt",
        "/1/a.txt",
        "/1/none",
        "/2/a.txt",
        "/3/a.txt",
        "/4/a.txt",
        "/5/a.txt",
        "/6/a.txt",
        "/7/a.txt",
        "/8/a.txt",
        "/9/a.txt",
        "/10/a.txt",
        "/11/a.txt",
        "/12/a.txt",
        "/13/a.txt",
    ])
    .ask("POST", "/1/a.txt", &["Content-Length: 3"], "abc")
    .ask("HEAD", "/1/a.txt", &[], "")
    .check();
}

#[test]
fn rules_are_inherited_as_a_whole() {
    Feature::new(
        "rules inherited",
        r#"allow 10.0.0.1; deny all;
        server { listen {port}; root {files};
            location / { }
            location /own/ { alias {files}/; allow 127.0.0.1; }
            location /nested/ { alias {files}/; deny 127.0.0.1;
                location /nested/dir/ { alias {files}/dir/; }
                location /nested/open/ { alias {files}/dir/; allow all; }
            }
            location = /a.txt { allow all; }
            location /page { allow all; try_files /none @named; }
            location @named { }
            location /page2 { allow all; try_files /none /dir/b.txt; }
            location /page3 { allow all; try_files /a.txt =404; }
        }"#,
    )
    .get(&[
        "/",
        "/a.txt",
        "/own/a.txt",
        "/nested/a.txt",
        "/nested/dir/b.txt",
        "/nested/open/b.txt",
        "/page",
        "/page2",
        "/page3",
    ])
    .check();
}

#[test]
fn rules_come_after_rewrites_and_before_files() {
    Feature::new(
        "rules and phases",
        r#"server { listen {port}; root {files};
            location /return { deny all; return 200 "returned"; }
            location /redirect { deny all; rewrite ^ http://other.test/ redirect; }
            location /last { deny all; rewrite ^/last/(.*)$ /$1 last; }
            location /break { deny all; rewrite ^/break/(.*)$ /$1 break; }
            location /tried { deny all; try_files /a.txt =404; }
            location /tried404 { deny all; try_files /none =404; }
            location /none { deny all; }
            location /large { deny all; client_max_body_size 2; }
            location /dir { deny all; }
            location /internal { deny all; internal; }
            location / { }
        }"#,
    )
    .get(&[
        "/return",
        "/redirect",
        "/last/a.txt",
        "/break/a.txt",
        "/tried",
        "/tried404",
        "/none",
        "/dir",
        "/dir/",
        "/internal",
    ])
    .ask("POST", "/large", &["Content-Length: 3"], "abc")
    .check();
}

#[test]
fn pages_for_who_is_refused() {
    Feature::new(
        "rules and error_page",
        r#"server { listen {port}; root {files};
            error_page 403 /errors/50x.html;
            location / { deny all; }
            location /errors/ { }
            location /own { deny all; error_page 403 @named; }
            location /ok { deny all; error_page 403 =200 /a.txt; }
            location /gone { deny all; error_page 403 =410 /errors/404.html; }
            location /url { deny all; error_page 403 http://other.test/; }
            location = /a.txt { }
            location @named { return 200 "named $uri $status"; }
            location /again { deny all; error_page 403 /denied; }
            location /denied { deny all; }
            location /proxied { deny all; error_page 403 @proxy; proxy_pass http://{a}; }
            location @proxy { proxy_pass http://{a}; }
        }"#,
    )
    .backend(BACKEND)
    .get(&["/x", "/own", "/ok", "/gone", "/url", "/again", "/proxied", "/errors/404.html"])
    .check();
}

#[test]
fn a_backend_is_not_asked_for_who_may_not_come_in() {
    Feature::new(
        "rules and proxies",
        r#"log_format lines "status=$status\turi=$uri\tuser=$remote_user\tup=$upstream_status";
        server { listen {port}; access_log logs/lines.log lines;
            location /open/ { proxy_pass http://{a}; }
            location /shut/ { deny all; proxy_pass http://{a}; }
            location /local/ { allow 127.0.0.1; deny all; proxy_pass http://{a}; }
            location /accel/ { proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[("/accel", Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Redirect: /shut/x\r\nContent-Length: 0\r\n\r\n"))])
    .get(&["/open/a", "/shut/a", "/local/a", "/accel/"])
    .ask("POST", "/shut/a", &["Content-Length: 3"], "abc")
    .ask("POST", "/local/a", &["Content-Length: 3"], "abc")
    .check();
}

#[test]
fn a_stored_answer_is_not_for_who_may_not_come_in() {
    Feature::new(
        "cache and rules",
        r#"proxy_cache_path cache keys_zone=c:1m; proxy_cache_key $arg_k;
        server { listen {port}; proxy_cache c; proxy_cache_valid 200 10m;
            location /open/ { proxy_pass http://{a}/kept; }
            location /shut/ { deny all; proxy_pass http://{a}/kept; }
            location /basic/ { auth_basic x; auth_basic_user_file {files}/users; proxy_pass http://{a}/kept; }
            location /asked/ { auth_request /no; proxy_pass http://{a}/kept; }
            location = /no { proxy_cache off; return 403; }
        }"#,
    )
    .backend(BACKEND)
    .get(&["/open/?k=1", "/open/?k=1&again", "/shut/?k=1", "/basic/?k=1", "/asked/?k=1"])
    .get_with("/basic/?k=1", &["Authorization: Basic cGxhaW46cGFzcyB3b3Jk"])
    .get_with("/basic/?k=1", &["Authorization: Basic cGxhaW46cGFzcw=="])
    .ask("HEAD", "/shut/?k=1", &[], "")
    .check();
}

#[test]
fn one_of_several_is_enough_where_any_is_asked_for() {
    let text = |satisfy: &str| {
        format!(
            r#"server {{ listen {{port}}; root {{files}}; satisfy {satisfy}; auth_basic_user_file {{files}}/users;
            location /none/ {{ alias {{files}}/; }}
            location /in-in/ {{ alias {{files}}/; allow 127.0.0.1; deny all; auth_basic x; }}
            location /out-in/ {{ alias {{files}}/; deny all; auth_basic x; }}
            location /maybe-in/ {{ alias {{files}}/; allow 10.0.0.1; auth_basic x; }}
            location /out/ {{ alias {{files}}/; deny all; }}
            location /out-off/ {{ alias {{files}}/; deny all; auth_basic off; }}
            location /out-yes/ {{ alias {{files}}/; deny all; auth_request /yes; }}
            location /out-no/ {{ alias {{files}}/; deny all; auth_request /no; }}
            location /out-who/ {{ alias {{files}}/; deny all; auth_request /who; }}
            location /out-wrong/ {{ alias {{files}}/; deny all; auth_request /wrong; }}
            location /in-no/ {{ alias {{files}}/; allow all; auth_request /no; }}
            location /basic-yes/ {{ alias {{files}}/; auth_basic x; auth_request /yes; }}
            location /basic-no/ {{ alias {{files}}/; auth_basic x; auth_request /no; }}
            location /basic-who/ {{ alias {{files}}/; auth_basic x; auth_request /who; }}
            location /all/ {{ alias {{files}}/; deny all; auth_basic x; auth_request /no; }}
            location /broken/ {{ alias {{files}}/; deny all; auth_basic x; auth_basic_user_file {{files}}; }}
            location /yes {{ return 204; }}
            location /no {{ return 403; }}
            location /who {{ add_header WWW-Authenticate Other always; return 401; }}
            location /wrong {{ return 500; }}
        }}"#
        )
    };
    for (name, satisfy) in [("satisfy all", "all"), ("satisfy any", "any")] {
        let mut feature = Feature::new(name, &text(satisfy));
        let places = [
            "none",
            "in-in",
            "out-in",
            "maybe-in",
            "out",
            "out-off",
            "out-yes",
            "out-no",
            "out-who",
            "out-wrong",
            "in-no",
            "basic-yes",
            "basic-no",
            "basic-who",
            "all",
            "broken",
        ];
        for place in places {
            let target = format!("/{place}/a.txt");
            feature = feature.get(&[&target]);
            feature = feature.get_with(&target, &["Authorization: Basic cGxhaW46cGFzcyB3b3Jk"]);
            feature = feature.get_with(&target, &["Authorization: Basic cGxhaW46cGFzcw=="]);
        }
        feature.check();
    }
}
