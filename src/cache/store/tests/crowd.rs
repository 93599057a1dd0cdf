//! Many at once on few keys: every answer tells itself whose it is and what it must be.

use super::*;
use crate::cache::meta::Coding;

const KEYS: u64 = 6;

/// Its key, its seed, its length, and what follows from them.
fn telling(key: u64, seed: u64, len: usize) -> Vec<u8> {
    let mut all: Vec<u8> = [key, seed, len as u64].iter().flat_map(|word| word.to_le_bytes()).collect();
    all.extend(body(seed, len));
    all
}

fn check(key: u64, read: &[u8]) {
    let word = |at: usize| u64::from_le_bytes(read[at * 8..at * 8 + 8].try_into().unwrap());
    assert_eq!(word(0), key, "another key's answer");
    assert!(read == telling(key, word(1), word(2) as usize), "not what was stored");
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

fn wanted(_: &[String]) -> Wanted {
    Wanted { variant: Variant::NONE, codings: [Some(Coding::Gzip), None, None], by_edge: false }
}

/// One request: an answer, or an error where somebody gave up.
async fn get(place: &Place, zone: &Zone, key: u64, random: &mut Random) {
    let url = format!("h/{key}");
    let Lookup::Miss { variant, .. } = (match zone.look_up(&super::key(&url), place.now(), wanted).await {
        Lookup::Hit(hit) => return use_hit(place, zone, key, hit, random).await,
        Lookup::Filling(follow) => return read_along(follow).await.map_or((), |read| check(key, &read)),
        miss => miss,
    }) else {
        return;
    };
    let guard = match zone.lock(&super::key(&url), variant) {
        Locked::Mine(guard) => guard,
        Locked::Wait(waiter) => match tokio::time::timeout(LIMIT, waiter.wait(LIMIT)).await.expect("is woken") {
            Turn::Mine(guard) => guard,
            Turn::LookAgain => return,
        },
    };
    tokio::task::yield_now().await;
    let lens = [0, 10, 5000, 65_536 - 24, 70_000, 150_000];
    let (seed, len) = (random.below(1 << 30), lens[random.below(6) as usize]);
    let Begun::Fill(mut fill) = guard.begin(variant, place.head(&url)) else { return };
    for chunk in telling(key, seed, len).chunks(1 + random.below(40_000) as usize) {
        fill.write(Bytes::copy_from_slice(chunk));
        tokio::task::yield_now().await;
    }
    if random.below(4) > 0 {
        fill.finish().unwrap();
    }
}

async fn use_hit(place: &Place, zone: &Zone, key: u64, mut hit: Hit, random: &mut Random) {
    let url = format!("h/{key}");
    assert_eq!(hit.head.response.headers["x-url"], url);
    let made = random.below(4) == 0 && hit.variant.coding == Coding::Identity;
    if made {
        let text = telling(key, random.below(1 << 30), 100);
        zone.add_variant(&hit, Coding::Gzip, place.head(&url), text.into());
    }
    if random.below(4) == 0 {
        zone.update(&hit, place.head(&url), zone.moment()).await;
    }
    let body = std::mem::replace(&mut hit.body, Body::Memory(Bytes::new()));
    // Its file may have been taken away before it was opened, never while it is read.
    check(key, &drain(body).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_ever_gets_anothers_or_a_part_of_an_answer() {
    let place = Arc::new(Place::new());
    let settings = ZoneSettings { max_size: Some(90 * 4096), memory: 1_200_000, ..place.settings() };
    let zone = place.zone(&settings);
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (place, zone) = (Arc::clone(&place), Arc::clone(&zone));
            tokio::spawn(async move {
                let mut random = Random(task);
                for _ in 0..150 {
                    let key = random.below(KEYS);
                    get(&place, &zone, key, &mut random).await;
                    let soft = random.below(2) == 0;
                    match random.below(40) {
                        0 => drop(zone.purge(Purge::Prefix("h/1"), soft)),
                        1 => drop(zone.purge(Purge::Url(&super::key(&format!("h/{key}"))), soft)),
                        2 => zone.core().relieve_memory(),
                        _ => {}
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(zone.settle(LIMIT));
    assert_eq!(zone.counters().errors, 0);
    zone.purge(Purge::All, false);
    assert!(zone.settle(LIMIT));
    let counters = zone.counters();
    assert_eq!((counters.objects, counters.memory_bytes, counters.disk_bytes), (0, 0, 0));
    assert_eq!(files_below(place.dir.path()), Vec::<PathBuf>::new());
    let core = zone.core();
    assert_eq!((core.held.load(Ordering::Relaxed), core.backlog.load(Ordering::Relaxed)), (0, 0));
    assert!((0..core.shards()).all(|index| core.nth(index).fills.is_empty() && core.nth(index).latches.is_empty()));
}
