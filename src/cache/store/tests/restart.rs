//! What another process left, or still uses.

use super::*;
use std::fs;

#[tokio::test]
async fn what_is_on_the_disk_survives_a_restart() {
    let place = Place::new();
    let mut zone = place.zone(&place.settings());
    for at in 0..20 {
        place.settle(&zone, &format!("h/{at}"), &body(at, at as usize * 20_000));
    }
    let before = zone.counters();
    zone = place.restart(zone, &place.settings());
    let after = zone.counters();
    assert_eq!((after.objects, after.disk_bytes, after.memory_bytes), (20, before.disk_bytes, 0));
    for at in 0..20 {
        let hit = place.hit(&zone, &format!("h/{at}")).await.unwrap();
        assert_eq!(hit.head.response.headers["x-url"], format!("h/{at}"));
        assert!(drain(hit.body).await.unwrap() == body(at, at as usize * 20_000), "{at}");
    }
}

#[tokio::test]
async fn what_a_killed_process_left_unfinished_is_removed() {
    let place = Place::new();
    let settings = place.settings();
    let zone = place.zone(&settings);
    place.settle(&zone, "h/a", b"text");
    place.end(zone);
    let temporary = place.dir.path().join("cache/.temp");
    fs::write(temporary.join("1234.99999"), body(1, 100_000)).unwrap();
    fs::write(temporary.join("probe.99999"), "").unwrap();
    // A torn object, as after a loss of power: the name is there, the bytes are not.
    let torn = place.file("h/torn");
    fs::create_dir_all(torn.parent().unwrap()).unwrap();
    fs::write(&torn, vec![0; 5000]).unwrap();
    fs::write(place.dir.path().join("cache/somebody's"), "notes").unwrap();
    let zone = place.zone(&settings);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert_eq!(place.get(&zone, "h/a").await.unwrap(), b"text");
    assert!(place.get(&zone, "h/torn").await.is_none());
    assert!(zone.settle(LIMIT) && !torn.exists());
    assert!(place.dir.path().join("cache/somebody's").exists());
}

/// Loads so slowly that the test is over before it is.
fn slow(settings: &ZoneSettings) -> ZoneSettings {
    ZoneSettings { loader_files: 1, loader_sleep: Duration::from_secs(600), ..settings.clone() }
}

#[tokio::test]
async fn what_is_not_loaded_yet_is_found_at_once() {
    let place = Place::new();
    for levels in [vec![1, 2], vec![2], vec![]] {
        let path = place.dir.path().join(format!("{}", levels.len()));
        let settings = ZoneSettings { levels, path: Some(path), ..place.settings() };
        let zone = place.zone(&settings);
        (0..10).for_each(|at| place.settle(&zone, &format!("h/{at}"), &body(at, 50_000)));
        place.end(zone);
        let zone = place.apply("z", &slow(&settings)).unwrap();
        for at in 0..10 {
            assert!(place.get(&zone, &format!("h/{at}")).await.unwrap() == body(at, 50_000));
        }
        assert!(place.get(&zone, "h/10").await.is_none());
        // A purge reaches what is not loaded, also the one who comes after.
        zone.purge(Purge::Prefix("h/3"), false);
        assert!(!zone.counters().loaded);
        assert!(place.get(&zone, "h/3").await.is_none());
        place.end(zone);
    }
}

#[tokio::test]
async fn a_purge_is_resumed_by_the_next_process() {
    let place = Place::new();
    let settings = place.settings();
    let zone = place.zone(&settings);
    (0..10).for_each(|at| place.settle(&zone, &format!("h/{at}"), b"text"));
    place.end(zone);
    let zone = place.apply("z", &slow(&settings)).unwrap();
    zone.purge(Purge::Prefix("h/3"), false);
    zone.purge(Purge::Url(&key("h/4")), true);
    place.end(zone);
    let zone = place.apply("z", &slow(&settings)).unwrap();
    assert!(place.get(&zone, "h/3").await.is_none());
    assert!(place.hit(&zone, "h/4").await.unwrap().head.meta.fresh_until <= place.now());
    place.end(zone);
    let zone = place.zone(&settings);
    until(|| !place.dir.path().join("cache/.purges").exists());
    assert_eq!((zone.counters().objects, files_below(place.dir.path()).len()), (9, 9));
    // It is over: what is stored now stays.
    place.settle(&zone, "h/3", b"new");
    assert_eq!(place.get(&zone, "h/3").await.unwrap(), b"new");
}

#[test]
fn another_process_that_uses_the_directory_is_told_by_its_number() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let other = Zones::default();
    let refused = other.apply("z", &place.settings());
    let pid = std::process::id().to_string();
    assert!(matches!(&refused, Err(ZoneError::Locked { holder, .. }) if *holder == pid));
    place.end(zone);
    assert!(other.apply("z", &place.settings()).is_ok());
}

#[tokio::test]
async fn at_a_hand_over_both_use_the_directory_until_the_old_one_ends() {
    let place = Place::new();
    let settings = place.settings();
    let old = place.zone(&settings);
    place.settle(&old, "h/a", b"old");
    let running = place.fill(&old, "h/running");
    let heirs = Zones::new(Some(std::process::id()));
    let new = heirs.apply("z", &settings).unwrap();
    assert_eq!(place.get(&new, "h/a").await.unwrap(), b"old");
    place.settle(&new, "h/b", b"new");
    place.settle(&new, "h/a", b"newer");
    assert!(!new.counters().loaded);
    // What the old one was filling is not swept away as a leftover.
    running.finish().unwrap();
    assert!(old.settle(LIMIT));
    assert_eq!(place.get(&new, "h/running").await.unwrap(), b"");
    place.end(old);
    until(|| new.counters().loaded);
    assert_eq!(place.get(&new, "h/a").await.unwrap(), b"newer");
    assert_eq!(new.counters().objects, 3);
}
