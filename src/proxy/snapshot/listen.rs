//! Where edge listens: addresses read, gathered into sockets, and the servers behind each.

use super::Server;
use crate::config::types::Listen;
use crate::config::{Diagnostics, Spanned};
use crate::route::ServerNames;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

/// An address to bind to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => write!(f, "{address}"),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ListenAddress {
    /// nginx's forms: `80`, `*:80`, `127.0.0.1`, `127.0.0.1:80`, `[::]:80`, `localhost:80`, `unix:/path`.
    pub fn parse(text: &str) -> Result<ListenAddress, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("a unix socket needs a path: `unix:/run/edge.sock`".into()),
                path => Ok(ListenAddress::Unix(path.into())),
            };
        }
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return port(text).map(|port| ListenAddress::Tcp((any, port).into()));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(ListenAddress::Tcp(address));
        }
        if let Some(address) =
            text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).and_then(|t| t.parse::<Ipv6Addr>().ok())
        {
            return Ok(ListenAddress::Tcp((address, 80).into()));
        }
        let (host, number) = match text.rsplit_once(':') {
            Some((host, number)) => (host, port(number)?),
            None => (text, 80),
        };
        if host == "*" {
            return Ok(ListenAddress::Tcp((any, number).into()));
        }
        match (host, number).to_socket_addrs().ok().and_then(|mut found| found.next()) {
            Some(address) => Ok(ListenAddress::Tcp(address)),
            None => Err(format!("host `{host}` is not found")),
        }
    }

    /// The same, and a range of ports behind the address: `127.0.0.1:8000-8007`.
    pub fn parse_all(text: &str) -> Result<Vec<ListenAddress>, String> {
        let (before, last) = text.rsplit_once('-').unwrap_or((text, ""));
        let (host, first) =
            before.rsplit_once(':').map_or(("", before), |(host, first)| (&before[..=host.len()], first));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if text.starts_with("unix:") || !is_number(first) || !is_number(last) {
            return ListenAddress::parse(text).map(|address| vec![address]);
        }
        let (first, last) = (port(first)?, port(last)?);
        if first == 0 || last < first {
            return Err(format!("`{first}-{last}` is no range of ports"));
        }
        (first..=last).map(|port| ListenAddress::parse(&format!("{host}{port}"))).collect()
    }

    fn is_wildcard(&self) -> bool {
        matches!(self, ListenAddress::Tcp(address) if address.ip().is_unspecified())
    }

    /// Whether a socket bound to `self` also takes what comes to `other`.
    fn covers(&self, other: &ListenAddress) -> bool {
        match (self, other) {
            (ListenAddress::Tcp(a), ListenAddress::Tcp(b)) => {
                self == other || (self.is_wildcard() && a.port() == b.port() && a.is_ipv4() == b.is_ipv4())
            }
            _ => self == other,
        }
    }
}

const ADDRESSES: &str = "write a port (`8888`), `127.0.0.1:80`, `[::]:80` or `unix:/path`";

/// nginx.conf has words behind the address, edge.yaml keys beside it.
fn as_map(written: &str) -> Option<String> {
    let mut words = written.split_ascii_whitespace();
    let address = words.next()?;
    let key = |word: &str| match word.split_once('=') {
        Some((name, value)) => format!(", {name}: {value}"),
        None => format!(", {word}: true"),
    };
    let keys: Vec<String> = words.map(key).collect();
    (!keys.is_empty()).then(|| format!("write `listen: {{ address: '{address}'{} }}`", keys.concat()))
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("`{text}` is not a port from 0 to 65535"))
}

/// How a socket is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    pub backlog: u32,
    pub ipv6only: bool,
    pub reuseport: bool,
    pub rcvbuf: Option<u64>,
    pub sndbuf: Option<u64>,
    pub keepalive: bool,
}

/// A socket and the servers behind it.
#[derive(Debug)]
pub struct Socket {
    pub address: ListenAddress,
    pub options: SocketOptions,
    /// One for each address this socket stands for; the socket's own address is always among them.
    pub virtuals: Vec<Virtual>,
}

/// The servers of one address.
#[derive(Debug)]
pub struct Virtual {
    pub address: ListenAddress,
    pub names: ServerNames<Arc<Server>>,
    pub default: Arc<Server>,
    pub speaks: Speaks,
}

/// What connections to an address begin with, and speak then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speaks {
    /// A header of the PROXY protocol comes first.
    pub proxy_protocol: bool,
    pub tls: bool,
    /// HTTP/2, whatever the servers say.
    pub http2: bool,
}

impl Virtual {
    /// The server that a handshake of TLS is for: the one of that name, or the default one.
    pub fn server_named(&self, name: Option<&str>) -> &Arc<Server> {
        let found = name.and_then(|name| self.names.find(name.as_bytes()).0);
        found.unwrap_or(&self.default)
    }

    /// Whether connections without TLS may begin with HTTP/2.
    pub fn takes_http2(&self) -> bool {
        self.speaks.http2 || self.default.http2.is_some()
    }
}

impl Socket {
    /// The servers of the address a connection came to.
    pub fn virtual_for(&self, local: SocketAddr) -> &Virtual {
        let at = |address: &ListenAddress| self.virtuals.iter().position(|v| v.address == *address);
        let place = match self.virtuals.len() {
            1 => None,
            _ => at(&ListenAddress::Tcp(local)).or_else(|| at(&self.address)),
        };
        &self.virtuals[place.unwrap_or(0)]
    }
}

