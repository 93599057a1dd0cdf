//! `set_real_ip_from` and its like.

use super::setup::Feature;

const LOG: &str = r#"log_format lines "status=$status\taddr=$remote_addr\treal=$realip_remote_addr";"#;

/// Requests with one field each.
fn with(mut feature: Feature, targets: &[&str], name: &str) -> Feature {
    let values = [
        "192.0.2.1",
        "192.0.2.1, 192.0.2.2",
        "192.0.2.1, 127.0.0.1",
        "192.0.2.9,192.0.2.1, 10.0.0.1 , 127.0.0.1,",
        "10.0.0.1, 127.0.0.1",
        "192.0.2.1:4711",
        "[2001:db8::1]:4711",
        "2001:db8::1",
        "[2001:db8::1]",
        "2001:DB8:0:0::1, 10.0.0.1",
        "::ffff:192.0.2.1",
        "nonsense",
        "nonsense, 127.0.0.1",
        "192.0.2.1, nonsense",
        "unknown, unix:",
        "unix:",
        "192.0.2.256",
        "192.0.02.1",
        "255.255.255.255",
        "0.0.0.0",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2",
        ",",
        ", ",
        "",
    ];
    for target in targets {
        for value in values {
            feature = feature.get_with(target, &[&format!("{name}: {value}")]);
        }
    }
    feature
}

const SHOWS: &str = r#"return 200 "$remote_addr|$realip_remote_addr|$proxy_add_x_forwarded_for|$binary_remote_addr"; "#;

#[test]
fn a_trusted_proxy_is_believed() {
    let text = format!(
        r#"{LOG} set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8;
        server {{ listen {{port}}; access_log logs/lines.log lines; {SHOWS} }}"#
    );
    with(Feature::new("real_ip", &text), &["/"], "X-Real-IP").get(&["/none"]).check();
}

#[test]
fn lists_are_read_from_behind() {
    let text = format!(
        r#"{LOG} set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; set_real_ip_from 2001:db8::/32;
        server {{ listen {{port}}; access_log logs/lines.log lines; real_ip_header X-Forwarded-For; {SHOWS} }}"#
    );
    with(Feature::new("real_ip forwarded", &text), &["/"], "X-Forwarded-For")
        .get_with("/two", &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"])
        .get_with("/two", &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.1"])
        .check();
}

#[test]
fn trusted_proxies_are_passed_over() {
    let text = format!(
        r#"{LOG} set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; set_real_ip_from 2001:db8::/32; real_ip_recursive on;
        server {{ listen {{port}}; access_log logs/lines.log lines; real_ip_header X-Forwarded-For; {SHOWS} }}"#
    );
    with(Feature::new("real_ip recursive", &text), &["/"], "X-Forwarded-For")
        .get_with("/two", &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.1"])
        .get_with(
            "/three",
            &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2, 10.0.0.3"],
        )
        .get_with(
            "/broken",
            &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: nonsense, 10.0.0.1", "X-Forwarded-For: 10.0.0.2"],
        )
        .get_with("/cut", &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: nonsense"])
        .check();
}

#[test]
fn any_field_may_tell() {
    let text = format!(
        r#"{LOG} set_real_ip_from 127.0.0.0/8;
        server {{ listen {{port}}; access_log logs/lines.log lines; real_ip_header CF-Connecting-IP; real_ip_recursive on; {SHOWS} }}"#
    );
    with(Feature::new("real_ip any field", &text), &["/"], "cf-connecting-ip")
        .get_with("/two", &["CF-Connecting-IP: 192.0.2.1", "CF-Connecting-IP: 192.0.2.2"])
        .get_with("/other", &["X-Real-IP: 192.0.2.1"])
        .check();
}

#[test]
fn nobody_else_is_believed() {
    let text = format!(
        r#"{LOG} server {{ listen {{port}}; access_log logs/lines.log lines; set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:;
            real_ip_header X-Forwarded-For; real_ip_recursive on; {SHOWS} }}"#
    );
    with(Feature::new("real_ip of strangers", &text), &["/"], "X-Forwarded-For").check();
}

#[test]
fn the_address_counts_in_rules_and_towards_backends() {
    Feature::new(
        "real_ip and rules",
        r#"log_format lines "status=$status\taddr=$remote_addr";
        server { listen {port}; access_log logs/lines.log lines; root {files};
            set_real_ip_from 127.0.0.1;
            location / { allow 192.0.2.0/24; deny all; }
            location /unix/ { alias {files}/; allow unix:; deny all; }
            location /v6/ { alias {files}/; allow 2001:db8::/32; deny all; }
            location /port/ { return 200 "$remote_addr|$remote_port|$realip_remote_addr"; }
            location /up/ { proxy_pass http://{a}; proxy_set_header X-Real-IP $remote_addr;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }
        }"#,
    )
    .backend(&[])
    .get(&["/a.txt", "/unix/a.txt", "/v6/a.txt", "/up/"])
    .get_with("/port/a.txt", &["X-Real-IP: 192.0.2.1:4711"])
    .get_with("/port/a.txt", &["X-Real-IP: [2001:db8::1]:4712"])
    .get_with("/port/a.txt", &["X-Real-IP: 192.0.2.1"])
    .get_with("/a.txt", &["X-Real-IP: 192.0.2.1"])
    .get_with("/a.txt", &["X-Real-IP: 192.0.3.1"])
    .get_with("/unix/a.txt", &["X-Real-IP: 0.0.0.0"])
    .get_with("/unix/a.txt", &["X-Real-IP: unix:"])
    .get_with("/v6/a.txt", &["X-Real-IP: 2001:db8::7"])
    .get_with("/v6/a.txt", &["X-Real-IP: 192.0.2.1"])
    .get_with("/up/", &["X-Real-IP: 192.0.2.1", "X-Forwarded-For: 198.51.100.1"])
    .check();
}

#[test]
fn a_location_may_know_proxies_of_its_own() {
    Feature::new(
        "real_ip in locations",
        r#"log_format lines "status=$status\taddr=$remote_addr\turi=$uri";
        server { listen {port}; access_log logs/lines.log lines; root {files};
            location / { set_real_ip_from 127.0.0.1; allow 192.0.2.1; deny all; }
            location /other/ { alias {files}/; set_real_ip_from 10.0.0.1; allow 192.0.2.1; deny all; }
            location /early { set_real_ip_from 127.0.0.1; return 200 $remote_addr; }
            location /moves { set_real_ip_from 127.0.0.1; try_files /none /lands; }
            location /lands { return 200 "$remote_addr $realip_remote_addr"; }
        }
        server { listen {port}; server_name own.test; set_real_ip_from 127.0.0.1; real_ip_header X-A;
            rewrite ^/by/(.*)$ /shown/$remote_addr;
            location / { real_ip_header X-B; return 200 "$remote_addr"; }
            location /shown/ { return 200 "$uri"; }
        }"#,
    )
    .get(&["/a.txt"])
    .get_with("/a.txt", &["X-Real-IP: 192.0.2.1"])
    .get_with("/other/a.txt", &["X-Real-IP: 192.0.2.1"])
    .get_with("/early", &["X-Real-IP: 192.0.2.1"])
    .get_with("/moves", &["X-Real-IP: 192.0.2.1"])
    .lines("own a", &["GET / HTTP/1.1", "Host: own.test", "X-A: 192.0.2.1", "X-B: 192.0.2.2"])
    .lines("own b", &["GET / HTTP/1.1", "Host: own.test", "X-B: 192.0.2.2"])
    .lines("own c", &["GET /by/x HTTP/1.1", "Host: own.test", "X-A: 192.0.2.1"])
    .check();
}
