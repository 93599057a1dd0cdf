//! Zones as a request sees them, with what lies on their disks changed underneath.

mod crowd;
mod damage;
mod disks;
mod filling;
mod hits;
mod latch;
mod limits;
mod measure;
mod model;
mod purge;
mod restart;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pingora_http::ResponseHeader;
use tempfile::TempDir;

use super::*;
use crate::cache::key::{Key, Variant};
use crate::cache::meta::Meta;

const LIMIT: Duration = Duration::from_secs(20);

/// A directory, a clock, and the zones of one process.
struct Place {
    dir: TempDir,
    seconds: Arc<AtomicU64>,
    zones: Mutex<Zones>,
}

impl Place {
    fn new() -> Place {
        let seconds = Arc::new(AtomicU64::new(1_700_000_000));
        let dir = tempfile::tempdir().unwrap();
        Place { dir, zones: Mutex::new(zones(&seconds)), seconds }
    }

    fn settings(&self) -> ZoneSettings {
        let path = Some(self.dir.path().join("cache"));
        ZoneSettings { path, memory: 1 << 20, loader_sleep: Duration::ZERO, ..ZoneSettings::default() }
    }

    /// Loaded, so that counts are exact.
    fn zone(&self, settings: &ZoneSettings) -> Arc<Zone> {
        let zone = self.apply("z", settings).unwrap();
        until(|| zone.counters().loaded);
        zone
    }

    fn apply(&self, name: &str, settings: &ZoneSettings) -> Result<Arc<Zone>, ZoneError> {
        self.zones.lock().unwrap().apply(name, settings)
    }

    /// The process ends in good order, and another one begins.
    fn restart(&self, zone: Arc<Zone>, settings: &ZoneSettings) -> Arc<Zone> {
        self.end(zone);
        self.zone(settings)
    }

    fn end(&self, zone: Arc<Zone>) {
        assert!(zone.settle(LIMIT));
        let core = Arc::downgrade(zone.core());
        drop(zone);
        until(|| core.strong_count() == 0);
        *self.zones.lock().unwrap() = zones(&self.seconds);
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds.load(Ordering::Relaxed))
    }

    fn later(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn head(&self, url: &str) -> Head {
        let mut response = ResponseHeader::build(200, None).unwrap();
        response.append_header("X-Url", url.to_owned()).unwrap();
        Head::new(response, Meta::new(url, self.now(), self.now() + Duration::from_secs(3600)))
    }

    fn fill(&self, zone: &Zone, url: &str) -> Fill {
        begun(zone.begin(&key(url), Variant::NONE, self.head(url), zone.moment()))
    }

    fn store(&self, zone: &Zone, url: &str, body: &[u8]) {
        let mut fill = self.fill(zone, url);
        body.chunks(10_000).for_each(|chunk| _ = fill.write(Bytes::copy_from_slice(chunk)));
        fill.finish().unwrap();
    }

    /// As `store`, until it is on the disk.
    fn settle(&self, zone: &Zone, url: &str, body: &[u8]) {
        self.store(zone, url, body);
        assert!(zone.settle(LIMIT));
    }

    async fn get(&self, zone: &Zone, url: &str) -> Option<Vec<u8>> {
        match zone.look_up(&key(url), self.now(), plain).await {
            Lookup::Hit(hit) => Some(drain(hit.body).await.unwrap()),
            Lookup::Filling(follow) => Some(read_along(follow).await.unwrap()),
            Lookup::Miss { .. } => None,
        }
    }

    async fn hit(&self, zone: &Zone, url: &str) -> Option<Hit> {
        match zone.look_up(&key(url), self.now(), plain).await {
            Lookup::Hit(hit) => Some(hit),
            _ => None,
        }
    }

    /// Where the object of a URL lies.
    fn file(&self, url: &str) -> PathBuf {
        let digits = format!("{:?}", key(url));
        let name = format!("{digits}-{:032x}0", 0);
        self.dir.path().join("cache").join(&digits[31..]).join(&digits[29..31]).join(name)
    }
}

fn zones(seconds: &Arc<AtomicU64>) -> Zones {
    let seconds = Arc::clone(seconds);
    Zones::with_clock(Arc::new(move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed))))
}

fn key(url: &str) -> Key {
    Key::of(&[b"http", url.as_bytes()])
}

fn plain(_: &[String]) -> Wanted {
    Wanted::default()
}

fn begun(begun: Begun) -> Fill {
    match begun {
        Begun::Fill(fill) => fill,
        Begun::Busy(_) => panic!("another one fills it"),
        Begun::Refused => panic!("refused"),
    }
}

fn in_memory(hit: &Hit) -> bool {
    matches!(hit.body, Body::Memory(_))
}

/// Of any length, and no two of them alike.
fn body(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(step).collect()
}

async fn drain(mut body: Body) -> std::io::Result<Vec<u8>> {
    let announced = body.len();
    let mut all = vec![];
    while let Some(piece) = body.next().await? {
        assert!(!piece.is_empty());
        all.extend_from_slice(&piece);
    }
    assert_eq!(all.len() as u64, announced);
    Ok(all)
}

async fn read_along(mut follow: Follow) -> Result<Vec<u8>, Aborted> {
    let mut all = vec![];
    while let Some(piece) = tokio::time::timeout(LIMIT, follow.next()).await.expect("goes on")? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// For what another thread does in its own time.
fn until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "it does not happen");
        std::thread::yield_now();
    }
}

fn files_below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    found
}
