//! Runs a target over its files and over what is made of them, until its time is over.

use super::mutate::{Chance, changed};
use super::{TARGETS, Target, mark};
use std::cell::Cell;
use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Processor time that no input of a few kilobytes takes, in a build that is not optimized.
pub const LONGEST: Duration = Duration::from_secs(2);
/// How long each target is run with every other test.
const MOMENT: Duration = Duration::from_millis(400);
/// An input that is not over by then, whoever else uses the processor, never is.
const HANGS: Duration = Duration::from_secs(120);
/// Inputs that are kept while a target runs.
const KEPT: usize = 2000;
/// How often something is left out of an input that failed.
const SHORTENED: usize = 3000;

/// Runs the target of this name.
pub fn drive(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let mut inputs = corpus(name);
    assert!(!inputs.is_empty(), "tests/fuzz/{name} has no file to begin with");
    let run = Run::new(target);
    let mut seen = HashSet::new();
    for (file, input) in &inputs {
        match run.once(input) {
            Ok(outcome) => drop(seen.insert(outcome)),
            Err(why) => panic!("{name} fails over {}: {why}", file.display()),
        }
    }
    let (seed, time) = (seed(), time());
    let mut chance = Chance(seed ^ mark(name));
    let (begun, mut rounds) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        let (Some((_, input)), Some((_, beside))) = (chance.of(&inputs), chance.of(&inputs)) else { return };
        let made = changed(input, beside, target.words, &mut chance);
        match run.once(&made) {
            Ok(outcome) if inputs.len() < KEPT && seen.insert(outcome) => inputs.push((PathBuf::new(), made)),
            Ok(_) => {}
            Err(why) => run.fail(&made, &why, seed),
        }
        rounds += 1;
    }
    println!("{name}: {rounds} inputs in {time:?}, {} outcomes, seed {seed}", seen.len());
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files a target begins with, in the order of their names.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(home().join("tests/fuzz").join(name)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(&file).expect("a file that can be read"))).collect()
}

fn time() -> Duration {
    let seconds = std::env::var("EDGE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let long = std::env::var_os("EDGE_TEST_LONG").is_some_and(|value| value != "0");
    seconds.map_or(if long { Duration::from_secs(20) } else { MOMENT }, Duration::from_secs)
}

/// The same each time where nobody asked for more.
fn seed() -> u64 {
    let given = std::env::var("EDGE_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| if time() == MOMENT { 1 } else { mark(std::time::SystemTime::now()) })
}

/// One target at work.
struct Run {
    target: &'static Target,
    /// What is being run, for when the process dies of it: its length, then its bytes.
    last: Option<memmap2::MmapRaw>,
    /// Counts on; who watches it knows that nothing hangs.
    count: Arc<AtomicU64>,
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

impl Run {
    fn new(target: &'static Target) -> Run {
        be_quiet_where_told();
        let count = Arc::new(AtomicU64::new(0));
        watch(target.name, Arc::downgrade(&count));
        Run { target, last: last_input(target.name), count }
    }

    /// What came of an input, or why it is a mistake.
    fn once(&self, input: &[u8]) -> Result<u64, String> {
        self.note(input);
        self.count.fetch_add(1, Ordering::Relaxed);
        let before = processor_time();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panics").to_owned()
        })?;
        let took = processor_time().saturating_sub(before);
        if took > LONGEST {
            return Err(format!("it takes {took:?} of processor time"));
        }
        Ok(outcome)
    }

    fn note(&self, input: &[u8]) {
        let Some(map) = &self.last else { return };
        let length = input.len().min(map.len() - 4);
        // SAFETY: the map is this run's alone, writable, and longer than what is written to it.
        unsafe {
            let to = map.as_mut_ptr();
            std::ptr::copy_nonoverlapping((length as u32).to_le_bytes().as_ptr(), to, 4);
            std::ptr::copy_nonoverlapping(input.as_ptr(), to.add(4), length);
        }
    }

    /// Keeps an input that failed, as short as it can be made, and ends the test.
    fn fail(&self, input: &[u8], why: &str, seed: u64) -> ! {
        let short = self.shortened(input);
        let file = output().join(format!("{}-{:016x}", self.target.name, mark(&short)));
        let kept = fs::File::create(&file).and_then(|mut file| file.write_all(&short));
        panic!(
            "{name}: {why}\nwith seed {seed}, over {} bytes: b\"{}\"\n{}: {kept:?}; once it is mended, the file stays in tests/fuzz/{name}",
            short.len(),
            short.escape_ascii(),
            file.display(),
            name = self.target.name,
        );
    }

    /// Without what it fails without.
    fn shortened(&self, input: &[u8]) -> Vec<u8> {
        QUIET.set(true);
        let mut short = input.to_vec();
        let (mut size, mut tries) = (input.len() / 2, 0);
        while size > 0 && tries < SHORTENED {
            let mut at = 0;
            while at < short.len() && tries < SHORTENED {
                let mut less = short.clone();
                less.drain(at..(at + size).min(short.len()));
                tries += 1;
                match self.once(&less) {
                    Err(_) => short = less,
                    Ok(_) => at += size,
                }
            }
            size /= 2;
        }
        QUIET.set(false);
        short
    }
}

/// Panics are what is looked for: those on the way to a shorter input are nobody's news.
fn be_quiet_where_told() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                told(info)
            }
        }));
    });
}

fn output() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| home().join("target"), PathBuf::from);
    let directory = target.join("fuzz");
    fs::create_dir_all(&directory).expect("a directory for what is found");
    directory
}

fn last_input(name: &str) -> Option<memmap2::MmapRaw> {
    let path = output().join(format!("{name}.last"));
    let file = fs::File::options().read(true).write(true).create(true).truncate(true).open(path).ok()?;
    file.set_len(64 << 10).ok()?;
    memmap2::MmapRaw::map_raw(&file).ok()
}

/// Ends the process where an input does not end.
fn watch(name: &'static str, count: Weak<AtomicU64>) {
    std::thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        while let Some(now) = count.upgrade().map(|count| count.load(Ordering::Relaxed)) {
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if since.elapsed() > HANGS {
                eprintln!("{name}: an input does not end; it is in {}/{name}.last", output().display());
                std::process::abort();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
}

/// Of this thread.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the value it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[test]
fn every_directory_of_inputs_is_a_targets() {
    for entry in fs::read_dir(home().join("tests/fuzz")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|target| target.name == name), "tests/fuzz/{name}: there is no such target");
    }
}

#[test]
fn what_fails_is_found_and_made_short() {
    fn picky(bytes: &[u8]) -> u64 {
        assert!(!bytes.windows(2).any(|two| two == b"\xff!"), "it has both");
        mark(bytes.len())
    }
    static PICKY: Target = Target { name: "picky", run: picky, words: &["\u{ff}", "!"] };
    let run = Run::new(&PICKY);
    assert!(run.once(b"abc").is_ok());
    assert_eq!(run.shortened(b"some\xff!thing"), b"\xff!");
    assert_eq!(run.once(b"\xff!"), Err("it has both".into()));
}
