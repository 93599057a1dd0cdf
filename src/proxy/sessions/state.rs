//! What variables and logs tell of a request's session. An id is a password: a hash of its base stands for it.

use super::kept::Sessions;
use super::look::{Look, look};
use crate::proxy::request::Request;
use crate::session::affinity::Way;
use crate::variables::{Session, StoredSession};
use once_cell::sync::Lazy;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::sync::Arc;

/// The key of the hashes.
#[derive(Clone)]
pub struct LogKey(hmac::Key);

/// Of this process, where none is configured.
static OWN: Lazy<LogKey> = Lazy::new(|| {
    let mut bytes = [0; 32];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        // Without randomness no TLS would start either; a guessable key is better than none, and told of.
        log::error!(target: "edge::alert", "the system gives no random numbers: hashes of session ids can be guessed");
    }
    LogKey(hmac::Key::new(HMAC_SHA256, &bytes))
});

impl LogKey {
    pub fn new(configured: Option<&[u8]>) -> LogKey {
        configured.map_or_else(|| OWN.clone(), |key| LogKey(hmac::Key::new(HMAC_SHA256, key)))
    }

    /// 16 hexadecimal digits, the same wherever the session moves.
    fn hash(&self, base: &str) -> String {
        hmac::sign(&self.0, base.as_bytes()).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogKey")
    }
}

/// The word for what was decided. `was_known`: it stood at this edge before anybody was asked.
pub(super) fn told(way: &Way, was_known: bool, sessions: &Sessions, is_lost: impl FnOnce() -> bool) -> &'static str {
    match way {
        Way::Free => "none",
        Way::Prefer(_) if is_lost() => "lost",
        Way::Prefer(_) => "unknown",
        Way::Unavailable { .. } => "expired",
        Way::To(to) if to.gate.is_some() => "taken_over",
        Way::To(to) if was_known && to.id.is_some() => "taken_over",
        Way::To(_) if was_known => "owner",
        Way::To(_) if sessions.settings.takeover.is_sticky() => "waited",
        Way::To(_) => "any",
    }
}

impl Request {
    /// Reads the session for variables, if some text asks for it; memcached is asked only if one asks for what stands there.
    pub(in crate::proxy) async fn note_session(&mut self) {
        let asked = self.bound.snapshot.asked;
        // Once: an internal redirect changes nothing of it.
        if !asked.session || self.exchange.session.as_ref().is_some_and(|session| session.id.is_some()) {
            return;
        }
        let Some(sessions) = self.sessions().cloned() else { return };
        let found = match self.session_id(&sessions) {
            Some((id, _)) if asked.stored_session => {
                look(&sessions.settings, &id, &self.path_of_session(), &sessions.routes()).await
            }
            _ => Look::NotKnown,
        };
        let session = self.session_told(&sessions, found);
        self.exchange.session = Some(Box::new(session));
    }

    /// Whose sessions rules mean: those of the location's upstream, or where none is chosen yet, of the only one that keeps them.
    fn sessions_for_rules(&self) -> Option<Arc<Sessions>> {
        match (self.sessions(), self.bound.snapshot.sessions.as_slice()) {
            (Some(sessions), _) => Some(sessions.clone()),
            (None, [only]) if self.copy_for.is_none() => Some(only.clone()),
            _ => None,
        }
    }

    /// What the request itself says of its session, for rules that run before a location is found.
    pub(in crate::proxy) fn note_session_for_rules(&mut self) {
        if !self.bound.snapshot.asked.session || self.exchange.session.is_some() {
            return;
        }
        let Some(sessions) = self.sessions_for_rules() else { return };
        let session = self.session_told(&sessions, Look::NotKnown);
        self.exchange.session = Some(Box::new(session));
    }

    /// What memcached knows of the session, for a rule that has come to need it; asked once.
    pub(in crate::proxy) async fn read_stored_session(&mut self) {
        let Some(sessions) = self.sessions_for_rules() else { return };
        if self.exchange.session.as_ref().is_some_and(|session| session.stored.is_some()) {
            return;
        }
        let Some((id, _)) = self.session_id(&sessions) else { return };
        let found = look(&sessions.settings, &id, &self.path_of_session(), &sessions.routes()).await;
        let session = self.session_told(&sessions, found);
        self.exchange.session = Some(Box::new(session));
    }

    fn session_told(&self, sessions: &Sessions, found: Look) -> Session {
        let Some((id, _)) = self.session_id(sessions) else {
            return Session { state: Some("none"), ..Session::default() };
        };
        Session {
            id: Some(self.bound.snapshot.log_key.hash(id.base())),
            route: id.route().map(str::to_owned),
            node: id.node().map(str::to_owned),
            state: None,
            stored: if let Look::There(stored) = found { Some(stored) } else { None },
        }
    }

    /// What was decided on where the session is.
    pub(super) fn tell_state(&mut self, state: &'static str) {
        if let Some(session) = &mut self.exchange.session {
            session.state = Some(state);
        }
    }

    /// The path as the application sees it.
    pub(super) fn path_of_session(&self) -> String {
        String::from_utf8_lossy(&self.read_for_session().path).into_owned()
    }
}

/// Times as a header tells them, by this machine's clock.
pub(super) fn stored(now: i64, created: i64, accessed: i64, user: Option<String>) -> StoredSession {
    let since = |then: i64| std::time::Duration::from_millis(now.saturating_sub(then).max(0) as u64);
    StoredSession { age: since(created), idle: since(accessed), user }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_has_one_hash_and_a_key_of_its_own_makes_another() {
        let (one, other) = (LogKey::new(Some(b"key")), LogKey::new(Some(b"other")));
        let hash = one.hash("ABC");
        assert!(hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
        assert_eq!(hash, LogKey::new(Some(b"key")).hash("ABC"));
        assert_ne!(hash, one.hash("ABD"));
        assert_ne!(hash, other.hash("ABC"));
        assert_eq!(LogKey::new(None).hash("ABC"), LogKey::new(None).hash("ABC"));
    }
}
