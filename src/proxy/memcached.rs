//! `memcached_pass`: the answer is an item of a memcached (nginx's ngx_http_memcached_module).
//!
//! The name of the item is `$memcached_key`, escaped as nginx does. What is there is the answer, with the type that a file of the
//! request's name would have; what is not there is 404, for an `error_page` that asks the application. The room `memcached`
//! is for edge's own keys and small values, in which a client has no say; here a client chooses the key, so that nothing but
//! `get` is ever said, in one line, on connections of this location's own.
//!
//! What always holds: an item is waited for as long as `memcached_read_timeout` allows between two pieces and read up to
//! [`LARGEST`] bytes before anything of it is sent; a connection is used again only after its answer was read to its end.

use super::content::{Content, headers_of};
use super::dial::connect_from;
use super::filters;
use super::request::Request;
use super::snapshot::{Handler, Memcached};
use crate::config::diagnostics::numbered;
use crate::files;
use crate::files::conditional::Validators;
use crate::files::range::{self, Multipart, Plan};
use crate::http::escape;
use crate::upstream::retry::{self, Facts, Failure, Verdict};
use crate::upstream::{Address, Chosen, Outcome, Tried, Upstream, Want, Wish};
use crate::variables::Try;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, header};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// The largest item that is read.
const LARGEST: usize = 64 << 20;
/// What is read at once.
const PIECE: usize = 64 << 10;
/// Behind an item.
const END: &[u8] = b"\r\nEND\r\n";

/// What a server had to say.
enum Said {
    Item(Item),
    NotFound,
}

struct Item {
    flags: u32,
    value: Bytes,
}

/// Why it said nothing that can be used.
struct Trouble {
    what: Failure,
    said: String,
    /// A connection was there, so that something was sent.
    sent: bool,
}

impl Trouble {
    fn of_io(e: &io::Error, doing: &str) -> Trouble {
        Trouble { what: Failure::Error, said: format!("upstream failed ({}) while {doing}", numbered(e)), sent: true }
    }

    fn late(doing: &str) -> Trouble {
        let said = format!("upstream timed out (110: Connection timed out) while {doing}");
        Trouble { what: Failure::Timeout, said, sent: true }
    }

    fn invalid(said: String) -> Trouble {
        let said = format!("{said} while reading response header from upstream");
        Trouble { what: Failure::InvalidHeader, said, sent: true }
    }

    fn closed(doing: &str) -> Trouble {
        let said = format!("upstream prematurely closed connection while {doing}");
        Trouble { what: Failure::Error, said, sent: true }
    }
}

/// The answer of the location's memcached. An error is the status there is instead.
pub async fn ask(request: &mut Request) -> Result<Content, u16> {
    let location = request.location.clone();
    let Handler::Memcached(pass) = &location.handler else { return Err(500) };
    if !matches!(request.exchange.method, Method::GET | Method::HEAD) {
        return Err(405);
    }
    let key = pass.key.as_ref().map(|key| key.evaluate(&request.exchange).into_owned()).unwrap_or_default();
    if key.is_empty() {
        request.log_error("the \"$memcached_key\" variable is not set");
        return Err(500);
    }
    let key = escape::memcached(&key).into_owned();
    match search(request, pass, &pass.upstream, &key).await? {
        Said::Item(item) => Ok(content(request, pass, item)),
        Said::NotFound => {
            let key = String::from_utf8_lossy(&key).into_owned();
            request.log_info(format_args!("key: \"{key}\" was not found by memcached"));
            Err(404)
        }
    }
}

