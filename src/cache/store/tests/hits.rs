//! What is stored is found, in memory and on the disk, and nothing else.

use super::home::Medium;
use super::*;
use crate::cache::meta::Coding;

#[tokio::test]
async fn what_is_stored_is_found_and_the_disk_has_it_too() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    for (at, len) in [0, 1, 10_000, 65_535, 65_536, 65_537, 200_000].into_iter().enumerate() {
        let url = format!("h/{len}");
        assert!(place.get(&zone, &url).await.is_none());
        place.settle(&zone, &url, &body(at as u64, len));
        assert!(place.get(&zone, &url).await.unwrap() == body(at as u64, len), "{len}");
        assert_eq!(place.hit(&zone, &url).await.map(|hit| in_memory(&hit)), Some(len <= 65_536), "{len}");
    }
    let counters = zone.counters();
    assert_eq!((counters.objects, counters.misses, counters.hits, counters.errors), (7, 7, 14, 0));
}

#[tokio::test]
async fn memory_alone_is_enough_for_small_objects() {
    let place = Place::new();
    let zone = place.zone(&ZoneSettings { path: None, ..place.settings() });
    place.store(&zone, "h/a", b"text");
    let hit = place.hit(&zone, "h/a").await.unwrap();
    assert_eq!(hit.head.response.headers["x-url"], "h/a");
    assert_eq!(drain(hit.body).await.unwrap(), b"text");
    place.store(&zone, "h/large", &body(1, 100_000));
    assert!(place.get(&zone, "h/large").await.is_none());
    let mut announced = place.head("h/announced");
    announced.response.append_header("Content-Length", "100000").unwrap();
    let refused = zone.begin(&key("h/announced"), Variant::NONE, announced, zone.moment());
    assert!(matches!(refused, Begun::Refused));
}

#[tokio::test]
async fn a_hit_in_memory_shares_its_bytes_and_what_the_caller_prepared() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", b"text");
    let (one, other) = (place.hit(&zone, "h/a").await.unwrap(), place.hit(&zone, "h/a").await.unwrap());
    assert!(Arc::ptr_eq(&one.head, &other.head));
    let (Body::Memory(one_body), Body::Memory(other_body)) = (&one.body, &other.body) else { panic!("on disk") };
    assert_eq!(one_body.as_ptr(), other_body.as_ptr());
    assert_eq!(*one.head.prepared(|| "HTTP/1.1 200").unwrap(), *other.head.prepared(|| "else").unwrap());
}

#[tokio::test]
async fn ranges_are_cut_out_of_memory_and_disk() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    for (url, len) in [("h/small", 1000usize), ("h/large", 300_000)] {
        place.settle(&zone, url, &body(1, len));
        for range in [0..0, 0..1, 0..len, len - 1..len, len / 3..len / 2] {
            let hit = place.hit(&zone, url).await.unwrap();
            let part = hit.body.slice(range.start as u64..range.end as u64).unwrap();
            assert!(drain(part).await.unwrap() == body(1, len)[range.clone()], "{url} {range:?}");
        }
        let hit = place.hit(&zone, url).await.unwrap();
        assert!(hit.body.slice(5..len as u64 + 1).is_none());
    }
}

fn by_language(language: &'static str) -> impl Fn(&[String]) -> Wanted + Sync {
    move |names| Variant::of(names.iter().map(|name| (name.as_str(), language.as_bytes()))).into()
}

fn in_language(place: &Place, zone: &Zone, language: &'static str, body: &[u8]) {
    let mut head = place.head("h/a");
    head.meta.vary = vec!["accept-language".into()];
    let variant = by_language(language)(&head.meta.vary).variant;
    let mut fill = begun(zone.begin(&key("h/a"), variant, head, zone.moment()));
    fill.write(Bytes::copy_from_slice(body));
    fill.finish().unwrap();
    assert!(zone.settle(LIMIT));
}

async fn find(place: &Place, zone: &Zone, language: &'static str) -> Option<Vec<u8>> {
    match zone.look_up(&key("h/a"), place.now(), by_language(language)).await {
        Lookup::Hit(hit) => Some(drain(hit.body).await.unwrap()),
        _ => None,
    }
}

