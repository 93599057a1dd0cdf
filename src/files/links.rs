//! `disable_symlinks`: files that symbolic links lead to are not served.
//!
//! What always holds: with `on` the kernel itself follows no link behind the trusted beginning of a path, so that nobody
//! can put one there between a look and the opening. Owners (`if_not_owner`) are compared link by link before a file is
//! opened, which, as in nginx, leaves a moment to whoever may write in the directory. Blocks; runs beside the runtime.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Which links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    All,
    /// Those that belong to somebody else than what they lead to.
    OfOthers,
}

/// The rule for one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Links {
    distrust: Distrust,
    /// So many bytes of the path are trusted.
    from: usize,
}

impl Links {
    /// `from` is the beginning that is trusted, if the path begins with it. `None`: all of it does.
    pub fn of(distrust: Distrust, from: &[u8], path: &Path) -> Option<Links> {
        let bytes = path.as_os_str().as_bytes();
        let rest = bytes.strip_prefix(from).filter(|_| !from.is_empty());
        let trusted = match rest {
            None => 0,
            Some([]) => return None,
            Some([b'/', ..]) => from.len(),
            Some(_) if from.ends_with(b"/") => from.len() - 1,
            Some(_) => 0,
        };
        Some(Links { distrust, from: trusted })
    }

    /// Opens for reading, without waiting for whom a FIFO may have at its other end.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        if self.distrust == Distrust::OfOthers {
            self.check(path)?;
            return OpenOptions::new().read(true).custom_flags(flags).open(path);
        }
        match self.open_beneath(path, libc::O_RDONLY | flags) {
            // An old kernel, or a sandbox that does not know the call.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                self.check(path)?;
                OpenOptions::new().read(true).custom_flags(flags | libc::O_NOFOLLOW).open(path)
            }
            Err(e) if e.raw_os_error() == Some(libc::ELOOP) && !is_link(path) => Err(is_no_directory()),
            opened => opened,
        }
    }

    fn open_beneath(&self, path: &Path, flags: i32) -> io::Result<File> {
        let (trusted, rest) = path.as_os_str().as_bytes().split_at(self.from);
        let trusted = match trusted {
            [] => None,
            trusted => Some(directory(Path::new(std::ffi::OsStr::from_bytes(trusted)))?),
        };
        let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
        let rest = if trusted.is_some() { &rest[slashes..] } else { rest };
        let rest = CString::new(if rest.is_empty() { b"." } else { rest }).map_err(io::Error::other)?;
        let at = trusted.as_ref().map_or(libc::AT_FDCWD, |directory| directory.as_raw_fd());
        // SAFETY: all zeros are a value of this plain struct.
        let mut how: libc::open_how = unsafe { std::mem::zeroed() };
        how.flags = (flags | libc::O_CLOEXEC) as u64;
        how.resolve = libc::RESOLVE_NO_SYMLINKS;
        let size = size_of::<libc::open_how>();
        // SAFETY: the path, `how` and the directory live until after the call, and `size` is that of `how`.
        let opened = unsafe { libc::syscall(libc::SYS_openat2, at, rest.as_ptr(), &how, size) };
        let descriptor = RawFd::try_from(opened).ok().filter(|descriptor| *descriptor >= 0);
        let descriptor = descriptor.ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        Ok(unsafe { File::from_raw_fd(descriptor) })
    }

    /// Fails as the kernel would if a link stands in the path that is not to be followed.
    pub fn check(&self, path: &Path) -> io::Result<()> {
        let bytes = path.as_os_str().as_bytes();
        let ends = (self.from + 1..=bytes.len()).filter(|end| *end == bytes.len() || bytes[*end] == b'/');
        for end in ends.filter(|end| bytes[end - 1] != b'/') {
            let part = PathBuf::from(std::ffi::OsStr::from_bytes(&bytes[..end]));
            let Ok(link) = part.symlink_metadata() else { return Ok(()) };
            if !link.is_symlink() {
                continue;
            }
            let is_owner_s = self.distrust == Distrust::OfOthers && part.metadata()?.uid() == link.uid();
            match (is_owner_s, self.distrust) {
                (true, _) => {}
                (false, Distrust::All) if end < bytes.len() => return Err(is_no_directory()),
                (false, _) => return Err(io::Error::from_raw_os_error(libc::ELOOP)),
            }
        }
        Ok(())
    }
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_symlink())
}

/// What nginx is told of a link where it wants a directory and follows none.
fn is_no_directory() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOTDIR)
}

fn directory(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_anywhere_behind_the_trusted_beginning_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/a"), "text").unwrap();
        symlink("real", root.join("linked")).unwrap();
        symlink("a", root.join("real/link")).unwrap();
        let open = |distrust, from: &str, path: &str| {
            let path = root.join(path);
            let from = if from.is_empty() { PathBuf::new() } else { root.join(from) };
            let links = Links::of(distrust, from.as_os_str().as_bytes(), &path).unwrap();
            let opened = links.open(&path).map(drop).map_err(|e| e.raw_os_error());
            assert_eq!(links.check(&path).is_ok(), opened.is_ok());
            opened
        };
        for (from, path, expected) in [
            ("", "real/a", Ok(())),
            ("", "linked/a", Err(Some(libc::ENOTDIR))),
            ("", "real/link", Err(Some(libc::ELOOP))),
            ("linked", "linked/a", Ok(())),
            ("linked", "linked/link", Err(Some(libc::ELOOP))),
            ("elsewhere", "linked/a", Err(Some(libc::ENOTDIR))),
        ] {
            assert_eq!(open(Distrust::All, from, path), expected, "{from} {path}");
            assert_eq!(open(Distrust::OfOthers, from, path), Ok(()), "{from} {path}");
        }
    }

    #[test]
    fn the_trusted_beginning_ends_where_a_name_ends() {
        let of = |from: &str, path: &str| Links::of(Distrust::All, from.as_bytes(), Path::new(path)).map(|l| l.from);
        assert_eq!(of("/a", "/a/b"), Some(2));
        assert_eq!(of("/a/", "/a/b"), Some(2));
        assert_eq!(of("/a", "/ab"), Some(0));
        assert_eq!(of("/a/b", "/a/b"), None);
        assert_eq!(of("", "/a"), Some(0));
    }
}