/// Asks one server after the other, as `memcached_next_upstream` says.
async fn search(request: &mut Request, pass: &Memcached, upstream: &Upstream, key: &[u8]) -> Result<Said, u16> {
    let mut hash = Vec::new();
    if let Some(template) = &upstream.settings().hash_key {
        template.write(&request.exchange, &mut hash);
    }
    let client_ip = Some(request.exchange.peer.remote.ip());
    let from = request.bind_address(pass.bind.as_ref());
    let (mut tried, mut tries, started) = (Tried::default(), 0, Instant::now());
    loop {
        let now = Instant::now();
        let Some(chosen) = upstream.choose(&Want { now, client_ip, key: &hash, tried: &tried, wish: Wish::Any }) else {
            request.log_error("no live upstreams while connecting to upstream");
            let address = upstream.name().to_owned();
            request.exchange.tries.push(Try { address, status: 502, ..Try::default() });
            return Err(502);
        };
        tries += 1;
        let redirected = tries == 1 && !request.exchange.tries.is_empty();
        let address = chosen.address().to_string();
        request.exchange.tries.push(Try { address, redirected, ..Try::default() });
        let outcome = pass.get(chosen.address(), upstream, key, from, request.exchange.tries.last_mut()).await;
        tell(request, &outcome, now);
        let (what, status, sent) = match &outcome {
            Ok(Said::Item(_)) => (None, 200, true),
            Ok(Said::NotFound) => (Some(Failure::Status(404)), 404, true),
            Err(trouble) if trouble.what == Failure::Timeout => (Some(trouble.what), 504, trouble.sent),
            Err(trouble) => (Some(trouble.what), 502, trouble.sent),
        };
        tried.add(&chosen);
        let want = Want { now: Instant::now(), client_ip, key: &hash, tried: &tried, wish: Wish::Any };
        let verdict = what.map_or(Verdict::Stop, |what| {
            let facts = Facts {
                idempotent: true,
                bytes_sent: sent,
                replayable: true,
                response_begun: false,
                reused: false,
                tries,
                started,
                now: want.now,
                left: upstream.left(&want),
            };
            retry::decide(&pass.next, what, facts)
        });
        report(&chosen, what, verdict, now);
        match (outcome, verdict) {
            (_, Verdict::Next) => {}
            (Ok(said), _) => return Ok(said),
            (Err(_), _) => return Err(status),
        }
    }
}

/// What variables and the error log say of an attempt.
fn tell(request: &mut Request, outcome: &Result<Said, Trouble>, began: Instant) {
    // As nginx counts it: with what stands behind the item, and nothing where nobody wants it.
    let counted = |length: usize| if request.exchange.method == Method::HEAD { 0 } else { (length + END.len()) as u64 };
    let length =
        outcome.as_ref().map_or(0, |said| if let Said::Item(item) = said { counted(item.value.len()) } else { 0 });
    if let Some(last) = request.exchange.tries.last_mut() {
        last.response_length = length;
        last.response_time = Some(began.elapsed());
        match outcome {
            Ok(Said::Item(_)) => last.status = 200,
            Ok(Said::NotFound) => last.status = 404,
            Err(trouble) => last.status = if trouble.what == Failure::Timeout { 504 } else { 502 },
        }
    }
    if let Err(trouble) = outcome {
        request.log_error(&trouble.said);
    }
}

fn report(chosen: &Chosen, what: Option<Failure>, verdict: Verdict, began: Instant) {
    let now = Instant::now();
    let time = now - began;
    match what {
        Some(what) if retry::counts(what, false, verdict) => chosen.report(Outcome::Failure(what), now),
        Some(Failure::Status(_)) | None => {
            chosen.report(Outcome::Success { header_time: time, response_time: time }, now);
        }
        Some(_) => {}
    }
}

fn content(request: &Request, pass: &Memcached, item: Item) -> Content {
    let mut headers: files::Headers = Vec::with_capacity(5);
    if item.flags & pass.gzip_flag != 0 {
        headers.push(("Content-Encoding", HeaderValue::from_static("gzip")));
    }
    let kind = request.location.files.types.of(&request.exchange.path).cloned();
    let most = request.location.files.max_ranges;
    let has_parts = most > 0 && !filters::changes_type(request, kind.as_ref());
    let plan = match has_parts && request.error_status.is_none() {
        true => plan(request, item.value.len(), most),
        false => Plan::Full,
    };
    let (status, kind, value) = parts(plan, kind, item.value, &mut headers);
    if status == 200 && has_parts {
        headers.push(("Accept-Ranges", HeaderValue::from_static("bytes")));
    }
    headers.extend(kind.map(|kind| ("Content-Type", kind)));
    if status == 416 {
        return Content::Status { status, headers };
    }
    headers.push(("Content-Length", HeaderValue::from(value.len())));
    let status = request.error_status.unwrap_or(status);
    Content::File { status, headers, body: files::Body::text(value.into()).into() }
}

/// Which parts of an item a request asks for. There is nothing that `If-Range` could be compared with.
fn plan(request: &Request, length: usize, most: usize) -> Plan {
    let fields = headers_of(request);
    let field = |name| fields.get(name).map(HeaderValue::as_bytes);
    let own = Validators { etag: None, last_modified: None };
    range::plan(field(header::RANGE), field(header::IF_RANGE), own, length as u64, most)
}

