//! What users get: the Debian package, the image, manual pages and completions. Each is made as users make it, and then used.

mod image;
mod package;
mod words;

use std::path::{Path, PathBuf};
use std::process::Command;

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a command prints; it must end well and complain of nothing.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{command:?}: {}\n{complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where a program is, if it is installed. /usr/sbin is not in everyone's PATH.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| file.exists())
}
