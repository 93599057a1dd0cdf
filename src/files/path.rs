//! From a request's path to a file's: `root` and `alias`.
//!
//! The path comes decoded and normalized, as bytes that need not be UTF-8. What always holds: nothing that a
//! client chose climbs up with `..`, not even through nginx's known trap of a location that lacks the slash its alias
//! has (`location /i { alias /data/; }` and `/i../secret`), which nginx walks into. Where the alias lacks the slash,
//! too, `/ix` is `/datax`, as in nginx: that is what the two words say.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::refusal::Refusal;

/// Linux's PATH_MAX without the terminating NUL; longer paths fail in open() anyway.
const LONGEST: usize = 4095;

/// How a location maps a path to a file, its variables already expanded.
#[derive(Debug, Clone, Copy)]
pub enum Mapping<'a> {
    /// `root`: the whole path is appended.
    Root(&'a [u8]),
    /// `alias` in a prefix or exact location: the first `prefix_len` bytes, the location's name, are replaced.
    Alias { path: &'a [u8], prefix_len: usize },
    /// `alias` in a regex location: this is the file, whatever the path was.
    Whole(&'a [u8]),
}

/// The file for `uri`, which is not touched on disk here.
pub fn map(mapping: Mapping<'_>, uri: &[u8]) -> Result<PathBuf, Refusal> {
    match mapping {
        // A rewrite can take the slash away; "/data" and "-old/x" would meet in a directory that nobody configured.
        Mapping::Root(_) if !uri.starts_with(b"/") => Err(Refusal::Relative),
        Mapping::Root(root) => join(root.strip_suffix(b"/").unwrap_or(root), uri),
        Mapping::Alias { path, prefix_len } => join(path, uri.get(prefix_len..).unwrap_or_default()),
        Mapping::Whole(path) => whole(path),
    }
}

/// `base` with `name` written behind it, as for index files and `.gz`: no separator is added.
pub fn append(base: &Path, name: &[u8]) -> Result<PathBuf, Refusal> {
    join(base.as_os_str().as_bytes(), name)
}

fn join(base: &[u8], rest: &[u8]) -> Result<PathBuf, Refusal> {
    let mut joined = Vec::with_capacity(base.len() + rest.len());
    joined.extend_from_slice(base);
    joined.extend_from_slice(rest);
    // The component in which base and rest meet belongs to both; the ones before it are the configuration's own.
    let meets_at = match rest.first() {
        None | Some(b'/') => base.len(),
        Some(_) => base.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1),
    };
    checked(joined, meets_at)
}

/// A regex location's alias mixes configuration and captures: nothing tells them apart, so no `..` at all.
fn whole(path: &[u8]) -> Result<PathBuf, Refusal> {
    checked(path.to_vec(), 0)
}

fn checked(path: Vec<u8>, from_client: usize) -> Result<PathBuf, Refusal> {
    if path.contains(&0) {
        return Err(Refusal::Nul);
    }
    if path[from_client..].split(|&byte| byte == b'/').any(|part| part == b"..") {
        return Err(Refusal::Climbs);
    }
    if path.len() > LONGEST {
        return Err(Refusal::TooLong(path.len()));
    }
    Ok(PathBuf::from(OsStr::from_bytes(&path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(mapping: Mapping<'_>, uri: &[u8]) -> Vec<u8> {
        map(mapping, uri).expect("maps").as_os_str().as_bytes().to_vec()
    }

    #[test]
    fn a_root_is_put_before_the_path() {
        assert_eq!(mapped(Mapping::Root(b"/data"), b"/a/b.txt"), b"/data/a/b.txt");
        assert_eq!(mapped(Mapping::Root(b"/data/"), b"/a"), b"/data/a");
        assert_eq!(mapped(Mapping::Root(b"/"), b"/etc"), b"/etc");
        assert_eq!(mapped(Mapping::Root(b"../html"), b"/a"), b"../html/a");
        assert_eq!(mapped(Mapping::Root(b"/data/.."), b"/a"), b"/data/../a");
    }

    #[test]
    fn an_alias_replaces_the_locations_name() {
        let alias = Mapping::Alias { path: b"/data/images/", prefix_len: 3 };
        assert_eq!(mapped(alias, b"/i/a.gif"), b"/data/images/a.gif");
        assert_eq!(mapped(alias, b"/i/"), b"/data/images/");
        let exact = Mapping::Alias { path: b"/data/f.txt", prefix_len: 6 };
        assert_eq!(mapped(exact, b"/x.txt"), b"/data/f.txt");
        assert_eq!(mapped(Mapping::Alias { path: b"/d", prefix_len: 9 }, b"/x"), b"/d");
        assert_eq!(mapped(Mapping::Alias { path: b"../d/", prefix_len: 3 }, b"/i/a"), b"../d/a");
    }

    #[test]
    fn a_regex_alias_is_the_file() {
        assert_eq!(mapped(Mapping::Whole(b"/data/7.png"), b"/img/7"), b"/data/7.png");
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_what_they_are() {
        assert_eq!(mapped(Mapping::Root(b"/data"), b"/\xff\xfe"), b"/data/\xff\xfe");
    }

    #[test]
    fn nobody_climbs_out() {
        let slashless = Mapping::Alias { path: b"/data/", prefix_len: 2 };
        let dotted = Mapping::Alias { path: b"/data/.", prefix_len: 2 };
        let refused: [(Mapping<'_>, &[u8]); 6] = [
            (Mapping::Root(b"/data"), b"/../etc/passwd"),
            (Mapping::Root(b"/data"), b"/a/.."),
            (slashless, b"/i../secret"),
            (dotted, b"/i./secret"),
            (Mapping::Whole(b"/data/../etc/passwd"), b"/x"),
            (Mapping::Root(b"/data"), b"/a/../../b"),
        ];
        for (mapping, uri) in refused {
            assert!(matches!(map(mapping, uri), Err(Refusal::Climbs)), "{mapping:?} {uri:?}");
        }
        assert_eq!(mapped(Mapping::Root(b"/data"), b"/..a/b.."), b"/data/..a/b..");
        assert!(matches!(append(Path::new("/data/"), b"../x"), Err(Refusal::Climbs)));
        for uri in [b"..".as_slice(), b"-old/x", b""] {
            assert!(matches!(map(Mapping::Root(b"/data"), uri), Err(Refusal::Relative)), "{uri:?}");
        }
    }

    #[test]
    fn nul_and_endless_paths_are_refused() {
        assert!(matches!(map(Mapping::Root(b"/data"), b"/a\0b"), Err(Refusal::Nul)));
        let long = vec![b'/'; 5000];
        assert!(matches!(map(Mapping::Root(b"/data"), &long), Err(Refusal::TooLong(5005))));
    }
}
