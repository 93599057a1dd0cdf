//! `rewrite`.

use super::setup::Feature;

#[test]
fn rewrites_with_every_flag() {
    Feature::new(
        "rewrite flags",
        r#"server { listen {port};
            location /last { rewrite ^/last/(.*)$ /target/$1 last; return 200 "not here"; }
            location /break { rewrite ^/break/(.*)$ /target/$1 break; return 200 "break $uri $args"; }
            location /redirect { rewrite ^/redirect/(.*)$ /target/$1 redirect; }
            location /permanent { rewrite ^/permanent/(.*)$ /target/$1 permanent; }
            location /none { rewrite ^/none/(.*)$ /target/$1; return 200 "none $uri $args"; }
            location /two { rewrite ^/two/(.*)$ /mid/$1; rewrite ^/mid/(.*)$ /target/$1-two last; }
            location /only { rewrite ^/only/(.*)$ /target/$1; }
            location /url { rewrite ^/url/(.*)$ http://other.test/$1; }
            location /urlp { rewrite ^/urlp/(.*)$ https://other.test/$1 permanent; }
            location /scheme { rewrite ^/scheme/(.*)$ $scheme://other.test/$1; }
            location /target { return 200 "target $uri $args $request_uri"; }
            location / { return 200 "root $uri"; }
        }"#,
    )
    .get(&[
        "/last/a",
        "/last/a?x=y",
        "/last",
        "/break/a",
        "/break/a?x=y",
        "/break",
        "/redirect/a",
        "/redirect/a?x=y",
        "/redirect/a%20b%3Fc",
        "/redirect/%C3%BC",
        "/permanent/a?x",
        "/permanent",
        "/none/a?x",
        "/two/a?x",
        "/only/a",
        "/only",
        "/url/a?x=y",
        "/url/a%20b",
        "/urlp/a",
        "/scheme/a",
        "/redirect/a//b/../c",
    ])
    .ask("POST", "/last/a", &["Content-Length: 3"], "abc")
    .ask("HEAD", "/redirect/a", &[], "")
    .check();
}

#[test]
fn rewrites_and_their_arguments() {
    Feature::new(
        "rewrite arguments",
        r#"server { listen {port};
            location /keep { rewrite ^/keep$ /t last; }
            location /drop { rewrite ^/drop$ /t? last; }
            location /add { rewrite ^/add$ /t?a=1 last; }
            location /only { rewrite ^/only$ /t?a=1? last; }
            location /capture { rewrite ^/capture/(\w+)/(\w+)$ /t?one=$1&two=$2 last; }
            location /named { rewrite ^/named/(?<first>\w+)/(?<second>.*)$ /t/$second?f=$first last; }
            location /query { rewrite ^ /t?$args last; }
            location /moved { rewrite ^/moved$ /t?a=1 redirect; }
            location /movedd { rewrite ^/movedd$ /t? redirect; }
            location /esc { rewrite ^/esc/(.*)$ /t?q=$1 redirect; }
            location /esc2 { rewrite ^/esc2/(.*)$ /t?q=$1 last; }
            location /uri { rewrite ^ /t?u=$uri&r=$request_uri&h=$host last; }
            location /case { rewrite (?i)^/CASE/(.*)$ /t/$1 last; }
            location /t { return 200 "$uri|$args|$is_args|$request_uri|$first|$second|$1"; }
        }"#,
    )
    .get(&[
        "/keep?x=y",
        "/keep",
        "/keep?",
        "/drop?x=y",
        "/add",
        "/add?x=y",
        "/only?x=y",
        "/capture/a/b",
        "/capture/a/b?x=y",
        "/named/a/b%20c?x",
        "/query?a=b",
        "/query",
        "/moved",
        "/moved?x=y",
        "/moved?",
        "/movedd?x=y",
        "/esc/a%20b%26c%2Bd%25e",
        "/esc2/a%20b%26c%2Bd%25e",
        "/esc2/%C3%BC",
        "/uri?z",
        "/uri/a%20b",
        "/case/x",
    ])
    .check();
}

#[test]
fn rewrites_in_the_server_and_circles() {
    Feature::new(
        "rewrite in the server",
        r#"server { listen {port};
            rewrite ^/old/(.*)$ /new/$1;
            rewrite ^/new/deep/(.*)$ /deeper/$1 last;
            rewrite ^/new/(.*)$ /newest/$1 break;
            rewrite ^/gone$ /there permanent;
            location /new { return 200 "new $uri"; }
            location /newest { return 200 "newest $uri $args"; }
            location /deeper { return 200 "deeper $uri"; }
            location /circle { rewrite ^/circle(.*)$ /circle$1x last; }
            location /ping { rewrite ^ /pong last; }
            location /pong { rewrite ^ /ping last; }
            location /breaks { rewrite ^/breaks/(.*)$ /breaks/x$1 break; return 200 "$uri"; }
            location /nine { rewrite ^/nine/x(.*)$ /nine/$1 last; return 200 "done $uri"; }
            location /relative { rewrite ^ relative last; }
            location /empty { rewrite ^/empty/(.*)$ /$1 last; }
        }"#,
    )
    .get(&[
        "/old/a",
        "/old/deep/a",
        "/new/a?x",
        "/gone?x",
        "/circle",
        "/ping",
        "/breaks/a",
        "/nine/xxxxxxxxx",
        "/nine/xxxxxxxxxx",
        "/nine/xxxxxxxxxxx",
        "/nine/xxxxxxxxxxxx",
        "/relative",
        "/empty/new/",
        "/none",
    ])
    .check();
}

#[test]
fn rewrites_before_files_and_proxies() {
    Feature::new(
        "rewrite before content",
        r#"server { listen {port}; root {files};
            location /txt/ { rewrite ^/txt/(\w+)$ /$1.txt break; }
            location /again/ { rewrite ^/again/(\w+)$ /$1.txt last; }
            location /app/ { rewrite ^/app/(.*)$ /$1 break; proxy_pass http://{a}; }
            location /uri/ { rewrite ^/uri/(.*)$ /x/$1 break; proxy_pass http://{a}/base/; }
            location /args/ { rewrite ^/args/(.*)$ /x?id=$1 break; proxy_pass http://{a}; }
            location /noargs/ { rewrite ^/noargs/(.*)$ /x? break; proxy_pass http://{a}; }
            location /esc/ { rewrite ^/esc/(.*)$ /$1 break; proxy_pass http://{a}; }
            location /same/ { rewrite ^/never$ /x break; proxy_pass http://{a}; }
            location /dirs { rewrite ^/dirs$ /dir break; }
        }"#,
    )
    .backend(&[])
    .get(&[
        "/txt/a",
        "/txt/none",
        "/again/a",
        "/app/x/y?z",
        "/app/",
        "/uri/a?b",
        "/args/7",
        "/args/7?x=y",
        "/noargs/7?x=y",
        "/esc/a%20b/%C3%BC/%2525?q=%20",
        "/esc/a%3Fb",
        "/esc/a%2Fb",
        "/esc/a%23b",
        "/same/a%20b/../c",
        "/dirs",
    ])
    .check();
}
