//! The keeper: where root starts edge and the configuration names a `user`, a small process that stays root.
//!
//! All the work is done by another process, the worker, which is the user from its first moment: it reads, listens and
//! serves. Where the system refuses it something, it asks over a socket pair (`crate::system`), and the keeper gives what
//! the configuration names: a file to read, a log, an address ([`permits`]), opened so that nobody can lead it elsewhere
//! ([`paths`], [`grants`]). It reads the configuration itself. A worker that is broken into gets no further than that, which is why
//! the worker keeps no capabilities instead: with one it could read every file there is.
//!
//! What always holds: one thread; nothing of what clients send comes here; the pid file holds this process's number, and
//! what it is told by signals it passes on; the two end together.

mod grants;
mod paths;
mod permits;

use super::background::Background;
use super::load::Options;
use super::pid::old_name;
use super::privileges::Account;
use super::{Failure, Heritage, signals, successor};
use crate::observe::errors;
use crate::system::{self, Channel, Received, Reply, Request};
use permits::Permits;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A worker that was told to end at once and has not after this long is killed.
const PATIENCE: Duration = Duration::from_secs(15);
/// After USR2 the worker may hand over for so long.
const UPGRADE: Duration = Duration::from_secs(30);

const PASSED_ON: &[i32] =
    &[libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGQUIT, libc::SIGTERM, libc::SIGINT, libc::SIGWINCH];

/// Which of the two processes this is.
pub enum Side {
    /// The keeper, whose work is over: the process ends with this.
    Keeper(ExitCode),
    Worker,
}

/// Forks. The worker returns at once as the user, the keeper when everything is over. To be called while the process has
/// one thread.
pub fn split(options: &Options, account: Account, heritage: &mut Heritage) -> Result<Side, Failure> {
    let failed = || Failure::system("no second process could be started");
    let (own, workers) = Channel::pair().map_err(failed())?;
    let all: Vec<i32> = PASSED_ON.iter().copied().chain([libc::SIGCHLD]).collect();
    let set = signals::set_of(&all);
    signals::block(&set);
    let keeper = std::process::id();
    // SAFETY: the process has one thread, so that the child may do whatever it wants.
    match unsafe { libc::fork() } {
        -1 => Err(failed()(io::Error::last_os_error())),
        0 => {
            drop(own);
            if let Some(background) = &mut heritage.background {
                background.leave_word();
            }
            account.become_it().map_err(Failure::system("edge cannot become `user`"))?;
            die_with(keeper);
            system::connect(workers).map_err(failed())?;
            Ok(Side::Worker)
        }
        worker => {
            drop(workers);
            // Sockets that stayed open here would go on listening when the worker has closed its own.
            heritage.sockets = None;
            let mut keeper = Keeper::new(options.clone(), account, worker, heritage.background.take());
            Ok(Side::Keeper(keeper.keep(&own, &set)))
        }
    }
}

/// If the keeper is killed, the worker ends as after QUIT: it could neither be told anything nor be found any more.
fn die_with(keeper: u32) {
    // SAFETY: prctl takes numbers; raise sends this process a signal.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGQUIT, 0, 0, 0);
        if std::os::unix::process::parent_id() != keeper {
            libc::raise(libc::SIGQUIT);
        }
    }
}

struct Keeper {
    options: Options,
    account: Account,
    worker: libc::pid_t,
    background: Option<Background>,
    in_background: bool,
    /// Of the configuration in force, whatever has become of the files since.
    in_force: Option<Permits>,
    /// Of the files.
    permits: Permits,
    permits_read: Option<Instant>,
    pid: Option<PathBuf>,
    /// The files of sockets that were bound here, and which ones they were.
    bound: Vec<(PathBuf, (u64, u64))>,
    upgrade_asked: Option<Instant>,
    inherit: Vec<(String, OwnedFd)>,
    successor: Option<std::process::Child>,
    told_to_stop: Option<Instant>,
}

impl Keeper {
    fn new(options: Options, account: Account, worker: libc::pid_t, background: Option<Background>) -> Keeper {
        Keeper {
            options,
            account,
            worker,
            in_background: background.is_some(),
            background,
            in_force: None,
            permits: Permits::default(),
            permits_read: None,
            pid: None,
            bound: Vec::new(),
            upgrade_asked: None,
            inherit: Vec::new(),
            successor: None,
            told_to_stop: None,
        }
    }

