//! The files a pattern names, for `include`: `*` and `?` and `[…]` in any part of a path, as nginx's glob.

use crate::system;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// The files that match, sorted. A pattern without wildcards must name a file that exists; one with may match nothing.
pub fn files(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let path = base.join(pattern);
    if !is_pattern(OsStr::new(pattern)) {
        return Ok(vec![path]);
    }
    // To find nothing where one may not look does not mean that nothing is there.
    match system::has_keeper() && is_closed(&path) {
        true => system::matching(&path).map_err(|e| format!("{}: {e}", path.display())),
        false => expand_all(&path),
    }
}

/// Whether the directory before the first wildcard is closed to us.
fn is_closed(pattern: &Path) -> bool {
    let fixed: PathBuf = pattern.components().take_while(|part| !is_pattern(part.as_os_str())).collect();
    let fixed = if fixed.as_os_str().is_empty() { Path::new(".") } else { &fixed };
    let denied = |e: std::io::Error| e.kind() == std::io::ErrorKind::PermissionDenied;
    std::fs::read_dir(fixed).err().is_some_and(denied)
}

fn expand_all(path: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        found = match part {
            Component::Normal(name) if is_pattern(name) => expand(&found, &name.to_string_lossy())?,
            other => {
                found.into_iter().map(|p| p.join(other)).filter(|p| p.as_os_str().is_empty() || p.exists()).collect()
            }
        };
    }
    found.retain(|p| p.is_file());
    found.sort();
    Ok(found)
}

fn is_pattern(name: &OsStr) -> bool {
    name.to_string_lossy().contains(['*', '?', '['])
}

fn expand(dirs: &[PathBuf], pattern: &str) -> Result<Vec<PathBuf>, String> {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut found = Vec::new();
    for dir in dirs {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(format!("{}: {e}", dir.display())),
        };
        for entry in entries.flatten() {
            let name: Vec<char> = entry.file_name().to_string_lossy().chars().collect();
            let hidden = name.first() == Some(&'.') && pattern.first() != Some(&'.');
            if !hidden && matches(&pattern, &name) {
                found.push(dir.join(entry.file_name()));
            }
        }
    }
    Ok(found)
}

/// Whether a name matches. Linear in the name but for the last `*`, which is all that needs to be tried again.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[p..], name[n]),
            Some(c) if *c == name[n] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(width), _) => {
                p += width;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The width of the class that begins here, if the character is in it.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let from = if negated { 2 } else { 1 };
    let end = from + 1 + pattern.get(from + 1..)?.iter().position(|c| *c == ']')?;
    let inside = &pattern[from..end];
    let mut found = false;
    let mut i = 0;
    while i < inside.len() {
        if inside.get(i + 1) == Some(&'-') && i + 2 < inside.len() {
            found |= (inside[i]..=inside[i + 2]).contains(&c);
            i += 3;
        } else {
            found |= inside[i] == c;
            i += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_a_shell() {
        let check = |pattern: &str, name: &str| {
            matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x", "ax", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*", "", true),
            ("[", "[", false),
        ] {
            assert_eq!(check(pattern, name), expected, "{pattern} {name}");
        }
    }
}
