//! The eye on one server: a connection that lies there to be closed, and a question on it each second.
//!
//! A process that dies takes its connections with it, so that its death is noticed when it happens and not by the request that
//! comes next; one that is frozen keeps them, which is what the question is for. Only what is seen is told here
//! ([`Seen`]); what follows from it is decided in [`super::life`].
//!
//! What always holds: one connection (two while a doubt is looked into), never more than one attempt each 10 ms, and to a
//! server that does not answer not more than one each 100 ms; every wait has a limit; an error of this machine's own (no file
//! descriptors) says nothing about the server.

use super::answer::{self, Question, Reading};
use super::cell::{Cell, Epoch, is_whole};
use super::life::Sight;
use super::opening::Stream;
use super::{Address, Server, Settings, random};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

/// What the eye has seen.
#[derive(Debug)]
pub struct Seen {
    pub server: usize,
    /// Nothing if it could not look.
    pub sight: Option<Sight>,
    /// Which instance the server says it is.
    pub token: Option<u64>,
    /// The connection was closed without notice before this.
    pub interrupted: bool,
    /// The last doubt that this settles.
    pub look: u64,
    /// Another connection than before, for requests to look at.
    pub line: Option<OwnedFd>,
}

/// Between two attempts at a server that is not there.
const AGAIN: Duration = Duration::from_millis(100);
/// Between any two attempts.
const LEAST: Duration = Duration::from_millis(10);
/// A server that has not answered for long is connected to anew so often: its host may have been started again.
const ANEW: Duration = Duration::from_secs(2);

/// A connection and what has come on it.
struct Line {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
    asked: bool,
    /// Whether it was good for anything yet.
    answered: bool,
    /// Since when it is the one that counts.
    since: Instant,
    /// A second one of the connection; nothing if the process has none left.
    descriptor: Option<OwnedFd>,
}

/// Why there is no connection.
enum Trouble {
    Refused,
    Unreachable,
    /// There may be somebody who is busy.
    Unanswered,
    /// Nothing that the server could help.
    Local(io::Error),
}

/// Why a connection is not looked at any longer.
enum End {
    /// The server closed it, as it had said.
    Expected,
    /// The server closed it.
    Closed,
    /// Somebody doubts: a new connection is wanted. This one is still good.
    Doubted(Line),
    /// It has been silent for long. It may still answer.
    Silent(Line),
}

pub struct Watch {
    pub number: usize,
    pub server: Server,
    pub settings: Settings,
    pub cell: Arc<Cell>,
    pub epoch: Epoch,
    pub tell: mpsc::Sender<Seen>,
    pub memory: Memory,
}

/// What outlives a connection.
pub struct Memory {
    told: Option<(Sight, Option<u64>)>,
    settled: u64,
    /// The first question that was not answered yet.
    unanswered: Option<Instant>,
    next_question: Instant,
    /// Connections in a row that brought no answer.
    failures: u32,
    interrupted: bool,
    complained: bool,
    /// Of a connection that nobody was told of yet.
    line: Option<OwnedFd>,
}

impl Memory {
    pub fn new() -> Memory {
        let now = Instant::now();
        Memory {
            told: None,
            settled: 0,
            unanswered: None,
            next_question: now,
            failures: 0,
            interrupted: false,
            complained: false,
            line: None,
        }
    }
}

impl Watch {
    /// Looks for ever; ends when nobody listens any more.
    pub async fn keep_looking(mut self) {
        let mut spare: Option<Line> = None;
        while !self.tell.is_closed() {
            let look = self.cell.doubts.load(Ordering::Acquire);
            let began = Instant::now();
            let line = match (self.dial().await, spare.take()) {
                (Ok(line), old) => {
                    // Its end may have come when nobody was looking.
                    self.memory.interrupted |=
                        old.is_some_and(|old| old.answered && old.descriptor.is_some_and(|line| !is_whole(&line)));
                    line
                }
                // A full queue of new connections; the old one is as good as before, and is asked now.
                (Err(Trouble::Unreachable | Trouble::Unanswered | Trouble::Local(_)), Some(old)) => {
                    Line { since: began, ..old }
                }
                (Err(trouble), _) => {
                    self.report(trouble, look).await;
                    self.pause(AGAIN).await;
                    continue;
                }
            };
            let ended = self.attend(line, look).await;
            if let End::Closed = ended {
                self.report_close().await;
            }
            let wait = match &ended {
                End::Expected | End::Doubted(_) | End::Silent(_) => Duration::ZERO,
                End::Closed => LEAST.saturating_mul(self.memory.failures).min(AGAIN),
            };
            spare = match ended {
                End::Doubted(line) | End::Silent(line) => Some(line),
                End::Expected | End::Closed => None,
            };
            sleep_until((began + LEAST).max(Instant::now() + wait).into()).await;
        }
    }

