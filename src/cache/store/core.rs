//! What a zone's parts share: the index in shards, the limits, the counters, the purges in force.
//!
//! Locks are taken in this order: a shard, a fill, the writer's queue. No file is touched under any of them.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;

use super::format::Unusable;
use super::home::{Home, Medium};
use super::purge::Marks;
use super::settings::ZoneSettings;
use super::shard::{List, Object, PAGE, Shard, Totals};
use super::writer::{Job, Jobs};
use super::{Clock, lock};
use crate::cache::key::{Hash, Variant};
use crate::cache::policy::CacheStatus;

const SHARDS: usize = 64;
/// Files that are opened at the same time.
const READS: usize = 32;
/// An object in memory takes this part of it at most,
const SHARE: u64 = 16;
/// and never more than this: what is read whole keeps the first byte waiting.
const MOST: u64 = 4 << 20;
/// Complaints about the disk are logged at most so often.
const QUIET: Duration = Duration::from_secs(10);
const NOBODY: u64 = u64::MAX;

/// A point in the zone's own order of events, which grows with the clock and never repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub(super) u64);

/// One object and no later one of its name.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub hash: Hash,
    pub variant: Variant,
    pub(super) born: u32,
}

pub struct Core {
    pub name: String,
    pub home: Option<Home>,
    shards: Vec<Guarded>,
    pub totals: Arc<Totals>,
    pub limits: Limits,
    pub counted: Counted,
    pub marks: Marks,
    pub jobs: Jobs,
    pub clock: Clock,
    last: AtomicU64,
    /// Everything on the disk is in the index.
    pub loaded: AtomicBool,
    pub reads: Semaphore,
    complaints: Mutex<Complaints>,
    /// Of running fills: bytes in memory, and those the writer still has to write.
    pub held: AtomicU64,
    pub backlog: AtomicU64,
    /// How many hold the zone; the threads end with the last one.
    pub holders: AtomicUsize,
    pub threads: super::zones::Threads,
    pub keeper: super::keeper::Bell,
}

struct Guarded {
    shard: Mutex<Shard>,
    /// When the oldest of either list was used, so that the oldest of all shards is found without their locks.
    oldest: [AtomicU64; 2],
}

/// As the settings in force say.
#[derive(Default)]
pub struct Limits {
    pub memory: AtomicU64,
    pub pages: AtomicU64,
    pub min_free: AtomicU64,
    pub inactive: AtomicU64,
    pub loader: Mutex<ZoneSettings>,
}

#[derive(Default)]
pub struct Counted {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub evictions: AtomicU64,
    pub errors: AtomicU64,
    /// Requests by what the cache did for them, in the order of `CacheStatus`.
    pub statuses: [AtomicU64; CacheStatus::ALL.len()],
}

#[derive(Default)]
struct Complaints {
    told: Option<Instant>,
    untold: u64,
}

/// A shard that is locked. When it is let go, the others see which of its objects is the oldest.
pub struct Held<'a> {
    guarded: &'a Guarded,
    shard: MutexGuard<'a, Shard>,
}

impl Deref for Held<'_> {
    type Target = Shard;

    fn deref(&self) -> &Shard {
        &self.shard
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for list in [List::All, List::Memory] {
            let used = self.shard.oldest(list).map_or(NOBODY, |(_, used)| used);
            self.guarded.oldest[list as usize].store(used, Ordering::Relaxed);
        }
    }
}

pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn pages(len: u64) -> u32 {
    u32::try_from(len.div_ceil(PAGE).max(1)).unwrap_or(u32::MAX)
}

impl Core {
    pub fn new(name: &str, home: Option<Home>, clock: Clock) -> Core {
        let totals = Arc::new(Totals::default());
        let last = home.as_ref().map_or(0, Home::last_written);
        let guarded = |_| Guarded {
            shard: Mutex::new(Shard::new(Arc::clone(&totals))),
            oldest: [AtomicU64::new(NOBODY), AtomicU64::new(NOBODY)],
        };
        Core {
            name: name.to_owned(),
            loaded: AtomicBool::new(home.is_none()),
            marks: Marks::load(home.as_ref()),
            home,
            shards: (0..SHARDS).map(guarded).collect(),
            totals: Arc::clone(&totals),
            limits: Limits::default(),
            counted: Counted::default(),
            jobs: Jobs::default(),
            clock,
            last: AtomicU64::new(last),
            reads: Semaphore::new(READS),
            complaints: Mutex::default(),
            held: AtomicU64::new(0),
            backlog: AtomicU64::new(0),
            holders: AtomicUsize::new(0),
            threads: super::zones::Threads::default(),
            keeper: super::keeper::Bell::default(),
        }
    }

    pub fn apply(&self, settings: &ZoneSettings) {
        self.limits.memory.store(settings.memory, Ordering::Relaxed);
        let pages = settings.max_size.map_or(u64::MAX, |bytes| bytes / PAGE);
        self.limits.pages.store(pages, Ordering::Relaxed);
        self.limits.min_free.store(settings.min_free, Ordering::Relaxed);
        let inactive = u64::try_from(settings.inactive.as_millis()).unwrap_or(u64::MAX);
        self.limits.inactive.store(inactive, Ordering::Relaxed);
        *lock(&self.limits.loader) = settings.clone();
        self.keeper.ring();
    }

