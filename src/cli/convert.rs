//! `edge convert NGINX_CONF`: the same in YAML. Nothing is left out silently: what has no counterpart is told, and stands in
//! the text as a comment with its place.

use super::{Configuration, fail};
use crate::config::{Diagnostics, Node, Raw, Severity};
use crate::convert::{self, tomcat, write};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// The status where the text says less than the file.
const LEFT: u8 = 2;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The nginx.conf
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments, configuration: &Configuration) -> ExitCode {
    let file = &arguments.file;
    if file.extension().is_none_or(|e| e != "conf") {
        return fail(format!("{}: is this an nginx.conf? Its name must end in `.conf`", file.display()));
    }
    let mut diagnostics = Diagnostics::new();
    let Some(mut tree) = convert::load(file, &mut diagnostics) else {
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
    print!("# {}, converted\n{}{}", file.display(), left(&diagnostics), text(&tree, &added));
    match diagnostics.has_errors() {
        true => ExitCode::from(LEFT),
        false => ExitCode::SUCCESS,
    }
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

fn text(tree: &Node, added: &tomcat::Added) -> String {
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
    write::yaml(tree, &comments)
}
