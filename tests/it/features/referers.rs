//! `valid_referers`, `secure_link` and browsers.

use super::setup::Feature;

fn with(mut feature: Feature, name: &str, values: &[&str], targets: &[&str]) -> Feature {
    for target in targets {
        feature = feature.get(&[target]);
        for value in values {
            feature = feature.get_with(target, &[&format!("{name}: {value}")]);
        }
    }
    feature
}

const REFERERS: &[&str] = &[
    "http://example.com/",
    "https://example.com",
    "HTTPS://EXAMPLE.COM:8443/x",
    "http://www.example.com/",
    "http://example.org/",
    "http://a.b.wild.test/x",
    "http://wild.test/x",
    "http://both.test/",
    "http://x.both.test/",
    "http://www.tail.org",
    "http://www.tail.co.uk/x",
    "http://tail.org/x",
    "http://path.test/images/x",
    "http://path.test:80/images/x",
    "http://path.test/other",
    "http://path.test",
    "http://own.test/",
    "http://sub.own.test/",
    "http://r12.test/",
    "http://x.re.test/page",
    "http://other.test/x.re.",
    "ftp://example.com/",
    "example.com",
    "http://",
    "http://a.b",
    "http://a.bc",
    "",
    "-",
    "http://example.com.evil.test/",
    "http://evil.test/example.com",
    "http://user@example.com/",
    "http://example.com.",
];

#[test]
fn referers_are_valid_or_not() {
    let feature = Feature::new(
        "valid_referers",
        r#"server { listen {port} default_server; server_name own.test *.own.test ~^r\d+\.test$;
            location /names { valid_referers example.com *.wild.test .both.test www.tail.* path.test/images/; return 200 "<$invalid_referer>"; }
            location /none { valid_referers none example.com; return 200 "<$invalid_referer>"; }
            location /blocked { valid_referers blocked example.com; return 200 "<$invalid_referer>"; }
            location /both { valid_referers none blocked server_names; return 200 "<$invalid_referer>"; }
            location /regex { valid_referers ~\.re\. example.com; return 200 "<$invalid_referer>"; }
            location /more { valid_referers example.com; valid_referers none *.wild.test; return 200 "<$invalid_referer>"; }
            location /unset { return 200 "<$invalid_referer>"; }
        }"#,
    );
    with(feature, "Referer", REFERERS, &["/names", "/none", "/blocked", "/both", "/regex", "/more", "/unset"]).check();
}

#[test]
fn valid_referers_are_inherited() {
    let feature = Feature::new(
        "valid_referers inherited",
        r#"log_format lines "uri=$uri\tinvalid=$invalid_referer";
        server { listen {port}; access_log logs/lines.log lines; valid_referers none example.com; root {files};
            location / { add_header X-Invalid "<$invalid_referer>"; }
            location /dir/ { valid_referers blocked *.wild.test; add_header X-Invalid "<$invalid_referer>"; }
        }"#,
    );
    with(feature, "Referer", &["http://example.com/", "http://a.wild.test/", "x"], &["/a.txt", "/dir/b.txt", "/none"])
        .check();
}

