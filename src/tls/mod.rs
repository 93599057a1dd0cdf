//! TLS towards clients, on rustls with ring: what nginx's `ssl_*` directives say becomes a [`Server`], and [`accept`] turns
//! a connection into one that is encrypted, with a [`Session`] that tells what nginx's `$ssl_*` variables tell.
//!
//! It is a room of its own because nothing of it depends on HTTP or on edge.yaml: it is given bytes and a time, opens no
//! file and knows no listener. What always holds:
//!
//! - A client's certificate never breaks a handshake; what is wrong with it is told afterwards, by [`Session::refusal`], as
//!   nginx answers 400 on a connection that stands.
//! - A session is resumed only where it began: at a server with the same certificates, which asks its clients for the same.
//!   What it says about the client's certificate is looked at anew each time.
//! - Sessions outlive a reload; what a reload changes holds from the next handshake on.

mod accept;
mod certificate;
mod ciphers;
mod clients;
mod curves;
mod legacy;
pub mod locked;
mod names;
mod pairs;
pub mod pem;
mod resumption;
mod server;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use accept::{Accepted, Failure, Rejected, accept};
pub use certificate::Certificate;
pub use pem::Pem;
pub use server::Server;
pub use session::{Refusal, Session};
pub use stream::TlsStream;

/// A certificate with its chain and the key to it: `ssl_certificate`, `ssl_certificate_key`.
#[derive(Clone, Debug)]
pub struct Pair {
    pub certificate: Pem,
    pub key: Pem,
}

/// `ssl_verify_client`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifyClient {
    #[default]
    Off,
    On,
    Optional,
    OptionalNoCa,
}

/// What one server says about TLS.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Several for several kinds of keys; the last of a kind counts, as in nginx.
    pub pairs: Vec<Pair>,
    pub tls12: bool,
    pub tls13: bool,
    /// `ssl_ciphers`, OpenSSL's list; it says nothing about TLS 1.3.
    pub ciphers: Option<String>,
    pub prefer_server_ciphers: bool,
    /// `ssl_ecdh_curve`: `auto` or names with colons between them.
    pub curves: Option<String>,
    pub session_cache: bool,
    pub session_timeout: Duration,
    pub session_tickets: bool,
    /// `ssl_session_ticket_key`: secrets that the keys of tickets are made of; the first makes tickets. Without any the
    /// process has keys of its own.
    pub ticket_keys: Vec<Vec<u8>>,
    pub verify_client: VerifyClient,
    pub client_certificate: Option<Pem>,
    pub trusted_certificate: Option<Pem>,
    pub crl: Option<Pem>,
    /// How many certificates may stand between the client's and the root.
    pub verify_depth: u32,
    /// `ssl_stapling_file`: an OCSP response in DER.
    pub stapling: Option<Vec<u8>>,
    pub reject_handshake: bool,
    /// Offers `h2` before `http/1.1`.
    pub http2: bool,
}

impl Default for Settings {
    /// nginx's defaults, as far as edge knows the protocols.
    fn default() -> Settings {
        Settings {
            pairs: Vec::new(),
            tls12: true,
            tls13: true,
            ciphers: None,
            prefer_server_ciphers: false,
            curves: None,
            session_cache: false,
            session_timeout: Duration::from_secs(300),
            session_tickets: true,
            ticket_keys: Vec::new(),
            verify_client: VerifyClient::Off,
            client_certificate: None,
            trusted_certificate: None,
            crl: None,
            verify_depth: 1,
            stapling: None,
            reject_handshake: false,
            http2: false,
        }
    }
}

/// The setting a mistake is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate of the pair with this number, from 0.
    Certificate(usize),
    Key(usize),
    Ciphers,
    Curves,
    Protocols,
    ClientCertificate,
    Trusted,
    Crl,
    Stapling,
}

/// What is wrong with a setting. A warning leaves a [`Server`] that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub part: Part,
    pub message: String,
    pub help: Option<String>,
    pub is_warning: bool,
}

impl Mistake {
    fn error(part: Part, message: impl Into<String>) -> Mistake {
        Mistake { part, message: message.into(), help: None, is_warning: false }
    }

    fn warning(part: Part, message: impl Into<String>) -> Mistake {
        Mistake { part, message: message.into(), help: None, is_warning: true }
    }

    fn flaw(part: Part, flaw: pem::Flaw) -> Mistake {
        Mistake { part, message: flaw.message, help: flaw.help, is_warning: false }
    }

    fn with_help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }
}
