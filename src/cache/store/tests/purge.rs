//! By URL, prefix and tag, and all; what is in memory, on the disk, or both.

use super::*;

/// Two URLs of two hosts with two tags, one of them in two variants.
fn furnish(place: &Place, zone: &Zone) {
    for (url, tag) in [("a/1", "x"), ("a/2", "y"), ("b/1", "x"), ("b/2", "y")] {
        let mut head = place.head(url);
        head.meta.tags = vec![tag.into(), "all".into()];
        let mut fill = begun(zone.begin(&key(url), Variant::NONE, head, zone.moment()));
        fill.write(body(1, if url == "a/1" { 200_000 } else { 100 }).into());
        fill.finish().unwrap();
    }
    assert!(zone.settle(LIMIT));
}

#[derive(Debug, PartialEq)]
enum Found {
    Fresh,
    Stale,
    Nothing,
}

async fn found(place: &Place, zone: &Zone, url: &str) -> Found {
    match place.hit(zone, url).await {
        Some(hit) if hit.head.meta.fresh_until > place.now() => Found::Fresh,
        Some(hit) => {
            assert!(!drain(hit.body).await.unwrap().is_empty());
            Found::Stale
        }
        None => Found::Nothing,
    }
}

#[tokio::test]
async fn what_is_named_goes_or_becomes_stale_and_nothing_else() {
    let purges: [(&str, &str, &[&str]); 8] = [
        ("url", "", &["a/1"]),
        ("exact", "a/1", &["a/1"]),
        ("exact", "a/", &[]),
        ("prefix", "a/", &["a/1", "a/2"]),
        ("prefix", "c/", &[]),
        ("tag", "y", &["a/2", "b/2"]),
        ("tag", "all", &["a/1", "a/2", "b/1", "b/2"]),
        ("all", "", &["a/1", "a/2", "b/1", "b/2"]),
    ];
    for (kind, text, expected) in purges {
        for (soft, loaded_anew, on_disk) in
            [(false, false, true), (true, false, true), (false, true, true), (true, true, true), (false, false, false)]
        {
            let place = Place::new();
            let settings = match on_disk {
                true => place.settings(),
                false => ZoneSettings { path: None, memory: 64 << 20, ..place.settings() },
            };
            let mut zone = place.zone(&settings);
            furnish(&place, &zone);
            if loaded_anew {
                zone = place.restart(zone, &settings);
            }
            let url = key("a/1");
            let purge = match kind {
                "url" => Purge::Url(&url),
                "exact" => Purge::Exact(text),
                "prefix" => Purge::Prefix(text),
                "tag" => Purge::Tag(text),
                _ => Purge::All,
            };
            assert_eq!(zone.purge(purge, soft), expected.len() as u64, "{kind} {text} {soft} {loaded_anew}");
            let rounds = if on_disk { 2 } else { 1 };
            for round in 0..rounds {
                for url in ["a/1", "a/2", "b/1", "b/2"] {
                    let hit = if soft { Found::Stale } else { Found::Nothing };
                    let expected = if expected.contains(&url) { hit } else { Found::Fresh };
                    assert_eq!(found(&place, &zone, url).await, expected, "{kind} {text} {soft} {url} {round}");
                }
                if round + 1 < rounds {
                    zone = place.restart(zone, &settings);
                }
            }
            // And it is over.
            if let Some(url) = expected.first() {
                place.settle(&zone, url, b"new");
                assert_eq!(found(&place, &zone, url).await, Found::Fresh);
            }
        }
    }
}

#[tokio::test]
async fn a_soft_purge_is_not_undone_by_a_304_that_was_asked_for_before() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    furnish(&place, &zone);
    let hit = place.hit(&zone, "a/2").await.unwrap();
    let asked = zone.moment();
    zone.purge(Purge::Url(&key("a/2")), true);
    assert!(zone.update(&hit, place.head("a/2"), asked).await);
    assert_eq!(found(&place, &zone, "a/2").await, Found::Stale);
    assert!(zone.update(&hit, place.head("a/2"), zone.moment()).await);
    assert_eq!(found(&place, &zone, "a/2").await, Found::Fresh);
}