#[test]
fn links_are_signed() {
    // echo -n '2147483647/s/link secret' | openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d =
    Feature::new(
        "secure_link",
        r#"server { listen {port};
            location /s/ { secure_link $arg_md5,$arg_expires; secure_link_md5 "$secure_link_expires$uri secret";
                return 200 "<$secure_link> <$secure_link_expires>"; }
            location /plain/ { secure_link $arg_md5; secure_link_md5 "$uri secret"; return 200 "<$secure_link> <$secure_link_expires>"; }
            location /half/ { secure_link $arg_md5; return 200 "<$secure_link>"; }
            location /none/ { return 200 "<$secure_link>"; }
            location /p/ { secure_link_secret secret; return 200 "<$secure_link>"; }
        }"#,
    )
    .get(&[
        "/s/link?md5=0Xgm37lo5nFEuHMDKl_vQg&expires=2147483647",
        "/s/link?md5=0Xgm37lo5nFEuHMDKl_vQg==&expires=2147483647",
        "/s/link?md5=0Xgm37lo5nFEuHMDKl_vQh&expires=2147483647",
        "/s/link?md5=0Xgm37lo5nFEuHMDKl_vQg&expires=2147483646",
        "/s/link?md5=jdih8jzYhQga19CO0g9zvg&expires=1",
        "/s/link?md5=x&expires=1",
        "/s/link?md5=&expires=",
        "/s/link?md5=a&expires=x",
        "/s/link",
        "/plain/link?md5=XFp7Ph7bClqhjj2YdghCFw",
        "/plain/link?md5=XFp7Ph7bClqhjj2YdghCFx",
        "/plain/link?md5=XFp7Ph7bClqhjj2YdghCF",
        "/plain/link?md5=XFp7Ph7bClqhjj2YdghCFw====",
        "/plain/link?md5=XFp7Ph7bClqhjj2YdghCFw,x",
        "/plain/link?md5=MVC+mHDbNv/JW5sqBOp9Hg",
        "/half/link?md5=XFp7Ph7bClqhjj2YdghCFw",
        "/none/link",
        "/p/1b3f3b2c6dd3ec4ae5ee3c8e0a7eb3a5/link",
        "/p/5e814704a28d9bc1914ff19fa0c4a00a/link",
        "/p/217b5cfdb535e8c64ca03eac40c14480/link?x",
        "/p/5E814704A28D9BC1914FF19FA0C4A00A/link",
        "/p/708abfd5/link",
        "/p/x",
        "/p/",
        "/p//link",
    ])
    .check();
}

#[test]
fn browsers_are_old_or_new() {
    let feature = Feature::new(
        "browsers",
        r#"ancient_browser Lynx Links; ancient_browser netscape4; modern_browser_value new;
        server { listen {port};
            location /listed { modern_browser msie 5.5; modern_browser gecko 1.0.0; modern_browser opera 9.0; modern_browser safari 413;
                modern_browser konqueror 3.0; return 200 "<$ancient_browser> <$modern_browser> <$msie>"; }
            location /unlisted { modern_browser unlisted; ancient_browser_value old; return 200 "<$ancient_browser> <$modern_browser>"; }
            location /both { modern_browser msie 6.0; modern_browser unlisted; return 200 "<$ancient_browser> <$modern_browser>"; }
            location /neither { return 200 "<$ancient_browser> <$modern_browser> <$msie>"; }
        }"#,
    );
    let agents = [
        "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)",
        "Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.1)",
        "Mozilla/4.0 (compatible; MSIE 5.5; X11; FreeBSD) Opera 7.50 [en]",
        "Opera/9.00 (X11; U; en)",
        "Mozilla/5.0 (X11; U; FreeBSD i386; en-US; rv:1.7.3) Gecko/20041001",
        "Mozilla/5.0 (X11; U; FreeBSD i386; en-US; rv:0.9) Gecko/20041001",
        "Mozilla/5.0 (Macintosh; U; PPC Mac OS X; ru-ru) AppleWebKit/125.2 (KHTML, like Gecko) Safari/125.7",
        "Mozilla/5.0 (Macintosh; U; PPC Mac OS X; ru-ru) AppleWebKit/525.2 (KHTML, like Gecko) Safari/525.7",
        "Mozilla/5.0 (compatible; Konqueror/3.1; Linux)",
        "Mozilla/4.72 [en] (X11; U; Linux 2.2)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
        "Lynx/2.8.5",
        "curl/8.0",
        "MSIE ",
        "Mozilla/4.0 (compatible; MSIE",
        "",
    ];
    with(feature, "User-Agent", &agents, &["/listed", "/unlisted", "/both", "/neither"]).check();
}
