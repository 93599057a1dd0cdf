//! The PROXY protocol: a balancer in front says whose connection it brings (`listen … proxy_protocol`), and edge says so
//! to an upstream that wants to know (`proxy_protocol on`).
//!
//! It stands before everything else, TLS too. What is read is exactly the header; whatever came with it stays to be read.
//! No more is waited for than a header may be long; how long is waited is the caller's affair.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use pingora_core::protocols::l4::stream::Stream;
use ppp::{v1, v2};
use tokio::io::AsyncReadExt;

use crate::config::diagnostics::numbered;

/// The longest line of version 1, its line end counted.
const LINE: usize = 107;
/// The longest header of version 2, what extends it counted.
const BLOCK: usize = 536;
/// What version 2 has before its addresses.
const FIXED: usize = 16;
/// How much of a broken header the log shows.
const SHOWN: usize = 107;

/// What a header says. Both are absent where it speaks of the balancer's own connection or of none it can name: then the
/// addresses of the socket hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    pub source: Option<SocketAddr>,
    pub destination: Option<SocketAddr>,
}

/// Why a connection without a good header is closed, in nginx's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("broken header: \"{0}\" while reading PROXY protocol")]
    Broken(String),
    #[error("client closed connection while reading PROXY protocol")]
    Closed,
    #[error("recv() failed ({}) while reading PROXY protocol", numbered(.0))]
    Io(#[from] io::Error),
}

/// Which header is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// Reads the header that must stand first.
pub async fn read(stream: &mut Stream) -> Result<Announced, Error> {
    let mut buffer = [0; BLOCK];
    let mut have = 0;
    loop {
        match parse(&buffer[..have]) {
            Parsed::Whole(announced, length) => {
                stream.rewind(&buffer[length..have]);
                return Ok(announced);
            }
            Parsed::Broken => return Err(broken(&buffer[..have])),
            Parsed::Partial => {}
        }
        match stream.read(&mut buffer[have..]).await? {
            0 if have == 0 => return Err(Error::Closed),
            0 => return Err(broken(&buffer[..have])),
            n => have += n,
        }
    }
}

fn broken(bytes: &[u8]) -> Error {
    let line = bytes.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
    Error::Broken(line[..line.len().min(SHOWN)].escape_ascii().to_string())
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A header of so many bytes.
    Whole(Announced, usize),
    /// Perhaps the beginning of one, and short enough for it.
    Partial,
    Broken,
}

pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if begins(v2::PROTOCOL_PREFIX) {
        return parse_block(bytes);
    }
    match begins(b"PROXY ") {
        true => parse_line(bytes),
        false => Parsed::Broken,
    }
}

fn parse_line(bytes: &[u8]) -> Parsed {
    let Some(end) = memchr::memchr(b'\n', &bytes[..bytes.len().min(LINE)]) else {
        return if bytes.len() < LINE { Parsed::Partial } else { Parsed::Broken };
    };
    let Ok(line) = std::str::from_utf8(&bytes[..=end]) else { return Parsed::Broken };
    let Some(text) = line.strip_suffix("\r\n") else { return Parsed::Broken };
    if text == "PROXY UNKNOWN" || text.starts_with("PROXY UNKNOWN ") {
        return Parsed::Whole(Announced::default(), end + 1);
    }
    // a port with a sign is a number to the crate
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b" .:".contains(&b)) {
        return Parsed::Broken;
    }
    match v1::Header::try_from(line).map(|header| header.addresses) {
        Ok(v1::Addresses::Tcp4(ip)) => whole(
            (IpAddr::V4(ip.source_address), ip.source_port),
            (IpAddr::V4(ip.destination_address), ip.destination_port),
            end + 1,
        ),
        Ok(v1::Addresses::Tcp6(ip)) => whole(
            (IpAddr::V6(ip.source_address), ip.source_port),
            (IpAddr::V6(ip.destination_address), ip.destination_port),
            end + 1,
        ),
        Ok(v1::Addresses::Unknown) | Err(_) => Parsed::Broken,
    }
}

