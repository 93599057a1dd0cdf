//! Certificates, keys and revocation lists out of PEM files, and what to say about a file that holds something else.
//!
//! Wrong files are the usual mistake with TLS: the key where the certificate belongs, DER instead of PEM, a key with a
//! passphrase. Each has a message that says what the file is and the command that makes the right one of it.

use std::sync::Arc;

use rustls::crypto::ring::sign;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate, X509Version};

/// A file that somebody else has read.
#[derive(Clone, Debug)]
pub struct Pem {
    /// Its name, for messages.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// What is wrong with a file, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    pub message: String,
    pub help: Option<String>,
}

impl Flaw {
    fn new(message: impl Into<String>) -> Flaw {
        Flaw { message: message.into(), help: None }
    }

    fn with_help(mut self, help: impl Into<String>) -> Flaw {
        self.help = Some(help.into());
        self
    }
}

/// All certificates of a file, in its order; each is one that can be read.
pub fn certificates(file: &Pem) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let found = items::<CertificateDer>(file)?;
    if found.is_empty() {
        return Err(no_certificate(file));
    }
    for (at, der) in found.iter().enumerate() {
        X509Certificate::from_der(der).map_err(|error| {
            Flaw::new(format!("certificate {} of `{}` is not a valid X.509 certificate: {error}", at + 1, file.path))
                .with_help(format!("`openssl x509 -in {} -text` shows what OpenSSL reads in it", file.path))
        })?;
    }
    Ok(found)
}

/// The first private key of a file, in PKCS #8, PKCS #1 or SEC 1.
pub fn key(file: &Pem) -> Result<PrivateKeyDer<'static>, Flaw> {
    let encrypted = contains(&file.bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(&file.bytes, b"Proc-Type: 4,ENCRYPTED");
    if encrypted {
        return Err(Flaw::new(format!("the key in `{}` is encrypted with a passphrase", file.path))
            .with_help(format!(
                "name a file with the passphrase by `ssl_password_file`, or decrypt it: `openssl pkey -in {} -out decrypted.key`",
                file.path
            )));
    }
    items::<PrivateKeyDer>(file)?.into_iter().next().ok_or_else(|| no_key(file))
}

/// The first private key of a file, ready to sign with.
pub fn signing_key(file: &Pem) -> Result<Arc<dyn SigningKey>, Flaw> {
    let key = key(file)?;
    sign::any_supported_type(&key).map_err(|_| {
        Flaw::new(format!("the key in `{}` cannot be used: {}", file.path, why_unusable(key.secret_der()))).with_help(
            "RSA with 2048 to 8192 bits, ECDSA on P-256 or P-384 and Ed25519 are known; \
             `openssl ecparam -name prime256v1 -genkey -noout` makes a key",
        )
    })
}

/// All revocation lists of a file, each of version 2.
pub fn crls(file: &Pem) -> Result<Vec<CertificateRevocationListDer<'static>>, Flaw> {
    let found = items::<CertificateRevocationListDer>(file)?;
    if found.is_empty() {
        return Err(Flaw::new(what_it_is(file, "revocation list")).with_help(
            "a revocation list in PEM begins with `-----BEGIN X509 CRL-----`; `openssl crl -inform der` converts one",
        ));
    }
    let version_1 = |der: &CertificateRevocationListDer| {
        CertificateRevocationList::from_der(der).is_ok_and(|(_, list)| list.version() != Some(X509Version::V2))
    };
    if found.iter().any(version_1) {
        return Err(Flaw::new(format!(
            "the revocation list in `{}` is of version 1; only version 2 is known",
            file.path
        ))
        .with_help("`openssl ca -gencrl` makes version 2 with `crl_extensions = crl_ext` in openssl.cnf"));
    }
    Ok(found)
}

