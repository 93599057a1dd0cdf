//! Files that are not what they were.

use super::*;
use std::fs;

/// Stores an object, ends the zone, changes its file, begins again.
async fn with_changed_file(len: usize, change: impl Fn(&Path, Vec<u8>)) -> (Place, Arc<Zone>) {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", &body(1, len));
    place.end(zone);
    let file = place.file("h/a");
    change(&file, fs::read(&file).unwrap());
    let zone = place.zone(&place.settings());
    (place, zone)
}

async fn is_a_miss_and_removed(place: &Place, zone: &Zone, what: &str) {
    assert!(place.get(zone, "h/a").await.is_none(), "{what}");
    assert!(zone.settle(LIMIT));
    assert!(!place.file("h/a").exists(), "{what}");
    assert_eq!(zone.counters().objects, 0, "{what}");
    place.settle(zone, "h/a", b"again");
    assert_eq!(place.get(zone, "h/a").await.unwrap(), b"again", "{what}");
}

#[tokio::test]
async fn a_short_or_long_file_is_a_miss_and_removed() {
    for len in [1000, 200_000] {
        let (place, _) = with_changed_file(len, |_, _| {}).await;
        let whole = fs::metadata(place.file("h/a")).unwrap().len();
        for short in [0, 1, 63, 64, 100, 500, whole / 2, whole - 1, whole + 1] {
            let (place, zone) = with_changed_file(len, |file, _| {
                fs::File::options().write(true).open(file).unwrap().set_len(short).unwrap()
            })
            .await;
            is_a_miss_and_removed(&place, &zone, &format!("{short} of {whole}")).await;
        }
    }
}

/// One zone, one file, each byte in turn: in the front, both slots, the body and its checksum.
#[tokio::test]
async fn a_flipped_byte_anywhere_never_gives_another_answer() {
    let (place, mut zone) = with_changed_file(300, |_, _| {}).await;
    let file = place.file("h/a");
    let sound = fs::read(&file).unwrap();
    let mut harmless = 0;
    for at in 0..sound.len() {
        place.end(zone);
        let mut flipped = sound.clone();
        flipped[at] ^= 0x10;
        fs::write(&file, flipped).unwrap();
        zone = place.zone(&place.settings());
        // What no checksum covers is never read: the slot that was not used, the end of the one that was.
        match place.hit(&zone, "h/a").await {
            Some(hit) => {
                assert_eq!(hit.head.response.headers["x-url"], "h/a");
                assert!(drain(hit.body).await.unwrap() == body(1, 300), "{at}");
                harmless += 1;
            }
            None => assert!(zone.settle(LIMIT) && !file.exists(), "{at}"),
        }
    }
    assert!(sound.len() - harmless > 300 + 64, "{harmless} of {}", sound.len());
}

