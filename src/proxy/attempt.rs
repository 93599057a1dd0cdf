//! Asking upstreams: which server next, what became of it, and what a failure leads to.

use super::request::Request;
use super::snapshot::{Handler, Pass, PassTarget};
use crate::upstream::{Address, Chosen, Outcome, Tried, Upstream, Want, names, retry};
use crate::variables::Try;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use retry::{Facts, Failure, Verdict};
use std::sync::Arc;
use std::time::Instant;

/// The servers a request was sent to.
#[derive(Default)]
pub struct Attempts {
    tried: Tried,
    current: Option<Attempt>,
    /// Those that broke on reused connections left out.
    counted: u32,
    began: Option<Instant>,
    /// The next connection must not come from the pool: one that lay idle just broke.
    fresh: bool,
    /// What `hash KEY` of the upstream became, once for all servers that are tried.
    key: Vec<u8>,
    /// `proxy_set_body`, evaluated.
    pub set_body: Option<Bytes>,
    /// The URI of a `proxy_pass` with variables that names one.
    pub variable_uri: Option<Vec<u8>>,
    /// The internal redirects there were when a server was last asked.
    redirects: u8,
    /// How much of the body went to the current server.
    body_sent: usize,
}

impl Attempts {
    /// An internal redirect leads to another `proxy_pass`: whom the one before tried in vain, how often and since when, and
    /// what its hash was made of, is not its concern.
    fn begin_anew(&mut self, redirects: u8) {
        self.tried = Tried::default();
        self.counted = 0;
        self.began = None;
        self.redirects = redirects;
    }
}

struct Attempt {
    chosen: Chosen,
    upstream: Arc<Upstream>,
    began: Instant,
    connected: bool,
    reused: bool,
    answered: Option<Instant>,
    reported: bool,
}

impl Request {
    /// The `proxy_pass` of the location.
    pub fn pass(&self) -> Option<&Pass> {
        match &self.location.handler {
            Handler::Proxy(pass) => Some(pass),
            Handler::Files => None,
        }
    }

    /// The next server to ask. An error is the status to answer with.
    pub async fn next_peer(&mut self) -> Result<Box<HttpPeer>, u16> {
        self.end_attempt();
        let redirected = self.redirects != self.attempts.redirects;
        if redirected {
            self.attempts.begin_anew(self.redirects);
        }
        let upstream = self.upstream().await?;
        if self.attempts.began.is_none() {
            self.attempts.key.clear();
            if let Some(key) = &upstream.settings().hash_key {
                key.write(&self.exchange, &mut self.attempts.key);
            }
        }
        let now = Instant::now();
        let want = Want {
            now,
            client_ip: Some(self.exchange.peer.remote.ip()),
            key: &self.attempts.key,
            tried: &self.attempts.tried,
            route: None,
        };
        let Some(chosen) = upstream.choose(&want) else {
            self.log_error(format_args!("no live upstreams while connecting to upstream"));
            self.exchange.tries.push(Try { address: upstream.name().to_owned(), status: 502, ..Try::default() });
            return Err(502);
        };
        self.attempts.began.get_or_insert(now);
        self.attempts.counted += u32::from(!self.attempts.fresh);
        self.attempts.body_sent = 0;
        self.exchange.tries.push(Try { address: chosen.address().to_string(), redirected, ..Try::default() });
        let peer = self.peer(chosen.address(), &upstream).map_err(|_| 502_u16);
        self.attempts.current = Some(Attempt {
            chosen,
            upstream,
            began: now,
            connected: false,
            reused: false,
            answered: None,
            reported: false,
        });
        peer
    }

