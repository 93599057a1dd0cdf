//! The trace of a request: where it comes from, what upstreams are told of it, and the spans that are left of it at its end.
//!
//! A trace begins here, or goes on where one that is trusted has begun it. Every server that is asked is told where it stands
//! (`traceparent`), whether the trace is sampled or not, so that all who take part decide alike. A request that is sampled is
//! one span, by OpenTelemetry's conventions for HTTP, and each server that was asked for it one more. What edge asks for itself
//! (the cache's parts, copies, questions) belongs to the trace of the request that it is asked for.
//!
//! What always holds: without `trace` nothing is done; a request that is not sampled costs three random numbers and a field;
//! nobody waits for the collector; ids of sessions stand in no span that stand in no log.

use super::access::client_of;
use super::errand::Errand;
use super::request::{NO_ADDRESS, Request};
use super::snapshot::{Handler, Tracing};
use crate::client::Connection;
use crate::http::{Head, Version};
use crate::observe::trace::{Attribute, Kind, Span};
use crate::variables::trace::{Told, Trace, span_id};
use crate::variables::{Asked, Exchange, Try};
use pingora_error::Result;
use pingora_http::RequestHeader;
use std::net::SocketAddr;

pub const PARENT: &str = "traceparent";
/// What others have to say of their trace.
pub const STATE: &str = "tracestate";

/// The methods that spans are named by; any other one might be anything.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

impl Request {
    /// To be called at the beginning, before anybody else is named as the client.
    pub(super) fn begin_trace(&mut self, connection: &Connection) {
        let Some(tracing) = &self.bound.snapshot.tracing else { return };
        let told = told(&self.exchange.head);
        self.exchange.trace = match (told, Errand::of(connection)) {
            // Its head is edge's own.
            (told, Some(_)) => told.map(|Told { id, span, sampled }| Trace { id, span, parent: None, sampled }),
            (Some(told), None) if tracing.trusted.contains(client_of(self)) => Some(Trace::behind(told)),
            _ => Some(Trace::new(tracing.share)),
        };
    }

    /// Tells the server that is asked now where it stands in the trace. What the configuration says of these fields holds.
    pub(super) fn trace_upstream(&mut self, sent: &mut RequestHeader) -> Result<()> {
        let Some(trace) = self.exchange.trace else { return Ok(()) };
        let is_set = |name: &str| {
            self.pass().is_some_and(|pass| pass.fields.iter().any(|field| field.name.eq_ignore_ascii_case(name)))
        };
        let (sets_parent, sets_state) = (is_set(PARENT), is_set(STATE));
        // An errand's head has what is left of it.
        if trace.parent.is_none() && !self.is_errand && !sets_state {
            sent.remove_header(STATE);
        }
        let span = if trace.sampled { span_id() } else { trace.span };
        if !sets_parent {
            sent.insert_header(PARENT, trace.traceparent(span))?;
        }
        let scheme = self.upstream_scheme();
        if let Some(last) = self.exchange.tries.last_mut().filter(|_| trace.sampled) {
            let (method, target) = (sent.method.as_str().to_owned(), sent.raw_path().to_vec());
            last.asked = Some(Box::new(Asked { span, method, target, scheme }));
        }
        Ok(())
    }

    /// Hands over what is to be told of a request that is over.
    pub(super) fn end_trace(&self, is_errand: bool) {
        let Some(trace) = self.exchange.trace.filter(|trace| trace.sampled) else { return };
        let Some(tracing) = &self.bound.snapshot.tracing else { return };
        // Who looks at edge is no part of what is looked at.
        let Some(exporter) = tracing.exporter.as_ref().filter(|_| !matches!(self.location.handler, Handler::Api(_)))
        else {
            return;
        };
        let x = &self.exchange;
        let hide = Hide::of(tracing, x);
        let tries = x.tries.iter().enumerate();
        let mut spans: Vec<Span> = tries.filter_map(|(at, tried)| asked(&trace, x, at, tried, &hide)).collect();
        if !is_errand {
            spans.push(self.answered_span(&trace, &hide));
        }
        exporter.send(spans);
    }

