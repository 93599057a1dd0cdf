//! Lengths before contents, for whatever is hashed or written to a file: no two lists of parts have the same bytes.
//!
//! What always holds: reading garbage gives None, never a panic and never more memory than the bytes read from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // A part is a field or a line of a head: those beyond 4 GiB do not exist.
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn put_list(out: &mut Vec<u8>, list: &[String]) {
    out.extend_from_slice(&(list.len() as u32).to_le_bytes());
    list.iter().for_each(|item| put_bytes(out, item.as_bytes()));
}

/// In nanoseconds since 1970; what lies before is 1970.
pub(super) fn put_time(out: &mut Vec<u8>, time: SystemTime) {
    put_duration(out, time.duration_since(UNIX_EPOCH).unwrap_or_default());
}

pub(super) fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    out.extend_from_slice(&duration.as_secs().to_le_bytes());
    out.extend_from_slice(&duration.subsec_nanos().to_le_bytes());
}

/// What is left to read.
pub(super) struct Unread<'a>(pub &'a [u8]);

impl<'a> Unread<'a> {
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(usize::try_from(len).ok()?)
    }

    pub fn string(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }

    pub fn list(&mut self) -> Option<Vec<String>> {
        let len = self.u32()?;
        // Each item takes at least its length: a count beyond the bytes that are left ends before it costs anything.
        (0..len).map(|_| self.string()).collect()
    }

    pub fn time(&mut self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(self.duration()?)
    }

    pub fn duration(&mut self) -> Option<Duration> {
        let secs = self.u64()?;
        let nanos = self.u32().filter(|nanos| *nanos < 1_000_000_000)?;
        Some(Duration::new(secs, nanos))
    }

    /// Whatever follows the last field was not written by this version.
    pub fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
