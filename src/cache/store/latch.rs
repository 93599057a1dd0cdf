//! One fetches, the others wait: `proxy_cache_lock`.
//!
//! What always holds: while somebody waits, either somebody holds the lock or one of those who wait is being woken. A
//! holder that was overtaken for its age lets go without effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::core::{Core, Moment};
use super::filling::Begun;
use super::head::Head;
use super::zones::Holder;
use crate::cache::key::{Hash, Key, Variant};

/// Of one key and one choice among its variants. Exchanged under the lock of its shard only.
pub struct Latch {
    /// Who holds it; 0: nobody.
    holder: AtomicU64,
    since: std::sync::Mutex<Instant>,
    waiting: AtomicUsize,
    /// One may go.
    next: Notify,
    /// All may look again: there is something to follow, or nothing that will be stored.
    open: Notify,
    opened: std::sync::atomic::AtomicBool,
}

pub enum Locked {
    /// This one fetches.
    Mine(Guard),
    Wait(Waiter),
}

/// The right to fetch. Dropped without having begun a fill, it goes to the next one.
pub struct Guard {
    core: Holder,
    key: Key,
    fields: Hash,
    latch: Arc<Latch>,
    token: u64,
    moment: Moment,
}

pub struct Waiter {
    core: Arc<Core>,
    key: Key,
    fields: Hash,
    latch: Arc<Latch>,
}

pub enum Turn {
    /// Look up again: it is being stored now, or everybody fetches for himself.
    LookAgain,
    /// It is this one's turn to fetch.
    Mine(Guard),
}

impl Latch {
    fn new() -> Latch {
        Latch {
            holder: AtomicU64::new(0),
            since: std::sync::Mutex::new(Instant::now()),
            waiting: AtomicUsize::new(0),
            next: Notify::new(),
            open: Notify::new(),
            opened: std::sync::atomic::AtomicBool::new(false),
        }
    }

    fn age(&self) -> Duration {
        super::lock(&self.since).elapsed()
    }
}

impl Core {
    pub(super) fn latch(self: &Arc<Core>, key: &Key, variant: Variant) -> Locked {
        let mut shard = self.shard(key.hash());
        let latch = shard.latches.entry((*key.hash(), variant.fields)).or_insert_with(|| Arc::new(Latch::new()));
        let latch = Arc::clone(latch);
        if latch.holder.load(Ordering::Relaxed) == 0 {
            return Locked::Mine(self.hold(key, variant.fields, latch));
        }
        latch.waiting.fetch_add(1, Ordering::Relaxed);
        Locked::Wait(Waiter { core: Arc::clone(self), key: key.clone(), fields: variant.fields, latch })
    }

    /// Under the lock of the shard.
    fn hold(self: &Arc<Core>, key: &Key, fields: Hash, latch: Arc<Latch>) -> Guard {
        let moment = self.moment();
        latch.holder.store(moment.0, Ordering::Relaxed);
        *super::lock(&latch.since) = Instant::now();
        Guard { core: Holder::of(self), key: key.clone(), fields, latch, token: moment.0, moment }
    }
}

impl Guard {
    /// When this one got the right to ask the upstream: what is purged later reaches its answer.
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// Whether it is the right to fetch what this key names.
    pub fn is_for(&self, key: &Key) -> bool {
        self.key == *key
    }

    /// Begins to store; those who wait look up again.
    pub fn begin(self, variant: Variant, head: Head) -> Begun {
        let begun = self.core.0.begin(&self.key, variant, head, self.moment, None);
        self.release_all();
        begun
    }

    /// The answer is none that is stored: nobody need wait for another one.
    pub fn release_all(self) {
        let mut shard = self.core.0.shard(self.key.hash());
        if self.latch.holder.load(Ordering::Relaxed) == self.token {
            shard.latches.remove(&(*self.key.hash(), self.fields));
            self.latch.opened.store(true, Ordering::Relaxed);
            self.latch.holder.store(0, Ordering::Relaxed);
            self.latch.open.notify_waiters();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut shard = self.core.0.shard(self.key.hash());
        if self.latch.holder.load(Ordering::Relaxed) != self.token {
            return;
        }
        self.latch.holder.store(0, Ordering::Relaxed);
        if self.latch.waiting.load(Ordering::Relaxed) == 0 {
            shard.latches.remove(&(*self.key.hash(), self.fields));
        } else {
            self.latch.next.notify_one();
        }
    }
}

impl Waiter {
    /// Until there is something to follow, or it is this one's turn, be it because the one who fetches is older than
    /// `age`. How long that may take at all is the caller's decision.
    pub async fn wait(&self, age: Duration) -> Turn {
        let latch = &self.latch;
        loop {
            let open = latch.open.notified();
            tokio::pin!(open);
            open.as_mut().enable();
            if latch.opened.load(Ordering::Relaxed) {
                return Turn::LookAgain;
            }
            if let Some(guard) = self.take(age) {
                return Turn::Mine(guard);
            }
            let left = age.saturating_sub(latch.age()).max(Duration::from_millis(1));
            tokio::select! {
                () = open => return Turn::LookAgain,
                _ = timeout(left, latch.next.notified()) => {}
            }
        }
    }

    fn take(&self, age: Duration) -> Option<Guard> {
        let _shard = self.core.shard(self.key.hash());
        if self.latch.opened.load(Ordering::Relaxed) {
            return None;
        }
        let free = self.latch.holder.load(Ordering::Relaxed) == 0;
        let taken = free || self.latch.age() >= age;
        taken.then(|| self.core.hold(&self.key, self.fields, Arc::clone(&self.latch)))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut shard = self.core.shard(self.key.hash());
        let waiting = self.latch.waiting.fetch_sub(1, Ordering::Relaxed) - 1;
        let opened = self.latch.opened.load(Ordering::Relaxed);
        // One that was woken and leaves passes that on by itself: `Notify` does.
        if self.latch.holder.load(Ordering::Relaxed) == 0 && !opened && waiting == 0 {
            shard.latches.remove(&(*self.key.hash(), self.fields));
        }
    }
}
