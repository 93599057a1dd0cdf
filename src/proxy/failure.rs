//! An error of Pingora's as a failure of a server, and what the error log says of it: nginx's words, where it has words.

use crate::config::diagnostics::numbered;
use crate::upstream::retry::Failure;
use pingora_error::{Error, ErrorType};
use std::io;

/// What went wrong, in `proxy_next_upstream`'s terms.
pub fn failure_of(error: &Error) -> Failure {
    match error.etype() {
        ErrorType::ConnectTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout
        | ErrorType::TLSHandshakeTimedout => Failure::Timeout,
        ErrorType::InvalidHTTPHeader => Failure::InvalidHeader,
        _ => Failure::Error,
    }
}

/// Whether an HTTP/2 server says that it has not begun to work on the request (RFC 9113 6.8, 8.7): it may be sent again
/// whatever its method.
pub fn is_untouched(error: &Error) -> bool {
    let Some(e) = error.root_cause().downcast_ref::<h2::Error>() else { return false };
    let refused = matches!(e.reason(), Some(h2::Reason::REFUSED_STREAM | h2::Reason::HTTP_1_1_REQUIRED));
    // Streams a GOAWAY leaves to the server go on; only those it does not are ended by it.
    e.is_remote() && (e.is_go_away() || (e.is_reset() && refused))
}

/// `name`: the name the certificate of the server must have.
pub fn describe(error: &Error, what: Failure, name: &str) -> String {
    let text = match (error.etype(), what) {
        (ErrorType::ConnectTimedout, _) if is_handshake(error) => {
            "upstream timed out (110: Connection timed out) while SSL handshaking to upstream"
        }
        (ErrorType::ConnectTimedout, _) => {
            "upstream timed out (110: Connection timed out) while connecting to upstream"
        }
        (ErrorType::ConnectRefused | ErrorType::ConnectNoRoute | ErrorType::ConnectError, _) => {
            return format!("connect() failed {} while connecting to upstream", reason(error));
        }
        (ErrorType::TLSHandshakeFailure, _) => return handshake(error, name),
        (ErrorType::ReadTimedout, _) => {
            "upstream timed out (110: Connection timed out) while reading response header from upstream"
        }
        (ErrorType::WriteTimedout, _) => {
            "upstream timed out (110: Connection timed out) while sending request to upstream"
        }
        (_, Failure::InvalidHeader) => "upstream sent invalid header while reading response header from upstream",
        (ErrorType::ConnectionClosed, _) => {
            "upstream prematurely closed connection while reading response header from upstream"
        }
        _ => return format!("upstream failed: {error}"),
    };
    text.to_owned()
}

/// Pingora's words for the limit of a handshake are its own; connecting is bounded by edge.
fn is_handshake(error: &Error) -> bool {
    !error.root_cause().is::<tokio::time::error::Elapsed>() && !error.root_cause().is::<io::Error>()
}

/// `(111: Connection refused)`
fn reason(error: &Error) -> String {
    let Some(e) = error.root_cause().downcast_ref::<io::Error>() else { return format!("({error})") };
    format!("({})", numbered(e))
}

/// What rustls says, which Pingora hands on as text, with OpenSSL's numbers for what nginx's users look for.
fn handshake(error: &Error, name: &str) -> String {
    const WHILE: &str = "while SSL handshaking to upstream";
    let all = error.to_string();
    let said = |words: &str| all.contains(words);
    let number = match () {
        () if said("not valid for name") || said("NotValidForName") => {
            return format!("upstream SSL certificate does not match \"{name}\" {WHILE}");
        }
        () if said("peer closed connection") || said("unexpected end of file") || said("handshake eof") => {
            return format!("peer closed connection in SSL handshake {WHILE}");
        }
        () if said("UnknownIssuer") => "20:unable to get local issuer certificate",
        // Trusted or not: OpenSSL takes it where it is trusted itself, rustls never.
        () if said("CaUsedAsEndEntity") => "18:self-signed certificate, with CA:TRUE, which edge takes from no server",
        () if said("expired") || said("Expired") => "10:certificate has expired",
        () if said("not valid yet") || said("NotValidYet") => "9:certificate is not yet valid",
        () if said("invalid peer certificate") => {
            let why = all.split("invalid peer certificate: ").nth(1).unwrap_or_default();
            return format!("upstream SSL certificate verify error: ({}) {WHILE}", first_clause(why));
        }
        () => {
            let why = all.split("tls stream error: ").last().unwrap_or(&all);
            return format!("SSL_do_handshake() failed (SSL: {}) {WHILE}", first_clause(why));
        }
    };
    format!("upstream SSL certificate verify error: ({number}) {WHILE}")
}

/// Without what Pingora adds of the connection.
fn first_clause(text: &str) -> &str {
    text.split(", SNI:").next().unwrap_or(text).trim()
}
