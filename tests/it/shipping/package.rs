//! The Debian package, made of the list in Cargo.toml, unpacked and used.

use super::{home, printed, program};
use crate::support::edge;
use crate::support::process::temporary_directory;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Source, destination and mode of each file of the package, as Cargo.toml lists them.
fn assets() -> Vec<[String; 3]> {
    let manifest = std::fs::read_to_string(home().join("Cargo.toml")).unwrap();
    let (_, section) = manifest.split_once("[package.metadata.deb]\n").expect("the package is described");
    let (_, list) = section.split_once("assets = [\n").expect("the package has files");
    let lines = list.lines().take_while(|line| *line != "]");
    let entry = |line: &str| {
        let words: Vec<String> = line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        <[String; 3]>::try_from(words).unwrap_or_else(|words| panic!("`{line}` is not three texts: {words:?}"))
    };
    lines.map(entry).collect()
}

/// The list that `dpkg-deb -c` prints: mode and owner of each file.
fn contents(package: &Path) -> BTreeMap<String, String> {
    let list = printed(Command::new("dpkg-deb").arg("-c").arg(package));
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[5].trim_start_matches('.').to_owned(), format!("{} {}", words[0], words[1]))
    };
    list.lines().map(line).collect()
}

#[test]
fn the_package_is_made_of_what_the_manifest_lists_and_what_it_installs_works() {
    if program("dpkg-deb").is_none() {
        return println!("not run: there is no dpkg-deb");
    }
    let directory = temporary_directory("package");
    let package = directory.path().join("edge.deb");
    let mut build = Command::new(home().join("conf/debian/build"));
    // Nobody downloads this one.
    printed(build.arg(edge::program()).arg(&package).env("DPKG_DEB_COMPRESSOR_TYPE", "none"));

    let told = printed(Command::new("dpkg-deb").arg("-I").arg(&package));
    for line in [
        "Package: edge".to_owned(),
        format!("Version: {}-1", env!("CARGO_PKG_VERSION")),
        format!("Description: {}", env!("CARGO_PKG_DESCRIPTION")),
    ] {
        assert!(told.lines().any(|said| said.trim() == line), "`{line}` is not told: {told}");
    }
    let depends = told.lines().find(|line| line.trim().starts_with("Depends: ")).expect("it depends on something");
    assert!(depends.contains("libc6") && depends.contains("adduser") && !depends.contains('$'), "{depends}");

    let installed = contents(&package);
    for [source, destination, mode] in assets() {
        let name = source.rsplit('/').next().unwrap_or_default().replace('*', "edge.1.gz");
        let path = match destination.ends_with('/') {
            true => format!("/{destination}{name}"),
            false => format!("/{destination}"),
        };
        let expected = if mode == "755" { "-rwxr-xr-x root/root" } else { "-rw-r--r-- root/root" };
        assert_eq!(installed.get(&path).map(String::as_str), Some(expected), "{path}: {installed:#?}");
    }

    let root = directory.path().join("root");
    printed(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&root));
    printed(Command::new("dpkg-deb").arg("-e").arg(&package).arg(root.join("DEBIAN")));
    check_scripts(&root);
    check_configuration(&root, &installed);
    check_unit(&root);
}

fn check_scripts(root: &Path) {
    for name in ["postinst", "prerm", "postrm"] {
        let script = root.join("DEBIAN").join(name);
        printed(Command::new("sh").arg("-n").arg(&script));
        let text = std::fs::read_to_string(&script).unwrap();
        assert!(text.starts_with("#!/bin/sh\n") && text.contains("\nset -e\n"), "{name}: {text}");
    }
}

/// What is below /etc is its owner's from the first day on; and the program that is installed finds it right.
fn check_configuration(root: &Path, installed: &BTreeMap<String, String>) {
    let kept = std::fs::read_to_string(root.join("DEBIAN/conffiles")).unwrap();
    let configured: Vec<&str> =
        installed.keys().map(String::as_str).filter(|path| path.starts_with("/etc/") && !path.ends_with('/')).collect();
    assert_eq!(configured, kept.lines().collect::<Vec<_>>());
    let mut check = Command::new(root.join("usr/bin/edge"));
    let said = check.args(["-t", "-p"]).arg(root).arg("-c").arg(root.join("etc/edge/edge.yaml")).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

fn check_unit(root: &Path) {
    let unit = std::fs::read_to_string(root.join("lib/systemd/system/edge.service")).unwrap();
    for line in [
        "ExecReload=/usr/bin/edge -s reload -p /var/lib/edge -c /etc/edge/edge.yaml",
        "KillSignal=SIGQUIT",
        "NoNewPrivileges=yes",
    ] {
        assert!(unit.lines().any(|is| is == line), "the unit has no `{line}`");
    }
    let Some(analyze) = program("systemd-analyze") else { return println!("the unit is not verified: no systemd") };
    // It asks whether the programs are there.
    let here = root.join("edge.service");
    let at = root.join("usr/bin/edge");
    std::fs::write(&here, unit.replace("/usr/bin/edge", &at.to_string_lossy())).unwrap();
    let said = Command::new(analyze).args(["verify", "--man=no"]).arg(&here).output().unwrap();
    let complaints = String::from_utf8_lossy(&said.stderr).into_owned();
    // Of other units, and of a machine without a manager, it may say what it will.
    assert!(!complaints.contains("edge.service"), "{complaints}");
}

#[test]
fn every_file_the_package_takes_from_the_tree_is_there() {
    let sources = assets().into_iter().map(|[source, _, _]| source).filter(|source| !source.starts_with("target/"));
    let sources: Vec<String> = sources.collect();
    assert!(sources.len() >= 6, "{sources:?}");
    for source in sources {
        assert!(home().join(&source).is_file(), "{source}");
    }
}
