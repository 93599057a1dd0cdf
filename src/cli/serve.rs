//! `edge -c FILE`: serves, in the foreground or, with `-d`, in the background.

use super::{Configuration, fail};
use crate::server;
use std::process::ExitCode;

pub(super) fn run(configuration: &Configuration, in_background: bool) -> ExitCode {
    let options = configuration.options(false);
    let early = server::EarlyLog::open(&options);
    match server::run(options, in_background) {
        Ok(status) => status,
        Err(why) => {
            early.tell("emerg", &why.to_string());
            fail(why)
        }
    }
}
