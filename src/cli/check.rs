//! `edge -t` and `edge -T`: checks a configuration, all mistakes in one run.

use super::{Configuration, fail};
use crate::server::load::Loader;
use std::process::ExitCode;

pub(super) fn run(configuration: &Configuration, dump: bool, quiet: bool) -> ExitCode {
    let loaded = Loader::new(configuration.options(true)).load();
    eprint!("{}", loaded.diagnostics);
    let file = configuration.file.display();
    if loaded.snapshot.is_none() {
        let (errors, _) = loaded.diagnostics.count();
        return fail(format!("{file} is not right: {errors} {}", if errors == 1 { "mistake" } else { "mistakes" }));
    }
    if dump && let Some(tree) = &loaded.tree {
        match serde_yaml::to_string(&tree.to_yaml()) {
            Ok(text) => print!("# {file}, with all it includes\n{text}"),
            Err(e) => return fail(e),
        }
    }
    if !quiet {
        eprintln!("edge: {file} is right");
    }
    ExitCode::SUCCESS
}