    fn peer(&mut self, address: &Address, upstream: &Upstream) -> Result<Box<HttpPeer>> {
        let mut peer = match address {
            Address::Tcp(address) => HttpPeer::new(*address, false, String::new()),
            Address::Unix(path) => HttpPeer::new_uds(&path.to_string_lossy(), false, String::new())?,
        };
        if std::mem::take(&mut self.attempts.fresh) {
            // A pool of its own: nothing that lay idle is in it.
            peer.group_key = self.exchange.peer.serial;
        }
        let Some(pass) = self.pass() else {
            return Err(Error::explain(ErrorType::InternalError, "a location without proxy_pass asks an upstream"));
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(pass.connect_timeout);
        options.total_connection_timeout = Some(pass.connect_timeout);
        options.read_timeout = Some(pass.read_timeout);
        options.write_timeout = Some(pass.send_timeout);
        options.idle_timeout = Some(upstream.settings().keepalive_timeout);
        Ok(Box::new(peer))
    }

    /// The upstream of `proxy_pass`; one of variables is found now.
    async fn upstream(&mut self) -> Result<Arc<Upstream>, u16> {
        let location = self.location.clone();
        let Handler::Proxy(pass) = &location.handler else {
            return Err(500);
        };
        let (upstream, host, port) = match &pass.target {
            PassTarget::Upstream { upstream, host, port } => (upstream.clone(), host.clone(), port.clone()),
            PassTarget::Variable(url) => {
                let url = url.evaluate(&self.exchange).into_owned();
                self.variable_upstream(&url).await?
            }
        };
        self.exchange.proxy_host = host.into();
        self.exchange.proxy_port = port.into();
        self.attempts.set_body = pass.set_body.as_ref().map(|b| Bytes::from(b.evaluate(&self.exchange).into_owned()));
        Ok(upstream)
    }

    async fn variable_upstream(&mut self, url: &[u8]) -> Result<(Arc<Upstream>, String, String), u16> {
        let text = std::str::from_utf8(url).map_err(|_| 500_u16)?;
        let parsed = super::snapshot::Url::parse(text).map_err(|why| {
            self.log_error(format_args!("`proxy_pass` became \"{text}\": {why}"));
            500_u16
        })?;
        self.attempts.variable_uri = parsed.uri.map(|u| u.as_bytes().to_vec());
        let (host, port) = (parsed.authority.to_owned(), parsed.port.unwrap_or("80").to_owned());
        if let Some(upstream) = self.bound.snapshot.upstreams.get(&host) {
            return Ok((upstream.clone(), host, port));
        }
        match Upstream::of_address(&host).await {
            Ok(upstream) => Ok((upstream, host, port)),
            Err(e) => {
                self.log_error(format_args!("{host} could not be resolved: {e}"));
                Err(502)
            }
        }
    }

    /// What of the body goes to the server next, for so many bytes of the stand-in; `None`: edge holds no body, what the
    /// client sends passes as it comes.
    pub fn next_of_body(&mut self, stand_in: usize) -> Option<Bytes> {
        let sent = self.attempts.body_sent;
        let (whole, to) = match (&self.attempts.set_body, &self.body) {
            (Some(own), _) => (own, own.len()),
            (None, Some(body)) => (&body.bytes, sent + stand_in.saturating_mul(body.piece())),
            (None, None) => return None,
        };
        let to = to.min(whole.len());
        let next = whole.slice(sent.min(to)..to);
        self.attempts.body_sent = to;
        Some(next)
    }

    /// A connection is there.
    pub fn connected(&mut self, reused: bool) {
        if let Some(attempt) = &mut self.attempts.current {
            attempt.connected = true;
            attempt.reused = reused;
            let time = attempt.began.elapsed();
            if let Some(last) = self.exchange.tries.last_mut() {
                last.connect_time = Some(time);
            }
        }
    }

    /// The head of an answer is there.
    pub fn answered(&mut self, head: &ResponseHeader) {
        let status = head.status.as_u16();
        if let Some(attempt) = &mut self.attempts.current {
            let now = Instant::now();
            attempt.answered = Some(now);
            if let Some(last) = self.exchange.tries.last_mut() {
                last.status = status;
                last.header_time = Some(now - attempt.began);
                last.bytes_received = super::record::length_of(head);
            }
        }
    }

    /// Whether the head of an answer cannot be taken: it is too long, or leaves open where the body ends.
    pub fn refused_by_head(&mut self, head: &ResponseHeader) -> Option<Result<(), u16>> {
        let why = invalid_head(head, self.pass()?.longest_head)?;
        self.log_error(format_args!("upstream sent {why} while reading response header from upstream"));
        if let Some(attempt) = &mut self.attempts.current {
            attempt.answered = None;
        }
        if let Some(last) = self.exchange.tries.last_mut() {
            last.status = 502;
        }
        Some(match self.verdict(Failure::InvalidHeader) {
            Verdict::Next => Ok(()),
            Verdict::Stop => Err(502),
        })
    }

    /// Whether an answer of this status is to be passed on or the next server asked.
    pub fn refused_by_status(&mut self, status: u16) -> bool {
        matches!(status, 403 | 404 | 429 | 500 | 502 | 503 | 504)
            && self.verdict(Failure::Status(status)) == Verdict::Next
    }

    /// After an error of Pingora's: whether to ask the next server. Otherwise the status is what to answer with.
    pub fn failed(&mut self, error: &Error) -> Result<(), u16> {
        if *error.esource() == ErrorSource::Downstream {
            return Err(crate::http::pages::internal::CLIENT_CLOSED);
        }
        let what = failure_of(error);
        let status = if what == Failure::Timeout { 504 } else { 502 };
        if let Some(last) = self.exchange.tries.last_mut().filter(|t| t.status == 0) {
            last.status = status;
        }
        self.log_error(describe(error, what));
        match self.verdict(what) {
            Verdict::Next => Ok(()),
            Verdict::Stop => Err(status),
        }
    }

    fn verdict(&mut self, what: Failure) -> Verdict {
        let now = Instant::now();
        let Some(next) = self.pass().map(|p| p.next) else {
            return Verdict::Stop;
        };
        let streamed = self.body.is_none() && self.exchange.head.framing.has_body();
        let Some(mut attempt) = self.attempts.current.take() else {
            return Verdict::Stop;
        };
        let mut tried = self.attempts.tried.clone();
        tried.add(&attempt.chosen);
        let key = &self.attempts.key;
        let want = Want { now, client_ip: Some(self.exchange.peer.remote.ip()), key, tried: &tried, route: None };
        let facts = Facts {
            idempotent: retry::is_idempotent(self.exchange.method.as_str()),
            bytes_sent: attempt.connected,
            replayable: !streamed,
            response_begun: attempt.answered.is_some() && !matches!(what, Failure::Status(_)),
            reused: attempt.reused,
            tries: self.attempts.counted,
            started: self.attempts.began.unwrap_or(now),
            now,
            left: attempt.upstream.left(&want),
        };
        let verdict = retry::decide(&next, what, facts);
        let stale = attempt.reused && what == Failure::Error;
        if !attempt.reported && retry::counts(what, attempt.reused, verdict) {
            attempt.chosen.report(Outcome::Failure(what), now);
            attempt.reported = true;
        }
        if verdict == Verdict::Next {
            match stale {
                true => self.attempts.fresh = true,
                false => self.attempts.tried = tried,
            }
        }
        self.attempts.current = Some(attempt);
        verdict
    }

    /// The current server is done with, well or not.
    pub fn end_attempt(&mut self) {
        let Some(attempt) = self.attempts.current.take() else {
            return;
        };
        let now = Instant::now();
        if let Some(last) = self.exchange.tries.last_mut() {
            last.response_time = Some(now - attempt.began);
        }
        if attempt.reported {
            return;
        }
        if let Some(answered) = attempt.answered {
            let outcome =
                Outcome::Success { header_time: answered - attempt.began, response_time: now - attempt.began };
            attempt.chosen.report(outcome, now);
        }
    }
}

/// What is wrong with the head of an answer, in nginx's words.
fn invalid_head(head: &ResponseHeader, longest: u64) -> Option<String> {
    if super::record::length_of(head) > longest {
        return Some(format!("too big header (proxy_buffer_size is {longest} bytes)"));
    }
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next();
    if lengths.any(|other| Some(other) != first) {
        return Some("several \"Content-Length\" headers that contradict each other".into());
    }
    let coding = head.headers.get(TRANSFER_ENCODING)?;
    let unknown = !coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    unknown.then(|| format!("unknown \"Transfer-Encoding\": \"{}\"", coding.as_bytes().escape_ascii()))
}

fn failure_of(error: &Error) -> Failure {
    match error.etype() {
        ErrorType::ConnectTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout
        | ErrorType::TLSHandshakeTimedout => Failure::Timeout,
        ErrorType::InvalidHTTPHeader => Failure::InvalidHeader,
        _ => Failure::Error,
    }
}

/// In nginx's words, where it has words for it.
fn describe(error: &Error, what: Failure) -> String {
    let text = match (error.etype(), what) {
        (ErrorType::ConnectTimedout, _) => {
            "upstream timed out (110: Connection timed out) while connecting to upstream"
        }
        (ErrorType::ConnectRefused, _) => "connect() failed (111: Connection refused) while connecting to upstream",
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

impl Upstream {
    /// An upstream of one address that no configuration names, for `proxy_pass` with variables.
    async fn of_address(address: &str) -> Result<Arc<Upstream>, String> {
        use crate::upstream::{NamesSettings, ServerSettings, UpstreamSettings, Upstreams};
        names::parse(address).map_err(|e| e.to_string())?;
        let mut settings = UpstreamSettings::new(address);
        settings.servers.push(ServerSettings { max_fails: 0, ..ServerSettings::new(address) });
        let upstreams = Upstreams::new(NamesSettings::default());
        let table = upstreams.apply(&[settings], Instant::now());
        match upstreams.resolve().await.first() {
            Some(unresolved) => Err(unresolved.reason.clone()),
            None => table.get(address).cloned().ok_or_else(|| "no address".to_owned()),
        }
    }
}
