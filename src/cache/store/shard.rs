//! A part of the index: which objects there are, in which order they were used, who is being fetched.
//!
//! An object that lies on disk only costs its place in two tables: no text, no head. Objects stand in two lists, all of
//! them and those in memory, each with the one used last in front.
//!
//! What always holds: an object is in memory, on disk or both; one that is neither is not in the index. The totals are
//! those of what stands here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::filling::Filling;
use super::head::Head;
use super::latch::Latch;
use super::spread::Spread;
use super::uses::Uses;
use crate::cache::key::{Hash, UNVARIED, Variant};
use crate::cache::meta::Coding;

const NIL: u32 = u32::MAX;
/// Of a file in the index: files take whole pages of the disk.
pub const PAGE: u64 = 4096;

/// The two orders of use.
#[derive(Clone, Copy)]
pub enum List {
    All,
    Memory,
}

pub struct Object {
    pub hash: Hash,
    fields: Hash,
    /// In milliseconds since 1970.
    pub used: u64,
    pub resident: Option<Arc<Resident>>,
    /// Tells this object from an earlier one of the same name.
    pub born: u32,
    /// On disk; 0: it is not.
    pub pages: u32,
    links: [Link; 2],
    sibling: u32,
    coding: Coding,
    hits: Hits,
}

/// How often an object was found, up to 16 million. Three bytes: so many the other fields leave of their last word, and an
/// index of millions of objects grows by none.
#[derive(Clone, Copy, Default)]
struct Hits([u8; 3]);

#[derive(Clone, Copy)]
struct Link {
    newer: u32,
    older: u32,
}

/// An object in memory.
pub struct Resident {
    pub id: u64,
    pub key_text: Bytes,
    pub head: Arc<Head>,
    pub body: Bytes,
    pub weight: usize,
}

/// All objects of one key.
struct Entry {
    first: u32,
    /// The fields that choose among them; None: no head has been read yet.
    vary: Option<Arc<Vec<String>>>,
}

#[derive(Default)]
pub struct Totals {
    pub objects: AtomicU64,
    pub memory: AtomicU64,
    pub pages: AtomicU64,
}

#[derive(Clone, Copy)]
struct Ends {
    newest: u32,
    oldest: u32,
}

pub struct Shard {
    entries: HashMap<Hash, Entry, Spread>,
    objects: Vec<Object>,
    free: Vec<u32>,
    ends: [Ends; 2],
    births: u32,
    /// Most keys have one of these: they share it.
    rules: [Arc<Vec<String>>; 2],
    pub uses: Uses,
    pub fills: HashMap<Hash, Vec<Arc<Filling>>, Spread>,
    pub latches: HashMap<(Hash, Hash), Arc<Latch>>,
    totals: Arc<Totals>,
}

impl Object {
    pub fn new(hash: Hash, variant: Variant, used: u64, pages: u32, resident: Option<Arc<Resident>>) -> Object {
        let apart = Link { newer: NIL, older: NIL };
        let Variant { fields, coding } = variant;
        Object {
            hash,
            fields,
            used,
            resident,
            born: 0,
            pages,
            links: [apart; 2],
            sibling: NIL,
            coding,
            hits: Hits::default(),
        }
    }

    /// How often it was found for a client, since this process knows it.
    pub fn hits(&self) -> u32 {
        self.hits.get()
    }

    pub fn variant(&self) -> Variant {
        Variant { fields: self.fields, coding: self.coding }
    }

    pub fn is_on_disk(&self) -> bool {
        self.pages > 0
    }
}

impl Hits {
    fn get(self) -> u32 {
        let Hits([a, b, c]) = self;
        u32::from_le_bytes([a, b, c, 0])
    }

    fn add(&mut self) {
        let [a, b, c, over] = (self.get() + 1).to_le_bytes();
        if over == 0 {
            self.0 = [a, b, c];
        }
    }
}

