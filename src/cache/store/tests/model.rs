//! Random operations against a model: what is handed out was stored under that key, is whole, and is not what was
//! purged or replaced.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Step {
    Store { key: u8, len: usize },
    Abort { key: u8, len: usize },
    Get { key: u8 },
    Purge { key: u8 },
    PurgePrefix { digit: u8 },
    Update { key: u8 },
    Damage { key: u8, at: usize },
    Restart,
    Squeeze { pages: u64, memory: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0u8..12;
    let len = prop_oneof![Just(0usize), 1usize..3000, Just(65_536usize), 60_000usize..200_000];
    prop_oneof![
        6 => (key.clone(), len.clone()).prop_map(|(key, len)| Step::Store { key, len }),
        1 => (key.clone(), len).prop_map(|(key, len)| Step::Abort { key, len }),
        8 => key.clone().prop_map(|key| Step::Get { key }),
        1 => key.clone().prop_map(|key| Step::Purge { key }),
        1 => (0u8..2).prop_map(|digit| Step::PurgePrefix { digit }),
        2 => key.clone().prop_map(|key| Step::Update { key }),
        1 => (key, 0usize..100_000).prop_map(|(key, at)| Step::Damage { key, at }),
        1 => Just(Step::Restart),
        1 => (1u64..200, 0u64..3_000_000).prop_map(|(pages, memory)| Step::Squeeze { pages, memory }),
    ]
}

fn url(key: u8) -> String {
    format!("{}/{key}", key % 2)
}

/// Which version of a key's body may be found; it may be evicted, so nothing may be found, too.
#[derive(Default)]
struct Model {
    known: HashMap<u8, (u64, usize)>,
    version: u64,
    settings: ZoneSettings,
}

async fn run(steps: Vec<Step>) {
    let place = Place::new();
    let mut model = Model { settings: place.settings(), ..Model::default() };
    let mut zone = place.zone(&model.settings);
    for step in steps {
        place.later(1);
        match step {
            Step::Store { key, len } => {
                model.version += 1;
                model.known.insert(key, (model.version, len));
                // One that is not on the disk yet would be followed instead.
                assert!(zone.settle(LIMIT));
                place.store(&zone, &url(key), &body(model.version, len));
            }
            Step::Abort { key, len } => {
                assert!(zone.settle(LIMIT));
                let mut fill = place.fill(&zone, &url(key));
                fill.write(body(0, len).into());
            }
            Step::Get { key } => get(&place, &zone, &model, key).await,
            Step::Purge { key } => {
                zone.purge(Purge::Url(&super::key(&url(key))), false);
                model.known.remove(&key);
            }
            Step::PurgePrefix { digit } => {
                zone.purge(Purge::Prefix(&format!("{digit}/")), false);
                model.known.retain(|key, _| key % 2 != digit);
            }
            Step::Update { key } => {
                if let Some(hit) = place.hit(&zone, &url(key)).await {
                    zone.update(&hit, place.head(&url(key)), zone.moment()).await;
                }
            }
            Step::Damage { key, at } => {
                calm(&zone, &model.settings);
                damage(&place.file(&url(key)), at);
            }
            Step::Restart => zone = place.restart(zone, &model.settings),
            Step::Squeeze { pages, memory } => {
                model.settings.max_size = Some(pages * 4096);
                model.settings.memory = memory;
                zone = place.zone(&model.settings);
            }
        }
    }
    assert!(zone.settle(LIMIT));
    for key in 0..12 {
        get(&place, &zone, &model, key).await;
    }
    zone.purge(Purge::All, false);
    assert!(zone.settle(LIMIT));
    let counters = zone.counters();
    assert_eq!((counters.objects, counters.memory_bytes, counters.disk_bytes), (0, 0, 0));
    assert_eq!(files_below(place.dir.path()), Vec::<PathBuf>::new());
    assert_eq!(std::fs::read_dir(place.dir.path().join("cache/.temp")).unwrap().count(), 0);
}

/// Until nobody but the test touches files: nothing is written, and nothing more has to be evicted.
fn calm(zone: &Zone, settings: &ZoneSettings) {
    assert!(zone.settle(LIMIT));
    until(|| settings.max_size.is_none_or(|most| zone.counters().disk_bytes <= most));
    assert!(zone.settle(LIMIT));
}

fn damage(file: &Path, at: usize) {
    if let Ok(mut bytes) = std::fs::read(file) {
        let at = at % bytes.len();
        bytes[at] ^= 0x40;
        // Another file under that name, as edge never writes into one that is read.
        std::fs::remove_file(file).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

async fn get(place: &Place, zone: &Zone, model: &Model, key: u8) {
    let read = match zone.look_up(&super::key(&url(key)), place.now(), plain).await {
        Lookup::Miss { .. } => return,
        Lookup::Filling(follow) => read_along(follow).await.ok(),
        Lookup::Hit(hit) => {
            assert_eq!(hit.head.response.headers["x-url"], url(key));
            drain_some(hit.body).await
        }
    };
    let Some(read) = read else { return };
    let (version, len) = model.known.get(&key).unwrap_or_else(|| panic!("{key} was purged"));
    assert!(read == body(*version, *len), "{key} is not version {version} of {len} bytes, but {} bytes", read.len());
}

/// A damaged body may end with an error, but not early.
async fn drain_some(body: Body) -> Option<Vec<u8>> {
    drain(body).await.ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_handed_out_but_what_was_stored_last(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
