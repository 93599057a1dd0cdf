//! The tests of this program: `cargo test --bench compare`, or `cargo bench --bench compare -- --self-test`.

use std::{panic, process::ExitCode};

use crate::{cases, check, cores, cpu, h2load, machine, many, markdown, memory, servers, summary, svg, wrk};

pub fn run() -> ExitCode {
    let modules = [
        ("cases", cases::TESTS),
        ("check", check::TESTS),
        ("cores", cores::TESTS),
        ("cpu", cpu::TESTS),
        ("h2load", h2load::TESTS),
        ("machine", machine::TESTS),
        ("many", many::TESTS),
        ("markdown", markdown::TESTS),
        ("memory", memory::TESTS),
        ("servers", servers::TESTS),
        ("summary", summary::TESTS),
        ("svg", svg::TESTS),
        ("wrk", wrk::TESTS),
    ];
    let mut failed = 0;
    for (module, tests) in modules {
        for (name, test) in tests {
            // The panic itself is printed by the default hook.
            let passed = panic::catch_unwind(test).is_ok();
            println!("test {module}::{name} ... {}", if passed { "ok" } else { "FAILED" });
            failed += usize::from(!passed);
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
