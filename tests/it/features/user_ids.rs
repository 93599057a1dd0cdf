//! `userid`. A new number differs each time, so that clients bring their own here; what a new one looks like is
//! compared by its variables.

use super::setup::Feature;

const GIVEN: &str = "Cookie: uid=fwAAAWUAAABjAAAAAwMDAg==";

fn cookies(mut feature: Feature, targets: &[&str]) -> Feature {
    let values = [
        GIVEN,
        "Cookie: a=b; uid=fwAAAWUAAABjAAAAAwMDAg==; c=d",
        "Cookie: uid=fwAAAWUAAABjAAAAAwMDAgx=",
        "Cookie: uid=fwAAAWUAAABjAAAAAwMDAgy=",
        "Cookie: uid=fwAAAWUAAABjAAAAAwMDAg",
        "Cookie: uid=fwAAAWUAAABjAAAAAwMDAg==more",
        "Cookie: UID=fwAAAWUAAABjAAAAAwMDAg==",
    ];
    for target in targets {
        for value in values {
            feature = feature.get_with(target, &[value]);
        }
    }
    feature
}

#[test]
fn a_cookie_that_is_there_is_kept() {
    let feature = Feature::new(
        "userid kept",
        r#"log_format lines "uri=$uri\tgot=$uid_got\tset=$uid_set";
        server { listen {port}; access_log logs/lines.log lines; root {files};
            location /on/ { alias {files}/; userid on; }
            location /v1/ { alias {files}/; userid v1; }
            location /log/ { alias {files}/; userid log; }
            location /off/ { alias {files}/; userid off; }
            location /unset/ { alias {files}/; }
            location /return { userid on; return 200 "$uid_got|$uid_set"; }
            location /proxied { userid on; proxy_pass http://{a}; proxy_set_header X-Uid $uid_got; proxy_set_header X-Set $uid_set; }
            location /none/ { alias {files}/none; userid on; }
            location /other/ { alias {files}/; userid log; userid_name other; }
        }"#,
    )
    .backend(&[]);
    cookies(
        feature,
        &["/on/a.txt", "/v1/a.txt", "/log/a.txt", "/off/a.txt", "/return", "/proxied", "/none/", "/other/a.txt"],
    )
    .get(&["/log/a.txt", "/off/a.txt", "/unset/a.txt"])
    .get_with("/log/a.txt", &["Cookie: uid=short"])
    .get_with("/log/a.txt", &["Cookie: uid=AAAA!AAAAAAAAAAAAAAAAA=="])
    .get_with("/log/a.txt", &["Cookie: uid=AAAAAAAAAAAAAAAAAAAAAA=="])
    .get_with("/log/a.txt", &["Cookie: uid="])
    .check();
}

#[test]
fn a_cookie_is_marked_anew() {
    let feature = Feature::new(
        "userid marked",
        r#"log_format lines "uri=$uri\tgot=$uid_got\tset=$uid_set";
        server { listen {port}; access_log logs/lines.log lines; root {files}; userid on;
            location /x/ { alias {files}/; userid_mark x; }
            location /y/ { alias {files}/; userid_mark y; userid_expires max; userid_domain example.com; userid_path /y; }
            location /eq/ { alias {files}/; userid_mark =; userid_flags secure httponly samesite=strict; }
            location /lax/ { alias {files}/; userid_mark z; userid_flags samesite=lax; userid_p3p 'policyref="/w3c/p3p.xml"'; }
            location /v1/ { alias {files}/; userid v1; userid_mark 1; userid_flags samesite=none httponly; }
            location /log/ { alias {files}/; userid log; userid_mark 1; }
            location /none/ { alias {files}/none; userid_mark x; }
            location /return { userid_mark x; return 200 "$uid_got|$uid_set"; }
            location /redirect { userid_mark x; return 301 /; }
            location /proxied { userid_mark x; proxy_pass http://{a}; proxy_set_header X-Set $uid_set; }
        }"#,
    )
    .backend(&[]);
    cookies(
        feature,
        &[
            "/x/a.txt",
            "/y/a.txt",
            "/eq/a.txt",
            "/lax/a.txt",
            "/v1/a.txt",
            "/log/a.txt",
            "/none/",
            "/return",
            "/redirect",
            "/proxied",
        ],
    )
    .without_probes()
    .check();
}
