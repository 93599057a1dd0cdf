//! Reading along, breaking off, and what is purged meanwhile.

use super::*;

async fn follow(place: &Place, zone: &Zone, url: &str) -> Follow {
    match zone.look_up(&key(url), place.now(), plain).await {
        Lookup::Filling(follow) => follow,
        Lookup::Hit(_) => panic!("it is stored already"),
        Lookup::Miss { .. } => panic!("a miss"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_who_follow_get_every_byte() {
    let place = Place::new();
    for len in [500, 65_536, 3_000_000] {
        for settings in [place.settings(), ZoneSettings { path: None, memory: 64 << 20, ..place.settings() }] {
            let place = Place::new();
            let path = settings.path.and(place.settings().path);
            let zone = place.zone(&ZoneSettings { path, ..settings });
            let expected = body(len as u64, len);
            let mut fill = place.fill(&zone, "h/a");
            let mut readers = vec![];
            let mut at = 0;
            for reader in 0..200 {
                readers.push(tokio::spawn(read_along(follow(&place, &zone, "h/a").await)));
                // Some follow from the beginning, some when almost all is there.
                let next = len * (reader + 1) / 201;
                if fill.write(Bytes::copy_from_slice(&expected[at..next])) == Pressure::Slow {
                    fill.relief().await;
                }
                at = next;
            }
            fill.write(Bytes::copy_from_slice(&expected[at..]));
            fill.finish().unwrap();
            for reader in readers {
                assert!(reader.await.unwrap().unwrap() == expected, "{len}");
            }
            assert!(zone.settle(LIMIT));
            assert!(place.get(&zone, "h/a").await.unwrap() == expected, "{len}");
            until(|| zone.core().held.load(Ordering::Relaxed) == 0);
            assert_eq!(zone.core().backlog.load(Ordering::Relaxed), 0);
        }
    }
}

#[tokio::test]
async fn a_fill_that_is_dropped_is_an_error_to_those_who_follow_and_leaves_nothing() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    for len in [0, 100, 300_000] {
        let mut fill = place.fill(&zone, "h/a");
        fill.write(body(1, len).into());
        let readers: Vec<_> = [follow(&place, &zone, "h/a").await, follow(&place, &zone, "h/a").await].into();
        let readers: Vec<_> = readers.into_iter().map(|reader| tokio::spawn(read_along(reader))).collect();
        tokio::task::yield_now().await;
        drop(fill);
        for reader in readers {
            assert!(matches!(reader.await.unwrap(), Err(Aborted::BrokenOff)), "{len}");
        }
        assert!(place.get(&zone, "h/a").await.is_none());
        assert!(zone.settle(LIMIT));
        assert_eq!(std::fs::read_dir(place.dir.path().join("cache/.temp")).unwrap().count(), 0);
    }
    assert!(files_below(place.dir.path()).is_empty());
}

#[tokio::test]
async fn an_answer_of_another_length_than_announced_is_not_stored() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    for (announced, stored) in [("4", true), ("5", false), ("3", false), ("x", false)] {
        let mut head = place.head("h/a");
        head.response.append_header("Content-Length", announced).unwrap();
        let mut fill = begun(zone.begin(&key("h/a"), Variant::NONE, head, zone.moment()));
        let reader = follow(&place, &zone, "h/a").await;
        fill.write(Bytes::from_static(b"text"));
        assert_eq!(fill.finish().is_ok(), stored, "{announced}");
        assert_eq!(read_along(reader).await.is_ok(), stored, "{announced}");
        assert!(zone.settle(LIMIT));
        assert_eq!(place.get(&zone, "h/a").await.is_some(), stored, "{announced}");
        zone.purge(Purge::All, false);
    }
}

#[tokio::test]
async fn one_variant_is_filled_once_and_others_beside_it() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let mut fill = place.fill(&zone, "h/a");
    let Begun::Busy(reader) = zone.begin(&key("h/a"), Variant::NONE, place.head("h/a"), zone.moment()) else {
        panic!("not busy")
    };
    let mut head = place.head("h/a");
    head.meta.vary = vec!["accept".into()];
    let other = Variant::of([("accept", b"x".as_slice())]);
    assert!(matches!(zone.begin(&key("h/a"), other, head, zone.moment()), Begun::Fill(_)));
    fill.write(Bytes::from_static(b"text"));
    fill.finish().unwrap();
    assert_eq!(read_along(reader).await.unwrap(), b"text");
}

#[tokio::test]
async fn a_variant_and_the_fields_it_varies_by_go_together() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let mut varies = place.head("h/a");
    varies.meta.vary = vec!["accept".into()];
    let other = Variant::of([("accept", b"x".as_slice())]);
    assert!(matches!(zone.begin(&key("h/a"), Variant::NONE, varies, zone.moment()), Begun::Refused));
    assert!(matches!(zone.begin(&key("h/a"), other, place.head("h/a"), zone.moment()), Begun::Refused));
}

