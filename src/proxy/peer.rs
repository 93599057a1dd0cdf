//! The way to a server, and the server as Pingora is to connect to it: its address, TLS, the version, limits, and which kept connections will do.

use super::dial::{self, Dial};
use super::line::{self, Lines};
use super::request::Request;
use super::snapshot::{self, Bind, Handler, Pass};
use crate::config::types::{ProxyHeader, UpstreamVersion};
use crate::upstream::{Address, Chosen, Upstream};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType, Result};
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How the server that is asked is reached.
pub(super) struct Way {
    pub address: Address,
    pub dial: Dial,
    /// Of the kept connections to its address those with this key will do.
    pub key: u64,
    /// How long a connection may lie idle; zero: it is not kept.
    pub idle: Duration,
}

impl Request {
    /// The way to the server that was chosen.
    pub(super) fn way(&mut self, chosen: &Chosen, upstream: &Upstream) -> Result<Way> {
        let location = self.location.clone();
        let Handler::Proxy(pass) = &location.handler else {
            return Err(Error::explain(ErrorType::InternalError, "a location without proxy_pass asks an upstream"));
        };
        let greeting = dial::greeting(pass.proxy_header, self.client_ends());
        let fresh = std::mem::take(&mut self.attempts.fresh);
        let bind = self.bind_address(pass.bind.as_ref());
        let lines = self.sessions().and_then(|sessions| sessions.lines(chosen.place()));
        let key = self.pool_key(pass, fresh, greeting.as_deref(), bind, lines.as_ref());
        let owner = self.placed.server().and_then(|_| self.sessions());
        let timeout =
            owner.map_or(pass.connect_timeout, |owner| pass.connect_timeout.min(owner.settings.owner_connect_timeout));
        let keeps = chosen.server().keeps().map(|keeps| keeps.saturating_sub(line::MARGIN));
        let idle = upstream.settings().keepalive_timeout;
        let idle = if fresh { Duration::ZERO } else { keeps.map_or(idle, |keeps| keeps.min(idle)) };
        let connections = upstream.connections().clone();
        let dial = Dial { connections, greeting, bind, probes: pass.socket_keepalive, timeout, lines };
        Ok(Way { address: chosen.address().clone(), dial, key, idle })
    }

    /// Where and how Pingora is to connect.
    pub(super) fn peer(&mut self, chosen: &Chosen, upstream: &Upstream) -> Result<Box<HttpPeer>> {
        let location = self.location.clone();
        let Handler::Proxy(pass) = &location.handler else {
            return Err(Error::explain(ErrorType::InternalError, "a location without proxy_pass asks an upstream"));
        };
        let mut peer = match chosen.address() {
            Address::Tcp(address) => HttpPeer::new(*address, false, String::new()),
            Address::Unix(path) => HttpPeer::new_uds(&path.to_string_lossy(), false, String::new())?,
        };
        if let (true, Some(secure)) = (self.attempts.tls, &pass.secure) {
            self.attempts.tls_name = secure.apply(&mut peer, &self.exchange)?;
        }
        let way = self.way(chosen, upstream)?;
        peer.group_key = way.key;
        let options = &mut peer.options;
        if pass.http_version == UpstreamVersion::Http2 {
            // Over TLS the upstream may say that it speaks HTTP/1.1 only, which a gRPC call cannot use.
            options.set_http_version(2, if self.attempts.tls && !pass.grpc { 1 } else { 2 });
            // As nginx, one request at a time: streams share a window, so that one slow client would hold up the others.
            options.max_h2_streams = 1;
        }
        // One limit for connecting and one for the handshake, as in nginx; the sum is a second barrier.
        options.connection_timeout = Some(way.dial.timeout);
        options.total_connection_timeout = Some(way.dial.timeout.saturating_mul(2));
        options.read_timeout = Some(pass.read_timeout);
        options.write_timeout = Some(pass.send_timeout);
        options.idle_timeout = Some(way.idle);
        options.custom_l4 = Some(Arc::new(way.dial));
        Ok(Box::new(peer))
    }

    /// Both ends of the client's connection, if they have addresses.
    fn client_ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let peer = &self.exchange.peer;
        (peer.remote != super::NO_ADDRESS).then_some((peer.remote, peer.local))
    }

    /// `proxy_bind`, `memcached_bind`
    pub(super) fn bind_address(&self, bind: Option<&Bind>) -> Option<SocketAddr> {
        let (address, port) = match bind? {
            Bind::Address(address, port) => (*address, *port),
            Bind::Variable(text) => {
                let text = String::from_utf8_lossy(&text.evaluate(&self.exchange)).into_owned();
                if text.is_empty() || text == "off" {
                    return None;
                }
                let parsed = Bind::parse(&text);
                if parsed.is_none() {
                    self.log_error(format_args!("invalid local address \"{text}\""));
                }
                parsed?
            }
        };
        Some(SocketAddr::new(address, port))
    }

    /// Connections of different keys are never taken for one another. Pingora itself tells addresses, names sent and whether
    /// certificates are verified; not who they are verified by, nor what was said before, nor by whom a connection can be cut.
    fn pool_key(
        &self,
        pass: &Pass,
        fresh: bool,
        greeting: Option<&[u8]>,
        bind: Option<SocketAddr>,
        lines: Option<&Arc<Lines>>,
    ) -> u64 {
        static FRESH: AtomicU64 = AtomicU64::new(0);
        let secure = pass.secure.as_ref().filter(|_| self.attempts.tls);
        // A pool of its own: nothing that lay idle is in it.
        let fresh = fresh.then(|| FRESH.fetch_add(1, Ordering::Relaxed));
        // Under a client's name go the requests of its connection.
        let client = (pass.proxy_header != ProxyHeader::Off).then_some((self.exchange.peer.serial, greeting));
        // Pingora would rather use an idle connection of HTTP/1.1 than ask for HTTP/2.
        let http2 = (pass.http_version == UpstreamVersion::Http2, pass.grpc);
        // A connection that is listed there keeps it, so that no other one comes to lie at its address.
        let lines = lines.map(|lines| Arc::as_ptr(lines).addr());
        snapshot::seed().hash_one((secure.map(|s| s.pool()), fresh, client, http2, bind, lines))
    }
}
