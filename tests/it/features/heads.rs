//! Heads of requests: which fields and lines are taken.

use super::setup::Feature;

#[test]
fn long_heads_are_refused() {
    let target = |length: usize| format!("GET /{} HTTP/1.1", "x".repeat(length));
    let field = |length: usize| format!("X-Long: {}", "x".repeat(length));
    let mut feature = Feature::new(
        "large_client_header_buffers",
        "server { listen {port}; client_header_buffer_size 256; location / { return 200 \"$http_x_long|$uri\"; } }",
    );
    for length in
        [200, 300, 8_000, 8_150, 8_170, 8_171, 8_172, 8_173, 8_174, 8_175, 8_176, 8_177, 8_178, 8_180, 8_200, 20_000]
    {
        feature = feature.lines(&format!("target {length}"), &[&target(length), "Host: a"]);
    }
    for length in [200, 300, 8_000, 8_150, 8_180, 8_181, 8_182, 8_183, 8_184, 8_190, 8_200, 20_000] {
        feature = feature.lines(&format!("field {length}"), &["GET / HTTP/1.1", "Host: a", &field(length)]);
    }
    let seven = field(7_000);
    for count in 2..7 {
        let mut lines = vec!["GET / HTTP/1.1", "Host: a"];
        lines.extend(std::iter::repeat_n(seven.as_str(), count));
        feature = feature.lines(&format!("{count} fields"), &lines);
    }
    let small: Vec<String> = (0..300).map(|n| format!("X-{n}: y")).collect();
    let mut lines = vec!["GET / HTTP/1.1", "Host: a"];
    lines.extend(small.iter().map(String::as_str));
    feature.lines("300 fields", &lines).check();
}

fn fields(name: &'static str, setting: &str) {
    let text = format!(
        "server {{ listen {{port}}; {setting} location / {{ proxy_pass http://{{a}}; }} location /v {{ return 200 \"$http_a_b|$http_x|$http_a_c\"; }} }}"
    );
    let mut feature = Feature::new(name, &text).backend(&[]);
    for (name, field) in [
        ("an underscore", "A_B: 1"),
        ("a dash", "A-B: 1"),
        ("both", "A_B: 1\r\nA-B: 2"),
        ("a dot", "A.B: 1"),
        ("an exclamation mark", "A!B: 1"),
        ("a space", "A B: 1"),
        ("a space before the colon", "A : 1"),
        ("no colon", "A"),
        ("no name", ": 1"),
        ("a number", "1: 1"),
        ("a control", "A\x01: 1"),
        ("an umlaut", "A\u{fc}: 1"),
        ("a control in the value", "X: a\x01b"),
        ("a tab in the value", "X: a\tb"),
        ("a NUL in the value", "X: a\0b"),
        ("folded", "X: a\r\n b"),
        ("a bare CR", "X: a\rb"),
        ("a bare LF", "X: a\nY: b"),
        ("an umlaut in the value", "X: \u{fc}"),
        ("an underscore alone", "_: 1"),
        ("a quote", "A\"B: 1"),
        ("empty", "X:"),
    ] {
        feature = feature.lines(name, &["GET /p HTTP/1.1", "Host: a", field]);
        feature = feature.lines(&format!("{name} seen"), &["GET /v HTTP/1.1", "Host: a", field]);
    }
    feature.check();
}

#[test]
fn fields_of_requests_as_usual() {
    fields("fields", "");
}

#[test]
fn fields_with_underscores() {
    fields("underscores_in_headers", "underscores_in_headers on;");
}

#[test]
fn invalid_fields_refused() {
    fields("ignore_invalid_headers off", "ignore_invalid_headers off;");
}

#[test]
fn invalid_fields_with_underscores() {
    fields("both settings", "ignore_invalid_headers off; underscores_in_headers on;");
}
