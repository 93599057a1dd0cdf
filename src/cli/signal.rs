//! `edge -s SIGNAL`: tells the running edge of a configuration what to do.
//!
//! A reload is asked for over the control socket, because only there it is answered: the status is 0 if and only if the new
//! configuration is in force. The rest are signals, as nginx's.

use super::upstream::{control_of, show};
use super::{Configuration, fail};
use crate::server::control::client::{self, Unanswered};
use crate::server::{self, load::Loader};
use std::process::ExitCode;

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Read the configuration again
    Reload,
    /// End after the last request
    Quit,
    /// End at once
    Stop,
    /// Open the logs anew
    Reopen,
}

pub(super) fn run(signal: Signal, configuration: &Configuration) -> ExitCode {
    let number = match signal {
        Signal::Reload => return reload(configuration),
        Signal::Quit => libc::SIGQUIT,
        Signal::Stop => libc::SIGTERM,
        Signal::Reopen => libc::SIGUSR1,
    };
    send(number, configuration)
}

fn reload(configuration: &Configuration) -> ExitCode {
    if let Some(path) = control_of(configuration) {
        match client::ask(&path, &["reload"]) {
            Ok(answer) => return show(&answer),
            Err(Unanswered::Nobody(_)) => {}
            Err(why) => return fail(why),
        }
    }
    // A reload of a broken file would change nothing; it is said here, where somebody reads it.
    let loaded = Loader::new(configuration.options(true)).load();
    if loaded.snapshot.is_none() {
        eprint!("{}", loaded.diagnostics);
        return fail("nothing was reloaded: the configuration has mistakes");
    }
    let sent = send(libc::SIGHUP, configuration);
    if sent == ExitCode::SUCCESS {
        eprintln!("edge: there is no control socket: HUP was sent, and what came of it stands in the error log");
    }
    sent
}

fn send(number: i32, configuration: &Configuration) -> ExitCode {
    let options = configuration.options(true);
    let pid = options.prefix().join(options.read().raw.main.pid());
    match server::running_pid(&pid) {
        // SAFETY: kill takes two numbers.
        Ok(process) if process > 0 && unsafe { libc::kill(process, number) } == 0 => ExitCode::SUCCESS,
        Ok(process) => fail(format!("process {process} of {}: {}", pid.display(), std::io::Error::last_os_error())),
        Err(why) => fail(format!("is edge running? {why}")),
    }
}