fn parse_block(bytes: &[u8]) -> Parsed {
    let Some(fixed) = bytes.get(..FIXED) else { return Parsed::Partial };
    let length = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > BLOCK {
        return Parsed::Broken;
    }
    let Some(block) = bytes.get(..length) else { return Parsed::Partial };
    let Ok(header) = v2::Header::try_from(block) else { return Parsed::Broken };
    if header.command == v2::Command::Local || header.protocol != v2::Protocol::Stream {
        return Parsed::Whole(Announced::default(), length);
    }
    match header.addresses {
        v2::Addresses::IPv4(ip) => whole(
            (IpAddr::V4(ip.source_address), ip.source_port),
            (IpAddr::V4(ip.destination_address), ip.destination_port),
            length,
        ),
        v2::Addresses::IPv6(ip) => whole(
            (IpAddr::V6(ip.source_address), ip.source_port),
            (IpAddr::V6(ip.destination_address), ip.destination_port),
            length,
        ),
        // as nginx does: the balancer has a connection that this one cannot tell of
        v2::Addresses::Unix(_) | v2::Addresses::Unspecified => Parsed::Whole(Announced::default(), length),
    }
}

fn whole(source: (IpAddr, u16), destination: (IpAddr, u16), length: usize) -> Parsed {
    Parsed::Whole(Announced { source: Some(source.into()), destination: Some(destination.into()) }, length)
}

/// The header that tells an upstream whose connection it gets: from where, to where; nothing of a client on a unix socket.
/// Addresses of two families are written as two of IPv6.
pub fn write(version: Version, ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let Some((source, destination)) = ends else {
        return match version {
            Version::V1 => b"PROXY UNKNOWN\r\n".to_vec(),
            Version::V2 => [v2::PROTOCOL_PREFIX, &LOCAL].concat(),
        };
    };
    let (source, destination) = match (canonical(source), canonical(destination)) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => (source.into(), destination.into()),
        (source, destination) => (as_ipv6(source), as_ipv6(destination)),
    };
    match version {
        Version::V1 => line(source, destination),
        Version::V2 => block(source, destination),
    }
}

/// Of no connection, without addresses.
const LOCAL: [u8; 4] = [0x20, 0, 0, 0];

/// An IPv4 client of a socket of IPv6 is one of IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    (address.ip().to_canonical(), address.port()).into()
}

fn as_ipv6(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    (ip, address.port()).into()
}

fn line(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { v1::TCP4 } else { v1::TCP6 };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into()
}

