//! One node: its connections, and how long it is waited for.

use super::{Failure, Key, Life, Swap, Token};
use bytes::Bytes;
use memcache_async::ascii::Protocol;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a node may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one operation, connecting included.
    pub timeout: Duration,
    /// Connections at once, idle ones among them.
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
    address: String,
    limits: Limits,
}

type Connection = Protocol<TcpStream>;

impl Node {
    /// `address`: `host:port`.
    pub fn new(name: impl Into<String>, address: impl Into<String>, limits: Limits) -> Arc<Node> {
        Arc::new(Node { name: name.into(), address: address.into(), limits })
    }

    /// MSM's id of it; empty where there is only one and it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>, Failure> {
        Ok(self.get_many(std::slice::from_ref(key)).await?.pop().flatten())
    }

    /// The values in the keys' order.
    pub async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, Failure> {
        let mut found: HashMap<String, Vec<u8>> = self.ask(async |c: &mut Connection| c.get_multi(keys).await).await?;
        Ok(keys.iter().map(|key| found.remove(key.as_str()).map(Bytes::from)).collect())
    }

    pub async fn gets(&self, key: &Key) -> Result<Option<(Bytes, Token)>, Failure> {
        self.ask(async |c: &mut Connection| match c.gets_cas(key).await {
            Ok((value, token)) => Ok(Some((Bytes::from(value), Token(token)))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        })
        .await
    }

    /// Stores it if nothing is there; whether it did.
    pub async fn add(&self, key: &Key, value: &[u8], life: Life) -> Result<bool, Failure> {
        self.ask(async |c: &mut Connection| match c.add(key, value, life.seconds()).await {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        })
        .await
    }

    pub async fn cas(&self, key: &Key, value: &[u8], life: Life, token: Token) -> Result<Swap, Failure> {
        self.ask(async |c: &mut Connection| match c.cas(key, value, token.0, life.seconds()).await {
            Ok(true) => Ok(Swap::Stored),
            Ok(false) => Ok(Swap::Changed),
            Err(e) if e.to_string().contains("NOT_FOUND") => Ok(Swap::Gone),
            Err(e) => Err(e),
        })
        .await
    }

    /// Nobody says whether it was stored: for what may be lost.
    pub async fn set(&self, key: &Key, value: &[u8], life: Life) -> Result<(), Failure> {
        self.ask(async |c: &mut Connection| c.set(key, value, life.seconds()).await).await
    }

    /// Nobody says whether it was there.
    pub async fn delete(&self, key: &Key) -> Result<(), Failure> {
        self.ask(async |c: &mut Connection| c.delete(key).await).await
    }

    async fn ask<T>(&self, question: impl AsyncFnOnce(&mut Connection) -> io::Result<T>) -> Result<T, Failure> {
        let limit = self.limits.timeout;
        let asked = timeout(limit, async {
            let stream = TcpStream::connect(&self.address).await.map_err(|e| Failure::Refused(e.to_string()))?;
            let mut connection = Protocol::new(stream);
            question(&mut connection).await.map_err(|e| Failure::Broken(e.to_string()))
        });
        asked.await.unwrap_or(Err(Failure::Timeout(limit)))
    }
}
