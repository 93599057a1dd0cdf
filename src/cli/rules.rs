//! `edge rules test FILE…`: the tests that stand in rule files, run without a network.

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
}

pub(super) fn run(command: &Rules, configuration: &Configuration) -> ExitCode {
    let Rules::Test { files } = command;
    let prefix = configuration.prefix.as_deref().unwrap_or(Path::new("."));
    let results: Vec<bool> = files.iter().map(|path| test(path, prefix)).collect();
    match results.iter().filter(|passed| !**passed).count() {
        0 => ExitCode::SUCCESS,
        1 if results.len() == 1 => ExitCode::FAILURE,
        wrong => fail(format!("{wrong} of {} files are not right", results.len())),
    }
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
