//! What the files say becomes keys: `session_store` at the top, `session` in each upstream of the Tomcats, `route` at each
//! of their servers. What stands in the configuration already is left as it is.

use super::Source;
use super::file::{Engine, File};
use super::losses;
use super::manager::Manager;
use super::nodes::Nodes;
use super::routes;
use crate::config::node::{Entry, Kind};
use crate::config::{Diagnostics, Node, Span};
use std::collections::BTreeSet;

/// What edge waits for a node of memcached: beside a request, not instead of it.
const TIMEOUT: &str = "50ms";
/// The name of the store.
const STORE: &str = "msm";

/// What was added to a configuration.
#[derive(Debug, Default)]
pub struct Added {
    /// The upstreams that have sessions now.
    pub upstreams: Vec<String>,
}

/// Reads the files, notes what loses sessions, and adds the keys.
pub fn add(tree: &mut Node, sources: &[Source], diagnostics: &mut Diagnostics) -> Added {
    // Every mistake of every file is told.
    let loaded: Vec<Option<File>> = sources.iter().map(|source| File::load(source, diagnostics)).collect();
    match loaded.into_iter().collect::<Option<Vec<File>>>() {
        Some(files) => join_files(tree, files, diagnostics),
        None => Added::default(),
    }
}

pub(super) fn join_files(tree: &mut Node, files: Vec<File>, diagnostics: &mut Diagnostics) -> Added {
    for manager in files.iter().flat_map(|file| &file.managers) {
        losses::tell(manager, diagnostics);
    }
    let Some(manager) = chosen(&files, diagnostics) else {
        diagnostics
            .error_nowhere("no Manager of memcached-session-manager stands in what `--context` names")
            .help("name the context.xml (or server.xml) that has the `<Manager>`");
        return Added::default();
    };
    if manager.sticky.value {
        files
            .iter()
            .filter_map(|file| file.engine.as_ref())
            .for_each(|engine| tell_route(engine, manager, diagnostics));
    }
    let upstreams = super::proxied::upstreams(tree, &files, diagnostics);
    let contexts: Vec<String> = files.iter().flat_map(|file| &file.managers).map(|m| m.context.path.clone()).collect();
    join(tree, manager, &files, contexts, upstreams, diagnostics)
}

/// The first Manager; the others must agree with it, because an upstream has one way to keep sessions.
fn chosen<'f>(files: &'f [File], diagnostics: &mut Diagnostics) -> Option<&'f Manager> {
    let mut all = files.iter().flat_map(|file| &file.managers);
    let first = all.next()?;
    for other in all {
        let text = |word: &Option<super::xml::Word>| word.as_ref().map(|w| w.text.clone());
        let nodes = |m: &Manager| m.nodes.as_ref().map(|nodes| nodes.node().to_yaml());
        let differs = [
            ("memcachedNodes", nodes(first) != nodes(other)),
            ("sticky", first.sticky.value != other.sticky.value),
            ("storageKeyPrefix", text(&first.prefix) != text(&other.prefix)),
            ("sessionCookieName", text(&first.context.cookie) != text(&other.context.cookie)),
            ("requestUriIgnorePattern", text(&first.ignore) != text(&other.ignore)),
        ];
        if let Some((name, _)) = differs.iter().find(|(_, differs)| *differs) {
            let place = diagnostics.place(first.span);
            diagnostics
                .error(other.span, format!("two Managers with different `{name}`"))
                .help(format!("the other one stands at {place}; what they say of sessions has to be the same"));
        }
    }
    Some(first)
}

fn tell_route(engine: &Engine, manager: &Manager, diagnostics: &mut Diagnostics) {
    match &engine.route {
        None => {
            diagnostics
                .warning(
                    engine.span,
                    "the Engine has no `jvmRoute`: the ids of its sessions do not tell whose they are",
                )
                .help("write `<Engine jvmRoute=\"tomcat1\" …>`, another name in each Tomcat")
                .help("edge then has to guess the owner by the id, and after a failover nobody can tell whose copy is the newest");
        }
        // With one memcached that has no name MSM takes any id.
        Some(route) if route.text.contains('.') && matches!(manager.nodes, Some(Nodes::Named(_))) => {
            diagnostics
                .warning(route.span, "MSM stores no session of a Tomcat with a `.` in its `jvmRoute`")
                .help(format!("write `jvmRoute=\"{}\"`", super::super::shown(&route.text.replace('.', "_"))));
        }
        Some(_) => {}
    }
}

