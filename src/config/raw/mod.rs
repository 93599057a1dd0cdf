//! The configuration as written, typed: [`Raw`] at the top, servers with their locations, upstreams.
//!
//! Nothing is resolved or inherited here. Every value keeps its place, so that what the rooms find out later (a reference
//! to nothing, a regular expression that does not compile) is told as exactly as a wrong type.

mod main;
mod scope;
mod script;
mod server;
pub mod tls;
mod upstream;

pub use main::MainKeys;
pub use scope::Scope;
pub use script::If;
pub use server::{Handling, IfKeys, LimitExceptKeys, LocationKeys, ServerKeys};
pub use tls::TlsKeys;
pub use upstream::UpstreamKeys;

use super::diagnostics::{Diagnostics, Span};
use super::keys::{Contexts, Key, Keys};
use super::node::{Entry, Node};
use super::types::Admin;
use super::value::Spanned;

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    pub main: MainKeys,
    pub scope: Scope,
    pub tls: TlsKeys,
    pub upstreams: Vec<Upstream>,
    pub servers: Vec<Server>,
}

#[derive(Clone, Debug)]
pub struct Upstream {
    pub name: Spanned<String>,
    pub keys: UpstreamKeys,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub span: Span,
    pub keys: ServerKeys,
    pub handling: Handling,
    pub scope: Scope,
    pub tls: TlsKeys,
    pub locations: Vec<Location>,
}

#[derive(Clone, Debug)]
pub struct Location {
    pub span: Span,
    pub keys: LocationKeys,
    pub handling: Handling,
    pub scope: Scope,
    pub limit_except: Option<LimitExcept>,
    pub locations: Vec<Location>,
}

/// What holds in a location for other methods than those named.
#[derive(Clone, Debug)]
pub struct LimitExcept {
    pub span: Span,
    pub methods: Spanned<Vec<Spanned<String>>>,
    pub keys: LocationKeys,
    pub scope: Scope,
}

/// Every key there is, with the group it belongs to.
pub fn all_keys() -> impl Iterator<Item = &'static Key> {
    let groups: [&'static [Key]; 9] = [
        MainKeys::KEYS,
        Scope::KEYS,
        TlsKeys::KEYS,
        ServerKeys::KEYS,
        Handling::KEYS,
        LocationKeys::KEYS,
        LimitExceptKeys::KEYS,
        IfKeys::KEYS,
        UpstreamKeys::KEYS,
    ];
    groups.into_iter().flatten()
}

/// The keys whose values are blocks, with the blocks they stand in.
pub const BLOCKS: &[(&str, Contexts)] = &[
    ("upstream", Contexts::from_letters("h")),
    ("server", Contexts::from_letters("h")),
    ("location", Contexts::from_letters("sl")),
    ("limit_except", Contexts::from_letters("l")),
];

impl Raw {
    /// Types a tree. Mistakes are noted; what is right is read all the same.
    pub fn read(node: &Node, diagnostics: &mut Diagnostics) -> Raw {
        let mut raw = Raw::default();
        let Some(block) = Block::open(node, "the configuration", diagnostics) else {
            return raw;
        };
        block.each(Contexts(Contexts::HTTP.0 | Contexts::MAIN.0), diagnostics, |key, value, d| match key {
            "upstream" => {
                raw.upstreams = read_upstreams(value, d);
                true
            }
            "server" => {
                raw.servers.extend(value.items().iter().filter_map(|item| read_server(item, d)));
                true
            }
            "admin" => {
                raw.servers.extend(admin(value).and_then(|server| read_server(&server, d)));
                // What is wrong with its socket has been told, and is not told twice.
                raw.main.read_key(key, value, d)
            }
            _ => {
                raw.main.read_key(key, value, d) || raw.scope.read_key(key, value, d) || raw.tls.read_key(key, value, d)
            }
        });
        raw
    }
}

