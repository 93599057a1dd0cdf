//! The `ssl_*` keys of a server, compiled: files read, certificates and keys checked, all mistakes at their place.

use super::compile::Texts;
use super::listen::Wish;
use super::{Http2, Location, Server};
use crate::config::raw::tls::{TlsKeys, TlsVersion, VerifyClient};
use crate::config::{Diagnostics, Raw, Span, Spanned};
use crate::tls::{self, Mistake, Pair, Part, Pem};
use std::sync::Arc;

/// A window below HTTP/2's smallest frame helps nobody (RFC 9113 4.2); one above its largest is none (6.9.1).
const MIN_WINDOW: u32 = 16 << 10;
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// What a server does with connections of TLS; `None` if it has no certificate, or mistakes.
pub(super) fn compile(
    keys: &TlsKeys,
    http2: bool,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<tls::Server>> {
    let files = Files { texts };
    let asks = keys.ssl_verify_client() != VerifyClient::Off;
    let speaks_tls = keys.ssl_certificate.is_some() || keys.ssl_reject_handshake();
    // All are read before anything is decided: whoever has one wrong name has others.
    let pairs = files.pairs(keys, diagnostics);
    let client_certificate = files.optional(&keys.ssl_client_certificate, speaks_tls && asks, diagnostics);
    let trusted_certificate = files.optional(&keys.ssl_trusted_certificate, speaks_tls && asks, diagnostics);
    let crl = files.optional(&keys.ssl_crl, speaks_tls && asks, diagnostics);
    let stapling = files.optional(&keys.ssl_stapling_file, speaks_tls, diagnostics);
    let ticket_keys = files.ticket_keys(keys, diagnostics);
    let pairs = pairs?;
    if pairs.is_empty() && !keys.ssl_reject_handshake() {
        return None;
    }
    let settings = tls::Settings {
        pairs,
        tls12: speaks(keys, TlsVersion::Tls12),
        tls13: speaks(keys, TlsVersion::Tls13),
        ciphers: Some(keys.ssl_ciphers()),
        prefer_server_ciphers: keys.ssl_prefer_server_ciphers(),
        curves: Some(keys.ssl_ecdh_curve()),
        session_cache: keys.ssl_session_cache().0,
        session_timeout: keys.ssl_session_timeout().0,
        session_tickets: keys.ssl_session_tickets(),
        ticket_keys: ticket_keys?,
        verify_client: match keys.ssl_verify_client() {
            VerifyClient::Off => tls::VerifyClient::Off,
            VerifyClient::On => tls::VerifyClient::On,
            VerifyClient::Optional => tls::VerifyClient::Optional,
            VerifyClient::OptionalNoCa => tls::VerifyClient::OptionalNoCa,
        },
        client_certificate: client_certificate?,
        trusted_certificate: trusted_certificate?,
        crl: crl?,
        verify_depth: keys.ssl_verify_depth(),
        stapling: stapling?.map(|file| file.bytes),
        reject_handshake: keys.ssl_reject_handshake(),
        http2,
    };
    let mut mistakes = Vec::new();
    let server = tls::Server::compile(&settings, &mut mistakes);
    mistakes.into_iter().for_each(|mistake| tell(mistake, keys, diagnostics));
    server.map(Arc::new)
}

/// How HTTP/2 is spoken.
pub(super) fn http2(keys: &TlsKeys, outside: &Location) -> Http2 {
    Http2 {
        max_concurrent_streams: keys.http2_max_concurrent_streams(),
        window: u32::try_from(keys.http2_body_preread_size().0).unwrap_or(u32::MAX).clamp(MIN_WINDOW, MAX_WINDOW),
        keepalive_requests: outside.keepalive_requests.into(),
    }
}

/// An address with TLS needs a certificate: the default server's, which counts where another has none.
pub(super) fn check_certificates(
    here: &[&Wish],
    default: &Arc<Server>,
    raw: &Raw,
    servers: &[Arc<Server>],
    diagnostics: &mut Diagnostics,
) {
    let keys = |place: usize| raw.servers.get(place).map(|s| s.tls.inherit(&raw.tls)).unwrap_or_default();
    let named = |place: usize| keys(place).ssl_certificate.is_some();
    let place = servers.iter().position(|server| Arc::ptr_eq(server, default));
    if place.is_some_and(named) {
        return;
    }
    // A default server that refuses all handshakes lends no certificate to the others.
    for wish in here.iter().filter(|wish| !named(wish.server) && !keys(wish.server).ssl_reject_handshake()) {
        let is_default = Some(wish.server) == place;
        if is_default || place.is_some_and(|place| keys(place).ssl_reject_handshake()) {
            diagnostics
                .error(wish.at, format!("no `ssl_certificate` is defined for `listen {}` with `ssl`", wish.address))
                .help("write `ssl_certificate: PATH` and `ssl_certificate_key: PATH` in this server or at the top");
        }
    }
}

/// Versions before 1.2 are left out, and said to be.
pub(super) fn warn_of_versions(keys: &TlsKeys, diagnostics: &mut Diagnostics) {
    use TlsVersion::{Ssl2, Ssl3, Tls10, Tls11};
    for version in keys.ssl_protocols.iter().flat_map(|v| &v.value) {
        if matches!(version.value, Ssl2 | Ssl3 | Tls10 | Tls11) {
            diagnostics
                .warning(version.span, format!("{} is not spoken: it is broken (RFC 8996)", version.value.word()))
                .help("edge speaks TLSv1.2 and TLSv1.3");
        }
    }
}

fn speaks(keys: &TlsKeys, wanted: TlsVersion) -> bool {
    keys.ssl_protocols().iter().any(|version| version.value == wanted)
}

fn tell(mistake: Mistake, keys: &TlsKeys, diagnostics: &mut Diagnostics) {
    let at = place(mistake.part, keys).unwrap_or_default();
    let told = match mistake.is_warning {
        true => diagnostics.warning(at, mistake.message),
        false => diagnostics.error(at, mistake.message),
    };
    if let Some(help) = mistake.help {
        told.help(help);
    }
}

fn place(part: Part, keys: &TlsKeys) -> Option<Span> {
    fn of<T>(value: &Option<Spanned<T>>) -> Option<Span> {
        value.as_ref().map(|v| v.span)
    }
    match part {
        Part::Certificate(at) => Some(keys.ssl_certificate.as_ref()?.0.get(at)?.span),
        Part::Key(at) => Some(keys.ssl_certificate_key.as_ref()?.0.get(at)?.span),
        Part::Ciphers => of(&keys.ssl_ciphers),
        Part::Curves => of(&keys.ssl_ecdh_curve),
        Part::Protocols => of(&keys.ssl_protocols),
        Part::ClientCertificate => of(&keys.ssl_client_certificate).or(of(&keys.ssl_verify_client)),
        Part::Trusted => of(&keys.ssl_trusted_certificate),
        Part::Crl => of(&keys.ssl_crl),
        Part::Stapling => of(&keys.ssl_stapling_file),
    }
}

/// The files that the keys name.
struct Files<'t> {
    texts: &'t Texts<'t>,
}

