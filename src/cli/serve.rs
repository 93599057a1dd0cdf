//! `edge -c FILE`: serves, in the foreground or, with `-d`, in the background.

use super::{Configuration, fail};
use crate::server;
use std::process::ExitCode;

pub(super) fn run(configuration: &Configuration, in_background: bool) -> ExitCode {
    match server::run(configuration.options(false), in_background) {
        Ok(status) => status,
        Err(why) => fail(why),
    }
}
