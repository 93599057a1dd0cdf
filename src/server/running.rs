//! What is in force: a snapshot, its listeners, its pid file and its control socket, and how a reload exchanges them.
//!
//! A reload opens everything new first: logs, sockets, the control socket, the pid file. Only if all of it could be is
//! anything changed; otherwise what was opened is closed again and nobody has noticed.

use super::control::{Answer, ControlSocket, Desk};
use super::front::Front;
use super::listeners::Listeners;
use super::load::Loader;
use super::pid::PidFile;
use super::sockets::Inherited;
use super::successor::Successor;
use super::{Failure, load, start};
use crate::config::Severity;
use crate::health::Checks;
use crate::observe::{self, errors};
use crate::proxy::sessions::Kept;
use crate::proxy::snapshot::{Control, Process, Snapshot};
use crate::system;
use std::os::fd::AsFd;
use std::sync::Arc;

/// The configuration in force and all that is open for it.
pub struct Running {
    loader: Loader,
    pub front: Arc<Front>,
    pub snapshot: Arc<Snapshot>,
    listeners: Listeners,
    pid: PidFile,
    control: Option<ControlSocket>,
    desk: Arc<Desk>,
    checks: Arc<Checks>,
    sessions: Arc<Kept>,
    successor: Successor,
}

impl Running {
    /// Opens everything, or says what cannot be.
    pub fn open(
        loader: Loader,
        inherited: Option<Inherited>,
        front: Arc<Front>,
        desk: Arc<Desk>,
        checks: Arc<Checks>,
        sessions: Arc<Kept>,
    ) -> Result<Running, Failure> {
        let snapshot = desk.snapshot.load_full();
        let inherits = inherited.is_some();
        let mut listeners = Listeners::inheriting(inherited.unwrap_or_default(), desk.clone());
        let opened = listeners.open(&snapshot)?;
        errors::use_log(snapshot.process.error_log.clone());
        let control = open_control(snapshot.process.control.as_ref(), inherits, &desk)?;
        // The last: who sees it may send commands.
        let pid = PidFile::write(&snapshot.process.pid)?;
        // Only now: a connection must not be accepted by a new binary that then fails.
        listeners.apply(&snapshot, opened, &front);
        let successor = Successor::default();
        Ok(Running { loader, front, snapshot, listeners, pid, control, desk, checks, sessions, successor })
    }

    /// Puts a new configuration in force, or says what is wrong and changes nothing.
    pub fn reload(&mut self) -> Answer {
        let loaded = self.loader.load();
        tell(&loaded);
        let mut answer = Answer { errors: loaded.diagnostics.to_string(), ..Answer::default() };
        let outcome = match loaded.into_snapshot() {
            Some(snapshot) => self.exchange(&snapshot),
            None => Err(Failure::Configuration),
        };
        match outcome {
            Ok(()) => log::info!(target: "edge::notice", "the configuration was reloaded"),
            Err(why) => {
                self.loader.restore_zones(&self.snapshot);
                log::error!("the configuration was not reloaded: {why}; the one before stays in force");
                answer.failure = Some(format!("nothing was reloaded: {why}"));
            }
        }
        // The configuration before is gone as well, but for what still runs on it.
        system::give_memory_back();
        answer
    }

    fn exchange(&mut self, new: &Arc<Snapshot>) -> Result<(), Failure> {
        let opened = self.listeners.open(new)?;
        let control = match self.prepare(&new.process) {
            Ok(control) => control,
            Err(why) => {
                opened.close(new);
                return Err(why);
            }
        };
        // From here on nothing fails.
        self.listeners.apply(new, opened, &self.front);
        if let Some(control) = control {
            self.control = control;
        }
        errors::use_log(new.process.error_log.clone());
        self.front.set_most(new.process.connections);
        for (key, changed) in [
            ("worker_processes", new.process.workers != self.snapshot.process.workers),
            ("user", new.process.user != self.snapshot.process.user),
        ] {
            if changed {
                log::warn!("`{key}` counts from the next start on");
            }
        }
        self.checks.apply(&new.upstreams);
        self.sessions.apply(&new.sessions);
        start::tell_keeper();
        self.desk.snapshot.store(new.clone());
        self.snapshot = new.clone();
        Ok(())
    }