/// An item, or parts of it: the status, the type, and the bytes.
fn parts(
    plan: Plan,
    kind: Option<HeaderValue>,
    value: Bytes,
    headers: &mut files::Headers,
) -> (u16, Option<HeaderValue>, Bytes) {
    let length = value.len() as u64;
    // Planned parts lie within the item, whose length is one of this machine's.
    let cut = |part: &std::ops::Range<u64>| value.slice(part.start as usize..part.end as usize);
    let mut say = |text: String| {
        headers.extend(HeaderValue::try_from(text).ok().map(|text| ("Content-Range", text)));
    };
    match plan {
        Plan::Full => (200, kind, value),
        Plan::Single(part) => {
            say(range::content_range(&part, length));
            let part = cut(&part);
            (206, kind, part)
        }
        Plan::Multi(spans) => {
            let own = kind.as_ref().and_then(|kind| kind.to_str().ok());
            let multipart = Multipart::new(range::next_boundary(), own, spans, length);
            let mut all = BytesMut::new();
            for (at, part) in multipart.parts().iter().enumerate() {
                all.extend_from_slice(&multipart.head(at));
                all.extend_from_slice(&cut(part));
            }
            all.extend_from_slice(&multipart.tail());
            (206, HeaderValue::try_from(multipart.content_type()).ok(), all.freeze())
        }
        Plan::NotSatisfiable => {
            say(range::unsatisfied(length));
            (416, None, Bytes::new())
        }
    }
}

/// Connections that lie idle, the last used one last.
#[derive(Debug, Default)]
pub struct Idle(Mutex<Vec<(Address, Wire, Instant)>>);

impl Idle {
    /// One to this server that has nothing to say and is not closed.
    fn take(&self, address: &Address, longest: Duration) -> Option<Wire> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, _, since)| since.elapsed() < longest);
        loop {
            let at = idle.iter().rposition(|(of, ..)| of == address)?;
            let (_, wire, _) = idle.remove(at);
            if wire.is_quiet() {
                return Some(wire);
            }
        }
    }

    fn put(&self, address: &Address, wire: Wire, most: usize) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((address.clone(), wire, Instant::now()));
        let over = idle.len().saturating_sub(most);
        idle.drain(..over);
    }
}

impl Memcached {
    /// Asks one server.
    async fn get(
        &self,
        address: &Address,
        upstream: &Upstream,
        key: &[u8],
        from: Option<SocketAddr>,
        told: Option<&mut Try>,
    ) -> Result<Said, Trouble> {
        let settings = upstream.settings();
        let began = Instant::now();
        let idle = self.idle.take(address, settings.keepalive_timeout);
        let mut times = (began.elapsed(), Duration::ZERO);
        let mut outcome = match idle {
            Some(mut wire) => self.over(&mut wire, key).await.map(|said| (said, wire)),
            None => Err(Trouble::closed("")),
        };
        // One that lay idle may have been closed a moment ago; nothing happens twice by asking twice.
        if matches!(&outcome, Err(trouble) if trouble.what == Failure::Error) {
            let mut wire = self.connect(address, from).await?;
            times.0 = began.elapsed();
            outcome = self.over(&mut wire, key).await.map(|said| (said, wire));
        }
        times.1 = began.elapsed();
        if let Some(told) = told {
            told.connect_time = Some(times.0);
            told.header_time = outcome.as_ref().ok().map(|_| times.1);
        }
        let ((said, reusable), wire) = outcome?;
        if reusable && settings.keepalive > 0 {
            self.idle.put(address, wire, settings.keepalive);
        }
        Ok(said)
    }

    async fn connect(&self, address: &Address, from: Option<SocketAddr>) -> Result<Wire, Trouble> {
        const DOING: &str = "connecting to upstream";
        let reach = async {
            match address {
                Address::Tcp(address) => {
                    let stream = connect_from(from, *address).await?;
                    stream.set_nodelay(true)?;
                    if self.socket_keepalive {
                        socket2::SockRef::from(&stream).set_keepalive(true)?;
                    }
                    Ok(Wire::Tcp(stream))
                }
                Address::Unix(path) => UnixStream::connect(path).await.map(Wire::Unix),
            }
        };
        let failed = |e: io::Error| Trouble {
            what: Failure::Error,
            said: format!("connect() failed ({}) while {DOING}", numbered(&e)),
            sent: false,
        };
        match timeout(self.connect_timeout, reach).await {
            Ok(reached) => reached.map_err(failed),
            Err(_) => Err(Trouble { sent: false, ..Trouble::late(DOING) }),
        }
    }