fn items<T: PemObject>(file: &Pem) -> Result<Vec<T>, Flaw> {
    T::pem_slice_iter(&file.bytes).collect::<Result<_, _>>().map_err(|error| {
        let what = match error {
            pem::Error::MissingSectionEnd { end_marker } => {
                format!("`-----END {}-----` is missing", String::from_utf8_lossy(&end_marker))
            }
            pem::Error::IllegalSectionStart { line } => {
                format!("`{}` begins no section", String::from_utf8_lossy(&line).trim_end())
            }
            pem::Error::Base64Decode(_) => "a section is not base64".to_owned(),
            other => other.to_string(),
        };
        Flaw::new(format!("`{}` is not valid PEM: {what}", file.path)).with_help(
            "the file may have been cut off or pasted with other line breaks; take it anew from where it came",
        )
    })
}

fn no_certificate(file: &Pem) -> Flaw {
    let path = &file.path;
    let labels = labels(&file.bytes);
    let has = |label: &str| labels.iter().any(|found| found == label);
    let message = what_it_is(file, "certificate");
    let flaw = Flaw::new(message);
    if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
        return flaw.with_help(
            "the certificate begins with `-----BEGIN CERTIFICATE-----`; are certificate and key exchanged?",
        );
    }
    if has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST") {
        return flaw.with_help("a request is what a CA makes the certificate of; name the file that came back from it");
    }
    if has("TRUSTED CERTIFICATE") || is_der(file) {
        let form = if is_der(file) { "-inform der " } else { "" };
        return flaw.with_help(format!(
            "convert it: `openssl x509 {form}-in {path} -out certificate.pem`; a PKCS #12 file with `openssl pkcs12 -in {path} -nodes`"
        ));
    }
    flaw.with_help("a certificate in PEM begins with `-----BEGIN CERTIFICATE-----`")
}

fn no_key(file: &Pem) -> Flaw {
    let path = &file.path;
    let labels = labels(&file.bytes);
    let flaw = Flaw::new(what_it_is(file, "private key"));
    if labels.iter().any(|label| label == "OPENSSH PRIVATE KEY") {
        return flaw.with_help(format!("convert it: `ssh-keygen -p -m PEM -f {path}`"));
    }
    if labels.iter().any(|label| label.ends_with("CERTIFICATE")) {
        return flaw.with_help("the key begins with `-----BEGIN PRIVATE KEY-----`; are certificate and key exchanged?");
    }
    if is_der(file) {
        return flaw.with_help(format!("convert it: `openssl pkey -inform der -in {path} -out key.pem`"));
    }
    flaw.with_help("a key in PEM begins with `-----BEGIN PRIVATE KEY-----`")
}

/// What a file is that does not hold what was sought.
fn what_it_is(file: &Pem, sought: &str) -> String {
    let path = &file.path;
    let mut labels = labels(&file.bytes);
    labels.dedup();
    if file.bytes.iter().all(u8::is_ascii_whitespace) {
        format!("`{path}` is empty")
    } else if is_der(file) {
        format!("`{path}` is binary (DER or PKCS #12), not PEM")
    } else if labels.is_empty() {
        format!("`{path}` holds no {sought}: nothing in it is PEM")
    } else {
        format!("`{path}` holds no {sought}, but: {}", labels.join(", "))
    }
}

/// Both DER and PKCS #12 begin with a SEQUENCE whose length takes more than one byte.
fn is_der(file: &Pem) -> bool {
    matches!(file.bytes.get(..2), Some([0x30, length]) if *length >= 0x80)
}

/// What stands after `-----BEGIN`, for each section.
fn labels(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let label = |line: &str| Some(line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----")?.to_owned());
    text.lines().filter_map(label).collect()
}

/// Why ring does not take a key; it says nothing itself, but the kind of the key stands in its bytes.
fn why_unusable(der: &[u8]) -> &'static str {
    const KINDS: &[(&[u8], &str)] = &[
        (&[0x2b, 0x81, 0x04, 0x00, 0x23], "it is on the curve P-521"),
        (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "it is on the curve secp256k1"),
        (&[0x06, 0x03, 0x2b, 0x65, 0x71], "it is an Ed448 key"),
        (&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], "it is a DSA key"),
        (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], "it is an RSA key of the wrong size, or damaged"),
    ];
    let kind = KINDS.iter().find(|(oid, _)| contains(der, oid));
    kind.map_or("it is of an unknown kind, too short, or damaged", |(_, what)| what)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}
