//! Sessions as a Tomcat with memcached-session-manager keeps them, in sticky mode: in memory, and saved under their
//! id at the end of each request that changed them.
//!
//! What happens to a request with another application's id follows Tomcat's and MSM's steps one by one
//! (`changeSessionIdOnTomcatFailover`), their races included: each request goes on with the very object it found
//! first, so that several first requests at once each count on a copy of their own. A demo that repaired this would
//! hide what it is there to show.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::blob::Blob;
use super::client::Client;

pub(super) const NODE: &str = "n1";
const MAX_INACTIVE: i32 = 1800;
/// MSM takes `processExpiresFrequency` times a `backgroundProcessorDelay` of -1 off the life of a key.
const LIFETIME: u32 = MAX_INACTIVE as u32 - 6;
const SESSIONS: usize = 10_000;
const ID_LIMIT: usize = 200;

/// `base[-node][.route]`, checked: nothing in it can end a word or a line of memcached's protocol.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Id<'a> {
    pub base: &'a str,
    pub node: Option<&'a str>,
    pub route: Option<&'a str>,
}

impl<'a> Id<'a> {
    /// MSM's reading: the first dot begins the route, the first dash before it the node.
    pub fn parse(id: &'a str) -> Option<Id<'a>> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if id.len() > ID_LIMIT || !id.bytes().all(good) {
            return None;
        }
        let (front, route) = id.split_once('.').map_or((id, None), |(front, route)| (front, Some(route)));
        let (base, node) = front.split_once('-').map_or((front, None), |(base, node)| (base, Some(node)));
        Some(Id { base, node, route }).filter(|id| !id.base.is_empty())
    }

    fn at(&self, node: Option<&str>, route: &str) -> String {
        match node {
            Some(node) => format!("{}-{node}.{route}", self.base),
            None => format!("{}.{route}", self.base),
        }
    }
}

pub(super) struct Session {
    state: Mutex<Blob>,
    /// The id and counter that the store has; held while saving, so that a later state never comes before an earlier.
    saved: tokio::sync::Mutex<Option<(String, u32)>>,
}

impl Session {
    fn new(blob: Blob) -> Arc<Session> {
        Arc::new(Session { state: Mutex::new(blob), saved: Default::default() })
    }

    /// Adds one, and says when (microseconds since 1970): the order in which updates happened.
    pub fn count(&self) -> (u32, u64) {
        let mut state = lock(&self.state);
        state.counter = state.counter.saturating_add(1);
        (state.counter, micros())
    }

    pub fn read(&self) -> (Blob, u64) {
        let state = lock(&self.state);
        (state.clone(), micros())
    }

    fn access(&self) {
        let mut state = lock(&self.state);
        state.last_accessed = state.accessed;
        state.accessed = millis();
    }

    fn is_expired(&self) -> bool {
        lock(&self.state).is_expired(millis())
    }
}

/// What a request has of its session.
pub(super) struct Visit {
    pub session: Option<Arc<Session>>,
    /// The id that is the request's by now, if it has one.
    id: Option<String>,
    /// The id to set a cookie to.
    pub cookie: Option<String>,
}

pub(super) struct Sessions {
    route: String,
    client: Client,
    local: Mutex<HashMap<String, Arc<Session>>>,
    random: RandomState,
}

impl Sessions {
    pub fn new(route: String, client: Client) -> Sessions {
        Sessions { route, client, local: Mutex::default(), random: RandomState::new() }
    }

    /// All that a killed process forgets.
    pub fn forget(&self) {
        lock(&self.local).clear();
        self.client.forget();
    }

    /// Finds the session of the first id that has one. `ignored` requests take nothing over, but what they find
    /// under an old id stays in memory, as in Tomcat, whose authenticator looks before MSM does.
    pub async fn enter(&self, ids: &[&str], ignored: bool) -> Visit {
        let mut visit = Visit { session: None, id: None, cookie: None };
        for id in ids {
            visit.session = self.find(id).await;
            visit.id = Some(id.to_string());
            if visit.session.is_some() {
                break;
            }
        }
        if !ignored && let Some(requested) = visit.id.take() {
            visit.id = self.move_here(&requested, &mut visit).await.or(Some(requested));
        }
        if let Some(session) = &visit.session {
            session.access();
        }
        visit
    }

