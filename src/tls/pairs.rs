//! Certificates with their keys, and which of them a client gets.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{CipherSuite, SupportedCipherSuite};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::time;
use super::{Mistake, Pair, Part, pem};

/// One certificate for each kind of key, the first as the configuration names them last: of two of a kind nginx takes
/// the later.
#[derive(Debug)]
pub struct Pairs {
    keys: Vec<Arc<CertifiedKey>>,
    suites: Vec<SupportedCipherSuite>,
    has_tls13: bool,
}

impl Pairs {
    /// `suites`: those of TLS 1.2 that the server has.
    pub fn new(mut keys: Vec<CertifiedKey>, suites: Vec<SupportedCipherSuite>, has_tls13: bool) -> Pairs {
        keys.reverse();
        Pairs { keys: keys.into_iter().map(Arc::new).collect(), suites, has_tls13 }
    }

    /// The first key that signs as the client likes best.
    fn favourite(&self, hello: &ClientHello, is_usable: impl Fn(&CertifiedKey) -> bool) -> Option<Arc<CertifiedKey>> {
        let usable: Vec<_> = self.keys.iter().filter(|key| is_usable(key)).collect();
        let schemes = hello.signature_schemes().iter();
        let mut keys =
            schemes.filter_map(|scheme| usable.iter().find(|key| key.key.choose_scheme(&[*scheme]).is_some()));
        keys.next().map(|key| (*key).clone())
    }

    /// Whether TLS 1.2 has a suite for the kind of key that both sides know.
    fn has_suite(&self, key: &CertifiedKey, offered: &[CipherSuite]) -> bool {
        self.suites.iter().any(|suite| offered.contains(&suite.suite()) && signs_for(&*key.key, suite))
    }
}

fn signs_for(key: &dyn SigningKey, suite: &SupportedCipherSuite) -> bool {
    match suite {
        SupportedCipherSuite::Tls12(suite) => key.choose_scheme(suite.sign).is_some(),
        SupportedCipherSuite::Tls13(_) => true,
    }
}

impl ResolvesServerCert for Pairs {
    /// TLS 1.3 takes any key, but which version it will be is not known here: a key that goes with both is better.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let [only] = &self.keys[..] {
            return Some(only.clone());
        }
        let with_both = self.favourite(&hello, |key| self.has_suite(key, hello.cipher_suites()));
        with_both.or_else(|| self.favourite(&hello, |_| self.has_tls13))
    }
}

/// Reads the pair with this number, from 0.
pub fn compile(at: usize, pair: &Pair, stapling: Option<&[u8]>, mistakes: &mut Vec<Mistake>) -> Option<CertifiedKey> {
    let chain = pem::certificates(&pair.certificate);
    let key = pem::signing_key(&pair.key);
    if let Err(flaw) = &chain {
        mistakes.push(Mistake::flaw(Part::Certificate(at), flaw.clone()));
    }
    if let Err(flaw) = &key {
        mistakes.push(Mistake::flaw(Part::Key(at), flaw.clone()));
    }
    let chain = chain.ok()?;
    warn_of_dates(at, pair, &chain, mistakes);
    let key = key.ok()?;
    check_that_they_match(at, pair, &chain, &*key, mistakes)?;
    let mut certified = CertifiedKey::new(chain, key);
    certified.ocsp = stapling.map(<[u8]>::to_vec);
    Some(certified)
}

fn warn_of_dates(at: usize, pair: &Pair, chain: &[CertificateDer], mistakes: &mut Vec<Mistake>) {
    let path = &pair.certificate.path;
    for (number, der) in chain.iter().enumerate() {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            continue;
        };
        let now = x509_parser::time::ASN1Time::now();
        let which = if number == 0 { "the certificate".to_owned() } else { format!("certificate {}", number + 1) };
        let validity = certificate.validity();
        let message = if validity.not_after < now {
            format!("{which} in `{path}` has expired on {}; clients will refuse it", time(validity.not_after))
        } else if validity.not_before > now {
            format!(
                "{which} in `{path}` is valid only from {} on; until then clients will refuse it",
                time(validity.not_before)
            )
        } else {
            continue;
        };
        mistakes.push(Mistake::warning(Part::Certificate(at), message));
    }
}

/// A certificate without its key is a file taken for another: of last year, or of the CA.
fn check_that_they_match(
    at: usize,
    pair: &Pair,
    chain: &[CertificateDer],
    key: &dyn SigningKey,
    mistakes: &mut Vec<Mistake>,
) -> Option<()> {
    let public = key.public_key()?;
    let belongs = |der: &CertificateDer| {
        X509Certificate::from_der(der).is_ok_and(|(_, certificate)| certificate.public_key().raw == public.as_ref())
    };
    let (certificate, key) = (&pair.certificate.path, &pair.key.path);
    let help = match chain.iter().position(belongs) {
        Some(0) => return Some(()),
        Some(other) => {
            format!(
                "it belongs to certificate {} there; the server's own has to be the first, then those that issued it",
                other + 1
            )
        }
        None => format!(
            "both commands print the same if they belong together: `openssl x509 -in {certificate} -noout -pubkey` and \
             `openssl pkey -in {key} -pubout`"
        ),
    };
    let message = format!("the key in `{key}` does not belong to the certificate in `{certificate}`");
    mistakes.push(Mistake::error(Part::Key(at), message).with_help(help));
    None
}