/// One `listen` of one server.
pub(super) struct Wish {
    pub address: ListenAddress,
    pub default: bool,
    pub options: SocketOptions,
    pub speaks: Speaks,
    pub at: crate::config::Span,
    /// The server's place in the configuration.
    pub server: usize,
}

impl Wish {
    /// One for each port.
    pub fn read(listen: &Spanned<Listen>, server: usize, diagnostics: &mut Diagnostics) -> Vec<Wish> {
        let keys = &listen.value.0;
        let Some(written) = &keys.address else { return Vec::new() };
        let addresses = ListenAddress::parse_all(written).unwrap_or_else(|why| {
            diagnostics
                .error(written.span, format!("cannot listen on `{}`: {why}", written.value))
                .help(as_map(written).unwrap_or_else(|| ADDRESSES.into()));
            Vec::new()
        });
        let options = SocketOptions {
            backlog: keys.backlog(),
            ipv6only: keys.ipv6only(),
            reuseport: keys.reuseport(),
            rcvbuf: keys.rcvbuf.as_ref().map(|s| s.value.0),
            sndbuf: keys.sndbuf.as_ref().map(|s| s.value.0),
            keepalive: keys.so_keepalive() != "off",
        };
        let speaks = Speaks { proxy_protocol: keys.proxy_protocol(), tls: keys.ssl(), http2: keys.http2() };
        let wish = |address| {
            let options = options.clone();
            Wish { address, default: keys.default_server(), options, speaks, at: listen.span, server }
        };
        addresses.into_iter().map(wish).collect()
    }
}

/// What an address speaks: all that any server wants of it, as in nginx.
pub(super) fn speaks(address: &ListenAddress, wishes: &[Wish]) -> Speaks {
    wishes.iter().filter(|wish| wish.address == *address).fold(Speaks::default(), |all, wish| Speaks {
        proxy_protocol: all.proxy_protocol || wish.speaks.proxy_protocol,
        tls: all.tls || wish.speaks.tls,
        http2: all.http2 || wish.speaks.http2,
    })
}

/// The sockets that all wishes need, each with the addresses it stands for. A wildcard address takes the others of its port in.
pub(super) fn gather(
    wishes: &[Wish],
    diagnostics: &mut Diagnostics,
) -> Vec<(ListenAddress, SocketOptions, Vec<ListenAddress>)> {
    let mut addresses: Vec<(&ListenAddress, &SocketOptions)> = Vec::new();
    for (i, wish) in wishes.iter().enumerate() {
        if let Some(before) = wishes[..i].iter().find(|w| w.address == wish.address && w.server == wish.server) {
            let place = diagnostics.place(before.at);
            diagnostics
                .error(wish.at, format!("a duplicate `listen {}`", wish.address))
                .help(format!("it stands at {place} already"));
            continue;
        }
        if let Some(before) = wishes[..i].iter().find(|w| w.address == wish.address && w.default && wish.default) {
            let place = diagnostics.place(before.at);
            diagnostics
                .error(wish.at, format!("a duplicate default server for `{}`", wish.address))
                .help(format!("the other one stands at {place}"));
        }
        if !addresses.iter().any(|(a, _)| **a == wish.address) {
            addresses.push((&wish.address, &wish.options));
        }
    }
    addresses.sort_by_key(|(a, _)| !a.is_wildcard());
    let mut sockets: Vec<(ListenAddress, SocketOptions, Vec<ListenAddress>)> = Vec::new();
    for (address, options) in addresses {
        match sockets.iter_mut().find(|(socket, ..)| socket.covers(address)) {
            Some((.., inside)) => inside.push(address.clone()),
            None => sockets.push((address.clone(), options.clone(), vec![address.clone()])),
        }
    }
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_nginx_reads_them() {
        for (text, expected) in [
            ("8888", "0.0.0.0:8888"),
            ("*:80", "0.0.0.0:80"),
            ("127.0.0.1:81", "127.0.0.1:81"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("[::]:80", "[::]:80"),
            ("[::1]", "[::1]:80"),
            ("unix:/run/e.sock", "unix:/run/e.sock"),
        ] {
            assert_eq!(ListenAddress::parse(text).map(|a| a.to_string()), Ok(expected.to_owned()), "{text}");
        }
        for wrong in ["70000", "127.0.0.1:x", "unix:", "no-such-host.invalid:80"] {
            assert!(ListenAddress::parse(wrong).is_err(), "{wrong}");
        }
        let all =
            |text| ListenAddress::parse_all(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(all("127.0.0.1:8000-8001"), Ok(vec!["127.0.0.1:8000".into(), "127.0.0.1:8001".into()]));
        assert_eq!(all("81-81"), Ok(vec!["0.0.0.0:81".into()]));
        assert_eq!(all("[::1]:81-82"), Ok(vec!["[::1]:81".into(), "[::1]:82".into()]));
        assert_eq!(all("unix:/a:1-2"), Ok(vec!["unix:/a:1-2".into()]));
        for wrong in ["82-81", "0-3", "1-70000", "127.0.0.1:80-", "-80"] {
            assert!(all(wrong).is_err(), "{wrong}");
        }
    }
}