#[tokio::test]
async fn what_turns_out_too_large_for_memory_goes_on_to_those_who_keep_up() {
    let place = Place::new();
    let zone = place.zone(&ZoneSettings { path: None, ..place.settings() });
    let expected = body(1, 4_000_000);
    let mut fill = place.fill(&zone, "h/a");
    let mut quick = follow(&place, &zone, "h/a").await;
    let mut slow = follow(&place, &zone, "h/a").await;
    let mut read = vec![];
    for chunk in expected.chunks(50_000) {
        fill.write(Bytes::copy_from_slice(chunk));
        while read.len() + BLOCK < fill.len() as usize {
            read.extend_from_slice(&quick.next().await.unwrap().unwrap());
        }
    }
    assert!(!fill.is_stored());
    // Nobody new follows what will not be there.
    assert!(matches!(zone.look_up(&key("h/a"), place.now(), plain).await, Lookup::Miss { .. }));
    assert!(zone.core().held.load(Ordering::Relaxed) < 2_000_000);
    fill.finish().unwrap();
    while let Some(piece) = quick.next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert!(read == expected);
    assert!(matches!(slow.next().await, Err(Aborted::BrokenOff)));
    assert!(place.get(&zone, "h/a").await.is_none());
}

const BLOCK: usize = 65_536;

#[tokio::test]
async fn a_purge_lets_a_fill_go_on_for_its_readers_and_keeps_nothing_of_it() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    for purge in [Purge::Url(&key("h/a")), Purge::Prefix("h/"), Purge::Tag("t"), Purge::All] {
        let mut head = place.head("h/a");
        head.meta.tags = vec!["t".into()];
        let mut fill = begun(zone.begin(&key("h/a"), Variant::NONE, head, zone.moment()));
        fill.write(Bytes::from_static(b"te"));
        let reader = follow(&place, &zone, "h/a").await;
        zone.purge(purge, false);
        assert!(place.get(&zone, "h/a").await.is_none());
        // A later one is none of the purge's business.
        let mut later = place.fill(&zone, "h/a");
        later.write(Bytes::from_static(b"later"));
        later.finish().unwrap();
        assert!(zone.settle(LIMIT));
        fill.write(Bytes::from_static(b"xt"));
        fill.finish().unwrap();
        assert_eq!(read_along(reader).await.unwrap(), b"text");
        assert!(zone.settle(LIMIT));
        assert_eq!(place.get(&zone, "h/a").await.unwrap(), b"later");
        zone.purge(Purge::All, false);
    }
    assert!(files_below(place.dir.path()).is_empty());
}

#[tokio::test]
async fn an_answer_asked_for_before_a_purge_is_not_stored_after_it() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let asked = zone.moment();
    zone.purge(Purge::Prefix("h/"), false);
    assert!(matches!(zone.begin(&key("h/a"), Variant::NONE, place.head("h/a"), asked), Begun::Refused));
    assert!(matches!(zone.begin(&key("x/a"), Variant::NONE, place.head("x/a"), asked), Begun::Fill(_)));
    let asked = zone.moment();
    zone.purge(Purge::Prefix("h/"), true);
    let mut fill = begun(zone.begin(&key("h/a"), Variant::NONE, place.head("h/a"), asked));
    fill.write(Bytes::from_static(b"text"));
    fill.finish().unwrap();
    assert!(zone.settle(LIMIT));
    assert_eq!(place.hit(&zone, "h/a").await.unwrap().head.meta.fresh_until, place.now());
}

#[tokio::test]
async fn a_soft_purge_during_a_fill_stores_it_stale() {
    let place = Place::new();
    let mut zone = place.zone(&place.settings());
    let fill = place.fill(&zone, "h/a");
    zone.purge(Purge::All, true);
    fill.finish().unwrap();
    for _ in 0..2 {
        assert!(zone.settle(LIMIT));
        assert!(place.hit(&zone, "h/a").await.unwrap().head.meta.fresh_until <= place.now());
        zone = place.restart(zone, &place.settings());
    }
}

#[tokio::test]
async fn a_stale_hit_tells_that_it_is_being_updated_and_may_be_followed() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", b"old");
    assert!(!place.hit(&zone, "h/a").await.unwrap().updating);
    place.later(3600);
    assert!(!place.hit(&zone, "h/a").await.unwrap().updating);
    let locked = zone.lock(&key("h/a"), Variant::NONE);
    assert!(place.hit(&zone, "h/a").await.unwrap().updating);
    drop(locked);
    assert!(!place.hit(&zone, "h/a").await.unwrap().updating);
    let mut fill = place.fill(&zone, "h/a");
    assert!(place.hit(&zone, "h/a").await.unwrap().updating);
    let reader = zone.follow(&key("h/a"), plain).unwrap();
    fill.write(Bytes::from_static(b"new"));
    fill.finish().unwrap();
    assert_eq!(read_along(reader).await.unwrap(), b"new");
}
