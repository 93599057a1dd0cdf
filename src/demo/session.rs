//! One session in memory, and what a request has of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::blob::Blob;

/// How many tokens a session remembers, and how long one may be.
const TOKENS: usize = 1000;
const TOKEN_LIMIT: usize = 40;

pub(super) struct Session {
    state: Mutex<Blob>,
    /// Whether the application looked at its attributes since they were last compared with what the store has.
    touched: AtomicBool,
    /// The fingerprint of what the store has; held while saving, so that a later state never comes before an earlier.
    pub saved: tokio::sync::Mutex<Option<u64>>,
}

impl Session {
    pub fn new(blob: Blob, saved: Option<u64>) -> Arc<Session> {
        let saved = tokio::sync::Mutex::new(saved);
        Arc::new(Session { state: Mutex::new(blob), touched: AtomicBool::new(false), saved })
    }

    /// Lets the application at the session's attributes.
    pub fn with<T>(&self, action: impl FnOnce(&mut Blob) -> T) -> T {
        self.touched.store(true, Ordering::SeqCst);
        action(&mut lock(&self.state))
    }

    /// Adds one and remembers the token, and says when (microseconds since 1970): the order in which updates happened.
    pub fn count(&self, token: Option<&str>) -> (i32, u64) {
        self.with(|blob| {
            let counter = blob.counter().unwrap_or(0).saturating_add(1);
            blob.attributes.set_number("counter", counter);
            if let Some(token) = token.filter(|token| is_token(token)) {
                let tokens = blob.attributes.text("tokens").map_or(Vec::new(), |tokens| tokens.split(',').collect());
                let newest = tokens.len().saturating_sub(TOKENS - 1);
                let tokens = [&tokens[newest..], &[token]].concat().join(",");
                blob.attributes.set_text("tokens", &tokens);
            }
            (counter, micros())
        })
    }

    pub fn tokens(&self) -> Vec<String> {
        let tokens = self.with(|blob| blob.attributes.text("tokens").map(str::to_string));
        tokens.map_or(Vec::new(), |tokens| tokens.split(',').map(str::to_string).collect())
    }

    /// The state, without counting as a look at the attributes.
    pub fn state(&self) -> MutexGuard<'_, Blob> {
        lock(&self.state)
    }

    pub fn id(&self) -> String {
        self.state().id.clone()
    }

    pub fn set_id(&self, id: &str) {
        self.state().id = id.to_string();
    }

    pub fn access(&self) {
        let mut state = self.state();
        state.last_accessed = state.accessed;
        state.accessed = millis();
    }

    pub fn end_access(&self) {
        self.state().is_new = false;
    }

    pub fn is_expired(&self) -> bool {
        self.state().is_expired(millis())
    }

    pub fn was_touched(&self) -> bool {
        self.touched.swap(false, Ordering::SeqCst)
    }
}

fn is_token(token: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !token.is_empty() && token.len() <= TOKEN_LIMIT && token.bytes().all(good)
}

/// What a request has of its session.
#[derive(Default)]
pub(super) struct Visit {
    /// `METHOD URI?query`.
    pub request: String,
    pub session: Option<Arc<Session>>,
    /// The id that is the request's by now, if it has one.
    pub id: Option<String>,
    /// Whether the id that was asked for has a session.
    pub is_valid: bool,
    /// The id to set a cookie to.
    pub cookie: Option<String>,
    /// Whether the session has to be saved, changed or not: its id is new.
    pub is_moved: bool,
    /// The id that this request has locked.
    pub locked: Option<String>,
    /// Nodes that the next new ids shall name: tests put a session where they want it.
    pub wishes: VecDeque<String>,
}

impl Visit {
    pub fn new(request: String, wishes: VecDeque<String>) -> Visit {
        Visit { request, wishes, ..Visit::default() }
    }

    /// The request's id is another one from here on.
    pub fn change(&mut self, id: String) {
        self.cookie = Some(id.clone());
        self.id = Some(id);
        self.is_moved = true;
        self.is_valid = true;
    }
}

pub(super) fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

pub(super) fn millis() -> u64 {
    micros() / 1000
}

/// Nothing panics while one of these is held, and none is held across a wait.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_remembered_in_their_order_up_to_a_limit() {
        let session = Session::new(Blob::new("A-n1.t1".to_string(), 1800, 0), None);
        for bad in ["", "a,b", "a b", &"a".repeat(41)] {
            session.count(Some(bad));
        }
        assert_eq!(session.tokens(), Vec::<String>::new());
        for at in 0..TOKENS + 3 {
            session.count(Some(&format!("{at:040}")));
        }
        let tokens = session.tokens();
        assert_eq!((tokens.len(), &tokens[0][37..], &tokens[TOKENS - 1][36..]), (TOKENS, "003", "1002"));
        assert_eq!(session.count(None).0 as usize, TOKENS + 8);
        let blob = session.state().encode();
        assert_eq!(Blob::decode(&blob).unwrap().attributes.text("tokens").unwrap().len(), TOKENS * 41 - 1);
    }
}
