//! `edge -c FILE`: serves in the foreground.

use super::{Configuration, fail};
use crate::server;
use std::process::ExitCode;

pub(super) fn run(configuration: &Configuration) -> ExitCode {
    match server::run(configuration.options(false), || ()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(why),
    }
}
