//! An in-process session store that speaks memcached's text protocol.
//!
//! It lets `edge demo` and tests run without a memcached. Replies are those of memcached 1.6.18, byte for byte, for
//! everything but `stats` and the version's last part; the meta commands and the binary protocol are missing.
//! Memory is bounded by the items' limit, a connection's input by one item, its output by what one line can ask for
//! (values are shared, not copied).

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::command::{self, Command, ERROR, Parsed};
use super::items::{Change, Item, Items, Sum, fits};
use super::service::Serve;

const VERSION: &str = "1.6.0-edge-demo";
/// A longer line that is no multi-get is no command.
const LINE_LIMIT: usize = 2048;
const MULTI_GET_LIMIT: usize = 64 << 10;
/// Smaller values are copied behind each other, larger ones are sent from where they are.
const COPY_LIMIT: usize = 512;
/// Pools keep connections open without a word for long; memcached itself has no limit at all.
const IDLE: Duration = Duration::from_secs(3600);
const WRITE: Duration = Duration::from_secs(30);

pub(super) struct Store {
    items: Mutex<Items>,
    began: Instant,
    /// Milliseconds since 1970 when it began; from there on monotonic.
    epoch: u64,
}

impl Store {
    /// `memory` bounds what items take, in bytes.
    pub fn new(memory: usize) -> Arc<Store> {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Arc::new(Store { items: Mutex::new(Items::new(memory)), began: Instant::now(), epoch })
    }

    pub fn serve(self: Arc<Store>) -> Serve {
        Arc::new(move |stream| {
            let store = self.clone();
            Box::pin(async move {
                // A broken connection is the client's affair.
                let _ = store.converse(stream).await;
            })
        })
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut conversation = Conversation::new();
        let mut input = BytesMut::with_capacity(4096);
        loop {
            let open = conversation.feed(&mut input, self);
            let replies = conversation.replies.take();
            timeout(WRITE, write_all(&mut stream, replies)).await??;
            if !open || timeout(IDLE, stream.read_buf(&mut input)).await?? == 0 {
                return Ok(());
            }
        }
    }

    fn now(&self) -> u64 {
        self.epoch + self.began.elapsed().as_millis() as u64
    }
}

async fn write_all(stream: &mut TcpStream, replies: Vec<Bytes>) -> io::Result<()> {
    for piece in replies {
        stream.write_all(&piece).await?;
    }
    Ok(())
}

/// Bytes to send, large ones shared.
#[derive(Default)]
struct Replies {
    pieces: Vec<Bytes>,
    tail: BytesMut,
}

impl Replies {
    fn line(&mut self, line: &str) {
        self.tail.extend_from_slice(line.as_bytes());
        self.tail.extend_from_slice(b"\r\n");
    }

    fn bytes(&mut self, bytes: &Bytes) {
        if bytes.len() <= COPY_LIMIT {
            return self.tail.extend_from_slice(bytes);
        }
        self.pieces.push(self.tail.split().freeze());
        self.pieces.push(bytes.clone());
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.pieces.push(self.tail.split().freeze());
        std::mem::take(&mut self.pieces)
    }
}

/// What the next bytes of a connection are.
enum Awaiting {
    Line,
    Data(Command, bool),
    /// The data of something too large, and what to say after it.
    Waste(usize, Option<&'static str>),
}

/// One client's side of the protocol, without its socket.
struct Conversation {
    awaiting: Awaiting,
    replies: Replies,
}

enum Step {
    Done,
    NeedsMore,
    Close,
}

impl Conversation {
    fn new() -> Conversation {
        Conversation { awaiting: Awaiting::Line, replies: Replies::default() }
    }

    /// Takes whatever is complete from the input; false ends the connection.
    fn feed(&mut self, input: &mut BytesMut, store: &Store) -> bool {
        loop {
            // Commands run in one go between two waits; nothing panics while the lock is held.
            let items = &mut *store.items.lock().unwrap_or_else(PoisonError::into_inner);
            let step = match std::mem::replace(&mut self.awaiting, Awaiting::Line) {
                Awaiting::Line => self.line(input, items, store),
                Awaiting::Data(command, quiet) => self.data(command, quiet, input, items, store),
                Awaiting::Waste(left, reply) => self.waste(left, reply, input),
            };
            match step {
                Step::Done => {}
                Step::NeedsMore => return true,
                Step::Close => return false,
            }
        }
    }

    fn line(&mut self, input: &mut BytesMut, items: &mut Items, store: &Store) -> Step {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return if may_become_a_line(input) { Step::NeedsMore } else { Step::Close };
        };
        let line = input.split_to(end + 1);
        let line = &line[..end];
        let Parsed { command, quiet } = command::parse(line.strip_suffix(b"\r").unwrap_or(line));
        match command {
            Err(mistake) => self.say(mistake, quiet),
            Ok(Command::Quit) => return Step::Close,
            Ok(Command::Store { change, key, flags, length, .. }) if !fits(key.len(), flags, length) => {
                // An old value would be taken for what this client meant to store.
                if change == Change::Set {
                    items.drop_key(&key);
                }
                let reply = (!quiet).then_some("SERVER_ERROR object too large for cache");
                self.awaiting = Awaiting::Waste(length + 2, reply);
            }
            Ok(command @ Command::Store { .. }) => self.awaiting = Awaiting::Data(command, quiet),
            Ok(command) => self.run(command, quiet, items, store),
        }
        Step::Done
    }

