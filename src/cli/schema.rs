//! `edge schema`: the JSON Schema of edge.yaml.

use crate::config::schema;
use std::process::ExitCode;

pub(super) fn run() -> ExitCode {
    // A tree of maps and texts always prints.
    println!("{:#}", schema::schema());
    ExitCode::SUCCESS
}