#[tokio::test]
async fn variants_are_chosen_by_the_fields_of_the_request_also_after_a_restart() {
    let place = Place::new();
    let mut zone = place.zone(&place.settings());
    in_language(&place, &zone, "de", b"ja");
    in_language(&place, &zone, "en", b"yes");
    for _ in 0..2 {
        assert_eq!(find(&place, &zone, "de").await.unwrap(), b"ja");
        assert_eq!(find(&place, &zone, "en").await.unwrap(), b"yes");
        assert!(find(&place, &zone, "fr").await.is_none());
        assert!(place.hit(&zone, "h/a").await.is_none());
        zone = place.restart(zone, &place.settings());
        assert_eq!(zone.counters().objects, 2);
    }
    // An answer that no longer varies replaces them all.
    place.settle(&zone, "h/a", b"one");
    assert_eq!(find(&place, &zone, "fr").await.unwrap(), b"one");
    assert_eq!((zone.counters().objects, files_below(place.dir.path()).len()), (1, 1));
}

#[tokio::test]
async fn a_made_variant_is_preferred_and_goes_with_what_it_was_made_of() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let gzip = |_: &[String]| Wanted {
        variant: Variant::NONE,
        codings: [Some(Coding::Brotli), Some(Coding::Gzip), None],
        by_edge: false,
    };
    let found = async || match zone.look_up(&key("h/a"), place.now(), gzip).await {
        Lookup::Hit(hit) => (hit.variant.coding, drain(hit.body).await.unwrap()),
        _ => panic!("a miss"),
    };
    place.settle(&zone, "h/a", b"text");
    let hit = place.hit(&zone, "h/a").await.unwrap();
    assert!(zone.add_variant(&hit, Coding::Gzip, place.head("h/a"), Bytes::from_static(b"txt")));
    assert!(zone.settle(LIMIT));
    assert_eq!(found().await, (Coding::Gzip, b"txt".to_vec()));
    assert_eq!(place.get(&zone, "h/a").await.unwrap(), b"text");
    place.settle(&zone, "h/a", b"new");
    assert_eq!(found().await, (Coding::Identity, b"new".to_vec()));
    // Made of what is no more.
    zone.add_variant(&hit, Coding::Gzip, place.head("h/a"), Bytes::from_static(b"txt"));
    assert!(zone.settle(LIMIT));
    assert_eq!(found().await, (Coding::Identity, b"new".to_vec()));
    assert_eq!(files_below(place.dir.path()).len(), 1);
}

/// By variant, in the order of their codings.
fn counted(zone: &Zone) -> Vec<u32> {
    let mut rows = zone.list("", Cursor::default(), 10).rows;
    rows.sort_by_key(|row| row.variant.coding.number());
    rows.iter().map(|row| row.hits).collect()
}

#[tokio::test]
async fn each_object_counts_how_often_clients_found_it() {
    let place = Place::new();
    let mut zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", b"text");
    assert_eq!(counted(&zone), [0]);
    let hit = place.hit(&zone, "h/a").await.unwrap();
    place.hit(&zone, "h/a").await.unwrap();
    assert_eq!(counted(&zone), [2]);
    let by_edge = |_: &[String]| Wanted { by_edge: true, ..Wanted::default() };
    assert!(matches!(zone.look_up(&key("h/a"), place.now(), by_edge).await, Lookup::Hit(_)));
    assert!(zone.add_variant(&hit, Coding::Gzip, place.head("h/a"), Bytes::from_static(b"txt")));
    assert!(zone.settle(LIMIT));
    let gzip = |_: &[String]| Wanted { codings: [Some(Coding::Gzip), None, None], ..Wanted::default() };
    assert!(matches!(zone.look_up(&key("h/a"), place.now(), gzip).await, Lookup::Hit(_)));
    assert_eq!(counted(&zone), [2, 1]);
    // A 304 confirms what is there; what is stored anew begins anew, and so does another process.
    assert!(zone.update(&hit, place.head("h/a"), zone.moment()).await);
    assert_eq!(counted(&zone), [2]);
    zone = place.restart(zone, &place.settings());
    assert_eq!(counted(&zone), [0]);
    place.hit(&zone, "h/a").await.unwrap();
    assert_eq!(counted(&zone), [1], "found on the disk");
    place.settle(&zone, "h/a", b"new");
    assert_eq!(counted(&zone), [0]);
}