    pub fn now(&self) -> SystemTime {
        (self.clock)()
    }

    pub fn moment(&self) -> Moment {
        let now = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX - 1);
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = now.max(last.saturating_add(1));
            match self.last.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Moment(next),
                Err(other) => last = other,
            }
        }
    }

    /// Later than anything that was found on the disk.
    pub fn not_before(&self, serial: u64) {
        self.last.fetch_max(serial, Ordering::Relaxed);
    }

    pub fn shard(&self, hash: &Hash) -> Held<'_> {
        self.nth(usize::from(hash[0]) % SHARDS)
    }

    pub fn nth(&self, index: usize) -> Held<'_> {
        let guarded = &self.shards[index];
        Held { guarded, shard: lock(&guarded.shard) }
    }

    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// What files of this zone lie on.
    pub fn medium(&self) -> Medium {
        self.home.as_ref().map_or(Medium::Unknown, Home::medium)
    }

    /// The longest body that memory takes.
    pub fn resident_max(&self) -> u64 {
        (self.limits.memory.load(Ordering::Relaxed) / SHARE).min(MOST)
    }

    pub fn fits_memory(&self, weight: usize) -> bool {
        weight as u64 <= self.limits.memory.load(Ordering::Relaxed) / SHARE
    }

    /// The shard whose oldest object is the oldest of all.
    fn oldest_shard(&self, list: List) -> Option<(usize, u64)> {
        let ages = self.shards.iter().map(|guarded| guarded.oldest[list as usize].load(Ordering::Relaxed));
        ages.enumerate().filter(|(_, used)| *used != NOBODY).min_by_key(|(_, used)| *used)
    }

    /// Takes the object out that was not used for the longest time, if `goes` says so of when that was.
    pub fn evict_oldest(&self, goes: impl Fn(u64) -> bool) -> bool {
        let Some((index, _)) = self.oldest_shard(List::All).filter(|(_, used)| goes(*used)) else {
            return false;
        };
        let mut shard = self.nth(index);
        if let Some((at, _)) = shard.oldest(List::All).filter(|(_, used)| goes(*used)) {
            self.take_out(&mut shard, at);
            self.counted.evictions.fetch_add(1, Ordering::Relaxed);
        }
        true
    }

    /// Until memory holds no more than it may.
    pub fn relieve_memory(&self) {
        while self.totals.memory.load(Ordering::Relaxed) > self.limits.memory.load(Ordering::Relaxed) {
            let Some((index, _)) = self.oldest_shard(List::Memory) else {
                return;
            };
            let mut shard = self.nth(index);
            let Some((at, _)) = shard.oldest(List::Memory) else {
                continue;
            };
            if shard.get(at).is_on_disk() {
                shard.dismiss(at);
            } else {
                shard.remove(at);
                self.counted.evictions.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Out of the index, and its file to the writer while the index is still held: a purge that does not find an object
    /// any more waits for the writer, and must know that its file goes before.
    pub fn take_out(&self, shard: &mut Shard, at: u32) {
        let object = shard.remove(at);
        self.discard(&object);
    }

    /// The file of an object that is no more in the index, which the caller still holds.
    pub fn discard(&self, object: &Object) {
        if object.is_on_disk() {
            self.jobs.push(Job::Unlink(object.hash, object.variant()));
        }
    }

    /// An object that could not be read. If its file is to blame, that goes too.
    pub fn lost(&self, place: &Place, unusable: &Unusable) {
        let mut shard = self.shard(&place.hash);
        let Some(at) = shard.find_born(&place.hash, place.variant, place.born) else {
            return;
        };
        let missing = matches!(unusable, Unusable::Unread(error) if error.kind() == std::io::ErrorKind::NotFound);
        if !missing && !unusable.is_for_good() {
            drop(shard);
            return self.complain(&format!("reading an object failed: {unusable}"));
        }
        self.take_out(&mut shard, at);
        drop(shard);
        if !missing {
            let path = self.home.as_ref().map(|home| home.file(&place.hash, place.variant)).unwrap_or_default();
            self.complain(&format!("{} is not used and removed: {unusable}", path.display()));
        }
    }

    /// Tells of a failure of the disk, now and then.
    pub fn complain(&self, what: &str) {
        self.counted.errors.fetch_add(1, Ordering::Relaxed);
        let mut complaints = lock(&self.complaints);
        if complaints.told.is_some_and(|told| told.elapsed() < QUIET) {
            complaints.untold += 1;
            return;
        }
        let more = match complaints.untold {
            0 => String::new(),
            untold => format!(" ({untold} more such failures before)"),
        };
        log::error!("cache `{}`: {what}{more}", self.name);
        *complaints = Complaints { told: Some(Instant::now()), untold: 0 };
    }
}
