//! Backends with one purpose each, on plain threads: one answers what it is told, one stalls, one cuts in the body…
//!
//! A backend is a function from the request it saw to what it writes. It counts connections and requests and remembers
//! what came, raw, so that a test can look at exactly what was sent upstream.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{ports, response::sha256, wait};

/// No connection is held longer than this, whatever happens.
const LIMIT: Duration = Duration::from_secs(60);

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The head's bytes, with the empty line.
    pub head: String,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub whole: bool,
}

/// What a backend writes with.
pub struct Answer<'a> {
    stream: &'a TcpStream,
    keep: bool,
}

type Behaviour = dyn Fn(&Seen, &mut Answer) + Send + Sync;

struct Shared {
    behaviour: Mutex<Arc<Behaviour>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    ended: AtomicBool,
    forgetful: AtomicBool,
}

pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Backend {
    pub fn start(behaviour: impl Fn(&Seen, &mut Answer) + Send + Sync + 'static) -> Backend {
        Self::start_on(ports::free(), behaviour)
    }

    /// On a given port: one that was dead until now.
    pub fn start_on(port: u16, behaviour: impl Fn(&Seen, &mut Answer) + Send + Sync + 'static) -> Backend {
        let listener = TcpListener::bind(ports::local(port)).expect("a free port");
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Arc::new(behaviour)),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            forgetful: AtomicBool::new(false),
        });
        let listening = Arc::clone(&shared);
        std::thread::spawn(move || listening.listen(&listener));
        Backend { address: ports::local(port), shared }
    }

    /// Always these bytes; the connection stays open.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Backend {
        let bytes = bytes.into();
        Self::start(move |_, answer| answer.write(&bytes))
    }

    /// 200 with this text.
    pub fn saying(text: &str) -> Backend {
        Self::answering(ok(text))
    }

    /// 200 with JSON: `head` (raw), `body_length`, `body_sha256`, `whole`.
    pub fn echo() -> Backend {
        Self::start(|seen, answer| {
            let text = serde_json::json!({
                "head": seen.head,
                "body_length": seen.body.len(),
                "body_sha256": sha256(&seen.body),
                "whole": seen.whole,
            });
            answer.write(ok(&text.to_string()));
        })
    }

    /// Reads requests and never answers.
    pub fn silent() -> Backend {
        Self::start(|_, answer| answer.stall())
    }

    /// Writes these bytes, which are not a whole answer, and closes the connection.
    pub fn cutting_after(bytes: impl Into<Vec<u8>>) -> Backend {
        let bytes = bytes.into();
        Self::start(move |_, answer| {
            answer.write(&bytes);
            answer.close();
        })
    }

    /// Writes these bytes and then says nothing more, with the connection open.
    pub fn stalling_after(bytes: impl Into<Vec<u8>>) -> Backend {
        let bytes = bytes.into();
        Self::start(move |_, answer| {
            answer.write(&bytes);
            answer.stall();
        })
    }

    /// These bytes, one at a time.
    pub fn dripping(bytes: impl Into<Vec<u8>>, pause: Duration) -> Backend {
        let bytes = bytes.into();
        Self::start(move |_, answer| answer.drip(&bytes, pause))
    }

    /// Closes each connection as soon as a request came.
    pub fn hanging_up() -> Backend {
        Self::start(|_, answer| answer.close())
    }

    /// Breaks each connection (RST) as soon as a request came.
    pub fn resetting() -> Backend {
        Self::start(|_, answer| answer.reset())
    }

    /// Remembers no requests from now on: for load, of which there would be too many.
    pub fn forgetful(self) -> Backend {
        self.shared.forgetful.store(true, Ordering::SeqCst);
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves differently from now on.
    pub fn now(&self, behaviour: impl Fn(&Seen, &mut Answer) + Send + Sync + 'static) {
        *self.shared.behaviour.lock().expect("no behaviour panics holding it") = Arc::new(behaviour);
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> usize {
        self.seen().len()
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no one panics holding it").clone()
    }

    /// Waits until this many requests have come.
    pub fn wait_requests(&self, count: usize) -> bool {
        wait::until(Duration::from_secs(10), || (self.requests() >= count).then_some(())).is_some()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listening thread, which then lets the port go.
        let _ = TcpStream::connect(self.address);
    }
}

impl Seen {
    /// `GET`, `/x?y`.
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// All values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

impl Answer<'_> {
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        if self.stream.write_all(bytes.as_ref()).is_err() {
            self.keep = false;
        }
    }

    pub fn drip(&mut self, bytes: &[u8], pause: Duration) {
        for byte in bytes {
            self.write([*byte]);
            std::thread::sleep(pause);
        }
    }

    /// Nothing more until the other side gives up.
    pub fn stall(&mut self) {
        let _ = self.stream.set_read_timeout(Some(LIMIT));
        while matches!(self.stream.read(&mut [0; 4096]), Ok(1..)) {}
        self.keep = false;
    }

    /// The connection itself, for what an answer has no word for.
    pub fn stream(&self) -> &TcpStream {
        self.stream
    }

    /// Whether nobody can be told anything any more.
    pub fn is_lost(&self) -> bool {
        !self.keep
    }

    /// Ends the connection after what was written.
    pub fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.keep = false;
    }

    /// Breaks the connection: the other side gets a reset.
    pub fn reset(&mut self) {
        use std::os::fd::AsRawFd;
        let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: the descriptor is open, the option's value lives during the call.
        unsafe {
            libc::setsockopt(
                self.stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const at_once).cast(),
                size_of::<libc::linger>() as libc::socklen_t,
            );
        }
        self.keep = false;
    }
}