/// The server that `admin` stands for. Whatever holds for the others, it is not logged, and no rule leads its requests elsewhere.
fn admin(written: &Node) -> Option<Node> {
    let (listen, token) = Admin::parts(written);
    let (listen, at) = (listen?, written.span);
    let entry = |key: &str, value: Node| Entry { key: key.to_owned(), span: at, value };
    let word = |text: &str| Node::scalar(at, text);
    let mut everything = vec![entry("match", word("/")), entry("api", word("on"))];
    everything.extend(token.map(|token| entry("api_token_file", token.clone())));
    let everything = Node::map(at, everything);
    let keys = [
        entry("listen", listen.clone()),
        entry("access_log", word("off")),
        entry("rules_inherit", word("off")),
        entry("location", Node::list(at, vec![everything])),
    ];
    Some(Node::map(at, keys.into()))
}

fn read_upstreams(node: &Node, diagnostics: &mut Diagnostics) -> Vec<Upstream> {
    let Some(entries) = node.as_map() else {
        diagnostics.error(node.span, format!("expected a map of upstreams by name, found {}", node.describe()));
        return Vec::new();
    };
    entries
        .iter()
        .filter_map(|e| {
            let block = Block::open(&e.value, "an upstream", diagnostics)?;
            let mut keys = UpstreamKeys::default();
            block.each(Contexts::UPSTREAM, diagnostics, |key, value, d| keys.read_key(key, value, d));
            Some(Upstream { name: Spanned { value: e.key.clone(), span: e.span }, keys })
        })
        .collect()
}

fn read_server(node: &Node, diagnostics: &mut Diagnostics) -> Option<Server> {
    let block = Block::open(node, "a server", diagnostics)?;
    let mut server = Server {
        span: node.span,
        keys: ServerKeys::default(),
        handling: Handling::default(),
        scope: Scope::default(),
        tls: TlsKeys::default(),
        locations: Vec::new(),
    };
    block.each(Contexts::SERVER, diagnostics, |key, value, d| {
        if key == "location" {
            server.locations = read_locations(value, d);
            return true;
        }
        server.keys.read_key(key, value, d)
            || server.handling.read_key(key, value, d)
            || server.scope.read_key(key, value, d)
            || server.tls.read_key(key, value, d)
    });
    script::check_server(&server.handling, diagnostics);
    Some(server)
}

fn read_locations(node: &Node, diagnostics: &mut Diagnostics) -> Vec<Location> {
    node.items().iter().filter_map(|item| read_location(item, diagnostics)).collect()
}

fn read_location(node: &Node, diagnostics: &mut Diagnostics) -> Option<Location> {
    let block = Block::open(node, "a location", diagnostics)?;
    let mut location = Location {
        span: node.span,
        keys: LocationKeys::default(),
        handling: Handling::default(),
        scope: Scope::default(),
        limit_except: None,
        locations: Vec::new(),
    };
    block.each(Contexts::LOCATION, diagnostics, |key, value, d| {
        if key == "location" {
            location.locations = read_locations(value, d);
            return true;
        }
        if key == "limit_except" {
            location.limit_except = read_limit_except(value, d);
            return true;
        }
        location.keys.read_key(key, value, d)
            || location.handling.read_key(key, value, d)
            || location.scope.read_key(key, value, d)
    });
    if location.keys.pattern.is_none() {
        diagnostics
            .error(node.span, "a location has no `match`")
            .help("write `match: /prefix`, `match: = /exact`, `match: ^~ /prefix`, `match: ~ regex` or `match: @name`");
        return None;
    }
    Some(location)
}

fn read_limit_except(node: &Node, diagnostics: &mut Diagnostics) -> Option<LimitExcept> {
    let block = Block::open(node, "`limit_except`", diagnostics)?;
    let mut own = LimitExceptKeys::default();
    let mut keys = LocationKeys::default();
    let mut scope = Scope::default();
    block.each(Contexts::LIMIT_EXCEPT, diagnostics, |key, value, d| {
        own.read_key(key, value, d) || keys.read_key(key, value, d) || scope.read_key(key, value, d)
    });
    let Some(methods) = own.methods else {
        diagnostics.error(node.span, "`limit_except` has no `methods`").help(
            "write `limit_except: { methods: [GET], access: { deny: all } }`: GET is for everybody, and HEAD with it",
        );
        return None;
    };
    Some(LimitExcept { span: node.span, methods, keys, scope })
}

/// A map whose keys depend on where it stands.
struct Block<'n> {
    node: &'n Node,
    what: &'static str,
}

