//! `edge demo`: everything in one process, to look at.

use super::fail;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The port of the edge on 127.0.0.1; 0: any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

pub(super) fn run(_arguments: &Arguments) -> ExitCode {
    fail("wip")
}
