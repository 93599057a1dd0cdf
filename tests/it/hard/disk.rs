//! No room for logs: requests go on, what is lost is counted and told once there is room, and the logs go on then.
//!
//! The disk is a small one in memory, which only root may make; for others it is /dev/full, which never has room again.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{HEAD, Neighbours, SOON, application};
use crate::support::backend::Backend;
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::{ports, process, request, wait};

/// A disk of some kilobytes, while this value lives.
struct Disk {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("a path without a zero")
}

impl Disk {
    fn mount() -> Option<Disk> {
        let directory = process::temporary_directory("disk");
        let path = directory.path().to_owned();
        let options = c"size=256k";
        // SAFETY: all texts end with a zero and live during the call.
        let done = unsafe {
            libc::mount(c"none".as_ptr(), text(&path).as_ptr(), c"tmpfs".as_ptr(), 0, options.as_ptr().cast())
        };
        (done == 0).then_some(Disk { path, _directory: directory })
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut size = 64 << 10;
        let mut filler = std::fs::File::create(self.path.join("filler")).expect("a file");
        while size > 0 {
            if std::io::Write::write_all(&mut filler, &vec![b'x'; size]).is_err() {
                size /= 2;
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // SAFETY: the text ends with a zero and lives during the call.
        unsafe { libc::umount2(text(&self.path).as_ptr(), libc::MNT_DETACH) };
    }
}

fn start(application: &Backend, access: &Path, errors: &Path) -> Edge {
    let port = ports::free();
    let head = HEAD.replace("logs/error.log", &errors.display().to_string());
    let server = "    location:\n      - { match: = /own, return: { status: 200, text: own } }\n      - { match: /, proxy_pass: 'http://app' }\n";
    let configuration = format!(
        "{head}access_log: {}\nupstream:\n  app: {{ servers: ['{}'] }}\nserver:\n  - listen: 127.0.0.1:{port}\n{server}",
        access.display(),
        application.address()
    );
    Edge::yaml(&configuration, port).start()
}

fn ask_often(edge: &Edge) {
    let mut client = Client::connect(edge.address());
    for at in 0..500 {
        let answer = client
            .ask(&request::get(&format!("/own?{at}")))
            .unwrap_or_else(|failure| panic!("request {at}: {failure}"));
        assert_eq!(answer.text(), "own");
    }
}

#[test]
fn with_a_full_disk_requests_go_on_and_the_loss_is_told_when_there_is_room() {
    let Some(disk) = Disk::mount() else {
        println!("no disk can be mounted here: not run");
        return;
    };
    let (access, errors) = (disk.path.join("access.log"), disk.path.join("error.log"));
    let application = application();
    let edge = start(&application, &access, &errors);
    assert_eq!(client::get(edge.address(), "/own?before").text(), "own");
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    assert!(wait::until(SOON, || read(&access).contains("?before").then_some(())).is_some());
    disk.fill();
    let neighbours = Neighbours::of(&edge);
    ask_often(&edge);

    // As logrotate would: the old ones go, new ones are opened.
    std::fs::remove_file(disk.path.join("filler")).unwrap();
    for log in [&access, &errors] {
        std::fs::rename(log, log.with_extension("old")).unwrap();
    }
    edge.signal(libc::SIGUSR1);
    assert!(wait::until(SOON, || access.exists().then_some(())).is_some(), "{}", edge.output());
    let told = wait::until(SOON, || {
        assert_eq!(client::get(edge.address(), "/own?after").text(), "own");
        let told = read(&errors);
        let sum = told.split(" lines of logs were lost, ").nth(1)?.split(' ').next()?.parse::<usize>().ok()?;
        (read(&access).contains("?after") && sum > 300).then_some(())
    });
    assert!(told.is_some(), "{}\n{}", read(&errors), read(&errors.with_extension("old")));
    neighbours.assert_unharmed();
}

#[test]
fn with_nowhere_to_write_requests_go_on() {
    let application = application();
    let full = Path::new("/dev/full");
    let edge = start(&application, full, full);
    let neighbours = Neighbours::of(&edge);
    ask_often(&edge);
    neighbours.assert_unharmed();
}