impl<'n> Block<'n> {
    fn open(node: &'n Node, what: &'static str, diagnostics: &mut Diagnostics) -> Option<Block<'n>> {
        if node.as_map().is_none() {
            diagnostics.error(node.span, format!("expected {what}, which is a map of keys, found {}", node.describe()));
            return None;
        }
        Some(Block { node, what })
    }

    /// Hands each entry to `read`; says so where a key is unknown or stands in the wrong block.
    fn each(
        &self,
        context: Contexts,
        diagnostics: &mut Diagnostics,
        mut read: impl FnMut(&str, &Node, &mut Diagnostics) -> bool,
    ) {
        for (key, span, value) in ungrouped(self.node) {
            let known = all_keys().find(|k| k.name == key && k.contexts.0 & context.0 != 0).is_some()
                || BLOCKS.iter().any(|(name, contexts)| *name == key && contexts.0 & context.0 != 0);
            if !known || !read(&key, &value, diagnostics) {
                self.unknown(&key, span, context, diagnostics);
            }
        }
    }

    fn unknown(&self, key: &str, span: Span, context: Contexts, diagnostics: &mut Diagnostics) {
        if diagnostics.is_flooded() {
            diagnostics.error(span, format!("unknown key `{key}` in {}", self.what));
            return;
        }
        if let Some((group, part)) = key.split_once(SHORT).filter(|(group, _)| GROUPS.contains(group)) {
            let parts = all_keys().filter_map(|k| k.name.strip_prefix(group)?.strip_prefix('_')).chain(["enabled"]);
            diagnostics.error(span, format!("unknown key `{part}` in `{group}`")).did_you_mean(part, parts);
            return;
        }
        let elsewhere = all_keys().find(|k| k.name == key).map(|k| k.contexts);
        let elsewhere = elsewhere.or_else(|| BLOCKS.iter().find(|(name, _)| *name == key).map(|(_, c)| *c));
        if let Some(contexts) = elsewhere {
            diagnostics
                .error(span, format!("`{key}` may not stand in {}", self.what))
                .help(format!("it may stand in: {}", contexts.names()));
            return;
        }
        if let Some((_, instead)) = OTHERWISE.iter().find(|(word, _)| *word == key) {
            diagnostics.error(span, format!("unknown key `{key}` in {}", self.what)).help(*instead);
            return;
        }
        let here = all_keys().filter(|k| k.contexts.0 & context.0 != 0).map(|k| k.name);
        diagnostics
            .error(span, format!("unknown key `{key}` in {}", self.what))
            .did_you_mean(key, here.chain(BLOCKS.iter().map(|(name, _)| *name)));
    }
}

/// What nginx once said, and how it is said now.
const OTHERWISE: &[(&str, &str)] = &[
    ("allow", "write `access: { allow: [10.0.0.0/8], deny: all }`: the first rule that fits decides"),
    ("deny", "write `access: { allow: [10.0.0.0/8], deny: all }`: the first rule that fits decides"),
    ("ssl", "write `listen: { address: …, ssl: true }`"),
];

/// The keys that are on or off, or a map of the keys that begin with their name.
pub const GROUPS: &[&str] = &["gzip", "brotli", "zstd"];

/// Between the group and a key of the short form that has no long one.
const SHORT: &str = ": ";

