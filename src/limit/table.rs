//! Keys and what is known of each, in a bounded room.
//!
//! Each key costs what [`cost`] says, about what it takes of memory. The one that was used last stands in front, so that whoever
//! is out of room can let the oldest go.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tables of one size altogether, each with a lock of its own. A small one is one part, so that it holds what it says.
#[derive(Debug)]
pub(super) struct Parts<S> {
    parts: Box<[Mutex<Table<S>>]>,
    hasher: RandomState,
}

impl<S> Parts<S> {
    const PART: usize = 64 << 10;
    const MOST: usize = 16;

    pub fn new(size: usize) -> Parts<S> {
        let count = (size / Self::PART).clamp(1, Self::MOST);
        let parts = (0..count).map(|_| Mutex::new(Table::new(size / count))).collect();
        Parts { parts, hasher: RandomState::new() }
    }

    /// The part of a key.
    pub fn of(&self, key: &[u8]) -> MutexGuard<'_, Table<S>> {
        // Nothing below this lock panics half-way, so that what a panicking thread held is whole.
        self.parts[self.hasher.hash_one(key) as usize % self.parts.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().unwrap().index.len()).sum()
    }
}

const NIL: u32 = u32::MAX;

/// The bytes a key is reckoned to take: nginx's 128 for the usual ones.
pub(super) fn cost(key: &[u8]) -> usize {
    const USUAL: usize = 32;
    128 + key.len().saturating_sub(USUAL).next_multiple_of(USUAL)
}

#[derive(Debug)]
pub(super) struct Table<S> {
    index: HashMap<Arc<[u8]>, u32>,
    nodes: Vec<Node<S>>,
    /// Places in `nodes` that hold nothing.
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    used: usize,
    room: usize,
}

#[derive(Debug)]
struct Node<S> {
    key: Arc<[u8]>,
    state: S,
    newer: u32,
    older: u32,
}

impl<S> Table<S> {
    pub fn new(room: usize) -> Table<S> {
        Table { index: HashMap::new(), nodes: Vec::new(), free: Vec::new(), newest: NIL, oldest: NIL, used: 0, room }
    }

    /// What is known of a key, which is then the newest.
    pub fn get(&mut self, key: &[u8]) -> Option<&mut S> {
        let at = *self.index.get(key)?;
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
        Some(&mut self.nodes[at as usize].state)
    }

    /// Whether there is room for a key that is not known yet.
    pub fn has_room(&self, key: &[u8]) -> bool {
        self.used + cost(key) <= self.room
    }

    /// Lets the oldest ones go until there is room for the key. False: there never is.
    pub fn make_room(&mut self, key: &[u8]) -> bool {
        while !self.has_room(key) && self.oldest != NIL {
            self.take_out(self.oldest);
        }
        self.has_room(key)
    }

    /// Takes a key in that is not known yet; whoever calls has seen that there is room.
    pub fn insert(&mut self, key: &[u8], state: S) -> &Arc<[u8]> {
        let key: Arc<[u8]> = key.into();
        self.used += cost(&key);
        let node = Node { key: Arc::clone(&key), state, newer: NIL, older: NIL };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() as u32 - 1
            }
        };
        self.index.insert(key, at);
        self.link(at);
        &self.nodes[at as usize].key
    }

    pub fn remove(&mut self, key: &[u8]) {
        if let Some(at) = self.index.get(key) {
            self.take_out(*at);
        }
    }

    fn take_out(&mut self, at: u32) {
        self.unlink(at);
        let key = std::mem::replace(&mut self.nodes[at as usize].key, Arc::from([]));
        self.used -= cost(&key);
        self.index.remove(&key);
        self.free.push(at);
    }

    fn link(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        let node = &mut self.nodes[at as usize];
        (node.newer, node.older) = (NIL, before);
        match before {
            NIL => self.oldest = at,
            before => self.nodes[before as usize].newer = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Node { newer, older, .. } = self.nodes[at as usize];
        match newer {
            NIL => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        match older {
            NIL => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_the_room_is_never_exceeded() {
        let mut table = Table::new(3 * 128);
        for key in ["a", "b", "c"] {
            assert!(table.make_room(key.as_bytes()));
            table.insert(key.as_bytes(), ());
        }
        assert!(!table.has_room(b"d"));
        assert!(table.get(b"a").is_some());
        assert!(table.make_room(b"d"));
        table.insert(b"d", ());
        assert!(table.get(b"b").is_none() && table.get(b"a").is_some() && table.get(b"c").is_some());
        assert_eq!(table.index.len(), 3);
        // One long key takes the room of two.
        assert!(table.make_room(&[b'x'; 160]));
        table.insert(&[b'x'; 160], ());
        assert_eq!((table.index.len(), table.used), (2, 128 + 256));
        assert!(!table.make_room(&[b'y'; 10_000]));
        assert_eq!((table.index.len(), table.used), (0, 0));
    }

    #[test]
    fn places_are_used_again_in_any_order() {
        let mut table = Table::new(64 * 128);
        let mut seed = 7u32;
        let mut known = std::collections::BTreeSet::new();
        for _ in 0..5000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = (seed >> 16) % 50;
            let bytes = key.to_be_bytes();
            match table.get(&bytes) {
                Some(()) if seed.is_multiple_of(3) => {
                    table.remove(&bytes);
                    known.remove(&key);
                }
                Some(()) => {}
                None => {
                    table.insert(&bytes, ());
                    known.insert(key);
                }
            }
        }
        assert_eq!((table.index.len(), table.used), (known.len(), known.len() * 128));
        assert!(table.nodes.len() <= 50 && known.iter().all(|key| table.get(&key.to_be_bytes()).is_some()));
        // From the oldest to the newest there are as many as there are keys.
        let (mut count, mut at) = (0, table.oldest);
        while at != NIL {
            (count, at) = (count + 1, table.nodes[at as usize].newer);
        }
        assert_eq!(count, known.len());
    }
}
