//! edge beside nginx and HAProxy, on this machine, in one run: `cargo bench --bench compare -- --short`.
//!
//! Each server runs with one worker pinned to one core; the client and the origin share another. What is compared is
//! the CPU time the server's processes spend per request, because that is what other load on the machine moves
//! least, and the ratio to the tuned nginx *of the same round*. Requests per second and latencies are shown too.
//!
//! Where to look: `cases` says what is measured (a new case is a few lines there), `servers` who takes part,
//! `conf/` how they are configured, `many` what there is a thousand of in it, `run` how the rounds go, `client` who asks
//! (`wrk` or `h2load`), `summary` what is made of the samples; `markdown`, `svg` and `json` print it. `cores`, `process`,
//! `cpu`, `memory`, `certificate`, `check` and `origin` each do the one thing their name says.
//!
//! What always holds: every server answers every case correctly before anything is measured; nothing outlives
//! the run, neither processes nor files; the run ends within ten minutes, the short form within one.

/// Lists the tests of a module for `--self-test`: a target without harness has nobody to collect them.
macro_rules! tests {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name as fn())),*] };
}

mod cases;
mod certificate;
mod check;
mod client;
mod cores;
mod cpu;
mod failure;
mod h2load;
mod json;
mod machine;
mod many;
mod markdown;
mod memory;
mod options;
mod origin;
mod process;
mod run;
mod self_test;
mod servers;
mod summary;
mod svg;
mod wrk;

use std::{fs, process::ExitCode};

use failure::{Context, Failure};
use machine::Machine;
use options::{Action, Options};
use summary::Summary;

fn main() -> ExitCode {
    let done = match Options::from_command_line() {
        Action::SelfTest => return self_test::run(),
        Action::Measure(options) => measure(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compare: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<(), Failure> {
    process::heed_signals();
    process::allow_many_files();
    let cores = cores::choose()?;
    let contenders = servers::installed(options)?;
    let cases = cases::chosen(options)?;
    let machine = Machine::look(&cores, &client::wrk_program()?, &contenders)?;
    eprintln!("{}", machine.line());

    let measured = run::all_rounds(options, &cores, &cases, &contenders)?;
    let summary = Summary::of(&cases, &contenders, measured);

    let table = markdown::print(&machine, &summary);
    println!("{table}");
    if let Some(path) = &options.markdown {
        fs::write(path, &table).context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.svg {
        fs::write(path, svg::draw(&machine, &summary)).context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.json {
        fs::write(path, json::print(&machine, &summary)).context(|| path.display().to_string())?;
    }
    summary.judge()
}
