//! `edge explain METHOD URL`: the decisions about a request, without making it.

use super::{Configuration, fail};
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The method, such as GET
    method: String,
    /// The URL, such as http://host:8888/a.css
    url: String,
    /// A field of the request: 'Name: value'
    #[arg(short = 'H', value_name = "FIELD")]
    headers: Vec<String>,
}

pub(super) fn run(_arguments: &Arguments, _configuration: &Configuration) -> ExitCode {
    fail("wip")
}
