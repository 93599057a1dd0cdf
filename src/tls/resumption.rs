//! Sessions that go on: tickets, which the client keeps, and the cache, which edge keeps.
//!
//! Keys and cache belong to the process, so that a reload costs no client a full handshake. A session belongs to a
//! [`Scope`] nevertheless: where the certificates or what is asked of clients differ, it is not found. Both hold times of
//! their own; rustls asks for no more than that what is old be forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use once_cell::sync::Lazy;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};

/// As many as nginx keeps in 2.5 MB. The oldest make room.
const CACHED: usize = 10_000;

/// A session with a longer chain of the client's is not worth its place.
const LARGEST: usize = 8 * 1024;

/// TLS 1.3 allows tickets no longer life.
const LONGEST: u64 = 7 * 24 * 3600;

const DAY: u64 = 24 * 3600;

const KEY_NAME: usize = 16;
const OVERHEAD: usize = KEY_NAME + NONCE_LEN;

/// What sessions have in common that may be resumed at one another's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope([u8; 32]);

impl Scope {
    /// Of everything that a session stands for.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Scope {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            // With its length, lest the end of one part be taken for the beginning of the next.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut scope = [0; 32];
        scope.copy_from_slice(context.finish().as_ref());
        Scope(scope)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The time a session began, before its state.
fn stamp(began: u64, state: &[u8]) -> Vec<u8> {
    [&began.to_be_bytes(), state].concat()
}

/// The state, if it is not too old. A session out of the future comes from a clock put back.
fn unstamp(stamped: &[u8], timeout: u64, now: u64) -> Option<Vec<u8>> {
    let (began, state) = stamped.split_first_chunk()?;
    let began = u64::from_be_bytes(*began);
    (began <= now && now - began <= timeout).then(|| state.to_vec())
}

struct Key {
    name: [u8; KEY_NAME],
    made: u64,
    aead: LessSafeKey,
}

impl Key {
    fn new(made: u64) -> Option<Key> {
        let random = SystemRandom::new();
        let (mut name, mut secret) = ([0; KEY_NAME], [0; 32]);
        random.fill(&mut name).ok()?;
        random.fill(&mut secret).ok()?;
        Some(Key { name, made, aead: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &secret).ok()?) })
    }

    /// The key of a day, out of a secret that several processes have: all of them make the same, and none makes so many
    /// tickets that two could have one nonce.
    fn of_day(secret: &[u8], day: u64) -> Option<Key> {
        let part = |what: &[u8]| Scope::of([what, secret, &day.to_be_bytes()]).0;
        let mut name = [0; KEY_NAME];
        name.copy_from_slice(&part(b"name")[..KEY_NAME]);
        let aead = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &part(b"key")).ok()?);
        Some(Key { name, made: day * DAY, aead })
    }
}

/// The keys of all tickets with one lifetime, the newest first. A key makes tickets for as long as they live, a day at
/// most, and is forgotten when the last of them has.
struct Keys {
    timeout: u64,
    ring: RwLock<VecDeque<Arc<Key>>>,
}

impl Keys {
    fn of(timeout: u64) -> Arc<Keys> {
        static ALL: Lazy<Mutex<HashMap<u64, Arc<Keys>>>> = Lazy::new(Mutex::default);
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(timeout).or_insert_with(|| Arc::new(Keys { timeout, ring: RwLock::default() })).clone()
    }

    fn period(&self) -> u64 {
        self.timeout.clamp(60, 24 * 3600)
    }

    fn newest(&self, now: u64) -> Option<Arc<Key>> {
        let fresh = |ring: &VecDeque<Arc<Key>>| ring.front().filter(|key| now < key.made + self.period()).cloned();
        if let Some(key) = fresh(&self.ring.read().unwrap_or_else(PoisonError::into_inner)) {
            return Some(key);
        }
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = fresh(&ring) {
            return Some(key);
        }
        ring.retain(|key| now <= key.made + self.period() + self.timeout);
        let key = Arc::new(Key::new(now)?);
        ring.push_front(key.clone());
        Some(key)
    }

    fn named(&self, name: &[u8]) -> Option<Arc<Key>> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.iter().find(|key| key.name == name).cloned()
    }
}

/// Makes and reads tickets: the key's name, a nonce, and the sealed state.
pub struct Tickets {
    scope: Scope,
    keys: Arc<Keys>,
    /// What keys are made of, where the configuration says it.
    secrets: Vec<Vec<u8>>,
}

impl Tickets {
    pub fn new(scope: Scope, timeout: Duration, secrets: Vec<Vec<u8>>) -> Tickets {
        Tickets { scope, keys: Keys::of(timeout.as_secs().min(LONGEST)), secrets }
    }

    fn newest(&self, now: u64) -> Option<Arc<Key>> {
        match self.secrets.first() {
            Some(secret) => Key::of_day(secret, now / DAY).map(Arc::new),
            None => self.keys.newest(now),
        }
    }

    /// The key of this name; of a day gone by only if its tickets may still live. Clocks may differ by an hour.
    fn named(&self, name: &[u8], now: u64) -> Option<Arc<Key>> {
        if self.secrets.is_empty() {
            return self.keys.named(name);
        }
        let days = now.saturating_sub(self.keys.timeout) / DAY..=(now + 3600) / DAY;
        let mut keys = days.flat_map(|day| self.secrets.iter().filter_map(move |secret| Key::of_day(secret, day)));
        keys.find(|key| key.name == name).map(Arc::new)
    }

