//! The sessions of one web application, as a Tomcat with memcached-session-manager has them.
//!
//! What happens to a request follows Tomcat's and MSM's steps one by one, their races included: each request goes on with
//! the very object it found first, so that several first requests at once each count on a copy of their own. A stand-in
//! that repaired this would hide what it is there to show.
//!
//! A request `arrive`s (Tomcat's authenticator looks for its session, before MSM knows of the request), is `take`n over if
//! it is MSM's business, and `leave`s. How this is done is in `sticky` and `non_sticky`; what both have in common is here.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::blob::Blob;
use super::id::Id;
use super::msm::{Mode, Msm};
use super::nodes::Nodes;
use super::session::{Session, Visit, lock, millis};

pub(super) const SESSIONS: usize = 10_000;
/// How long MSM remembers that memcached has no such session, and of how many.
const MISSING_TIME: Duration = Duration::from_millis(500);
const MISSING: usize = 200;

pub(super) struct Sessions {
    /// What new ids end with.
    pub(super) route: Option<String>,
    pub(super) msm: Msm,
    pub(super) nodes: Nodes,
    pub(super) local: Mutex<HashMap<String, Arc<Session>>>,
    missing: Mutex<HashMap<String, Instant>>,
    /// Requests that changed nothing, for `Locking::Auto`.
    pub(super) reading: Mutex<Vec<String>>,
    random: RandomState,
}

impl Sessions {
    pub fn new(route: Option<String>, msm: Msm) -> Sessions {
        let nodes = Nodes::new(&msm);
        Sessions {
            route,
            msm,
            nodes,
            local: Mutex::default(),
            missing: Mutex::default(),
            reading: Mutex::default(),
            random: RandomState::new(),
        }
    }

    /// All that a killed process forgets.
    pub fn forget(&self) {
        lock(&self.local).clear();
        lock(&self.missing).clear();
        lock(&self.reading).clear();
        self.nodes.forget();
    }

    pub fn is_ignored(&self, request: &str) -> bool {
        self.msm.ignore.is_match(request)
    }

    /// Finds the session of the first id that has one. In sticky mode this is done for ignored requests, too: what they
    /// find under a foreign id stays in memory as it was.
    pub async fn arrive(&self, ids: &[&str], ignored: bool, visit: &mut Visit) {
        for id in ids {
            visit.id = Some(id.to_string());
            visit.session = match self.msm.mode {
                Mode::Sticky => self.find(id).await,
                Mode::NonSticky if ignored => None,
                Mode::NonSticky => self.fetch(id, visit).await,
            };
            if let Some(session) = &visit.session {
                session.access();
                visit.is_valid = true;
                return;
            }
        }
    }

    /// MSM's part before the application: the session becomes this Tomcat's.
    pub async fn take(&self, visit: &mut Visit) {
        if self.msm.mode == Mode::Sticky {
            self.take_over(visit).await;
        }
    }

    /// MSM's part after the application: the session is saved.
    pub async fn leave(self: &Arc<Sessions>, visit: &Visit) {
        match self.msm.mode {
            Mode::NonSticky => self.store(visit).await,
            Mode::Sticky => self.save_visit(visit).await,
        }
    }

    /// The visit's session, made if there is none yet.
    pub async fn open(&self, visit: &mut Visit) -> Arc<Session> {
        if let Some(session) = &visit.session {
            return session.clone();
        }
        let id = self.new_id(visit).await;
        let session = Session::new(Blob::new(id.clone(), self.msm.max_inactive, millis()), None);
        if self.msm.mode == Mode::Sticky {
            self.keep(&id, session.clone());
        }
        let was_valid = visit.is_valid;
        visit.change(id);
        visit.is_valid = was_valid;
        visit.session = Some(session.clone());
        session
    }

    /// What `changeSessionId` does: a new base and a new node; the old keys are gone at once.
    pub async fn rotate(&self, visit: &mut Visit) {
        let Some(session) = visit.session.clone() else { return };
        let old = session.id();
        let new = self.new_id(visit).await;
        session.set_id(&new);
        if self.msm.mode == Mode::Sticky {
            lock(&self.local).remove(&old);
            self.keep(&new, session);
        }
        self.erase(&old).await;
        visit.change(new);
    }

    pub async fn invalidate(&self, visit: &mut Visit) {
        let Some(session) = visit.session.take() else { return };
        let id = session.id();
        lock(&self.local).remove(&id);
        self.erase(&id).await;
        visit.is_valid = false;
        if self.msm.mode == Mode::Sticky {
            // Whoever asks whether the requested id is valid makes MSM look for it once more.
            visit.session = self.find(&id).await;
        }
    }

    pub(super) fn is_missing(&self, id: &str) -> bool {
        lock(&self.missing).get(id).is_some_and(|since| since.elapsed() < MISSING_TIME)
    }

    pub(super) fn note_missing(&self, id: &str) {
        let mut missing = lock(&self.missing);
        if missing.len() >= MISSING {
            missing.retain(|_, since| since.elapsed() < MISSING_TIME);
        }
        if missing.len() < MISSING {
            missing.insert(id.to_string(), Instant::now());
        }
    }

    /// Deletes all keys of an id, where they can be reached.
    pub(super) async fn erase(&self, id: &str) {
        let keys = self.msm.keys(id);
        let Some(node) = Id::parse(id).and_then(|id| self.nodes.of(&id)) else { return };
        // What cannot be deleted expires.
        let _ = node.client.delete(&keys.session).await;
        if self.msm.mode == Mode::Sticky {
            return;
        }
        let _ = node.client.delete(&keys.validity).await;
        if let Some(backup) = self.nodes.after(&node.name).await {
            let _ = backup.client.delete(&keys.backup).await;
            let _ = backup.client.delete(&keys.backup_validity).await;
        }
    }

    pub(super) fn keep(&self, id: &str, session: Arc<Session>) {
        let mut local = lock(&self.local);
        if local.len() >= SESSIONS {
            // Rare and slow rather than ordered and always paid for.
            let oldest = local.iter().min_by_key(|(_, session)| session.state().accessed);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|id| local.remove(&id));
        }
        local.insert(id.to_string(), session);
    }

    async fn new_id(&self, visit: &mut Visit) -> String {
        let node = self.nodes.choose(visit.wishes.pop_front(), None).await;
        let base = self.random_base();
        Id { base: &base, node: None, route: None }.at(node.as_deref(), self.route.as_deref())
    }

    /// 32 upper-case hex digits. Unguessable enough for a demo on loopback.
    fn random_base(&self) -> String {
        let half = |which: u8| self.random.hash_one((which, RandomState::new().hash_one(SystemTime::now())));
        format!("{:016X}{:016X}", half(0), half(1))
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
