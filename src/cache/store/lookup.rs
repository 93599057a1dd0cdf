//! Finding an answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::core::{Core, Moment, Place, millis};
use super::filling::Filling;
use super::follow::Follow;
use super::format::Unusable;
use super::head::Head;
use super::read::{self, Body, DiskBody, Opened};
use super::shard::{Resident, Shard};
use crate::cache::key::{Key, Variant};
use crate::cache::meta::Coding;

/// Objects that turn out to be unusable before it is a miss.
const TRIES: usize = 4;
/// How long other reads are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request may be answered with, by the fields that the answers vary by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    pub variant: Variant,
    /// Made variants that it prefers to the answer as it came, the best first.
    pub codings: [Option<Coding>; 3],
    /// edge itself looks, not a client: no hit is counted for the object.
    pub by_edge: bool,
}

impl From<Variant> for Wanted {
    fn from(variant: Variant) -> Wanted {
        Wanted { variant, codings: [None; 3], by_edge: false }
    }
}

pub enum Lookup {
    /// Not stored. `uses`: how often it was asked for, this time included; `variant`: what to lock.
    Miss {
        uses: u32,
        variant: Variant,
    },
    Hit(Hit),
    /// Being stored by another request.
    Filling(Follow),
}

pub struct Hit {
    pub head: Arc<Head>,
    pub body: Body,
    pub variant: Variant,
    /// If it is stale: whether somebody fetches it anew.
    pub updating: bool,
    pub(super) place: Place,
    pub key: Key,
    pub(super) id: u64,
}

enum Glance {
    Hit(Hit),
    Filling(Follow),
    OnDisk(Place),
    Miss(Variant),
}

impl Core {
    pub(super) async fn look_up(
        self: &Arc<Core>,
        key: &Key,
        now: SystemTime,
        choose: &(impl Fn(&[String]) -> Wanted + Sync),
    ) -> Lookup {
        let mut probed = self.loaded.load(Ordering::Acquire);
        for _ in 0..TRIES {
            match self.glance(key, now, choose) {
                Glance::Hit(hit) => return self.count_hit(hit),
                Glance::Filling(follow) => return Lookup::Filling(follow),
                Glance::OnDisk(place) => match self.bring(key, place, now, choose).await {
                    Some(hit) => return self.count_hit(hit),
                    None => continue,
                },
                Glance::Miss(variant) if probed => return self.count_miss(key, now, variant),
                Glance::Miss(_) => {
                    probed = true;
                    self.probe(key).await;
                }
            }
        }
        self.count_miss(key, now, choose(&[]).variant)
    }

    fn count_hit(&self, hit: Hit) -> Lookup {
        self.counted.hits.fetch_add(1, Ordering::Relaxed);
        Lookup::Hit(hit)
    }

    fn count_miss(&self, key: &Key, now: SystemTime, variant: Variant) -> Lookup {
        self.counted.misses.fetch_add(1, Ordering::Relaxed);
        let inactive = self.limits.inactive.load(Ordering::Relaxed);
        let uses = self.shard(key.hash()).uses.count(key.hash(), millis(now), inactive);
        Lookup::Miss { uses, variant }
    }

    /// What the index knows.
    fn glance(&self, key: &Key, now: SystemTime, choose: &impl Fn(&[String]) -> Wanted) -> Glance {
        let hash = key.hash();
        let mut shard = self.shard(hash);
        if let Some(at) = shard.unread(hash) {
            return Glance::OnDisk(place_of(&shard, at));
        }
        // What is complete and on its way to the disk is newer than what is there.
        if let Some(follow) = running(&shard, key, choose, Filling::is_complete) {
            return Glance::Filling(follow);
        }
        let wanted = choose(shard.vary(hash).map_or(&[][..], |vary| &vary[..]));
        if let Some(at) = find(&shard, key, wanted) {
            shard.touch(at, millis(now));
            let Some(resident) = shard.get(at).resident.clone() else {
                return Glance::OnDisk(place_of(&shard, at));
            };
            // Another key with the same hash.
            if resident.key_text != *key.text() {
                return Glance::Miss(wanted.variant);
            }
            if !wanted.by_edge {
                shard.count_hit(at);
            }
            return Glance::Hit(self.hit(&shard, key, now, place_of(&shard, at), &resident));
        }
        match running(&shard, key, choose, Filling::may_be_followed) {
            Some(follow) => Glance::Filling(follow),
            None => Glance::Miss(wanted.variant),
        }
    }

    pub(super) fn follow(&self, key: &Key, choose: &impl Fn(&[String]) -> Wanted) -> Option<Follow> {
        running(&self.shard(key.hash()), key, choose, Filling::may_be_followed)
    }

    fn hit(&self, shard: &Shard, key: &Key, now: SystemTime, place: Place, resident: &Resident) -> Hit {
        Hit {
            head: Arc::clone(&resident.head),
            body: Body::Memory(resident.body.clone()),
            variant: place.variant,
            updating: now >= resident.head.meta.fresh_until && is_updated(shard, key, place.variant),
            place,
            key: key.clone(),
            id: resident.id,
        }
    }

