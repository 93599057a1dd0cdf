//! `memcached_pass` in front of memcacheds that answer oddly.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::setup::Feature;
use crate::support::ports;

/// What is said of a key; the connection ends after an answer that is cut off.
fn answer(key: &str) -> (&'static str, bool) {
    match key {
        "/invalid" => ("SERVER_ERROR nonsense\r\n", true),
        "/key" => ("VALUE /other 0 3\r\nabc\r\nEND\r\n", true),
        "/length" => ("VALUE /length 0 abc\r\nabc\r\nEND\r\n", true),
        "/huge" => ("VALUE /huge 0 99999999999999999999999\r\nabc", true),
        "/trailer" => ("VALUE /trailer 0 3\r\nabcXXEND\r\n", true),
        "/cut" => ("VALUE /cut 0 100\r\nabc", false),
        "/closed" => ("", false),
        "/silent" => ("VALUE ", true),
        _ => ("END\r\n", true),
    }
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let key = line.trim_end().strip_prefix("get ").unwrap_or_default();
        if key == "/pieces" {
            for byte in b"VALUE /pieces 0 8\r\nSEE-THIS\r\nEND\r\n" {
                stream.write_all(&[*byte])?;
            }
        }
        let (said, goes_on) = if key == "/pieces" { ("", true) } else { answer(key) };
        stream.write_all(said.as_bytes())?;
        if !goes_on {
            return Ok(());
        }
        line.clear();
    }
    Ok(())
}

fn odd() -> SocketAddr {
    let listener = TcpListener::bind(ports::local(ports::free())).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that leaves ends its connection, and nothing else.
            std::thread::spawn(move || drop(serve(stream)));
        }
    });
    address
}

#[test]
fn what_no_memcached_says_is_a_bad_gateway() {
    let text = format!(
        "log_format t \"$uri\\t$status\\t$upstream_status\"; access_log logs/lines.log t;
        server {{ listen {{port}}; memcached_read_timeout 1s;
            location / {{ set $memcached_key $uri; memcached_pass {0}; }}
            location = /cut {{ access_log off; set $memcached_key /cut; memcached_pass {0}; }}
            location /page/ {{ set $memcached_key /invalid; memcached_pass {0}; error_page 502 = @there; }}
            location @there {{ return 200 \"there $upstream_status\\n\"; }} }}",
        odd()
    );
    Feature::new("odd memcached", &text)
        .without_probes()
        .get(&[
            "/pieces", "/invalid", "/key", "/length", "/huge", "/trailer", "/closed", "/silent", "/page/x", "/cut",
            "/none",
        ])
        .check();
}
