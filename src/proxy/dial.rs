//! The way to a server: a socket, and what is said before anything else.
//!
//! It stands in for Pingora's own connecting, because a [`Line`] is to ride on each connection and a PROXY protocol header to
//! go out before TLS begins. All of it together takes no longer than `proxy_connect_timeout`.

use super::lane::Socket;
use super::line::{Line, Lines};
use crate::client::proxy_protocol::{self, Version};
use crate::config::types::ProxyHeader;
use crate::upstream::{Address, Connections};
use async_trait::async_trait;
use pingora_core::connectors::l4::Connect;
use pingora_core::protocols::GetProxyDigest;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_error::{Error, ErrorType, Result};
use std::io;
use std::net;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, UnixStream};

/// How one connection is to be made.
#[derive(Debug)]
pub struct Dial {
    pub connections: Arc<Connections>,
    /// Where the connection is listed, if it may have to be cut.
    pub lines: Option<Arc<Lines>>,
    /// Sent first.
    pub greeting: Option<Vec<u8>>,
    /// `proxy_bind`
    pub bind: Option<net::SocketAddr>,
    /// `proxy_socket_keepalive`
    pub probes: bool,
    pub timeout: Duration,
}

#[async_trait]
impl Connect for Dial {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        self.in_time(self.reach(address)).await
    }
}

impl Dial {
    /// What is made by connecting, in time.
    async fn in_time<T>(&self, reach: impl Future<Output = io::Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.timeout, reach).await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(e)) => {
                let kind = match e.kind() {
                    io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
                    io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ErrorType::ConnectNoRoute,
                    io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
                    _ => ErrorType::ConnectError,
                };
                Err(Error::because(kind, "connecting to upstream", e))
            }
            Err(e) => Err(Error::because(ErrorType::ConnectTimedout, "connecting to upstream", e)),
        }
    }

    /// A connection that Pingora does not know.
    pub async fn open(&self, address: &Address) -> Result<(Socket, Line)> {
        let socket = self.in_time(async {
            match address {
                Address::Tcp(address) => self.reach_tcp(*address).await.map(Socket::Tcp),
                Address::Unix(path) => self.reach_unix(path).await.map(Socket::Unix),
            }
        });
        let socket = socket.await?;
        let line = self.line(socket.descriptor());
        Ok((socket, line))
    }

    fn line(&self, descriptor: RawFd) -> Line {
        Line::new(descriptor, self.connections.clone(), self.lines.as_ref())
    }

    async fn reach_tcp(&self, address: net::SocketAddr) -> io::Result<TcpStream> {
        let mut socket = connect_from(self.bind, address).await?;
        socket.set_nodelay(true)?;
        if self.probes {
            socket2::SockRef::from(&socket).set_keepalive(true)?;
        }
        self.greet(&mut socket).await?;
        Ok(socket)
    }

    async fn reach_unix(&self, path: &Path) -> io::Result<UnixStream> {
        let mut socket = UnixStream::connect(path).await?;
        self.greet(&mut socket).await?;
        Ok(socket)
    }

    async fn reach(&self, address: &SocketAddr) -> io::Result<Stream> {
        match address {
            SocketAddr::Inet(address) => {
                let socket = self.reach_tcp(*address).await?;
                let descriptor = socket.as_raw_fd();
                Ok(self.tracked(socket.into(), descriptor))
            }
            SocketAddr::Unix(address) => {
                let path = address.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
                let socket = self.reach_unix(path).await?;
                let descriptor = socket.as_raw_fd();
                Ok(self.tracked(socket.into(), descriptor))
            }
        }
    }

    async fn greet(&self, socket: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
        match &self.greeting {
            Some(greeting) => socket.write_all(greeting).await,
            None => Ok(()),
        }
    }

    fn tracked(&self, mut stream: Stream, descriptor: i32) -> Stream {
        if let Some(digest) = self.line(descriptor).digest() {
            stream.set_proxy_digest(digest);
        }
        stream
    }
}

/// A connection that comes from an address, or from where the system likes.
pub async fn connect_from(from: Option<net::SocketAddr>, address: net::SocketAddr) -> io::Result<TcpStream> {
    let Some(from) = from else { return TcpStream::connect(address).await };
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if from.port() > 0 {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(from)?;
    socket.connect(address).await
}

/// Both ends of the client's connection; nothing for a client on a unix socket.
type Ends = Option<(net::SocketAddr, net::SocketAddr)>;

/// The PROXY protocol header for a client.
pub fn greeting(version: ProxyHeader, client: Ends) -> Option<Vec<u8>> {
    let version = match version {
        ProxyHeader::Off => return None,
        ProxyHeader::V1 => Version::V1,
        ProxyHeader::V2 => Version::V2,
    };
    Some(proxy_protocol::write(version, client))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(from: &str, to: &str) -> Ends {
        Some((from.parse().unwrap(), to.parse().unwrap()))
    }

    #[test]
    fn version_1_is_a_line_of_text() {
        let said = |ends| String::from_utf8(greeting(ProxyHeader::V1, ends).unwrap()).unwrap();
        assert_eq!(said(ends("192.0.2.1:4711", "192.0.2.2:80")), "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n");
        assert_eq!(said(ends("[2001:db8::1]:1", "[::1]:2")), "PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
        assert_eq!(said(ends("[::ffff:192.0.2.1]:1", "192.0.2.2:2")), "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
        assert_eq!(said(None), "PROXY UNKNOWN\r\n");
    }

    #[test]
    fn version_2_is_read_by_another_implementation() {
        for (from, to) in [("192.0.2.1:4711", "192.0.2.2:80"), ("[2001:db8::1]:4711", "[2001:db8::2]:80")] {
            let bytes = greeting(ProxyHeader::V2, ends(from, to)).unwrap();
            let header = ppp::v2::Header::try_from(bytes.as_slice()).unwrap();
            assert_eq!(header.command, ppp::v2::Command::Proxy);
            let read = match header.addresses {
                ppp::v2::Addresses::IPv4(a) => ((a.source_address, a.source_port).into(), a.destination_port),
                ppp::v2::Addresses::IPv6(a) => ((a.source_address, a.source_port).into(), a.destination_port),
                other => panic!("{other:?}"),
            };
            assert_eq!(read, (from.parse::<net::SocketAddr>().unwrap(), 80));
        }
        let local = greeting(ProxyHeader::V2, None).unwrap();
        assert_eq!(ppp::v2::Header::try_from(local.as_slice()).unwrap().command, ppp::v2::Command::Local);
    }

    #[test]
    fn no_header_is_sent_where_none_is_asked_for() {
        assert_eq!(greeting(ProxyHeader::Off, ends("192.0.2.1:1", "192.0.2.2:2")), None);
    }
}
