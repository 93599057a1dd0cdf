//! Asking upstreams: which server next, what became of it, and what a failure leads to.

use super::failure::{describe, failure_of, is_untouched};
use super::line::{self, Lease, Line};
use super::peer::Way;
use super::request::Request;
use super::snapshot::{Handler, Pass, PassTarget};
use crate::upstream::{Chosen, Outcome, Tried, Upstream, Want, Wish, names, retry};
use crate::variables::Try;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, Result};
use pingora_http::ResponseHeader;
use retry::{Facts, Failure, Verdict};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The servers a request was sent to.
#[derive(Default)]
pub struct Attempts {
    tried: Tried,
    current: Option<Attempt>,
    /// Those that broke on reused connections left out.
    counted: u32,
    began: Option<Instant>,
    /// The next connection must not come from the pool: one that lay idle just broke.
    pub(super) fresh: bool,
    /// The next attempt is the last one once more.
    again: bool,
    /// So many connections from the pool had outlived what their server announced.
    outlived: u8,
    /// What `hash KEY` of the upstream became, once for all servers that are tried.
    key: Vec<u8>,
    /// `proxy_set_body`, evaluated.
    pub set_body: Option<Bytes>,
    /// The URI of a `proxy_pass` with variables that names one.
    pub variable_uri: Option<Vec<u8>>,
    /// The internal redirects there were when a server was last asked.
    redirects: u8,
    /// Nothing of the request has reached the server that failed.
    unsent: bool,
    /// How much of the body went to the current server.
    body_sent: usize,
    /// Whether the server now asked is spoken to over TLS, and the name its certificate must have.
    pub(super) tls: bool,
    pub tls_name: String,
}

impl Attempts {
    /// Whether whoever failed last was sent nothing.
    pub(super) fn last_was_unsent(&self) -> bool {
        self.unsent
    }

    pub(super) fn tried(&self) -> &Tried {
        &self.tried
    }

    /// The place in the configuration of the server that is asked.
    pub(super) fn server_place(&self) -> Option<usize> {
        self.current.as_ref().map(|attempt| attempt.chosen.place())
    }

    /// The server that is asked, and its upstream.
    pub(super) fn asked(&self) -> Option<(&Upstream, &Chosen)> {
        self.current.as_ref().map(|attempt| (&*attempt.upstream, &attempt.chosen))
    }

    /// An internal redirect leads to another `proxy_pass`: whom the one before tried in vain, how often and since when, and
    /// what its hash was made of, is not its concern.
    fn begin_anew(&mut self, redirects: u8) {
        self.tried = Tried::default();
        self.counted = 0;
        self.began = None;
        self.redirects = redirects;
    }
}

/// After so many connections whose time was over a new one is made.
const OUTLIVED: u8 = 3;

/// So often a request is decided anew because the sessions of its server have begun to be moved, or do so no longer.
const OVERTAKEN: usize = 8;

struct Attempt {
    chosen: Chosen,
    upstream: Arc<Upstream>,
    began: Instant,
    connected: bool,
    reused: bool,
    answered: Option<Instant>,
    reported: bool,
    lease: Option<Lease>,
    /// What the server announced with its answer.
    announced: Option<Duration>,
    /// The connection was given up before anything was sent.
    outlived: bool,
    /// The server says that it has not begun to work on the request.
    untouched: bool,
}

impl Request {
    /// The `proxy_pass` of the location.
    pub fn pass(&self) -> Option<&Pass> {
        match &self.location.handler {
            Handler::Proxy(pass) => Some(pass),
            Handler::Memcached(_) | Handler::Files | Handler::EmptyGif | Handler::Status | Handler::Api(_) => None,
        }
    }

    /// The next server to ask, as Pingora is to connect to it. An error is the status to answer with.
    pub async fn next_peer(&mut self) -> Result<Box<HttpPeer>, u16> {
        self.next_server().await?;
        self.with_server(Request::peer)
    }