    fn data(&mut self, command: Command, quiet: bool, input: &mut BytesMut, items: &mut Items, store: &Store) -> Step {
        let Command::Store { change, ref key, flags, exptime, length } = command else {
            return Step::Close;
        };
        if input.len() < length + 2 {
            input.reserve(length + 2 - input.len());
            self.awaiting = Awaiting::Data(command, quiet);
            return Step::NeedsMore;
        }
        let data = input.split_to(length + 2);
        if !data.ends_with(b"\r\n") {
            self.say("CLIENT_ERROR bad data chunk", quiet);
            return Step::Done;
        }
        // Copied, so that a small value does not keep a large buffer alive.
        let value = Bytes::copy_from_slice(&data[..length]);
        let reply = items.store(change, key, flags, exptime, value, store.now());
        self.say(reply, quiet);
        Step::Done
    }

    fn waste(&mut self, left: usize, reply: Option<&'static str>, input: &mut BytesMut) -> Step {
        let here = left.min(input.len());
        input.advance(here);
        if here < left {
            self.awaiting = Awaiting::Waste(left - here, reply);
            return Step::NeedsMore;
        }
        if let Some(reply) = reply {
            self.replies.line(reply);
        }
        Step::Done
    }

    fn run(&mut self, command: Command, quiet: bool, items: &mut Items, store: &Store) {
        let now = store.now();
        let reply = match command {
            Command::Get { keys, touch, unique } => {
                for key in keys {
                    let item = match touch {
                        None => items.get(&key, now),
                        Some(exptime) => items.touch(&key, exptime, now),
                    };
                    item.iter().for_each(|item| self.value(&key, item, unique));
                }
                "END"
            }
            Command::Delete(key) if items.delete(&key, now) => "DELETED",
            Command::Touch(key, exptime) if items.touch(&key, exptime, now).is_some() => "TOUCHED",
            Command::Delete(_) | Command::Touch(..) => "NOT_FOUND",
            Command::Add { key, delta, up } => match items.add(&key, delta, up, now) {
                Sum::Is(sum) => return self.say(&sum.to_string(), quiet),
                Sum::NotFound => "NOT_FOUND",
                Sum::NotANumber => "CLIENT_ERROR cannot increment or decrement non-numeric value",
            },
            Command::Flush(exptime) => {
                items.flush(exptime, now);
                "OK"
            }
            Command::Verbosity => "OK",
            Command::Version => return self.replies.line(&format!("VERSION {VERSION}")),
            Command::Stats => {
                self.stats(items, store);
                "END"
            }
            Command::ResetStats => {
                items.counts = Default::default();
                "RESET"
            }
            Command::Shutdown => "ERROR: shutdown not enabled",
            // Both are taken before they come here.
            Command::Store { .. } | Command::Quit => ERROR,
        };
        self.say(reply, quiet);
    }

    fn say(&mut self, reply: &str, quiet: bool) {
        if !quiet {
            self.replies.line(reply);
        }
    }

    fn value(&mut self, key: &[u8], item: &Item, unique: bool) {
        self.replies.tail.extend_from_slice(b"VALUE ");
        self.replies.tail.extend_from_slice(key);
        let unique = if unique { format!(" {}", item.unique) } else { String::new() };
        self.replies.line(&format!(" {} {}{unique}", item.flags, item.value.len()));
        self.replies.bytes(&item.value);
        self.replies.line("");
    }

    fn stats(&mut self, items: &Items, store: &Store) {
        let counts = &items.counts;
        let mut stat = |name: &str, value: u64| self.replies.line(&format!("STAT {name} {value}"));
        stat("pid", u64::from(std::process::id()));
        stat("uptime", store.began.elapsed().as_secs());
        stat("time", store.now() / 1000);
        stat("cmd_get", counts.gets);
        stat("cmd_set", counts.sets);
        stat("get_hits", counts.hits);
        stat("get_misses", counts.gets - counts.hits);
        stat("bytes", items.bytes() as u64);
        stat("curr_items", items.len() as u64);
        stat("evictions", counts.evictions);
        stat("limit_maxbytes", items.limit() as u64);
        self.replies.line(&format!("STAT version {VERSION}"));
    }
}

/// Whether bytes without a line's end may be the beginning of one, as memcached sees it.
fn may_become_a_line(input: &[u8]) -> bool {
    let spaces = input.iter().take_while(|byte| **byte == b' ').count();
    let rest = &input[spaces..];
    let multi_get = spaces <= 100 && (rest.starts_with(b"get ") || rest.starts_with(b"gets "));
    input.len() <= if multi_get { MULTI_GET_LIMIT } else { LINE_LIMIT }
}

#[cfg(test)]
#[path = "transcripts.rs"]
mod transcripts;