    /// Opens an object, and takes it into memory if it is small. None: look again.
    async fn bring(
        self: &Arc<Core>,
        key: &Key,
        place: Place,
        now: SystemTime,
        choose: &(impl Fn(&[String]) -> Wanted + Sync),
    ) -> Option<Hit> {
        let home = self.home.as_ref()?;
        let path = home.file(&place.hash, place.variant);
        let whole = self.resident_max();
        if let Some(opened) = read::open_cached(&path, whole, home.medium()) {
            return self.judge(key, place, now, choose, opened);
        }
        let permit = timeout(PATIENCE, self.reads.acquire()).await.ok()?.ok()?;
        // Many wait here for the same object: the first one has brought it.
        if let Glance::Hit(hit) = self.glance(key, now, choose) {
            return Some(hit);
        }
        let opened = read::off_runtime(move || read::open(&path, whole)).await;
        drop(permit);
        self.judge(key, place, now, choose, opened.map_err(Unusable::Unread).and_then(|opened| opened))
    }

    /// What was opened, if it is what was looked for.
    fn judge(
        self: &Arc<Core>,
        key: &Key,
        place: Place,
        now: SystemTime,
        choose: &impl Fn(&[String]) -> Wanted,
        opened: Result<Opened, Unusable>,
    ) -> Option<Hit> {
        match opened.and_then(|opened| self.own(key, &place, opened)) {
            Ok(opened) => self.admit(key, place, now, choose, opened),
            Err(unusable) => {
                self.lost(&place, &unusable);
                None
            }
        }
    }

    /// Whose name it has is whose it must be.
    fn own(&self, key: &Key, place: &Place, opened: Opened) -> Result<Opened, Unusable> {
        if opened.front.key != *key {
            return Err(Unusable::Foreign);
        }
        if opened.front.variant != place.variant {
            return Err(Unusable::Damaged("variant"));
        }
        Ok(opened)
    }

    fn admit(
        self: &Arc<Core>,
        key: &Key,
        place: Place,
        now: SystemTime,
        choose: &impl Fn(&[String]) -> Wanted,
        opened: Opened,
    ) -> Option<Hit> {
        let Opened { file, front, slot, body } = opened;
        self.not_before(slot.serial);
        let head = Arc::new(slot.head);
        let mut shard = self.shard(key.hash());
        let at = shard.find_born(&place.hash, place.variant, place.born)?;
        let Some(head) = self.marks.survives(key.hash(), head, Moment(slot.serial), self.now()) else {
            self.take_out(&mut shard, at);
            return None;
        };
        if shard.vary(key.hash()).is_none() {
            shard.set_vary(key.hash(), &head.meta.vary);
        }
        let (id, fields) = (front.id, place.variant.fields);
        let resident = Resident::new(id, key.text().clone(), head, body.clone().unwrap_or_default());
        let mut hit = self.hit(&shard, key, now, place, &resident);
        if body.is_none() {
            hit.body = Body::Disk(DiskBody::new(file, front, (Arc::clone(self), place)));
        } else if self.fits_memory(resident.weight) {
            shard.admit(at, Arc::new(resident));
        }
        // It may have been read for the names of the fields only.
        let wanted = choose(shard.vary(key.hash()).map_or(&[][..], |vary| &vary[..]));
        let chosen = find(&shard, key, wanted) == Some(at) && fields == wanted.variant.fields;
        if chosen && !wanted.by_edge {
            shard.count_hit(at);
        }
        drop(shard);
        self.relieve_memory();
        chosen.then_some(hit)
    }

    /// Looks for the files of a key that the index does not know, while it is being loaded.
    async fn probe(self: &Arc<Core>, key: &Key) {
        if self.home.is_none() {
            return;
        }
        let Ok(Ok(permit)) = timeout(PATIENCE, self.reads.acquire()).await else {
            return;
        };
        let (core, hash) = (Arc::clone(self), *key.hash());
        let looked = move || {
            let files = core.home.as_ref().map(|home| home.probe(&hash)).unwrap_or_default();
            files.into_iter().for_each(|(variant, len)| core.found(&hash, variant, len));
        };
        if let Err(error) = read::off_runtime(looked).await {
            self.complain(&format!("looking for a file failed: {error}"));
        }
        drop(permit);
    }
}

fn place_of(shard: &Shard, at: u32) -> Place {
    let object = shard.get(at);
    Place { hash: object.hash, variant: object.variant(), born: object.born }
}

/// The first of what is wanted that is there.
fn find(shard: &Shard, key: &Key, wanted: Wanted) -> Option<u32> {
    let made = wanted.codings.into_iter().flatten().map(|coding| wanted.variant.coded(coding));
    made.chain([wanted.variant.coded(Coding::Identity)]).find_map(|variant| shard.find(key.hash(), variant))
}

fn running(
    shard: &Shard,
    key: &Key,
    choose: &impl Fn(&[String]) -> Wanted,
    may_be: impl Fn(&Filling) -> bool,
) -> Option<Follow> {
    let running = shard.fills.get(key.hash())?;
    // The newest one first.
    let fits = running.iter().rev().find(|filling| {
        let wanted = choose(&filling.head.meta.vary).variant;
        filling.variant == wanted.coded(Coding::Identity) && filling.key == *key && may_be(filling)
    })?;
    Some(Follow::new(Arc::clone(fits)))
}

fn is_updated(shard: &Shard, key: &Key, variant: Variant) -> bool {
    let locked = shard.latches.contains_key(&(*key.hash(), variant.fields));
    let same = |fill: &Arc<Filling>| fill.variant.fields == variant.fields;
    locked || shard.fills.get(key.hash()).is_some_and(|fills| fills.iter().any(same))
}