    /// Answers the worker and passes signals on until it has ended.
    fn keep(&mut self, channel: &Channel, set: &libc::sigset_t) -> ExitCode {
        // SAFETY: the set lives for the call.
        let number = unsafe { libc::signalfd(-1, set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if number < 0 {
            self.say("alert", &format!("signals cannot be read: {}", io::Error::last_os_error()));
            // SAFETY: the worker is this process's child and not yet reaped.
            unsafe { libc::kill(self.worker, libc::SIGKILL) };
            return ExitCode::FAILURE;
        }
        // SAFETY: the descriptor is new and nobody else's.
        let mut signals = File::from(unsafe { OwnedFd::from_raw_fd(number) });
        let mut asks = true;
        loop {
            let wait =
                |fd: i32, on: bool| libc::pollfd { fd: if on { fd } else { -1 }, events: libc::POLLIN, revents: 0 };
            let mut ready = [wait(signals.as_raw_fd(), true), wait(channel.as_raw_fd(), asks)];
            // SAFETY: the array lives for the call and is as long as is said.
            unsafe { libc::poll(ready.as_mut_ptr(), ready.len() as _, 1000) };
            if let Some(status) = self.take_signals(&mut signals) {
                return self.end(status);
            }
            if ready[1].revents != 0 {
                asks = self.answer(channel);
            }
            if self.told_to_stop.is_some_and(|at| at.elapsed() > PATIENCE) {
                // SAFETY: as above.
                unsafe { libc::kill(self.worker, libc::SIGKILL) };
            }
        }
    }

    /// The worker's status once it has ended.
    fn take_signals(&mut self, signals: &mut File) -> Option<libc::c_int> {
        let mut buffer = [0u8; size_of::<libc::signalfd_siginfo>()];
        while let Ok(length) = io::Read::read(signals, &mut buffer) {
            let number = buffer.first_chunk().map_or(0, |first| u32::from_ne_bytes(*first) as i32);
            if length < buffer.len() {
                break;
            }
            match number {
                libc::SIGCHLD => {
                    if let Some(status) = self.reap() {
                        return Some(status);
                    }
                }
                libc::SIGUSR2 => self.upgrade_asked = Some(Instant::now()),
                libc::SIGTERM | libc::SIGINT => self.told_to_stop = self.told_to_stop.or(Some(Instant::now())),
                _ => {}
            }
            if number != libc::SIGCHLD {
                self.pass_on(number);
            }
        }
        None
    }

    fn pass_on(&self, signal: i32) {
        // SAFETY: the worker is this process's child and not yet reaped.
        unsafe { libc::kill(self.worker, signal) };
    }

    fn reap(&mut self) -> Option<libc::c_int> {
        let mut status = 0;
        // SAFETY: the status lives for the call; the worker is this process's child.
        if unsafe { libc::waitpid(self.worker, &mut status, libc::WNOHANG) } == self.worker {
            return Some(status);
        }
        let ended = self.successor.as_mut().and_then(|child| child.try_wait().ok().flatten());
        if let Some(ended) = ended {
            self.successor = None;
            self.say("alert", &format!("the new binary has ended ({ended}), this one goes on"));
            self.take_pid_back();
            self.pass_on(libc::SIGCHLD);
        }
        None
    }

    /// One request of the worker's; false once it has closed its end.
    fn answer(&mut self, channel: &Channel) -> bool {
        let (number, bytes, descriptor) = match channel.receive() {
            Ok(Some(Received { number, bytes, descriptor })) => (number, bytes, descriptor),
            Ok(None) => return false,
            Err(e) => return e.kind() == io::ErrorKind::InvalidData,
        };
        let outcome = match Request::from_bytes(&bytes) {
            Some(request) => self.grant(&request, descriptor),
            None => Err(denied()),
        };
        let descriptor = outcome.as_ref().ok().and_then(|reply| reply.descriptor.as_ref().map(AsFd::as_fd));
        // A worker that does not take its answer any more has ended, or soon will have.
        let _ = channel.send(number, &Reply::to_bytes(&outcome), descriptor);
        true
    }

    /// Starts the new binary, if this process was told to by a signal.
    fn hand_over(&mut self) -> io::Result<Reply> {
        let sockets = std::mem::take(&mut self.inherit);
        let asked = self.upgrade_asked.take().is_some_and(|at| at.elapsed() < UPGRADE);
        if !asked || self.successor.is_some() {
            return Err(denied());
        }
        let pid = self.pid.clone();
        if let Some(pid) = &pid {
            let old = old_name(pid);
            paths::rename(pid, old.file_name().unwrap_or_default())?;
            self.pid = Some(old);
        }
        let listening: Vec<_> = sockets.iter().map(|(address, socket)| (address.clone(), socket.as_fd())).collect();
        let log = if self.in_background { self.error_log().ok() } else { None };
        match successor::spawn(&listening, self.worker.unsigned_abs(), log) {
            Ok(child) => self.successor = Some(child),
            Err(e) => {
                self.take_pid_back();
                return Err(e);
            }
        }
        Ok(Reply::default())
    }

    fn take_pid_back(&mut self) {
        let Some(old) = self.pid.clone() else { return };
        let name = old.with_extension("");
        match paths::rename(&old, name.file_name().unwrap_or_default()) {
            Ok(()) => self.pid = Some(name),
            Err(e) => self.say("alert", &format!("{} cannot be renamed: {e}", old.display())),
        }
    }

    fn error_log(&mut self) -> io::Result<File> {
        if self.in_force.is_none() {
            self.read_permits();
        }
        let path = self.in_force.as_ref().unwrap_or(&self.permits).error_log().ok_or_else(denied)?;
        paths::append(path, self.account.user, self.account.group)
    }

    /// A line in the error log, or wherever there is somebody to read it.
    fn say(&mut self, severity: &str, text: &str) {
        let line = errors::line_of(severity, text);
        let written = self.error_log().and_then(|mut log| log.write_all(&line));
        if written.is_err() || !self.in_background {
            let _ = io::stderr().write_all(&line);
        }
    }

    /// The worker has ended: what it left is tidied up, and its status is this process's.
    fn end(&mut self, status: libc::c_int) -> ExitCode {
        if let Some(pid) = &self.pid {
            let _ = paths::remove(pid);
        }
        // A new binary listens on the same files.
        let left = if self.successor.is_some() { Vec::new() } else { std::mem::take(&mut self.bound) };
        for (path, was) in left {
            if identity(&path).is_ok_and(|is| is == was) {
                let _ = paths::remove(&path);
            }
        }
        if libc::WIFEXITED(status) {
            return ExitCode::from(libc::WEXITSTATUS(status) as u8);
        }
        let signal = libc::WTERMSIG(status);
        self.say("alert", &format!("the worker process {} was killed by signal {signal}", self.worker));
        ExitCode::FAILURE
    }
}

/// Which file it is, whatever its name.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

fn denied() -> io::Error {
    io::Error::from_raw_os_error(libc::EACCES)
}
