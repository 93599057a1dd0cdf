//! `edge convert NGINX_CONF`: the same in YAML. Nothing is left out silently: what has no counterpart is told, and stands in
//! the text as a comment with its place.

use super::{Configuration, fail};
use crate::config::diagnostics::plain;
use crate::config::keys::Key;
use crate::config::node::{Entry, Kind};
use crate::config::raw::all_keys;
use crate::config::types::Accepted;
use crate::config::{Diagnostics, Node, Raw, Severity, Span, Value};
use crate::convert::notes::Notes;
use crate::convert::{self, tomcat, write};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The status where the text says less than the file.
const LEFT: u8 = 2;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The nginx.conf
    file: PathBuf,

    /// Write it into this file, which must not exist, instead of printing it
    #[arg(short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,

    /// With -o: the file may exist, and is overwritten
    #[arg(long, requires = "output")]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, configuration: &Configuration) -> ExitCode {
    let file = &arguments.file;
    if file.extension().is_none_or(|e| e != "conf") {
        return fail(format!("{}: is this an nginx.conf? Its name must end in `.conf`", file.display()));
    }
    let mut diagnostics = Diagnostics::new();
    let around = convert::Around {
        globals: configuration.globals.as_deref(),
        prefix: configuration.prefix.as_deref(),
        ignore_unsupported: configuration.ignore_unsupported,
    };
    let Some((mut tree, mut notes)) = convert::load_noted(file, &around, &mut diagnostics) else {
        eprint!("{diagnostics}");
        return fail(format!("{} cannot be read as an nginx.conf", file.display()));
    };
    // Values are right or wrong in either language.
    Raw::read(&tree, &mut diagnostics);
    let added = match configuration.tomcats.as_slice() {
        [] => tomcat::Added::default(),
        sources => tomcat::add(&mut tree, sources, &mut diagnostics),
    };
    diagnostics.sort();
    eprint!("{diagnostics}");
    let directives = notes.directives;
    let text = text(&tree, &added, &mut notes);
    let text = format!("# {}, converted\n{}{text}", file.display(), left(&diagnostics));
    match &arguments.output {
        None => print!("{text}"),
        Some(output) => {
            if let Err(why) = write_file(output, arguments.force, &text) {
                return fail(format!("{}: {why}", output.display()));
            }
        }
    }
    report(file, &tree, directives, &diagnostics);
    match diagnostics.has_errors() {
        true => ExitCode::from(LEFT),
        false => ExitCode::SUCCESS,
    }
}

/// Writes what nobody reads before it is whole: another edge may be told to reload at any time.
fn write_file(path: &Path, force: bool, text: &str) -> Result<(), String> {
    if !force && path.symlink_metadata().is_ok() {
        return Err("it exists; --force overwrites it".into());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|e| plain(&e))
}

/// Says what became of the directives, on stderr: what was left and what means something else was told already, each with
/// its place.
fn report(file: &Path, tree: &Node, directives: usize, diagnostics: &Diagnostics) {
    let mut idle = Vec::new();
    find_idle(tree, &mut idle);
    for (key, span) in &idle {
        eprintln!("{}: `{key}` has no effect here; edge accepts it", diagnostics.place(*span));
    }
    for span in routes(tree) {
        eprintln!(
            "{}: hint: this map takes the jvmRoute out of session ids; `route` of the servers and `session` of the upstream do that",
            diagnostics.place(span)
        );
    }
    let (left, changed) = diagnostics.count();
    let idle = idle.len();
    eprintln!(
        "edge: {}: {directives} directives: {left} left, {changed} to be looked at, {idle} without effect, the others carried over",
        file.display()
    );
}

/// Keys that are accepted and do nothing.
fn find_idle(block: &Node, found: &mut Vec<(String, Span)>) {
    for e in block.as_map().unwrap_or_default() {
        let accepted = |key: &Key| key.name == e.key && (key.kind.expected)() == Accepted::expected();
        match e.key.as_str() {
            _ if all_keys().any(accepted) => found.push((e.key.clone(), e.span)),
            "upstream" => e.value.as_map().unwrap_or_default().iter().for_each(|named| find_idle(&named.value, found)),
            "server" | "location" | "limit_except" | "rewrite" => match &e.value.kind {
                Kind::List(blocks) => blocks.iter().for_each(|block| find_idle(block, found)),
                _ => find_idle(&e.value, found),
            },
            // What stands in a value is no directive.
            _ => {}
        }
    }
}

/// Where maps read the cookie of a Tomcat's session.
fn routes(tree: &Node) -> Vec<Span> {
    let maps = tree.get("map").and_then(Node::as_map).unwrap_or_default();
    let reads = |e: &&Entry| {
        let source = e.value.get("source").and_then(Node::as_text).unwrap_or_default();
        source.to_ascii_lowercase().contains("jsessionid")
    };
    maps.iter().filter(reads).map(|e| e.span).collect()
}

/// What the text does not say, as comments.
fn left(diagnostics: &Diagnostics) -> String {
    let errors: Vec<_> = diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    if errors.is_empty() {
        return "\n".into();
    }
    let mut text = String::from("#\n# Not carried over:\n");
    for error in errors {
        let place = error.span.map(|span| format!("{}: ", diagnostics.place(span))).unwrap_or_default();
        let line = error.span.and_then(|span| diagnostics.line(span)).map(str::trim).unwrap_or_default();
        text += &write::comment(&format!("  {place}{}", error.message));
        if !line.is_empty() {
            text += &write::comment(&format!("      {line}"));
        }
    }
    text + "\n"
}

fn text(tree: &Node, added: &tomcat::Added, notes: &mut Notes) -> String {
    let mut comments = BTreeMap::new();
    if added.upstreams.len() > 1 {
        for name in &added.upstreams {
            let others: Vec<&str> = added.upstreams.iter().filter(|other| *other != name).map(String::as_str).collect();
            let comment = format!(
                "Also in: {}. Each upstream that a proxy_pass names has it; take it out where no Tomcat is.",
                others.join(", ")
            );
            comments.insert(format!("upstream/{name}/session"), comment);
        }
    }
    write::noted(tree, &comments, notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    #[test]
    fn only_directives_are_told_to_be_without_effect() {
        let text = "limit_req: { zone: a }\nupstream: { zone: { zone: a } }\nserver: [{ location: [{ aio: on, limit_req: { zone: a } }] }]\n";
        let tree = yaml::parse(Path::new("edge.yaml"), text, &mut Diagnostics::new()).expect("it is YAML");
        let mut found = Vec::new();
        find_idle(&tree, &mut found);
        assert_eq!(found.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["zone", "aio"]);
    }
}
