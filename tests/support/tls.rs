//! A TLS client: rustls, trusting one authority of the test's and nobody else.
//!
//! It is described once and connects as often as one likes, blocking (`connect`) or on tokio (`connector`).

use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::certificates::{Authority, Issued};
use super::client::Failure;
use super::request::HOST;

/// A blocking TLS connection.
pub type Wire = StreamOwned<ClientConnection, TcpStream>;

#[derive(Clone)]
pub struct Tls {
    name: String,
    config: Arc<ClientConfig>,
}

/// What is to be offered; `build` makes it a client.
pub struct Plan {
    roots: RootCertStore,
    name: String,
    client: Option<(CertificateDer<'static>, rustls::pki_types::PrivateKeyDer<'static>)>,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: Vec<Vec<u8>>,
    sessions: usize,
}

impl Tls {
    /// A client that takes what this authority has signed, for `request::HOST`, and uses no session twice.
    pub fn trusting(authority: &Authority) -> Plan {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).expect("an authority's certificate");
        Plan {
            roots,
            name: HOST.into(),
            client: None,
            versions: rustls::ALL_VERSIONS.to_vec(),
            protocols: Vec::new(),
            sessions: 0,
        }
    }

    /// The same for another name.
    pub fn named(&self, name: &str) -> Tls {
        Tls { name: name.into(), config: Arc::clone(&self.config) }
    }

    /// The whole handshake on a connection that is open already.
    pub fn connect(&self, mut stream: TcpStream) -> Result<Wire, Failure> {
        let mut connection = ClientConnection::new(Arc::clone(&self.config), self.server_name())
            .map_err(|e| Failure::Broken(format!("TLS: {e}")))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }

    pub fn connector(&self) -> tokio_rustls::TlsConnector {
        Arc::clone(&self.config).into()
    }

    pub fn server_name(&self) -> ServerName<'static> {
        ServerName::try_from(self.name.clone()).expect("a name that a server can have")
    }
}

impl Plan {
    /// The name that is asked for and that the certificate must have.
    pub fn named(mut self, name: &str) -> Plan {
        self.name = name.into();
        self
    }

    /// Shows this certificate when it is asked for one.
    pub fn showing(mut self, client: &Issued) -> Plan {
        self.client = Some((client.der(), client.key_der()));
        self
    }

    /// No other version, such as `&rustls::version::TLS12`.
    pub fn only(mut self, version: &'static SupportedProtocolVersion) -> Plan {
        self.versions = vec![version];
        self
    }

    /// Offers this in ALPN, after what was offered before.
    pub fn offering(mut self, protocol: &str) -> Plan {
        self.protocols.push(protocol.into());
        self
    }

    /// Later connections go on with the sessions of earlier ones.
    pub fn reusing_sessions(mut self) -> Plan {
        self.sessions = 256;
        self
    }

    pub fn build(self) -> Tls {
        // Said here, since another part of the process may know another provider.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .expect("versions that ring can do")
            .with_root_certificates(self.roots);
        let mut config = match self.client {
            Some((certificate, key)) => {
                config.with_client_auth_cert(vec![certificate], key).expect("a client's certificate and its key")
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols;
        config.resumption = match self.sessions {
            0 => Resumption::disabled(),
            count => Resumption::in_memory_sessions(count),
        };
        Tls { name: self.name, config: Arc::new(config) }
    }
}
