//! `auth_request`: somebody inside is asked whether a request may come in (nginx's ngx_http_auth_request_module).
//!
//! The question may be proxied, cached, answered by a file. It has the client's fields and not its body. Whoever asked waits
//! for as long as the answer may take where it is made, and not longer than [`LONGEST`].

use super::{FORBIDDEN, UNAUTHORIZED, Word};
use crate::client::{Connection, unattended};
use crate::http::{Framing, Head, Version};
use crate::proxy::errand::Errand;
use crate::proxy::request::Request;
use crate::proxy::{snapshot, trace};
use crate::variables::Trace;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use pingora_http::ResponseHeader;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

const CLOSE: u16 = 444;
const LONGEST: Duration = Duration::from_secs(300);
/// What is only about the client's connection, or the body that does not come along.
const LEFT_OUT: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "expect"];
/// What the errand's connection reads; the question itself is handed over beside it.
const TEXT: &[u8] = b"GET / HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n";

/// What a request of edge's own asks.
pub struct Inquiry {
    head: Arc<Head>,
    method: Method,
    /// The location that asks; its variables are set.
    location: Arc<snapshot::Location>,
    answer: Mutex<Option<oneshot::Sender<Told>>>,
}

/// What came of it.
struct Told {
    status: u16,
    demands: Vec<HeaderValue>,
    set: Vec<(usize, Option<Bytes>)>,
}

pub async fn ask(request: &mut Request, inquiry: &snapshot::Inquiry) -> Word {
    let uri = String::from_utf8_lossy(&inquiry.uri).into_owned();
    let answer = send(request);
    let told = match answer {
        Some(answer) => timeout(LONGEST, answer).await.ok().and_then(Result::ok),
        None => None,
    };
    let Some(told) = told else {
        request.log_error(format_args!("auth request \"{uri}\" got no answer"));
        return Word::Fail(500);
    };
    for (slot, value) in told.set {
        request.exchange.defined.set(slot, value.unwrap_or_default());
    }
    match told.status {
        200..=299 => Word::Pass,
        FORBIDDEN => Word::Refuse(FORBIDDEN, Vec::new()),
        UNAUTHORIZED => Word::Refuse(UNAUTHORIZED, told.demands),
        // Nobody is to be answered.
        CLOSE => Word::Fail(CLOSE),
        status => {
            request.log_error(format_args!("auth request unexpected status: {status}"));
            Word::Fail(500)
        }
    }
}

fn send(request: &Request) -> Option<oneshot::Receiver<Told>> {
    let connection = request.connection.upgrade()?;
    let (answer, told) = oneshot::channel();
    let inquiry = Inquiry {
        head: Arc::new(head(&request.exchange.head, request.exchange.trace)),
        method: request.exchange.method.clone(),
        location: request.location.clone(),
        answer: Mutex::new(Some(answer)),
    };
    let stream = unattended(Bytes::from_static(TEXT), Bytes::new());
    Errand::Inquiry(inquiry).send(Box::new(stream), &connection, true).then_some(told)
}

/// The client's head for a request without a body.
fn head(client: &Head, trace: Option<Trace>) -> Head {
    let mut head = Head { method: Method::GET, version: Version::Http11, framing: Framing::None, ..client.clone() };
    let about_connection = |name: &[u8]| LEFT_OUT.iter().any(|left| left.as_bytes().eq_ignore_ascii_case(name));
    head.headers.retain(|name, _| !about_connection(name));
    head.headers.push(Bytes::from_static(b"Connection"), Bytes::from_static(b"close"));
    if let Some(trace) = trace {
        let is_old = |name: &[u8]| {
            let is = |field: &str| field.as_bytes().eq_ignore_ascii_case(name);
            is(trace::PARENT) || (is(trace::STATE) && trace.parent.is_none())
        };
        head.headers.retain(|name, _| !is_old(name));
        head.headers.push(Bytes::from_static(trace::PARENT.as_bytes()), trace.traceparent(trace.span).into());
    }
    head
}

fn inquiry_of(connection: &Connection) -> Option<&Inquiry> {
    match Errand::of(connection)? {
        Errand::Inquiry(inquiry) => Some(inquiry),
        _ => None,
    }
}

/// The head of a question, where one has come.
pub fn head_of(connection: &Connection) -> Option<Arc<Head>> {
    inquiry_of(connection).map(|inquiry| inquiry.head.clone())
}

/// Turns the client's request, whose server has been found, to the question.
pub(super) fn begin(request: &mut Request, connection: &Connection) {
    let Some(inquiry) = inquiry_of(connection) else { return };
    let Some(asked) = &inquiry.location.access.inquiry else { return };
    let exchange = &mut request.exchange;
    exchange.asked_method = Some(inquiry.method.clone());
    exchange.path = asked.uri.clone();
    exchange.args = None;
    request.changed = true;
    request.internal = true;
}

/// Tells whoever asks as soon as the head of an upstream's answer is there: its body is nothing to anybody.
pub fn tell_head(request: &mut Request, connection: &Connection, head: &ResponseHeader) {
    if inquiry_of(connection).is_some() {
        request.exchange.answer.status = head.status.as_u16();
        request.note_sent_head(head);
        tell(request, connection, Some(head));
    }
}

/// Tells whoever asks what was answered.
pub fn tell(request: &Request, connection: &Connection, head: Option<&ResponseHeader>) {
    let Some(inquiry) = inquiry_of(connection) else { return };
    let sender = inquiry.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (Some(sender), Some(asked)) = (sender, &inquiry.location.access.inquiry) else { return };
    let demands = head.iter().flat_map(|head| head.headers.get_all(header::WWW_AUTHENTICATE)).cloned().collect();
    let value =
        |template: &crate::variables::Template| Some(Bytes::from(template.evaluate(&request.exchange).into_owned()));
    let set = asked.set.iter().map(|(slot, template)| (*slot, value(template))).collect();
    // Whoever asked may have left.
    let _ = sender.send(Told { status: request.exchange.answer.status, demands, set });
}
