//! Certificates of clients: asked for in the handshake, looked at after it.
//!
//! As in nginx no certificate fails a handshake, as long as the client holds its key; a browser then gets a page that says
//! what is wrong, and a location may decide for itself. What is wrong is said in OpenSSL's words, for they are in people's
//! configurations.
//!
//! A root is a certificate that issued itself. Others in `ssl_client_certificate` help to build chains and are trusted as
//! little as those that the client sends.

use std::borrow::Cow;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{self, CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Mistake, Part, Pem, Settings, VerifyClient, legacy, pem};

/// What was found about a client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    None,
    Success,
    /// `is_unknown`: nothing is wrong with it but that no root is known that vouches for it.
    Failed {
        reason: Cow<'static, str>,
        is_unknown: bool,
    },
}

impl Verdict {
    fn failed(reason: impl Into<Cow<'static, str>>) -> Verdict {
        Verdict::Failed { reason: reason.into(), is_unknown: false }
    }

    fn unknown(reason: &'static str) -> Verdict {
        Verdict::Failed { reason: reason.into(), is_unknown: true }
    }
}

/// Whom a server believes.
#[derive(Debug)]
pub struct Clients {
    names: Arc<[DistinguishedName]>,
    roots: Vec<CertificateDer<'static>>,
    others: Vec<CertificateDer<'static>>,
    /// `None` without roots.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    has_crl: bool,
    depth: usize,
    known: WebPkiSupportedAlgorithms,
}

/// Notes all mistakes; `None` if the server asks for no certificates, or there is one.
pub fn compile(settings: &Settings, provider: &Arc<CryptoProvider>, mistakes: &mut Vec<Mistake>) -> Option<Clients> {
    let mode = settings.verify_client;
    if mode == VerifyClient::Off {
        return None;
    }
    if settings.client_certificate.is_none() && mode != VerifyClient::OptionalNoCa {
        let mistake = Mistake::error(Part::ClientCertificate, "clients' certificates are verified, but against no CA");
        mistakes.push(mistake.with_help(
            "name the CA's certificate with ssl_client_certificate, or set ssl_verify_client to optional_no_ca",
        ));
    }
    let before = mistakes.len();
    let named = read(settings.client_certificate.as_ref(), Part::ClientCertificate, mistakes);
    let trusted = read(settings.trusted_certificate.as_ref(), Part::Trusted, mistakes);
    let crls = settings.crl.as_ref().map(pem::crls).transpose();
    let crls = crls.map_err(|flaw| mistakes.push(Mistake::flaw(Part::Crl, flaw))).ok().flatten();
    if mistakes.len() > before {
        return None;
    }
    let names = store(&named, Part::ClientCertificate, mistakes)?.subjects().into();
    let (roots, others): (Vec<_>, Vec<_>) = named.into_iter().chain(trusted).partition(issued_itself);
    if roots.is_empty() && mode != VerifyClient::OptionalNoCa && settings.client_certificate.is_some() {
        let message =
            "no certificate of the CA is a root, which issued itself; every client's certificate will be refused";
        let mistake = Mistake::warning(Part::ClientCertificate, message);
        mistakes.push(
            mistake.with_help("add the root that issued it to ssl_client_certificate or ssl_trusted_certificate"),
        );
    }
    let mut clients = Clients {
        names,
        roots,
        others,
        verifier: None,
        has_crl: crls.is_some(),
        depth: settings.verify_depth as usize,
        known: provider.signature_verification_algorithms,
    };
    if !clients.roots.is_empty() {
        let roots = store(&clients.roots, Part::ClientCertificate, mistakes)?;
        let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .with_crls(crls.into_iter().flatten())
            .enforce_revocation_expiration();
        let built = builder.build().map_err(|error| mistakes.push(unusable_crl(settings, &error)));
        clients.verifier = Some(built.ok()?);
    }
    Some(clients)
}

fn unusable_crl(settings: &Settings, error: &VerifierBuilderError) -> Mistake {
    let path = settings.crl.as_ref().map_or("", |crl| &crl.path);
    Mistake::error(Part::Crl, format!("`{path}` holds no usable revocation list: {error}"))
}

