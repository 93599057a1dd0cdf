//! Opening a path as root without being led elsewhere.
//!
//! The configuration names a path, but directories on its way may belong to the user edge runs as: a link put there would
//! make root open another file. So a path is walked directory by directory, and only where root alone may change a
//! directory it is walked further and a link in it is followed.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

/// As many links as the system follows.
const MOST_LINKS: usize = 40;
/// A directory others may write to, but in which they may not touch what is root's.
const STICKY: u32 = libc::S_ISVTX;

/// A directory and a name in it that is no link.
#[derive(Debug)]
pub struct Place {
    directory: File,
    name: CString,
    /// Nobody but root can put anything there.
    is_roots: bool,
}

/// Opens a file for reading.
pub fn read(path: &Path) -> io::Result<File> {
    let place = walk(path)?;
    let file = place.open(libc::O_RDONLY, 0)?;
    let kind = file.metadata()?;
    if !kind.is_file() || !place.trusts(&kind) {
        return Err(denied());
    }
    Ok(file)
}

/// Opens a log, and gives it to its owner if it is new.
pub fn append(path: &Path, user: u32, group: u32) -> io::Result<File> {
    let place = walk(path)?;
    let flags = libc::O_WRONLY | libc::O_APPEND;
    match place.open(flags | libc::O_CREAT | libc::O_EXCL, 0o644) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        new => {
            let new = new?;
            std::os::unix::fs::fchown(&new, Some(user), Some(group))?;
            return Ok(new);
        }
    }
    let file = match place.open(flags, 0) {
        // A pipe that nobody reads, which is not waited for.
        Err(e) if e.raw_os_error() == Some(libc::ENXIO) => place.open(libc::O_RDWR | libc::O_APPEND, 0)?,
        file => file?,
    };
    let kind = file.metadata()?;
    if kind.is_dir() || !place.trusts(&kind) {
        return Err(denied());
    }
    Ok(file)
}

/// Makes a directory for its owner; those around it that are missing stay root's.
pub fn make_directory(path: &Path, user: u32, group: u32) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    for directory in missing.into_iter().rev() {
        let place = walk(directory)?;
        if !place.is_roots {
            return Err(denied());
        }
        // SAFETY: the name is a C string, the directory is open.
        done(unsafe { libc::mkdirat(place.directory.as_raw_fd(), place.name.as_ptr(), 0o755) })?;
        if directory == path {
            let made = place.open(libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
            std::os::unix::fs::fchown(&made, Some(user), Some(group))?;
        }
    }
    Ok(())
}

/// Whether only root can put anything where this path leads.
pub fn is_roots(path: &Path) -> io::Result<bool> {
    walk(path).map(|place| place.is_roots)
}

/// Writes a small file in the place of whatever was there.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|p| !p.as_os_str().is_empty() && !p.exists()) {
        make_directory(directory, 0, 0)?;
    }
    let place = walk(path)?;
    // What cannot be removed is told by what comes next.
    let _ = place.remove();
    place.open(libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o644)?.write_all(text.as_bytes())
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    walk(path)?.remove()
}

/// Gives a file another name in the same directory.
pub fn rename(path: &Path, name: &OsStr) -> io::Result<()> {
    let (place, name) = (walk(path)?, CString::new(name.as_bytes())?);
    let directory = place.directory.as_raw_fd();
    // SAFETY: both names are C strings, the directory is open.
    done(unsafe { libc::renameat(directory, place.name.as_ptr(), directory, name.as_ptr()) })
}

impl Place {
    fn open(&self, flags: i32, mode: libc::c_uint) -> io::Result<File> {
        open_at(&self.directory, &self.name, flags | libc::O_NOFOLLOW | libc::O_NONBLOCK, mode)
    }

    fn remove(&self) -> io::Result<()> {
        // SAFETY: the name is a C string, the directory is open.
        done(unsafe { libc::unlinkat(self.directory.as_raw_fd(), self.name.as_ptr(), 0) })
    }

    /// Where others may put something, a second name of a file could be meant to deceive.
    fn trusts(&self, kind: &std::fs::Metadata) -> bool {
        self.is_roots || (kind.is_file() && kind.nlink() == 1)
    }
}

