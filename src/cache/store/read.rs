//! Reading what lies on disk, without holding up the runtime.
//!
//! What always holds: no byte is handed out before the block it stands in was verified. A body ends after exactly the
//! bytes it announced, or with an error; after an error the object is gone from the cache. A file that shrinks underneath
//! is such an error, so nothing is mapped.

use std::ffi::{CString, c_int};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::core::{Core, Place};
use super::format::{self, BLOCK, Front, Read, Slot, Unusable};
use super::home::Medium;

/// A local disk answers in milliseconds; this is for a network file system that lost its server.
const PATIENCE: Duration = Duration::from_secs(30);

/// So much of a body is read without a break.
const AT_ONCE: u64 = 128 << 10;

/// An answer's body.
pub enum Body {
    Memory(Bytes),
    Disk(DiskBody),
}

pub struct DiskBody {
    file: Arc<File>,
    front: Arc<Front>,
    span: Range<u64>,
    /// Whom to tell that the object is damaged.
    found_in: (Arc<Core>, Place),
}

/// What opening an object's file gives.
pub struct Opened {
    pub file: File,
    pub front: Front,
    pub slot: Slot,
    /// If it was to be read whole.
    pub body: Option<Bytes>,
}

impl Body {
    /// What is still to come.
    pub fn len(&self) -> u64 {
        match self {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::Disk(body) => body.span.end - body.span.start,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A part of it, for a range; what lies outside is not read. None if the range reaches beyond the end.
    pub fn slice(self, range: Range<u64>) -> Option<Body> {
        if range.start > range.end || range.end > self.len() {
            return None;
        }
        Some(match self {
            Body::Memory(bytes) => Body::Memory(bytes.slice(range.start as usize..range.end as usize)),
            Body::Disk(mut body) => {
                let begin = body.span.start;
                body.span = begin + range.start..begin + range.end;
                Body::Disk(body)
            }
        })
    }

    /// The next piece, never an empty one; None at the end. After an error the answer must be cut off.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Body::Memory(bytes) if bytes.is_empty() => Ok(None),
            Body::Memory(bytes) => Ok(Some(std::mem::take(bytes))),
            Body::Disk(body) => body.next().await,
        }
    }
}

impl DiskBody {
    pub(super) fn new(file: File, front: Front, found_in: (Arc<Core>, Place)) -> DiskBody {
        let span = 0..front.body_len;
        DiskBody { file: Arc::new(file), front: Arc::new(front), span, found_in }
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.span.start >= self.span.end {
            return Ok(None);
        }
        let index = self.span.start / BLOCK as u64;
        let medium = self.found_in.0.medium();
        let block = match read_block(&self.file, &self.front, index, medium).await {
            Ok(block) => block,
            Err(unusable) => {
                let (core, place) = &self.found_in;
                core.lost(place, &unusable);
                return Err(io::Error::other(unusable));
            }
        };
        let begin = index * BLOCK as u64;
        let from = (self.span.start - begin) as usize;
        let to = (self.span.end - begin).min(block.len() as u64) as usize;
        self.span.start = begin + to as u64;
        Ok(Some(block.slice(from..to)))
    }
}

/// One block, verified.
pub async fn read_block(file: &Arc<File>, front: &Arc<Front>, index: u64, medium: Medium) -> Result<Bytes, Unusable> {
    let span = front.block(index).ok_or(Unusable::Damaged("length"))?;
    let len = format::sealed_len(&span);
    let sealed = match read_cached(file, span.start, len, medium) {
        Some(sealed) => sealed,
        None => {
            let file = Arc::clone(file);
            off_runtime(move || read_waiting(&file, span.start, len)).await??
        }
    };
    format::unseal(front.id, index, sealed)
}

/// Opens an object; its body is read and verified whole if it is no longer than `whole`. Blocks.
pub fn open(path: &Path, whole: u64) -> Result<Opened, Unusable> {
    take(File::open(path)?, whole, |file, buffer, at| file.read_exact_at(buffer, at))
}

