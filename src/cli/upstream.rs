//! `edge upstream`: takes a server of a running edge out of rotation, and back.

use super::{Configuration, fail};
use crate::config::value::parse_time;
use crate::proxy::snapshot;
use crate::server::control::{Answer, client};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Upstream {
    /// Send a server no new sessions; those bound to it stay
    Drain {
        /// The upstream and, after a slash, a server's address (as written or resolved) or route
        #[arg(value_name = "UPSTREAM/SERVER")]
        server: String,
    },
    /// Move all sessions off a server that lives, at all edges, so that it can be stopped and no request fails: those that come
    /// wait, those under way end, and then others take the sessions over. It gets none back before it was started anew, or `up`
    Move {
        /// As for `drain`
        #[arg(value_name = "UPSTREAM/SERVER")]
        server: String,
        /// How long requests under way are waited for; if some are left, all is as before, and the status is 1
        #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
        timeout: Duration,
        /// Cut off what is under way after that time, and do not wait for edges that have ended
        #[arg(long)]
        force: bool,
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
    let time;
    let words: &[&str] = match command {
        Upstream::Drain { server } => &["upstream", "drain", server],
        Upstream::Move { server, timeout, force } => {
            time = timeout.as_millis().to_string();
            &["upstream", "move", server, &time, if *force { "force" } else { "" }]
        }
        Upstream::Up { server } => &["upstream", "up", server],
        Upstream::List => &["upstream", "list"],
    };
    ask(configuration, words).map_or_else(fail, |answer| show(&answer))
}

fn time(text: &str) -> Result<Duration, String> {
    parse_time(text).ok_or_else(|| "expected a time such as `10s` or `500ms`".to_owned())
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
