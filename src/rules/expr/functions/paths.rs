//! Paths as those behind edge read them.
//!
//! A servlet container takes `;parameters` out of each segment of a path and resolves dots after that, so that
//! `/shop/..;x/admin` is `/admin` to it and nothing like it to a proxy. What protects a path has to see both.

use std::borrow::Cow;

use super::super::eval::Budget;
use super::super::fault::Fault;
use super::super::value::Value;
use super::texts::text_of;
use super::unfit;

/// Without what stands behind a `;` in each segment, and then without empty segments and dots.
pub fn bare(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.contains(&b';') {
        return Cow::Borrowed(path);
    }
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut is_directory = true;
    for segment in path.split(|b| *b == b'/').skip(1) {
        let name = segment.split(|b| *b == b';').next().unwrap_or_default();
        is_directory = matches!(name, b"" | b"." | b"..");
        match name {
            b"" | b"." => {}
            // What is above the root is the root.
            b".." => out.truncate(out.iter().rposition(|b| *b == b'/').unwrap_or(0)),
            name => {
                out.push(b'/');
                out.extend_from_slice(name);
            }
        }
    }
    if is_directory {
        out.push(b'/');
    }
    Cow::Owned(out)
}

/// Whether a path, however it is read, is one of these or lies below one.
pub fn below<'v>(path: &Value<'_>, others: &Value<'_>, budget: &mut Budget) -> Result<Value<'v>, Fault> {
    let path = text_of(path)?;
    let bare = bare(path);
    let lies = |other: &[u8]| [path, &*bare].into_iter().any(|path| is_below(path, other));
    match others {
        Value::Text(other) => Ok(Value::Bool(lies(other))),
        Value::List(list) => {
            for other in list.as_slice() {
                let other = text_of(other)?;
                budget.spend_text(other.len())?;
                if lies(other) {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        other => Err(unfit("below", other)),
    }
}

/// Whether a path, as it stands, is another or lies below it.
pub fn is_below(path: &[u8], other: &[u8]) -> bool {
    let other = other.strip_suffix(b"/").unwrap_or(other);
    path.strip_prefix(other).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_path_is_what_a_servlet_container_looks_for() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("/a;x=1/b;y", "/a/b"),
            ("/a/..;x/b", "/b"),
            ("/..;/..;/b", "/b"),
            ("/a/;x/b", "/a/b"),
            ("/a/.;x", "/a/"),
            ("/a;x/", "/a/"),
            ("/;x", "/"),
            ("/a/..;x", "/"),
            ("/a;b;c", "/a"),
            ("a;b", "/"),
            (";", "/"),
        ] {
            assert_eq!(bare(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }

    #[test]
    fn below_takes_whole_segments_only() {
        for (path, other, expected) in [
            ("/admin", "/admin", true),
            ("/admin", "/admin/", true),
            ("/admin/", "/admin", true),
            ("/admin/users", "/admin/", true),
            ("/administrators", "/admin", false),
            ("/shop/..;/admin", "/admin", true),
            ("/admin/..;/shop", "/admin", true),
            ("/a", "/", true),
            ("/", "/", true),
            ("/a", "", true),
            ("/A", "/a", false),
        ] {
            let came = below(&Value::text(path), &Value::text(other), &mut Budget::new());
            assert!(matches!(came, Ok(Value::Bool(is)) if is == expected), "{path} below {other}");
        }
    }
}
