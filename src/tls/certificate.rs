//! A client's certificate as nginx's variables tell it. It is read when somebody asks: most requests ask nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::names;
use crate::http::escape;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What a client sent of itself. Texts are empty where the certificate cannot be read.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
}

impl Certificate {
    pub(super) fn new(der: CertificateDer<'static>) -> Certificate {
        Certificate { der }
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// `$ssl_client_s_dn`
    pub fn s_dn(&self) -> String {
        self.read(|certificate| names::rfc2253(certificate.subject()))
    }

    /// `$ssl_client_i_dn`
    pub fn i_dn(&self) -> String {
        self.read(|certificate| names::rfc2253(certificate.issuer()))
    }

    /// `$ssl_client_s_dn_legacy`
    pub fn s_dn_legacy(&self) -> String {
        self.read(|certificate| names::oneline(certificate.subject()))
    }

    /// `$ssl_client_i_dn_legacy`
    pub fn i_dn_legacy(&self) -> String {
        self.read(|certificate| names::oneline(certificate.issuer()))
    }

    /// `$ssl_client_serial`
    pub fn serial(&self) -> String {
        self.read(|certificate| serial(certificate.raw_serial()))
    }

    /// `$ssl_client_fingerprint`: SHA-1.
    pub fn fingerprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `$ssl_client_raw_cert`: PEM.
    pub fn raw_cert(&self) -> String {
        let base64 = BASE64.encode(&self.der);
        let mut pem = String::with_capacity(base64.len() * 65 / 64 + 60);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// `$ssl_client_cert`: PEM with a tab before each line but the first, for a header.
    pub fn cert(&self) -> String {
        self.raw_cert().trim_end().replace('\n', "\n\t")
    }

    /// `$ssl_client_escaped_cert`
    pub fn escaped_cert(&self) -> String {
        String::from_utf8_lossy(&escape::uri_component(self.raw_cert().as_bytes())).into_owned()
    }

    /// `$ssl_client_v_start`
    pub fn v_start(&self) -> String {
        self.read(|certificate| time(certificate.validity().not_before))
    }

    /// `$ssl_client_v_end`
    pub fn v_end(&self) -> String {
        self.read(|certificate| time(certificate.validity().not_after))
    }

    /// `$ssl_client_v_remain`: whole days, 0 for an expired certificate.
    pub fn v_remain(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        self.read(|certificate| {
            (certificate.validity().not_after.timestamp() - now).max(0).div_euclid(86_400).to_string()
        })
    }

    /// For Pingora, which keeps them in its digest of the connection.
    pub(super) fn organization(&self) -> Option<String> {
        let (_, certificate) = X509Certificate::from_der(&self.der).ok()?;
        let organization = certificate.subject().iter_organization().next()?.as_str().ok()?;
        Some(organization.to_owned())
    }

    fn read(&self, tell: impl FnOnce(&X509Certificate) -> String) -> String {
        X509Certificate::from_der(&self.der).map_or_else(|_| String::new(), |(_, certificate)| tell(&certificate))
    }
}

/// `i2a_ASN1_INTEGER`: pairs of digits, without the byte that only holds the sign.
fn serial(raw: &[u8]) -> String {
    let negative = raw.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut bytes = raw.to_vec();
    if negative {
        // The two's complement of a negative number.
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let leading = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len().saturating_sub(1));
    let digits: String = bytes[leading..].iter().map(|byte| format!("{byte:02X}")).collect();
    if negative { format!("-{digits}") } else { digits }
}

/// `ASN1_TIME_print`: `Aug  3 12:00:00 2026 GMT`.
pub fn time(time: ASN1Time) -> String {
    let at = time.to_datetime();
    let month = MONTHS[usize::from(u8::from(at.month())) - 1];
    format!("{month} {:2} {:02}:{:02}:{:02} {} GMT", at.day(), at.hour(), at.minute(), at.second(), at.year())
}