/// `gzip: {types: …}` is `gzip: on` with `gzip_types: …`.
fn ungrouped(node: &Node) -> Vec<(String, Span, Node)> {
    let mut flat = Vec::new();
    for e in node.as_map().unwrap_or_default() {
        match (e.key.as_str(), e.value.as_map()) {
            (group, Some(parts)) if GROUPS.contains(&group) => {
                if !parts.iter().any(|p| p.key == "enabled") {
                    flat.push((group.to_owned(), e.span, Node::scalar(e.value.span, "on")));
                }
                flat.extend(parts.iter().map(|p| {
                    let long = format!("{group}_{}", p.key);
                    let name = match p.key.as_str() {
                        "enabled" => group.to_owned(),
                        _ if all_keys().any(|k| k.name == long) => long,
                        unknown => format!("{group}{SHORT}{unknown}"),
                    };
                    (name, p.span, p.value.clone())
                }));
            }
            _ => flat.push((e.key.clone(), e.span, e.value.clone())),
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::types::Precompressed;
    use crate::config::value::Size;
    use crate::config::yaml;
    use std::path::Path;

    fn read(text: &str) -> (Raw, String) {
        let mut diagnostics = Diagnostics::new();
        let node = yaml::parse(Path::new("edge.yaml"), text, &mut diagnostics).unwrap();
        let raw = Raw::read(&node, &mut diagnostics);
        diagnostics.sort();
        (raw, diagnostics.to_string())
    }

    #[test]
    fn every_default_reads() {
        for key in all_keys() {
            if let Some(default) = key.default {
                let mut diagnostics = Diagnostics::new();
                let node =
                    yaml::parse(Path::new("default"), &format!("{}: {default}", key.name), &mut diagnostics).unwrap();
                let value = node.get(key.name).unwrap();
                let read = MainKeys::default().read_key(key.name, value, &mut diagnostics)
                    || Scope::default().read_key(key.name, value, &mut diagnostics)
                    || TlsKeys::default().read_key(key.name, value, &mut diagnostics)
                    || ServerKeys::default().read_key(key.name, value, &mut diagnostics)
                    || Handling::default().read_key(key.name, value, &mut diagnostics)
                    || LocationKeys::default().read_key(key.name, value, &mut diagnostics)
                    || LimitExceptKeys::default().read_key(key.name, value, &mut diagnostics)
                    || UpstreamKeys::default().read_key(key.name, value, &mut diagnostics);
                assert!(read && diagnostics.is_empty(), "{}: {diagnostics}", key.name);
            }
        }
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_in_one_run() {
        let (_, said) = read(
            "proxy_read_timout: 5s\nserver:\n  - listen: 80\n    keepalive_requests: many\n    location:\n      - proxy_pass: http://a\n      \
             - match: /\n        worker_processes: 2\n        proxy_next_upstream: [eror]\n",
        );
        for expected in [
            "edge.yaml:1:1: error: unknown key `proxy_read_timout` in the configuration",
            "did you mean `proxy_read_timeout`?",
            "edge.yaml:4:25: error: expected a whole number, found `many`",
            "edge.yaml:6:9: error: a location has no `match`",
            "edge.yaml:8:9: error: `worker_processes` may not stand in a location",
            "edge.yaml:9:31: error: expected `error`, `timeout`",
            "did you mean `error`?",
        ] {
            assert!(said.contains(expected), "{expected}\n{said}");
        }
    }

    #[test]
    fn the_short_form_of_gzip_is_the_long_one() {
        let (raw, said) = read("gzip: { types: [text/css], min_length: 1k }\n");
        assert_eq!(said, "");
        assert!(raw.scope.gzip());
        assert_eq!(raw.scope.gzip_types(), ["text/css"]);
        assert_eq!(raw.scope.gzip_min_length(), Size(1024));
    }

    #[test]
    fn brotli_and_zstd_have_a_short_form_as_well() {
        let text =
            "brotli: { types: [text/css], comp_level: 4, static: always }\nzstd: { enabled: off, min_length: 1k }\n";
        let (raw, said) = read(text);
        assert_eq!(said, "");
        assert!(raw.scope.brotli() && !raw.scope.zstd() && !raw.scope.gzip());
        assert_eq!((raw.scope.brotli_types(), raw.scope.brotli_comp_level()), (vec!["text/css".to_owned()], 4));
        assert_eq!((raw.scope.brotli_static(), raw.scope.zstd_min_length()), (Precompressed::Always, Size(1024)));
        let (_, said) = read("brotli: { vary: on }\nzstd: { comp_levl: 3 }\n");
        assert!(said.contains("unknown key `vary` in `brotli`"), "{said}");
        assert!(
            said.contains("unknown key `comp_levl` in `zstd`") && said.contains("did you mean `comp_level`?"),
            "{said}"
        );
    }

    #[test]
    fn no_key_is_defined_twice_for_one_block() {
        let keys: Vec<&Key> = all_keys().collect();
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert!(a.name != b.name || a.contexts.0 & b.contexts.0 == 0, "{}", a.name);
            }
        }
    }
}