#[tokio::test]
async fn a_304_exchanges_the_head_and_leaves_the_body() {
    let place = Place::new();
    let mut zone = place.zone(&place.settings());
    for (url, len) in [("h/small", 100), ("h/large", 200_000)] {
        place.settle(&zone, url, &body(1, len));
    }
    // More than fits beside the first head, too.
    for (round, text) in ["x".repeat(10), "x".repeat(2000), "x".repeat(5)].into_iter().enumerate() {
        for (url, len) in [("h/small", 100), ("h/large", 200_000)] {
            place.later(1);
            let hit = place.hit(&zone, url).await.unwrap();
            let mut head = place.head(url);
            head.response.append_header("X-Text", text.clone()).unwrap();
            assert!(zone.update(&hit, head, zone.moment()).await, "{url} {round}");
            let hit = place.hit(&zone, url).await.unwrap();
            assert_eq!(
                (&hit.head.response.headers["x-text"], hit.head.meta.stored_at),
                (&text.parse().unwrap(), place.now())
            );
            assert!(drain(hit.body).await.unwrap() == body(1, len));
        }
        zone = place.restart(zone, &place.settings());
        for (url, len) in [("h/small", 100), ("h/large", 200_000)] {
            let hit = place.hit(&zone, url).await.unwrap();
            assert_eq!(hit.head.response.headers["x-text"], text);
            assert!(drain(hit.body).await.unwrap() == body(1, len), "{url} {round}");
        }
    }
    assert_eq!(zone.counters().errors, 0);
    let files =
        files_below(place.dir.path()).iter().map(|file| file.metadata().unwrap().len().div_ceil(4096)).sum::<u64>();
    assert_eq!(zone.counters().disk_bytes, files * 4096);
}

#[tokio::test]
async fn a_304_for_an_object_that_was_replaced_changes_nothing() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", b"old");
    let hit = place.hit(&zone, "h/a").await.unwrap();
    place.settle(&zone, "h/a", b"new");
    let mut head = place.head("h/a");
    head.response.append_header("X-Text", "old").unwrap();
    assert!(!zone.update(&hit, head, zone.moment()).await);
    assert!(place.hit(&zone, "h/a").await.unwrap().head.response.headers.get("x-text").is_none());
    assert_eq!(place.get(&zone, "h/a").await.unwrap(), b"new");
}

#[tokio::test]
async fn a_collision_of_hashes_is_a_miss() {
    let place = Place::new();
    let mut zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", b"text");
    let other = key("h/a").colliding(b"something else");
    assert!(matches!(zone.look_up(&other, place.now(), plain).await, Lookup::Miss { .. }));
    assert_eq!(place.get(&zone, "h/a").await.unwrap(), b"text");
    zone = place.restart(zone, &place.settings());
    assert!(matches!(zone.look_up(&other, place.now(), plain).await, Lookup::Miss { .. }));
}

#[tokio::test]
async fn uses_are_counted_until_it_is_stored() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    for expected in 1..=3 {
        let Lookup::Miss { uses, .. } = zone.look_up(&key("h/a"), place.now(), plain).await else { panic!("no miss") };
        assert_eq!(uses, expected);
    }
}

#[tokio::test]
async fn a_list_has_every_object_once_however_small_its_pages() {
    let place = Place::new();
    let mut zone = place.zone(&place.settings());
    let mut urls: Vec<String> = (0..30).map(|at| format!("{}/{at}", if at % 3 == 0 { "a" } else { "b" })).collect();
    urls.iter().for_each(|url| place.settle(&zone, url, url.as_bytes()));
    urls.sort();
    for _ in 0..2 {
        let mut listed = vec![];
        let mut from = Some(Cursor::default());
        while let Some(cursor) = from {
            let page = zone.list("", cursor, 7);
            assert!(page.rows.len() <= 7);
            listed.extend(page.rows.iter().map(|row| (row.head.meta.url.clone(), row.body_len)));
            from = page.next;
        }
        listed.sort();
        assert_eq!(listed, urls.iter().map(|url| (url.clone(), url.len() as u64)).collect::<Vec<_>>());
        assert_eq!(zone.list("a/", Cursor::default(), 1000).rows.len(), 10);
        zone = place.restart(zone, &place.settings());
    }
}

#[tokio::test]
async fn a_file_opened_here_and_now_is_the_one_that_is_opened_elsewhere() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    for len in [0, 10_000, 100_000, 200_000] {
        let url = format!("h/{len}");
        place.settle(&zone, &url, &body(1, len));
        let file = place.file(&url);
        let told = |opened: read::Opened| (opened.front, opened.slot.serial, opened.body);
        for whole in [0, 100_000, 1 << 20] {
            let waiting = told(read::open(&file, whole).unwrap());
            // Only tmpfs and the page cache of a disk are read at once.
            assert!(read::open_cached(&file, whole, Medium::Unknown).is_none());
            let now = read::open_cached(&file, whole, Medium::Memory);
            // More than 128 KiB would hold up others.
            assert_eq!(now.is_none(), len == 200_000 && whole == 1 << 20, "{len} {whole}");
            let on_disk = read::open_cached(&file, whole, Medium::Disk);
            for opened in now.into_iter().chain(on_disk) {
                assert_eq!(told(opened.unwrap()), waiting, "{len} {whole}");
            }
        }
    }
    assert!(read::open_cached(&place.file("h/none"), 0, Medium::Memory).is_none(), "`open` tells why");
}