    /// One question and its answer; whether the connection may be used again.
    async fn over(&self, wire: &mut Wire, key: &[u8]) -> Result<(Said, bool), Trouble> {
        const DOING: &str = "sending request to upstream";
        let question = [b"get ", key, b"\r\n"].concat();
        match timeout(self.send_timeout, wire.write(&question)).await {
            Ok(written) => written.map_err(|e| Trouble::of_io(&e, DOING))?,
            Err(_) => return Err(Trouble::late(DOING)),
        }
        let mut buffer = BytesMut::new();
        let line = self.line(wire, &mut buffer).await?;
        if line == b"END" {
            return Ok((Said::NotFound, buffer.is_empty()));
        }
        let (flags, length) = self.head(&line, key)?;
        let all = length + END.len();
        while buffer.len() < all {
            // What is not closed properly is an item all the same, as in nginx.
            match self.more(wire, &mut buffer, "reading upstream").await {
                Ok(()) => {}
                Err(_) if buffer.len() >= length => break,
                Err(trouble) => return Err(trouble),
            }
        }
        let value = buffer.split_to(length).freeze();
        let is_whole = buffer[..] == *END;
        if !is_whole {
            log::error!("memcached sent invalid trailer");
        }
        Ok((Said::Item(Item { flags, value }), is_whole))
    }

    /// The first line of an answer, which has to fit into `memcached_buffer_size`.
    async fn line(&self, wire: &mut Wire, buffer: &mut BytesMut) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', buffer) {
                let line = buffer.split_to(end + 1);
                return Ok(line.strip_suffix(b"\r\n").unwrap_or(&line[..end]).to_vec());
            }
            if buffer.len() >= self.buffer_size {
                return Err(Trouble::invalid("upstream sent too big header".into()));
            }
            self.more(wire, buffer, "reading response header from upstream").await?;
        }
    }

    /// `VALUE key flags length`
    fn head(&self, line: &[u8], key: &[u8]) -> Result<(u32, usize), Trouble> {
        let shown = || line[..line.len().min(200)].escape_ascii();
        let Some(rest) = line.strip_prefix(b"VALUE ") else {
            return Err(Trouble::invalid(format!("memcached sent invalid response: \"{}\"", shown())));
        };
        let Some(rest) = rest.strip_prefix(key).and_then(|rest| rest.strip_prefix(b" ")) else {
            let key = key.escape_ascii();
            return Err(Trouble::invalid(format!(
                "memcached sent invalid key in response \"{}\" for key \"{key}\"",
                shown()
            )));
        };
        let mut words = rest.split(|byte| *byte == b' ').filter_map(|word| std::str::from_utf8(word).ok());
        let flags = words.next().and_then(|word| word.parse::<u32>().ok());
        let Some(flags) = flags.or((self.gzip_flag == 0).then_some(0)) else {
            return Err(Trouble::invalid(format!("memcached sent invalid flags in response \"{}\"", shown())));
        };
        match words.next().and_then(|word| word.parse::<usize>().ok()) {
            Some(length) if length <= LARGEST => Ok((flags, length)),
            Some(length) => Err(Trouble::invalid(format!("an item of {length} bytes is larger than {LARGEST}"))),
            None => Err(Trouble::invalid(format!("memcached sent invalid length in response \"{}\"", shown()))),
        }
    }

    async fn more(&self, wire: &mut Wire, buffer: &mut BytesMut, doing: &str) -> Result<(), Trouble> {
        buffer.reserve(PIECE);
        match timeout(self.read_timeout, wire.read(buffer)).await {
            Ok(Ok(0)) => Err(Trouble::closed(doing)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(Trouble::of_io(&e, doing)),
            Err(_) => Err(Trouble::late(doing)),
        }
    }
}

/// A connection to a memcached.
#[derive(Debug)]
enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.write_all(bytes).await,
            Wire::Unix(stream) => stream.write_all(bytes).await,
        }
    }

    async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.read_buf(into).await,
            Wire::Unix(stream) => stream.read_buf(into).await,
        }
    }

    fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let read = match self {
            Wire::Tcp(stream) => stream.try_read(&mut byte),
            Wire::Unix(stream) => stream.try_read(&mut byte),
        };
        read.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }
}
