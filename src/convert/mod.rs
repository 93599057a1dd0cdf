//! nginx.conf becomes the tree that edge.yaml becomes, so that one set of readers ([`crate::config::Raw`]) types both.
//!
//! A file goes through four hands: [`lexer`] knows words, quotes and comments as nginx's own reader does, [`parser`]
//! blocks, [`files`] what `include` brings in, [`tree`] which directive may stand where and which key of edge.yaml it is
//! ([`script`]: steps, whose order counts; [`variables`]: blocks that define some).
//! [`notes`] keeps comments for a conversion, [`modules`] says which of nginx's modules all that amounts to.
//! [`tomcat`] adds what the Tomcats behind it say of their sessions, and [`write`] is the way back to a text.
//! What nginx knows and edge does not carry ([`directives`]) is an error with its place: nothing is dropped silently. A
//! hostile file ends in a message; size, depth, the number of directives, of files and of mistakes are bounded.

mod directives;
mod files;
pub mod lexer;
pub mod modules;
pub mod notes;
pub mod parser;
mod places;
mod script;
pub mod tomcat;
mod tree;
mod values;
mod variables;
pub mod write;

#[cfg(test)]
mod access_tests;
#[cfg(test)]
mod lexer_tests;
#[cfg(test)]
mod messages_tests;
#[cfg(test)]
mod parser_tests;
#[cfg(test)]
pub(crate) mod print;
#[cfg(test)]
mod seed_tests;
#[cfg(test)]
mod tree_tests;

use crate::config::node::{Entry, Kind};
use crate::config::{Diagnostics, Node};
use notes::Notes;
use std::path::Path;

/// Reads an nginx configuration and everything it includes. `None` if it cannot be read or its blocks do not close as
/// they open; a directive that is wrong is noted and left out of the tree.
pub fn load(path: &Path, diagnostics: &mut Diagnostics) -> Option<Node> {
    load_with(path, &Around::default(), diagnostics)
}

/// What the command line says about an nginx.conf.
#[derive(Default)]
pub struct Around<'a> {
    /// Directives that are read before the file.
    pub globals: Option<&'a str>,
    /// Where relative paths begin, but for those that nginx looks for beside its configuration.
    pub prefix: Option<&'a Path>,
    /// What edge has not is left out with a warning.
    pub ignore_unsupported: bool,
}

/// The same, with what the command line says.
pub fn load_with(path: &Path, around: &Around<'_>, diagnostics: &mut Diagnostics) -> Option<Node> {
    load_noted(path, around, diagnostics).map(|(node, _)| node)
}

/// The same, with the comments that stand in the files.
pub fn load_noted(path: &Path, around: &Around<'_>, diagnostics: &mut Diagnostics) -> Option<(Node, Notes)> {
    let before = match around.globals {
        Some(text) => Some(parser::globals(path, text, diagnostics)?),
        None => None,
    };
    let mut conf = parser::load(path, diagnostics)?;
    if let Some(before) = before {
        conf.directives.splice(0..0, before.directives);
    }
    let mut node = tree::build(&conf, around.ignore_unsupported, diagnostics);
    know_types(&mut node);
    if around.prefix.is_some()
        && let Some(beside) = path.parent()
    {
        look_beside(&mut node, beside);
    }
    let notes = Notes::of(&conf, diagnostics);
    Some((node, notes))
}

/// Files that nginx looks for beside its configuration, and not below the prefix.
const BESIDE: &[&str] = &[
    "auth_basic_user_file",
    "grpc_ssl_certificate",
    "grpc_ssl_certificate_key",
    "grpc_ssl_crl",
    "grpc_ssl_password_file",
    "grpc_ssl_trusted_certificate",
    "proxy_ssl_certificate",
    "proxy_ssl_certificate_key",
    "proxy_ssl_crl",
    "proxy_ssl_password_file",
    "proxy_ssl_trusted_certificate",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_client_certificate",
    "ssl_crl",
    "ssl_dhparam",
    "ssl_password_file",
    "ssl_session_ticket_key",
    "ssl_stapling_file",
    "ssl_trusted_certificate",
];

/// Makes the paths of such files whole. The depth of the tree is bounded as the file's blocks are.
fn look_beside(node: &mut Node, directory: &Path) {
    match &mut node.kind {
        Kind::Map(entries) => {
            for entry in entries {
                match BESIDE.contains(&entry.key.as_str()) {
                    true => make_whole(&mut entry.value, directory),
                    false => look_beside(&mut entry.value, directory),
                }
            }
        }
        Kind::List(items) => items.iter_mut().for_each(|item| look_beside(item, directory)),
        Kind::Null | Kind::Scalar(_) => {}
    }
}

fn make_whole(node: &mut Node, directory: &Path) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| make_whole(item, directory)),
        Kind::Scalar(scalar) if !scalar.text.starts_with(['$', '/']) && !scalar.text.contains(':') => {
            scalar.text = directory.join(&scalar.text).to_string_lossy().into_owned();
        }
        _ => {}
    }
}

/// Without `types` nginx knows three extensions, where edge.yaml has a whole table.
fn know_types(top: &mut Node) {
    const KNOWN: [(&str, &str); 3] = [("text/html", "html"), ("image/gif", "gif"), ("image/jpeg", "jpg")];
    let span = top.span;
    if let Kind::Map(entries) = &mut top.kind
        && !entries.iter().any(|e| e.key == "types")
    {
        let known =
            KNOWN.map(|(kind, extension)| Entry { key: kind.into(), span, value: Node::scalar(span, extension) });
        entries.push(Entry { key: "types".into(), span, value: Node::map(span, known.into()) });
    }
}

/// Reads a text that stands for the file `path`; what it includes is looked for beside `path`.
pub fn parse(path: &Path, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let conf = parser::parse(path, text, diagnostics)?;
    Some(tree::build(&conf, false, diagnostics))
}

/// A word of the user's as it stands in a message: short, and without characters that move a terminal's cursor.
fn shown(word: &str) -> String {
    const SHOWN: usize = 64;
    let mut text: String = word.chars().take(SHOWN).flat_map(printable).collect();
    if word.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

fn printable(c: char) -> impl Iterator<Item = char> {
    let (plain, escaped) = match c.is_control() {
        true => (None, Some(c.escape_default())),
        false => (Some(c), None),
    };
    plain.into_iter().chain(escaped.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_types_nginx_knows_three_extensions() {
        let home = tempfile::tempdir().unwrap();
        let load = |text: &str| {
            let file = home.path().join("nginx.conf");
            std::fs::write(&file, text).unwrap();
            let mut diagnostics = Diagnostics::new();
            let node = super::load(&file, &mut diagnostics).unwrap();
            assert_eq!(diagnostics.to_string(), "");
            node.get("types").unwrap().as_map().unwrap().len()
        };
        assert_eq!(load("http { server { listen 1; } }"), 3);
        assert_eq!(load("http { types { a/b c; } server { listen 1; } }"), 1);
    }
}