    async fn dial(&self) -> Result<Line, Trouble> {
        let connecting = async {
            Ok(match &self.server.address {
                Address::Tcp(address) => raw(TcpStream::connect(address).await?),
                Address::Unix(path) => raw(UnixStream::connect(path).await?),
            })
        };
        let (mut stream, descriptor) = match timeout(self.settings.connect_timeout, connecting).await {
            Ok(connected) => connected.map_err(trouble)?,
            Err(_) => return Err(Trouble::Unreachable),
        };
        if let Some(opening) = &self.settings.opening {
            stream = match timeout(self.settings.connect_timeout, opening.open(stream)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(_)) | Err(_) => return Err(Trouble::Unanswered),
            };
        }
        Ok(Line { stream, input: Vec::new(), asked: false, answered: false, since: Instant::now(), descriptor })
    }

    async fn report(&mut self, trouble: Trouble, look: u64) {
        match trouble {
            Trouble::Refused => {
                self.memory.unanswered = None;
                self.say(Sight::Refused, None, look).await;
            }
            Trouble::Unreachable => self.say(Sight::Silent, None, look).await,
            Trouble::Unanswered => {
                self.memory.unanswered.get_or_insert_with(Instant::now);
                self.report_close().await;
            }
            Trouble::Local(error) => {
                self.memory.line = None;
                if !self.memory.complained {
                    log::error!("cannot look whether {} lives: {error}", self.server.name);
                }
                self.memory.complained = true;
                self.settle(None, None, look).await;
            }
        }
    }

    /// It was closed: sessions may be gone from now on, whoever answers next, and nobody has answered yet.
    async fn report_close(&mut self) {
        if self.memory.interrupted {
            let (server, look) = (self.number, self.memory.settled);
            let _ =
                self.tell.send(Seen { server, sight: None, token: None, interrupted: true, look, line: None }).await;
        }
        if self.memory.unanswered.is_some() && self.patience() <= Instant::now() {
            self.say(Sight::Silent, None, self.memory.settled).await;
        }
    }

    /// Looks at a connection until it ends, or until there is a reason for another one.
    async fn attend(&mut self, mut line: Line, look: u64) -> End {
        self.memory.line = line.descriptor.as_ref().and_then(|line| line.try_clone().ok());
        if self.is_up() && !self.memory.interrupted {
            // The one before ended as it was to, or is still there.
            self.settle(None, None, self.memory.settled).await;
        }
        if self.settings.question == Question::Connect {
            line.answered = true;
            self.say(Sight::Up, None, look).await;
        } else if look > self.memory.settled || !self.is_up() {
            self.memory.next_question = Instant::now();
        }
        if matches!(self.memory.told, Some((Sight::Silent, _))) {
            // It is known already: whoever doubts it need not wait until it is silent once more.
            self.say(Sight::Silent, None, look).await;
        }
        loop {
            if let Err(end) = self.ask(&mut line).await {
                return end;
            }
            let (mut piece, deadline) = ([0; 4096], self.deadline(&line));
            let cell = self.cell.clone();
            tokio::select! {
                biased;
                read = line.stream.read(&mut piece) => {
                    let piece = &piece[..read.unwrap_or(0)];
                    line.input.extend_from_slice(piece);
                    if let Some(end) = self.digest(&mut line, piece.is_empty(), look).await {
                        return end;
                    }
                }
                () = cell.look.notified() => return End::Doubted(line),
                () = sleep_until(deadline.into()) => {
                    if line.asked && self.patience() <= Instant::now() && self.give_up(&mut line, look).await {
                        return End::Silent(line);
                    }
                }
            }
        }
    }

    /// Asks, if it is time.
    async fn ask(&mut self, line: &mut Line) -> Result<(), End> {
        let now = Instant::now();
        if self.settings.question == Question::Connect || line.asked || now < self.memory.next_question {
            return Ok(());
        }
        self.memory.next_question = now + self.settings.ask_every.mul_f64(0.9 + 0.2 * random());
        self.memory.unanswered.get_or_insert(now);
        line.asked = true;
        line.input.clear();
        let question = self.settings.question.request(&self.server.host());
        match timeout(self.settings.connect_timeout, line.stream.write_all(question.as_bytes())).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(self.closed(line)),
        }
    }

    /// What the bytes say, if they end the connection.
    async fn digest(&mut self, line: &mut Line, ended: bool, look: u64) -> Option<End> {
        if self.settings.question == Question::Connect && !ended {
            line.input.clear();
            return None;
        }
        if !line.asked {
            // Nothing was asked: a 408 before it closes, or a close.
            return Some(if line.input.starts_with(b"HTTP/") { End::Expected } else { self.closed(line) });
        }
        match answer::read(&line.input, &self.settings.question, ended) {
            Reading::More => None,
            Reading::Nonsense => Some(self.closed(line)),
            Reading::Answer { keeps, token } => {
                self.answered(line, token, look).await;
                (!keeps).then_some(End::Expected)
            }
        }
    }

    async fn answered(&mut self, line: &mut Line, token: Option<u64>, look: u64) {
        (line.asked, line.answered) = (false, true);
        line.input.clear();
        self.memory.unanswered = None;
        self.memory.failures = 0;
        if token.is_none() && self.settings.question.tells_instance() && !self.memory.complained {
            self.memory.complained = true;
            log::warn!("{} answers, but does not tell which instance it is: see `instance`", self.server.name);
        }
        self.say(Sight::Up, token, look).await;
    }

    /// The answer has not come in time. False if it has begun, or others have heard from the server meanwhile.
    async fn give_up(&mut self, line: &mut Line, look: u64) -> bool {
        if let Reading::Answer { .. } = answer::read(&line.input, &self.settings.question, true) {
            self.answered(line, None, look).await;
            // What is left of that answer is no answer to the next question.
            line.asked = true;
            return true;
        }
        self.say(Sight::Silent, None, look).await;
        Instant::now() >= self.patience().max(line.since) + ANEW
    }

    fn closed(&mut self, line: &Line) -> End {
        // It was good, and nobody had said that it would end.
        self.memory.interrupted |= line.answered;
        let short = line.since.elapsed() < Duration::from_secs(1) && !line.answered;
        self.memory.failures = if short { self.memory.failures.saturating_add(1) } else { 0 };
        End::Closed
    }

    fn is_up(&self) -> bool {
        matches!(self.memory.told, Some((Sight::Up, _)))
    }

    /// Until when an answer is waited for. A busy server may answer requests and not get to the question.
    fn patience(&self) -> Instant {
        let heard = self.epoch.moment(self.cell.heard.load(Ordering::Relaxed));
        let since = self.memory.unanswered.max(heard).unwrap_or_else(Instant::now);
        since + self.settings.suspect_after
    }

    fn deadline(&self, line: &Line) -> Instant {
        let now = Instant::now();
        match line.asked {
            _ if self.settings.question == Question::Connect => now + Duration::from_secs(60),
            false => self.memory.next_question,
            true if self.patience() > now => self.patience(),
            true => (self.patience().max(line.since) + ANEW).max(now + LEAST),
        }
    }

    async fn say(&mut self, sight: Sight, token: Option<u64>, look: u64) {
        let same = self.memory.told.is_some_and(|(told, known)| told == sight && (token.is_none() || known == token));
        let is_news = self.memory.interrupted || (sight == Sight::Up && self.memory.line.is_some());
        if same && !is_news && look <= self.memory.settled {
            return;
        }
        let known = self.memory.told.and_then(|(_, known)| known);
        self.memory.told = Some((sight, token.or(known.filter(|_| sight == Sight::Up))));
        if sight == Sight::Up {
            self.memory.complained &= token.is_none();
        }
        self.settle(Some(sight), token, look).await;
    }

    async fn settle(&mut self, sight: Option<Sight>, token: Option<u64>, look: u64) {
        // A restart that was seen as such needs no other sign.
        let interrupted = sight == Some(Sight::Up) && std::mem::take(&mut self.memory.interrupted);
        self.memory.interrupted &= !matches!(sight, Some(Sight::Refused));
        self.memory.settled = self.memory.settled.max(look);
        // One that has brought no answer may be another server's.
        let line = if matches!(sight, None | Some(Sight::Up)) { self.memory.line.take() } else { None };
        let _ = self.tell.send(Seen { server: self.number, sight, token, interrupted, look, line }).await;
    }

    /// A doubt ends it.
    async fn pause(&self, time: Duration) {
        sleep_until((Instant::now() + LEAST).into()).await;
        let _ = timeout(time - LEAST, self.cell.look.notified()).await;
    }
}

/// A connection, and a descriptor of it that outlives whatever it is wrapped in.
fn raw(stream: impl Stream + AsFd + 'static) -> (Box<dyn Stream>, Option<OwnedFd>) {
    let descriptor = stream.as_fd().try_clone_to_owned().ok();
    (Box::new(stream), descriptor)
}

fn trouble(error: io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => Trouble::Refused,
        // A unix socket whose queue is full.
        ErrorKind::WouldBlock | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Trouble::Unanswered,
        ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Trouble::Unreachable,
        _ => Trouble::Local(error),
    }
}
