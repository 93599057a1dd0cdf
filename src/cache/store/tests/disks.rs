//! Disks that fail: full, read-only, gone. The zone goes on, and hands out nothing wrong.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// A file system in memory of its own, unmounted at the end.
struct Small(PathBuf);

impl Small {
    /// None: only root may mount.
    fn mount(path: &Path, size: &str) -> Option<Small> {
        fs::create_dir_all(path).unwrap();
        let options = format!("size={size},mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "edge-test"]).arg(path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Small(path.to_owned()));
        }
        eprintln!("skipped: a file system of its own cannot be mounted here");
        None
    }

    fn make_read_only(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What is still open keeps it alive until it is closed.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_stores_nothing_and_readers_get_all_of_it() {
    let place = Place::new();
    let Some(_disk) = Small::mount(&place.dir.path().join("cache"), "1m") else { return };
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/first", &body(1, 500_000));
    let expected = body(2, 3_000_000);
    let mut fill = place.fill(&zone, "h/large");
    let Lookup::Filling(follow) = zone.look_up(&key("h/large"), place.now(), plain).await else { panic!("no fill") };
    let mut reader = tokio::spawn(read_along(follow));
    for chunk in expected.chunks(20_000) {
        fill.write(Bytes::copy_from_slice(chunk));
        // The reader keeps up: for one that does not there is no place left.
        tokio::task::yield_now().await;
        if fill.len().is_multiple_of(200_000) {
            let _ = tokio::time::timeout(Duration::from_millis(5), &mut reader).await;
        }
    }
    fill.finish().unwrap();
    assert!(reader.await.unwrap().unwrap() == expected);
    assert!(zone.settle(LIMIT));
    assert!(place.get(&zone, "h/large").await.is_none());
    assert!(zone.counters().errors > 0);
    // What fits memory is kept there.
    place.settle(&zone, "h/fill", &body(3, 400_000));
    place.settle(&zone, "h/small", &body(4, 60_000));
    place.settle(&zone, "h/small2", &body(5, 60_000));
    for (url, seed) in [("h/small", 4), ("h/small2", 5)] {
        assert!(place.get(&zone, url).await.unwrap() == body(seed, 60_000));
    }
    assert!(place.get(&zone, "h/first").await.unwrap() == body(1, 500_000));
    // There is room again.
    zone.purge(Purge::All, false);
    place.settle(&zone, "h/again", &body(6, 500_000));
    assert!(place.get(&zone, "h/again").await.unwrap() == body(6, 500_000));
    assert!(zone.settle(LIMIT));
}

#[tokio::test]
async fn a_disk_that_takes_nothing_any_more_keeps_answering() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", &body(1, 200_000));
    // No permission would be no obstacle to root; this is one to everybody.
    let temporary = place.dir.path().join("cache/.temp");
    fs::remove_dir(&temporary).unwrap();
    fs::write(&temporary, "").unwrap();
    place.settle(&zone, "h/b", &body(2, 200_000));
    place.settle(&zone, "h/c", b"small");
    assert!(place.get(&zone, "h/a").await.unwrap() == body(1, 200_000));
    assert!(place.get(&zone, "h/b").await.is_none());
    assert_eq!(place.get(&zone, "h/c").await.unwrap(), b"small");
    fs::remove_file(&temporary).unwrap();
    place.settle(&zone, "h/b", &body(2, 200_000));
    assert!(place.get(&zone, "h/b").await.unwrap() == body(2, 200_000));
}

#[tokio::test]
async fn an_object_whose_head_cannot_be_replaced_goes() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", &body(1, 200_000));
    let hit = place.hit(&zone, "h/a").await.unwrap();
    fs::remove_file(place.file("h/a")).unwrap();
    fs::create_dir(place.file("h/a")).unwrap();
    assert!(!zone.update(&hit, place.head("h/a"), zone.moment()).await);
    assert!(place.get(&zone, "h/a").await.is_none());
    assert_eq!(zone.counters().objects, 0);
}

#[tokio::test]
async fn a_directory_that_vanishes_is_made_anew() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", &body(1, 200_000));
    let mut fill = place.fill(&zone, "h/b");
    fill.write(body(2, 200_000).into());
    fs::remove_dir_all(place.dir.path().join("cache")).unwrap();
    assert!(place.get(&zone, "h/a").await.is_none());
    fill.finish().unwrap();
    assert!(zone.settle(LIMIT));
    // Its temporary file went with the directory.
    assert!(place.get(&zone, "h/b").await.is_none_or(|read| read == body(2, 200_000)));
    place.settle(&zone, "h/c", &body(3, 200_000));
    assert!(place.get(&zone, "h/c").await.unwrap() == body(3, 200_000));
}

#[test]
fn a_directory_that_cannot_be_written_is_told() {
    let place = Place::new();
    let settings = place.settings();
    fs::write(place.dir.path().join("cache"), "a file").unwrap();
    let refused = place.apply("z", &settings);
    let Err(error @ ZoneError::Unwritable { .. }) = refused else { panic!("taken") };
    let said = error.to_string();
    assert!(said.starts_with("the cache `z` cannot write to ") && said.contains("/cache: "), "{said}");
    let Some(disk) = Small::mount(&place.dir.path().join("ro"), "1m") else { return };
    disk.make_read_only();
    let refused = place.apply("z", &ZoneSettings { path: Some(disk.0.join("cache")), ..settings });
    assert!(matches!(refused, Err(ZoneError::Unwritable { .. })));
}

#[tokio::test]
async fn directories_and_files_are_for_their_owner_only() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    place.settle(&zone, "h/a", b"text");
    let file = place.file("h/a");
    for path in file.ancestors().take(4) {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
}
