//! `keep_alive`: sessions that are only read do not vanish from memcached while they are in use.
//!
//! memcached-session-manager stores a session when it has changed. One that is read for half an hour is gone from memcached, or
//! looks idle there, and is lost when its Tomcat dies. So after an answer of its owner's the edge makes the copy look accessed
//! now, with the life of a session that is. A session that is not sticky has its times elsewhere, where MSM itself renews them
//! with each request; of it, and of its backup, only the life is renewed.
//!
//! Always: off the request's way, through a bounded queue; never more than a third of the session's life apart, and never twice
//! within ten seconds; only by compare-and-swap on what was read, so that nothing is made that is not there and nothing that
//! a Tomcat writes meanwhile is lost. A session that is over stays so.

use super::kept::{Live, Sessions};
use super::look::now;
use crate::memcached::{Failure, Key, Life, Node, Swap};
use crate::proxy::request::Request;
use crate::session::blob::{Header, refreshed};
use crate::session::id::Id;
use crate::session::layout::Layout;
use crate::session::store::Store;
use crate::session::takeover;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Sessions that may wait.
const QUEUE: usize = 4096;
/// Sessions of which is known when they are due.
const ROOM: usize = 100_000;
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
const LEAST: Duration = Duration::from_secs(10);

/// What became of sessions that were due.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Their copy is as if they were accessed now.
    pub refreshed: AtomicU64,
    /// Somebody else wrote them meanwhile, or they are not there.
    pub left: AtomicU64,
    /// memcached did not answer.
    pub failed: AtomicU64,
    /// There was no room in the queue.
    pub dropped: AtomicU64,
}

/// A session that is due.
struct Due {
    id: Box<str>,
    context: usize,
}

