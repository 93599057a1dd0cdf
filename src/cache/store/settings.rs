//! What a configuration says of a zone, and what can be wrong with it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// As nginx's `proxy_cache_path`. Temporary files lie in the cache's own directory (`use_temp_path=off`): one rename
/// makes an object whole, and that needs one file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSettings {
    /// None: in memory only.
    pub path: Option<PathBuf>,
    /// How many digits of a file's name each level of directories takes, as `levels=1:2`. Empty: all files in one.
    pub levels: Vec<u8>,
    /// Bytes of the memory tier, heads included. 0: none.
    pub memory: u64,
    /// Bytes on disk, at most.
    pub max_size: Option<u64>,
    /// Bytes that stay free in the file system.
    pub min_free: u64,
    /// What nobody asked for so long goes.
    pub inactive: Duration,
    /// After so many files the loader pauses,
    pub loader_files: usize,
    /// for so long,
    pub loader_sleep: Duration,
    /// or when it took so long.
    pub loader_threshold: Duration,
}

impl Default for ZoneSettings {
    /// nginx's, with two levels of directories.
    fn default() -> Self {
        ZoneSettings {
            path: None,
            levels: vec![1, 2],
            memory: 64 << 20,
            max_size: None,
            min_free: 0,
            inactive: Duration::from_secs(600),
            loader_files: 100,
            loader_sleep: Duration::from_millis(50),
            loader_threshold: Duration::from_millis(200),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    #[error(
        "the cache `{zone}` cannot write to {path}: {source}; the directory must belong to the user edge runs as, or one \
         that it may create", path = path.display()
    )]
    Unwritable { zone: String, path: PathBuf, source: io::Error },
    #[error(
        "the caches `{zone}` and `{other}` both name {path}; each needs a directory of its own (one that only changes its \
         name needs a restart)", path = path.display()
    )]
    PathTaken { zone: String, other: String, path: PathBuf },
    #[error(
        "the cache `{zone}` cannot have {path}: process {holder} uses it; stop that one, or name another directory",
        path = path.display()
    )]
    Locked { zone: String, path: PathBuf, holder: String },
    #[error(
        "the cache `{zone}` had levels {had} and cannot have {wanted} while it runs: its files would not be found; keep \
         `levels`, or name another directory"
    )]
    LevelsChanged { zone: String, had: String, wanted: String },
    #[error("the levels of the cache `{zone}` are {levels}; up to three of 1 or 2 are possible, as `1:2`")]
    BadLevels { zone: String, levels: String },
    #[error(
        "the cache `{zone}` has neither `path` nor `memory`; give it a directory, or bytes of memory to keep answers in"
    )]
    Nowhere { zone: String },
    #[error("the cache `{zone}` cannot start its threads: {source}")]
    NoThread { zone: String, source: io::Error },
}

/// As in `levels=1:2`.
pub(super) fn print_levels(levels: &[u8]) -> String {
    let digits: Vec<String> = levels.iter().map(u8::to_string).collect();
    if digits.is_empty() { "none".into() } else { digits.join(":") }
}
