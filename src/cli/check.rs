//! `edge -t` and `edge -T`: checks a configuration, all mistakes in one run.

use super::{Configuration, fail};
use crate::config::node::Kind;
use crate::config::{Diagnostics, Node};
use crate::convert;
use crate::server::{EarlyLog, load::Loader};
use std::collections::HashSet;
use std::process::ExitCode;

/// Keys whose values are secrets, wherever they come from.
const SECRETS: &[&str] = &["secure_link_secret", "session_log_key"];

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
    if dump && options.is_nginx_conf() {
        dump_files(configuration);
    } else if dump && let Some(mut tree) = loaded.tree {
        hide(&mut tree);
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

/// Each file of an nginx.conf as it is, as `nginx -T` prints them.
fn dump_files(configuration: &Configuration) {
    let mut read = Diagnostics::new();
    let _ = convert::load(&configuration.file, &mut read);
    let mut seen = HashSet::new();
    for (path, lines) in read.sources().filter(|(path, _)| seen.insert(path.to_path_buf())) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        print!("# configuration file {}:\n{text}\n", path.display());
    }
}

/// Masks what is a secret by its key.
fn hide(node: &mut Node) {
    match &mut node.kind {
        Kind::Map(entries) => entries.iter_mut().for_each(|entry| match &mut entry.value.kind {
            Kind::Scalar(scalar) => scalar.secret |= SECRETS.contains(&entry.key.as_str()),
            _ => hide(&mut entry.value),
        }),
        Kind::List(items) => items.iter_mut().for_each(hide),
        Kind::Null | Kind::Scalar(_) => {}
    }
}
