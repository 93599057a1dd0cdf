//! From an accepted socket to a stream that speaks HTTP: the header of the PROXY protocol, the handshake of TLS, and which
//! version the client has chosen. Each has `client_header_timeout` to be done, as in nginx.

use crate::client::proxy_protocol;
use crate::client::{Facts, http2};
use crate::proxy::snapshot::{Http2, Virtual};
use crate::proxy::{NO_ADDRESS, Slot};
use crate::tls::{self, Rejected};
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as Socket;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A connection that is ready for its first request.
pub struct Opened {
    pub stream: Stream,
    pub facts: Facts,
    /// It speaks HTTP/2, in this way.
    pub http2: Option<Http2>,
}

/// Opens a connection; `None`: it ended before it began, which was logged where somebody may want to know.
pub async fn open(mut socket: Socket, slot: &Arc<Slot>) -> Option<Opened> {
    let mut facts = Facts::of(&socket, slot.clone());
    let bound = slot.bound();
    let here = bound.virtual_for(local_of(&facts));
    let limit = here.default.client.client_header_timeout;
    if here.speaks.proxy_protocol {
        facts.announced = Some(announced(&mut socket, limit, &facts, here).await?);
    }
    match here.speaks.tls {
        true => with_tls(socket, facts, limit, here).await,
        false => without_tls(socket, facts, limit, here).await,
    }
}

async fn announced(
    socket: &mut Socket,
    limit: Duration,
    facts: &Facts,
    here: &Virtual,
) -> Option<proxy_protocol::Announced> {
    match timeout(limit, proxy_protocol::read(socket)).await {
        Ok(Ok(announced)) => Some(announced),
        Ok(Err(e @ proxy_protocol::Error::Broken(_))) => {
            log::error!("{e}, {}", ends(facts, here));
            None
        }
        // A balancer that only looks whether somebody is there is no error.
        Ok(Err(e)) => {
            log::info!("{e}, {}", ends(facts, here));
            None
        }
        Err(_) => {
            log::info!(
                "client timed out (110: Connection timed out) while reading PROXY protocol, {}",
                ends(facts, here)
            );
            None
        }
    }
}

async fn with_tls(socket: Socket, mut facts: Facts, limit: Duration, here: &Virtual) -> Option<Opened> {
    let certificate = |name: Option<&str>| {
        let own = here.server_named(name).tls.clone();
        own.or_else(|| here.default.tls.clone())
    };
    match timeout(limit, tls::accept(socket, certificate)).await {
        Ok(Ok(accepted)) => {
            let server = here.server_named(accepted.session.server_name());
            let chosen = accepted.session.alpn() == "h2";
            facts.tls = Some(accepted.session);
            let http2 = server.http2.or(here.default.http2).filter(|_| chosen);
            Some(Opened { stream: Box::new(accepted.stream), facts, http2 })
        }
        Ok(Err(Rejected::Plain(socket))) => {
            // The request is read, so that `error_page 497` can answer it.
            facts.plain_to_tls = true;
            Some(Opened { stream: socket, facts, http2: None })
        }
        Ok(Err(Rejected::Closed)) => {
            log::info!("client closed connection while SSL handshaking, {}", ends(&facts, here));
            None
        }
        Ok(Err(Rejected::Failed(e))) => {
            log::info!("SSL_do_handshake() failed ({e}) while SSL handshaking, {}", ends(&facts, here));
            None
        }
        Err(_) => {
            log::info!("client timed out (110: Connection timed out) while SSL handshaking, {}", ends(&facts, here));
            None
        }
    }
}

async fn without_tls(mut socket: Socket, facts: Facts, limit: Duration, here: &Virtual) -> Option<Opened> {
    let mut chosen = None;
    if here.takes_http2() {
        chosen = match timeout(limit, http2::is_spoken(&mut socket)).await {
            Ok(Ok(true)) => here.default.http2,
            Ok(Ok(false)) => None,
            Ok(Err(_)) | Err(_) => return None,
        };
    }
    Some(Opened { stream: Box::new(socket), facts, http2: chosen })
}

/// Where a connection came to.
pub fn local_of(facts: &Facts) -> SocketAddr {
    facts.local.unwrap_or(NO_ADDRESS)
}

/// Both ends, as nginx's log names them.
fn ends(facts: &Facts, here: &Virtual) -> String {
    match facts.remote {
        Some(remote) => format!("client: {}, server: {}", remote.ip().to_canonical(), here.address),
        None => format!("client: unix:, server: {}", here.address),
    }
}
