//! USR2: a new binary takes over the listening sockets while the old one goes on, as nginx has it.
//!
//! The old process keeps its number in `….oldbin` and both serve, until one of the two is told to end: QUIT to the old one
//! completes the change, TERM to the new one undoes it. A new binary that ends, for whatever reason, gives the pid file
//! back to the old one.

use super::pid::{PidFile, old_name};
use super::sockets;
use crate::system::{self, Request};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};

/// Starts the binary anew, by the name and with the arguments this process was started with. Of its descriptors it gets
/// the sockets, and `log` as stderr. `from`: the process that served on them.
pub fn spawn(listening: &[(String, BorrowedFd<'_>)], from: u32, log: Option<File>) -> io::Result<Child> {
    let mut arguments = std::env::args_os();
    let program = arguments.next().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let mut command = Command::new(program);
    let named = listening.iter().map(|(address, socket)| (address.as_str(), socket.as_raw_fd()));
    command
        .args(arguments)
        .env(sockets::VARIABLE, sockets::name_all(named))
        .env(sockets::PREDECESSOR, from.to_string());
    if let Some(log) = log {
        command.stderr(log);
    }
    let numbers: Vec<i32> = listening.iter().map(|(_, socket)| socket.as_raw_fd()).collect();
    // SAFETY: between fork and exec only plain system calls are made, on numbers that are ready.
    unsafe {
        command.pre_exec(move || {
            numbers.iter().try_for_each(|number| sockets::pass_on(*number))?;
            super::signals::unblock_all();
            Ok(())
        });
    }
    command.spawn()
}

/// The new binary, as the old process knows it.
#[derive(Debug, Default)]
pub struct Successor {
    running: Option<Running>,
    /// Where the pid file was.
    pid: PathBuf,
}

#[derive(Debug)]
enum Running {
    Own(Child),
    /// The keeper has started it.
    Kept,
}

impl Successor {
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Hands the sockets over to a new process.
    pub fn start(
        &mut self,
        listening: &[(String, BorrowedFd<'_>)],
        pid: &mut PidFile,
        log: Option<File>,
    ) -> io::Result<()> {
        self.pid = pid.path().to_owned();
        pid.rename(&old_name(&self.pid))?;
        let started = match system::has_keeper() {
            true => ask_keeper(listening).map(|()| Running::Kept),
            false => spawn(listening, std::process::id(), log).map(Running::Own),
        };
        match started {
            Ok(running) => self.running = Some(running),
            Err(e) => {
                pid.rename(&self.pid)?;
                return Err(e);
            }
        }
        Ok(())
    }

    /// A process has ended: if it was the new binary, the pid file is the old one's again.
    pub fn look(&mut self, pid: &mut PidFile) -> Option<io::Result<()>> {
        let runs = match self.running.as_mut()? {
            Running::Own(child) => matches!(child.try_wait(), Ok(None)),
            Running::Kept => system::ask(&Request::Successor, None).is_ok_and(|reply| reply.bytes == b"1"),
        };
        if runs {
            return None;
        }
        self.running = None;
        Some(pid.rename(&self.pid))
    }
}

fn ask_keeper(listening: &[(String, BorrowedFd<'_>)]) -> io::Result<()> {
    for (address, socket) in listening {
        system::ask(&Request::Inherit(address.clone()), Some(socket.as_fd()))?;
    }
    system::ask(&Request::HandOver, None).map(drop)
}
