//! `edge rules test FILE…`: the tests that stand in rule files, run without a network. `edge rules stats` asks a running edge for
//! what it has counted.

use super::upstream::{ask, show};
use super::{Configuration, fail};
use crate::config::Diagnostics;
use crate::rules::{file, testing};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand, Debug)]
pub(super) enum Rules {
    /// Run the tests that stand in rule files; 0: all of them pass
    Test {
        /// The rule files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Say who decided over the limits that several edges share, since the configuration is in force: `asked`, memcached; `known`, it had
    /// said before that it is too early; `alone`, it had no answer, and this edge has counted by itself
    Stats {
        /// One object of JSON for each limit
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Rules, configuration: &Configuration) -> ExitCode {
    let files = match command {
        Rules::Test { files } => files,
        Rules::Stats { json } => return run_stats(configuration, *json),
    };
    let prefix = configuration.prefix.as_deref().unwrap_or(Path::new("."));
    let results: Vec<bool> = files.iter().map(|path| test(path, prefix)).collect();
    match results.iter().filter(|passed| !**passed).count() {
        0 => ExitCode::SUCCESS,
        1 if results.len() == 1 => ExitCode::FAILURE,
        wrong => fail(format!("{wrong} of {} files are not right", results.len())),
    }
}

fn run_stats(configuration: &Configuration, json: bool) -> ExitCode {
    let answer = match ask(configuration, &["rules", "stats"]) {
        Ok(answer) => answer,
        Err(why) => return fail(why),
    };
    if json || answer.failure.is_some() {
        return show(&answer);
    }
    for line in answer.out.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        println!("{}:", line["limit"].as_str().unwrap_or_default());
        for (name, count) in line["counts"].as_object().into_iter().flatten() {
            println!("  {name:<26}{:>10}", count.as_u64().unwrap_or_default());
        }
    }
    ExitCode::SUCCESS
}

/// Whether all is right with a file.
fn test(path: &Path, prefix: &Path) -> bool {
    let mut diagnostics = Diagnostics::new();
    let report = file::load(path, &mut diagnostics).map(|file| testing::run(&file, prefix, &mut diagnostics));
    diagnostics.sort();
    eprint!("{diagnostics}");
    let Some(report) = report.filter(|_| !diagnostics.has_errors()) else { return false };
    for failure in &report.failures {
        println!("{}: failed: {}", diagnostics.place(failure.span), failure.name);
        failure.differences.iter().for_each(|difference| println!("    {difference}"));
    }
    let passed = match report.passed {
        1 => "1 test passes".to_owned(),
        passed => format!("{passed} tests pass"),
    };
    match report.failures.len() {
        0 => println!("{}: {passed}", path.display()),
        1 => println!("{}: {passed}, 1 fails", path.display()),
        failed => println!("{}: {passed}, {failed} fail", path.display()),
    }
    report.failures.is_empty()
}
