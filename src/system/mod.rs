//! What only root may do, done all the same after edge has become another user.
//!
//! Each function here does its work itself first. Only where the system refuses (EACCES, EPERM) the keeper is asked, the
//! small process that stayed root (`server/keeper/`): it gives what the configuration names and nothing else. Without a
//! keeper a refusal is a refusal. What always holds: nothing here waits for longer than [`link::LIMIT`].

mod channel;
mod link;
mod memory;

pub use channel::{Channel, Received, Reply, Request};
pub use link::{ask, connect, has_keeper};
pub use memory::give_back as give_memory_back;

use std::ffi::CString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The largest file that is read as a whole.
const LARGEST: u64 = 16 << 20;

/// Opens a file of the configuration for reading. A pipe is not waited for.
pub fn open(path: &Path) -> io::Result<File> {
    let own = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    or_by_keeper(own, || Ok(File::from(given(&Request::Read(path.to_owned()))?)))
}

/// Reads a file that the configuration names: a certificate, a key, a list.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {} MB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// Opens a log. A pipe is opened for reading as well and without blocking: whether somebody reads it is not waited for.
pub fn append(path: &Path) -> io::Result<File> {
    let is_pipe = std::fs::metadata(path).is_ok_and(|m| m.file_type().is_fifo());
    let own = OpenOptions::new().append(true).create(true).read(is_pipe).custom_flags(libc::O_NONBLOCK).open(path);
    or_by_keeper(own, || match path.to_str() {
        // They are open already, but to open them anew is for whoever started edge.
        Some("/dev/stdout") => duplicate(1),
        Some("/dev/stderr") => duplicate(2),
        _ => Ok(File::from(given(&Request::Append(path.to_owned()))?)),
    })
}

fn duplicate(descriptor: i32) -> io::Result<File> {
    // SAFETY: the two standard descriptors are open for as long as the process lives.
    let open = unsafe { BorrowedFd::borrow_raw(descriptor) };
    open.try_clone_to_owned().map(File::from)
}

/// Makes a directory that the configuration names, and those around it.
pub fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    or_by_keeper(std::fs::create_dir_all(path), || ask(&Request::Directory(path.to_owned()), None).map(drop))
}

/// Makes a directory that the configuration names and into which nobody else shall look.
pub fn make_private_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    or_by_keeper(DirBuilder::new().recursive(true).mode(0o700).create(path), || {
        ask(&Request::Directory(path.to_owned()), None)?;
        // It belongs to this process's user now.
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
    })
}

/// Whether files can be made in a directory. Nothing is tried.
pub fn may_write(directory: &Path) -> bool {
    let Ok(path) = CString::new(directory.as_os_str().as_bytes()) else { return false };
    // SAFETY: the path ends with a zero and lives for the call.
    unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) == 0 }
}

/// Removes a socket's file.
pub fn remove(path: &Path) -> io::Result<()> {
    or_by_keeper(std::fs::remove_file(path), || ask(&Request::Remove(path.to_owned()), None).map(drop))
}

/// Binds a socket to an address of the configuration: `own` tries it.
pub fn bind(socket: BorrowedFd<'_>, address: &str, own: io::Result<()>) -> io::Result<()> {
    or_by_keeper(own, || ask(&Request::Bind(address.to_owned()), Some(socket)).map(drop))
}

/// The files an `include` names, where a directory may not be looked into.
pub fn matching(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    use std::os::unix::ffi::OsStrExt;
    let found = ask(&Request::Matching(pattern.to_owned()), None)?.bytes;
    let paths = found.split(|b| *b == 0).filter(|path| !path.is_empty());
    Ok(paths.map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path))).collect())
}

fn given(request: &Request) -> io::Result<OwnedFd> {
    ask(request, None)?.descriptor.ok_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied))
}

/// `EACCES` and `EPERM` only: what is wrong for root as well, root need not try.
fn or_by_keeper<T>(own: io::Result<T>, asked: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match own {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied && has_keeper() => asked(),
        own => own,
    }
}
