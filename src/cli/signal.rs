//! `edge -s SIGNAL`: tells the running edge of a configuration what to do.

use super::{Configuration, fail};
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
    let loader = Loader::new(configuration.options(true));
    let loaded = loader.load();
    // A reload of a broken file would change nothing; it is said here, where somebody reads it.
    if signal == Signal::Reload && loaded.snapshot.is_none() {
        eprint!("{}", loaded.diagnostics);
        return fail("nothing was reloaded: the configuration has mistakes");
    }
    let pid = loader.prefix().join(loaded.raw.main.pid());
    let number = match signal {
        Signal::Reload => libc::SIGHUP,
        Signal::Quit => libc::SIGQUIT,
        Signal::Stop => libc::SIGTERM,
        Signal::Reopen => libc::SIGUSR1,
    };
    match server::running_pid(&pid) {
        // SAFETY: kill takes two numbers.
        Ok(process) if process > 0 && unsafe { libc::kill(process, number) } == 0 => ExitCode::SUCCESS,
        Ok(process) => fail(format!("process {process} of {}: {}", pid.display(), std::io::Error::last_os_error())),
        Err(why) => fail(format!("is edge running? {why}")),
    }
}
