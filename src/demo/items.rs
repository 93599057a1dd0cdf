//! What the demo's session store holds: items with flags, expiry and a unique number, in bounded memory.
//!
//! The rules are memcached's: an item and its bookkeeping fit into one megabyte, the least recently used one goes
//! when memory is short, 30 days divide relative from absolute expiry. Time comes in from outside, in milliseconds
//! since 1970.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

/// memcached's `item_size_max`.
const ITEM_LIMIT: usize = 1 << 20;
/// What memcached 1.6 needs for an item beside key and value (48 + 8 for the unique, ends of key and value).
const ITEM_OVERHEAD: usize = 59;
const THIRTY_DAYS: i32 = 60 * 60 * 24 * 30;

#[derive(Clone)]
pub(super) struct Item {
    pub flags: u32,
    pub value: Bytes,
    pub unique: u64,
    /// `None` is for ever.
    expires: Option<u64>,
    stored: u64,
    /// Its place in `Items::order`.
    used: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    pub gets: u64,
    pub hits: u64,
    pub sets: u64,
    pub evictions: u64,
}

pub(super) struct Items {
    map: HashMap<Bytes, Item>,
    /// Keys by last use, oldest first.
    order: BTreeMap<u64, Bytes>,
    clock: u64,
    uniques: u64,
    bytes: usize,
    limit: usize,
    flush_at: Option<u64>,
    pub counts: Counts,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas(u64),
}

/// The outcome of an arithmetic command.
pub(super) enum Sum {
    Is(u64),
    NotFound,
    NotANumber,
}

impl Items {
    pub fn new(limit: usize) -> Items {
        Items {
            map: HashMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            uniques: 0,
            bytes: 0,
            // Two items of the largest size must have room, or storing one could evict itself.
            limit: limit.max(2 * ITEM_LIMIT),
            flush_at: None,
            counts: Counts::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn get(&mut self, key: &[u8], now: u64) -> Option<Item> {
        self.counts.gets += 1;
        let item = self.find(key, now)?;
        self.counts.hits += 1;
        Some(item)
    }

    pub fn touch(&mut self, key: &[u8], exptime: i32, now: u64) -> Option<Item> {
        let mut item = self.find(key, now)?;
        item.expires = deadline(exptime, now);
        self.put(key, item.clone());
        Some(item)
    }

    pub fn delete(&mut self, key: &[u8], now: u64) -> bool {
        self.find(key, now).is_some() && self.drop_key(key)
    }

    /// The reply line of a storage command.
    pub fn store(
        &mut self,
        change: Change,
        key: &[u8],
        flags: u32,
        exptime: i32,
        value: Bytes,
        now: u64,
    ) -> &'static str {
        self.counts.sets += 1;
        let old = self.find(key, now);
        let mut item = Item { flags, value, unique: 0, expires: deadline(exptime, now), stored: now, used: 0 };
        match (change, old) {
            (Change::Set, _) | (Change::Add, None) | (Change::Replace, Some(_)) => {}
            (Change::Cas(unique), Some(old)) if old.unique == unique => {}
            (Change::Cas(_), Some(_)) => return "EXISTS",
            (Change::Cas(_), None) => return "NOT_FOUND",
            (Change::Append, Some(old)) => item = joined(&old, &[&old.value, &item.value], now),
            (Change::Prepend, Some(old)) => item = joined(&old, &[&item.value, &old.value], now),
            _ => return "NOT_STORED",
        }
        if !fits(key.len(), item.flags, item.value.len()) {
            return "NOT_STORED";
        }
        self.uniques += 1;
        item.unique = self.uniques;
        self.put(key, item);
        "STORED"
    }

    /// `incr` wraps at 64 bits, `decr` stops at 0; a shorter result is padded with spaces, as memcached's is.
    pub fn add(&mut self, key: &[u8], delta: u64, up: bool, now: u64) -> Sum {
        let Some(mut item) = self.find(key, now) else {
            return Sum::NotFound;
        };
        let Some(old) = super::command::unsigned(&item.value) else {
            return Sum::NotANumber;
        };
        let sum = if up { old.wrapping_add(delta) } else { old.saturating_sub(delta) };
        let width = item.value.len();
        item.value = Bytes::from(format!("{sum:<width$}"));
        self.uniques += 1;
        item.unique = self.uniques;
        self.put(key, item);
        Sum::Is(sum)
    }

    pub fn flush(&mut self, exptime: i32, now: u64) {
        self.flush_at = deadline(exptime.max(0), now);
        if self.flush_at.is_none() {
            self.map.clear();
            self.order.clear();
            self.bytes = 0;
        }
    }

    pub fn drop_key(&mut self, key: &[u8]) -> bool {
        let Some(item) = self.map.remove(key) else {
            return false;
        };
        self.order.remove(&item.used);
        self.bytes -= size(key.len(), item.flags, item.value.len());
        true
    }

    fn find(&mut self, key: &[u8], now: u64) -> Option<Item> {
        if self.flush_at.is_some_and(|at| at <= now) {
            let at = self.flush_at.take();
            self.drop_where(|item| Some(item.stored) <= at);
        }
        let item = self.map.get(key)?.clone();
        if item.expires.is_some_and(|at| at <= now) {
            self.drop_key(key);
            return None;
        }
        self.put(key, item.clone());
        Some(item)
    }

    /// Puts the item in, as the last used one, and makes room.
    fn put(&mut self, key: &[u8], mut item: Item) {
        self.drop_key(key);
        self.clock += 1;
        item.used = self.clock;
        self.bytes += size(key.len(), item.flags, item.value.len());
        let key = Bytes::copy_from_slice(key);
        self.order.insert(item.used, key.clone());
        self.map.insert(key, item);
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.order.first_key_value() else {
                return;
            };
            let oldest = oldest.clone();
            self.counts.evictions += 1;
            self.drop_key(&oldest);
        }
    }

