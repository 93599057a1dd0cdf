//! The thread of a zone that keeps it within its limits, and loads what an earlier process left.
//!
//! Everything here goes in small steps: no request waits for it longer than for one of them.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::core::{Core, millis};
use super::home::parse_name;
use super::lock;

const TICK: Duration = Duration::from_millis(500);
/// Objects that are evicted before the writer is waited for.
const STEP: usize = 256;

/// Wakes the thread before its time.
#[derive(Default)]
pub struct Bell {
    rung: Mutex<bool>,
    wake: Condvar,
}

impl Bell {
    pub fn ring(&self) {
        *lock(&self.rung) = true;
        self.wake.notify_all();
    }

    pub fn ring_if(&self, needed: bool) {
        if needed {
            self.ring();
        }
    }

    fn wait(&self, limit: Duration) {
        let rung = lock(&self.rung);
        let waited = self.wake.wait_timeout_while(rung, limit, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// Until nobody holds the zone. `leave` decides whether the thread may end.
pub fn run(core: &Arc<Core>, leave: impl Fn() -> bool) {
    loop {
        let nobody = core.holders.load(Ordering::Acquire) == 0;
        if nobody && leave() {
            return;
        }
        if !core.loaded.load(Ordering::Acquire) {
            load(core);
        }
        tend(core, core.now());
        core.keeper.wait(TICK);
    }
}

/// One round: memory, size, free space and what nobody asked for.
pub fn tend(core: &Arc<Core>, now: SystemTime) {
    core.relieve_memory();
    let over = || core.totals.pages.load(Ordering::Relaxed) > core.limits.pages.load(Ordering::Relaxed);
    evict_while(core, over, |_| true);
    let inactive = core.limits.inactive.load(Ordering::Relaxed);
    let since = millis(now).saturating_sub(inactive);
    evict_while(core, || true, |used| used < since);
    make_room(core);
}

fn evict_while(core: &Arc<Core>, needed: impl Fn() -> bool, goes: impl Fn(u64) -> bool) {
    let mut evicted = 0;
    while needed() && core.evict_oldest(&goes) {
        evicted += 1;
        if evicted % STEP == 0 {
            core.jobs.wait_for_room();
        }
    }
}

/// `min_free`: files go until the file system has that much, or nothing more can be done.
fn make_room(core: &Arc<Core>) {
    let min_free = core.limits.min_free.load(Ordering::Relaxed);
    let Some(home) = core.home.as_ref().filter(|_| min_free > 0) else {
        return;
    };
    while home.free_space().is_ok_and(|free| free < min_free) && core.totals.pages.load(Ordering::Relaxed) > 0 {
        for _ in 0..STEP / 16 {
            core.evict_oldest(|_| true);
        }
        if !core.jobs.flush(Duration::from_secs(5)) {
            return;
        }
    }
}

/// Puts what lies on the disk into the index, once this process owns the directory.
fn load(core: &Arc<Core>) {
    let Some(home) = core.home.as_ref().filter(|home| home.own()) else {
        return;
    };
    let left = home.clear_leftovers();
    if left > 0 {
        log::warn!("cache `{}`: {left} files were removed that a process left unfinished", core.name);
    }
    let mut pace = Pace { files: 0, since: Instant::now() };
    let mut foreign = 0;
    for leaf in home.leaves() {
        match load_leaf(core, &leaf, &mut pace) {
            Some(more) => foreign += more,
            None => return,
        }
    }
    if foreign > 0 {
        log::warn!("cache `{}`: {foreign} files in {} are none of edge's; they stay", core.name, home.path().display());
    }
    core.loaded.store(true, Ordering::Release);
    core.sweep_pending();
}

/// How many files are not edge's; None if the zone ends meanwhile.
fn load_leaf(core: &Arc<Core>, leaf: &Path, pace: &mut Pace) -> Option<u64> {
    let Ok(entries) = fs::read_dir(leaf) else {
        return Some(0);
    };
    let mut foreign = 0;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        match parse_name(&name) {
            Some((hash, variant)) => core.found(&hash, variant, metadata.len()),
            None => foreign += u64::from(metadata.is_file() && !name.starts_with('.')),
        }
        // A purge that comes now must not be taken for an earlier one if the clock went back.
        if let Ok(since) = metadata.modified().map(|at| at.duration_since(UNIX_EPOCH).unwrap_or_default()) {
            core.not_before(u64::try_from(since.as_nanos()).unwrap_or(0));
        }
        if !pace.goes_on(core) {
            return None;
        }
    }
    Some(foreign)
}

/// nginx's `loader_files`, `loader_sleep` and `loader_threshold`.
struct Pace {
    files: usize,
    since: Instant,
}

impl Pace {
    /// False if the zone is not used any more.
    fn goes_on(&mut self, core: &Arc<Core>) -> bool {
        let (files, sleep, threshold) = {
            let settings = lock(&core.limits.loader);
            (settings.loader_files, settings.loader_sleep, settings.loader_threshold)
        };
        self.files += 1;
        if self.files < files && self.since.elapsed() < threshold {
            return true;
        }
        tend(core, core.now());
        core.keeper.wait(sleep);
        *self = Pace { files: 0, since: Instant::now() };
        core.holders.load(Ordering::Acquire) > 0
    }
}