#[tokio::test]
async fn a_flipped_byte_in_a_later_block_is_an_error_midway_and_the_object_goes() {
    let len = 300_000;
    let (place, zone) = with_changed_file(len, |file, mut bytes| {
        let at = bytes.len() - 100_000;
        bytes[at] ^= 1;
        fs::write(file, bytes).unwrap();
    })
    .await;
    let mut body_read = place.hit(&zone, "h/a").await.unwrap().body;
    let mut read = vec![];
    let error = loop {
        match body_read.next().await {
            Ok(Some(piece)) => read.extend_from_slice(&piece),
            Ok(None) => panic!("an end"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(read.len() > 65_536 && body(1, len).starts_with(&read));
    is_a_miss_and_removed(&place, &zone, "after an error").await;
}

#[tokio::test]
async fn blocks_that_changed_places_are_found_out() {
    let (place, zone) = with_changed_file(200_000, |file, mut bytes| {
        let begin = bytes.len() - 200_000 - 4 * 4;
        let block = 65_536 + 4;
        let (first, second) = (bytes[begin..begin + block].to_vec(), bytes[begin + block..begin + 2 * block].to_vec());
        bytes[begin..begin + block].copy_from_slice(&second);
        bytes[begin + block..begin + 2 * block].copy_from_slice(&first);
        fs::write(file, bytes).unwrap();
    })
    .await;
    let hit = place.hit(&zone, "h/a").await.unwrap();
    assert!(drain(hit.body).await.is_err());
}

#[tokio::test]
async fn the_file_of_another_key_or_variant_or_version_is_a_miss_and_removed() {
    let (place, zone) = with_changed_file(100, |_, _| {}).await;
    place.settle(&zone, "h/b", b"other");
    place.end(zone);
    fs::rename(place.file("h/b"), place.file("h/a")).unwrap();
    let zone = place.zone(&place.settings());
    is_a_miss_and_removed(&place, &zone, "key").await;
    place.end(zone);

    let varied = place.file("h/a").to_string_lossy().replace("-00000000", "-00000001");
    fs::copy(place.file("h/a"), &varied).unwrap();
    let zone = place.zone(&place.settings());
    let wanted = |_: &[String]| Variant { fields: (1u128 << 96).to_be_bytes(), ..Variant::NONE }.into();
    assert!(matches!(zone.look_up(&key("h/a"), place.now(), wanted).await, Lookup::Miss { .. }));
    assert!(zone.settle(LIMIT) && !Path::new(&varied).exists());

    let (place, zone) = with_changed_file(100, |file, mut bytes| {
        bytes[8] = 99;
        fs::write(file, bytes).unwrap();
    })
    .await;
    is_a_miss_and_removed(&place, &zone, "version").await;
}

#[tokio::test]
async fn a_file_that_is_truncated_while_it_is_read_is_an_error() {
    let (place, zone) = with_changed_file(1_000_000, |_, _| {}).await;
    let mut read = place.hit(&zone, "h/a").await.unwrap().body;
    assert!(read.next().await.unwrap().is_some());
    fs::File::options().write(true).open(place.file("h/a")).unwrap().set_len(200_000).unwrap();
    while let Ok(piece) = read.next().await {
        assert!(piece.is_some(), "an end");
    }
    is_a_miss_and_removed(&place, &zone, "truncated").await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_a_miss_and_one_that_is_unlinked_is_read_to_its_end() {
    let (place, zone) = with_changed_file(1_000_000, |_, _| {}).await;
    let hit = place.hit(&zone, "h/a").await.unwrap();
    fs::remove_file(place.file("h/a")).unwrap();
    assert!(drain(hit.body).await.unwrap() == body(1, 1_000_000));
    is_a_miss_and_removed(&place, &zone, "gone").await;
    assert_eq!(zone.counters().errors, 0);
}

#[tokio::test]
async fn a_torn_new_head_leaves_the_old_one() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", &body(1, 300));
    let before = fs::read(place.file("h/a")).unwrap();
    let hit = place.hit(&zone, "h/a").await.unwrap();
    let mut head = place.head("h/a");
    head.response.append_header("X-Text", "new").unwrap();
    assert!(zone.update(&hit, head, zone.moment()).await && zone.settle(LIMIT));
    place.end(zone);
    let after = fs::read(place.file("h/a")).unwrap();
    let changed: Vec<usize> = (0..after.len()).filter(|at| before[*at] != after[*at]).collect();
    for kept in [0, 1, 4, 10, changed.len() / 2, changed.len() - 1] {
        let mut torn = before.clone();
        changed[..kept].iter().for_each(|at| torn[*at] = after[*at]);
        fs::write(place.file("h/a"), torn).unwrap();
        let zone = place.zone(&place.settings());
        let hit = place.hit(&zone, "h/a").await.unwrap();
        assert!(hit.head.response.headers.get("x-text").is_none(), "{kept}");
        assert!(drain(hit.body).await.unwrap() == body(1, 300));
        place.end(zone);
    }
}