fn read(file: Option<&Pem>, part: Part, mistakes: &mut Vec<Mistake>) -> Vec<CertificateDer<'static>> {
    let read = file.map(pem::certificates).transpose();
    read.map_err(|flaw| mistakes.push(Mistake::flaw(part, flaw))).ok().flatten().unwrap_or_default()
}

fn store(certificates: &[CertificateDer<'static>], part: Part, mistakes: &mut Vec<Mistake>) -> Option<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let added = store.add(certificate.clone());
        added
            .map_err(|error| mistakes.push(Mistake::error(part, format!("a CA's certificate cannot be used: {error}"))))
            .ok()?;
    }
    Some(store)
}

fn issued_itself(der: &CertificateDer) -> bool {
    names(der).is_some_and(|(subject, issuer)| subject == issuer)
}

/// Subject and issuer, as they are encoded.
fn names(der: &CertificateDer) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some((certificate.subject().as_raw().to_vec(), certificate.issuer().as_raw().to_vec()))
}

impl Clients {
    /// For the handshake.
    pub fn invitation(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Invitation { names: self.names.clone(), known: self.known })
    }

    /// Everything a session with a verified client depends on.
    pub fn scope(&self) -> impl Iterator<Item = &[u8]> {
        self.roots.iter().chain(&self.others).map(AsRef::as_ref)
    }

    /// The client's certificate first, then what it sent along.
    pub fn judge(&self, chain: &[CertificateDer], now: UnixTime) -> Verdict {
        let Some((leaf, sent)) = chain.split_first() else {
            return Verdict::None;
        };
        if legacy::is_version_1(leaf) {
            return self.judge_version_1(leaf, now);
        }
        if self.roots.contains(leaf) {
            return judge_itself_trusted(leaf, self.has_crl, now);
        }
        let intermediates: Vec<CertificateDer> = sent.iter().chain(&self.others).cloned().collect();
        let path = self.path(leaf, &intermediates);
        // The verifier would rather complain that most of those that issued themselves are a CA's.
        let Some(verifier) = self.verifier.as_ref().filter(|_| !issued_itself(leaf)) else {
            return dates_of(leaf, now).unwrap_or_else(|| self.unknown_issuer(leaf, &path));
        };
        match verifier.verify_client_cert(leaf, &intermediates, now) {
            // OpenSSL looks no further, and so does not find the root.
            Ok(_) if path.len() > self.depth => Verdict::unknown("unable to get local issuer certificate"),
            Ok(_) => Verdict::Success,
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => self.unknown_issuer(leaf, &path),
            Err(_) if is_authority(leaf) => Verdict::failed("certificate of a CA used as a client's"),
            Err(error) => Verdict::failed(reason(&error)),
        }
    }

    fn judge_version_1(&self, leaf: &CertificateDer, now: UnixTime) -> Verdict {
        match legacy::check(leaf, &self.roots, now, &self.known) {
            // Its place in a list would be looked up by what version 1 does not have.
            Ok(()) if self.has_crl => Verdict::failed("unable to get certificate CRL"),
            Ok(()) => Verdict::Success,
            Err(None) => self.unknown_issuer(leaf, &[]),
            Err(Some(reason)) => Verdict::failed(reason),
        }
    }

    /// The certificates between a client's and a root, by their names.
    fn path<'a>(&self, leaf: &CertificateDer, intermediates: &'a [CertificateDer<'a>]) -> Vec<&'a CertificateDer<'a>> {
        let roots: Vec<Vec<u8>> = self.roots.iter().filter_map(names).map(|(subject, _)| subject).collect();
        let named: Vec<_> = intermediates.iter().filter_map(|der| Some((der, names(der)?))).collect();
        let mut path: Vec<&CertificateDer> = Vec::new();
        let mut issuer = names(leaf).map(|(_, issuer)| issuer).unwrap_or_default();
        while !roots.contains(&issuer) {
            let next = named.iter().find(|(der, (subject, _))| *subject == issuer && !path.contains(der));
            let Some((der, (_, above))) = next else {
                break;
            };
            path.push(der);
            issuer.clone_from(above);
        }
        path
    }

    /// What OpenSSL says where a chain does not reach a root.
    fn unknown_issuer(&self, leaf: &CertificateDer, path: &[&CertificateDer]) -> Verdict {
        match path.last() {
            _ if issued_itself(leaf) => Verdict::unknown("self-signed certificate"),
            None => Verdict::unknown("unable to verify the first certificate"),
            Some(last) if issued_itself(last) => Verdict::unknown("self-signed certificate in certificate chain"),
            Some(last) if self.others.contains(last) => Verdict::failed("unable to get issuer certificate"),
            Some(_) => Verdict::unknown("unable to get local issuer certificate"),
        }
    }
}

