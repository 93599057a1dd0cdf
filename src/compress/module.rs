//! Compression as a Pingora `HttpModule`: decides when the response header passes, then encodes. The filters a body goes
//! through before that ([`crate::filter`]) are run here as well: what they hold back at the end has to be encoded with it, and
//! Pingora's modules cannot hand that on to each other.
//!
//! The proxy arms it in `request_filter`, once it knows the location; a request that nobody armed passes
//! through untouched. It stands behind the cache, so what is stored is not compressed.
//!
//! What always holds:
//! - the coded stream is finished only when the end of the answer was seen. An upstream that fails in
//!   mid-body, or ends short of its Content-Length, leaves a stream without an end, and the client can tell;
//! - an error, of a filter as well, ends the answer, it never falls back to sending plain bytes behind coded ones;
//! - an event stream, and any answer said to be unbuffered, leaves piece by piece as it comes.

use std::any::Any;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use pingora_core::modules::http::{HttpModule, HttpModuleBuilder, Module};
use pingora_core::protocols::http::compression::COMPRESSION_ERROR;
use pingora_error::{Error, OrErr, Result};
use pingora_http::ResponseHeader;

use super::decide::{RequestFacts, content_length, decide};
use super::encoder::{Encoder, Flush};
use super::rewrite::rewrite;
use super::settings::Settings;
use crate::filter::Chain;

/// Compression of one request's answer. `Session::downstream_modules_ctx.get_mut::<Compression>()` finds it.
#[derive(Default)]
pub struct Compression {
    state: State,
    filters: Option<Box<Chain>>,
    is_unbuffered: bool,
    totals: Option<Totals>,
}

/// Bytes of a compressed body before and after, as for nginx's `$gzip_ratio`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub input: u64,
    pub output: u64,
}

#[derive(Default)]
enum State {
    /// not armed, or this answer is not compressed
    #[default]
    Off,
    Armed(Arc<Settings>, RequestFacts),
    Encoding(Box<Body>),
    /// the stream is finished, or broke
    Over,
}

/// A body under way.
struct Body {
    encoder: Encoder,
    /// what Content-Length promised
    expected: Option<u64>,
    /// nothing may be held back
    is_streamed: bool,
}

impl Compression {
    /// Lets the answer to this request be compressed. Arming again replaces the settings, as after an
    /// internal redirect; once a body is under way it has no effect.
    pub fn arm(&mut self, settings: Arc<Settings>, request: RequestFacts) {
        if matches!(self.state, State::Encoding(_) | State::Over) {
            return;
        }
        self.filters = None;
        self.state = if settings.is_off() { State::Off } else { State::Armed(settings, request) };
    }

    /// The body goes through these first. The head has to be that of what they make of it.
    pub fn set_filters(&mut self, filters: Chain) {
        self.filters = Some(Box::new(filters));
    }

    /// Takes [`Self::arm`] back. Once a body is under way it has no effect.
    pub fn disarm(&mut self) {
        if let State::Armed(..) = self.state {
            self.state = State::Off;
        }
    }

    /// Whether each piece of the body must leave when it comes: `proxy_buffering off`,
    /// `X-Accel-Buffering: no`. To be said before the response header passes.
    pub fn set_unbuffered(&mut self, is_unbuffered: bool) {
        self.is_unbuffered = is_unbuffered;
    }

    /// True if the body of this answer is, or was, compressed.
    pub fn is_compressing(&self) -> bool {
        self.totals.is_some()
    }

    /// What has passed so far; `None` where nothing is compressed.
    pub fn totals(&self) -> Option<Totals> {
        self.totals
    }

    fn begin(&mut self, response: &mut ResponseHeader, is_end: bool) -> Result<()> {
        match std::mem::take(&mut self.state) {
            State::Armed(settings, request) => self.begin_with(&settings, &request, response, is_end),
            _ => Ok(()),
        }
    }