fn block(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    const PROXY: u8 = 0x21;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    let mut out = v2::PROTOCOL_PREFIX.to_vec();
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let addresses = [octets(source.ip()), octets(destination.ip())].concat();
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    let is_ipv4 = addresses.len() == 2 * size_of::<Ipv4Addr>();
    out.extend_from_slice(&[PROXY, if is_ipv4 { TCP4 } else { TCP6 }, 0, (addresses.len() + ports.len()) as u8]);
    out.extend_from_slice(&addresses);
    out.extend_from_slice(&ports);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    fn announced(source: &str, destination: &str) -> Announced {
        Announced { source: Some(source.parse().unwrap()), destination: Some(destination.parse().unwrap()) }
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, rest].concat()
    }

    const IPV4: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 187];

    fn good() -> Vec<(Vec<u8>, Announced)> {
        let known = announced("1.2.3.4:80", "5.6.7.8:443");
        let extended = [&IPV4[..], &[0x20, 0, 2, 1, 0], &[7; 400]].concat();
        let unix = [0; 216];
        vec![
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\n".to_vec(), known),
            (b"PROXY TCP6 ::1 2001:db8::2 1 65535\r\n".to_vec(), announced("[::1]:1", "[2001:db8::2]:65535")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Announced::default()),
            (b"PROXY UNKNOWN ffff:f...f:ffff a b c d e f g h\r\n".to_vec(), Announced::default()),
            (v2(0x21, 0x11, &IPV4), known),
            (v2(0x21, 0x11, &extended), known),
            (v2(0x20, 0x11, &IPV4), Announced::default()),
            (v2(0x20, 0x00, &[]), Announced::default()),
            (v2(0x21, 0x00, &[1, 2, 3]), Announced::default()),
            (v2(0x21, 0x12, &IPV4), Announced::default()),
            (v2(0x21, 0x31, &unix), Announced::default()),
        ]
    }

    fn bad() -> Vec<Vec<u8>> {
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 100], b"\r\n"].concat();
        let mut bad = vec![long, v2(0x21, 0x11, &[0; 521]), v2(0x11, 0x11, &IPV4), v2(0x22, 0x11, &IPV4)];
        bad.extend([v2(0x21, 0x11, &IPV4[..11]), v2(0x21, 0x41, &IPV4), v2(0x21, 0x13, &IPV4)]);
        let lines: [&[u8]; 15] = [
            b"GET / HTTP/1.1\r\n",
            b"\r\n\r\nPROXY",
            b"proxy TCP4 1.2.3.4 5.6.7.8 80 443\r\n",
            b"PROXY TCP5 1.2.3.4 5.6.7.8 80 443\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 80\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443 \r\n",
            b"PROXY TCP4  1.2.3.4 5.6.7.8 80 443\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 80 65536\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 080 443\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 +80 443\r\n",
            b"PROXY TCP4 1.2.3 5.6.7.8 80 443\r\n",
            b"PROXY TCP4 ::1 ::1 80 443\r\n",
            b"PROXY TCP6 1.2.3.4 5.6.7.8 80 443\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443\n",
            b"PROXY UNKNOWNX\r\n",
        ];
        bad.extend(lines.map(<[u8]>::to_vec));
        bad
    }

    #[test]
    fn every_beginning_of_a_header_is_waited_for_and_nothing_after_it_is_taken() {
        for (header, expected) in good() {
            for n in 0..header.len() {
                assert_eq!(parse(&header[..n]), Parsed::Partial, "{n} of {}", header.escape_ascii());
            }
            let more = [&header[..], b"PROXY \r\n\0"].concat();
            assert_eq!(parse(&more), Parsed::Whole(expected, header.len()), "{}", header.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for header in bad() {
            assert_eq!(parse(&header), Parsed::Broken, "{}", header.escape_ascii());
        }
    }

    /// A connection on which this is sent, `size` bytes at a time, and then closed.
    async fn sent(bytes: Vec<u8>, size: usize) -> Stream {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        peer.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            for part in bytes.chunks(size) {
                if peer.write_all(part).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            let _ = peer.shutdown().await;
            let _ = peer.read_to_end(&mut Vec::new()).await;
        });
        listener.accept().await.unwrap().0.into()
    }

    #[tokio::test]
    async fn what_follows_a_header_stays_to_be_read() {
        for (header, expected) in good() {
            for size in [1, 7, 10_000] {
                let mut stream = sent([&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat(), size).await;
                assert_eq!(read(&mut stream).await.unwrap(), expected);
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, b"GET / HTTP/1.1\r\n\r\n");
            }
        }
    }

    #[tokio::test]
    async fn a_broken_header_is_told_in_nginxs_words() {
        let table: [(&[u8], &str); 4] = [
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "broken header: \"GET / HTTP/1.1\" while reading PROXY protocol"),
            (b"PROXY TCP4 1.2", "broken header: \"PROXY TCP4 1.2\" while reading PROXY protocol"),
            (b"\x16\x03\x01", "broken header: \"\\x16\\x03\\x01\" while reading PROXY protocol"),
            (b"", "client closed connection while reading PROXY protocol"),
        ];
        for (bytes, message) in table {
            let mut stream = sent(bytes.to_vec(), 1000).await;
            assert_eq!(read(&mut stream).await.unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn families_are_not_mixed() {
        let (four, six) = ("1.2.3.4:80".parse().unwrap(), "[::1]:443".parse().unwrap());
        assert_eq!(write(Version::V1, Some((four, four))), b"PROXY TCP4 1.2.3.4 1.2.3.4 80 80\r\n");
        assert_eq!(write(Version::V1, Some((four, six))), b"PROXY TCP6 ::ffff:1.2.3.4 ::1 80 443\r\n");
        assert_eq!(write(Version::V2, Some((four, four))), v2(0x21, 0x11, &[1, 2, 3, 4, 1, 2, 3, 4, 0, 80, 0, 80]));
        assert_eq!(write(Version::V2, Some((six, four)))[13..16], [0x21, 0, 36]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(v1: bool, one: (std::net::IpAddr, u16), two: (std::net::IpAddr, u16)) {
            let (source, destination) = (SocketAddr::from(one), SocketAddr::from(two));
            let header = write(if v1 { Version::V1 } else { Version::V2 }, Some((source, destination)));
            let Parsed::Whole(got, length) = parse(&header) else {
                return Err(TestCaseError::fail(header.escape_ascii().to_string()));
            };
            prop_assert_eq!(length, header.len());
            let same = |a: SocketAddr, b: SocketAddr| a.ip().to_canonical() == b.ip().to_canonical() && a.port() == b.port();
            prop_assert!(same(got.source.unwrap(), source) && same(got.destination.unwrap(), destination));
        }

        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..600), v1: bool) {
            let first = if v1 { b"PROXY TCP4 " } else { v2::PROTOCOL_PREFIX };
            parse(&bytes);
            parse(&[first, &bytes].concat());
        }
    }
}
