//! Local files: `root`, `alias`, `index`, what is said about them.

use super::setup::Feature;

const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

#[test]
fn files_below_a_root_or_an_alias() {
    Feature::new(
        "root and alias",
        r#"server { listen {port}; root {files};
            include mime.types;
            location /r/ { root {files}/noindex; }
            location /al/ { alias {files}/dir/; }
            location /al2 { alias {files}/dir; }
            location /one.txt { alias {files}/a.txt; }
            location = /exact { alias {files}/a.txt; }
            location ~ ^/re/(?<name>.*)\.(txt|html)$ { alias {files}/$name.$2; }
            location ~ ^/users/(\w+)/(.*)$ { alias {files}/$1/$2; }
            location ^~ /var/ { alias {files}/$arg_d/; }
            location /missingroot/ { root /nonexistent/at/all; }
            location /nested/ { alias {files}/dir/; location /nested/deep/ { alias {files}/noindex/; } }
        }"#,
    )
    .get(&[
        "/",
        "/a.txt",
        "/empty.txt",
        "/image.png",
        "/page.html",
        "/noext",
        "/x.weird",
        "/UPPER.TXT",
        "/style.css",
        "/dir",
        "/dir?x=y",
        "/dir/",
        "/dir/b.txt",
        "/dir/deep",
        "/dir/deep/",
        "/noindex",
        "/noindex/",
        "/none",
        "/none/",
        "/a.txt/",
        "/a.txt/x",
        "/r/",
        "/r/c.txt",
        "/al/",
        "/al/b.txt",
        "/al",
        "/al/none",
        "/al/deep",
        "/al/../a.txt",
        "/al2",
        "/al2/",
        "/al2/b.txt",
        "/al2x",
        "/one.txt",
        "/one.txt/x",
        "/exact",
        "/re/a.txt",
        "/re/page.html",
        "/re/none.txt",
        "/re/dir/b.txt",
        "/users/dir/b.txt",
        "/users/dir/",
        "/users/noindex/",
        "/var/b.txt?d=dir",
        "/var/?d=dir",
        "/missingroot/x",
        "/missingroot/",
        "/nested/b.txt",
        "/nested/deep/c.txt",
        "/%C3%BC.txt",
        "/sp%20ace.txt",
        "/per%25cent.txt",
        "/question%3F.txt",
        "/a.txt%00",
        "/../a.txt",
        "/dir/..%2fa.txt",
        "//a.txt",
        "/dir//b.txt",
        "/a.txt?x=y",
        "/a%2etxt",
        "/only.html",
    ])
    .ask("HEAD", "/a.txt", &[], "")
    .ask("HEAD", "/dir", &[], "")
    .ask("HEAD", "/none", &[], "")
    .ask("POST", "/a.txt", &["Content-Length: 3"], "abc")
    .ask("POST", "/none", &["Content-Length: 3"], "abc")
    .ask("POST", "/dir", &["Content-Length: 3"], "abc")
    .ask("POST", "/dir/", &["Content-Length: 3"], "abc")
    .ask("PUT", "/a.txt", &["Content-Length: 3"], "abc")
    .ask("DELETE", "/a.txt", &[], "")
    .ask("OPTIONS", "/a.txt", &[], "")
    .ask("PROPFIND", "/a.txt", &[], "")
    .lines("1.0", &["GET /a.txt HTTP/1.0"])
    .lines("1.0 kept", &["GET /a.txt HTTP/1.0", "Connection: keep-alive"])
    .check();
}

#[test]
fn indexes_lead_inside() {
    Feature::new(
        "index",
        r#"server { listen {port}; root {files};
            location / { index none.html index.htm index.html; }
            location /abs/ { alias {files}/noindex/; index none.html /a.txt; }
            location /var/ { alias {files}/; index $arg_i.html index.html; }
            location ~ \.html$ { add_header X-Location html; }
            location = /dir/index.html { return 200 "caught $uri $args\n"; }
            location /name/ { index index.html; }
        }"#,
    )
    .get(&["/", "/?x=y", "/dir/?x=y", "/dir/deep/", "/abs/", "/var/?i=page", "/var/", "/name/", "/name", "/noindex/"])
    .ask("HEAD", "/", &[], "")
    .check();
}

