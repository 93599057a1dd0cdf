//! `gunzip`: for clients that do not take what the upstream has compressed.

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::setup::Feature;
use crate::support::backend::Backend;
use crate::support::edge::Edge;
use crate::support::ports;

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

/// What edge holds in memory that is no file's, in MB.
fn own_memory(edge: &Edge) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", edge.id())).expect("a process that runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a process with memory");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") / 1024
}

/// 768 KB of gzip become 768 MB. Each piece of it waits in a file; Pingora gathers a few of them before it writes, so that it
/// is some 400 MB at the most, however large the whole is.
#[test]
fn what_a_bomb_takes_of_memory_does_not_grow_with_it() {
    const MB: usize = 1 << 20;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    (0..768).for_each(|_| encoder.write_all(&vec![0; MB]).expect("memory takes it"));
    let packed = encoder.finish().expect("memory takes it");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let backend = Backend::answering([head.into_bytes(), packed].concat());
    let port = ports::free();
    let text = format!(
        "events {{}} http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ gunzip on; proxy_pass http://{}; }} }} }}",
        backend.address()
    );
    let edge = Edge::nginx_conf(&text, port).start();
    let mut client = TcpStream::connect(edge.address()).expect("a connection");
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("a request");
    let (before, mut most, mut read) = (own_memory(&edge), 0, 0);
    let mut buffer = vec![0; MB];
    loop {
        let n = client.read(&mut buffer).expect("an answer");
        if n == 0 {
            break;
        }
        read += n;
        most = most.max(own_memory(&edge));
    }
    assert!(read > 768 * MB, "{read} bytes: {}", edge.errors());
    assert!(most.saturating_sub(before) < 600, "{before} MB, then {most} MB");
}
