//! `gunzip`: for clients that do not take what the upstream has compressed.

use super::setup::Feature;

fn unpacked(name: &'static str, directives: &str) -> Feature {
    let text = format!(
        "server {{ listen {{port}}; include mime.types; {directives}
            location / {{ proxy_set_header Accept-Encoding gzip; proxy_http_version 1.1; proxy_pass http://127.0.0.1:{{port2}}; }}
            location /f/ {{ alias {{files}}/; gzip_static always; }} }}
         server {{ listen {{port2}}; include mime.types; gzip on; gzip_http_version 1.0; gzip_proxied any; gzip_min_length 1; gzip_types text/css;
            root {{files}}; }}"
    );
    let mut feature = Feature::new(name, &text);
    for target in ["/page.html", "/style.css", "/a.txt", "/f/page.html", "/f/a.txt", "/f/none"] {
        feature = feature
            .get(&[target])
            .get_with(target, &["Accept-Encoding: gzip"])
            .get_with(target, &["Accept-Encoding: gzip;q=0"])
            .get_with(target, &["Accept-Encoding: br"])
            .ask("HEAD", target, &[], "");
    }
    feature.get_with("/f/page.html", &["Range: bytes=0-3"]).lines("HTTP/1.0", &["GET /page.html HTTP/1.0"])
}

#[test]
fn who_does_not_take_gzip_gets_it_unpacked() {
    unpacked("gunzip", "gunzip on;").check();
    unpacked("gunzip that varies", "gunzip on; gzip_vary on;").check();
    unpacked("gunzip off", "gunzip off;").check();
}

#[test]
fn texts_are_replaced_in_what_is_unpacked() {
    Feature::new(
        "gunzip and sub_filter",
        "server { listen {port}; include mime.types; gunzip on; sub_filter '<p>A page' '<p>Another'; sub_filter_once off;
            location /f/ { alias {files}/; gzip_static always; } }",
    )
    .get(&["/f/page.html"])
    .check();
}