#[test]
fn files_and_what_is_known_of_them() {
    Feature::new(
        "types and charsets",
        r#"server { listen {port}; root {files};
            location / { }
            location /t/ { alias {files}/; types { text/x-a txt; text/x-b html weird; } default_type application/x-d; }
            location /m/ { alias {files}/; include mime.types; default_type application/octet-stream; }
            location /c/ { alias {files}/; include mime.types; charset utf-8; }
            location /ct/ { alias {files}/; include mime.types; charset koi8-r; charset_types text/css application/json; }
            location /cs/ { alias {files}/; include mime.types; charset koi8-u; charset_types *; }
            location /e/ { alias {files}/; etag off; }
            location /ex/ { alias {files}/; types { } default_type ""; }
            location /cr/ { charset utf-8; return 200 x; }
            location /crh/ { charset utf-8; default_type "text/html; charset=koi8-r"; return 200 x; }
            location /c404/ { charset utf-8; return 404; }
            location /c301/ { charset utf-8; return 301 /x; }
            location /cp/ { charset utf-8; proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[
        ("/html", super::backends::Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx")),
        ("/has", super::backends::Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html; Charset=ISO-8859-1\r\nContent-Length: 1\r\n\r\nx")),
        ("/param", super::backends::Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html; a=b\r\nContent-Length: 1\r\n\r\nx")),
        ("/none", super::backends::Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")),
        ("/upper", super::backends::Act::Say("HTTP/1.1 200 OK\r\nContent-Type: TEXT/HTML\r\nContent-Length: 1\r\n\r\nx")),
        ("/404", super::backends::Act::Say("HTTP/1.1 404 No\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx")),
        ("/gz", super::backends::Act::Say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx")),
    ])
    .get(&[
        "/a.txt", "/page.html", "/x.weird", "/image.png", "/t/a.txt", "/t/page.html", "/t/x.weird", "/t/image.png",
        "/t/UPPER.TXT", "/t/noext", "/m/a.txt", "/m/script.js", "/m/data.json", "/m/feed.xml", "/m/x.weird",
        "/m/style.css", "/c/a.txt", "/c/script.js", "/c/data.json", "/c/feed.xml", "/c/style.css", "/c/image.png",
        "/c/page.html", "/c/none", "/ct/style.css", "/ct/data.json", "/ct/page.html", "/ct/a.txt", "/cs/image.png",
        "/e/a.txt", "/ex/a.txt", "/cr/", "/crh/", "/c404/", "/c301/", "/cp/html", "/cp/has", "/cp/param", "/cp/none",
        "/cp/upper", "/cp/404", "/cp/gz", "/cp/usual",
    ])
    .get_with("/c/page.html", &["Range: bytes=0-3"])
    .check();
}

#[test]
fn files_on_conditions() {
    let etag = "3b9aca00-14"; // the time and the length of a.txt
    let mut feature = Feature::new(
        "conditions",
        r#"server { listen {port}; root {files};
            location /exact/ { alias {files}/; }
            location /before/ { alias {files}/; if_modified_since before; }
            location /off/ { alias {files}/; if_modified_since off; }
            location /noetag/ { alias {files}/; etag off; }
            location /e404/ { alias {files}/; error_page 412 =200 /exact/a.txt; }
        }"#,
    );
    for target in ["/exact/a.txt", "/before/a.txt", "/off/a.txt", "/noetag/a.txt"] {
        for date in [DATE, "Sun, 09 Sep 2001 01:46:39 GMT", "Sun, 09 Sep 2001 01:46:41 GMT", "soon"] {
            feature = feature.get_with(target, &[&format!("If-Modified-Since: {date}")]);
            feature = feature.get_with(target, &[&format!("If-Unmodified-Since: {date}")]);
        }
        for tags in [
            format!("\"{etag}\""),
            format!("W/\"{etag}\""),
            "*".into(),
            "\"x\"".into(),
            format!("\"x\", \"{etag}\""),
            "x".into(),
        ] {
            feature = feature.get_with(target, &[&format!("If-None-Match: {tags}")]);
            feature = feature.get_with(target, &[&format!("If-Match: {tags}")]);
        }
        let both = [format!("If-None-Match: \"{etag}\""), "If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT".into()];
        feature = feature.get_with(target, &[&both[0], &both[1]]);
    }
    feature
        .ask("HEAD", "/exact/a.txt", &[&format!("If-Modified-Since: {DATE}")], "")
        .get_with("/e404/a.txt", &["If-Match: \"x\""])
        .get_with("/exact/none", &["If-None-Match: *"])
        .check();
}

#[test]
fn files_in_parts() {
    let mut feature = Feature::new(
        "ranges",
        r#"server { listen {port}; root {files}; include mime.types;
            location /none/ { alias {files}/; max_ranges 0; }
            location /one/ { alias {files}/; max_ranges 1; }
            location /text/ { return 200 0123456789; }
            location /add/ { alias {files}/; add_header X-A b; expires 1h; }
        }"#,
    );
    for range in [
        "bytes=0-3",
        "bytes=5-",
        "bytes=-5",
        "bytes=0-",
        "bytes=-100",
        "bytes=19-19",
        "bytes=20-",
        "bytes=30-40",
        "bytes=5-3",
        "bytes=0-100",
        "bytes=-0",
        "bytes=0-3,10-12",
        "bytes=0-3, 2-5",
        "bytes=0-3,30-40",
        "bytes=30-,40-",
        "bytes=0-1,2-3,4-5",
        "Bytes=0-3",
        "bytes = 0-3",
        "bytes=a-b",
        "bytes=",
        "lines=0-3",
        "bytes=0-3,",
        "bytes=0-3;x",
        "bytes= 1 - 2 ",
        "bytes=99999999999999999999-",
        "bytes=0-0,-1",
        "bytes=-5,-3",
    ] {
        feature = feature.get_with("/a.txt", &[&format!("Range: {range}")]);
    }
    for target in ["/none/a.txt", "/one/a.txt", "/text/", "/empty.txt", "/add/a.txt", "/missing", "/dir"] {
        feature = feature.get_with(target, &["Range: bytes=0-3"]).get_with(target, &["Range: bytes=0-3,5-6"]);
    }
    feature
        .get_with("/a.txt", &["Range: bytes=0-3", "If-Range: \"3b9aca00-14\""])
        .get_with("/a.txt", &["Range: bytes=0-3", "If-Range: \"other\""])
        .get_with("/a.txt", &["Range: bytes=0-3", &format!("If-Range: {DATE}")])
        .get_with("/a.txt", &["Range: bytes=0-3", "If-Range: Sun, 09 Sep 2001 01:46:41 GMT"])
        .get_with("/a.txt", &["Range: bytes=0-3", &format!("If-Modified-Since: {DATE}")])
        .get_with("/big.txt", &["Range: bytes=100000-200000"])
        .get_with("/big.txt", &["Range: bytes=-1,0-0"])
        .ask("HEAD", "/a.txt", &["Range: bytes=0-3"], "")
        .ask("HEAD", "/a.txt", &["Range: bytes=0-3,5-6"], "")
        .lines("1.0", &["GET /a.txt HTTP/1.0", "Range: bytes=0-3"])
        .check();
}

#[test]
fn files_compressed_before() {
    Feature::new(
        "gzip_static",
        r#"server { listen {port}; root {files}; include mime.types;
            location /on/ { alias {files}/; gzip_static on; }
            location /always/ { alias {files}/; gzip_static always; }
            location /vary/ { alias {files}/; gzip_static on; gzip_vary on; }
            location /both/ { alias {files}/; gzip_static on; gzip on; gzip_types text/css; }
            location /proxied/ { alias {files}/; gzip_static on; gzip_proxied any; }
            location /v10/ { alias {files}/; gzip_static on; gzip_http_version 1.0; }
            location /off/ { alias {files}/; gzip_static off; }
        }"#,
    )
    .get(&[
        "/on/style.css",
        "/always/style.css",
        "/always/a.txt",
        "/vary/style.css",
        "/vary/a.txt",
        "/vary/none",
        "/always/only.html",
    ])
    .get_with("/on/style.css", &["Accept-Encoding: gzip"])
    .get_with("/on/style.css", &["Accept-Encoding: gzip", "Range: bytes=0-3"])
    .get_with("/on/style.css", &["Accept-Encoding: gzip", "Via: 1.1 x"])
    .get_with("/on/style.css", &["Accept-Encoding: br, gzip;q=0"])
    .get_with("/on/style.css", &["Accept-Encoding: deflate"])
    .get_with("/on/a.txt", &["Accept-Encoding: gzip"])
    .get_with("/on/only.html", &["Accept-Encoding: gzip;q=0"])
    .get_with("/on/none", &["Accept-Encoding: gzip"])
    .get_with("/always/style.css", &["Accept-Encoding: identity"])
    .get_with("/vary/style.css", &["Accept-Encoding: gzip"])
    .get_with("/vary/a.txt", &["Accept-Encoding: gzip"])
    .get_with("/both/style.css", &["Accept-Encoding: gzip"])
    .get_with("/both/script.js", &["Accept-Encoding: gzip"])
    .get_with("/proxied/style.css", &["Accept-Encoding: gzip", "Via: 1.1 x"])
    .get_with("/off/style.css", &["Accept-Encoding: gzip"])
    .ask("HEAD", "/on/style.css", &["Accept-Encoding: gzip"], "")
    .lines("1.0", &["GET /on/style.css HTTP/1.0", "Accept-Encoding: gzip"])
    .lines("1.0 allowed", &["GET /v10/style.css HTTP/1.0", "Accept-Encoding: gzip"])
    .check();
}
