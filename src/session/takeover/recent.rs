//! A map that forgets what was not used for long: bounded, whatever clients send.
//!
//! Two generations: when the young one is full it becomes the old one, and what is found in the old one is young again. So
//! at least the last half of the room's entries is remembered, and no entry costs a link.

use std::collections::HashMap;

pub struct Recent<V> {
    young: HashMap<Box<str>, V>,
    old: HashMap<Box<str>, V>,
    half: usize,
}

impl<V> Recent<V> {
    /// `room`: how many entries at most.
    pub fn new(room: usize) -> Recent<V> {
        Recent { young: HashMap::new(), old: HashMap::new(), half: (room / 2).max(1) }
    }

    pub fn get(&mut self, key: &str) -> Option<&V> {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.place(key, value);
        }
        self.young.get(key)
    }

    pub fn put(&mut self, key: &str, value: V) {
        self.old.remove(key);
        match self.young.get_mut(key) {
            Some(kept) => *kept = value,
            None => self.place(key.into(), value),
        }
    }

    pub fn remove(&mut self, key: &str) {
        self.young.remove(key);
        self.old.remove(key);
    }

    fn place(&mut self, key: Box<str>, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_it_has_room_for() {
        let mut recent = Recent::new(10);
        for at in 0..1000 {
            recent.put(&at.to_string(), at);
            assert!(recent.len() <= 10);
        }
        assert_eq!(recent.get("999"), Some(&999));
        assert_eq!(recent.get("0"), None);
    }

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::new(10);
        recent.put("used", 0);
        for at in 0..1000 {
            recent.put(&at.to_string(), at);
            assert_eq!(recent.get("used"), Some(&0), "after {at}");
        }
    }

    #[test]
    fn a_key_has_one_value() {
        let mut recent = Recent::new(4);
        for at in 0..5 {
            recent.put("a", at);
            recent.put("b", at);
            recent.put(&at.to_string(), 9);
        }
        assert_eq!(recent.get("a"), Some(&4));
        recent.remove("a");
        assert_eq!(recent.get("a"), None);
    }
}