pub(super) struct Alive {
    queue: mpsc::Sender<Due>,
    known: Arc<Mutex<Known>>,
    pub counts: Arc<Counts>,
    task: AbortHandle,
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Alive {
    /// Needs a runtime.
    pub fn start(store: Arc<Store>, settings: &takeover::Settings) -> Alive {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let layouts = settings.contexts.iter().map(|c| Layout::with_prefix(c.key_prefix.as_str())).collect();
        let (known, counts) = (Arc::<Mutex<Known>>::default(), Arc::<Counts>::default());
        let keeper =
            Keeper { store, layouts, sticky: settings.is_sticky(), known: known.clone(), counts: counts.clone() };
        let task = tokio::spawn(keeper.run(waiting)).abort_handle();
        Alive { queue, known, counts, task }
    }

    /// Whether it is time for the session, or may be.
    pub fn may_be_due(&self, id: &Id<'_>) -> bool {
        locked(&self.known).may_be_due(id.as_str(), Instant::now())
    }

    /// The session was used. Waits for nothing.
    pub fn note(&self, id: &Id<'_>, context: usize) {
        let is_due = locked(&self.known).is_due(id.as_str(), Instant::now());
        if is_due && self.queue.try_send(Due { id: id.as_str().into(), context }).is_err() {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// Nothing panics while it is held.
fn locked(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When sessions are due next: two generations, so that those that are not used any more are forgotten.
#[derive(Default)]
struct Known {
    young: HashMap<Box<str>, Instant>,
    old: HashMap<Box<str>, Instant>,
}

impl Known {
    fn may_be_due(&self, id: &str, now: Instant) -> bool {
        // One that was not asked for lately is made young again.
        self.young.get(id).is_none_or(|next| *next <= now)
    }

    /// Whether it is due; then it is not again for the shortest time, until its life is known.
    fn is_due(&mut self, id: &str, now: Instant) -> bool {
        let next = self.young.get(id).or_else(|| self.old.get(id)).copied();
        let is_due = next.is_none_or(|next| next <= now);
        match next {
            _ if is_due => self.put(id, now + LEAST),
            // One that is asked for stays known.
            Some(next) if !self.young.contains_key(id) => self.put(id, next),
            _ => {}
        }
        is_due
    }

    fn put(&mut self, id: &str, next: Instant) {
        if self.young.len() >= ROOM / 2 && !self.young.contains_key(id) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id.into(), next);
    }
}

struct Keeper {
    store: Arc<Store>,
    /// Of the contexts.
    layouts: Vec<Layout>,
    sticky: bool,
    known: Arc<Mutex<Known>>,
    counts: Arc<Counts>,
}

/// What lies under a key.
enum Kept {
    Session,
    /// Its times stand elsewhere.
    WithoutTimes,
}

impl Keeper {
    async fn run(self, mut waiting: mpsc::Receiver<Due>) {
        while let Some(due) = waiting.recv().await {
            let Some(id) = Id::parse(due.id.as_bytes()) else { continue };
            let Some(layout) = self.layouts.get(due.context) else { continue };
            let begun = Instant::now();
            let count = match self.refresh(&id, layout).await {
                Ok(Some(life)) => {
                    locked(&self.known).put(&due.id, begun + (life / 3).max(LEAST));
                    &self.counts.refreshed
                }
                Ok(None) => &self.counts.left,
                Err(_) => &self.counts.failed,
            };
            count.fetch_add(1, Relaxed);
        }
    }

    /// How long it lives unused; nothing if nothing was to be done or somebody else has done it.
    async fn refresh(&self, id: &Id<'_>, layout: &Layout) -> Result<Option<Duration>, Failure> {
        let (Some(node), Some(key)) = (self.store.node_of(id), layout.session(id)) else { return Ok(None) };
        if self.sticky {
            return renew(node, &key, Kept::Session).await;
        }
        let renewed = renew(node, &key, Kept::WithoutTimes).await;
        if let (Some(next), Some(key)) = (self.store.next(node), layout.backup(id)) {
            renew(next, &key, Kept::WithoutTimes).await?;
        }
        renewed
    }
}

async fn renew(node: &Node, key: &Key, kept: Kept) -> Result<Option<Duration>, Failure> {
    let Some((value, token)) = node.gets(key).await? else { return Ok(None) };
    let Ok(header) = Header::read(&value) else { return Ok(None) };
    // What never expires does not vanish.
    let Some(life) = u64::try_from(header.max_inactive).ok().filter(|life| *life > 0).map(Duration::from_secs) else {
        return Ok(None);
    };
    let now = now();
    let (new, life_there) = match kept {
        // A Tomcat's clock may be ahead.
        Kept::Session if header.is_resumable(now) => (refreshed(&value, now.max(header.this_accessed)), life),
        // MSM lets it live twice as long as its validity.
        Kept::WithoutTimes if header.is_valid => (Some(value.to_vec()), life * 2),
        _ => (None, life),
    };
    let Some(new) = new else { return Ok(None) };
    // memcached is asked for no longer life than that: whoever has one would get a shorter one.
    if life_there > LONGEST {
        return Ok(None);
    }
    let swap = node.cas(key, &new, Life::of(life_there), token).await?;
    Ok((swap == Swap::Stored).then_some(life))
}

impl Request {
    /// Its session's server has answered well.
    pub(super) fn keep_session_alive(&self, live: &Live, sessions: &Sessions) {
        let Some(alive) = &live.alive else { return };
        let Some((client, carried)) = self.session_id(sessions) else { return };
        let id = match self.placed.id() {
            Some(id) => Id::parse(id.as_bytes()),
            None => Some(client),
        };
        let Some(id) = id.filter(|id| self.placed.server().is_some() && alive.may_be_due(id)) else { return };
        let read = self.read_for_session();
        let asked = self.asked(&read, client, carried);
        let settings = &sessions.settings.takeover;
        let is_ignored =
            settings.ignore.as_ref().is_some_and(|ignore| ignore.covers(asked.method, asked.path, asked.query));
        // MSM does not look at what it ignores: it is no access.
        if !is_ignored {
            alive.note(&id, settings.context_of(asked.path));
        }
    }
}

#[cfg(test)]
#[path = "alive_tests.rs"]
mod tests;