impl Resident {
    pub fn new(id: u64, key_text: Bytes, head: Arc<Head>, body: Bytes) -> Resident {
        let weight = Resident::weigh(&key_text, &head, body.len());
        Resident { id, key_text, head, body, weight }
    }

    pub fn weigh(key_text: &[u8], head: &Head, body: usize) -> usize {
        key_text.len() + head.weight() + body
    }
}

impl Shard {
    pub fn new(totals: Arc<Totals>) -> Shard {
        let empty = Ends { newest: NIL, oldest: NIL };
        Shard {
            entries: HashMap::default(),
            objects: vec![],
            free: vec![],
            ends: [empty; 2],
            births: 0,
            rules: Default::default(),
            uses: Uses::default(),
            fills: HashMap::default(),
            latches: HashMap::new(),
            totals,
        }
    }

    pub fn get(&self, at: u32) -> &Object {
        &self.objects[at as usize]
    }

    /// One that is free has no name that is looked for.
    fn at(&mut self, at: u32) -> &mut Object {
        &mut self.objects[at as usize]
    }

    /// The places of a key's objects.
    pub fn of_key(&self, hash: &Hash) -> Vec<u32> {
        self.siblings(hash).collect()
    }

    fn siblings<'a>(&'a self, hash: &Hash) -> impl Iterator<Item = u32> + use<'a> {
        let mut next = self.entries.get(hash).map_or(NIL, |entry| entry.first);
        std::iter::from_fn(move || {
            let at = (next != NIL).then_some(next)?;
            next = self.get(at).sibling;
            Some(at)
        })
    }

    pub fn find(&self, hash: &Hash, variant: Variant) -> Option<u32> {
        self.siblings(hash).find(|at| self.get(*at).variant() == variant)
    }

    /// That object and no later one of its name.
    pub fn find_born(&self, hash: &Hash, variant: Variant, born: u32) -> Option<u32> {
        self.find(hash, variant).filter(|at| self.get(*at).born == born)
    }

    pub fn vary(&self, hash: &Hash) -> Option<&Arc<Vec<String>>> {
        self.entries.get(hash)?.vary.as_ref()
    }

    pub fn set_vary(&mut self, hash: &Hash, vary: &[String]) {
        let Some(entry) = self.entries.get_mut(hash) else {
            return;
        };
        let [none, last] = &mut self.rules;
        if !vary.is_empty() && last[..] != *vary {
            *last = Arc::new(vary.to_vec());
        }
        entry.vary = Some(Arc::clone(if vary.is_empty() { none } else { last }));
    }

    /// One that varies, while nobody has read by which fields.
    pub fn unread(&self, hash: &Hash) -> Option<u32> {
        if self.entries.get(hash)?.vary.is_some() {
            return None;
        }
        self.siblings(hash).find(|at| self.get(*at).fields != UNVARIED)
    }

    /// Adds an object of a name that is not there. It is the one used last, unless others were used later.
    pub fn insert(&mut self, mut object: Object) -> u32 {
        self.births = self.births.wrapping_add(1);
        object.born = self.births;
        self.totals.objects.fetch_add(1, Ordering::Relaxed);
        self.totals.pages.fetch_add(u64::from(object.pages), Ordering::Relaxed);
        let hash = object.hash;
        let resident = object.resident.take();
        let at = match self.free.pop() {
            Some(at) => at,
            None => self.objects.len() as u32,
        };
        let entry = self.entries.entry(hash).or_insert(Entry { first: NIL, vary: None });
        object.sibling = std::mem::replace(&mut entry.first, at);
        if at as usize == self.objects.len() {
            self.objects.push(object);
        } else {
            self.objects[at as usize] = object;
        }
        self.link(List::All, at);
        if let Some(resident) = resident {
            self.admit(at, resident);
        }
        at
    }

    pub fn remove(&mut self, at: u32) -> Object {
        self.dismiss(at);
        self.unlink(List::All, at);
        let (hash, sibling) = (self.get(at).hash, self.get(at).sibling);
        let before = self.siblings(&hash).find(|before| self.get(*before).sibling == at);
        match before {
            Some(before) => self.at(before).sibling = sibling,
            None if sibling == NIL => drop(self.entries.remove(&hash)),
            None => {
                if let Some(entry) = self.entries.get_mut(&hash) {
                    entry.first = sibling;
                }
            }
        }
        self.free.push(at);
        let nobody = Object::new([0; 16], Variant::NONE, 0, 0, None);
        let object = std::mem::replace(self.at(at), nobody);
        self.totals.objects.fetch_sub(1, Ordering::Relaxed);
        self.totals.pages.fetch_sub(u64::from(object.pages), Ordering::Relaxed);
        object
    }

    /// Its file has another length now.
    pub fn resize(&mut self, hash: &Hash, variant: Variant, pages: u32) {
        if let Some(at) = self.find(hash, variant).filter(|at| self.get(*at).is_on_disk()) {
            let before = std::mem::replace(&mut self.at(at).pages, pages);
            self.totals.pages.fetch_add(u64::from(pages), Ordering::Relaxed);
            self.totals.pages.fetch_sub(u64::from(before), Ordering::Relaxed);
        }
    }

    /// Into memory, or anew.
    pub fn admit(&mut self, at: u32, resident: Arc<Resident>) {
        self.dismiss(at);
        self.totals.memory.fetch_add(resident.weight as u64, Ordering::Relaxed);
        self.at(at).resident = Some(resident);
        self.link(List::Memory, at);
    }

    /// Out of memory.
    pub fn dismiss(&mut self, at: u32) {
        if let Some(resident) = self.at(at).resident.take() {
            self.totals.memory.fetch_sub(resident.weight as u64, Ordering::Relaxed);
            self.unlink(List::Memory, at);
        }
    }

    pub fn touch(&mut self, at: u32, now: u64) {
        let object = self.at(at);
        object.used = object.used.max(now);
        let resident = object.resident.is_some();
        self.renew(List::All, at);
        if resident {
            self.renew(List::Memory, at);
        }
    }

    pub fn count_hit(&mut self, at: u32) {
        self.at(at).hits.add();
    }

    /// When the object was used that nobody has used for the longest time.
    pub fn oldest(&self, list: List) -> Option<(u32, u64)> {
        let at = self.ends[list as usize].oldest;
        (at != NIL).then(|| (at, self.get(at).used))
    }

    /// From this place in the table on, for lists and sweeps that go through it in steps.
    pub fn from(&self, place: u32) -> impl Iterator<Item = (u32, &Object)> {
        let taken = self.objects.iter().enumerate().skip(place as usize);
        taken.map(|(at, object)| (at as u32, object)).filter(|(_, o)| o.is_on_disk() || o.resident.is_some())
    }

    fn renew(&mut self, list: List, at: u32) {
        if self.ends[list as usize].newest != at {
            self.unlink(list, at);
            self.link(list, at);
        }
    }

    fn link(&mut self, list: List, at: u32) {
        let l = list as usize;
        let newest = std::mem::replace(&mut self.ends[l].newest, at);
        self.at(at).links[l] = Link { newer: NIL, older: newest };
        if newest == NIL {
            self.ends[l].oldest = at;
        } else {
            self.at(newest).links[l].newer = at;
        }
    }

    fn unlink(&mut self, list: List, at: u32) {
        let l = list as usize;
        let Link { newer, older } = self.get(at).links[l];
        if newer == NIL {
            self.ends[l].newest = older;
        } else {
            self.at(newer).links[l].older = older;
        }
        if older == NIL {
            self.ends[l].oldest = newer;
        } else {
            self.at(older).links[l].newer = newer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_counted_as_far_as_three_bytes_go_and_cost_an_object_nothing() {
        let mut hits = Hits([254, 255, 255]);
        hits.add();
        assert_eq!(hits.get(), 0xff_ffff);
        hits.add();
        assert_eq!(hits.get(), 0xff_ffff);
        assert_eq!(size_of::<Object>(), 80, "an object has grown, and with it every index");
    }
}