    fn drop_where(&mut self, gone: impl Fn(&Item) -> bool) {
        let keys: Vec<Bytes> = self.map.iter().filter(|(_, item)| gone(item)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.drop_key(&key);
        }
    }
}

/// Whether memcached would take an item of this shape.
pub(super) fn fits(key: usize, flags: u32, value: usize) -> bool {
    size(key, flags, value) <= ITEM_LIMIT
}

fn size(key: usize, flags: u32, value: usize) -> usize {
    ITEM_OVERHEAD + key + value + if flags == 0 { 0 } else { 4 }
}

fn joined(old: &Item, parts: &[&Bytes; 2], now: u64) -> Item {
    Item { value: Bytes::from(parts.map(|part| &part[..]).concat()), stored: now, ..old.clone() }
}

fn deadline(exptime: i32, now: u64) -> Option<u64> {
    match exptime {
        0 => None,
        ..0 => Some(0),
        1..=THIRTY_DAYS => Some(now + exptime as u64 * 1000),
        _ => Some(exptime as u64 * 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn set(items: &mut Items, key: &str, exptime: i32, size: usize) {
        let value = Bytes::from(vec![b'v'; size]);
        assert_eq!(items.store(Change::Set, key.as_bytes(), 0, exptime, value, NOW), "STORED");
    }

    #[test]
    fn expiry_is_relative_up_to_thirty_days_and_absolute_beyond() {
        let mut items = Items::new(0);
        set(&mut items, "relative", 5, 1);
        set(&mut items, "absolute", 1_800_000_010, 1);
        set(&mut items, "ever", 0, 1);
        let there =
            |items: &mut Items, at| ["relative", "absolute", "ever"].map(|key| items.get(key.as_bytes(), at).is_some());
        assert_eq!(there(&mut items, NOW + 4_999), [true, true, true]);
        assert_eq!(there(&mut items, NOW + 5_000), [false, true, true]);
        assert_eq!(there(&mut items, NOW + 10_000), [false, false, true]);
        assert_eq!(items.len(), 1);
    }

    #[test]
    fn the_least_recently_used_items_make_room() {
        let mut items = Items::new(0);
        set(&mut items, "a", 0, 900_000);
        set(&mut items, "b", 0, 900_000);
        assert!(items.get(b"a", NOW).is_some());
        set(&mut items, "c", 0, 900_000);
        assert!(items.get(b"b", NOW).is_none());
        assert!(items.get(b"a", NOW).is_some() && items.get(b"c", NOW).is_some());
        assert_eq!(items.counts.evictions, 1);
        assert!(items.bytes() <= items.limit());
    }

    #[test]
    fn a_flush_in_the_future_takes_what_was_stored_until_then() {
        let mut items = Items::new(0);
        set(&mut items, "old", 0, 1);
        items.flush(10, NOW);
        assert!(items.get(b"old", NOW + 9_999).is_some());
        items.store(Change::Set, b"new", 0, 0, Bytes::from_static(b"v"), NOW + 10_001);
        assert!(items.get(b"old", NOW + 10_001).is_none());
        assert!(items.get(b"new", NOW + 10_001).is_some());
    }

    #[test]
    fn memory_is_counted_back_to_nothing() {
        let mut items = Items::new(0);
        for round in 0..50 {
            set(&mut items, &format!("k{}", round % 7), 0, round);
            items.store(Change::Append, b"k3", 9, 0, Bytes::from_static(b"more"), NOW);
            items.add(b"k4", 1, true, NOW);
        }
        for key in 0..7 {
            assert!(items.delete(format!("k{key}").as_bytes(), NOW));
        }
        assert_eq!((items.bytes(), items.len(), items.order.len()), (0, 0, 0));
    }
}