    fn answered_span(&self, trace: &Trace, hide: &Hide<'_>) -> Span {
        let x = &self.exchange;
        let method = x.head.method.as_str();
        let route = &self.location.pattern;
        let mut span = Span::new(trace.id, trace.span, Kind::Server, named(method, route));
        (span.parent, span.began, span.time) = (trace.parent, x.started_at, x.started.elapsed());
        note_method(&mut span, method);
        span.text("url.scheme", x.scheme());
        let (path, query) = split(&x.request_uri);
        span.text("url.path", hide.text(path));
        if !query.is_empty() {
            span.text("url.query", hide.text(query));
        }
        if !route.is_empty() {
            span.text("http.route", route);
        }
        span.text("server.address", &x.host);
        note_address(&mut span, "client.address", None, x.peer.remote);
        note_address(
            &mut span,
            "network.peer.address",
            Some("network.peer.port"),
            x.peer.connected.unwrap_or(x.peer.remote),
        );
        if x.peer.local != NO_ADDRESS {
            span.number("server.port", x.peer.local.port().into());
        }
        span.text("network.protocol.version", version(x.head.version));
        if let Some(agent) = x.head.headers.get("user-agent") {
            span.text("user_agent.original", hide.text(agent));
        }
        if x.body_length > 0 {
            span.number("http.request.body.size", x.body_length);
        }
        span.number("http.response.body.size", x.answer.body_bytes);
        if let Some(word) = x.cache_status {
            span.text("edge.cache", word);
        }
        let fired = x.rules.iter().flat_map(|rules| &rules.fired).map(|name| name.to_string());
        let fired: Vec<String> = fired.collect();
        if !fired.is_empty() {
            span.attributes.push(("edge.rules", Attribute::Texts(fired)));
        }
        // As the conventions have it: what a client did wrong is no failure of who answers.
        note_status(&mut span, x.answer.status, x.answer.status >= 500 || x.answer.status == 0);
        span
    }
}

/// The span of a server that was asked; `None`: nobody was.
fn asked(trace: &Trace, x: &Exchange, at: usize, tried: &Try, hide: &Hide<'_>) -> Option<Span> {
    let began = tried.began?;
    let asked = tried.asked.as_deref();
    let method = asked.map_or(x.method.as_str(), |asked| &asked.method);
    let mut span = Span::new(trace.id, asked.map_or_else(span_id, |asked| asked.span), Kind::Client, named(method, ""));
    span.parent = Some(trace.span);
    span.began = x.started_at + began.saturating_duration_since(x.started);
    span.time = tried.response_time.unwrap_or_default();
    note_method(&mut span, method);
    if let Some(asked) = asked {
        let url = [asked.scheme.as_bytes(), b"://", tried.address.as_bytes(), &asked.target].concat();
        span.text("url.full", hide.text(&url));
    }
    match tried.address.parse::<SocketAddr>() {
        Ok(address) => {
            span.text("server.address", address.ip().to_string());
            span.number("server.port", address.port().into());
        }
        Err(_) => span.text("server.address", &tried.address),
    }
    if at > 0 {
        span.number("http.request.resend_count", at as u64);
    }
    match tried.header_time {
        Some(_) => note_status(&mut span, tried.status, tried.status >= 400),
        // The status is what edge makes of it.
        None => {
            span.failed = true;
            span.text("error.type", if tried.status == 504 { "timeout" } else { "connection_error" });
        }
    }
    Some(span)
}

fn note_status(span: &mut Span, status: u16, failed: bool) {
    if status > 0 {
        span.number("http.response.status_code", status.into());
    }
    if failed {
        span.failed = true;
        span.text("error.type", if status > 0 { status.to_string() } else { "unanswered".to_owned() });
    }
}

fn note_method(span: &mut Span, method: &str) {
    let known = METHODS.contains(&method);
    span.text("http.request.method", if known { method } else { "_OTHER" });
    if !known {
        span.text("http.request.method_original", method);
    }
}

fn note_address(span: &mut Span, name: &'static str, port: Option<&'static str>, address: SocketAddr) {
    // A unix socket has none.
    if address == NO_ADDRESS {
        return;
    }
    span.text(name, address.ip().to_canonical().to_string());
    if let Some(port) = port {
        span.number(port, address.port().into());
    }
}

/// `GET /shop/`: few names for many requests.
fn named(method: &str, route: &str) -> String {
    let method = if METHODS.contains(&method) { method } else { "HTTP" };
    if route.is_empty() { method.to_owned() } else { format!("{method} {route}") }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2",
    }
}

fn split(target: &[u8]) -> (&[u8], &[u8]) {
    match target.iter().position(|b| *b == b'?') {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, b""),
    }
}

/// What the head of a request tells of its trace. Two of them cancel each other.
fn told(head: &Head) -> Option<Told> {
    let mut all = head.headers.get_all(PARENT);
    let first = all.next()?;
    Told::parse(first).filter(|_| all.next().is_none())
}

/// Hides what logs hide.
struct Hide<'x> {
    tracing: &'x Tracing,
    bases: Vec<&'x [u8]>,
}

impl<'x> Hide<'x> {
    fn of(tracing: &'x Tracing, x: &'x Exchange) -> Hide<'x> {
        let bases = tracing.mask.as_ref().map(|mask| mask.bases(x)).unwrap_or_default();
        Hide { tracing, bases }
    }

    fn text(&self, text: &[u8]) -> Vec<u8> {
        let mut out = text.to_vec();
        if let Some(mask) = &self.tracing.mask {
            mask.value(None, &self.bases, 0, &mut out);
        }
        out
    }
}