    /// The visit's session, made if there is none yet.
    pub async fn open(&self, visit: &mut Visit) -> Arc<Session> {
        if let Some(session) = &visit.session {
            return session.clone();
        }
        let available = self.client.is_available().await;
        let base = self.random_base();
        let id = Id { base: &base, node: None, route: None }.at(available.then_some(NODE), &self.route);
        let now = millis();
        let session = Session::new(Blob {
            id: id.clone(),
            created: now,
            last_accessed: now,
            accessed: now,
            saved: now,
            max_inactive: MAX_INACTIVE,
            is_new: true,
            counter: 0,
        });
        self.keep(&id, session.clone());
        visit.session = Some(session.clone());
        visit.id = Some(id.clone());
        visit.cookie = Some(id);
        session
    }

    /// Saves what memory has under the visit's id, if the store has not got it already.
    pub async fn leave(&self, visit: &Visit) {
        let Some(id) = &visit.id else { return };
        let current = lock(&self.local).get(id).cloned();
        if let Some(session) = current {
            self.save(&session, visit.cookie.is_some()).await;
        }
        if let Some(session) = &visit.session {
            lock(&session.state).is_new = false;
        }
    }

    async fn find(&self, id: &str) -> Option<Arc<Session>> {
        let here = lock(&self.local).get(id).cloned();
        match here {
            Some(session) if session.is_expired() => {
                lock(&self.local).remove(id);
                None
            }
            Some(session) => Some(session),
            None => self.load(id).await,
        }
    }

    async fn load(&self, id: &str) -> Option<Arc<Session>> {
        if Id::parse(id)?.node != Some(NODE) {
            return None;
        }
        let value = self.client.get(id).await.ok()??;
        let blob = Blob::decode(&value).filter(|blob| !blob.is_expired(millis()))?;
        let saved = Some((blob.id.clone(), blob.counter));
        let session = Arc::new(Session { state: Mutex::new(blob), saved: tokio::sync::Mutex::new(saved) });
        self.keep(id, session.clone());
        Some(session)
    }

    /// Gives the session this application's route (and a node, if one was missing and is back). The new id.
    async fn move_here(&self, requested: &str, visit: &mut Visit) -> Option<String> {
        let id = Id::parse(requested)?;
        let foreign = id.route != Some(&self.route);
        let node = match id.node {
            None if visit.session.is_some() && self.client.is_available().await => Some(NODE),
            node => node,
        };
        if !foreign && node == id.node {
            return None;
        }
        let moved = id.at(node, &self.route);
        let there = lock(&self.local).get(&moved).cloned();
        let session = match there {
            Some(session) => session,
            None => self.rename(requested, &moved).await?,
        };
        visit.session.get_or_insert(session);
        visit.cookie = Some(moved.clone());
        Some(moved)
    }

    /// The old key goes at once, the new one comes with the end of the request: in between the session is in no store.
    async fn rename(&self, old: &str, new: &str) -> Option<Arc<Session>> {
        let session = {
            let mut local = lock(&self.local);
            let session = local.remove(old)?;
            lock(&session.state).id = new.to_string();
            local.insert(new.to_string(), session.clone());
            session
        };
        if Id::parse(old).is_some_and(|id| id.node.is_some()) {
            let _ = self.client.delete(old).await;
        }
        Some(session)
    }

    async fn save(&self, session: &Session, always: bool) {
        let mut saved = session.saved.lock().await;
        let (mut blob, _) = session.read();
        let state = Some((blob.id.clone(), blob.counter));
        let has_node = Id::parse(&blob.id).is_some_and(|id| id.node.is_some());
        if !has_node || (!always && *saved == state) {
            return;
        }
        blob.saved = millis();
        match self.client.set(&blob.id, LIFETIME, &blob.encode()).await {
            Ok(()) => *saved = state,
            Err(error) => log::warn!("demo {}: a session was not saved: {error}", self.route),
        }
    }

    fn keep(&self, id: &str, session: Arc<Session>) {
        let mut local = lock(&self.local);
        if local.len() >= SESSIONS {
            // Rare and slow rather than ordered and always paid for.
            let oldest = local.iter().min_by_key(|(_, session)| lock(&session.state).accessed);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|id| local.remove(&id));
        }
        local.insert(id.to_string(), session);
    }

    /// 32 upper-case hex digits. Unguessable enough for a demo on loopback.
    fn random_base(&self) -> String {
        let half = |which: u8| self.random.hash_one((which, RandomState::new().hash_one(SystemTime::now())));
        format!("{:016X}{:016X}", half(0), half(1))
    }
}

fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

fn millis() -> u64 {
    micros() / 1000
}

/// Nothing panics while one of these is held, and none is held across a wait.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
