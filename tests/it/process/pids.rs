//! The pid file of an nginx.conf, and the change of binaries that it is for: the same steps with nginx's own program and with
//! edge, by the same command line.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::messages::Desk;
use crate::support::edge::program;
use crate::support::{client, ports, wait};

use super::SOON;

/// Whoever starts nginx waits five seconds for its pid file; a machine that builds as well may need more.
const READY: Duration = Duration::from_secs(20);

fn programs() -> [PathBuf; 2] {
    [program(), "/usr/sbin/nginx".into()]
}

/// Each with what `daemon` is. nginx changes no binaries while the process that has started it is there.
fn changing() -> [(PathBuf, &'static str); 3] {
    let [edge, nginx] = programs();
    [(edge.clone(), "off"), (edge, "on"), (nginx, "on")]
}

/// Many listeners, so that some are bound later than others.
fn desk(ports: &[u16]) -> Desk {
    let server = |port: &u16| format!("server {{ listen 127.0.0.1:{port}; return 200 here; }}\n");
    let servers: String = ports.iter().map(server).collect();
    let text = format!("pid run.pid;\nevents {{}}\nhttp {{ access_log off;\n{servers}}}\n");
    Desk::new().with("nginx.conf", text).with("logs/none", "")
}

/// `PROGRAM -p DESK -c nginx.conf -e error.log -g GLOBALS`; what it leaves behind in the background ends with the test.
struct Started<'d> {
    desk: &'d Desk,
    child: Child,
}

impl<'d> Started<'d> {
    fn new(program: &Path, desk: &'d Desk, daemon: &str) -> Started<'d> {
        // SAFETY: geteuid has no preconditions.
        let user = if unsafe { libc::geteuid() } == 0 { "user root;" } else { "" };
        let mut command = Command::new(program);
        command.arg("-p").arg(desk.path("")).args(["-c", "nginx.conf", "-e", "error.log", "-g"]);
        let mut child =
            command.arg(format!("daemon {daemon}; {user}")).stderr(Stdio::null()).spawn().expect("a process");
        if daemon == "on" {
            let _ = child.wait();
        }
        Started { desk, child }
    }

    fn id(&self, file: &str) -> Option<i32> {
        std::fs::read_to_string(self.desk.path(file)).ok()?.trim().parse().ok()
    }

    fn has(&self, file: &str) -> bool {
        self.desk.path(file).exists()
    }

    /// The number in the pid file, once it is there, and another one than this.
    fn ready(&self, other_than: Option<i32>) -> i32 {
        let id = wait::until(READY, || self.id("run.pid").filter(|id| Some(*id) != other_than));
        id.unwrap_or_else(|| panic!("no pid file within {READY:?}:\n{}", self.errors()))
    }

    /// USR2, and the number of the new binary. nginx forgets a signal that comes while it starts its workers.
    fn hand_over(&self, old: i32) -> i32 {
        let begun = (0..10).any(|_| {
            signal(old, libc::SIGUSR2);
            wait::until(Duration::from_secs(2), || self.has("run.pid.oldbin").then_some(())).is_some()
        });
        assert!(begun, "{}", self.errors());
        self.ready(Some(old))
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.desk.path("error.log")).unwrap_or_default()
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        for id in ["run.pid", "run.pid.oldbin"].iter().filter_map(|file| self.id(file)) {
            signal(id, libc::SIGTERM);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(id: i32, signal: i32) {
    // SAFETY: kill takes two numbers.
    unsafe { libc::kill(id, signal) };
}

fn runs(id: i32) -> bool {
    // A process that has ended and was not waited for is none.
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn becomes(what: impl Fn() -> bool) -> bool {
    wait::until(SOON, || what().then_some(())).is_some()
}

#[test]
fn the_pid_file_is_there_once_every_listener_is_bound_and_gone_after_the_end() {
    for program in programs() {
        for (daemon, end) in
            [("off", libc::SIGQUIT), ("on", libc::SIGQUIT), ("off", libc::SIGTERM), ("on", libc::SIGTERM)]
        {
            let ports: Vec<u16> = (0..12).map(|_| ports::free()).collect();
            let desk = desk(&ports);
            let mut started = Started::new(&program, &desk, daemon);
            let id = started.ready(None);
            let unbound: Vec<&u16> = ports.iter().filter(|port| !wait::accepts(ports::local(**port))).collect();
            assert!(unbound.is_empty(), "{} daemon {daemon}: {unbound:?} {}", program.display(), started.errors());
            assert_eq!(client::get(ports::local(ports[0]), "/").text(), "here");
            let first = started.child.id() as i32;
            if daemon == "on" {
                assert!(started.child.wait().expect("it ends").success());
                assert!(id != first && runs(id), "{}", program.display());
            } else {
                assert_eq!(id, first, "{}", program.display());
            }
            signal(id, end);
            assert!(becomes(|| !started.has("run.pid")), "{} {daemon}: {}", program.display(), started.errors());
            if daemon == "off" {
                assert!(started.child.wait().expect("it ends").success());
            }
            assert!(becomes(|| !runs(id) && !wait::accepts(ports::local(ports[0]))), "{}", program.display());
        }
    }
}

#[test]
fn without_all_listeners_there_is_no_pid_file() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let desk = desk(&[ports::free(), taken.local_addr().expect("an address").port()]);
    for program in programs() {
        for daemon in ["off", "on"] {
            let mut started = Started::new(&program, &desk, daemon);
            let status = wait::until(SOON, || started.child.try_wait().expect("a child"));
            assert_eq!(status.and_then(|status| status.code()), Some(1), "{} {daemon}", program.display());
            assert!(!started.has("run.pid"), "{} {daemon}", program.display());
        }
    }
}

#[test]
fn usr2_moves_the_number_to_oldbin_and_quit_to_the_old_one_completes_the_change() {
    for (program, daemon) in changing() {
        let port = ports::free();
        let desk = desk(&[port]);
        let started = Started::new(&program, &desk, daemon);
        let old = started.ready(None);
        let new = started.hand_over(old);
        let what = format!("{} daemon {daemon}", program.display());
        assert_eq!(started.id("run.pid.oldbin"), Some(old), "{what}: {}", started.errors());
        assert!(runs(old) && runs(new), "{what}: {}", started.errors());
        assert_eq!(client::get(ports::local(port), "/").text(), "here");
        signal(old, libc::SIGQUIT);
        assert!(becomes(|| !started.has("run.pid.oldbin")), "{what}: {}", started.errors());
        assert_eq!(started.id("run.pid"), Some(new), "{what}");
        assert_eq!(client::get(ports::local(port), "/").text(), "here");
        signal(new, libc::SIGQUIT);
        assert!(becomes(|| !started.has("run.pid") && !wait::accepts(ports::local(port))), "{what}");
    }
}

#[test]
fn term_to_the_new_one_gives_the_old_one_its_pid_file_back() {
    for (program, daemon) in changing() {
        let port = ports::free();
        let desk = desk(&[port]);
        let started = Started::new(&program, &desk, daemon);
        let old = started.ready(None);
        let new = started.hand_over(old);
        signal(new, libc::SIGTERM);
        let undone = || started.id("run.pid") == Some(old) && !started.has("run.pid.oldbin");
        assert!(becomes(undone), "{} daemon {daemon}: {}", program.display(), started.errors());
        assert_eq!(client::get(ports::local(port), "/").text(), "here");
        signal(old, libc::SIGTERM);
        assert!(becomes(|| !started.has("run.pid")), "{} daemon {daemon}", program.display());
    }
}
