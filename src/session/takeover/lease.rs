//! Who acts for a session now, of all edges: an item that lives for seconds and is renewed while its edge does.
//!
//! It is let go only while it surely is one's own; otherwise it runs out.

use crate::memcached::{Failure, Key, Life, Node, Swap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Before its end a lease is not trusted: memcached counts in seconds.
const MARGIN: Duration = Duration::from_millis(1500);

pub struct Lease {
    item: Arc<Item>,
    renewing: JoinHandle<()>,
}

struct Item {
    node: Arc<Node>,
    key: Key,
    /// Nobody else's value.
    mark: String,
    life: Duration,
    /// When it was last renewed, at the earliest; none if it is somebody else's.
    renewed: Mutex<Option<Instant>>,
}

impl Lease {
    /// Nothing if somebody else has it.
    pub async fn take(node: &Arc<Node>, key: &Key, life: Duration) -> Result<Option<Lease>, Failure> {
        let (mark, now) = (mark(), Instant::now());
        let added = match node.add(key, mark.as_bytes(), Life::of(life)).await {
            // It may have arrived although its answer did not.
            Err(_) => node.get(key).await?.is_some_and(|found| found == mark.as_bytes()),
            Ok(added) => added,
        };
        if !added {
            return Ok(None);
        }
        let renewed = Mutex::new(Some(now));
        let item = Arc::new(Item { node: node.clone(), key: key.clone(), mark, life, renewed });
        let renewing = tokio::spawn(item.clone().keep());
        Ok(Some(Lease { item, renewing }))
    }

    /// Whether it is beyond doubt that nobody else has it.
    pub fn is_ours(&self) -> bool {
        self.item.is_ours()
    }

    /// Lets others go on at once.
    pub async fn release(self) {
        self.renewing.abort();
        if self.item.is_ours() {
            // If it fails the lease runs out.
            let _ = self.item.node.delete(&self.item.key).await;
        }
    }
}

/// Whoever drops it does not know whether what it was taken for has happened: the others wait until it has run out.
impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Item {
    fn is_ours(&self) -> bool {
        self.last().is_some_and(|renewed| renewed.elapsed() + MARGIN < self.life)
    }

    fn last(&self) -> Option<Instant> {
        *self.renewed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn keep(self: Arc<Item>) {
        loop {
            tokio::time::sleep(self.life / 3).await;
            let now = Instant::now();
            let renewed = match self.renew().await {
                Ok(true) => Some(now),
                Ok(false) => None,
                Err(_) => continue,
            };
            *self.renewed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = renewed;
            if renewed.is_none() {
                return;
            }
        }
    }

    async fn renew(&self) -> Result<bool, Failure> {
        let Some((value, token)) = self.node.gets(&self.key).await? else {
            return self.node.add(&self.key, self.mark.as_bytes(), Life::of(self.life)).await;
        };
        if value != self.mark.as_bytes() {
            return Ok(false);
        }
        let swap = self.node.cas(&self.key, self.mark.as_bytes(), Life::of(self.life), token).await?;
        Ok(swap == Swap::Stored)
    }
}

/// Different each time, at each edge.
fn mark() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(std::process::id()))
}
