//! Never a wrong byte: what breaks off, is damaged or cannot be written is fetched anew or cut off, and never sent as if
//! it were whole.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::Stage;
use super::origin::{Manner, body, page};
use crate::support::client::{Client, Failure};
use crate::support::request::get;
use crate::support::{is_long, process, wait};

const LARGE: usize = 400_000;

fn expect_body(stage: &Stage, target: &str, seed: usize, length: usize) {
    let response = stage.get(target);
    assert_eq!(response.status(), 200, "{target}: {response}");
    assert!(response.body == body(seed, length), "wrong bytes of {target}, {}", response.body.len());
}

#[test]
fn killed_in_the_middle_of_fills_it_sends_no_wrong_byte_afterwards() {
    let mut stage = Stage::start("");
    let kept = AtomicUsize::new(0);
    for round in 0..if is_long() { 30 } else { 3 } {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..6 {
                let (to, ended, kept) = (stage.to(), &ended, &kept);
                scope.spawn(move || {
                    for turn in 0.. {
                        let seed = (client + turn * 7) % 40;
                        let length = 10_000 + seed * 9_000;
                        match get(&format!("/slow/{seed}/{length}")).try_send(to) {
                            Ok(response) => {
                                assert!(response.body == body(seed, length), "wrong bytes of {seed}");
                                let hit = response.header("x-cache") == Some("HIT");
                                kept.fetch_add(usize::from(hit), Ordering::Relaxed);
                            }
                            Err(Failure::Cut(response, _)) => assert!(body(seed, length).starts_with(&response.body)),
                            Err(_) => {}
                        }
                        if ended.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(150 + round * 70 % 400));
            stage.edge.kill();
            ended.store(true, Ordering::Relaxed);
        });
        stage.edge.restart();
    }
    for seed in 0..40 {
        let length = 10_000 + seed * 9_000;
        expect_body(&stage, &format!("/slow/{seed}/{length}"), seed, length);
    }
    assert!(kept.load(Ordering::Relaxed) > 0, "nothing ever came from the cache");
}

#[test]
fn a_damaged_file_is_a_miss() {
    type Damage = fn(&Path);
    const DAMAGES: [Damage; 9] = [
        |path| std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap(),
        |path| cut(path, 10),
        |path| cut(path, 5_000),
        |path| cut(path, LARGE as u64),
        |path| flip(path, 1),
        |path| flip(path, 40),
        |path| flip(path, 150),
        |path| flip(path, LARGE as u64 / 2),
        |path| flip(path, std::fs::metadata(path).unwrap().len() - 1),
    ];
    let mut stage = Stage::start("");
    for seed in 0..DAMAGES.len() + 1 {
        expect_body(&stage, &format!("/body/{seed}/{LARGE}"), seed, LARGE);
    }
    let files = stage.wait_files(DAMAGES.len() + 1);
    stage.edge.kill();
    for (path, damage) in files.iter().zip(DAMAGES) {
        damage(path);
    }
    stage.edge.restart();
    let mut fetched = 0;
    for seed in 0..DAMAGES.len() + 1 {
        let target = format!("/body/{seed}/{LARGE}");
        match get(&target).try_send(stage.to()) {
            Ok(response) => assert!(response.body == body(seed, LARGE), "wrong bytes of {target}"),
            // The head was good: the damage was found on the way.
            Err(Failure::Cut(response, _)) => assert!(body(seed, LARGE).starts_with(&response.body)),
            Err(failure) => panic!("{failure}"),
        }
        expect_body(&stage, &target, seed, LARGE);
        fetched += stage.origin.fetched(&target);
    }
    // Each damaged one was fetched again, the good one was not.
    assert_eq!(fetched, DAMAGES.len() * 2 + 1);
}

fn cut(path: &Path, len: u64) {
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn flip(path: &Path, at: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x20], at).unwrap();
}

#[test]
fn what_lies_under_another_name_is_a_miss() {
    let mut stage = Stage::start("");
    expect_body(&stage, &format!("/body/1/{LARGE}"), 1, LARGE);
    expect_body(&stage, &format!("/body/2/{LARGE}"), 2, LARGE);
    let files = stage.wait_files(2);
    stage.edge.kill();
    let (one, two) = (std::fs::read(&files[0]).unwrap(), std::fs::read(&files[1]).unwrap());
    std::fs::write(&files[0], two).unwrap();
    std::fs::write(&files[1], one).unwrap();
    stage.edge.restart();
    for seed in [1, 2] {
        expect_body(&stage, &format!("/body/{seed}/{LARGE}"), seed, LARGE);
    }
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let mut stage = Stage::start("");
    for seed in 0..20 {
        expect_body(&stage, &format!("/body/{seed}/{}", seed * 20_000 + 30), seed, seed * 20_000 + 30);
    }
    stage.wait_files(20);
    stage.edge.restart();
    for seed in 0..20 {
        let target = format!("/body/{seed}/{}", seed * 20_000 + 30);
        let response = stage.expect(&target, "HIT");
        assert!(response.body == body(seed, seed * 20_000 + 30));
        assert_eq!(stage.origin.fetched(&target), 1);
    }
    stage.expect_quiet();
}