impl Files<'_> {
    /// Certificates with their keys, in the order in which they stand.
    fn pairs(&self, keys: &TlsKeys, diagnostics: &mut Diagnostics) -> Option<Vec<Pair>> {
        let certificates = keys.ssl_certificate.iter().flat_map(|c| &c.0);
        let private = keys.ssl_certificate_key.iter().flat_map(|k| &k.0);
        if let Some(lonely) = certificates.clone().nth(private.clone().count()) {
            diagnostics
                .error(lonely.span, format!("no `ssl_certificate_key` belongs to the certificate {}", lonely.value))
                .help("write one `ssl_certificate_key` for each `ssl_certificate`, in the same order");
            return None;
        }
        if let Some(lonely) = private.clone().nth(certificates.clone().count()) {
            diagnostics
                .error(lonely.span, format!("no `ssl_certificate` belongs to the key {}", lonely.value))
                .help("write one `ssl_certificate` for each `ssl_certificate_key`, in the same order");
            return None;
        }
        let read: Vec<Option<Pair>> = certificates
            .zip(private)
            .map(|(certificate, key)| {
                let certificate = self.texts.pem(certificate, diagnostics);
                let locked = self.texts.pem(key, diagnostics);
                let unlocked = self.texts.unlock(locked?, keys.ssl_password_file.as_ref(), diagnostics)?;
                let key = unlocked.map_err(|flaw| super::secure::tell(flaw, key.span, diagnostics)).ok();
                Some(Pair { certificate: certificate?, key: key? })
            })
            .collect();
        read.into_iter().collect()
    }

    /// What the keys of tickets are made of.
    fn ticket_keys(&self, keys: &TlsKeys, diagnostics: &mut Diagnostics) -> Option<Vec<Vec<u8>>> {
        let files = keys.ssl_session_ticket_key.iter().flat_map(|files| &files.0);
        let read: Vec<Option<Vec<u8>>> = files
            .map(|file| {
                let bytes = self.texts.pem(file, diagnostics)?.bytes;
                if matches!(bytes.len(), 48 | 80) {
                    return Some(bytes);
                }
                let why = format!("{} must have 48 or 80 bytes, and has {}", file.value, bytes.len());
                diagnostics.error(file.span, why).help("`openssl rand 80 > FILE` makes one");
                None
            })
            .collect();
        read.into_iter().collect()
    }

    /// A file that need not be named, or is not needed.
    fn optional(
        &self,
        path: &Option<Spanned<String>>,
        needed: bool,
        diagnostics: &mut Diagnostics,
    ) -> Option<Option<Pem>> {
        match path.as_ref().filter(|_| needed) {
            Some(path) => self.texts.pem(path, diagnostics).map(Some),
            None => Some(None),
        }
    }
}
