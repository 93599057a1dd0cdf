//! Certificates of X.509 version 1: what `openssl x509 -req` makes unless it is told of extensions, and therefore what many
//! clients hold. The verifier of rustls refuses them; OpenSSL, and so nginx, does not.
//!
//! Only a client's own certificate may be one, issued by a root itself. Such a certificate says nothing that could be
//! misread: it has no extensions.

use rustls::DigitallySignedStruct;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use x509_parser::der_parser::asn1_rs::Any;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

pub fn is_version_1(der: &CertificateDer) -> bool {
    X509Certificate::from_der(der).is_ok_and(|(_, certificate)| certificate.version() == X509Version::V1)
}

/// Whether a signature of the handshake was made with the certificate's key.
pub fn signed_handshake(
    der: &CertificateDer,
    message: &[u8],
    signed: &DigitallySignedStruct,
    known: &WebPkiSupportedAlgorithms,
) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return false;
    };
    let candidates = known.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme).map_or(&[][..], |(_, all)| *all);
    candidates.iter().any(|algorithm| verify(*algorithm, certificate.public_key().raw, message, signed.signature()))
}

/// Whether the certificate is in its time and signed by one of these. `Err` is OpenSSL's reason, `None` where none of them
/// is its issuer.
pub fn check(
    der: &CertificateDer,
    roots: &[CertificateDer],
    now: UnixTime,
    known: &WebPkiSupportedAlgorithms,
) -> Result<(), Option<&'static str>> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| "certificate could not be read")?;
    check_dates(&certificate, now)?;
    let roots = roots.iter().filter_map(|root| X509Certificate::from_der(root).ok()).map(|(_, root)| root);
    let issuers: Vec<_> = roots.filter(|root| root.subject().as_raw() == certificate.issuer().as_raw()).collect();
    if issuers.is_empty() {
        return Err(None);
    }
    let signed = |issuer: &&X509Certificate| is_signed_by(der, &certificate, issuer.public_key().raw, known);
    // The root's dates count as well, as for any other certificate.
    let issuer = issuers.iter().find(signed).ok_or("certificate signature failure")?;
    Ok(check_dates(issuer, now)?)
}

pub fn check_dates(certificate: &X509Certificate, now: UnixTime) -> Result<(), &'static str> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        Err("certificate is not yet valid")
    } else if now > validity.not_after.timestamp() {
        Err("certificate has expired")
    } else {
        Ok(())
    }
}

fn is_signed_by(
    der: &CertificateDer,
    certificate: &X509Certificate,
    public_key: &[u8],
    known: &WebPkiSupportedAlgorithms,
) -> bool {
    let Some(identifier) = signature_algorithm(der) else {
        return false;
    };
    let message = certificate.tbs_certificate.as_ref();
    let signature = &certificate.signature_value.data;
    let candidates = known.all.iter().filter(|algorithm| algorithm.signature_alg_id().as_ref() == identifier);
    candidates.into_iter().any(|algorithm| verify(*algorithm, public_key, message, signature))
}

/// The second of a certificate's three parts, without its head.
fn signature_algorithm<'a>(der: &'a CertificateDer) -> Option<&'a [u8]> {
    let (_, certificate) = Any::from_der(der).ok()?;
    let (rest, _) = Any::from_der(certificate.data).ok()?;
    Some(Any::from_der(rest).ok()?.1.data)
}

/// `public_key` is a whole SubjectPublicKeyInfo.
fn verify(algorithm: &dyn SignatureVerificationAlgorithm, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let parts = || {
        let (_, info) = Any::from_der(public_key).ok()?;
        let (rest, identifier) = Any::from_der(info.data).ok()?;
        let (_, key) = Any::from_der(rest).ok()?;
        // A bit string's first byte counts its unused bits.
        Some((identifier.data, key.data.strip_prefix(&[0])?))
    };
    parts().is_some_and(|(identifier, key)| {
        algorithm.public_key_alg_id().as_ref() == identifier
            && algorithm.verify_signature(key, message, signature).is_ok()
    })
}
