//! The command line, and the limits that follow from it.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

/// Compares edge with nginx and HAProxy on this machine.
#[derive(Debug, Parser)]
#[command(name = "compare", bin_name = "cargo bench --bench compare --")]
pub struct Options {
    /// One minute instead of up to ten: fewer rounds, and a few cases unless some are named.
    #[arg(long)]
    pub short: bool,
    /// Who takes part, e.g. `nginx,edge`; `nginx` means both of its configurations.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub servers: Vec<String>,
    /// What is measured, by the names of the cases or the beginnings of their names.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub cases: Vec<String>,
    /// How often each server is measured in each case, alternating [default: 11, short 3].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// How long one measurement takes; more rounds help more than longer ones.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub seconds: u32,
    /// What each server holds with a thousand idle connections, also where cases are chosen.
    #[arg(long)]
    pub memory: bool,
    /// Write everything that was measured, each sample.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the tables that are printed.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Draw CPU time per request.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Run the tests of this program itself instead.
    #[arg(long)]
    pub self_test: bool,
    /// `cargo bench` adds this.
    #[arg(long, hide = true)]
    bench: bool,
}

pub enum Action {
    Measure(Options),
    SelfTest,
}

impl Options {
    /// Under `cargo test`, which unlike `cargo bench` adds no `--bench`, this is a test like any other.
    pub fn from_command_line() -> Action {
        if !std::env::args().any(|argument| argument == "--bench") {
            return Action::SelfTest;
        }
        let options = Options::parse();
        if options.self_test { Action::SelfTest } else { Action::Measure(options) }
    }

    pub fn measures_memory(&self) -> bool {
        self.memory || self.cases.is_empty() && !self.short
    }

    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.short { 3 } else { 11 })
    }

    /// No round begins that would not end within this.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(if self.short { 58 } else { 590 })
    }
}
