//! An origin whose answers tests write: by path, counted, with bodies that anybody can check.
//!
//! A path nobody wrote is `/body/SEED/LENGTH`: an answer that may be kept for an hour.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::support::backend::{Answer, Backend, Seen};

/// No gate stays shut longer.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Page {
    pub status: u16,
    /// Lines of the head, each with its end.
    pub fields: String,
    pub body: Vec<u8>,
    pub manner: Manner,
}

/// How the body is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Whole,
    Chunked,
    /// So many bytes, then the end of the connection.
    Cut(usize),
    /// So many bytes, and the rest when the gate is opened.
    Hold(usize),
    /// So many bytes, and the end of the connection when the gate is opened.
    HoldAndCut(usize),
    /// Nothing before the gate is opened.
    Late,
    /// In pieces with pauses.
    Slow,
}

pub struct Origin {
    backend: Backend,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    fetched: Mutex<HashMap<String, usize>>,
    gate: (Mutex<bool>, Condvar),
}

/// Bytes of this length that no other seed has.
pub fn body(seed: usize, length: usize) -> Vec<u8> {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = format!("body {seed} {length}\n").into_bytes();
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// An answer with these lines, which may be kept for an hour if they do not say otherwise.
pub fn page(fields: &str, body: impl Into<Vec<u8>>) -> Page {
    let mut all: String = fields.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    if !all.to_ascii_lowercase().contains("cache-control") {
        all += "Cache-Control: max-age=3600\r\n";
    }
    Page { status: 200, fields: all, body: body.into(), manner: Manner::Whole }
}

impl Page {
    pub fn status(mut self, status: u16) -> Page {
        self.status = status;
        self
    }

    pub fn manner(mut self, manner: Manner) -> Page {
        self.manner = manner;
        self
    }
}

impl Origin {
    pub fn start() -> Origin {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        Origin { backend: Backend::start(move |seen, answer| own.answer(seen, answer)), shared }
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.backend.address()
    }

    pub fn say(&self, path: &str, page: Page) {
        self.shared.pages.lock().expect("no one panics holding it").insert(path.into(), page);
    }

    /// How often a path was asked for.
    pub fn fetched(&self, path: &str) -> usize {
        self.shared.fetched.lock().expect("no one panics holding it").get(path).copied().unwrap_or(0)
    }

    pub fn open_gate(&self) {
        *self.shared.gate.0.lock().expect("no one panics holding it") = true;
        self.shared.gate.1.notify_all();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.backend.seen()
    }

    pub fn connections(&self) -> usize {
        self.backend.connections()
    }
}

impl Shared {
    fn answer(&self, seen: &Seen, answer: &mut Answer) {
        let path = seen.target().split('?').next().unwrap_or_default().to_owned();
        *self.fetched.lock().expect("no one panics holding it").entry(path.clone()).or_default() += 1;
        let written = self.pages.lock().expect("no one panics holding it").get(&path).cloned();
        let page = written.or_else(|| usual(&path)).unwrap_or_else(|| page("", "no such thing").status(404));
        let chunked = page.manner == Manner::Chunked;
        let framing = match (page.status, chunked) {
            (204 | 304, _) => String::new(),
            (_, true) => "Transfer-Encoding: chunked\r\n".into(),
            _ => format!("Content-Length: {}\r\n", page.body.len()),
        };
        let head = format!("HTTP/1.1 {} Mock\r\n{}{framing}\r\n", page.status, page.fields);
        if seen.method() == "HEAD" || matches!(page.status, 204 | 304) {
            answer.write(head);
            return;
        }
        match page.manner {
            Manner::Whole => answer.write([head.into_bytes(), page.body].concat()),
            Manner::Chunked => {
                answer.write(head);
                for piece in page.body.chunks(10_000) {
                    answer.write([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
                }
                answer.write("0\r\n\r\n");
            }
            Manner::Cut(at) => {
                answer.write([head.as_bytes(), &page.body[..at]].concat());
                answer.close();
            }
            Manner::Hold(at) => {
                answer.write([head.as_bytes(), &page.body[..at]].concat());
                self.wait();
                answer.write(&page.body[at..]);
            }
            Manner::HoldAndCut(at) => {
                answer.write([head.as_bytes(), &page.body[..at]].concat());
                self.wait();
                answer.close();
            }
            Manner::Late => {
                self.wait();
                answer.write([head.into_bytes(), page.body].concat());
            }
            Manner::Slow => {
                answer.write(head);
                for piece in page.body.chunks(16_384) {
                    answer.write(piece);
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
    }

    fn wait(&self) {
        let gate = self.gate.0.lock().expect("no one panics holding it");
        drop(self.gate.1.wait_timeout_while(gate, LIMIT, |open| !*open));
    }
}

fn usual(path: &str) -> Option<Page> {
    let (way, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (seed, length) = rest.split_once('/')?;
    let page = page(
        "Content-Type: application/octet-stream\nAccept-Ranges: bytes",
        body(seed.parse().ok()?, length.parse().ok()?),
    );
    match way {
        "body" => Some(page),
        "slow" => Some(page.manner(Manner::Slow)),
        _ => None,
    }
}
