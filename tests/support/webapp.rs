//! The small web application in `tests/webapp`, compiled at its first use.
//!
//! The result is kept under cargo's directory for test files by the hash of what it is made of, so that it is compiled
//! once per change; both Tomcats of a pair serve the same directory, so that their ETags and Last-Modified are equal.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/webapp");
const LIBRARIES: &str = "/usr/share/tomcat10/lib";

/// The size of `/js/big.js`.
pub const BIG_JS: usize = 100 * 1024;

/// The directory of the compiled application.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let mut files = Vec::new();
    list(Path::new(SOURCES), &mut files);
    files.sort();
    let mut hash = Sha256::new();
    // The generated files are part of the result too.
    hash.update(include_bytes!("webapp.rs"));
    for file in &files {
        hash.update(file.to_string_lossy().as_bytes());
        hash.update(fs::read(file).expect("a source of the web application"));
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();

    let done = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("webapp-{hash}"));
    if !done.exists() {
        let half = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("webapp-{hash}.{}", std::process::id()));
        assemble(&half);
        // Another test process may have been faster: its result is as good.
        if fs::rename(&half, &done).is_err() {
            let _ = fs::remove_dir_all(&half);
        }
    }
    done
}

fn assemble(target: &Path) {
    let web = Path::new(SOURCES).join("web");
    let mut files = Vec::new();
    list(&web, &mut files);
    for file in &files {
        let to = target.join(file.strip_prefix(&web).expect("listed below it"));
        fs::create_dir_all(to.parent().expect("below the target")).expect("a directory");
        fs::copy(file, to).expect("copying a file of the web application");
    }
    fs::write(target.join("js/big.js"), big_js()).expect("big.js");
    fs::write(target.join("docs/with space and ü.txt"), "a name that has to be encoded\n").expect("a text file");
    fs::write(target.join("img/plus+and%percent.gif"), b"GIF89a\x01\0\x01\0\0\0\0;").expect("a picture");
    compile(target);
}

fn compile(target: &Path) {
    let mut sources = Vec::new();
    list(&Path::new(SOURCES).join("src"), &mut sources);
    let libraries = ["servlet-api", "websocket-api", "websocket-client-api"]
        .map(|name| format!("{LIBRARIES}/{name}.jar"))
        .join(":");
    let answer = Command::new("javac")
        .args(["-nowarn", "-proc:none", "-encoding", "UTF-8", "-cp", &libraries, "-d"])
        .arg(target.join("WEB-INF/classes"))
        .args(&sources)
        .output()
        .expect("javac runs (tests/run setup installs it)");
    assert!(answer.status.success(), "javac: {}", String::from_utf8_lossy(&answer.stderr));
}

/// 100 KiB that compress as JavaScript does.
fn big_js() -> String {
    let mut text = String::with_capacity(BIG_JS + 80);
    for number in 0_u32.. {
        let mixed = number.wrapping_mul(2_654_435_761);
        text += &format!("function f{number}(a) {{ return a * {mixed} + f{}(a - 1); }}\n", number / 2);
        if text.len() >= BIG_JS {
            break;
        }
    }
    text.truncate(BIG_JS - 1);
    text.push('\n');
    text
}

fn list(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the web application's sources").flatten() {
        match entry.path().is_dir() {
            true => list(&entry.path(), into),
            false => into.push(entry.path()),
        }
    }
}
