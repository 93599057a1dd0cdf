//! Other locations of the same server: their answer is put into another one, or nobody sees it (`mirror`).
//!
//! As nginx's subrequests they may enter `internal` locations, keep the client's `$request_uri`, and make no further ones.
//!
//! What always holds: an answer that is waited for is waited for no longer than [`LONGEST`] and kept up to [`MOST`] bytes.

use super::errand::{Again, Errand};
use super::request::Request;
use crate::client::{Attended, Connection, attended, unattended};
use crate::http::escape;
use crate::variables::Exchange;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer is waited for.
const LONGEST: Duration = Duration::from_secs(120);
/// How much of an answer is kept.
const MOST: usize = 8 << 20;

/// What it comes from.
pub struct Subrequest {
    /// What the client has asked for.
    request_uri: Bytes,
}

/// What is sent.
pub struct Copy {
    /// A path of this server, not escaped.
    pub path: String,
    pub args: Option<Vec<u8>>,
    pub method: String,
    pub body: Option<Bytes>,
}

/// Makes a request that came over such a connection one of its kind.
pub fn adopt(request: &mut Request, connection: &Connection) {
    if let Some(Errand::Subrequest(subrequest)) = Errand::of(connection) {
        request.exchange.request_uri = subrequest.request_uri.clone();
        request.internal = true;
        request.changed = true;
        request.is_subrequest = true;
    }
}

/// The body of another location's answer, whatever its status; what cannot be had is empty.
pub async fn fetch(request: &Request, connection: &Arc<Connection>, path: &str) -> Bytes {
    let copy = Copy { path: path.to_owned(), args: None, method: "GET".to_owned(), body: None };
    // The end of the connection is the end of the answer.
    let (stream, answer) = attended(text(&request.exchange, &copy, "HTTP/1.0"), MOST);
    if !subrequest(&request.exchange.request_uri).send(Box::new(stream), connection, true) {
        return Bytes::new();
    }
    match tokio::time::timeout(LONGEST, whole(answer)).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            request.log_error(format_args!("the answer of \"{path}\" is longer than {MOST} bytes or was none"));
            Bytes::new()
        }
        Err(_) => {
            request.log_error(format_args!("the answer of \"{path}\" did not come in time"));
            Bytes::new()
        }
    }
}

async fn whole(answer: Attended) -> Option<Bytes> {
    let mut answer = answer.end().await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(answer.split_off(end + 4))
}

/// Sends a copy of a request whose answer nobody sees. False: this connection cannot.
pub fn send(x: &Exchange, connection: &Arc<Connection>, copy: Copy) -> bool {
    let stream = unattended(text(x, &copy, "HTTP/1.1"), copy.body.unwrap_or_default());
    subrequest(&x.request_uri).send(Box::new(stream), connection, false)
}

fn subrequest(request_uri: &Bytes) -> Errand {
    Errand::Subrequest(Subrequest { request_uri: request_uri.clone() })
}

/// The client's request again, for another path.
fn text(x: &Exchange, copy: &Copy, version: &'static str) -> Bytes {
    let mut target = escape::uri(copy.path.as_bytes()).into_owned();
    if let Some(args) = copy.args.as_deref().filter(|args| !args.is_empty()) {
        target.push(b'?');
        target.extend_from_slice(args);
    }
    let body = copy.body.as_ref().map(Bytes::len);
    let conditions = version == "HTTP/1.1";
    let (head, trace) = (&*x.head, x.trace);
    Again { head, method: &copy.method, target: &target, version, conditions, body, trace }.text()
}
