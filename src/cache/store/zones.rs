//! The zones of the process by name. They outlive a reload: the same path is the same zone, with the new settings.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::core::Core;
use super::home::Home;
use super::settings::{ZoneError, ZoneSettings, print_levels};
use super::writer::Job;
use super::zone::Zone;
use super::{Clock, keeper, lock, writer};
use crate::system;

/// One for the process.
pub struct Zones {
    known: Mutex<HashMap<String, Weak<Core>>>,
    clock: Clock,
    /// The process that hands over to this one.
    heir_of: Option<u32>,
}

impl Default for Zones {
    fn default() -> Self {
        Zones::new(None)
    }
}

impl Zones {
    /// `heir_of`: the process that hands over to this one and ends afterwards; until then both use its directories.
    pub fn new(heir_of: Option<u32>) -> Zones {
        Zones { known: Mutex::default(), clock: Arc::new(std::time::SystemTime::now), heir_of }
    }

    #[cfg(test)]
    pub(super) fn with_clock(clock: Clock) -> Zones {
        Zones { clock, ..Zones::default() }
    }

    /// The zone of that name, made or with other limits. Its threads end when nobody holds what this gives; it must
    /// be called after the rest of the configuration was found good, as new limits hold at once, and after privileges
    /// were dropped and the process went to the background, as threads do not follow.
    pub fn apply(&self, name: &str, settings: &ZoneSettings) -> Result<Arc<Zone>, ZoneError> {
        check(name, settings)?;
        let mut known = lock(&self.known);
        known.retain(|_, core| core.strong_count() > 0);
        let path = settings.path.as_deref().map(normal);
        let taken = known.iter().find(|(other, core)| {
            let used = core.upgrade().and_then(|core| core.home.as_ref().map(|home| home.path().to_owned()));
            *other != name && used.is_some() && used == path
        });
        if let (Some((other, _)), Some(path)) = (taken, &path) {
            return Err(ZoneError::PathTaken { zone: name.into(), other: other.clone(), path: path.clone() });
        }
        let same = known.get(name).and_then(Weak::upgrade);
        let same = same.filter(|core| core.home.as_ref().map(Home::path) == path.as_deref());
        let core = match same {
            Some(core) => {
                let had = core.home.as_ref().map_or(&[][..], Home::levels);
                if core.home.is_some() && had != settings.levels {
                    let (had, wanted) = (print_levels(had), print_levels(&settings.levels));
                    return Err(ZoneError::LevelsChanged { zone: name.into(), had, wanted });
                }
                core
            }
            None => {
                let open = |path: &PathBuf| Home::open(name, path, &settings.levels, self.heir_of);
                Arc::new(Core::new(name, path.as_ref().map(open).transpose()?, Arc::clone(&self.clock)))
            }
        };
        core.apply(settings);
        known.insert(name.to_owned(), Arc::downgrade(&core));
        let started = hold(&core);
        started.map_err(|source| ZoneError::NoThread { zone: name.into(), source })?;
        Ok(Arc::new(Zone::new(core)))
    }
}

impl Zones {
    /// Gives a zone that is still held the limits it had, after a configuration that changed them came to nothing.
    pub fn restore(&self, zone: &Zone, settings: &ZoneSettings) {
        let mut known = lock(&self.known);
        zone.core().apply(settings);
        known.insert(zone.name().to_owned(), Arc::downgrade(zone.core()));
    }
}

fn check(name: &str, settings: &ZoneSettings) -> Result<(), ZoneError> {
    if settings.path.is_none() && settings.memory == 0 {
        return Err(ZoneError::Nowhere { zone: name.into() });
    }
    let levels = &settings.levels;
    if levels.len() > 3 || levels.iter().any(|level| !(1..=2).contains(level)) {
        return Err(ZoneError::BadLevels { zone: name.into(), levels: print_levels(levels) });
    }
    Ok(())
}

/// Two names of one directory are one. One that is not there yet is what it is called; where only root may make it, the keeper
/// does, who knows it by the name that the configuration has for it.
fn normal(path: &Path) -> PathBuf {
    // Whether it could be made is told by whoever opens it.
    let _ = system::make_private_directory(path);
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Which threads run; that one leaves is decided under the lock, so that a zone taken up again never lacks one.
#[derive(Default)]
pub struct Threads(Mutex<[bool; 2]>);

fn hold(core: &Arc<Core>) -> io::Result<()> {
    let mut running = lock(&core.threads.0);
    core.holders.fetch_add(1, Ordering::AcqRel);
    for which in [0, 1] {
        if running[which] || (which == 0 && core.home.is_none()) {
            continue;
        }
        if let Err(error) = start(core, which) {
            core.holders.fetch_sub(1, Ordering::AcqRel);
            return Err(error);
        }
        running[which] = true;
    }
    Ok(())
}

fn start(core: &Arc<Core>, which: usize) -> io::Result<()> {
    let own = Arc::clone(core);
    let name = ["edge-cache-disk", "edge-cache-keep"][which];
    let run = move || {
        let leave = || {
            let mut running = lock(&own.threads.0);
            let nobody = own.holders.load(Ordering::Acquire) == 0;
            running[which] &= !nobody;
            nobody
        };
        match which {
            0 => writer::run(&own, leave),
            _ => keeper::run(&own, leave),
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(run).map(drop)
}

/// One who holds a zone.
pub(super) struct Holder(pub Arc<Core>);

impl Holder {
    /// One more; somebody holds it already.
    pub fn of(core: &Arc<Core>) -> Holder {
        core.holders.fetch_add(1, Ordering::AcqRel);
        Holder(Arc::clone(core))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let holders: &AtomicUsize = &self.0.holders;
        if holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.keeper.ring();
            self.0.jobs.push(Job::Wake);
        }
    }
}