/// The same here and now, if the kernel has in memory where the file is and what is read of it; a body of more than
/// [`AT_ONCE`] is too much to be read without a break. None: only [`open`] can tell.
pub fn open_cached(path: &Path, whole: u64, medium: Medium) -> Option<Result<Opened, Unusable>> {
    let read: Read = match medium {
        Medium::Memory => |file, buffer, at| fill_now(file, buffer, at, 0),
        Medium::Disk => |file, buffer, at| fill_now(file, buffer, at, libc::RWF_NOWAIT),
        Medium::Unknown => return None,
    };
    let opened = take(open_known(path)?, whole.min(AT_ONCE), read);
    let is_missing = |e: &io::Error| e.kind() == io::ErrorKind::WouldBlock;
    let is_too_much = |opened: &Opened| opened.body.is_none() && opened.front.body_len <= whole;
    match opened {
        Err(Unusable::Unread(e)) if is_missing(&e) => None,
        Ok(opened) if is_too_much(&opened) => None,
        other => Some(other),
    }
}

fn take(file: File, whole: u64, read: Read) -> Result<Opened, Unusable> {
    let (front, slot) = format::read_front_by(read, &file)?;
    let body = if front.body_len <= whole { Some(read_whole(&file, &front, read)?) } else { None };
    Ok(Opened { file, front, slot, body })
}

/// Opens a file if that takes neither a disk nor a lock somebody may hold for long.
fn open_known(path: &Path) -> Option<File> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: it is plain data, for which zeros are "nothing asked for".
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK) as u64;
    how.resolve = libc::RESOLVE_CACHED;
    let size = size_of::<libc::open_how>();
    // SAFETY: path and `how` live until after the call, and `size` is that of `how`.
    let opened = unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), &how, size) };
    let descriptor = RawFd::try_from(opened).ok().filter(|descriptor| *descriptor >= 0)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Some(unsafe { File::from_raw_fd(descriptor) })
}

/// As the flags say, or not at all.
fn fill_now(file: &File, buffer: &mut [u8], at: u64, flags: c_int) -> io::Result<()> {
    match preadv(file, buffer.as_mut_ptr(), buffer.len(), at, flags) {
        true => Ok(()),
        false => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn read_whole(file: &File, front: &Front, read: Read) -> Result<Bytes, Unusable> {
    let mut body = Vec::with_capacity(front.body_len as usize);
    let blocks = front.body_len.div_ceil(BLOCK as u64);
    for index in 0..blocks {
        let span = front.block(index).ok_or(Unusable::Damaged("length"))?;
        let mut sealed = vec![0; format::sealed_len(&span)];
        read(file, &mut sealed, span.start)?;
        body.extend_from_slice(&format::unseal(front.id, index, sealed.into())?);
    }
    Ok(body.into())
}

/// What the page cache holds, read here and now: it spares most blocks the way to another thread. None unless it holds
/// all of it.
fn read_cached(file: &File, at: u64, want: usize, medium: Medium) -> Option<Bytes> {
    let mut buffer: Vec<u8> = Vec::with_capacity(want);
    // tmpfs knows no other way than here and now.
    let flags = if medium == Medium::Memory { 0 } else { libc::RWF_NOWAIT };
    if !preadv(file, buffer.as_mut_ptr(), want, at, flags) {
        return None;
    }
    // SAFETY: the kernel wrote `want` bytes, and that is the capacity.
    unsafe { buffer.set_len(want) };
    Some(buffer.into())
}

/// Reads so many bytes to where `to` points, if that can be done as the flags say; says whether. The memory is the caller's
/// until after the call.
fn preadv(file: &File, to: *mut u8, want: usize, at: u64, flags: c_int) -> bool {
    let Ok(offset) = libc::off_t::try_from(at) else { return false };
    let part = libc::iovec { iov_base: to.cast(), iov_len: want };
    // SAFETY: both callers own `want` bytes there, and the one iovec describes them.
    let got = unsafe { libc::preadv2(file.as_raw_fd(), &part, 1, offset, flags) };
    usize::try_from(got) == Ok(want)
}

fn read_waiting(file: &File, at: u64, want: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; want];
    file.read_exact_at(&mut buffer, at)?;
    Ok(buffer.into())
}

/// Runs what may block beside the runtime. Fails if it does not end within the limit.
pub async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let mut one = JoinSet::new();
    one.spawn_blocking(work);
    match timeout(PATIENCE, one.join_next()).await {
        Ok(Some(done)) => done.map_err(io::Error::other),
        Ok(None) => Err(io::Error::other("nothing was run")),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
