//! `auth_basic`.

use super::setup::Feature;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn field(pair: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(pair))
}

fn asking(mut feature: Feature, target: &str, pairs: &[&str]) -> Feature {
    for pair in pairs {
        feature = feature.get_with(target, &[&field(pair)]);
    }
    feature
}

const LOG: &str = r#"log_format lines "status=$status\turi=$request_uri\tuser=$remote_user";"#;

#[test]
fn every_form_of_a_password_is_known() {
    let text = format!(
        r#"{LOG} server {{ listen {{port}}; access_log logs/lines.log lines; root {{files}};
            auth_basic "who are you"; auth_basic_user_file {{files}}/users; }}"#
    );
    let mut feature = Feature::new("password forms", &text).get(&["/a.txt"]);
    let forms = [
        "plain", "sha", "ssha", "apr1", "md5", "sha256", "sha512", "bcrypt", "des", "yescrypt", "last", "mallory",
        "dave", "alice", "# alice", "nobody", "",
    ];
    for user in forms {
        for password in ["pass word", "pass", "pass word ", "first", "second", "a", ""] {
            feature = asking(feature, "/a.txt", &[&format!("{user}:{password}")]);
        }
    }
    feature.check();
}

#[test]
fn files_with_mistakes_let_nobody_in() {
    Feature::new(
        "password files",
        r#"server { listen {port}; root {files}; auth_basic x;
            location /broken/ { alias {files}/; auth_basic_user_file {files}/broken; }
            location /others/ { alias {files}/; auth_basic_user_file {files}/others; }
            location /none/ { alias {files}/; auth_basic_user_file {files}/no-such-file; }
            location /dir/ { alias {files}/; auth_basic_user_file {files}; }
            location /empty/ { alias {files}/; auth_basic_user_file {files}/empty.txt; }
            location /relative/ { alias {files}/; auth_basic_user_file no-such-file; }
        }"#,
    )
    .get(&["/broken/a.txt", "/none/a.txt", "/dir/a.txt"])
    .get_with("/none/a.txt", &[&field("a:b")])
    .get_with("/dir/a.txt", &[&field("a:b")])
    .get_with("/empty/a.txt", &[&field("a:b")])
    .get_with("/relative/a.txt", &[&field("a:b")])
    .get_with("/others/a.txt", &[&field("carol:secret")])
    .get_with("/others/a.txt", &[&field("empty:")])
    .get_with("/others/a.txt", &[&field("empty:x")])
    .get_with("/broken/a.txt", &[&field("nohash:secret")])
    .get_with("/broken/a.txt", &[&field("star:*")])
    .get_with("/broken/a.txt", &[&field("star:")])
    .get_with("/broken/a.txt", &[&field("bad:x")])
    .get_with("/broken/a.txt", &[&field("cut:x")])
    .get_with("/broken/a.txt", &[&field("alice:")])
    .get_with("/broken/a.txt", &[&field("no colon:")])
    .check();
}

#[test]
fn fields_that_are_no_credentials() {
    let text = format!(
        r#"{LOG} server {{ listen {{port}}; access_log logs/lines.log lines; root {{files}};
            auth_basic x; auth_basic_user_file {{files}}/users; }}"#
    );
    Feature::new("credentials", &text)
        .get_with("/a.txt", &["Authorization: Basic"])
        .get_with("/a.txt", &["Authorization: Basic "])
        .get_with("/a.txt", &["Authorization: Basic !!!"])
        .get_with("/a.txt", &["Authorization: Bearer cGxhaW46cGFzcyB3b3Jk"])
        .get_with("/a.txt", &["Authorization: basic cGxhaW46cGFzcyB3b3Jk"])
        .get_with("/a.txt", &["Authorization: BASIC   cGxhaW46cGFzcyB3b3Jk"])
        .get_with("/a.txt", &["Authorization: Basic cGxhaW46cGFzcyB3b3Jk", "X-A: 1"])
        .get_with("/a.txt", &["Authorization: Basic cGxhaW46cGFzcyB3b3Jk="])
        .get_with("/a.txt", &["Authorization: Basic ZGF2ZTph"])
        .get_with("/a.txt", &["Authorization: Basic ZGF2ZTp", "X-B: 1"])
        .get_with("/a.txt", &[&field("plain")])
        .get_with("/a.txt", &[&field(":pass word")])
        .get_with("/a.txt", &[&field("plain:pass word:x")])
        .get_with("/a.txt", &[&field("plain:pass word\0x")])
        .get_with("/a.txt", &[&field("plain\0:pass word")])
        .get_with("/a.txt", &[&field("plain\n:pass word")])
        .get_with("/a.txt", &[&field("pl\u{e4}in:pass word")])
        .ask("HEAD", "/a.txt", &[], "")
        .ask("POST", "/a.txt", &["Content-Length: 3"], "abc")
        .check();
}

