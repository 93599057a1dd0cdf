//! What is known about a connection once its handshake is done: nginx's `$ssl_*` variables.

use std::borrow::Cow;

use rustls::{CipherSuite, HandshakeKind, NamedGroup, ProtocolVersion, ServerConnection};

use super::clients::Verdict;
use super::{Certificate, Server, VerifyClient, ciphers, curves};

/// Why nginx answers a request with 400 although the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 495: `The SSL certificate error`.
    CertificateError,
    /// 496: `No required SSL certificate was sent`.
    NoCertificate,
}

impl Refusal {
    /// nginx's own status, which `error_page` can name; the client sees 400.
    pub fn status(self) -> u16 {
        match self {
            Refusal::CertificateError => 495,
            Refusal::NoCertificate => 496,
        }
    }
}

/// One connection's TLS. It holds few bytes; texts are made when asked for.
#[derive(Debug)]
pub struct Session {
    protocol: Option<ProtocolVersion>,
    cipher: Option<CipherSuite>,
    curve: Option<NamedGroup>,
    alpn: String,
    server_name: Option<String>,
    is_reused: bool,
    verify_client: VerifyClient,
    verdict: Verdict,
    client_verify: Cow<'static, str>,
    certificate: Option<Certificate>,
}

impl Session {
    pub(super) fn new(connection: &ServerConnection, server: &Server) -> Session {
        let chain = connection.peer_certificates().unwrap_or_default();
        let now = rustls::pki_types::UnixTime::now();
        let verdict = server.clients.as_ref().map_or(Verdict::None, |clients| clients.judge(chain, now));
        let client_verify = match &verdict {
            Verdict::None => "NONE".into(),
            Verdict::Success => "SUCCESS".into(),
            Verdict::Failed { reason, .. } => format!("FAILED:{reason}").into(),
        };
        Session {
            protocol: connection.protocol_version(),
            cipher: connection.negotiated_cipher_suite().map(|suite| suite.suite()),
            curve: connection.negotiated_key_exchange_group().map(|group| group.name()),
            alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default(),
            server_name: connection.server_name().map(str::to_owned),
            is_reused: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            verify_client: server.verify_client(),
            verdict,
            client_verify,
            certificate: chain.first().map(|der| Certificate::new(der.clone().into_owned())),
        }
    }

    /// `$ssl_protocol`
    pub fn protocol(&self) -> &'static str {
        match self.protocol {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "",
        }
    }

    /// `$ssl_cipher`, in OpenSSL's name.
    pub fn cipher(&self) -> &'static str {
        self.cipher.map_or("", ciphers::openssl_name)
    }

    /// `$ssl_curve`; empty for a session of TLS 1.2 that was resumed.
    pub fn curve(&self) -> &'static str {
        self.curve.map_or("", curves::name)
    }

    /// `$ssl_alpn_protocol`; empty if the client spoke of none.
    pub fn alpn(&self) -> &str {
        &self.alpn
    }

    /// `$ssl_server_name`, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// `$ssl_session_reused`
    pub fn reused(&self) -> bool {
        self.is_reused
    }

    /// `$ssl_client_verify`
    pub fn client_verify(&self) -> &str {
        &self.client_verify
    }

    /// What the client sent of itself, verified or not.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Why requests on this connection are to be refused, if they are.
    pub fn refusal(&self) -> Option<Refusal> {
        match (self.verify_client, &self.verdict) {
            (VerifyClient::Off, _) => None,
            (VerifyClient::On, Verdict::None) => Some(Refusal::NoCertificate),
            (_, Verdict::None | Verdict::Success) => None,
            (VerifyClient::OptionalNoCa, Verdict::Failed { is_unknown: true, .. }) => None,
            (_, Verdict::Failed { .. }) => Some(Refusal::CertificateError),
        }
    }
}
