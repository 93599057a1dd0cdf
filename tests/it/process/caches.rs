//! Directories of caches: made by the keeper where only root may, and what happens where nobody may write.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use tempfile::TempDir;

use crate::messages::Desk;
use crate::support::backend::Backend;
use crate::support::client;
use crate::support::edge::Edge;
use crate::support::{ports, wait};

use super::keeper::{as_nobody, is_root};
use super::{HEAD, SOON, count_errors, reload, reload_in_vain};

const NOBODY: u32 = 65534;

/// A server with these caches, the last of which is used.
fn caching(port: u16, backend: &Backend, paths: &[&Path]) -> String {
    let zones = paths.iter().enumerate().map(|(at, path)| format!("  zone{at}: {{ path: {} }}\n", path.display()));
    as_nobody(&format!(
        "{HEAD}proxy_cache_path:\n{}server:\n  - listen: 127.0.0.1:{port}\n    location:\n      - match: /\n        \
         proxy_pass: http://{}\n        proxy_cache: zone{}\n        proxy_cache_valid: {{ 200: 1h }}\n        \
         add_header: {{ X-Cache: $upstream_cache_status }}\n",
        zones.collect::<String>(),
        backend.address(),
        paths.len() - 1
    ))
}

/// A directory of root's that all may look into and only root may change.
fn roots() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    set_mode(home.path(), 0o755);
    home
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn cached(edge: &Edge, target: &str) -> String {
    let answer = client::get(edge.address(), target);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "b"), "{answer}");
    answer.header("x-cache").unwrap_or("-").to_owned()
}

fn owner(path: &Path) -> (u32, u32) {
    let made = std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    (made.uid(), made.permissions().mode() & 0o777)
}

/// Of stored answers, below a directory.
fn files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let below = entries.map(|entry| match entry.path() {
        path if path.is_dir() => files(&path),
        _ => usize::from(entry.file_name().len() >= 32),
    });
    below.sum()
}

#[test]
fn the_directory_of_a_cache_is_made_for_the_user_at_the_start_and_by_a_reload() {
    if !is_root() {
        return;
    }
    let (port, backend, home) = (ports::free(), Backend::saying("b"), roots());
    let (one, deep) = (home.path().join("caches/one"), home.path().join("caches/deep"));
    let two = deep.join("two");
    let edge = Edge::yaml(&caching(port, &backend, &[&one]), port).start();
    assert_eq!([cached(&edge, "/a"), cached(&edge, "/a")], ["MISS", "HIT"], "{}", edge.errors());
    assert_eq!((owner(&home.path().join("caches")), owner(&one)), ((0, 0o755), (NOBODY, 0o700)));
    reload(&edge, &caching(port, &backend, &[&one, &two]));
    assert_eq!([cached(&edge, "/a"), cached(&edge, "/a")], ["MISS", "HIT"], "{}", edge.errors());
    assert_eq!((owner(&deep), owner(&two)), ((0, 0o755), (NOBODY, 0o700)));
    for made in [&one, &two] {
        assert!(wait::until(SOON, || (files(made) == 1).then_some(())).is_some(), "{}", made.display());
    }
}

/// Nobody leads root elsewhere by a link in a directory of the user's.
#[test]
fn a_directory_that_the_user_could_have_put_a_link_to_is_not_made() {
    if !is_root() {
        return;
    }
    let (port, backend, home) = (ports::free(), Backend::saying("b"), roots());
    let (one, theirs, other) = (home.path().join("one"), home.path().join("theirs"), home.path().join("other"));
    std::fs::create_dir(&theirs).unwrap();
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(&other, theirs.join("link")).unwrap();
    chown(&theirs, Some(NOBODY), Some(NOBODY)).unwrap();
    let edge = Edge::yaml(&caching(port, &backend, &[&one]), port).start();
    reload_in_vain(&edge, &caching(port, &backend, &[&one, &theirs.join("link/cache")]));
    assert!(!other.join("cache").exists());
    assert_eq!(cached(&edge, "/a"), "MISS");
}

#[test]
fn a_directory_that_edge_may_not_write_to_is_told_and_changes_nothing() {
    if !is_root() {
        return;
    }
    let (port, backend, home) = (ports::free(), Backend::saying("b"), roots());
    let (own, roots) = (home.path().join("own"), home.path().join("roots"));
    std::fs::create_dir(&roots).unwrap();
    let told = format!("cannot write to {}: Permission denied", roots.display());
    let desk = Desk::new();
    desk.put("edge.yaml", caching(port, &backend, &[&roots]));
    let said = desk.edge(&["-c", "edge.yaml"]);
    assert!(!said.status.success() && said.stderr.contains(&told), "{}", said.stderr);
    assert!(said.stderr.contains("must belong to the user edge runs as"), "{}", said.stderr);
    let edge = Edge::yaml(&caching(port, &backend, &[&own]), port).start();
    assert_eq!(cached(&edge, "/a"), "MISS");
    reload_in_vain(&edge, &caching(port, &backend, &[&own, &roots]));
    assert!(count_errors(&edge, &told) > 0, "{}", edge.errors());
    assert_eq!(cached(&edge, "/a"), "HIT");
    assert_eq!(owner(&roots).0, 0, "what is root's stays root's");
}

#[test]
fn a_directory_that_is_taken_away_while_edge_runs_costs_no_answer() {
    if !is_root() {
        return;
    }
    let (port, backend, home) = (ports::free(), Backend::saying("b"), roots());
    let cache = home.path().join("cache");
    let edge = Edge::yaml(&caching(port, &backend, &[&cache]), port).start();
    assert_eq!([cached(&edge, "/a"), cached(&edge, "/a")], ["MISS", "HIT"]);
    for path in [cache.join(".temp"), cache.clone()] {
        chown(&path, Some(0), Some(0)).unwrap();
        set_mode(&path, 0o755);
    }
    for target in ["/b", "/c"] {
        cached(&edge, target);
        cached(&edge, target);
    }
    assert_eq!(cached(&edge, "/a"), "HIT");
    assert!(edge.wait_error("Permission denied"), "nobody is told: {}", edge.errors());
    // And back: it stores again.
    for path in [&cache, &cache.join(".temp")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let stored = |turn: &mut usize| {
        *turn += 1;
        cached(&edge, &format!("/d{turn}"));
        (files(&cache) > 1).then_some(())
    };
    let mut turn = 0;
    assert!(wait::until(SOON, || stored(&mut turn)).is_some(), "it never stores again: {}", edge.errors());
}
