//! The variables of TLS, `$ssl_…`: what the connection's session tells.

use crate::tls::{Certificate, Session};
use std::borrow::Cow;

/// What is asked of a session; the names are nginx's without `ssl_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsField {
    AlpnProtocol,
    Cipher,
    ClientCert,
    ClientEscapedCert,
    ClientFingerprint,
    ClientIDn,
    ClientIDnLegacy,
    ClientRawCert,
    ClientSDn,
    ClientSDnLegacy,
    ClientSerial,
    ClientVEnd,
    ClientVRemain,
    ClientVStart,
    ClientVerify,
    Curve,
    Protocol,
    ServerName,
    SessionReused,
}

impl TlsField {
    /// The value; `None` where nginx has none either.
    pub fn of(self, session: &Session) -> Option<Cow<'_, str>> {
        use TlsField::*;
        let text: Cow<'_, str> = match self {
            AlpnProtocol => session.alpn().into(),
            Cipher => session.cipher().into(),
            ClientVerify => session.client_verify().into(),
            Curve => session.curve().into(),
            Protocol => session.protocol().into(),
            ServerName => session.server_name()?.into(),
            SessionReused => if session.reused() { "r" } else { "." }.into(),
            of_client => of_client.of_certificate(session.certificate()?)?.into(),
        };
        Some(text)
    }

    fn of_certificate(self, certificate: &Certificate) -> Option<String> {
        use TlsField::*;
        Some(match self {
            ClientCert => certificate.cert(),
            ClientEscapedCert => certificate.escaped_cert(),
            ClientFingerprint => certificate.fingerprint(),
            ClientIDn => certificate.i_dn(),
            ClientIDnLegacy => certificate.i_dn_legacy(),
            ClientRawCert => certificate.raw_cert(),
            ClientSDn => certificate.s_dn(),
            ClientSDnLegacy => certificate.s_dn_legacy(),
            ClientSerial => certificate.serial(),
            ClientVEnd => certificate.v_end(),
            ClientVRemain => certificate.v_remain(),
            ClientVStart => certificate.v_start(),
            _ => return None,
        })
    }
}
