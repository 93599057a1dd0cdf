//! One POST over plain HTTP/1.1, on a connection of its own: once a second at the most, by a thread that may wait.
//!
//! What always holds: all of it together takes no longer than its limit; of the answer no more is read than its first line.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The port that OTLP has over HTTP.
const PORT: u16 = 4318;
/// The longest first line of an answer.
const LINE: usize = 1024;
/// A collector that has many addresses is looked for at so many of them.
const ADDRESSES: usize = 4;

/// Where a collector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
    path: String,
}

/// Why a text names no collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    #[error("spans are sent over plain HTTP: the URL must begin with `http://`, such as `http://127.0.0.1:4318`")]
    Scheme,
    #[error("expected `http://HOST:PORT`, and perhaps a path, such as `http://127.0.0.1:4318`")]
    Shape,
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it has no address")]
    Nowhere,
    #[error("it did not answer within {0:?}")]
    Late(Duration),
    #[error("it answers {0}")]
    Refused(u16),
    #[error("what it answers is no HTTP")]
    Nonsense,
}

impl Endpoint {
    /// As OpenTelemetry's OTEL_EXPORTER_OTLP_ENDPOINT: `/v1/traces` is put behind it.
    pub fn parse(text: &str) -> Result<Endpoint, BadEndpoint> {
        let rest = text.strip_prefix("http://").ok_or(BadEndpoint::Scheme)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_path = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#');
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| BadEndpoint::Shape)?),
            _ => (authority, PORT),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        let is_named = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && is_host(host),
        };
        if !is_named || port == 0 || !path.bytes().all(is_path) {
            return Err(BadEndpoint::Shape);
        }
        let path = format!("{}/v1/traces", path.trim_end_matches('/'));
        Ok(Endpoint { host: host.to_owned(), port, path })
    }

    pub(super) fn post(&self, body: &[u8], limit: Duration) -> Result<(), Failure> {
        let until = Instant::now() + limit;
        self.converse(body, until).map_err(|failure| match failure {
            Failure::Io(e) if matches!(e.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => {
                Failure::Late(limit)
            }
            failure => failure,
        })
    }

    fn converse(&self, body: &[u8], until: Instant) -> Result<(), Failure> {
        let mut stream = self.connect(until)?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             User-Agent: edge/{}\r\nConnection: close\r\n\r\n",
            self.path,
            self.host,
            self.port,
            body.len(),
            env!("CARGO_PKG_VERSION")
        );
        for mut left in [head.as_bytes(), body] {
            while !left.is_empty() {
                stream.set_write_timeout(Some(left_until(until)?))?;
                match stream.write(left)? {
                    0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                    count => left = &left[count..],
                }
            }
        }
        match hear(&mut stream, until)? {
            200..=299 => Ok(()),
            status => Err(Failure::Refused(status)),
        }
    }

    fn connect(&self, until: Instant) -> Result<TcpStream, Failure> {
        let host = self.host.trim_matches(['[', ']']);
        let mut failure = Failure::Nowhere;
        for address in (host, self.port).to_socket_addrs()?.take(ADDRESSES) {
            match TcpStream::connect_timeout(&address, left_until(until)?) {
                Ok(stream) => return Ok(stream),
                Err(e) => failure = e.into(),
            }
        }
        Err(failure)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

fn left_until(until: Instant) -> Result<Duration, Failure> {
    let left = until.saturating_duration_since(Instant::now());
    match left.is_zero() {
        true => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        false => Ok(left),
    }
}

/// The status of the answer.
fn hear(stream: &mut TcpStream, until: Instant) -> Result<u16, Failure> {
    let mut heard = Vec::new();
    while heard.len() < LINE && !heard.contains(&b'\n') {
        let mut piece = [0; 256];
        stream.set_read_timeout(Some(left_until(until)?))?;
        match stream.read(&mut piece)? {
            0 => break,
            count => heard.extend_from_slice(&piece[..count]),
        }
    }
    status_of(&heard).ok_or(Failure::Nonsense)
}

/// The status that an answer begins with.
pub fn status_of(text: &[u8]) -> Option<u16> {
    let rest = text.strip_prefix(b"HTTP/1.1 ").or_else(|| text.strip_prefix(b"HTTP/1.0 "))?;
    let (digits, end) = rest.split_at_checked(3)?;
    let ends = matches!(end.first(), Some(b' ' | b'\r' | b'\n'));
    let number = digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0')));
    number.filter(|status| ends && *status >= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_plain_url_with_a_port_that_goes_without_saying() {
        let of = |text| Endpoint::parse(text).map(|endpoint| endpoint.to_string());
        assert_eq!(of("http://127.0.0.1:4318"), Ok("http://127.0.0.1:4318/v1/traces".into()));
        assert_eq!(of("http://collector"), Ok("http://collector:4318/v1/traces".into()));
        assert_eq!(of("http://[::1]:80/otlp/"), Ok("http://[::1]:80/otlp/v1/traces".into()));
        assert_eq!(of("http://[::1]"), Ok("http://[::1]:4318/v1/traces".into()));
        assert_eq!(of("https://collector"), Err(BadEndpoint::Scheme));
        for wrong in [
            "http://",
            "http://a:b",
            "http://a:0",
            "http://a:70000",
            "http://a b",
            "http://u@a",
            "http://a/?x",
            "http://[x]",
        ] {
            assert_eq!(of(wrong), Err(BadEndpoint::Shape), "{wrong}");
        }
    }

    #[test]
    fn the_status_is_what_stands_in_the_first_line() {
        assert_eq!(status_of(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status_of(b"HTTP/1.0 503\r\n"), Some(503));
        for wrong in ["", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1 -20 ", "HTTP/2 200 ", "HTTP/1.1 099 "] {
            assert_eq!(status_of(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
