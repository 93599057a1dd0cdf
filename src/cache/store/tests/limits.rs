//! Sizes and times: what goes, and in which order.

use super::*;

async fn stored(place: &Place, zone: &Zone, count: usize) -> Vec<usize> {
    let mut found = vec![];
    for at in 0..count {
        // A look-up is a use; a list is none.
        let page = zone.list(&format!("h/{at}."), Cursor::default(), 1);
        if !page.rows.is_empty() {
            found.push(at);
        }
    }
    let _ = place;
    found
}

fn fill_with(place: &Place, zone: &Zone, count: usize, len: usize) {
    for at in 0..count {
        place.later(1);
        place.settle(zone, &format!("h/{at}."), &body(at as u64, len));
    }
}

#[tokio::test]
async fn beyond_max_size_what_was_not_used_for_longest_goes() {
    let place = Place::new();
    // Each takes three pages.
    let settings = ZoneSettings { max_size: Some(10 * 3 * 4096), ..place.settings() };
    let zone = place.zone(&settings);
    fill_with(&place, &zone, 10, 9000);
    assert_eq!(zone.counters().disk_bytes, 10 * 3 * 4096);
    for used in [0, 2, 4] {
        place.later(1);
        assert!(place.get(&zone, &format!("h/{used}.")).await.is_some());
    }
    for new in 10..14 {
        place.later(1);
        place.settle(&zone, &format!("h/{new}."), &body(new, 9000));
        until(|| zone.counters().disk_bytes <= 10 * 3 * 4096);
    }
    assert_eq!(stored(&place, &zone, 14).await, [0, 2, 4, 7, 8, 9, 10, 11, 12, 13]);
    assert!(zone.settle(LIMIT));
    assert_eq!((files_below(place.dir.path()).len(), zone.counters().evictions), (10, 4));
}

#[tokio::test]
async fn a_zone_is_resized_while_it_runs() {
    let place = Place::new();
    let settings = place.settings();
    let zone = place.zone(&settings);
    fill_with(&place, &zone, 10, 9000);
    let smaller = ZoneSettings { max_size: Some(4 * 3 * 4096), memory: 40_000, ..settings };
    let same = place.apply("z", &smaller).unwrap();
    until(|| zone.counters().objects == 4 && zone.counters().memory_bytes <= 40_000);
    assert_eq!(stored(&place, &same, 10).await, [6, 7, 8, 9]);
    let refused = place.apply("z", &ZoneSettings { levels: vec![2, 2], ..smaller });
    assert!(matches!(refused, Err(ZoneError::LevelsChanged { .. })));
}

#[tokio::test]
async fn memory_holds_no_more_than_it_may_and_the_disk_has_the_rest() {
    let place = Place::new();
    let settings = ZoneSettings { memory: 200_000, ..place.settings() };
    let zone = place.zone(&settings);
    fill_with(&place, &zone, 60, 10_000);
    let counters = zone.counters();
    assert!((150_000..=200_000).contains(&counters.memory_bytes), "{counters:?}");
    assert_eq!((counters.objects, counters.evictions), (60, 0));
    for at in 0..60 {
        assert!(place.get(&zone, &format!("h/{at}.")).await.unwrap() == body(at, 10_000));
        assert!(zone.counters().memory_bytes <= 200_000);
    }
    let alone = place.apply("m", &ZoneSettings { path: None, ..settings }).unwrap();
    fill_with(&place, &alone, 60, 10_000);
    let counters = alone.counters();
    assert_eq!(counters.objects + counters.evictions, 60);
    assert_eq!(stored(&place, &alone, 60).await, (60 - counters.objects as usize..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_nobody_asks_for_goes_after_a_time() {
    let place = Place::new();
    let zone = place.zone(&ZoneSettings { inactive: Duration::from_secs(60), ..place.settings() });
    for url in ["h/0.", "h/1.", "h/2."] {
        place.settle(&zone, url, b"text");
    }
    place.later(40);
    assert!(place.get(&zone, "h/1.").await.is_some());
    place.later(21);
    until(|| zone.counters().objects == 1);
    assert_eq!(stored(&place, &zone, 3).await, [1]);
    place.later(39);
    super::super::keeper::tend(zone.core(), place.now());
    assert_eq!(zone.counters().objects, 1);
    place.later(1);
    until(|| zone.counters().objects == 0 && zone.settle(LIMIT) && files_below(place.dir.path()).is_empty());
}

#[tokio::test]
async fn min_free_takes_what_it_needs() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    fill_with(&place, &zone, 5, 9000);
    let _resized = place.apply("z", &ZoneSettings { min_free: u64::MAX, ..place.settings() }).unwrap();
    until(|| zone.counters().objects == 0);
}

#[tokio::test]
async fn zones_end_with_the_last_who_holds_them_and_names_and_paths_are_ones_own() {
    let place = Place::new();
    let settings = place.settings();
    let zone = place.zone(&settings);
    place.settle(&zone, "h/0.", b"text");
    let taken = place.apply("other", &settings);
    assert!(matches!(&taken, Err(ZoneError::PathTaken { other, .. }) if other == "z"));
    let again = place.apply("z", &settings).unwrap();
    assert!(Arc::ptr_eq(zone.core(), again.core()));
    let core = Arc::downgrade(zone.core());
    drop(zone);
    assert_eq!(place.get(&again, "h/0.").await.unwrap(), b"text");
    drop(again);
    // Taken up again while its threads are ending: it is found or made, and works.
    for at in 0..20 {
        let zone = place.apply("z", &settings).unwrap();
        place.settle(&zone, &format!("h/{at}."), b"text");
    }
    until(|| core.strong_count() == 0);
    until(|| place.apply("other", &settings).is_ok());
    assert!(matches!(
        place.apply("n", &ZoneSettings { path: None, memory: 0, ..settings.clone() }),
        Err(ZoneError::Nowhere { .. })
    ));
    assert!(matches!(
        place.apply("n", &ZoneSettings { levels: vec![3], ..settings }),
        Err(ZoneError::BadLevels { .. })
    ));
}