/// A certificate that issued itself and is trusted by name: there is no chain to verify.
fn judge_itself_trusted(leaf: &CertificateDer, has_crl: bool, now: UnixTime) -> Verdict {
    let Ok((_, certificate)) = X509Certificate::from_der(leaf) else {
        return Verdict::failed("certificate could not be read");
    };
    let purposes = certificate.extended_key_usage().ok().flatten();
    if let Err(reason) = legacy::check_dates(&certificate, now) {
        Verdict::failed(reason)
    } else if purposes.is_some_and(|usage| !usage.value.client_auth && !usage.value.any) {
        Verdict::failed("unsuitable certificate purpose")
    } else if has_crl {
        Verdict::failed("unable to get certificate CRL")
    } else {
        Verdict::Success
    }
}

fn is_authority(leaf: &CertificateDer) -> bool {
    X509Certificate::from_der(leaf).is_ok_and(|(_, certificate)| certificate.is_ca())
}

fn dates_of(leaf: &CertificateDer, now: UnixTime) -> Option<Verdict> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    legacy::check_dates(&certificate, now).err().map(Verdict::failed)
}

/// A failure in OpenSSL's words.
fn reason(error: &Error) -> Cow<'static, str> {
    use CertificateError as E;
    let Error::InvalidCertificate(error) = error else {
        return match error {
            Error::InvalidCertRevocationList(_) => "CRL signature failure".into(),
            other => other.to_string().into(),
        };
    };
    match error {
        E::Expired | E::ExpiredContext { .. } => "certificate has expired".into(),
        E::NotValidYet | E::NotValidYetContext { .. } => "certificate is not yet valid".into(),
        E::Revoked => "certificate revoked".into(),
        E::UnknownRevocationStatus => "unable to get certificate CRL".into(),
        E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => "CRL has expired".into(),
        E::BadSignature => "certificate signature failure".into(),
        E::UnhandledCriticalExtension => "unhandled critical extension".into(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "unsuitable certificate purpose".into(),
        E::Other(other) => other.to_string().into(),
        other => other.to_string().into(),
    }
}

/// Asks for a certificate, and takes every one whose key the client holds.
#[derive(Debug)]
struct Invitation {
    names: Arc<[DistinguishedName]>,
    known: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Invitation {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !legacy::is_version_1(certificate) {
            return crypto::verify_tls12_signature(message, certificate, signed, &self.known);
        }
        if legacy::signed_handshake(certificate, message, signed, &self.known) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !legacy::is_version_1(certificate) {
            return crypto::verify_tls13_signature(message, certificate, signed, &self.known);
        }
        if is_of_tls12_only(signed.scheme) {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        if legacy::signed_handshake(certificate, message, signed, &self.known) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.known.supported_schemes()
    }
}

fn is_of_tls12_only(scheme: SignatureScheme) -> bool {
    use SignatureScheme as S;
    matches!(
        scheme,
        S::RSA_PKCS1_SHA1 | S::RSA_PKCS1_SHA256 | S::RSA_PKCS1_SHA384 | S::RSA_PKCS1_SHA512 | S::ECDSA_SHA1_Legacy
    )
}
