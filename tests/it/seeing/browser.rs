//! The live page in a real browser: Chromium without a window. `EDGE_TEST_BLESS=1` keeps its picture for the README.

use super::Seen;
use crate::support::process::Process;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

const WIDTH: u32 = 1360;
const HEIGHT: u32 = 940;
/// Of the browser's own clock, which runs as fast as the page lets it.
const SHOWN: &str = "--virtual-time-budget=60000";

/// What it says, its complaints about a machine without a desktop included.
fn browse(seen: &Seen, what: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new("chromium");
    // What runs as root cannot have a sandbox of its own.
    chromium.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]);
    chromium.arg(format!("--user-data-dir={}", profile.path().display()));
    chromium.arg(format!("--window-size={WIDTH},{HEIGHT}"));
    // Nothing but edge can be reached.
    chromium.args([SHOWN, "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", what]);
    chromium.arg(format!("http://{}/", seen.admin));
    let output = profile.path().join("said");
    let ended = Process::start("chromium", chromium, &output, libc::SIGKILL).wait_end(Duration::from_secs(90));
    let said = String::from_utf8_lossy(&std::fs::read(output).unwrap()).into_owned();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}: {said}");
    said
}

#[test]
fn the_live_page_shows_in_a_browser_what_is_going_on() {
    let seen = Seen::start();
    let done = AtomicBool::new(false);
    let ask = || {
        let targets = ["/a", "/x.css", "/x.css", "/y.css", "/broken", "/b"];
        for target in targets.iter().cycle().take_while(|_| !done.load(Relaxed)) {
            seen.get(target);
        }
    };
    let (dom, picture) = std::thread::scope(|scope| {
        scope.spawn(ask);
        scope.spawn(ask);
        let dom = browse(&seen, "--dump-dom");
        let file = tempfile::tempdir().unwrap();
        let path = file.path().join("page.png");
        browse(&seen, &format!("--screenshot={}", path.display()));
        done.store(true, Relaxed);
        (dom, std::fs::read(path).unwrap())
    });
    let table = dom.split("<main").nth(1).expect("the page has drawn something");
    for text in ["Requests per second", "Answered by the cache", "<polygon", "<polyline", "shop.test", ">up<", "pages"]
    {
        assert!(table.contains(text), "{text}: {dom}");
    }
    assert!(table.contains(&seen.backend.address().to_string()), "{dom}");
    assert!(dom.contains("<span id=\"trouble\" role=\"status\"></span>"), "{dom}");
    assert_eq!(size_of(&picture), (WIDTH, HEIGHT));
    // An empty page of that size has 8 KB.
    assert!(picture.len() > 40_000, "{} bytes", picture.len());
    if std::env::var_os("EDGE_TEST_BLESS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/live.png"), picture).unwrap();
    }
}

/// Width and height of a PNG.
fn size_of(picture: &[u8]) -> (u32, u32) {
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "no PNG");
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}
