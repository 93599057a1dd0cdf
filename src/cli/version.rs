//! `edge -v` and `edge -V`: which edge this is, in the lines in which nginx says it. Scripts and suites of tests read them to
//! know which modules there are, so they are made of what the reader of nginx.conf carries.

use crate::convert::modules;
use std::process::ExitCode;

/// Whose language the configurations are that edge reads.
const NGINX: &str = "1.31.0";

pub(super) fn show() -> ExitCode {
    eprintln!("edge version: edge/{} (nginx/{NGINX}'s language)", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}

pub(super) fn show_modules() -> ExitCode {
    eprintln!("edge version: edge/{}", env!("CARGO_PKG_VERSION"));
    eprintln!("nginx version: nginx/{NGINX} (what edge takes its language from)");
    eprintln!("built by {}", env!("EDGE_COMPILER"));
    eprintln!("built with rustls {} (ring)", env!("EDGE_RUSTLS"));
    eprintln!("TLS SNI support enabled");
    eprintln!("configure arguments: {}", modules::configured().join(" "));
    ExitCode::SUCCESS
}
