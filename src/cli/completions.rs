//! `edge completions` and `edge man`: made of the definitions that the command line itself is read by.

use super::{Arguments, fail};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(super) struct Completions {
    /// For which shell
    shell: Shell,
}

#[derive(clap::Args, Debug)]
pub(super) struct Man {
    /// The page of a command, such as `cache purge`; without: edge's own
    command: Vec<String>,
}

pub(super) fn completions(arguments: &Completions) -> ExitCode {
    let mut out = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "edge", &mut out);
    print(&out)
}

pub(super) fn man(arguments: &Man) -> ExitCode {
    let mut edge = Arguments::command();
    edge.build();
    let mut command = &edge;
    let mut name = "edge";
    for word in &arguments.command {
        let Some(found) = command.find_subcommand(word) else {
            let known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            return fail(format!("`{name}` has no command `{word}`; it has: {}", known.join(", ")));
        };
        command = found;
        name = command.get_display_name().unwrap_or(word);
    }
    let mut out = Vec::new();
    match clap_mangen::Man::new(command.clone()).render(&mut out) {
        Ok(()) => print(&out),
        Err(e) => fail(e),
    }
}

/// Nobody is to be told where nobody reads.
fn print(text: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