    /// Decides over an answer at once, for who has its head and need not be armed before.
    pub fn begin_with<U: AsRef<[u8]>>(
        &mut self,
        settings: &Settings,
        request: &RequestFacts<U>,
        response: &mut ResponseHeader,
        is_end: bool,
    ) -> Result<()> {
        let mut decision = decide(settings, request, response.status.as_u16(), &response.headers, SystemTime::now());
        if is_end && !request.head {
            // There is no body, and what never comes cannot be encoded.
            decision.algorithm = None;
        }
        let length = content_length(&response.headers);
        // Where the body is chunked, a Content-Length beside it says nothing.
        let expected = length.filter(|_| !response.headers.contains_key(TRANSFER_ENCODING));
        let is_streamed = self.is_unbuffered || is_event_stream(&response.headers);
        if let Some(algorithm) = decision.algorithm.filter(|_| !request.head) {
            let level = settings.rules(algorithm).comp_level;
            let encoder = Encoder::new(algorithm, level, length).or_err(COMPRESSION_ERROR, "starting an encoder")?;
            self.state = State::Encoding(Box::new(Body { encoder, expected, is_streamed }));
            self.totals = Some(Totals::default());
        }
        rewrite(response, decision, request)
    }

    /// What the filters make of a piece; without any the piece itself.
    fn filtered(&mut self, body: &mut Option<Bytes>, is_end: bool) -> Result<()> {
        if let Some(filters) = &mut self.filters {
            let piece = body.take().unwrap_or_default();
            let made = filters.feed(&piece, is_end).or_err(COMPRESSION_ERROR, "filtering a body")?;
            *body = Some(made).filter(|made| !made.is_empty());
        }
        Ok(())
    }

    /// The end of a body that did not tell its end with its last piece.
    fn end(&mut self) -> Result<Option<Bytes>> {
        let mut body = None;
        self.filtered(&mut body, true)?;
        match self.state {
            State::Off | State::Armed(..) => Ok(body),
            _ => self.pass(&body.unwrap_or_default(), true),
        }
    }

    /// Encodes one piece; leaves the state over if that fails or was the last.
    fn pass(&mut self, input: &[u8], is_end: bool) -> Result<Option<Bytes>> {
        let State::Encoding(mut body) = std::mem::replace(&mut self.state, State::Over) else {
            return Ok(None);
        };
        let mut totals = self.totals.unwrap_or_default();
        totals.input += input.len() as u64;
        if is_end && body.expected.is_some_and(|expected| expected != totals.input) {
            return Error::e_explain(COMPRESSION_ERROR, "the body is not as long as its Content-Length");
        }
        let flush = match (is_end, body.is_streamed) {
            (true, _) => Flush::Finish,
            (false, true) if !input.is_empty() => Flush::Sync,
            _ => Flush::None,
        };
        let output = body.encoder.write(input, flush).or_err(COMPRESSION_ERROR, "encoding a body")?;
        totals.output += output.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.totals = Some(totals);
        if !is_end {
            self.state = State::Encoding(body);
        }
        Ok(output)
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let media_type = value.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

#[async_trait]
impl HttpModule for Compression {
    async fn response_header_filter(&mut self, response: &mut ResponseHeader, end_of_stream: bool) -> Result<()> {
        // 100 and 103 come before the answer, 101 instead of one.
        if response.status.is_informational() {
            if response.status == http::StatusCode::SWITCHING_PROTOCOLS {
                self.disarm();
            }
            return Ok(());
        }
        self.begin(response, end_of_stream)
    }

    fn response_body_filter(&mut self, body: &mut Option<Bytes>, end_of_stream: bool) -> Result<()> {
        self.filtered(body, end_of_stream)?;
        match self.state {
            State::Off | State::Armed(..) => Ok(()),
            State::Encoding(_) => {
                let input = body.take().unwrap_or_default();
                *body = self.pass(&input, end_of_stream)?;
                Ok(())
            }
            State::Over if body.as_ref().is_none_or(Bytes::is_empty) => Ok(()),
            State::Over => Error::e_explain(COMPRESSION_ERROR, "bytes behind the end of a compressed body"),
        }
    }

    /// Trailers end the body; what is left of it is sent in their place, since a filter can only send one.
    fn response_trailer_filter(&mut self, _trailers: &mut Option<Box<HeaderMap>>) -> Result<Option<Bytes>> {
        self.end()
    }

    fn response_done_filter(&mut self) -> Result<Option<Bytes>> {
        self.end()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Makes a [`Compression`] for every request; it runs behind all other modules.
pub struct CompressionBuilder;

impl HttpModuleBuilder for CompressionBuilder {
    fn order(&self) -> i16 {
        i16::MIN / 2
    }

    fn init(&self) -> Module {
        Box::new(Compression::default())
    }
}

#[cfg(test)]
#[path = "module_tests.rs"]
mod tests;