    /// The same for whoever connects himself.
    pub(super) async fn next_way(&mut self) -> Result<Way, u16> {
        self.next_server().await?;
        self.with_server(Request::way)
    }

    fn with_server<T>(&mut self, make: impl FnOnce(&mut Request, &Chosen, &Upstream) -> Result<T>) -> Result<T, u16> {
        let Some(attempt) = self.attempts.current.take() else { return Err(500) };
        let made = make(self, &attempt.chosen, &attempt.upstream);
        self.attempts.current = Some(attempt);
        made.map_err(|e| {
            self.log_error(e);
            502
        })
    }

    async fn next_server(&mut self) -> Result<(), u16> {
        self.end_attempt();
        let redirected = self.redirects != self.attempts.redirects;
        if redirected {
            self.attempts.begin_anew(self.redirects);
        }
        if self.attempts.outlived > 0 {
            // Gives whoever drives the connection that was met the time to see that it is closed.
            tokio::task::yield_now().await;
        }
        let upstream = self.upstream().await?;
        let (chosen, now) = self.chosen(&upstream).await?;
        self.attempts.began.get_or_insert(now);
        self.attempts.counted += u32::from(!std::mem::take(&mut self.attempts.again));
        self.attempts.body_sent = 0;
        let address = chosen.address().to_string();
        self.exchange.tries.push(Try { address, redirected, began: Some(now), ..Try::default() });
        self.attempts.current = Some(Attempt {
            chosen,
            upstream,
            began: now,
            connected: false,
            reused: false,
            answered: None,
            reported: false,
            lease: None,
            announced: None,
            outlived: false,
            untouched: false,
        });
        Ok(())
    }

    /// The server that is asked next, and when it was chosen. Decided anew if its sessions have begun to be moved off it meanwhile.
    async fn chosen(&mut self, upstream: &Upstream) -> Result<(Chosen, Instant), u16> {
        for _ in 0..OVERTAKEN {
            self.place_session().await?;
            self.find_bound(upstream.name());
            self.placed.wanted = self.wanted_place(upstream).map(|place| [place]);
            let now = Instant::now();
            let Some(chosen) = self.choose(upstream, now) else {
                self.log_error(format_args!("no live upstreams while connecting to upstream"));
                self.exchange.tries.push(Try { address: upstream.name().to_owned(), status: 502, ..Try::default() });
                return Err(502);
            };
            if self.placed.server().is_none() || !self.is_overtaken(&chosen) {
                return Ok((chosen, now));
            }
            self.attempts.unsent = true;
        }
        self.log_error("the sessions of its server are moved again and again");
        Err(503)
    }

    fn choose(&mut self, upstream: &Upstream, now: Instant) -> Option<Chosen> {
        if self.attempts.began.is_none() {
            self.attempts.key.clear();
            if let Some(key) = &upstream.settings().hash_key {
                key.write(&self.exchange, &mut self.attempts.key);
            }
        }
        let client_ip = Some(self.exchange.peer.remote.ip());
        let (key, tried, wish) = (&self.attempts.key, &self.attempts.tried, self.placed.wish());
        // Without a session nobody is sent to a server that is known to be gone, while there is another.
        let alive = self.tried_or_gone(upstream);
        let alive = alive.and_then(|tried| upstream.choose(&Want { now, client_ip, key, tried: &tried, wish }));
        let mut chosen = alive.or_else(|| upstream.choose(&Want { now, client_ip, key, tried, wish }))?;
        if self.placed.server().is_some() || !self.is_overtaken(&chosen) {
            return Some(chosen);
        }
        // Without a session any other will do, if there is one.
        let mut tried = tried.clone();
        while self.is_overtaken(&chosen) {
            tried.add(&chosen);
            chosen = upstream.choose(&Want { now, client_ip, key, tried: &tried, wish }).unwrap_or(chosen);
            if tried.contains(chosen.server().id()) {
                break;
            }
        }
        Some(chosen)
    }

