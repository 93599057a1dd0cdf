//! One node: its connections, and how long it is waited for.

use super::address::Address;
use super::breaker::{Breaker, Sight, Weight};
use super::pool::Pool;
use super::question::{Answer, Question};
use super::reply::{self, Wrong};
use super::{Failure, Key, Life, Swap, Token};
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

/// What a node may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one operation, connecting and waiting for a connection included.
    pub timeout: Duration,
    /// Connections at once, idle ones among them; one more watches.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { timeout: Duration::from_millis(50), connections: 32 }
    }
}

/// A memcached of `memcachedNodes`.
#[derive(Debug)]
pub struct Node {
    name: String,
    address: Address,
    pub(super) limits: Limits,
    pool: Pool,
    pub(super) breaker: Breaker,
}

/// Why nothing came of a question, and what that says of the node.
#[derive(Debug)]
pub(super) struct Trouble {
    pub failure: Failure,
    pub weight: Weight,
}

impl Node {
    /// memcached's `item_size_max` is 1 MiB by default, the key and what memcached notes of an item included.
    pub const LARGEST: usize = (1 << 20) - 512;

    /// `address`: `host:port`. Somebody should [`keep_watch`](Node::keep_watch) over it.
    pub fn new(name: impl Into<String>, address: impl Into<String>, limits: Limits) -> Arc<Node> {
        Arc::new(Node {
            name: name.into(),
            address: Address::new(address.into()),
            limits,
            pool: Pool::new(limits.connections),
            breaker: Breaker::new(),
        })
    }

