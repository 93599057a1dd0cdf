//! One server's settings, compiled: what a handshake needs, made once for each configuration.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};
use x509_parser::prelude::FromDer;

use super::clients::{self, Clients};
use super::pairs::{self, Pairs};
use super::resumption::{Cache, Scope, Tickets};
use super::{Mistake, Part, Settings, VerifyClient, ciphers, curves};

/// As nginx offers them.
const HTTP_1: [&[u8]; 3] = [b"http/1.1", b"http/1.0", b"http/0.9"];

/// What counts for the connections of one server name.
#[derive(Debug)]
pub struct Server {
    /// `None` where every handshake is rejected.
    pub(super) config: Option<Arc<ServerConfig>>,
    pub(super) clients: Option<Clients>,
    verify_client: VerifyClient,
}

impl Server {
    /// Notes all mistakes; `None` if one of them is more than a warning.
    pub fn compile(settings: &Settings, mistakes: &mut Vec<Mistake>) -> Option<Server> {
        let before = mistakes.len();
        let server = compile(settings, mistakes);
        server.filter(|_| mistakes[before..].iter().all(|mistake| mistake.is_warning))
    }

    /// What the server asks of its clients: who answers for a name over a connection that began under another has to know
    /// (nginx answers 421 where the server of the request verifies clients).
    pub fn verify_client(&self) -> VerifyClient {
        self.verify_client
    }
}

fn compile(settings: &Settings, mistakes: &mut Vec<Mistake>) -> Option<Server> {
    let groups = curves::compile(settings.curves.as_deref(), mistakes);
    let suites = if settings.tls12 { ciphers::compile(settings.ciphers.as_deref(), mistakes) } else { Vec::new() };
    let versions = versions(settings, &suites, mistakes);
    let base = ring::default_provider();
    let cipher_suites = ciphers::TLS13.iter().chain(&suites).copied().collect();
    let provider = Arc::new(CryptoProvider { cipher_suites, kx_groups: groups, ..base });
    let clients = clients::compile(settings, &provider, mistakes);
    let keys = keys(settings, mistakes);
    if settings.reject_handshake {
        return Some(Server { config: None, clients: None, verify_client: settings.verify_client });
    }
    if versions.is_empty() || keys.is_empty() || provider.kx_groups.is_empty() {
        return None;
    }
    let scope = scope(settings, &keys, clients.as_ref());
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
    let builder = builder.map_err(|error| mistakes.push(Mistake::error(Part::Protocols, error.to_string()))).ok()?;
    let builder = match &clients {
        Some(clients) => builder.with_client_cert_verifier(clients.invitation()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Pairs::new(keys, suites, settings.tls13)));
    config.ignore_client_order = settings.prefer_server_ciphers;
    config.alpn_protocols = HTTP_1.map(<[u8]>::to_vec).to_vec();
    if settings.http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if settings.session_cache {
        config.session_storage = Arc::new(Cache::new(scope, settings.session_timeout));
    }
    if settings.session_tickets {
        config.ticketer = Arc::new(Tickets::new(scope, settings.session_timeout, settings.ticket_keys.clone()));
    }
    Some(Server { config: Some(config.into()), clients, verify_client: settings.verify_client })
}

/// TLS 1.2 without a cipher is switched off, which only is a mistake if nothing else is on.
fn versions(
    settings: &Settings,
    suites: &[SupportedCipherSuite],
    mistakes: &mut Vec<Mistake>,
) -> Vec<&'static SupportedProtocolVersion> {
    let list = settings.ciphers.as_deref().unwrap_or_default();
    let mut versions = Vec::new();
    if settings.tls13 {
        versions.push(&version::TLS13);
    }
    if settings.tls12 && !suites.is_empty() {
        versions.push(&version::TLS12);
    }
    let help = "Mozilla's list fits: `ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
                ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:\
                ECDHE-RSA-CHACHA20-POLY1305`";
    if !settings.tls12 && !settings.tls13 {
        let mistake = Mistake::error(Part::Protocols, "no protocol is left that edge speaks");
        mistakes.push(mistake.with_help("write `ssl_protocols: [TLSv1.2, TLSv1.3]`"));
    } else if versions.is_empty() {
        let mistake = Mistake::error(Part::Ciphers, format!("`{list}` leaves no cipher for TLS 1.2 that edge has"));
        mistakes.push(mistake.with_help(help));
    } else if settings.tls12 && suites.is_empty() {
        let message = format!("`{list}` leaves no cipher for TLS 1.2 that edge has; only TLS 1.3 will be spoken");
        mistakes.push(Mistake::warning(Part::Ciphers, message).with_help(help));
    }
    versions
}

fn keys(settings: &Settings, mistakes: &mut Vec<Mistake>) -> Vec<rustls::sign::CertifiedKey> {
    let stapling = settings.stapling.as_deref().filter(|response| {
        let valid = is_ocsp_response(response);
        if !valid {
            let mistake = Mistake::error(Part::Stapling, "the file is no OCSP response in DER");
            mistakes.push(mistake.with_help("`openssl ocsp -respout FILE …` writes one"));
        }
        valid
    });
    if settings.pairs.is_empty() && !settings.reject_handshake {
        let mistake = Mistake::error(Part::Certificate(0), "a server that speaks TLS needs a certificate");
        mistakes.push(mistake.with_help("name it with ssl_certificate, and its key with ssl_certificate_key"));
    }
    let pairs = settings.pairs.iter().enumerate();
    pairs.filter_map(|(at, pair)| pairs::compile(at, pair, stapling, mistakes)).collect()
}

/// A sequence as long as the file, whose first element is the status 0, successful.
fn is_ocsp_response(der: &[u8]) -> bool {
    let outer = x509_parser::der_parser::asn1_rs::Any::from_der(der);
    outer.is_ok_and(|(rest, any)| rest.is_empty() && der.starts_with(&[0x30]) && any.data.starts_with(&[0x0a, 1, 0]))
}

/// Where a session may be resumed: with the same certificates (as in nginx), and where the same is asked of clients.
fn scope(settings: &Settings, keys: &[rustls::sign::CertifiedKey], clients: Option<&Clients>) -> Scope {
    let mode = [settings.verify_client as u8];
    let certificates = keys.iter().filter_map(|key| key.cert.first()).map(AsRef::as_ref);
    let clients = clients.iter().flat_map(|clients| clients.scope());
    Scope::of(std::iter::once(&mode[..]).chain(certificates).chain(clients))
}
