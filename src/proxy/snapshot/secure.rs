//! TLS to upstreams: the `proxy_ssl_…` and `grpc_ssl_…` keys, read and checked when the configuration is.
//!
//! The handshake is Pingora's, on rustls. It verifies a certificate for the name it sends, offers TLS 1.2 and 1.3 and checks no
//! list of revoked certificates; what was written that would be weaker than it reads is refused here.
//!
//! Always: nothing handed to Pingora can fail to parse there, and [`Secure::pool`] differs wherever one location's connection
//! must not serve another.

use super::compile::Texts;
use crate::config::{Diagnostics, Span, Spanned};
use crate::tls::pem;
use crate::variables::{Exchange, Template};
use pingora_core::protocols::tls::CaType;
use pingora_core::upstreams::peer::{HttpPeer, Scheme};
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use pingora_error::{Error, ErrorType, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

/// A certificate whose key nobody has. Pingora builds a verifier even for connections it is told not to verify, and that needs
/// some authority; the system's need not be there.
const NOBODY: &[u8] = include_bytes!("nobody.der");

/// One family's keys of TLS.
pub(super) struct TlsKeys<'k> {
    /// `proxy_ssl` or `grpc_ssl`.
    pub family: &'static str,
    pub verify: bool,
    pub trusted: &'k Option<Spanned<String>>,
    pub name: &'k Option<Spanned<String>>,
    pub server_name: bool,
    pub certificate: &'k Option<Spanned<String>>,
    pub key: &'k Option<Spanned<String>>,
    pub passwords: &'k Option<Spanned<String>>,
    pub protocols: &'k Option<Spanned<Vec<Spanned<String>>>>,
    pub crl: &'k Option<Spanned<String>>,
}

/// How TLS is spoken to an upstream.
pub struct Secure {
    verify: bool,
    authorities: Arc<CaType>,
    identity: Option<Arc<CertKey>>,
    /// `…_ssl_name`; nothing: the host of the URL.
    name: Option<Template>,
    server_name: bool,
    /// Equal only where authorities, identity and verification are.
    pool: u64,
    /// The same for whoever makes connections without Pingora.
    trusted: Vec<Vec<u8>>,
    shown: Option<Identity>,
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").field("verify", &self.verify).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Secure {
    /// `certain`: the location surely speaks TLS, so that a certificate nobody checks is worth a warning.
    pub(super) fn compile(
        keys: &TlsKeys<'_>,
        at: Span,
        certain: bool,
        texts: &Texts<'_>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Secure> {
        let family = keys.family;
        refuse(keys, diagnostics);
        if certain && !keys.verify && !texts.unverified.replace(true) {
            diagnostics
                .warning(at, "the upstream's certificate is not checked")
                .help(format!("write `{family}_verify: on` with `{family}_trusted_certificate`"));
        }
        let trusted = keys.trusted.as_ref().and_then(|file| certificates(file, texts, diagnostics));
        if keys.verify && keys.trusted.is_none() {
            diagnostics
                .error(at, format!("`{family}_verify` is on, but there is no `{family}_trusted_certificate`"))
                .help("name the file of the authorities to trust; Debian's are in /etc/ssl/certs/ca-certificates.crt");
        }
        if let (Some(file), Some(list)) = (keys.trusted, &trusted) {
            check_authorities(file, list, diagnostics);
        }
        let identity = identity(keys, texts, diagnostics);
        let authorities = match trusted.filter(|_| keys.verify) {
            Some(list) => list,
            None => vec![NOBODY.to_vec()],
        };
        let parts = (keys.verify, &authorities, identity.as_ref().map(|(chain, key)| (chain, key)));
        let pool = seed().hash_one(parts);
        if diagnostics.has_errors() {
            return None;
        }
        Some(Secure {
            verify: keys.verify,
            trusted: if keys.verify { authorities.clone() } else { Vec::new() },
            shown: identity.clone(),
            authorities: authorities.into_iter().map(|der| WrappedX509::new(der, parse_x509)).collect(),
            identity: identity.map(|(chain, key)| Arc::new(CertKey::new(chain, key))),
            name: keys.name.as_ref().map(|name| texts.template(name, name.span, diagnostics)),
            server_name: keys.server_name,
            pool,
        })
    }

    /// What the pool of connections is to keep apart by.
    pub fn pool(&self) -> u64 {
        self.pool
    }

    /// The name the upstream is called by, without a port.
    fn name_of(&self, exchange: &Exchange) -> String {
        match &self.name {
            Some(name) => without_port(&name.evaluate(exchange)),
            None => without_port(&exchange.proxy_host),
        }
    }

    /// The name where there is no request: of one that depends on requests the URL's host takes the place. One that is not to be
    /// sent is an address.
    pub fn name_without_request(&self, host: &[u8]) -> String {
        let name = self.name.as_ref().and_then(|name| name.as_literal()).unwrap_or(host);
        if self.verify || self.server_name { without_port(name) } else { "0.0.0.0".to_owned() }
    }