fn join(
    tree: &mut Node,
    manager: &Manager,
    files: &[File],
    contexts: Vec<String>,
    upstreams: Vec<String>,
    diagnostics: &mut Diagnostics,
) -> Added {
    let Some(nodes) = &manager.nodes else { return Added::default() };
    if upstreams.is_empty() {
        return Added::default();
    }
    let session = session(manager, contexts);
    let mut added = Added::default();
    let Some(Kind::Map(all)) = value_of(tree, "upstream").map(|node| &mut node.kind) else { return added };
    for upstream in all.iter_mut().filter(|e| upstreams.contains(&e.key)) {
        routes::give(upstream, files, manager.sticky.value, diagnostics);
        if upstream.value.get("session").is_none()
            && let Kind::Map(keys) = &mut upstream.value.kind
        {
            keys.push(Entry { key: "session".into(), span: manager.span, value: session.clone() });
            added.upstreams.push(upstream.key.clone());
        }
    }
    let before = position(tree, "upstream");
    if tree.get("session_store").is_none()
        && let (Kind::Map(keys), Some(before)) = (&mut tree.kind, before)
    {
        let span = manager.span;
        let timeout = entry("timeout", span, Node::scalar(span, TIMEOUT));
        let mut store = vec![entry("memcached", span, nodes.node())];
        store.extend(failover(manager, files).map(|names| entry("failover", span, names)));
        store.push(timeout);
        let store = Node::map(span, store);
        keys.insert(before, entry("session_store", span, Node::pair(span, STORE, store)));
    }
    added
}

/// The nodes for failover, where all Tomcats name the same. Often each has another one, the memcached on its own machine: then no
/// node is for failover to all of them.
fn failover(manager: &Manager, files: &[File]) -> Option<Node> {
    let names = |manager: &Manager| -> BTreeSet<String> { manager.failover.iter().map(|w| w.text.clone()).collect() };
    let common = names(manager);
    let same = files.iter().flat_map(|file| &file.managers).all(|other| names(other) == common);
    let list = || common.iter().map(|name| Node::scalar(manager.span, name)).collect();
    (same && !common.is_empty()).then(|| Node::list(manager.span, list()))
}

/// As somebody would write it in edge.yaml.
fn session(manager: &Manager, mut contexts: Vec<String>) -> Node {
    let span = manager.span;
    let cookie = manager.context.cookie.as_ref();
    // Tomcat calls the parameter of a path as the cookie, where that has a name of its own.
    let name = |default: &str| match cookie {
        Some(word) => Node::scalar(word.span, &word.text),
        None => Node::scalar(span, default),
    };
    let mut keys = Vec::new();
    if manager.context.cookies.value {
        keys.push(entry("cookie", span, name("JSESSIONID")));
    }
    keys.push(entry("path_parameter", span, name("jsessionid")));
    keys.push(entry("store", span, Node::scalar(span, STORE)));
    let mode = if manager.sticky.value { "sticky" } else { "non_sticky" };
    keys.push(entry("mode", manager.sticky.span, Node::scalar(manager.sticky.span, mode)));
    for (key, word) in [("ignore", &manager.ignore), ("storage_key_prefix", &manager.prefix)] {
        keys.extend(word.as_ref().map(|w| entry(key, w.span, Node::quoted(w.span, &w.text))));
    }
    contexts.sort();
    contexts.dedup();
    let contexts = contexts.iter().map(|path| Node::scalar(span, path)).collect();
    keys.push(entry("contexts", span, Node::list(span, contexts)));
    Node::map(span, keys)
}

pub(super) fn entry(key: &str, span: Span, value: Node) -> Entry {
    Entry { key: key.to_owned(), span, value }
}

fn position(tree: &Node, key: &str) -> Option<usize> {
    tree.as_map()?.iter().position(|e| e.key == key)
}

pub(super) fn value_of<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut node.kind {
        Kind::Map(entries) => entries.iter_mut().find(|e| e.key == key).map(|e| &mut e.value),
        _ => None,
    }
}