/// Follows a path to the directory its last part is in.
fn walk(path: &Path) -> io::Result<Place> {
    let path = std::path::absolute(path)?;
    let mut left: VecDeque<OsString> = parts(&path);
    let mut directory = root()?;
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        let of = directory.metadata()?;
        let is_roots = of.uid() == 0 && (of.mode() & 0o022 == 0);
        let is_shared = of.uid() == 0 && of.mode() & STICKY != 0;
        let name = CString::new(part.as_bytes())?;
        let found = match open_at(&directory, &name, libc::O_PATH | libc::O_NOFOLLOW, 0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && left.is_empty() => None,
            found => Some(found?),
        };
        let kind = found.as_ref().map(File::metadata).transpose()?;
        let roots_own = is_roots || (is_shared && kind.as_ref().is_some_and(|kind| kind.uid() == 0));
        match (found, kind) {
            (Some(link), Some(kind)) if kind.is_symlink() => {
                links += 1;
                if !roots_own || links > MOST_LINKS {
                    return Err(denied());
                }
                let target = target_of(&link)?;
                if Path::new(&target).is_absolute() {
                    directory = root()?;
                }
                parts(Path::new(&target)).into_iter().rev().for_each(|part| left.push_front(part));
            }
            (Some(next), Some(_)) if !left.is_empty() => {
                if !roots_own {
                    return Err(denied());
                }
                directory = next;
            }
            _ => return Ok(Place { directory, name, is_roots }),
        }
    }
    Err(denied())
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    named.collect()
}

fn root() -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(OsStr::new("/"))
}

fn open_at(directory: &File, name: &CString, flags: i32, mode: libc::c_uint) -> io::Result<File> {
    // SAFETY: the name is a C string, the directory is open; what comes back is nobody else's.
    unsafe {
        let number = libc::openat(directory.as_raw_fd(), name.as_ptr(), flags | libc::O_CLOEXEC, mode);
        done(number)?;
        Ok(File::from(OwnedFd::from_raw_fd(number)))
    }
}

fn target_of(link: &File) -> io::Result<OsString> {
    let mut text = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: the buffer is as long as is said; the empty name stands for the link itself.
    let length = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    if length < 0 {
        return Err(io::Error::last_os_error());
    }
    text.truncate(length as usize);
    Ok(OsString::from_vec(text))
}

fn done(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn denied() -> io::Error {
    io::Error::from_raw_os_error(libc::EACCES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    const USER: u32 = 65534;

    /// A directory of root's, `None` for whoever is not root.
    fn home() -> Option<tempfile::TempDir> {
        // SAFETY: geteuid has no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            eprintln!("not tested: only root can");
            return None;
        }
        tempfile::tempdir().ok()
    }

    fn text(file: io::Result<File>) -> String {
        let mut text = String::new();
        file.unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn links_of_root_are_followed() {
        let Some(home) = home() else { return };
        std::fs::create_dir(home.path().join("archive")).unwrap();
        std::fs::create_dir(home.path().join("live")).unwrap();
        std::fs::write(home.path().join("archive/key1"), "key").unwrap();
        symlink("../archive/key1", home.path().join("live/key")).unwrap();
        symlink(home.path().join("live"), home.path().join("now")).unwrap();
        assert_eq!(text(read(&home.path().join("now/key"))), "key");
    }

    #[test]
    fn a_link_that_the_user_could_have_put_there_is_not() {
        let Some(home) = home() else { return };
        let users = home.path().join("users");
        std::fs::create_dir_all(users.join("inner")).unwrap();
        std::fs::write(home.path().join("secret"), "secret").unwrap();
        symlink(home.path().join("secret"), users.join("link")).unwrap();
        std::fs::hard_link(home.path().join("secret"), users.join("second")).unwrap();
        std::fs::write(users.join("inner/a"), "a").unwrap();
        std::fs::write(users.join("own"), "own").unwrap();
        chown(&users, Some(USER), Some(USER)).unwrap();
        for deceit in ["link", "second", "inner/a"] {
            assert_eq!(read(&users.join(deceit)).unwrap_err().raw_os_error(), Some(libc::EACCES), "{deceit}");
            assert!(append(&users.join(deceit), USER, USER).is_err(), "{deceit}");
        }
        append(&users.join("new"), USER, USER).unwrap();
        assert_eq!(std::fs::metadata(users.join("new")).unwrap().uid(), USER);
        assert_eq!(text(read(&users.join("own"))), "own");
        // The same if others may write to a directory of root's.
        chown(&users, Some(0), Some(0)).unwrap();
        std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(read(&users.join("link")).is_err());
    }

    #[test]
    fn a_new_log_and_a_new_directory_are_the_users() {
        let Some(home) = home() else { return };
        let path = home.path().join("a.log");
        append(&path, USER, USER).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), USER);
        append(&path, USER, USER).unwrap();
        let deep = home.path().join("one/two");
        make_directory(&deep, USER, USER).unwrap();
        assert_eq!(std::fs::metadata(&deep).unwrap().uid(), USER);
        assert_eq!(std::fs::metadata(deep.parent().unwrap()).unwrap().uid(), 0);
    }
}
