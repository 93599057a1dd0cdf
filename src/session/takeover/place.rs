//! Where this edge knows a session to be: so that it asks memcached, or waits at a gate, once per session and not once per
//! request.
//!
//! What is known holds only while nothing has changed: a place counts as long as its server is up, in the same process, and
//! neither it nor the session's node has been away since. Another edge can only take a session from a server that both
//! have seen go.

use super::recent::Recent;
use super::world::{NodeView, State, View};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Sessions whose place is remembered, in each context.
const ROOM: usize = 100_000;
const SHARDS: usize = 16;
/// For how long a place under another id is believed without looking at the record: a login elsewhere may have made an end
/// of the cookie it would hand out.
const ALIAS_FRESH: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct Place {
    pub server: usize,
    pub instance: u64,
    /// The node in `id`, if it names one of ours.
    pub node: Option<usize>,
    /// Under which the server knows it.
    pub id: Arc<str>,
    pub set_cookie: Option<Arc<str>>,
    /// What it rests on was looked at no earlier than this.
    pub at: Instant,
}

impl Place {
    /// Whether the session is there still. `node`: of the id's node, if it has one.
    pub fn holds(&self, server: &View, node: Option<&NodeView>) -> bool {
        self.is_kept_by(server) && node.is_none_or(|node| self.is_later_than(node.changed))
    }

    /// Whether its server has it still, be it under another id.
    pub fn is_kept_by(&self, server: &View) -> bool {
        server.state == State::Up && server.instance == self.instance && self.is_later_than(server.changed)
    }

    fn is_later_than(&self, changed: Option<Instant>) -> bool {
        changed.is_none_or(|changed| changed <= self.at)
    }

    /// Whether it may be used for a request that came with this id.
    pub fn is_fresh_for(&self, id: &str) -> bool {
        *self.id == *id || self.at.elapsed() < ALIAS_FRESH
    }
}

/// The places of all sessions of an upstream that were looked for.
pub struct Places {
    contexts: Vec<Vec<Mutex<Recent<Place>>>>,
    hash: RandomState,
    /// Nothing was ever put: nothing has ever happened.
    empty: AtomicBool,
}

impl Places {
    pub fn new(contexts: usize) -> Places {
        let shards = || (0..SHARDS).map(|_| Mutex::new(Recent::new(ROOM / SHARDS))).collect();
        let contexts = (0..contexts.max(1)).map(|_| shards()).collect();
        Places { contexts, hash: RandomState::new(), empty: AtomicBool::new(true) }
    }

    pub fn is_empty(&self) -> bool {
        self.empty.load(Relaxed)
    }

    /// Looks at a place without copying it.
    pub fn look<T>(&self, context: usize, base: &str, look: impl FnOnce(&Place) -> T) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        self.shard(context, base).get(base).map(look)
    }

    pub fn put(&self, context: usize, base: &str, place: Place) {
        self.empty.store(false, Relaxed);
        self.shard(context, base).put(base, place);
    }

    /// The client has got a better cookie than the one that is kept here.
    pub fn forget_cookie(&self, context: usize, base: &str) {
        if let Some(mut place) = self.look(context, base, Place::clone) {
            place.set_cookie = None;
            self.put(context, base, place);
        }
    }

    pub fn remove(&self, context: usize, base: &str) {
        self.shard(context, base).remove(base);
    }

    fn shard(&self, context: usize, base: &str) -> MutexGuard<'_, Recent<Place>> {
        let context = &self.contexts[context.min(self.contexts.len() - 1)];
        let shard = &context[self.hash.hash_one(base) as usize % SHARDS];
        shard.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(state: State, instance: u64, changed: Option<Instant>) -> View {
        View { state, instance, draining: false, changed, restarted: None, uncounted: false, moved: true }
    }

    fn place(at: Instant) -> Place {
        Place { server: 0, instance: 3, node: Some(0), id: "a-n1.t1".into(), set_cookie: None, at }
    }

    #[test]
    fn a_place_holds_until_its_server_or_node_was_away() {
        let before = Instant::now();
        let at = before + Duration::from_secs(1);
        let after = at + Duration::from_secs(1);
        let place = place(at);
        assert!(place.holds(&view(State::Up, 3, None), None));
        assert!(place.holds(&view(State::Up, 3, Some(before)), None));
        assert!(!place.holds(&view(State::Up, 3, Some(after)), None));
        assert!(!place.holds(&view(State::Suspect, 3, None), None));
        assert!(!place.holds(&view(State::Up, 4, None), None));
        let node = |up, changed| NodeView { up, changed, moved: false };
        assert!(place.holds(&view(State::Up, 3, None), Some(&node(true, Some(before)))));
        assert!(!place.holds(&view(State::Up, 3, None), Some(&node(true, Some(after)))));
        // It was looked for since the node went, and found there all the same.
        assert!(place.holds(&view(State::Up, 3, None), Some(&node(false, Some(before)))));
    }

    #[test]
    fn contexts_do_not_share_their_sessions() {
        let places = Places::new(2);
        assert!(places.is_empty());
        places.put(0, "a", place(Instant::now()));
        assert!(places.look(0, "a", |_| ()).is_some());
        assert!(places.look(1, "a", |_| ()).is_none());
        places.remove(0, "a");
        assert!(places.look(0, "a", |_| ()).is_none());
    }
}
