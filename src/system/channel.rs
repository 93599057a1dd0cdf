//! What the keeper is asked and what it answers: packets over a socket pair, a descriptor with a packet where there is one.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

/// The longest packet, which a list of thousands of included files fits into.
pub const LARGEST: usize = 160 << 10;

/// What the keeper can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A file, open for reading.
    Read(PathBuf),
    /// A log, open for appending.
    Append(PathBuf),
    /// That a directory be made.
    Directory(PathBuf),
    /// The files a pattern of an `include` names.
    Matching(PathBuf),
    /// That the socket which comes along be bound to an address, as `listen` writes it.
    Bind(String),
    /// That the file of a socket go which the keeper has bound.
    Remove(PathBuf),
    /// That the number of the process be written there.
    Pid(PathBuf),
    /// All is open: the configuration as it stands in the files is in force, and whoever started edge may be told.
    Ready,
    /// A listening socket for the new binary, with its address.
    Inherit(String),
    /// That the new binary be started.
    HandOver,
    /// Whether the new binary runs.
    Successor,
}

/// What came of a request that was granted.
#[derive(Debug, Default)]
pub struct Reply {
    pub bytes: Vec<u8>,
    pub descriptor: Option<OwnedFd>,
}

/// A packet.
#[derive(Debug)]
pub struct Received {
    pub number: u32,
    pub bytes: Vec<u8>,
    pub descriptor: Option<OwnedFd>,
}

impl Request {
    pub fn to_bytes(&self) -> Vec<u8> {
        let (tag, text): (u8, &[u8]) = match self {
            Request::Read(path) => (b'r', path.as_os_str().as_bytes()),
            Request::Append(path) => (b'a', path.as_os_str().as_bytes()),
            Request::Directory(path) => (b'd', path.as_os_str().as_bytes()),
            Request::Matching(path) => (b'm', path.as_os_str().as_bytes()),
            Request::Bind(address) => (b'b', address.as_bytes()),
            Request::Remove(path) => (b'u', path.as_os_str().as_bytes()),
            Request::Pid(path) => (b'p', path.as_os_str().as_bytes()),
            Request::Ready => (b'y', b""),
            Request::Inherit(address) => (b'i', address.as_bytes()),
            Request::HandOver => (b'h', b""),
            Request::Successor => (b's', b""),
        };
        [&[tag], text].concat()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Request> {
        let (tag, text) = bytes.split_first()?;
        // No path has a zero in it; what does is cut off in a system call.
        if text.contains(&0) {
            return None;
        }
        let path = || PathBuf::from(OsStr::from_bytes(text));
        let word = || std::str::from_utf8(text).ok().map(str::to_owned);
        Some(match tag {
            b'r' => Request::Read(path()),
            b'a' => Request::Append(path()),
            b'd' => Request::Directory(path()),
            b'm' => Request::Matching(path()),
            b'b' => Request::Bind(word()?),
            b'u' => Request::Remove(path()),
            b'p' => Request::Pid(path()),
            b'y' => Request::Ready,
            b'i' => Request::Inherit(word()?),
            b'h' => Request::HandOver,
            b's' => Request::Successor,
            _ => return None,
        })
    }
}

impl Reply {
    pub fn of_paths(paths: Vec<PathBuf>) -> Reply {
        let paths = paths.into_iter().map(|path| OsString::from(path).into_vec());
        Reply { bytes: paths.collect::<Vec<_>>().join(&0), descriptor: None }
    }

    pub fn of_descriptor(descriptor: impl Into<OwnedFd>) -> Reply {
        Reply { bytes: Vec::new(), descriptor: Some(descriptor.into()) }
    }

    /// The system's number of the error, 0 for none, and what was asked for.
    pub fn to_bytes(outcome: &io::Result<Reply>) -> Vec<u8> {
        match outcome {
            Ok(reply) => [&0i32.to_le_bytes(), reply.bytes.as_slice()].concat(),
            Err(e) => e.raw_os_error().filter(|e| *e != 0).unwrap_or(libc::EACCES).to_le_bytes().to_vec(),
        }
    }