    /// TLS as Pingora speaks it for requests. `verified`: whether the certificate is checked, if that is said at all.
    pub fn connector(&self, verified: bool) -> std::result::Result<TlsConnector, Arc<rustls::Error>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match self.verify && verified {
            true => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(self.trusted.iter().map(|der| CertificateDer::from(der.as_slice())));
                builder.with_root_certificates(roots)
            }
            false => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        };
        let config = match &self.shown {
            Some((chain, key)) => {
                let key = PrivateKeyDer::try_from(key.clone()).map_err(|why| rustls::Error::General(why.into()))?;
                builder.with_client_auth_cert(chain.iter().cloned().map(CertificateDer::from).collect(), key)?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// Makes a peer one of TLS. Gives the name that is verified, for the log.
    pub fn apply(&self, peer: &mut HttpPeer, exchange: &Exchange) -> Result<String> {
        let name = self.name_of(exchange);
        // Pingora verifies nothing where there is no name.
        if name.is_empty() && (self.verify || self.server_name) {
            return Err(Error::explain(ErrorType::InvalidCert, "the name of the upstream's certificate became empty"));
        }
        peer.scheme = Scheme::HTTPS;
        // An address is no name that could be sent, so that none is.
        peer.sni = if self.verify || self.server_name { name.clone() } else { "0.0.0.0".to_owned() };
        peer.client_cert_key = self.identity.clone();
        peer.options.verify_cert = self.verify;
        peer.options.verify_hostname = self.verify;
        peer.options.ca = Some(self.authorities.clone());
        Ok(name)
    }
}

fn without_port(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name).into_owned();
    match name.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address.to_owned(),
        None => name.split(':').next().unwrap_or_default().to_owned(),
    }
}

/// Takes every certificate, as a proxy that is not told to verify does; that the server holds its key is checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Different in each process, so that nobody can choose what falls together.
pub fn seed() -> &'static RandomState {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::new)
}

/// What reads like more safety than there would be.
fn refuse(keys: &TlsKeys<'_>, diagnostics: &mut Diagnostics) {
    let family = keys.family;
    if let Some(crl) = keys.crl {
        diagnostics
            .error(crl.span, format!("`{family}_crl`: edge cannot check lists of revoked certificates"))
            .help("leave it out if certificates that were revoked may be accepted until they expire");
    }
    let Some(protocols) = keys.protocols else { return };
    const KNOWN: [&str; 6] = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];
    for unknown in protocols.iter().filter(|p| !KNOWN.contains(&p.as_str())) {
        diagnostics
            .error(unknown.span, format!("`{}` is no version of TLS", unknown.value))
            .did_you_mean(unknown, KNOWN);
    }
    let has = |version: &str| protocols.iter().any(|p| p.value == version);
    if !has("TLSv1.2") && protocols.iter().all(|p| KNOWN.contains(&p.as_str())) {
        let why = match has("TLSv1.3") {
            true => "edge offers TLSv1.2 to upstreams as well, which cannot be turned off",
            false => "edge speaks TLSv1.2 and TLSv1.3 only",
        };
        diagnostics.error(protocols.span, format!("`{family}_protocols`: {why}")).help("write `[TLSv1.2, TLSv1.3]`");
    }
}

/// The certificates of a PEM file, in their order.
fn certificates(file: &Spanned<String>, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Vec<Vec<u8>>> {
    let read = pem::certificates(&texts.pem(file, diagnostics)?);
    let found = read.map_err(|flaw| tell(flaw, file.span, diagnostics)).ok()?;
    Some(found.into_iter().map(|der| der.to_vec()).collect())
}

pub(super) fn tell(flaw: pem::Flaw, at: Span, diagnostics: &mut Diagnostics) {
    let told = diagnostics.error(at, flaw.message);
    if let Some(help) = flaw.help {
        told.help(help);
    }
}

fn check_authorities(file: &Spanned<String>, list: &[Vec<u8>], diagnostics: &mut Diagnostics) {
    let mut store = RootCertStore::empty();
    for (at, der) in list.iter().enumerate() {
        if let Err(e) = store.add(CertificateDer::from(der.as_slice())) {
            diagnostics.error(file.span, format!("certificate {} of {} cannot be trusted: {e}", at + 1, file.value));
        }
    }
}

type Identity = (Vec<Vec<u8>>, Vec<u8>);

/// The certificate edge shows, with its key.
fn identity(keys: &TlsKeys<'_>, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Identity> {
    let family = keys.family;
    let (file, key_file) = match (keys.certificate, keys.key) {
        (Some(file), Some(key)) => (file, key),
        (Some(file), None) => {
            diagnostics
                .error(file.span, format!("there is no `{family}_certificate_key` for this certificate"))
                .help(format!("write `{family}_certificate_key` with the file of its key"));
            return None;
        }
        _ => return None,
    };
    let chain = certificates(file, texts, diagnostics);
    let locked = texts.pem(key_file, diagnostics)?;
    let read = texts.unlock(locked, keys.passwords.as_ref(), diagnostics)?.and_then(|key| pem::key(&key));
    let key = read.map_err(|flaw| tell(flaw, key_file.span, diagnostics)).ok()?;
    let chain = chain?;
    let der = key.secret_der().to_vec();
    if let Err(e) = try_identity(&chain, &der) {
        diagnostics
            .error(key_file.span, format!("{} does not go with {}: {e}", key_file.value, file.value))
            .help("the key must be the certificate's own");
        return None;
    }
    Some((chain, der))
}

/// Does what Pingora will do for each connection, where a mistake can still be told.
fn try_identity(chain: &[Vec<u8>], key: &[u8]) -> std::result::Result<(), String> {
    let key = PrivateKeyDer::try_from(key.to_vec())?;
    let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| e.to_string())?.with_root_certificates(RootCertStore::empty());
    builder.with_client_auth_cert(chain, key).map(drop).map_err(|e| e.to_string())
}
