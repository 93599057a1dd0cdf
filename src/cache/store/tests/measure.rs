//! What an object on the disk costs in memory, how long a million take to load, and a hit. Run by hand:
//! `cargo test --release --lib cache::store::tests::measure -- --ignored --nocapture`

use super::*;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "takes a while and says something in a release build only"]
fn a_million_objects_in_the_index() {
    let place = Place::new();
    let zone = place.zone(&ZoneSettings { path: Some(place.dir.path().join("cache")), ..ZoneSettings::default() });
    let before = resident_kib();
    let begun = Instant::now();
    const COUNT: u64 = 1_000_000;
    for at in 0..COUNT {
        zone.core().found(Key::of(&[&at.to_le_bytes()]).hash(), Variant::NONE, 5000);
    }
    let bytes = (resident_kib() - before) * 1024;
    println!("{} bytes of memory per object, {:?} each", bytes / COUNT, begun.elapsed() / COUNT as u32);
    assert!(bytes / COUNT <= 250);
}

#[test]
#[ignore = "takes a while and says something in a release build only"]
fn a_hundred_thousand_files_are_loaded() {
    const COUNT: u64 = 100_000;
    let place = Place::new();
    let settings = ZoneSettings { loader_files: usize::MAX, inactive: Duration::from_secs(86_400), ..place.settings() };
    let zone = place.zone(&settings);
    let begun = Instant::now();
    for at in 0..COUNT {
        place.store(&zone, &format!("h/{at}"), b"text");
        if at % 1000 == 0 {
            assert!(zone.settle(LIMIT));
        }
    }
    assert!(zone.settle(LIMIT));
    println!("stored in {:?} each", begun.elapsed() / COUNT as u32);
    place.end(zone);
    let begun = Instant::now();
    let zone = place.zone(&settings);
    println!("{COUNT} loaded in {:?}, nginx's pauses left out", begun.elapsed());
    assert_eq!(zone.counters().objects, COUNT);
    let begun = Instant::now();
    println!("{} of them purged by prefix in {:?}", zone.purge(Purge::Prefix("h/1"), false), begun.elapsed());
}

#[tokio::test]
#[ignore = "says something in a release build only"]
async fn a_hit_in_memory() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", &body(1, 10_000));
    const COUNT: u32 = 1_000_000;
    let begun = Instant::now();
    for _ in 0..COUNT {
        let key = Key::of(&[b"http", b"example.com", b"/some/path/to/a/file.css?with=arguments"]);
        std::hint::black_box(&key);
    }
    let hashed = begun.elapsed() / COUNT;
    let key = key("h/a");
    let begun = Instant::now();
    for _ in 0..COUNT {
        let Lookup::Hit(hit) = zone.look_up(&key, place.now(), plain).await else { panic!("a miss") };
        std::hint::black_box(&hit);
    }
    println!("a key takes {hashed:?}, a hit {:?}", begun.elapsed() / COUNT);
}