#[test]
fn an_answer_that_broke_off_is_not_stored() {
    let stage = Stage::start("");
    for (path, manner) in [("/length", Manner::Cut(70_000)), ("/early", Manner::Cut(0))] {
        stage.origin.say(path, page("", body(1, 100_000)).manner(manner));
        for _ in 0..2 {
            match get(path).try_send(stage.to()) {
                Err(Failure::Cut(response, _)) => assert!(body(1, 100_000).starts_with(&response.body)),
                Ok(response) => panic!("whole: {response}"),
                Err(failure) => panic!("{failure}"),
            }
        }
        assert!(stage.origin.fetched(path) >= 2);
        stage.origin.say(path, page("", body(1, 100_000)));
        let response = stage.expect(path, "MISS");
        assert!(response.body == body(1, 100_000));
        stage.expect(path, "HIT");
    }
}

#[test]
fn who_reads_along_is_cut_off_with_an_answer_that_breaks_off() {
    let stage = Stage::start("proxy_cache_lock on;");
    let whole = body(1, 300_000);
    stage.origin.say("/x", page("", whole.clone()).manner(Manner::HoldAndCut(200_000)));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| get("/x").try_send(stage.to()))).collect();
        assert!(wait::until(Duration::from_secs(5), || (stage.origin.fetched("/x") > 0).then_some(())).is_some());
        std::thread::sleep(Duration::from_millis(200));
        stage.origin.open_gate();
        for client in clients {
            match client.join().unwrap() {
                Err(Failure::Cut(response, _)) => assert!(whole.starts_with(&response.body)),
                Ok(response) => panic!("whole: {response}"),
                Err(failure) => panic!("{failure}"),
            }
        }
    });
    stage.origin.say("/x", page("", whole.clone()));
    assert!(stage.expect("/x", "MISS").body == whole);
    assert!(stage.expect("/x", "HIT").body == whole);
}

#[test]
fn a_client_that_leaves_does_not_end_the_fill() {
    let stage = Stage::start("");
    let whole = body(1, LARGE);
    stage.origin.say("/x", page("", whole.clone()).manner(Manner::Hold(100_000)));
    // One reads the head, the other leaves before there is one.
    stage.origin.say("/y", page("", whole.clone()).manner(Manner::Late));
    for path in ["/x", "/y"] {
        let mut client = Client::connect(stage.to());
        client.write(get(path).bytes());
        if path == "/x" {
            client.head("GET").expect("the head comes before the body's end");
        }
        let asked = || (stage.origin.fetched(path) > 0).then_some(());
        assert!(wait::until(Duration::from_secs(5), asked).is_some());
    }
    std::thread::sleep(Duration::from_millis(100));
    stage.origin.open_gate();
    stage.wait_files(2);
    for path in ["/x", "/y"] {
        let response = stage.expect(path, "HIT");
        assert!(response.body == whole, "wrong bytes of {path}");
        assert_eq!(stage.origin.fetched(path), 1);
    }
    stage.expect_quiet();
}

#[test]
fn a_directory_that_goes_away_costs_no_answer() {
    let stage = Stage::start("");
    expect_body(&stage, "/body/1/100000", 1, 100_000);
    stage.wait_files(1);
    std::fs::remove_dir_all(stage.edge.file("cache")).unwrap();
    std::fs::write(stage.edge.file("cache"), "no directory").unwrap();
    for seed in [1, 2, 3] {
        for _ in 0..2 {
            expect_body(&stage, &format!("/body/{seed}/{LARGE}"), seed, LARGE);
        }
    }
    expect_body(&stage, "/body/1/100000", 1, 100_000);
}

/// A file system of 2 MiB, for as long as it lives.
struct Small(tempfile::TempDir);

impl Small {
    /// None: only root may mount.
    fn mount() -> Option<Small> {
        let small = Small(process::temporary_directory("small"));
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(small.0.path());
        command.output().is_ok_and(|output| output.status.success()).then_some(small)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_costs_no_answer() {
    let Some(small) = Small::mount() else {
        eprintln!("not run: no file system can be mounted here");
        return;
    };
    let stage = Stage::start_in(&small.0.path().join("cache").to_string_lossy(), "");
    for _ in 0..2 {
        for seed in 0..12 {
            expect_body(&stage, &format!("/body/{seed}/{LARGE}"), seed, LARGE);
        }
    }
    let again: usize = (0..12).map(|seed| stage.origin.fetched(&format!("/body/{seed}/{LARGE}"))).sum();
    assert!((13..=24).contains(&again), "{again} fetches: some fit, some do not");
    drop(stage);
}

/// With nginx's default key: the same URI of two upstreams is not the same answer, though one zone keeps both.
#[test]
fn two_upstreams_in_one_zone_are_told_apart() {
    use crate::support::backend::{self, Backend};
    use crate::support::{edge::Edge, ports, request::get};
    let (one, two) = (Backend::answering(backend::ok("one")), Backend::answering(backend::ok("two")));
    let port = ports::free();
    let edge = Edge::yaml(
        &format!(
            "proxy_cache_path: {{ zone: {{ memory: 1m }} }}\nproxy_cache: zone\nproxy_cache_valid: 1h\nserver:\n  \
             - {{ listen: 127.0.0.1:{port}, server_name: [one.example], location: [ {{ match: /, proxy_pass: 'http://{}' }} ] }}\n  \
             - {{ listen: 127.0.0.1:{port}, server_name: [two.example], location: [ {{ match: /, proxy_pass: 'http://{}' }} ] }}\n",
            one.address(),
            two.address()
        ),
        port,
    )
    .start();
    for _ in 0..2 {
        for name in ["one", "two"] {
            let answer = get("/same").host(&format!("{name}.example")).send(edge.address());
            assert_eq!(answer.text(), name);
        }
    }
}