    pub(super) fn from_bytes(bytes: &[u8], descriptor: Option<OwnedFd>) -> io::Result<Reply> {
        let (error, bytes) = bytes.split_first_chunk().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        match i32::from_le_bytes(*error) {
            0 => Ok(Reply { bytes: bytes.to_vec(), descriptor }),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// One end of the socket pair.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// Room for the one descriptor of a packet.
const CONTROL: usize = 64;

#[repr(align(8))]
struct Control([u8; CONTROL]);

impl Channel {
    pub fn pair() -> io::Result<(Channel, Channel)> {
        let mut ends = [0; 2];
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        // SAFETY: the call fills the two numbers; on success they are descriptors of nobody else.
        unsafe {
            if libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok((Channel(OwnedFd::from_raw_fd(ends[0])), Channel(OwnedFd::from_raw_fd(ends[1]))))
        }
    }

    /// How long a packet is waited for, and how long one may wait to be taken.
    pub fn set_limit(&self, limit: Duration) -> io::Result<()> {
        let socket = socket2::SockRef::from(&self.0);
        socket.set_read_timeout(Some(limit))?;
        socket.set_write_timeout(Some(limit))
    }

    pub fn send(&self, number: u32, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        if bytes.len() + 4 > LARGEST {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        let mut packet = [&number.to_le_bytes(), bytes].concat();
        let mut part = libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() };
        let mut control = Control([0; CONTROL]);
        // SAFETY: `message` points to values that live during the call; the control part has room for one descriptor
        // and is aligned as its header must be.
        let sent = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
            if let Some(descriptor) = descriptor {
                let size = size_of::<i32>() as u32;
                message.msg_control = control.0.as_mut_ptr().cast();
                message.msg_controllen = libc::CMSG_SPACE(size) as _;
                let header = libc::CMSG_FIRSTHDR(&message);
                (*header).cmsg_level = libc::SOL_SOCKET;
                (*header).cmsg_type = libc::SCM_RIGHTS;
                (*header).cmsg_len = libc::CMSG_LEN(size) as _;
                libc::CMSG_DATA(header).cast::<i32>().write_unaligned(descriptor.as_raw_fd());
            }
            retried(|| libc::sendmsg(self.0.as_raw_fd(), &message, libc::MSG_NOSIGNAL))
        };
        sent.map(drop)
    }

    /// The next packet. `None`: the other end is closed.
    pub fn receive(&self) -> io::Result<Option<Received>> {
        let mut packet = vec![0; LARGEST];
        let mut part = libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() };
        let mut control = Control([0; CONTROL]);
        // SAFETY: as in `send`; a descriptor that comes along belongs to nobody but this packet.
        let (length, descriptor) = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
            (message.msg_control, message.msg_controllen) = (control.0.as_mut_ptr().cast(), CONTROL as _);
            let length = retried(|| libc::recvmsg(self.0.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC))?;
            (length, descriptor_of(&message))
        };
        packet.truncate(length);
        if packet.is_empty() {
            return Ok(None);
        }
        let (number, bytes) = packet.split_first_chunk().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Some(Received { number: u32::from_le_bytes(*number), bytes: bytes.to_vec(), descriptor }))
    }
}

/// The first descriptor of a packet; further ones are closed.
///
/// # Safety
/// `message` has been filled by `recvmsg`, and nobody has taken its descriptors.
unsafe fn descriptor_of(message: &libc::msghdr) -> Option<OwnedFd> {
    let mut found = None;
    // SAFETY: the macros walk the control part that recvmsg has filled.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let bytes = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                for place in 0..bytes / size_of::<i32>() {
                    let number = libc::CMSG_DATA(header).cast::<i32>().add(place).read_unaligned();
                    let descriptor = OwnedFd::from_raw_fd(number);
                    found = found.or(Some(descriptor));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    found
}

fn retried(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        match call() {
            -1 => {
                let e = io::Error::last_os_error();
                if e.kind() != io::ErrorKind::Interrupted {
                    return Err(e);
                }
            }
            done => return Ok(done as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_packet_brings_its_text_and_its_descriptor() {
        let (a, b) = Channel::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"inside").unwrap();
        let request = Request::Bind("127.0.0.1:80".into());
        a.send(7, &request.to_bytes(), Some(file.as_fd())).unwrap();
        let got = b.receive().unwrap().unwrap();
        assert_eq!((got.number, Request::from_bytes(&got.bytes)), (7, Some(request)));
        let mut same = std::fs::File::from(got.descriptor.unwrap());
        std::io::Seek::rewind(&mut same).unwrap();
        let mut text = String::new();
        same.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        drop(a);
        assert!(b.receive().unwrap().is_none());
    }

    #[test]
    fn every_request_is_read_as_it_was_written_and_nothing_else_is_one() {
        for request in [
            Request::Read("/a".into()),
            Request::Append("b".into()),
            Request::Directory("c/d".into()),
            Request::Matching("c/*.yaml".into()),
            Request::Bind("unix:/x".into()),
            Request::Remove("/y".into()),
            Request::Pid("/z".into()),
            Request::Ready,
            Request::Inherit("[::]:80".into()),
            Request::HandOver,
            Request::Successor,
        ] {
            assert_eq!(Request::from_bytes(&request.to_bytes()), Some(request));
        }
        for wrong in [&b""[..], b"?", b"r/etc/edge\0/etc/shadow", b"b\xff"] {
            assert_eq!(Request::from_bytes(wrong), None);
        }
    }

    #[test]
    fn nobody_is_waited_for_without_a_limit() {
        let (a, _b) = Channel::pair().unwrap();
        a.set_limit(Duration::from_millis(20)).unwrap();
        assert_eq!(a.receive().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
