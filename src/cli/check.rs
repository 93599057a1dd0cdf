//! `edge -t` and `edge -T`: checks a configuration, all mistakes in one run.

use super::{Configuration, fail};
use crate::server::{EarlyLog, load::Loader};
use std::process::ExitCode;

pub(super) fn run(configuration: &Configuration, dump: bool, quiet: bool) -> ExitCode {
    let options = configuration.options(true);
    let early = EarlyLog::open(&options);
    let loaded = Loader::new(options.clone()).load();
    eprint!("{}", loaded.diagnostics);
    let file = configuration.file.display();
    if loaded.snapshot.is_none() {
        early.tell_all(&loaded.diagnostics);
        let (errors, _) = loaded.diagnostics.count();
        let mistakes = format!("{errors} {}", if errors == 1 { "mistake" } else { "mistakes" });
        return fail(match options.is_nginx_conf() {
            true => format!("configuration file {file} test failed: {mistakes}"),
            false => format!("{file} is not right: {mistakes}"),
        });
    }
    if dump && let Some(tree) = &loaded.tree {
        match serde_yaml::to_string(&tree.to_yaml()) {
            Ok(text) => print!("# {file}, with all it includes\n{text}"),
            Err(e) => return fail(e),
        }
    }
    match (quiet, options.is_nginx_conf()) {
        (true, _) => {}
        // Scripts look for nginx's words.
        (false, true) => eprintln!(
            "edge: the configuration file {file} syntax is ok\nedge: configuration file {file} test is successful"
        ),
        (false, false) => eprintln!("edge: {file} is right"),
    }
    ExitCode::SUCCESS
}