#[test]
fn realms_and_files_may_have_variables() {
    Feature::new(
        "realms",
        r#"server { listen {port}; root {files}; auth_basic_user_file {files}/users;
            location /off/ { alias {files}/; auth_basic off; }
            location /text/ { alias {files}/; auth_basic "a \"quoted\" realm of $host"; }
            location /var/ { alias {files}/; auth_basic $arg_realm; }
            location /file/ { alias {files}/; auth_basic x; auth_basic_user_file {files}/$arg_file; }
            location /no-realm/ { alias {files}/; }
        }
        server { listen {port}; server_name outer.test; root {files}; auth_basic outer; auth_basic_user_file {files}/users;
            location / { }
            location /inner/ { alias {files}/; auth_basic inner; }
            location /inner/off/ { alias {files}/; auth_basic off; }
            location /inner/file/ { alias {files}/; auth_basic_user_file {files}/others; }
        }"#,
    )
    .get(&[
        "/off/a.txt", "/text/a.txt", "/var/a.txt", "/var/a.txt?realm=off", "/var/a.txt?realm=x", "/no-realm/a.txt",
        "/file/a.txt?file=users",
    ])
    .get_with("/file/a.txt?file=users", &[&field("plain:pass word")])
    .get_with("/file/a.txt?file=others", &[&field("plain:pass word")])
    .get_with("/file/a.txt?file=others", &[&field("carol:secret")])
    .get_with("/file/a.txt?file=none", &[&field("carol:secret")])
    .host("outer.test", "/a.txt")
    .host("outer.test", "/inner/a.txt")
    .host("outer.test", "/inner/off/a.txt")
    .host("outer.test", "/inner/file/a.txt")
    .check();
}

#[test]
fn without_a_file_nobody_is_asked() {
    Feature::new(
        "no user file",
        r#"server { listen {port}; root {files};
            location /1/ { alias {files}/; auth_basic x; }
            location /2/ { alias {files}/; auth_basic_user_file {files}/users; }
        }"#,
    )
    .get(&["/1/a.txt", "/2/a.txt"])
    .check();
}

#[test]
fn pages_for_who_is_asked_for_a_password() {
    Feature::new(
        "auth_basic and error_page",
        r#"server { listen {port}; root {files}; auth_basic_user_file {files}/users;
            location / { }
            location /page { auth_basic x; error_page 401 /errors/404.html; }
            location /ok { auth_basic x; error_page 401 =200 /a.txt; }
            location /named { auth_basic x; error_page 401 @named; }
            location /named200 { auth_basic x; error_page 401 =200 @named; }
            location /url { auth_basic x; error_page 401 http://other.test/login?$uri; }
            location /shut { auth_basic x; error_page 401 /shut/page; }
            location /proxy { auth_basic x; error_page 401 = @proxy; }
            location @named { return 200 "named $status"; }
            location @proxy { proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[])
    .get(&["/page", "/ok", "/named", "/named200", "/url", "/shut", "/proxy"])
    .check();
}

#[test]
fn who_is_known_is_passed_on() {
    let text = format!(
        r#"{LOG} server {{ listen {{port}}; access_log logs/lines.log lines;
            auth_basic x; auth_basic_user_file {{files}}/users; proxy_set_header X-User $remote_user;
            location / {{ proxy_pass http://{{a}}; }}
            location /hidden {{ proxy_pass http://{{a}}; proxy_set_header Authorization ""; }}
        }}"#
    );
    let feature = Feature::new("auth_basic and proxies", &text).backend(&[]).get(&["/x"]);
    let feature = asking(feature, "/x", &["plain:pass word", "plain:no", "bcrypt:pass word", "bcrypt:pass word!"]);
    asking(feature, "/hidden", &["sha512:pass word"]).ask("POST", "/x", &["Content-Length: 3"], "abc").check();
}

#[test]
fn an_answer_of_401_is_held_back() {
    Feature::new(
        "auth_delay",
        r#"server { listen {port}; root {files}; auth_basic_user_file {files}/users; auth_delay 300ms;
            location / { auth_basic x; }
            location /shut/ { deny all; }
        }"#,
    )
    .get(&["/a.txt", "/shut/"])
    .get_with("/a.txt", &[&field("plain:pass word")])
    .get_with("/a.txt", &[&field("plain:no")])
    .check();
}
