//! `auth_request`.

use super::backends::{Act, Table};
use super::setup::Feature;

const SAYS: Table = &[
    ("/204", Act::Say("HTTP/1.1 204 No Content\r\nX-User: alice\r\n\r\n")),
    ("/200", Act::Say("HTTP/1.1 200 OK\r\nX-User: bob\r\nContent-Length: 4\r\n\r\nbody")),
    ("/299", Act::Say("HTTP/1.1 299 Odd\r\nX-User: carol\r\nContent-Length: 0\r\n\r\n")),
    ("/300", Act::Say("HTTP/1.1 300 Odd\r\nContent-Length: 0\r\n\r\n")),
    ("/302", Act::Say("HTTP/1.1 302 Found\r\nLocation: http://other.test/\r\nContent-Length: 0\r\n\r\n")),
    ("/304", Act::Say("HTTP/1.1 304 Not Modified\r\n\r\n")),
    (
        "/401",
        Act::Say(
            "HTTP/1.1 401 Who\r\nWWW-Authenticate: Bearer realm=\"x\"\r\nX-Why: none\r\nContent-Length: 3\r\n\r\nwho",
        ),
    ),
    ("/bare401", Act::Say("HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n")),
    (
        "/403",
        Act::Say(
            "HTTP/1.1 403 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nX-Why: banned\r\nContent-Length: 0\r\n\r\n",
        ),
    ),
    ("/404", Act::Say("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")),
    ("/500", Act::Say("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")),
    ("/503", Act::Say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")),
    ("/cut", Act::Cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut")),
    ("/garbage", Act::Cut("garbage\r\n\r\n")),
    ("/hangup", Act::Cut("")),
    ("/chunked", Act::Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")),
];

#[test]
fn statuses_let_in_refuse_or_fail() {
    let statuses = [
        "204", "200", "299", "300", "302", "304", "401", "bare401", "403", "404", "500", "503", "garbage", "hangup",
        "chunked",
    ];
    let mut text =
        String::from("server { listen {port}; proxy_set_header Content-Length \"\"; proxy_pass_request_body off;\n");
    for status in statuses {
        text += &format!("location /{status}/ {{ auth_request /auth/{status}; proxy_pass http://{{b}}; }}\n");
    }
    text += "location /auth/ { internal; proxy_pass http://{a}; }\n location /dead/ { auth_request /gone; proxy_pass http://{b}; }\n\
             location /gone { proxy_pass http://{dead}; }\n }";
    let mut feature = Feature::new("auth_request", &text).backend(SAYS).backend(&[]).without_probes();
    for status in statuses {
        feature = feature.get(&[&format!("/{status}/x?y")]);
    }
    feature.get(&["/dead/x", "/auth/200"]).check();
}

#[test]
fn the_question_has_the_clients_fields_and_no_body() {
    Feature::new(
        "auth_request fields",
        r#"server { listen {port};
            location / { auth_request /auth/204; proxy_pass http://{b}; }
            location /auth/ { internal; proxy_pass http://{a}; proxy_pass_request_body off; proxy_set_header Content-Length "";
                proxy_set_header X-Original-URI $request_uri; proxy_set_header X-Original-Method $request_method;
                proxy_set_header X-Request "$request"; proxy_set_header X-Uri "$uri $args"; proxy_set_header X-Host $host; }
            location /rewritten/ { auth_request /to/204; proxy_pass http://{b}; }
            location /to/ { rewrite ^/to/(.*)$ /auth/$1?of=$request_uri last; }
            location /with-uri/ { auth_request /prefix/204; proxy_pass http://{b}; }
            location /prefix/ { proxy_pass http://{a}/base/; proxy_set_header Content-Length ""; proxy_pass_request_body off; }
        }"#,
    )
    .backend(SAYS)
    .backend(&[])
    .get_with("/x?y=z", &["X-Own: 1", "Cookie: a=b", "Authorization: Bearer t"])
    .get_with("/x", &["If-None-Match: \"a\"", "Range: bytes=0-1", "Accept-Encoding: gzip"])
    .get(&["/rewritten/a?b", "/with-uri/a%20b?c", "/a%2Fb//c/../d"])
    .ask("POST", "/x", &["Content-Length: 3", "Content-Type: text/plain"], "abc")
    .ask("PUT", "/x", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n")
    .ask("HEAD", "/x", &[], "")
    .ask("DELETE", "/x", &[], "")
    .check();
}

#[test]
fn what_the_answer_says_is_kept_in_variables() {
    Feature::new(
        "auth_request_set",
        r#"log_format lines "status=$status\turi=$request_uri\tuser=$user\tauth=$auth\twhy=$why";
        server { listen {port}; access_log logs/lines.log lines; proxy_pass_request_body off; proxy_set_header Content-Length "";
            auth_request_set $user $upstream_http_x_user; auth_request_set $auth "status $upstream_status";
            auth_request_set $why $upstream_http_x_why;
            location /1/ { auth_request /auth/204; proxy_pass http://{b}; proxy_set_header X-User $user; proxy_set_header X-Auth $auth; }
            location /2/ { auth_request /auth/200; proxy_pass http://{b}; proxy_set_header X-User "<$user>"; add_header X-Auth $auth; }
            location /3/ { auth_request /auth/403; proxy_pass http://{b}; add_header X-Why $why always; add_header X-Auth $auth always; }
            location /4/ { auth_request /auth/401; error_page 401 /login; proxy_pass http://{b}; }
            location /5/ { auth_request /auth/404; error_page 500 /login; proxy_pass http://{b}; }
            location /6/ { auth_request /auth/200; auth_request_set $auth own; proxy_pass http://{b}; proxy_set_header X-User "$user $auth"; }
            location /7/ { auth_request off; proxy_pass http://{b}; proxy_set_header X-User "$user $auth"; }
            location /8/ { auth_request /local; proxy_pass http://{b}; proxy_set_header X-User "$user $auth"; }
            location /local { return 200 "let in"; }
            location /login { return 200 "login $why $auth $uri $request_uri"; }
            location /auth/ { internal; proxy_pass http://{a}; }
        }"#,
    )
    .backend(SAYS)
    .backend(&[])
    .get(&["/1/", "/2/", "/3/", "/4/", "/5/", "/6/", "/7/", "/8/"])
    .check();
}

#[test]
fn the_question_is_inherited_and_asked_anew_after_a_redirect() {
    Feature::new(
        "auth_request inherited",
        r#"log_format lines "status=$status\turi=$uri";
        server { listen {port}; root {files}; auth_request /auth/204; access_log logs/lines.log lines;
            location / { }
            location /off/ { auth_request off; alias {files}/; }
            location /own/ { auth_request /auth/403; alias {files}/; }
            location /tried { try_files /none /a.txt; }
            location /named { try_files /none @named; }
            location /accel/ { proxy_pass http://{b}; }
            location /denied/ { auth_request /auth/403; error_page 403 /errors/404.html; }
            location /denied-off/ { auth_request /auth/403; error_page 403 @off; }
            location /return { return 200 "returned"; }
            location @named { return 200 "named"; }
            location @off { auth_request off; proxy_pass http://{b}; }
            location /auth/ { internal; proxy_pass http://{a}; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
        }"#,
    )
    .backend(SAYS)
    .backend(&[("/accel", Act::Say("HTTP/1.1 200 OK\r\nX-Accel-Redirect: /own/a.txt\r\nContent-Length: 0\r\n\r\n"))])
    .get(&[
        "/a.txt", "/dir/", "/off/a.txt", "/own/a.txt", "/tried", "/named", "/accel/", "/denied/", "/denied-off/", "/return",
        "/none",
    ])
    .check();
}

#[test]
fn the_question_passes_who_is_asked_for_it() {
    Feature::new(
        "auth_request inside",
        r#"server { listen {port}; root {files};
            location / { auth_request /deny; }
            location /deny { deny all; auth_basic x; auth_basic_user_file {files}/users; proxy_pass http://{a}/200; }
            location /page/ { auth_request /file; alias {files}/; }
            location /file { alias {files}/a.txt; }
            location /missing/ { auth_request /no-file; alias {files}/; }
            location = /no-file { }
            location /mapped/ { auth_request /fails; alias {files}/; }
            location = /fails { error_page 404 =200 /a.txt; alias {files}/none; }
            location /maps401/ { auth_request /to401; alias {files}/; }
            location = /to401 { error_page 404 =401 /deny; alias {files}/none; }
            location /closes/ { auth_request /closed; alias {files}/; }
            location = /closed { return 444; }
            location /moves/ { auth_request /moved; alias {files}/; }
            location = /moved { return 302 /; }
            location /limited/ { auth_request /lim; alias {files}/; }
            location = /lim { limit_except GET { deny all; } return 204; }
        }"#,
    )
    .backend(SAYS)
    .get(&[
        "/a.txt",
        "/page/a.txt",
        "/missing/a.txt",
        "/mapped/a.txt",
        "/maps401/a.txt",
        "/closes/a.txt",
        "/moves/a.txt",
        "/limited/a.txt",
    ])
    .ask("POST", "/limited/a.txt", &["Content-Length: 3"], "abc")
    .check();
}

#[test]
fn answers_to_questions_are_stored() {
    Feature::new(
        "auth_request and the cache",
        r#"proxy_cache_path cache keys_zone=c:1m;
        server { listen {port};
            location / { auth_request /auth/200; auth_request_set $user $upstream_http_x_user; proxy_pass http://{b};
                proxy_set_header X-Cached "$upstream_cache_status"; }
            location /auth/ { internal; proxy_pass http://{a}; proxy_cache c; proxy_cache_key $http_x_token; proxy_cache_valid 200 10m;
                proxy_pass_request_body off; proxy_set_header Content-Length ""; }
        }"#,
    )
    .backend(SAYS)
    .backend(&[])
    .get_with("/1", &["X-Token: a"])
    .get_with("/2", &["X-Token: a"])
    .get_with("/3", &["X-Token: b"])
    .ask("POST", "/4", &["X-Token: b", "Content-Length: 3"], "abc")
    .check();
}
