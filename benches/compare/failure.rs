//! Why a run was given up. Each ends the whole run: a table with a hole in it would be read as if it had none.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{program} is not installed: apt-get install {package}")]
    Missing { program: &'static str, package: &'static str },
    #[error("none of the chosen {0} is available")]
    Nothing(&'static str),
    #[error("there is no {kind} '{name}'; there are {known}")]
    Unknown { kind: &'static str, name: String, known: String },
    #[error("{server} did not start: {why}\n(--servers leaves one out)")]
    NotStarted { server: String, why: String },
    #[error("{server} answers {case} wrongly: {why}")]
    WrongAnswer { server: String, case: String, why: String },
    #[error("cannot read {what}: {text}")]
    Unreadable { what: &'static str, text: String },
    #[error("the client did not end in time")]
    Stuck,
    #[error("one round takes {needed} s, more than the {limit} s allowed: choose fewer --cases or --servers")]
    TooMuch { needed: u64, limit: u64 },
    #[error("no certificate could be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(
        "in {case} edge costs {ratio:.3} times what {baseline} does (each round at least {least:.3}); {at_most} would be right"
    )]
    Dearer { case: &'static str, baseline: &'static str, ratio: f64, least: f64, at_most: f64 },
    #[error("interrupted")]
    Interrupted,
}

/// Says what was being done when an operation failed.
pub trait Context<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|source| Failure::Io { what: what(), source })
    }
}