    /// The control socket, if it is to be another one, and the pid file in its new place.
    fn prepare(&mut self, new: &Process) -> Result<Option<Option<ControlSocket>>, Failure> {
        if self.successor.is_running() {
            // Both places are the new binary's now.
            return Ok(None);
        }
        let wanted = new.control.as_ref();
        let same = wanted.map(|c| c.path.as_path()) == self.control.as_ref().map(ControlSocket::path);
        let control = match same {
            true => None,
            false => Some(open_control(wanted, false, &self.desk)?),
        };
        self.pid.move_to(&new.pid)?;
        Ok(control)
    }

    /// USR1: logrotate has moved the logs away.
    pub fn reopen(&self) {
        log::info!(target: "edge::notice", "reopening logs");
        for (path, e) in observe::reopen() {
            log::error!("the log {} could not be opened anew, the old file goes on: {e}", path.display());
        }
    }

    /// USR2: hands the sockets over to a new binary, and goes on.
    pub fn upgrade(&mut self, in_background: bool) {
        if self.successor.is_running() {
            log::warn!("USR2: a new binary runs already; end the old one with QUIT or the new one with TERM");
            return;
        }
        let listening: Vec<_> = self.listeners.sockets().map(|(address, socket)| (address, socket.as_fd())).collect();
        // What the new binary says before its own log is open has to be read somewhere.
        let log = self.snapshot.process.error_log.file.as_ref().filter(|_| in_background);
        let log = log.and_then(|log| crate::system::append(log.path()).ok());
        match self.successor.start(&listening, &mut self.pid, log) {
            Ok(()) => {
                log::info!(target: "edge::notice", "a new binary starts; the number of this process is in {}", self.pid.path().display());
                self.listeners.handed_over = true;
            }
            Err(e) => log::error!(target: "edge::alert", "the new binary cannot be started, this one goes on: {e}"),
        }
    }

    /// A process has ended. If it was the new binary, all is as it was before.
    pub fn child_ended(&mut self) {
        let Some(taken_back) = self.successor.look(&mut self.pid) else { return };
        log::error!(target: "edge::alert", "the new binary has ended, this one goes on");
        if let Err(e) = taken_back {
            log::error!("the pid file is not {} again: {e}", self.snapshot.process.pid.display());
        }
        self.listeners.handed_over = false;
        // The new binary has put its own in the place, and taken it with it.
        self.control = None;
        match open_control(self.snapshot.process.control.as_ref(), true, &self.desk) {
            Ok(control) => self.control = control,
            Err(e) => log::error!("{e}"),
        }
    }

    /// Accepts nothing more, neither connections nor commands.
    pub async fn close(&mut self) {
        self.control = None;
        self.listeners.close().await;
    }
}

/// One that nobody asked for may fail: then there is none.
fn open_control(wanted: Option<&Control>, replace: bool, desk: &Arc<Desk>) -> Result<Option<ControlSocket>, Failure> {
    let Some(wanted) = wanted else { return Ok(None) };
    match ControlSocket::open(&wanted.path, replace, desk) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if wanted.by_default => {
            log::warn!("no control socket at {}: {error}; `control: off` silences this", wanted.path.display());
            Ok(None)
        }
        Err(error) => Err(Failure::System {
            what: format!("the control socket {} cannot be opened", wanted.path.display()),
            error,
        }),
    }
}

/// Every mistake, in the error log.
fn tell(loaded: &load::Loaded) {
    for (severity, text) in loaded.diagnostics.each() {
        for line in text.lines() {
            match severity {
                Severity::Error => log::error!("{line}"),
                Severity::Warning => log::warn!("{line}"),
            }
        }
    }
}
