//! The image, built from the Dockerfile on a Debian made for it, and run as a container would be: as nobody, with a root that
//! nobody can write to.
//!
//! It needs root and what `tests/run` installs for it, but no service and no image of others. It keeps a disk busy, so `tests/run`
//! runs it behind all others (`EDGE_TEST_IMAGE=try`) and says so where it cannot be; `tests/run image` insists (`=yes`).

use super::{home, program};
use crate::support::edge::{self, Edge};
use crate::support::process::{Process, temporary_directory};
use crate::support::{client, ports, wait};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NEEDED: [&str; 5] = ["debootstrap", "buildah", "unshare", "nsenter", "chroot"];
const BASE: &str = "edge-test-base";
const IMAGE: &str = "edge-test";

/// How a runtime starts a container, in a mount namespace of its own: $1 is its root, $2 the configuration, the rest what is run.
const START: &str = r#"
set -e
root=$1 configuration=$2
shift 2
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/var/lib/edge"
mount --bind "$configuration" "$root/etc/edge/edge.yaml"
mount -o remount,bind,ro "$root"
exec chroot --userspec=nobody:nogroup "$root" "$@"
"#;

/// buildah's store, which is gone with the test.
struct Store(tempfile::TempDir);

impl Store {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What buildah prints in one line, or why it did not.
    fn buildah(&self, words: &[&str]) -> Result<String, String> {
        let mut command = limited("buildah");
        command.arg("--root").arg(self.path("root")).arg("--runroot").arg(self.path("run"));
        run(command.args(["--storage-driver", "vfs"]).args(words)).map(|said| said.trim().to_owned())
    }

    fn built(&self, words: &[&str]) -> String {
        self.buildah(words).unwrap_or_else(|why| panic!("buildah {words:?}: {why}"))
    }

    /// A Debian and nothing else, of the version that this machine's program was built for.
    fn make_base(&self) -> Result<(), String> {
        let container = self.buildah(&["from", "scratch"])?;
        let root = self.buildah(&["mount", &container])?;
        let mut debootstrap = limited("debootstrap");
        run(debootstrap.args(["--variant=minbase", &codename(), &root])).inspect_err(|_| {
            let log = std::fs::read_to_string(Path::new(&root).join("debootstrap/debootstrap.log"));
            eprintln!("{}", log.unwrap_or_default());
        })?;
        self.buildah(&["umount", &container])?;
        self.buildah(&["commit", "-q", "--rm", &container, BASE]).map(drop)
    }

    /// Built from our Dockerfile, with the program of this build.
    fn make_image(&self) {
        let context = self.path("context");
        for (file, from) in
            [("Dockerfile", home().join("Dockerfile")), ("conf/minimal.yaml", home().join("conf/minimal.yaml"))]
        {
            let to = context.join(file);
            std::fs::create_dir_all(to.parent().expect("it is below the context")).unwrap();
            std::fs::copy(from, to).unwrap();
        }
        let binary = context.join("target/release/edge");
        std::fs::create_dir_all(context.join("target/release")).unwrap();
        let is_stripped = Command::new("strip").arg("-o").arg(&binary).arg(edge::program()).status();
        if !is_stripped.is_ok_and(|status| status.success()) {
            std::fs::copy(edge::program(), &binary).unwrap();
        }
        let (base, program) = (format!("BASE_IMAGE=localhost/{BASE}"), "PROGRAM=prebuilt");
        // A health check stands only in an image of docker's format.
        let how = ["bud", "--isolation", "chroot", "--format", "docker", "--pull-never", "--tag", IMAGE];
        let arguments = ["--build-arg", &base, "--build-arg", program, context.to_str().expect("UTF-8")];
        self.built(&[&how[..], &arguments].concat());
    }

    fn image(&self) -> Value {
        let told: Value = serde_json::from_str(&self.built(&["inspect", "--type", "image", IMAGE])).expect("JSON");
        told["Docker"]["config"].clone()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // What is mounted would be emptied with the directory.
        let _ = self.buildah(&["umount", "--all"]);
        let _ = self.buildah(&["rm", "--all"]);
    }
}

