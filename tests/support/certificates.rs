//! Certificates for one test: an authority of its own, and what it signs, as PEM files in a temporary directory.
//!
//! Nothing is kept between tests and nothing is read from the system: whoever trusts `Authority::file` trusts only what
//! the test made. All keys are ECDSA P-256, which are made in no time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::process;

/// Who signs. Its files are removed with it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
    made: AtomicU64,
}

/// A certificate and its key.
pub struct Issued {
    /// PEM files, as `ssl_certificate` and `ssl_certificate_key` name them.
    pub certificate: PathBuf,
    pub key: PathBuf,
    der: CertificateDer<'static>,
    key_der: Vec<u8>,
    serial: SerialNumber,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, new_key()).expect("an authority's certificate");
        let directory = process::temporary_directory("certificates");
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("the authority's file");
        Authority { issuer, directory, made: AtomicU64::new(0) }
    }

    /// Its own certificate: `--cacert`, `ssl_client_certificate`.
    pub fn file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// The same, as its file has it.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue(names, names[0], ExtendedKeyUsagePurpose::ServerAuth, (2020, 2120))
    }

    /// A server's certificate that was good until 2021.
    pub fn expired_server(&self, names: &[&str]) -> Issued {
        self.issue(names, names[0], ExtendedKeyUsagePurpose::ServerAuth, (2020, 2021))
    }

    /// A client's certificate for somebody of this name.
    pub fn client(&self, name: &str) -> Issued {
        self.issue(&[], name, ExtendedKeyUsagePurpose::ClientAuth, (2020, 2120))
    }

    /// A client's certificate that was good until 2021.
    pub fn expired_client(&self, name: &str) -> Issued {
        self.issue(&[], name, ExtendedKeyUsagePurpose::ClientAuth, (2020, 2021))
    }

    /// The list of what it has revoked, as a PEM file.
    pub fn revoking(&self, revoked: &[&Issued]) -> PathBuf {
        let since = date_time_ymd(2026, 1, 1);
        let revoked = revoked.iter().map(|issued| RevokedCertParams {
            serial_number: issued.serial.clone(),
            revocation_time: since,
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: since,
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(self.next()),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a list of revoked certificates");
        let path = self.path(&format!("revoked-{}.pem", self.next()));
        std::fs::write(&path, list.pem().expect("a list as PEM")).expect("a file of revoked certificates");
        path
    }

    /// A server's certificate that vouches for itself, as `openssl req -x509` makes one: with `CA:TRUE`, unless told otherwise.
    pub fn self_signed(&self, name: &str, is_ca: bool) -> Issued {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name that a certificate can have");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        let (key, number) = (new_key(), self.next());
        let signed = params.self_signed(&key).expect("a certificate");
        let (certificate, key_file) =
            (self.path(&format!("self-{number}.pem")), self.path(&format!("self-{number}.key")));
        std::fs::write(&certificate, signed.pem()).expect("a certificate's file");
        std::fs::write(&key_file, key.serialize_pem()).expect("a key's file");
        let serial = SerialNumber::from(number);
        Issued { certificate, key: key_file, der: signed.der().clone(), key_der: key.serialize_der(), serial }
    }

    fn issue(&self, names: &[&str], subject: &str, usage: ExtendedKeyUsagePurpose, years: (i32, i32)) -> Issued {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let mut params = CertificateParams::new(names).expect("names that a certificate can have");
        params.distinguished_name.push(DnType::CommonName, subject);
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let number = self.next();
        // The first byte keeps every number of the same length and positive.
        let serial = SerialNumber::from(0x1000_0000 + number);
        params.serial_number = Some(serial.clone());
        let key = new_key();
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = subject.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_");
        let certificate = self.path(&format!("{file}-{number}.pem"));
        let key_file = self.path(&format!("{file}-{number}.key"));
        std::fs::write(&certificate, signed.pem()).expect("a certificate's file");
        std::fs::write(&key_file, key.serialize_pem()).expect("a key's file");
        Issued { certificate, key: key_file, der: signed.der().clone(), key_der: key.serialize_der(), serial }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn next(&self) -> u64 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }
}

impl Issued {
    pub fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key_der.clone().into())
    }

    /// Puts certificate and key into these files, as somebody does who renews them.
    pub fn certificate_pem(&self) -> String {
        std::fs::read_to_string(&self.certificate).expect("a certificate's file")
    }

    pub fn key_pem(&self) -> String {
        std::fs::read_to_string(&self.key).expect("a key's file")
    }

    pub fn install(&self, certificate: &Path, key: &Path) {
        for (from, to) in [(&self.certificate, certificate), (&self.key, key)] {
            std::fs::copy(from, to).expect("copying a certificate");
        }
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
