//! How the servers of sessions are spoken to where that is not plain HTTP: TLS, a header of the PROXY protocol. Requests get it from
//! Pingora; whoever watches the servers, and asks them to take sessions over, does it alike from here.
//!
//! Always: what carries a session's id is sent to nobody whom a request would not be sent to. The question whether a server lives
//! carries nothing, so no certificate is checked for it: one that has run out is told by the requests that fail for it, and
//! makes no server look dead.

use crate::client::proxy_protocol::{self, Version};
use crate::config::types::ProxyHeader;
use crate::proxy::snapshot::{Pass, PassTarget};
use crate::session::servers::{Opening, Stream};
use async_trait::async_trait;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

/// What a location says of it.
#[derive(Clone)]
pub struct Wire {
    /// gRPC: a server need not know any HTTP/1.1.
    pub is_grpc: bool,
    pub to_watch: Option<Arc<dyn Opening>>,
    pub to_ask: Option<Arc<dyn Opening>>,
}

impl Wire {
    pub fn of(pass: &Pass) -> Wire {
        let (greeting, mut tls) = (greeting(pass.proxy_header), (None, None));
        if let (PassTarget::Upstream { host, tls: true, .. }, Some(secure)) = (&pass.target, &pass.secure) {
            let name = secure.name_without_request(host);
            let speak =
                |verified| Tls { connector: secure.connector(verified), name: name.clone(), pool: secure.pool() };
            tls = (Some(speak(false)), Some(speak(true)));
        }
        let open = |tls: Option<Tls>| {
            let opening = Beginning { greeting: greeting.clone(), tls };
            (!opening.is_plain()).then(|| Arc::new(opening) as Arc<dyn Opening>)
        };
        Wire { is_grpc: pass.grpc, to_watch: open(tls.0), to_ask: open(tls.1) }
    }
}

/// Equal texts for what is alike.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.is_grpc, self.to_ask)
    }
}

/// That of a connection of edge's own.
fn greeting(header: ProxyHeader) -> Vec<u8> {
    match header {
        ProxyHeader::Off => Vec::new(),
        ProxyHeader::V1 => proxy_protocol::write(Version::V1, None),
        ProxyHeader::V2 => proxy_protocol::write(Version::V2, None),
    }
}

#[derive(Clone)]
struct Tls {
    connector: Result<TlsConnector, Arc<rustls::Error>>,
    name: String,
    pool: u64,
}

struct Beginning {
    greeting: Vec<u8>,
    tls: Option<Tls>,
}

impl Beginning {
    fn is_plain(&self) -> bool {
        self.greeting.is_empty() && self.tls.is_none()
    }
}

impl fmt::Debug for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = self.tls.as_ref().map(|tls| (&tls.name, tls.pool));
        write!(f, "{} {tls:?}", self.greeting.escape_ascii())
    }
}

#[async_trait]
impl Opening for Beginning {
    async fn open(&self, mut stream: Box<dyn Stream>) -> io::Result<Box<dyn Stream>> {
        stream.write_all(&self.greeting).await?;
        let Some(tls) = &self.tls else { return Ok(stream) };
        let connector = tls.connector.as_ref().map_err(|error| io::Error::other(error.clone()))?;
        // An address is no name that could be sent.
        let name = ServerName::try_from(tls.name.clone()).map_err(io::Error::other)?;
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}
