//! How the cache is written: its zones (`proxy_cache_path`) and how long answers are kept (`proxy_cache_valid`).

use serde_json::json;

use super::{entry, parameters};
use crate::config::keys::{map_schema, read_map};
use crate::config::value::{Arg, Named, Size, Time, Value};
use crate::config::{Diagnostics, Node};
use crate::{keys, words};

/// `{200: 1h, 301: 5m, any: 1m}`: how long answers of a status are kept.
#[derive(Clone, Debug, Default)]
pub struct CacheValid(pub Vec<(CacheStatus, Time)>);

impl Value for CacheValid {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a map of statuses (or `any`) and times, or one time for 200, 301 and 302".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<CacheValid> {
        let Some(entries) = node.as_map() else {
            let time = Time::read(node, diagnostics)?;
            return Some(CacheValid([200, 301, 302].map(|c| (CacheStatus::Code(c), time)).to_vec()));
        };
        let mut valid = Vec::new();
        for e in entries {
            let time = Time::read(&e.value, diagnostics)?;
            if e.key == "any" {
                valid.push((CacheStatus::Any, time));
                continue;
            }
            for code in e.key.split_whitespace() {
                match code.parse().ok().filter(|c| (100..=599).contains(c)) {
                    Some(code) => valid.push((CacheStatus::Code(code), time)),
                    None => {
                        diagnostics.error(e.span, format!("expected a status or `any`, found `{code}`"));
                        return None;
                    }
                }
            }
        }
        Some(CacheValid(valid))
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [Time::schema(), { "type": "object", "additionalProperties": Time::schema() }] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [time] => Ok(time.node()),
            [codes @ .., time] => {
                Ok(Node::map(codes[0].span, codes.iter().map(|c| entry(&c.text, c.span, time.node())).collect()))
            }
            [] => Err("expected a time".into()),
        }
    }
}

/// The statuses a time holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    Code(u16),
    Any,
}

words! {
    /// When a stale answer is good enough.
    pub enum CacheUseStale {
        Error = "error",
        Timeout = "timeout",
        InvalidHeader = "invalid_header",
        Updating = "updating",
        Http500 = "http_500",
        Http502 = "http_502",
        Http503 = "http_503",
        Http504 = "http_504",
        Http403 = "http_403",
        Http404 = "http_404",
        Http429 = "http_429",
        Off = "off" | "false",
    }
}

keys! {
    /// A zone of the cache.
    pub struct CachePathKeys {
        /// The directory, relative to the prefix. Without one, what does not fit into memory is not kept.
        ["-"] path: String,
        /// How much may lie on the disk.
        ["-"] max_size: Size,
        /// How much of it is kept in memory as well.
        ["-"] memory: Size = "10m",
        /// What was not asked for in this time is removed.
        ["-"] inactive: Time = "10m",
        /// The levels of directories, such as `1:2`.
        ["-"] levels: String = "1:2",
        /// After a start so many files are looked at, then a pause is made.
        ["-"] loader_files: u32 = "100",
        /// How long that pause is.
        ["-"] loader_sleep: Time = "50ms",
        /// A pause is made after this time as well.
        ["-"] loader_threshold: Time = "200ms",
        /// Accepted; temporary files lie beside the objects always.
        ["-"] use_temp_path: bool = "false",
        /// So much of the disk stays free.
        ["-"] min_free: Size,
    }
}

/// `{path, max_size, memory, inactive}`.
#[derive(Clone, Debug)]
pub struct CachePath(pub CachePathKeys);

impl Value for CachePath {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a map with `path`, `max_size`, `memory` and `inactive`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<CachePath> {
        let keys: CachePathKeys = read_map(node, "a cache", diagnostics)?;
        if let (None, Some(size)) = (&keys.path, &keys.max_size) {
            diagnostics
                .error(size.span, "`max_size` is how much may lie on the disk, but this cache has no `path`")
                .help("write `path: DIRECTORY`, or only `memory` for a cache that does not outlive the process");
            return None;
        }
        Some(CachePath(keys))
    }

    fn schema() -> serde_json::Value {
        map_schema::<CachePathKeys>()
    }
}

/// nginx's `proxy_cache_path PATH keys_zone=NAME:SIZE …` names the zone in a parameter.
#[derive(Clone, Debug)]
pub struct CachePaths(pub Named<CachePath>);

impl Value for CachePaths {
    const REPEATS: bool = true;

    fn expected() -> String {
        Named::<CachePath>::expected()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<CachePaths> {
        Named::read(node, diagnostics).map(CachePaths)
    }

    fn schema() -> serde_json::Value {
        Named::<CachePath>::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [path, rest @ ..] = args else {
            return Err("expected a directory and `keys_zone=NAME:SIZE`".into());
        };
        let mut entries = vec![entry("path", path.span, path.node())];
        let mut zone = None;
        for e in parameters(rest, &[])? {
            match (e.key.as_str(), e.value.as_text().and_then(|t| t.split_once(':'))) {
                ("keys_zone", Some((name, size))) => {
                    zone = Some((name.to_owned(), e.span));
                    entries.push(entry("memory", e.span, Node::scalar(e.span, size)));
                }
                ("keys_zone", None) => return Err("`keys_zone` is NAME:SIZE".into()),
                // How nginx's own processes load and clean the cache.
                (key, _) if ["manager_", "purger"].iter().any(|p| key.starts_with(p)) => {}
                _ => entries.push(e),
            }
        }
        let (name, at) = zone.ok_or("`proxy_cache_path` has no `keys_zone=NAME:SIZE`")?;
        Ok(Node::map(path.span, vec![entry(&name, at, Node::map(path.span, entries))]))
    }
}
