//! A path that ends in a slash: the first index file that exists, as an internal redirect.
//!
//! nginx only looks whether the file is there; opening it, and with it permissions and file types, is the business of
//! the location that the new path leads to. Blocks; runs beside the runtime.

use std::io;
use std::path::Path;

use super::links::Links;
use super::open::{Kind, look};
use super::path::append;
use super::refusal::Refusal;

/// The path to route anew to. `base` is the directory's path as mapped (the names are written right behind
/// it, as nginx does), `uri` the request's. A name that begins with a slash is a path of its own and not looked for.
pub fn find(
    base: &Path,
    uri: &[u8],
    names: &[String],
    links: impl Fn(&Path) -> Option<Links>,
) -> Result<Vec<u8>, Refusal> {
    let mut is_directory = false;
    for name in names {
        if name.starts_with('/') {
            return Ok(name.clone().into_bytes());
        }
        let candidate = append(base, name.as_bytes())?;
        let checked = links(&candidate).map_or(Ok(()), |links| links.check(&candidate));
        let Err(source) = checked.and_then(|()| look(&candidate)) else {
            return Ok([uri, name.as_bytes()].concat());
        };
        let refused = matches!(
            source.raw_os_error(),
            Some(libc::ENOTDIR | libc::ENAMETOOLONG | libc::EACCES | libc::ELOOP | libc::EMLINK)
        );
        if refused {
            return Err(Refusal::Open { path: candidate, source });
        }
        if !is_directory {
            expect_directory(base)?;
            is_directory = true;
        }
        if source.kind() != io::ErrorKind::NotFound {
            return Err(Refusal::Open { path: candidate, source });
        }
    }
    if !is_directory {
        expect_directory(base)?;
    }
    Err(Refusal::NoIndex(base.to_path_buf()))
}

/// Tells a directory without index (403) from none at all (404).
fn expect_directory(base: &Path) -> Result<(), Refusal> {
    match look(base) {
        Ok(Kind::Directory) => Ok(()),
        Ok(_) => Err(Refusal::NotADirectory(base.to_path_buf())),
        // The look for a file in it got further than that, so it may at least be searched.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(source) => Err(Refusal::Open { path: base.to_path_buf(), source }),
    }
}
