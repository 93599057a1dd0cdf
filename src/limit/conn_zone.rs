//! Requests in flight, by key.
//!
//! Who is let in holds a [`Guard`]; dropping it lets the next one in. What is counted cannot be forgotten, so that a full zone
//! lets nobody in, as in nginx.

use super::table::Parts;
use std::sync::Arc;

/// Counts of one size altogether; a key takes room only while somebody is in.
#[derive(Debug)]
pub struct ConnZone(Parts<u32>);

/// Why nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// As many are in as may be.
    Limit,
    /// The zone has no room to count another key.
    Zone,
}

impl ConnZone {
    /// `size`: bytes, of which each key takes 128 or, if it is long, more.
    pub fn new(size: usize) -> ConnZone {
        ConnZone(Parts::new(size))
    }

    /// Lets one more in, if fewer than `limit` are.
    pub fn enter(self: &Arc<Self>, key: &[u8], limit: u32) -> Option<Guard> {
        self.try_enter(key, limit).ok()
    }

    /// The same, with the reason.
    pub fn try_enter(self: &Arc<Self>, key: &[u8], limit: u32) -> Result<Guard, Crowded> {
        let mut table = self.0.of(key);
        if let Some(count) = table.get(key) {
            if *count >= limit {
                return Err(Crowded::Limit);
            }
            *count += 1;
            return Ok(Guard { zone: Arc::clone(self), key: key.into() });
        }
        if limit == 0 {
            return Err(Crowded::Limit);
        }
        if !table.has_room(key) {
            return Err(Crowded::Zone);
        }
        let key = Arc::clone(table.insert(key, 1));
        Ok(Guard { zone: Arc::clone(self), key })
    }

    /// How many are in.
    pub fn count(&self, key: &[u8]) -> u32 {
        self.0.of(key).get(key).map_or(0, |count| *count)
    }
}

/// One who was let in.
#[derive(Debug)]
pub struct Guard {
    zone: Arc<ConnZone>,
    key: Arc<[u8]>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut table = self.zone.0.of(&self.key);
        match table.get(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => table.remove(&self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_in_at_once_and_no_more() {
        let zone = Arc::new(ConnZone::new(1 << 20));
        let first = zone.enter(b"a", 2).unwrap();
        let second = zone.enter(b"a", 2).unwrap();
        assert_eq!(zone.try_enter(b"a", 2).unwrap_err(), Crowded::Limit);
        assert!(zone.enter(b"b", 2).is_some());
        // Who left makes room; another limit over the same zone counts the same.
        drop(first);
        assert_eq!(zone.try_enter(b"a", 1).unwrap_err(), Crowded::Limit);
        let third = zone.enter(b"a", 2).unwrap();
        assert_eq!(zone.count(b"a"), 2);
        drop((second, third));
        assert_eq!((zone.count(b"a"), zone.count(b"b")), (0, 0));
        assert_eq!(zone.0.len(), 0);
    }

    #[test]
    fn a_full_zone_lets_no_new_key_in_and_forgets_none() {
        let zone = Arc::new(ConnZone::new(4 * 128));
        let held: Vec<Guard> = (0..4u32).map(|key| zone.enter(&key.to_be_bytes(), 9).unwrap()).collect();
        assert_eq!(zone.try_enter(b"more", 9).unwrap_err(), Crowded::Zone);
        assert!(zone.enter(&0u32.to_be_bytes(), 9).is_some());
        drop(held);
        assert!(zone.enter(b"more", 9).is_some());
    }
}
