//! The keys of TLS and HTTP/2 towards clients, with nginx's names (`ssl_*`, `http2*`). They stand at the top or in a server.

use crate::config::Diagnostics;
use crate::config::node::Node;
use crate::config::types::Accepted;
use crate::config::value::{Arg, Repeated, Size, Spanned, Time, Value, mismatch};
use crate::{keys, words};

keys! {
    /// What holds on the listeners that have `ssl` or speak HTTP/2.
    pub struct TlsKeys {
        /// The file with the certificate in PEM, then those between it and the authority; several for several kinds of keys.
        ["hs"] ssl_certificate: Repeated<Spanned<String>>,
        /// The file with the key in PEM; one for each `ssl_certificate`, in the same order.
        ["hs"] ssl_certificate_key: Repeated<Spanned<String>>,
        /// The file with the passphrases of encrypted keys, each in a line; they are tried in turn.
        ["hs"] ssl_password_file: String,
        /// The versions clients may speak; those before TLSv1.2 are not spoken, whatever is said here.
        ["hs"] ssl_protocols: Vec<Spanned<TlsVersion>> = "[TLSv1.2, TLSv1.3]",
        /// The cipher suites of TLSv1.2, in OpenSSL's words.
        ["hs"] ssl_ciphers: String = "HIGH:!aNULL:!MD5",
        /// The server's order of cipher suites counts, not the client's.
        ["hs"] ssl_prefer_server_ciphers: bool = "false",
        /// The curves of the key exchange: `auto` or `X25519:prime256v1:secp384r1`.
        ["hs"] ssl_ecdh_curve: String = "auto",
        /// Where sessions are kept that clients resume: `off` and `none` do without, everything else is one cache of the process.
        ["hs"] ssl_session_cache: SessionCache = "none",
        /// Sessions are resumed by tickets, which clients keep.
        ["hs"] ssl_session_tickets: bool = "true",
        /// The file of 48 or 80 bytes (`openssl rand 80 > FILE`) that the keys of tickets are made of, so that several edges take one
        /// another's; the first of several makes tickets, all of them read them.
        ["hs"] ssl_session_ticket_key: Repeated<Spanned<String>>,
        /// How long a session can be resumed.
        ["hs"] ssl_session_timeout: Time = "5m",
        /// Whether clients are asked for a certificate.
        ["hs"] ssl_verify_client: VerifyClient = "off",
        /// The file with the authorities of clients' certificates; clients are told their names.
        ["hs"] ssl_client_certificate: String,
        /// More authorities of clients' certificates, of which clients are not told.
        ["hs"] ssl_trusted_certificate: String,
        /// The file with revoked certificates.
        ["hs"] ssl_crl: String,
        /// The most certificates between a client's and the authority.
        ["hs"] ssl_verify_depth: u32 = "1",
        /// The file with the authority's answer about the certificate (OCSP, DER), sent to clients that ask for it.
        ["hs"] ssl_stapling_file: String,
        /// Handshakes for the names of this server are refused: for a default server without a certificate.
        ["hs"] ssl_reject_handshake: bool = "false",
        /// HTTP/2, offered by ALPN; without TLS for clients that begin with it.
        ["hs"] http2: bool = "false",
        /// The most requests at once on one connection of HTTP/2.
        ["hs"] http2_max_concurrent_streams: u32 = "128",
        /// How much of a body a client of HTTP/2 may send before it is read.
        ["hs"] http2_body_preread_size: Size = "64k",
        /// Accepted; records are as long as what is sent.
        ["hs"] ssl_buffer_size: Accepted,
        /// Accepted; the key exchange is always by elliptic curves.
        ["hs"] ssl_dhparam: Accepted,
        /// Accepted; an answer of the authority is stapled if `ssl_stapling_file` has it.
        ["hs"] ssl_stapling: Accepted,
        /// Accepted; see `ssl_stapling`.
        ["hs"] ssl_stapling_verify: Accepted,
        /// Accepted; see `ssl_stapling`.
        ["hs"] ssl_stapling_responder: Accepted,
        /// Accepted; certificates are read once, at a load.
        ["hs"] ssl_certificate_cache: Accepted,
        /// Accepted; `keepalive_requests` counts.
        ["hs"] http2_max_requests: Accepted,
        /// Accepted; `keepalive_timeout` counts.
        ["hs"] http2_idle_timeout: Accepted,
        /// Accepted; `client_header_timeout` counts.
        ["hs"] http2_recv_timeout: Accepted,
        /// Accepted; `large_client_header_buffers` counts.
        ["hs"] http2_max_field_size: Accepted,
        /// Accepted; `large_client_header_buffers` counts.
        ["hs"] http2_max_header_size: Accepted,
        /// Accepted; buffers size themselves.
        ["h"] http2_recv_buffer_size: Accepted,
        /// Accepted; nothing is pushed: clients have given that up.
        ["hs"] http2_max_concurrent_pushes: Accepted,
    }
}

words! {
    /// A version of TLS.
    pub enum TlsVersion {
        Ssl2 = "SSLv2",
        Ssl3 = "SSLv3",
        Tls10 = "TLSv1",
        Tls11 = "TLSv1.1",
        Tls12 = "TLSv1.2",
        Tls13 = "TLSv1.3",
    }
}

words! {
    /// Whether clients are asked for a certificate, and what a wrong one leads to.
    pub enum VerifyClient {
        Off = "off" | "false",
        On = "on" | "true",
        Optional = "optional",
        OptionalNoCa = "optional_no_ca",
    }
}

/// `off`, `none`, `builtin[:size]`, `shared:name:size`: whether sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCache(pub bool);

impl Value for SessionCache {
    fn expected() -> String {
        "`off`, `none`, `builtin` or `shared:NAME:SIZE`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<SessionCache> {
        let parts = node.items().iter().map(|item| match item.as_text()? {
            "off" | "false" | "none" => Some(false),
            "builtin" => Some(true),
            text if text.starts_with("builtin:") || text.starts_with("shared:") => Some(true),
            _ => None,
        });
        match parts.collect::<Option<Vec<bool>>>() {
            Some(parts) if !parts.is_empty() => Some(SessionCache(parts.contains(&true))),
            // nginx.conf has a list here, of which one word is wrong.
            _ => mismatch(node.items().first().unwrap_or(node), diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        Vec::<String>::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        Vec::<String>::from_args(args)
    }
}