/// A command that ends, if need be by force.
fn limited(name: &str) -> Command {
    let mut command = Command::new("timeout");
    command.arg("300").arg(program(name).unwrap_or_else(|| name.into()));
    command
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(format!("{command:?}: {}\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

fn codename() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    match release.lines().any(|line| line == "ID=debian") {
        true => name.unwrap_or("bookworm").to_owned(),
        false => "bookworm".to_owned(),
    }
}

/// Whether this machine can do it at all.
fn is_possible() -> Result<(), String> {
    // SAFETY: a plain system call.
    if unsafe { libc::geteuid() } != 0 {
        return Err("only root can".into());
    }
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| program(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(format!("{missing:?} are missing"));
    }
    run(Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])).map(drop)
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn the_image_is_built_answers_is_healthy_and_ends_as_it_says() {
    let Some(wish) = std::env::var_os("EDGE_TEST_IMAGE") else {
        return println!("not run: EDGE_TEST_IMAGE is not set");
    };
    let store = Store(temporary_directory("image"));
    if let Err(why) = is_possible().and_then(|()| store.make_base()) {
        assert!(wish == "try", "{why}");
        return println!("not run: {why}");
    }
    store.make_image();
    let image = store.image();
    let said = ["User", "StopSignal"].map(|name| image[name].as_str());
    assert_eq!(said, [Some("nobody"), Some("SIGQUIT")], "{image}");
    let (entry, health) = (words(&image["Entrypoint"]), words(&image["Healthcheck"]["Test"]));
    assert_eq!(health.first(), Some(&"CMD"), "{image}");

    let container = store.built(&["from", IMAGE]);
    let root = store.built(&["mount", &container]);
    let inside = |words: &[&str]| run(Command::new("chroot").args(["--userspec=nobody:nogroup", &root]).args(words));
    inside(&["edge", "-t", "-c", "/etc/edge/edge.yaml"]).expect("the configuration in the image is right");
    inside(&health[1..]).expect_err("nothing runs yet, and that is not healthy");

    let port = ports::free();
    let configuration = store.path("edge.yaml");
    let text = format!("server:\n  - listen: 127.0.0.1:{port}\n    location: [{{ match: /, return: 204 }}]\n");
    std::fs::write(&configuration, text).unwrap();
    // Who reads it is nobody.
    std::fs::set_permissions(&configuration, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut start = Command::new("unshare");
    start.args(["-m", "sh", "-c", START, "sh", &root]).arg(&configuration).args(&entry);
    let mut process = Process::start("the container", start, &store.path("output"), libc::SIGKILL);
    process.wait_ready(Duration::from_secs(20), "it listened", || wait::accepts(ports::local(port)));

    assert_eq!(client::get(ports::local(port), "/").status(), 204);
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    assert!(status.contains("\nUid:\t65534\t65534\t65534\t65534\n"), "{status}");
    let enter = |user: &str, words: &[&str]| {
        let id = process.id().to_string();
        run(limited("nsenter").args(["-t", &id, "-m", "-r", "-S", user, "-G", user]).args(words))
    };
    let refused = enter("0", &["touch", "/usr/bin/other"]).expect_err("its root cannot be written to");
    assert!(refused.contains("Read-only"), "{refused}");
    enter("65534", &health[1..]).expect("it is healthy");

    process.signal(libc::SIGQUIT);
    let ended = process.wait_end(Duration::from_secs(20));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}: {}", process.output());
}

#[test]
fn a_machine_without_authorities_will_do() {
    let port = ports::free();
    let configuration = format!(
        "upstream:\n  app: {{ servers: ['127.0.0.1:{port}'], health_check: {{ type: tcp }} }}\n\
         server:\n  - listen: 127.0.0.1:{port}\n    location: [{{ match: /, return: 204 }}]\n"
    );
    let edge = Edge::yaml(&configuration, port).with_environment("SSL_CERT_FILE", "/nowhere").start();
    assert_eq!(client::get(edge.address(), "/").status(), 204);
}

/// Whatever the program is compiled of is put beside the compiler.
#[test]
fn the_image_is_compiled_from_all_that_the_program_is_made_of() {
    let dockerfile = std::fs::read_to_string(home().join("Dockerfile")).unwrap();
    let stage = dockerfile.split("\nFROM ").find(|stage| stage.contains("cargo build")).expect("it is compiled");
    let copied: Vec<&str> =
        stage.lines().filter_map(|line| line.strip_prefix("COPY ")).flat_map(str::split_whitespace).collect();
    let manifest = std::fs::read_to_string(home().join("Cargo.toml")).unwrap();
    let targets = manifest.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"'));
    for needed in targets.chain(["Cargo.toml", "Cargo.lock", "build.rs", "src"]) {
        let is_there = copied.iter().any(|path| Path::new(needed).starts_with(path));
        assert!(is_there, "{needed} is not among {copied:?}");
    }
    for path in copied.iter().filter(|path| **path != "./") {
        assert!(home().join(path).exists(), "{path}");
    }
}