    /// How the current server is spoken to, for the log.
    pub fn upstream_scheme(&self) -> &'static str {
        if matches!(self.location.handler, Handler::Memcached(_)) {
            return "memcached";
        }
        match (self.pass().is_some_and(|p| p.grpc), self.attempts.tls) {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "grpc",
            (true, true) => "grpcs",
        }
    }

    /// The upstream of `proxy_pass`; one of variables is found now.
    async fn upstream(&mut self) -> Result<Arc<Upstream>, u16> {
        let location = self.location.clone();
        let Handler::Proxy(pass) = &location.handler else {
            return Err(500);
        };
        let wanted = self.wanted_upstream().and_then(|name| self.bound.snapshot.upstreams.get(name)).cloned();
        let (upstream, host, port, tls) = match (&pass.target, wanted) {
            (_, Some(upstream)) => {
                self.attempts.variable_uri = None;
                let host = Bytes::copy_from_slice(upstream.name().as_bytes());
                (upstream, host, Bytes::from_static(b"80"), self.pass().is_some_and(Pass::is_tls))
            }
            (PassTarget::Upstream { upstream, host, port, tls, .. }, None) => {
                (upstream.clone(), host.clone(), port.clone(), *tls)
            }
            (PassTarget::Variable(url), None) => {
                let url = url.evaluate(&self.exchange).into_owned();
                self.variable_upstream(&url).await?
            }
        };
        self.exchange.proxy_host = host;
        self.exchange.proxy_port = port;
        self.attempts.tls = tls;
        self.attempts.set_body = pass.set_body.as_ref().map(|b| Bytes::from(b.evaluate(&self.exchange).into_owned()));
        Ok(upstream)
    }

    /// `$proxy_host` and `$proxy_port`, of which the cache's key may be made before anybody is asked.
    pub fn name_target(&mut self) {
        let Handler::Proxy(pass) = &self.location.handler else { return };
        if let Some(name) = self.wanted_upstream() {
            self.exchange.proxy_host = Bytes::copy_from_slice(name.as_bytes());
            self.exchange.proxy_port = Bytes::from_static(b"80");
            return;
        }
        let (host, port) = match &pass.target {
            PassTarget::Upstream { host, port, .. } => (host.clone(), port.clone()),
            PassTarget::Variable(url) => {
                let url = url.evaluate(&self.exchange).into_owned();
                let text = std::str::from_utf8(&url).ok();
                let parsed = text.and_then(|text| super::snapshot::Url::parse_for(pass.grpc, text).ok());
                match parsed {
                    Some(parsed) => (parsed.host().to_owned().into(), parsed.port().to_owned().into()),
                    None => return,
                }
            }
        };
        self.exchange.proxy_host = host;
        self.exchange.proxy_port = port;
    }

    async fn variable_upstream(&mut self, url: &[u8]) -> Result<(Arc<Upstream>, Bytes, Bytes, bool), u16> {
        let text = std::str::from_utf8(url).map_err(|_| 500_u16)?;
        let grpc = self.pass().is_some_and(|pass| pass.grpc);
        let directive = if grpc { "grpc_pass" } else { "proxy_pass" };
        let parsed = super::snapshot::Url::parse_for(grpc, text).map_err(|why| {
            self.log_error(format_args!("`{directive}` became \"{text}\": {why}"));
            500_u16
        })?;
        if parsed.tls && self.pass().is_none_or(|pass| pass.secure.is_none()) {
            self.log_error(format_args!("`{directive}` became \"{text}\", but begins without TLS"));
            return Err(500);
        }
        self.attempts.variable_uri = parsed.uri.map(|u| u.as_bytes().to_vec());
        let (host, port) = (parsed.host().to_owned().into(), parsed.port().to_owned().into());
        let known = &self.bound.snapshot.upstreams;
        let address = parsed.address();
        if let Some(upstream) = known.get(parsed.authority).or_else(|| known.get(&address)) {
            return Ok((upstream.clone(), host, port, parsed.tls));
        }
        match Upstream::of_address(&address).await {
            Ok(upstream) => Ok((upstream, host, port, parsed.tls)),
            Err(e) => {
                self.log_error(format_args!("{} could not be resolved: {e}", parsed.authority));
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

    /// A connection is there. False: it has lain idle for longer than its server waits, or leads to another process than was meant, and
    /// must not be used.
    pub fn connected(&mut self, reused: bool, line: Option<&Arc<Line>>) -> bool {
        let stands = self.session_stands(line.map(Arc::as_ref));
        let Some(attempt) = &mut self.attempts.current else { return true };
        if !stands || (reused && line.is_some_and(|line| line.is_outlived(Instant::now()))) {
            attempt.outlived = true;
            return false;
        }
        attempt.connected = true;
        attempt.reused = reused;
        attempt.lease = line.map(Line::lease);
        let time = attempt.began.elapsed();
        if let Some(last) = self.exchange.tries.last_mut() {
            last.connect_time = Some(time);
        }
        true
    }

    /// The server's answer is whole: what becomes of the connection.
    pub fn answer_ended(&mut self) {
        let Some(attempt) = &mut self.attempts.current else { return };
        if let Some(lease) = &mut attempt.lease {
            lease.end(attempt.upstream.settings(), attempt.announced, Instant::now());
        }
    }

    /// The head of an answer is there.
    pub fn answered(&mut self, head: &ResponseHeader) {
        let status = head.status.as_u16();
        if let Some(attempt) = &mut self.attempts.current {
            let now = Instant::now();
            attempt.answered = Some(now);
            attempt.announced = line::announced(head);
            attempt.chosen.server().note_keeps(attempt.announced);
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
        if self.is_outlived() {
            self.ask_once_more();
            return Ok(());
        }
        if let Some(attempt) = &mut self.attempts.current {
            attempt.untouched = is_untouched(error);
        }
        let what = failure_of(error);
        let status = if what == Failure::Timeout { 504 } else { 502 };
        if let Some(last) = self.exchange.tries.last_mut().filter(|t| t.status == 0) {
            last.status = status;
        }
        self.log_error(describe(error, what, &self.attempts.tls_name));
        match self.verdict(what) {
            Verdict::Next => Ok(()),
            Verdict::Stop => Err(status),
        }
    }

    /// The connection was given up before anything was sent.
    pub fn is_outlived(&self) -> bool {
        self.attempts.current.as_ref().is_some_and(|a| a.outlived)
    }

    /// Nothing was sent, nothing happened: the same server over another connection.
    fn ask_once_more(&mut self) {
        self.attempts.current = None;
        self.exchange.tries.pop();
        self.attempts.again = true;
        self.attempts.unsent = true;
        self.attempts.outlived = self.attempts.outlived.saturating_add(1);
        self.attempts.fresh = self.attempts.outlived >= OUTLIVED;
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
        let want = Want { now, client_ip: Some(self.exchange.peer.remote.ip()), key, tried: &tried, wish: Wish::Any };
        let facts = Facts {
            idempotent: retry::is_idempotent(self.exchange.method.as_str()),
            bytes_sent: attempt.connected && (streamed || !attempt.untouched),
            replayable: !streamed,
            response_begun: attempt.answered.is_some() && !matches!(what, Failure::Status(_)),
            reused: attempt.reused,
            tries: self.attempts.counted,
            started: self.attempts.began.unwrap_or(now),
            now,
            left: attempt.upstream.left(&want),
        };
        self.attempts.unsent = !facts.bytes_sent;
        let verdict = match self.placed.server().is_some() {
            true => retry::decide_bound(&next, what, facts),
            false => retry::decide(&next, what, facts),
        };
        let stale = attempt.reused && what == Failure::Error;
        if !attempt.reported && retry::counts(what, attempt.reused, verdict) {
            attempt.chosen.report(Outcome::Failure(what), now);
            attempt.reported = true;
        }
        if verdict == Verdict::Next {
            self.placed.doubt();
            match stale {
                true => (self.attempts.fresh, self.attempts.again) = (true, true),
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