    /// MSM's id of it; empty where there is only one and it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> &str {
        self.address.as_str()
    }

    pub fn sight(&self) -> Sight {
        self.breaker.sight()
    }

    /// Whether it is asked at all; also true of one that was never asked.
    pub fn is_up(&self) -> bool {
        self.breaker.sight().up
    }

    /// Whether it is down, or was in this time: what it held may be gone.
    pub fn has_been_down(&self, within: Duration) -> bool {
        self.breaker.has_been_down(within)
    }

    /// Tells whenever it goes, comes back, or was away for a moment.
    pub fn changed(&self) -> watch::Receiver<Sight> {
        self.breaker.changes()
    }

    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>, Failure> {
        Ok(self.get_many(std::slice::from_ref(key)).await?.pop().flatten())
    }

    /// The values in the keys' order.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Failure> {
        let mut values = Vec::with_capacity(keys.len());
        for some in keys.chunks(reply::KEYS) {
            let Answer::Values(found) = self.ask(Question::Get(some)).await? else { return Err(mixed_up()) };
            let found: HashMap<String, Bytes> = found.into_iter().map(|(key, v)| (key, Bytes::from(v))).collect();
            values.extend(some.iter().map(|key| found.get(key.as_str()).cloned()));
        }
        Ok(values)
    }

    pub async fn gets(&self, key: &Key) -> Result<Option<(Bytes, Token)>, Failure> {
        match self.ask(Question::Gets(key)).await? {
            Answer::Value(found) => Ok(found.map(|(value, token)| (Bytes::from(value), token))),
            _ => Err(mixed_up()),
        }
    }

    /// Stores it if nothing is there; whether it did.
    pub async fn add(&self, key: &Key, value: &[u8], life: Life) -> Result<bool, Failure> {
        match self.ask(Question::Add(key, value, life)).await? {
            Answer::Done(stored) => Ok(stored),
            _ => Err(mixed_up()),
        }
    }

    pub async fn cas(&self, key: &Key, value: &[u8], life: Life, token: Token) -> Result<Swap, Failure> {
        match self.ask(Question::Cas(key, value, life, token)).await? {
            Answer::Swap(swap) => Ok(swap),
            _ => Err(mixed_up()),
        }
    }

    /// Adds to a number, which wraps at 2^64; `None` if there is none.
    pub async fn incr(&self, key: &Key, by: u64) -> Result<Option<u64>, Failure> {
        match self.ask(Question::Incr(key, by)).await? {
            Answer::Number(number) => Ok(number),
            _ => Err(mixed_up()),
        }
    }

    /// Takes from a number, which stops at 0; `None` if there is none.
    pub async fn decr(&self, key: &Key, by: u64) -> Result<Option<u64>, Failure> {
        match self.ask(Question::Decr(key, by)).await? {
            Answer::Number(number) => Ok(number),
            _ => Err(mixed_up()),
        }
    }

    /// Nobody says whether it was stored, but that memcached has read it: for what may be lost.
    pub async fn set(&self, key: &Key, value: &[u8], life: Life) -> Result<(), Failure> {
        self.ask(Question::Set(key, value, life)).await.map(drop)
    }

    /// Nobody says whether it was there, but it is not afterwards.
    pub async fn delete(&self, key: &Key) -> Result<(), Failure> {
        self.ask(Question::Delete(key)).await.map(drop)
    }

    async fn ask(&self, question: Question<'_>) -> Result<Answer, Failure> {
        if question.size() > Node::LARGEST {
            return Err(Failure::TooLarge(question.size()));
        }
        let turn = self.breaker.admit().ok_or(Failure::Open)?;
        let begun = Instant::now();
        let until = begun + self.limits.timeout;
        let _permit = self.turn(turn, until).await?;
        // Who had to wait long for a connection has not given the node its time.
        let fair = begun.elapsed() < self.limits.timeout / 2;
        let outcome = timeout_at(until, self.exchange(&question)).await.unwrap_or_else(|_| Err(self.late(fair)));
        let weight = outcome.as_ref().map_or_else(|trouble| trouble.weight, |_| Weight::Answered);
        if self.breaker.note(turn, weight) {
            self.tell(outcome.as_ref().err());
        }
        outcome.map_err(|trouble| trouble.failure)
    }

    /// Waits until a connection may be used; no longer once the node is left alone.
    async fn turn(&self, turn: u64, until: Instant) -> Result<SemaphorePermit<'_>, Failure> {
        if let Some(permit) = self.pool.free_turn() {
            return Ok(permit);
        }
        tokio::select! {
            biased;
            _ = self.breaker.opened(turn) => Err(Failure::Open),
            permit = self.pool.turn() => permit,
            _ = sleep_until(until) => Err(Failure::Busy),
        }
    }

    /// Whoever drops this drops the connection with it.
    async fn exchange(&self, question: &Question<'_>) -> Result<Answer, Trouble> {
        let mut stream = match self.pool.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let answer = question.put_to(&mut stream).await.map_err(Trouble::of_answer)?;
        self.pool.put_back(stream);
        Ok(answer)
    }

    pub(super) async fn connect(&self) -> Result<TcpStream, Trouble> {
        let addresses = self.address.resolve().await.map_err(Trouble::of_name)?;
        let stream = TcpStream::connect(&addresses[..]).await.map_err(Trouble::of_connecting)?;
        stream.set_nodelay(true).map_err(Trouble::of_connecting)?;
        Ok(stream)
    }

    fn late(&self, fair: bool) -> Trouble {
        let weight = if fair { Weight::Failed } else { Weight::Nothing };
        Trouble { failure: Failure::Timeout(self.limits.timeout), weight }
    }

    /// It has gone, or come back: says so once.
    pub(super) fn tell(&self, trouble: Option<&Trouble>) {
        let (name, address) = (&self.name, self.address());
        match trouble {
            Some(trouble) => {
                self.pool.close_idle();
                log::warn!("memcached {name} ({address}) is left alone: {}", trouble.failure);
            }
            None => log::info!("memcached {name} ({address}) answers again"),
        }
    }
}

/// A question was answered by the answer to another kind of question: [`Question::put_to`] never does.
fn mixed_up() -> Failure {
    Failure::Broken("an answer to another question".into())
}

impl Trouble {
    fn of_name(e: io::Error) -> Trouble {
        Trouble { failure: Failure::Refused(e.to_string()), weight: Weight::Dead }
    }

    /// Only what the other side, or the way there, has said: without a free descriptor here every node would look dead.
    fn of_connecting(e: io::Error) -> Trouble {
        use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};
        let weight = match e.kind() {
            ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable => Weight::Dead,
            TimedOut => Weight::Failed,
            _ => Weight::Nothing,
        };
        Trouble { failure: Failure::Refused(e.to_string()), weight }
    }

    pub fn of_answer(e: io::Error) -> Trouble {
        let (failure, weight) = match e.get_ref().and_then(|inner| inner.downcast_ref::<Wrong>()) {
            Some(Wrong::TooLarge(bytes)) => (Failure::TooLarge(*bytes), Weight::Answered),
            Some(Wrong::Said(words)) => (Failure::Broken(words.clone()), Weight::Answered),
            _ => (Failure::Broken(e.to_string()), Weight::Failed),
        };
        Trouble { failure, weight }
    }
}
