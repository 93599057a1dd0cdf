//! Whether a connection is one on which a server takes requests: nginx's checks at the beginning of
//! ngx_http_process_request, and that a name negotiated with one server is no way around the certificates of another.

use super::request::Request;
use crate::config::raw::tls::VerifyClient;
use crate::http::pages::internal::{BAD_CERTIFICATE, HTTP_TO_HTTPS, NO_CERTIFICATE};
use crate::tls::{Refusal, Session};
use std::sync::Arc;

const MISDIRECTED: u16 = 421;

/// `host` is what the request names, checked and in lower case. An error is the status to refuse it with.
pub fn check(request: &Request, host: &[u8]) -> Result<(), u16> {
    let peer = &request.exchange.peer;
    if peer.plain_to_tls {
        request.log_info("client sent plain HTTP request to HTTPS port");
        return Err(HTTP_TO_HTTPS);
    }
    let verify = request.server.verify_client;
    let Some(session) = peer.session.as_ref().filter(|_| verify != VerifyClient::Off) else {
        return Ok(());
    };
    if negotiated_for_another(request, host, session.server_name()) {
        request.log_info("client attempted to request the server name different from the one that was negotiated");
        return Err(MISDIRECTED);
    }
    match session.refusal() {
        Some(Refusal::CertificateError) => Err(wrong_certificate(request, session)),
        None if verify == VerifyClient::On && session.certificate().is_none() => Err(no_certificate(request)),
        Some(Refusal::NoCertificate) => Err(no_certificate(request)),
        None => Ok(()),
    }
}

fn wrong_certificate(request: &Request, session: &Session) -> u16 {
    let why = session.client_verify().trim_start_matches("FAILED:");
    request.log_info(format_args!("client SSL certificate verify error: ({why})"));
    BAD_CERTIFICATE
}

fn no_certificate(request: &Request) -> u16 {
    request.log_info("client sent no required SSL certificate");
    NO_CERTIFICATE
}

/// The handshake was another server's, which asks for certificates by other rules or for none.
fn negotiated_for_another(request: &Request, host: &[u8], name: Option<&str>) -> bool {
    let virtual_ = request.bound.virtual_for(request.exchange.peer.local);
    match name {
        Some(name) if name.as_bytes().eq_ignore_ascii_case(host) => false,
        Some(name) if virtual_.names.knows(name.to_ascii_lowercase().as_bytes()) => true,
        // Without a name, or by an unknown one, it was the default server's.
        _ => !Arc::ptr_eq(&request.server, &virtual_.default),
    }
}
