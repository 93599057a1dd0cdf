//! Purging: by key, by URL, by prefix, by tag, all.
//!
//! The index knows neither URLs nor tags of what lies on the disk only: for a million objects that would be more than the
//! index itself. So a purge is first a mark, which holds at once for whatever is found or stored from then on, and then a
//! sweep that reads the heads on the disk and removes what the mark says. Marks are kept in a file until their sweep
//! is over: a purge is not undone by a process that dies meanwhile. Some minutes longer they hold for answers that were
//! asked for before: what was under way when the purge came is not stored.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use super::core::{Core, Moment, Place};
use super::format;
use super::head::Head;
use super::home::Home;
use super::shard::{Resident, Shard};
use super::writer::Job;
use crate::cache::frame::{Unread, put_bytes};
use crate::cache::key::{Hash, Key};

const FILE: &str = ".purges";
/// A purge that is over still holds so long for answers under way.
const UNDER_WAY: Duration = Duration::from_secs(600);
/// Marks, at most; then the last one becomes one for everything.
const MARKS: usize = 4096;
/// Objects of a shard in one step of a sweep.
const STEP: usize = 256;
const FLUSH: Duration = Duration::from_secs(60);

pub enum Purge<'a> {
    /// All variants of one key.
    Url(&'a Key),
    /// All keys and variants of one address, as `Meta::url` has it: for who knows the address and not what keys are made of.
    Exact(&'a str),
    /// What begins so, as `Meta::url` has it.
    Prefix(&'a str),
    Tag(&'a str),
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Url(Hash),
    Exact(String),
    Prefix(String),
    Tag(String),
    All,
}

#[derive(Debug)]
pub struct Mark {
    moment: Moment,
    soft: bool,
    what: What,
    over: std::sync::OnceLock<Instant>,
}

#[derive(Default)]
pub struct Marks {
    marks: RwLock<Vec<Arc<Mark>>>,
    count: AtomicUsize,
    file: Option<PathBuf>,
}

impl Mark {
    fn is_for(&self, hash: &Hash, head: &Head) -> bool {
        match &self.what {
            What::Url(own) => own == hash,
            What::Exact(url) => head.meta.url == *url,
            What::Prefix(prefix) => head.meta.url.starts_with(prefix.as_str()),
            What::Tag(tag) => head.meta.tags.contains(tag),
            What::All => true,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = self.moment.0.to_le_bytes().to_vec();
        let (kind, text) = match &self.what {
            What::Url(hash) => (0, &hash[..]),
            What::Prefix(text) => (1, text.as_bytes()),
            What::Tag(text) => (2, text.as_bytes()),
            What::All => (3, &[][..]),
            What::Exact(text) => (4, text.as_bytes()),
        };
        out.extend([u8::from(self.soft), kind]);
        put_bytes(&mut out, text);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn read(unread: &mut Unread) -> Option<Mark> {
        let all = unread.0;
        let moment = Moment(unread.u64()?);
        let soft = unread.u8()? == 1;
        let kind = unread.u8()?;
        let text = unread.bytes()?;
        let len = all.len() - unread.0.len();
        unread.u32().filter(|crc| *crc == crc32fast::hash(&all[..len]))?;
        let string = || String::from_utf8(text.to_vec()).ok();
        let what = match kind {
            0 => What::Url(text.try_into().ok()?),
            1 => What::Prefix(string()?),
            2 => What::Tag(string()?),
            3 => What::All,
            4 => What::Exact(string()?),
            _ => return None,
        };
        Some(Mark { moment, soft, what, over: Default::default() })
    }
}

impl Marks {
    /// Those of a process that ended before its sweeps did.
    pub fn load(home: Option<&Home>) -> Marks {
        let file = home.map(|home| home.path().join(FILE));
        let written = file.as_ref().and_then(|file| fs::read(file).ok()).unwrap_or_default();
        let mut unread = Unread(&written);
        // What is torn at the end was never confirmed to anybody.
        let marks: Vec<_> = std::iter::from_fn(|| Mark::read(&mut unread)).map(Arc::new).collect();
        Marks { count: AtomicUsize::new(marks.len()), marks: RwLock::new(marks), file }
    }

    fn add(&self, mut mark: Mark) -> Arc<Mark> {
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.retain(|mark| mark.over.get().is_none_or(|over| over.elapsed() < UNDER_WAY));
        // The new one reaches whatever an older one for the same did, and what came since.
        marks.retain(|old| old.what != mark.what || (mark.soft && !old.soft));
        if marks.len() >= MARKS {
            // Too much is purged rather than too little.
            mark.what = What::All;
            marks.clear();
        }
        let mark = Arc::new(mark);
        marks.push(Arc::clone(&mark));
        self.count.store(marks.len(), Ordering::Release);
        self.save(&marks);
        mark
    }

    fn end(&self, mark: &Mark) {
        let marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        // Ended twice is ended.
        let _ = mark.over.set(Instant::now());
        self.save(&marks);
    }

    fn save(&self, marks: &[Arc<Mark>]) {
        let Some(file) = &self.file else {
            return;
        };
        let pending: Vec<u8> = marks.iter().filter(|mark| mark.over.get().is_none()).flat_map(|m| m.encode()).collect();
        let new = file.with_extension("new");
        let saved = if pending.is_empty() {
            fs::remove_file(file).or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
        } else {
            fs::write(&new, pending).and_then(|()| fs::rename(&new, file))
        };
        if let Err(error) = saved {
            log::warn!(
                "{} could not be written: {error}; a purge that is interrupted would not be resumed",
                file.display()
            );
        }
    }

    /// Those whose sweep is not over.
    pub fn pending(&self) -> Vec<Arc<Mark>> {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        marks.iter().filter(|mark| mark.over.get().is_none()).cloned().collect()
    }

    /// What purges leave of an object that was asked for or written at that moment: nothing, itself, or a stale one.
    pub fn survives(&self, hash: &Hash, head: Arc<Head>, at: Moment, now: SystemTime) -> Option<Arc<Head>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Some(head);
        }
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let mut stale = false;
        for mark in marks.iter().filter(|mark| mark.moment > at && mark.is_for(hash, &head)) {
            if !mark.soft {
                return None;
            }
            stale = true;
        }
        Some(if stale { Arc::new(head.stale(now)) } else { head })
    }
}

impl Core {
    /// Whether anything of a key is stored or on its way. As long as not all of the disk is known, it may be.
    pub(super) fn knows(&self, key: &Key) -> bool {
        let shard = self.shard(key.hash());
        !self.loaded.load(Ordering::Acquire)
            || !shard.of_key(key.hash()).is_empty()
            || shard.fills.contains_key(key.hash())
            || shard.latches.keys().any(|(hash, _)| hash == key.hash())
    }

    /// How many objects went, or became stale. Blocks while heads are read.
    pub(super) fn purge(self: &Arc<Core>, purge: Purge, soft: bool) -> u64 {
        let what = match purge {
            Purge::Url(key) => What::Url(*key.hash()),
            Purge::Exact(url) => What::Exact(url.to_owned()),
            Purge::Prefix(prefix) => What::Prefix(prefix.to_owned()),
            Purge::Tag(tag) => What::Tag(tag.to_owned()),
            Purge::All => What::All,
        };
        let mark = self.marks.add(Mark { moment: self.moment(), soft, what, over: Default::default() });
        let loaded = self.loaded.load(Ordering::Acquire);
        let count = self.sweep(&mark);
        // Files that are not in the index yet are swept when they are.
        if loaded && self.jobs_done() {
            self.marks.end(&mark);
        }
        count
    }

    fn jobs_done(&self) -> bool {
        self.home.is_none() || self.jobs.flush(FLUSH)
    }

    /// What a purge could not reach before everything was in the index.
    pub fn sweep_pending(self: &Arc<Core>) {
        for mark in self.marks.pending() {
            self.sweep(&mark);
            if self.jobs_done() {
                self.marks.end(&mark);
            }
        }
    }

    fn sweep(self: &Arc<Core>, mark: &Mark) -> u64 {
        if let What::Url(hash) = &mark.what {
            let mut shard = self.shard(hash);
            let struck = strike_fills(&shard, mark);
            let places = shard.of_key(hash).into_iter().map(|at| place(&shard, at)).collect::<Vec<_>>();
            let swept = places.iter().filter(|place| self.strike(&mut shard, place, mark)).count();
            return struck + swept as u64;
        }
        (0..self.shards()).map(|index| self.sweep_shard(index, mark)).sum()
    }

    fn sweep_shard(self: &Arc<Core>, index: usize, mark: &Mark) -> u64 {
        let mut count = 0;
        let mut next = Some(0);
        while let Some(from) = next {
            let mut unread = Vec::new();
            {
                let mut shard = self.nth(index);
                if from == 0 {
                    count += strike_fills(&shard, mark);
                }
                let step: Vec<u32> = shard.from(from).map(|(at, _)| at).take(STEP).collect();
                next = step.last().map(|last| last + 1);
                for at in step {
                    let place = place(&shard, at);
                    let known = shard.get(at).resident.as_ref().map(|resident| Arc::clone(&resident.head));
                    match known {
                        _ if mark.what == What::All => count += u64::from(self.strike(&mut shard, &place, mark)),
                        Some(head) if mark.is_for(&place.hash, &head) => {
                            count += u64::from(self.strike(&mut shard, &place, mark));
                        }
                        Some(_) => {}
                        None => unread.push(place),
                    }
                }
            }
            let hit: Vec<Place> = unread.into_iter().filter(|place| self.is_on_disk_for(place, mark)).collect();
            let mut shard = self.nth(index);
            count += hit.iter().filter(|place| self.strike(&mut shard, place, mark)).count() as u64;
            drop(shard);
            self.jobs.wait_for_room();
        }
        count
    }

    fn is_on_disk_for(&self, place: &Place, mark: &Mark) -> bool {
        let Some(home) = &self.home else {
            return false;
        };
        let Ok(file) = fs::File::open(home.file(&place.hash, place.variant)) else {
            return false;
        };
        // One that is damaged would never be handed out; it goes when somebody asks for it.
        format::read_front(&file).is_ok_and(|(front, slot)| mark.is_for(front.key.hash(), &slot.head))
    }

    fn strike(&self, shard: &mut Shard, place: &Place, mark: &Mark) -> bool {
        let Some(at) = shard.find_born(&place.hash, place.variant, place.born) else {
            return false;
        };
        if !mark.soft {
            self.take_out(shard, at);
            return true;
        }
        if let Some(resident) = shard.get(at).resident.clone() {
            let head = Arc::new(resident.head.stale(self.now()));
            let (text, body) = (resident.key_text.clone(), resident.body.clone());
            shard.admit(at, Arc::new(Resident::new(resident.id, text, head, body)));
        }
        if shard.get(at).is_on_disk() {
            self.jobs.push(Job::Stale(place.hash, place.variant));
        }
        true
    }
}

fn place(shard: &Shard, at: u32) -> Place {
    let object = shard.get(at);
    Place { hash: object.hash, variant: object.variant(), born: object.born }
}

/// A fill goes on for those who read it; what comes of it is not kept, or stale.
/// How many of them were complete, and so had been found already.
fn strike_fills(shard: &Shard, mark: &Mark) -> u64 {
    let hit = shard.fills.values().flatten().filter(|filling| mark.is_for(filling.key.hash(), &filling.head));
    let mut count = 0;
    for filling in hit.filter(|filling| filling.asked < mark.moment) {
        count += u64::from(filling.is_complete());
        let mut state = filling.state();
        if mark.soft { state.staled = true } else { state.doomed = true }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_back_up_to_the_torn_one() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open("z", dir.path(), &[], None).unwrap();
        let marks = Marks::load(Some(&home));
        let mark = |moment, soft, what| Mark { moment: Moment(moment), soft, what, over: Default::default() };
        let texts = [What::Exact("h/ä?x".into()), What::Prefix("h/ä".into()), What::Tag("t".into())];
        let [exact, prefix, tag] = texts;
        let whats = [What::Url([7; 16]), exact, prefix, tag, What::All].map(|what| (what, true));
        for (at, (what, soft)) in whats.iter().enumerate() {
            marks.add(mark(at as u64, *soft, what.clone()));
        }
        let read = |marks: &Marks| marks.pending().iter().map(|m| m.what.clone()).collect::<Vec<_>>();
        assert_eq!(read(&Marks::load(Some(&home))), whats.clone().map(|(what, _)| what));
        let path = dir.path().join(FILE);
        let written = fs::read(&path).unwrap();
        fs::write(&path, &written[..written.len() - 1]).unwrap();
        assert_eq!(read(&Marks::load(Some(&home))).len(), 4);
        marks.pending().iter().for_each(|mark| marks.end(mark));
        assert!(!path.exists());
    }

    #[test]
    fn what_is_purged_again_and_again_takes_one_place() {
        let marks = Marks::default();
        let add = |moment, soft, what| marks.add(Mark { moment: Moment(moment), soft, what, over: Default::default() });
        for at in 0..2 * MARKS as u64 {
            add(at, false, What::Url([1; 16]));
        }
        add(1 << 20, false, What::Url([2; 16]));
        add(1 << 21, true, What::Url([2; 16]));
        let found: Vec<_> = marks.pending().iter().map(|m| (m.moment.0, m.soft)).collect();
        assert_eq!(found, [(2 * MARKS as u64 - 1, false), (1 << 20, false), (1 << 21, true)]);
    }

    #[test]
    fn beyond_the_bound_everything_is_purged() {
        let marks = Marks::default();
        for at in 0..=MARKS as u64 {
            let what = What::Tag(at.to_string());
            marks.add(Mark { moment: Moment(at), soft: false, what, over: Default::default() });
        }
        assert_eq!(marks.pending().iter().map(|m| m.what.clone()).collect::<Vec<_>>(), [What::All]);
    }
}
