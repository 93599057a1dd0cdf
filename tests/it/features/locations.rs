//! Which location a path falls into.

use super::setup::Feature;

#[test]
fn locations_are_matched_in_their_order() {
    Feature::new(
        "locations",
        r#"server { listen {port};
            location = / { return 200 exact-root; }
            location = /exact { return 200 exact; }
            location /exact { return 200 exact-prefix; }
            location / { return 200 root; }
            location /images/ { return 200 images; }
            location ^~ /images/no/ { return 200 images-no-regex; }
            location ~ \.jpg$ { return 200 jpg; }
            location ~* \.(JPG|gif)$ { return 200 any-case; }
            location ~ ^/images/first { return 200 first-regex; }
            location ~ ^/images/first/second { return 200 second-regex; }
            location /noslash { return 200 noslash; }
            location ^~ /caret { return 200 caret; }
            location "/a b/" { return 200 space; }
            location /%41/ { return 200 percent; }
            location ~ "^/\d{3}$" { return 200 three; }
            location ~ ^/cap/(?<x>[a-z]+)/(\d+) { return 200 "$x $1 $2"; }
            location ~ \xc3\xbc { return 200 umlaut; }
            location /ü/ { return 200 ue; }
            location = /eq/ { return 200 eq; }
            location ~ !not { return 200 not; }
        }"#,
    )
    .get(&[
        "/",
        "/?x",
        "/exact",
        "/exact/",
        "/exactly",
        "/exact?x",
        "/x",
        "/images",
        "/images/",
        "/images/a.jpg",
        "/images/no/a.jpg",
        "/a.jpg",
        "/a.JPG",
        "/a.Gif",
        "/images/first",
        "/images/first/second",
        "/noslash",
        "/noslashes",
        "/caret/a.jpg",
        "/carets.jpg",
        "/a%20b/",
        "/A/",
        "/%41/",
        "/%2541/",
        "/123",
        "/1234",
        "/cap/abc/12",
        "/cap/ABC/1",
        "/x/%C3%BC",
        "/%C3%BC/",
        "/eq",
        "/eq/",
        "/eq/x",
        "/!not",
        "/images//a",
        "//images/",
        "/x/../images/",
        "/x/%2e%2e/images/",
        "/EXACT",
        "/images/a.jpg?b.gif",
        "/a.jpg%00",
        "/a.jpg/",
    ])
    .check();
}

#[test]
fn locations_inside_locations() {
    Feature::new(
        "nested locations",
        r#"server { listen {port}; add_header X-Out server;
            location /a/ {
                add_header X-In a;
                location /a/b/ { return 200 ab; }
                location = /a/exact { return 200 a-exact; }
                location ~ \.x$ { return 200 a-x; }
                location ^~ /a/c/ { location ~ \.y$ { return 200 acy; } return 200 ac; }
                return 200 a;
            }
            location ~ ^/r/ { location ~ \.x$ { return 200 rx; } location ~ \.(?<ext>y|z)$ { return 200 "r $ext"; } return 200 r; }
            location ~ \.x$ { return 200 x; }
            location ~ \.y$ { return 200 y; }
            location / { location /n/ { return 200 n; } location ~ \.q$ { return 200 q; } return 200 root; }
            location = /e { return 200 e; }
        }"#,
    )
    .get(&[
        "/a/", "/a/z", "/a/b/", "/a/b/q.x", "/a/exact", "/a/q.x", "/a/q.y", "/a/c/", "/a/c/q.x", "/a/c/q.y", "/r/", "/r/q.x", "/r/q.y", "/r/q.z", "/q.x", "/n/", "/n/q.x", "/n/q.q", "/q.q", "/e", "/a",
    ])
    .check();
}

#[test]
fn directories_of_proxies_get_their_slash() {
    Feature::new(
        "automatic slash",
        r#"server { listen {port}; server_name slash.test;
            location /app/ { proxy_pass http://{a}; }
            location = /other { return 200 other; }
            location /other/ { proxy_pass http://{a}; }
            location /text/ { return 200 text; }
            location ^~ /caret/ { proxy_pass http://{a}/; }
            location ~ ^/re { return 200 re; }
            location /re/ { proxy_pass http://{a}; }
            location "/sp ace/" { proxy_pass http://{a}; }
            location /off/ { absolute_redirect off; proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[])
    .get(&[
        "/app",
        "/app?x=y",
        "/app?",
        "/app/",
        "/apps",
        "/other",
        "/text",
        "/caret",
        "/re",
        "/sp%20ace",
        "/off",
        "/sp%20ace/x",
        "//app",
    ])
    .ask("POST", "/app", &["Content-Length: 3"], "abc")
    .ask("HEAD", "/app", &[], "")
    .host("Other.TEST:99", "/app")
    .lines("1.0", &["GET /app HTTP/1.0"])
    .check();
}

#[test]
fn slashes_are_not_merged_where_that_is_off() {
    Feature::new(
        "merge_slashes off",
        r#"server { listen {port}; merge_slashes off; root {files};
            location / { return 200 "root $uri $request_uri\n"; }
            location //double/ { return 200 "double $uri\n"; }
            location /a/ { return 200 "a $uri\n"; }
            location /p/ { proxy_pass http://{a}/x/; }
            location /f/ { alias {files}/; }
        }
        server { listen {port}; server_name merging.test; location / { return 200 "merging $uri\n"; } }"#,
    )
    .backend(&[])
    .get(&[
        "//double/x",
        "/a//b",
        "//a/b",
        "/a/./b//",
        "/a//../b",
        "/a/x//..//y",
        "/p//x//y",
        "/p/a//b/../c",
        "/f//a.txt",
        "///",
    ])
    .host("merging.test", "/a//b")
    .check();
}
