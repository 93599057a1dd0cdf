//! Limits on connections and on what is kept of bodies: what nobody runs into changes nothing, as with nginx.

use super::backends::Act;
use super::setup::Feature;

const TEN: &[&str] = &["Content-Length: 10"];

#[test]
fn limits_nobody_runs_into() {
    Feature::new(
        "limits of connections",
        r#"upstream pair { server {dead}; server {a}; }
        proxy_connect_timeout 2s;
        proxy_send_timeout 5s;
        proxy_socket_keepalive on;
        tcp_nodelay on;
        send_timeout 20s;
        reset_timedout_connection on;
        lingering_close on;
        lingering_time 2s;
        lingering_timeout 1s;
        server { listen {port};
            location /a { proxy_pass http://{a}; }
            location /ignored { proxy_ignore_client_abort on; proxy_pass http://{a}; }
            location /limited { proxy_limit_rate 100k; proxy_pass http://{a}; }
            location /memory { proxy_max_temp_file_size 0; proxy_pass http://{a}; }
            location /spooled {
                client_body_in_file_only clean;
                client_body_temp_path bodies 1;
                proxy_temp_path temporary 1 2;
                proxy_pass http://{a};
            }
            location /next { proxy_next_upstream_timeout 5s; proxy_pass http://pair; }
            location /small { client_max_body_size 5; proxy_pass http://{a}; }
        }"#,
    )
    .backend(&[("/a/late", Act::Late(300, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nlate"))])
    .get(&["/a", "/a/late", "/ignored", "/limited", "/memory", "/spooled", "/next"])
    .ask("POST", "/spooled", TEN, "0123456789")
    .ask("POST", "/memory", TEN, "0123456789")
    .ask("POST", "/small", TEN, "0123456789")
    .ask("PUT", "/next", TEN, "0123456789")
    .check();
}

/// Which server a key leads to is nginx's choice as well: whoever changes from one to the other keeps his caches.
#[test]
fn keys_lead_to_the_same_servers() {
    let feature = Feature::new(
        "hash",
        r#"upstream plain { hash $uri; server {a} weight=2; server {b}; }
        upstream ring { hash $uri consistent; server {a}; server {b} weight=3; }
        server { listen {port};
            location /plain { proxy_pass http://plain; }
            location /ring { proxy_pass http://ring; }
        }"#,
    );
    let targets: Vec<String> = (0..12).flat_map(|n| [format!("/plain/{n}"), format!("/ring/{n}")]).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    feature.backend(&[]).backend(&[]).get(&targets).check();
}

#[test]
fn levels_of_what_limits_log_change_no_answer() {
    Feature::new(
        "levels of limits",
        r#"limit_req_zone $uri zone=often:1m rate=1r/m;
        limit_conn_zone $binary_remote_addr zone=once:1m;
        server { listen {port};
            location / {
                limit_req_log_level info;
                limit_conn_log_level notice;
                limit_req zone=often;
                limit_conn once 10;
                return 200 "in";
            }
        }"#,
    )
    .get(&["/one", "/two"])
    .lines("/one again", &["GET /one HTTP/1.1", "Host: a"])
    .check();
}
