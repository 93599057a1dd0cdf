//! The end of a fill that writes, and how a filled object becomes one that is found.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::core::{Core, Place, millis, pages};
use super::filling::{ALL_SLOW, End, Filling, SLOW, Storing};
use super::head::Head;
use super::shard::{Object, Resident, Shard};
use super::writer::Job;
use crate::cache::key::{Hash, UNVARIED, Variant};
use crate::cache::meta::Coding;

/// How long the upstream waits for the disk at once; then it goes on, and what is too much is not stored.
const RELIEF: Duration = Duration::from_secs(5);

/// Stores one answer. Dropped before `finish`, it is not stored, and those who follow get an error.
pub struct Fill(Option<Arc<Filling>>);

/// What the disk makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    Go,
    /// The disk is behind: wait for `relief` before more is read from the upstream.
    Slow,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the answer announced {announced:?} bytes and has {had}; it is not stored")]
pub struct Truncated {
    announced: Option<u64>,
    had: u64,
}

impl Fill {
    pub(super) fn new(filling: Arc<Filling>) -> Fill {
        Fill(Some(filling))
    }

    pub fn head(&self) -> Option<&Arc<Head>> {
        self.0.as_ref().map(|filling| &filling.head)
    }

    /// Whether it will be stored, as things are. If not, there is no need to go on for the cache's sake.
    pub fn is_stored(&self) -> bool {
        self.0.as_ref().is_some_and(|filling| filling.may_be_followed())
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, |filling| filling.state().len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who reads along.
    pub fn followers(&self) -> usize {
        self.0.as_ref().map_or(0, |filling| filling.followers.load(Ordering::Relaxed))
    }

    /// Takes the next bytes. Never waits.
    pub fn write(&mut self, bytes: Bytes) -> Pressure {
        let Some(filling) = &self.0 else {
            return Pressure::Go;
        };
        filling.append(&bytes);
        if is_behind(filling) { Pressure::Slow } else { Pressure::Go }
    }

    /// Until the disk has caught up, or some seconds.
    pub async fn relief(&self) {
        let Some(filling) = &self.0 else {
            return;
        };
        let caught_up = async {
            loop {
                let changed = filling.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if !is_behind(filling) {
                    return;
                }
                changed.await;
            }
        };
        // The disk that takes longer is seen at the next write.
        let _ = timeout(RELIEF, caught_up).await;
    }

    /// The answer is complete. It is found at once, and on the disk a little later.
    pub fn finish(mut self) -> Result<(), Truncated> {
        let Some(filling) = self.0.take() else {
            return Ok(());
        };
        let had = filling.state().len();
        if let Some(announced) = filling.head.announced().filter(|announced| *announced != Some(had)) {
            abort(&filling);
            return Err(Truncated { announced, had });
        }
        if !filling.end(End::Finished) {
            filling.publish(0);
        }
        Ok(())
    }
}

fn is_behind(filling: &Filling) -> bool {
    let unwritten = filling.state().unwritten();
    unwritten > SLOW || (unwritten > 0 && filling.core.backlog.load(Ordering::Relaxed) > ALL_SLOW)
}

fn abort(filling: &Arc<Filling>) {
    filling.end(End::Aborted);
    filling.withdraw(&mut filling.core.shard(filling.key.hash()));
}

impl Drop for Fill {
    fn drop(&mut self) {
        if let Some(filling) = self.0.take() {
            abort(&filling);
        }
    }
}

impl Filling {
    /// Nobody finds it as one that runs any more.
    fn withdraw(&self, shard: &mut Shard) {
        if let Some(running) = shard.fills.get_mut(self.key.hash()) {
            running.retain(|other| !std::ptr::eq(&**other, self));
            if running.is_empty() {
                shard.fills.remove(self.key.hash());
            }
        }
    }

    /// Older ones of this variant that are still on their way to the disk must not come after it.
    fn outdate(&self, shard: &Shard) {
        let same = |other: &&Arc<Filling>| other.variant == self.variant && other.key == self.key && other.id < self.id;
        let running = shard.fills.get(self.key.hash()).into_iter().flatten();
        running.filter(same).filter(|other| other.is_complete()).for_each(|other| other.state().doomed = true);
    }

    /// Makes it one that is found, if it may be: on the disk, if a file of that length is there, and in memory. False
    /// if it is not stored.
    pub fn publish(self: &Arc<Self>, file_len: u64) -> bool {
        let body = self.to_keep();
        let core = &self.core;
        let hash = self.key.hash();
        let mut shard = core.shard(hash);
        self.withdraw(&mut shard);
        self.outdate(&shard);
        let (doomed, staled, storing) = {
            let state = self.state();
            (state.doomed, state.staled, state.storing)
        };
        let on_disk = if file_len > 0 { pages(file_len) } else { 0 };
        let head = if staled { Arc::new(self.head.stale(core.now())) } else { Arc::clone(&self.head) };
        let resident = body.map(|body| Resident::new(self.id, self.key.text().clone(), head, body));
        let resident = resident.filter(|resident| core.fits_memory(resident.weight)).map(Arc::new);
        let placed = on_disk > 0 || resident.is_some();
        if doomed || storing == Storing::Nowhere || !placed || !self.has_base(&shard) {
            return false;
        }
        let mut gone = self.replaced(&mut shard);
        gone.retain(|object| on_disk == 0 || object.variant() != self.variant);
        let used = millis(core.now());
        shard.insert(Object::new(*hash, self.variant, used, on_disk, resident));
        shard.set_vary(hash, &self.head.meta.vary);
        gone.iter().for_each(|object| core.discard(object));
        drop(shard);
        if staled && on_disk > 0 {
            core.jobs.push(Job::Stale(*hash, self.variant));
        }
        core.relieve_memory();
        core.keeper.ring_if(core.totals.pages.load(Ordering::Relaxed) > core.limits.pages.load(Ordering::Relaxed));
        true
    }

    fn to_keep(&self) -> Option<Bytes> {
        let state = self.state();
        if state.len() > self.core.resident_max() { None } else { state.whole() }
    }

    /// What was made of another object goes with it.
    fn has_base(&self, shard: &Shard) -> bool {
        self.base.is_none_or(|base| {
            let Place { hash, variant, born } = base.0;
            shard.find_born(&hash, variant, born).is_some()
        })
    }

    /// Takes out what this object replaces: itself, what was made of it, and all others if they were chosen by other
    /// fields.
    fn replaced(&self, shard: &mut Shard) -> Vec<Object> {
        let hash = self.key.hash();
        let vary = &self.head.meta.vary;
        let known = shard.vary(hash).map(|known| known[..] == *vary);
        // While the rule of the others is not known, whether they have one is.
        let other_rule = |variant: Variant| !known.unwrap_or(vary.is_empty() == (variant.fields == UNVARIED));
        let is_replaced = |object: &Object| {
            let variant = object.variant();
            let made = self.variant.coding == Coding::Identity && variant.fields == self.variant.fields;
            other_rule(variant) || made || variant == self.variant
        };
        let replaced: Vec<u32> = shard.of_key(hash).into_iter().filter(|at| is_replaced(shard.get(*at))).collect();
        replaced.into_iter().map(|at| shard.remove(at)).collect()
    }
}

impl Core {
    /// A file that was found on the disk.
    pub fn found(&self, hash: &Hash, variant: Variant, len: u64) {
        let used = millis(self.now());
        let mut shard = self.shard(hash);
        if shard.find(hash, variant).is_none() {
            shard.insert(Object::new(*hash, variant, used, pages(len), None));
        }
    }
}
