//! `edge upstream`: takes a server of a running edge out of rotation, and back.

use super::{Configuration, fail};
use crate::proxy::snapshot;
use crate::server::control::{Answer, client};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Upstream {
    /// Send a server no new sessions; those bound to it stay
    Drain {
        /// The upstream and, after a slash, a server's address (as written or resolved) or route
        #[arg(value_name = "UPSTREAM/SERVER")]
        server: String,
    },
    /// Send a server everything again
    Up {
        /// As for `drain`
        #[arg(value_name = "UPSTREAM/SERVER")]
        server: String,
    },
    /// Say how every server is
    List,
}

pub(super) fn run(command: &Upstream, configuration: &Configuration) -> ExitCode {
    let words: &[&str] = match command {
        Upstream::Drain { server } => &["upstream", "drain", server],
        Upstream::Up { server } => &["upstream", "up", server],
        Upstream::List => &["upstream", "list"],
    };
    ask(configuration, words).map_or_else(fail, |answer| show(&answer))
}

/// Asks the running edge; an error says why there is no answer.
pub(super) fn ask(configuration: &Configuration, words: &[&str]) -> Result<Answer, String> {
    let path =
        control_of(configuration).ok_or("this needs the control socket, and the configuration says `control: off`")?;
    client::ask(&path, words).map_err(|why| match why {
        client::Unanswered::Nobody(why) => format!("is edge running? {why}"),
        why => why.to_string(),
    })
}

/// Where the edge of this configuration takes commands.
pub(super) fn control_of(configuration: &Configuration) -> Option<PathBuf> {
    let options = configuration.options(true);
    snapshot::control(&options.read().raw.main, &options.prefix()).map(|control| control.path)
}

/// Prints an answer; the status is the command's.
pub(super) fn show(answer: &Answer) -> ExitCode {
    print!("{}", answer.out);
    eprint!("{}", answer.errors);
    match &answer.failure {
        None => ExitCode::SUCCESS,
        Some(why) => fail(why),
    }
}
