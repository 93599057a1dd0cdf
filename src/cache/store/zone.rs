//! One zone, as the proxy sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::core::Core;
use super::core::Moment;
use super::filling::{Base, Begun};
use super::follow::Follow;
use super::head::Head;
use super::latch::Locked;
use super::list::{Cursor, Page};
use super::lookup::{Hit, Lookup, Wanted};
use super::purge::Purge;
use super::shard::{PAGE, Resident, Shard};
use super::writer::Job;
use super::zones::Holder;
use crate::cache::key::{Key, Variant};
use crate::cache::meta::Coding;
use crate::cache::policy::CacheStatus;

/// How long a new head is waited for until it is on the disk.
const UPDATE: Duration = Duration::from_secs(5);

pub struct Zone(Holder);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub objects: u64,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
    /// Failures of the disk, damaged files included.
    pub errors: u64,
    /// Requests by what the cache did for them, in the order of [`CacheStatus::ALL`].
    pub statuses: [u64; CacheStatus::ALL.len()],
    /// Whether all that lies on the disk is known; before, it is found by looking, and not counted.
    pub loaded: bool,
}

impl Zone {
    pub(super) fn new(core: Arc<Core>) -> Zone {
        Zone(Holder(core))
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.0.0
    }

    pub fn name(&self) -> &str {
        &self.core().name
    }

    /// What is stored, or being stored, for a request. `choose` gets the names of the fields by which answers of this
    /// key vary, and says which one the request is for; it is called under a lock and must be quick.
    pub async fn look_up(&self, key: &Key, now: SystemTime, choose: impl Fn(&[String]) -> Wanted + Sync) -> Lookup {
        self.core().look_up(key, now, &choose).await
    }

    /// To read along, whatever is stored: for a stale hit that is being updated.
    pub fn follow(&self, key: &Key, choose: impl Fn(&[String]) -> Wanted) -> Option<Follow> {
        self.core().follow(key, &choose)
    }

    /// The right to fetch what a look-up missed, or a place among those who wait.
    pub fn lock(&self, key: &Key, variant: Variant) -> Locked {
        self.core().latch(key, variant)
    }

    /// To be taken before the upstream is asked: a purge after it reaches the answer.
    pub fn moment(&self) -> Moment {
        self.core().moment()
    }

    /// Begins to store an answer. `asked`: when the upstream was.
    pub fn begin(&self, key: &Key, variant: Variant, head: Head, asked: Moment) -> Begun {
        self.core().begin(key, variant, head, asked, None)
    }

    /// Stores another form of an object that edge made, for as long as that one stays.
    pub fn add_variant(&self, of: &Hit, coding: Coding, head: Head, body: Bytes) -> bool {
        let base = Some(Base(of.place));
        let variant = of.variant.coded(coding);
        let asked = self.moment();
        let Begun::Fill(mut fill) = self.core().begin(&of.key, variant, head, asked, base) else {
            return false;
        };
        fill.write(body);
        fill.finish().is_ok()
    }

    /// Another head for an object after a 304. What was made of it goes, as its fields are of the old head. False if
    /// the object is no more, or varies by other fields now.
    pub async fn update(&self, hit: &Hit, head: Head, asked: Moment) -> bool {
        let core = self.core();
        let hash = hit.key.hash();
        let head = Arc::new(head);
        let (written, resident) = {
            let mut shard = core.shard(hash);
            let Some(at) = shard.find_born(hash, hit.place.variant, hit.place.born) else {
                return false;
            };
            let same_rule = shard.vary(hash).is_some_and(|vary| vary[..] == head.meta.vary);
            let survives = core.marks.survives(hash, head, asked, core.now());
            let Some(head) = survives.filter(|head| same_rule && head.encode().is_some()) else {
                core.take_out(&mut shard, at);
                return false;
            };
            self.drop_made(&mut shard, hit);
            let resident = shard.get(at).resident.clone();
            if let Some(old) = &resident {
                let new = Resident::new(old.id, old.key_text.clone(), Arc::clone(&head), old.body.clone());
                shard.admit(at, Arc::new(new));
            }
            let (done, written) = oneshot::channel();
            let on_disk = shard.get(at).is_on_disk();
            if on_disk {
                core.jobs.push(Job::Update(*hash, hit.variant, hit.id, head, done));
            }
            (on_disk.then_some(written), resident.is_some())
        };
        core.relieve_memory();
        match written {
            Some(written) if !resident => matches!(timeout(UPDATE, written).await, Ok(Ok(true))),
            _ => true,
        }
    }

    fn drop_made(&self, shard: &mut Shard, hit: &Hit) {
        if hit.variant.coding != Coding::Identity {
            return;
        }
        for coding in Coding::ALL.into_iter().filter(|coding| *coding != Coding::Identity) {
            if let Some(at) = shard.find(hit.key.hash(), hit.variant.coded(coding)) {
                self.core().take_out(shard, at);
            }
        }
    }

    /// Whether a purge of a key would find something.
    pub fn knows(&self, key: &Key) -> bool {
        self.core().knows(key)
    }

    /// Takes objects out at once, all variants, or makes them stale. How many there were. Reads heads for prefixes and tags:
    /// not to be called on the runtime's threads.
    pub fn purge(&self, purge: Purge, soft: bool) -> u64 {
        self.core().purge(purge, soft)
    }

    /// What is stored, a page at a time. Reads heads: not to be called on the runtime's threads.
    pub fn list(&self, prefix: &str, from: Cursor, limit: usize) -> Page {
        self.core().list(prefix, from, limit)
    }

    /// Waits until what was handed over is on the disk, for an orderly end. False if that took longer. Blocks.
    pub fn settle(&self, limit: Duration) -> bool {
        self.core().home.is_none() || self.core().jobs.flush(limit)
    }

    /// Counts a request that is over.
    pub fn count(&self, status: CacheStatus) {
        self.core().counted.statuses[status as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn counters(&self) -> Counters {
        let core = self.core();
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            objects: read(&core.totals.objects),
            memory_bytes: read(&core.totals.memory),
            disk_bytes: read(&core.totals.pages) * PAGE,
            hits: read(&core.counted.hits),
            misses: read(&core.counted.misses),
            evictions: read(&core.counted.evictions),
            errors: read(&core.counted.errors),
            statuses: std::array::from_fn(|at| read(&core.counted.statuses[at])),
            loaded: core.loaded.load(Ordering::Acquire),
        }
    }
}
