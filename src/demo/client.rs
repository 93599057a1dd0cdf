//! What the stand-ins need of a memcached client: get, set, add, delete and whether the node is there.
//!
//! As in MSM, an operation may take a second, and a node that failed is left alone for a while. A failure never fails a
//! request; its session is then simply not saved.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const OPERATION: Duration = Duration::from_secs(1);
/// How long a node counts as it was last seen.
const REMEMBERED: Duration = Duration::from_secs(1);
const LINE_LIMIT: u64 = 512;
const VALUE_LIMIT: usize = 1 << 20;
const POOL: usize = 32;

type Connection = BufStream<TcpStream>;

pub(super) struct Client {
    address: SocketAddr,
    /// The key that is asked for to see whether the node is there; nobody ever stores it.
    ping: String,
    /// How long a node that failed is left alone.
    left_alone: Duration,
    idle: Mutex<Vec<Connection>>,
    seen: Mutex<Option<(Instant, bool)>>,
}

impl Client {
    pub fn new(address: SocketAddr, ping: String, left_alone: Duration) -> Client {
        Client { address, ping, left_alone, idle: Mutex::default(), seen: Mutex::default() }
    }

    /// Whether the node answered a ping within the last second, or does now.
    pub async fn is_available(&self) -> bool {
        if let Some(available) = self.recently() {
            return available;
        }
        let answered = self.get(&self.ping).await.is_ok();
        if answered {
            *lock(&self.seen) = Some((Instant::now(), true));
        }
        answered
    }

    pub async fn get(&self, key: &str) -> io::Result<Option<Bytes>> {
        let reply = self.ask(format!("get {key}\r\n").as_bytes(), key, OPERATION).await?;
        Ok(reply.value)
    }

    /// `exptime` as memcached takes it; waits no longer than `limit`.
    pub async fn set(&self, key: &str, exptime: i64, value: &[u8], limit: Duration) -> io::Result<()> {
        let line = format!("set {key} 0 {exptime} {}\r\n", value.len());
        self.ask(&[line.as_bytes(), value, b"\r\n"].concat(), key, limit).await.map(drop)
    }

    /// Whether it was stored: there was none.
    pub async fn add(&self, key: &str, exptime: i64, value: &[u8]) -> io::Result<bool> {
        let line = format!("add {key} 0 {exptime} {}\r\n", value.len());
        let reply = self.ask(&[line.as_bytes(), value, b"\r\n"].concat(), key, OPERATION).await?;
        Ok(reply.line == "STORED")
    }

    pub async fn delete(&self, key: &str) -> io::Result<()> {
        self.ask(format!("delete {key}\r\n").as_bytes(), key, OPERATION).await.map(drop)
    }

    /// Forgets its connections, as a process that died has.
    pub fn forget(&self) {
        lock(&self.idle).clear();
        *lock(&self.seen) = None;
    }

    fn recently(&self) -> Option<bool> {
        let seen = *lock(&self.seen);
        let fresh = |(when, available): &(Instant, bool)| {
            when.elapsed() < if *available { REMEMBERED } else { self.left_alone }
        };
        seen.filter(fresh).map(|(_, available)| available)
    }

    async fn ask(&self, command: &[u8], key: &str, limit: Duration) -> io::Result<Reply> {
        // Ids are checked where they come in; this is the last place where a bad one could become a command.
        if key.len() > 250 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if self.recently() == Some(false) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let outcome = timeout(limit, self.try_twice(command)).await.unwrap_or_else(|late| Err(late.into()));
        if outcome.is_err() {
            *lock(&self.seen) = Some((Instant::now(), false));
        }
        outcome
    }

    /// A pooled connection may have been closed in the meantime; every command here may be said twice.
    async fn try_twice(&self, command: &[u8]) -> io::Result<Reply> {
        let pooled = lock(&self.idle).pop();
        if let Some(connection) = pooled
            && let Ok(reply) = self.exchange(connection, command).await
        {
            return Ok(reply);
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        self.exchange(BufStream::new(stream), command).await
    }

    async fn exchange(&self, mut connection: Connection, command: &[u8]) -> io::Result<Reply> {
        connection.write_all(command).await?;
        connection.flush().await?;
        let line = read_line(&mut connection).await?;
        let mut value = None;
        if line.starts_with("VALUE ") {
            value = Some(read_value(&mut connection, &line).await?);
        }
        let mut idle = lock(&self.idle);
        if idle.len() < POOL {
            idle.push(connection);
        }
        let good = value.is_some() || matches!(&line[..], "END" | "STORED" | "NOT_STORED" | "DELETED" | "NOT_FOUND");
        if good { Ok(Reply { line, value }) } else { Err(io::Error::other(line)) }
    }
}

struct Reply {
    line: String,
    value: Option<Bytes>,
}

async fn read_line(connection: &mut Connection) -> io::Result<String> {
    let mut line = String::new();
    connection.take(LINE_LIMIT).read_line(&mut line).await?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_string()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

async fn read_value(connection: &mut Connection, line: &str) -> io::Result<Bytes> {
    let length: Option<usize> = line.split(' ').nth(3).and_then(|word| word.parse().ok());
    let length = length.filter(|length| *length <= VALUE_LIMIT).ok_or(io::ErrorKind::InvalidData)?;
    let mut value = vec![0; length + 2];
    connection.read_exact(&mut value).await?;
    value.truncate(length);
    match &read_line(connection).await?[..] {
        "END" => Ok(Bytes::from(value)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Nothing panics while one of these is held, and each is held for a few instructions.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