/// A plain 200 with a length.
pub fn ok(text: &str) -> Vec<u8> {
    answer(200, "text/plain", text)
}

/// An answer with a length.
pub fn answer(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Mock\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

impl Shared {
    fn listen(self: &Arc<Shared>, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                shared.open.fetch_add(1, Ordering::SeqCst);
                shared.serve(stream);
                shared.open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }

    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(LIMIT));
        let _ = stream.set_write_timeout(Some(LIMIT));
        let _ = stream.set_nodelay(true);
        let mut arriving = Vec::new();
        let mut first = true;
        while let Some(seen) = read_request(&stream, &mut arriving) {
            // A connection that is opened and closed without a byte (a probe) is not counted.
            if std::mem::take(&mut first) {
                self.connections.fetch_add(1, Ordering::SeqCst);
            }
            if !self.forgetful.load(Ordering::SeqCst) {
                self.seen.lock().expect("no one panics holding it").push(seen.clone());
            }
            let behaviour = Arc::clone(&self.behaviour.lock().expect("no one panics holding it"));
            let mut answer = Answer { stream: &stream, keep: true };
            behaviour(&seen, &mut answer);
            let last = seen.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
                || seen.head.lines().next().is_some_and(|line| line.ends_with("HTTP/1.0"));
            if !answer.keep || last || self.ended.load(Ordering::SeqCst) {
                return;
            }
        }
    }
}

fn read_request(stream: &TcpStream, arriving: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        match arriving.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) => break at + 4,
            None => more(stream, arriving)?,
        }
    };
    let head: Vec<u8> = arriving.drain(..end).collect();
    let head: String = head.iter().map(|b| char::from(*b)).collect();
    let mut seen = Seen { head, body: Vec::new(), whole: true };
    let chunked = seen.header("transfer-encoding").is_some();
    let length = seen.header("content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    let body = if chunked { read_chunks(stream, arriving) } else { read_length(stream, arriving, length) };
    match body {
        Ok(body) => seen.body = body,
        Err(part) => (seen.body, seen.whole) = (part, false),
    }
    Some(seen)
}

fn read_length(stream: &TcpStream, arriving: &mut Vec<u8>, length: usize) -> Result<Vec<u8>, Vec<u8>> {
    while arriving.len() < length {
        if more(stream, arriving).is_none() {
            return Err(std::mem::take(arriving));
        }
    }
    Ok(arriving.drain(..length).collect())
}

fn read_chunks(stream: &TcpStream, arriving: &mut Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
    let mut body = Vec::new();
    let mut last = false;
    loop {
        let Some(at) = arriving.windows(2).position(|two| two == b"\r\n") else {
            more(stream, arriving).ok_or_else(|| body.clone())?;
            continue;
        };
        let line: Vec<u8> = arriving.drain(..at + 2).collect();
        let line = String::from_utf8_lossy(&line).into_owned();
        // The last chunk is followed by trailer lines and an empty one.
        if last && line == "\r\n" {
            return Ok(body);
        }
        if last {
            continue;
        }
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| body.clone())?;
        last = size == 0;
        if last {
            continue;
        }
        let chunk = read_length(stream, arriving, size + 2)?;
        body.extend_from_slice(&chunk[..size]);
    }
}

fn more(stream: &TcpStream, arriving: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 64 * 1024];
    let mut stream = stream;
    match stream.read(&mut piece) {
        Ok(count @ 1..) => {
            arriving.extend_from_slice(&piece[..count]);
            Some(())
        }
        _ => None,
    }
}
