//! Connections that lie idle, the one that was used last on top: it is the least likely to be closed soon, and those that are
//! too many are never used and end.
//!
//! What always holds: a connection that is handed out was open and silent a moment ago, by the system's word or, where it was used
//! just now for what may be asked twice, by the runtime's; one whose server has closed it, or
//! whose time is over, does not lie here for longer than [`ROUND`]; there are never more than [`MOST`].

use super::link::Link;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Idle connections in all.
const MOST: usize = 4096;
/// So long after its answer the runtime is believed that a connection is silent.
const JUST_NOW: Duration = Duration::from_millis(5);
/// How often closed and old ones are looked for.
const ROUND: Duration = Duration::from_millis(500);
/// Locks, so that threads seldom meet.
const SHARDS: usize = 16;

/// Where two connections have the same key, one is as good as the other.
pub type Key = u64;

#[derive(Default)]
pub struct Pool {
    shards: [Mutex<HashMap<Key, Vec<Idle>>>; SHARDS],
    count: AtomicUsize,
    is_watched: AtomicBool,
}

struct Idle {
    link: Link,
    since: Instant,
    until: Instant,
}

impl Idle {
    fn is_good(&self, now: Instant, trusting: bool) -> bool {
        let is_believed = trusting && now.duration_since(self.since) < JUST_NOW && self.link.is_calm();
        now < self.until && (is_believed || self.link.is_silent())
    }
}

impl Pool {
    /// The connection that was used last. `trusting`: should it be closed after all, the request is made once more.
    pub fn take(&self, key: Key, trusting: bool) -> Option<Link> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        loop {
            let idle = self.shard(key).get_mut(&key)?.pop()?;
            self.count.fetch_sub(1, Ordering::Relaxed);
            // One that is not is closed here, beside the lock.
            if idle.is_good(Instant::now(), trusting) {
                return Some(idle.link);
            }
        }
    }

    /// Keeps a connection for so long. The oldest of its kind goes where there are too many.
    pub fn put(self: &Arc<Self>, key: Key, link: Link, period: Duration) {
        let now = Instant::now();
        let idle = Idle { link, since: now, until: now + period };
        let too_many = self.count.fetch_add(1, Ordering::Relaxed) >= MOST;
        let oldest = {
            let mut shard = self.shard(key);
            let all = shard.entry(key).or_default();
            all.push(idle);
            too_many.then(|| all.remove(0))
        };
        if oldest.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        if !self.is_watched.swap(true, Ordering::AcqRel) {
            let pool = Arc::downgrade(self);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(ROUND).await;
                    let Some(pool) = pool.upgrade() else { return };
                    if pool.clear() {
                        return;
                    }
                }
            });
        }
    }

    /// Closes what nobody can use any more. True: none is left, and nobody needs to look again.
    fn clear(&self) -> bool {
        let now = Instant::now();
        for shard in &self.shards {
            let mut gone = Vec::new();
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, all| {
                gone.extend(all.extract_if(.., |idle| !idle.is_good(now, false)));
                !all.is_empty()
            });
            drop(shard);
            self.count.fetch_sub(gone.len(), Ordering::Relaxed);
        }
        if self.count.load(Ordering::Relaxed) > 0 {
            return false;
        }
        self.is_watched.store(false, Ordering::Release);
        // Who has put one there meanwhile may have found it watched.
        self.count.load(Ordering::Acquire) == 0 || self.is_watched.swap(true, Ordering::AcqRel)
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, HashMap<Key, Vec<Idle>>> {
        self.shards[key as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::line::Line;
    use super::super::link::Socket;
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    const LONG: Duration = Duration::from_secs(60);

    /// A connection, and the server's end of it.
    fn link() -> (Link, UnixStream, i32) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let descriptor = ours.as_raw_fd();
        let socket = Socket::Unix(tokio::net::UnixStream::from_std(ours).unwrap());
        (Link::new((socket, Line::new(descriptor, Arc::default(), None))), theirs, descriptor)
    }

    fn number(link: Option<Link>) -> Option<i32> {
        link.map(|link| link.descriptor())
    }

    #[tokio::test]
    async fn the_connection_used_last_is_taken_first_and_only_by_its_key() {
        let pool = Arc::new(Pool::default());
        let (first, _a, one) = link();
        let (second, _b, two) = link();
        pool.put(7, first, LONG);
        pool.put(7, second, LONG);
        assert!(pool.take(8, false).is_none());
        let taken = [pool.take(7, false), pool.take(7, false), pool.take(7, false)];
        assert_eq!(taken.map(number), [Some(two), Some(one), None]);
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_or_spoke_is_not_taken() {
        let pool = Arc::new(Pool::default());
        let (good, _a, one) = link();
        let (closed, b, _) = link();
        let (spoke, mut c, _) = link();
        for link in [good, closed, spoke] {
            pool.put(7, link, LONG);
        }
        drop(b);
        c.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
        assert_eq!(number(pool.take(7, false)), Some(one));
        assert!(pool.take(7, false).is_none());
        assert_eq!(pool.count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_asks_again_believes_the_runtime_for_a_moment_and_it_knows_soon() {
        let pool = Arc::new(Pool::default());
        let (closed, theirs, _) = link();
        pool.put(7, closed, LONG);
        drop(theirs);
        // The runtime hears of it when it next waits.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(pool.take(7, true).is_none());
        let (good, _theirs, number_of_good) = link();
        pool.put(7, good, LONG);
        assert_eq!(number(pool.take(7, true)), Some(number_of_good));
    }

    #[tokio::test]
    async fn what_is_closed_or_old_does_not_stay() {
        let pool = Arc::new(Pool::default());
        let (closed, a, _) = link();
        let (old, mut b, _) = link();
        let (good, _c, _) = link();
        pool.put(7, closed, LONG);
        pool.put(9, old, Duration::ZERO);
        pool.put(9, good, LONG);
        drop(a);
        assert!(!pool.clear());
        assert_eq!(pool.count.load(Ordering::Relaxed), 1);
        assert_eq!(std::io::Read::read(&mut b, &mut [0]).unwrap(), 0, "it is closed");
        drop(pool.take(9, false));
        assert!(pool.clear());
    }

    #[tokio::test]
    async fn there_are_never_more_than_so_many() {
        let pool = Arc::new(Pool::default());
        pool.count.store(MOST, Ordering::Relaxed);
        let (first, mut a, _) = link();
        pool.put(7, first, LONG);
        assert_eq!(std::io::Read::read(&mut a, &mut [0]).unwrap(), 0, "it is closed");
        assert_eq!(pool.count.load(Ordering::Relaxed), MOST);
    }
}