    fn seal(&self, state: &[u8], now: u64) -> Option<Vec<u8>> {
        let key = self.newest(now)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = stamp(now, state);
        let aad = Aad::from(self.scope.0);
        key.aead.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some([&key.name, &nonce[..], &sealed].concat())
    }

    fn open(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        let (head, sealed) = ticket.split_at_checked(OVERHEAD)?;
        let (name, nonce) = head.split_at(KEY_NAME);
        let key = self.named(name, now)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = key.aead.open_in_place(nonce, Aad::from(self.scope.0), &mut sealed).ok()?;
        unstamp(opened, self.keys.timeout, now)
    }
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.keys.timeout as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        (plain.len() <= LARGEST).then(|| self.seal(plain, now()))?
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(cipher, now())
    }
}

/// One server's view of the sessions that edge keeps.
#[derive(Debug)]
pub struct Cache {
    scope: Scope,
    timeout: u64,
    sessions: Arc<ServerSessionMemoryCache>,
}

impl Cache {
    pub fn new(scope: Scope, timeout: Duration) -> Cache {
        static SESSIONS: Lazy<Arc<ServerSessionMemoryCache>> = Lazy::new(|| ServerSessionMemoryCache::new(CACHED));
        Cache { scope, timeout: timeout.as_secs(), sessions: SESSIONS.clone() }
    }

    fn key(&self, id: &[u8]) -> Vec<u8> {
        [&self.scope.0, id].concat()
    }
}

impl StoresServerSessions for Cache {
    fn put(&self, id: Vec<u8>, state: Vec<u8>) -> bool {
        state.len() <= LARGEST && self.sessions.put(self.key(&id), stamp(now(), &state))
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        unstamp(&self.sessions.get(&self.key(id))?, self.timeout, now())
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        unstamp(&self.sessions.take(&self.key(id))?, self.timeout, now())
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(scope: &[u8], seconds: u64) -> Tickets {
        Tickets::new(Scope::of([scope]), Duration::from_secs(seconds), Vec::new())
    }

    #[test]
    fn a_ticket_is_read_by_a_later_configuration_of_the_same_scope_only() {
        let ticket = tickets(b"a", 301).seal(b"state", 1000).unwrap();
        assert_eq!(tickets(b"a", 301).open(&ticket, 1000).as_deref(), Some(&b"state"[..]));
        assert_eq!(tickets(b"b", 301).open(&ticket, 1000), None);
        let mut forged = ticket.clone();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(tickets(b"a", 301).open(&forged, 1000), None);
        for length in 0..ticket.len() {
            assert_eq!(tickets(b"a", 301).open(&ticket[..length], 1000), None, "{length}");
        }
    }

    #[test]
    fn a_ticket_lives_as_long_as_the_timeout_and_over_a_change_of_keys() {
        let tickets = tickets(b"a", 302);
        let ticket = tickets.seal(b"state", 5000).unwrap();
        let later = tickets.seal(b"later", 5302).unwrap();
        assert_ne!(ticket[..KEY_NAME], later[..KEY_NAME]);
        assert!(tickets.open(&ticket, 5302).is_some());
        assert!(tickets.open(&ticket, 5303).is_none());
        assert!(tickets.open(&ticket, 4999).is_none());
        tickets.seal(b"much later", 9000).unwrap();
        assert_eq!(tickets.keys.ring.read().unwrap().len(), 1, "old keys are forgotten");
    }

    #[test]
    fn tickets_of_a_secret_are_read_wherever_it_is_known() {
        let of = |secrets: &[&[u8]]| {
            let secrets = secrets.iter().map(|secret| secret.to_vec()).collect();
            Tickets::new(Scope::of([&b"a"[..]]), Duration::from_secs(300), secrets)
        };
        let at = 10 * DAY - 10;
        let ticket = of(&[b"new", b"old"]).seal(b"state", at).unwrap();
        assert_eq!(of(&[b"new"]).open(&ticket, at).as_deref(), Some(&b"state"[..]));
        assert!(of(&[b"newer", b"new"]).open(&ticket, at + 300).is_some(), "the next day");
        assert!(of(&[b"new"]).open(&ticket, at + 301).is_none());
        assert!(of(&[b"old"]).open(&ticket, at).is_none());
        assert!(tickets(b"a", 300).open(&ticket, at).is_none());
        let tomorrow = of(&[b"new"]).seal(b"state", at + 20).unwrap();
        assert_ne!(ticket[..KEY_NAME], tomorrow[..KEY_NAME]);
    }

    #[test]
    fn the_cache_finds_sessions_in_their_scope_and_time() {
        let cache = |scope: &[u8], seconds| Cache::new(Scope::of([scope]), Duration::from_secs(seconds));
        assert!(cache(b"c", 60).put(b"id".to_vec(), b"state".to_vec()));
        assert_eq!(cache(b"d", 60).get(b"id"), None);
        assert_eq!(cache(b"c", 60).get(b"id").as_deref(), Some(&b"state"[..]));
        assert_eq!(cache(b"c", 60).take(b"id").as_deref(), Some(&b"state"[..]));
        assert_eq!(cache(b"c", 60).get(b"id"), None);
        assert!(!cache(b"c", 60).put(b"id".to_vec(), vec![0; LARGEST + 1]));
        assert_eq!(unstamp(&stamp(10, b"s"), 5, 16), None);
        assert_ne!(Scope::of([&b"ab"[..], b"c"]), Scope::of([&b"a"[..], b"bc"]));
    }
}
