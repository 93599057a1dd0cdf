//! What MSM stores of a session, as far as it can be read without the application's serializer: the header before the
//! attributes (TranscoderService.java, versions 1 and 2), and the validity of sessions that are not sticky
//! (SessionValidityInfo.java). Numbers are big-endian, times milliseconds since 1970.
//!
//! Whatever the bytes are, reading them ends and does not panic. A principal holds a password: it is never shown.

mod principal;

use std::fmt;

/// Under a key whose session is missing MSM may leave this byte, to learn that it is missing.
const MISSING: &[u8] = &[1];
const LAST_ACCESSED: usize = 12;
const THIS_ACCESSED: usize = 26;

/// The header of a stored session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'b> {
    pub version: u16,
    pub created: i64,
    /// The beginning of the access before the last one.
    pub last_accessed: i64,
    /// Seconds; 0 and less is for ever.
    pub max_inactive: i32,
    pub is_new: bool,
    pub is_valid: bool,
    /// The beginning of the last access.
    pub this_accessed: i64,
    /// When it was stored.
    pub saved: i64,
    /// As it was when it was stored.
    pub id: &'b str,
    pub authentication: Authentication,
    /// Where the attributes begin.
    pub attributes: usize,
    principal: &'b [u8],
    saved_request: &'b [u8],
}

/// How a user has logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    None,
    Basic,
    ClientCert,
    Digest,
    Form,
    Other(u16),
}

/// Why a value is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the session is missing: only memcached-session-manager's mark for that is there")]
    Missing,
    #[error("version {0} of the format, of which 1 and 2 are known")]
    Version(u16),
    #[error("no session of memcached-session-manager's")]
    Malformed,
}

impl<'b> Header<'b> {
    pub fn read(value: &'b [u8]) -> Result<Header<'b>, Unreadable> {
        if value == MISSING {
            return Err(Unreadable::Missing);
        }
        let mut rest = Bytes(value);
        match rest.u16() {
            Some(1 | 2) => {}
            Some(version) => return Err(Unreadable::Version(version)),
            None => return Err(Unreadable::Malformed),
        }
        Header::parse(value).ok_or(Unreadable::Malformed)
    }

    fn parse(value: &'b [u8]) -> Option<Header<'b>> {
        let (version, attributes) = (Bytes(value).u16()?, usize::from(Bytes(value.get(2..)?).u16()?));
        // Java reads a signed number here.
        if attributes > i16::MAX as usize {
            return None;
        }
        let mut rest = Bytes(value.get(4..attributes)?);
        let (created, last_accessed, max_inactive) = (rest.i64()?, rest.i64()?, rest.i32()?);
        let (is_new, is_valid) = (rest.flag()?, rest.flag()?);
        let (this_accessed, saved) = (rest.i64()?, rest.i64()?);
        let id = std::str::from_utf8(rest.counted()?).ok()?;
        let authentication = Authentication::of(rest.u16()?);
        let principal = rest.counted()?;
        let mut saved_request = &[][..];
        if version == 2 {
            saved_request = rest.counted()?;
            // The principal of before the login.
            rest.counted()?;
        }
        Some(Header {
            version,
            created,
            last_accessed,
            max_inactive,
            is_new,
            is_valid,
            this_accessed,
            saved,
            id,
            authentication,
            attributes,
            principal,
            saved_request,
        })
    }

    /// Whether a Tomcat would take it: it was not invalidated, and not left alone for too long.
    pub fn is_resumable(&self, now: i64) -> bool {
        self.is_valid && !is_over(self.max_inactive, self.this_accessed, now)
    }

    pub fn has_principal(&self) -> bool {
        !self.principal.is_empty()
    }

    /// A login was asked for and is not finished: the request that was made before it is kept.
    pub fn has_saved_request(&self) -> bool {
        !self.saved_request.is_empty()
    }

    /// Who has logged in, where that can be read: of principals of Tomcat's own realms, serialized by Java.
    pub fn user(&self) -> Option<String> {
        principal::name(self.principal)
    }
}

/// What a principal holds is not shown, and an id is a password.
impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("version", &self.version)
            .field("created", &self.created)
            .field("this_accessed", &self.this_accessed)
            .field("max_inactive", &self.max_inactive)
            .field("is_valid", &self.is_valid)
            .field("authentication", &self.authentication)
            .finish_non_exhaustive()
    }
}

/// The same session, accessed now: with the same life in memcached as a Tomcat would give it, an idle one goes on. `None` if it
/// is no session.
pub fn refreshed(value: &[u8], now: i64) -> Option<Vec<u8>> {
    Header::read(value).ok()?;
    let mut value = value.to_vec();
    for at in [LAST_ACCESSED, THIS_ACCESSED] {
        value.get_mut(at..at + 8)?.copy_from_slice(&now.to_be_bytes());
    }
    Some(value)
}

/// When a session that is not sticky was last accessed: 20 bytes of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Seconds; 0 and less is for ever.
    pub max_inactive: i32,
    pub last_accessed: i64,
    pub this_accessed: i64,
}

impl Validity {
    pub fn read(value: &[u8]) -> Option<Validity> {
        let mut rest = Bytes(value);
        let (max_inactive, last_accessed, this_accessed) = (rest.i32()?, rest.i64()?, rest.i64()?);
        rest.0.is_empty().then_some(Validity { max_inactive, last_accessed, this_accessed })
    }

    pub fn is_valid(&self, now: i64) -> bool {
        !is_over(self.max_inactive, self.this_accessed, now)
    }
}

fn is_over(max_inactive: i32, accessed: i64, now: i64) -> bool {
    max_inactive > 0 && now.saturating_sub(accessed) >= i64::from(max_inactive) * 1000
}

impl Authentication {
    fn of(number: u16) -> Authentication {
        match number {
            0 => Authentication::None,
            1 => Authentication::Basic,
            2 => Authentication::ClientCert,
            3 => Authentication::Digest,
            4 => Authentication::Form,
            other => Authentication::Other(other),
        }
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Authentication::None => f.write_str("none"),
            Authentication::Basic => f.write_str("BASIC"),
            Authentication::ClientCert => f.write_str("CLIENT_CERT"),
            Authentication::Digest => f.write_str("DIGEST"),
            Authentication::Form => f.write_str("FORM"),
            Authentication::Other(number) => write!(f, "{number}"),
        }
    }
}

/// What is left to read.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// ASCII `1`, or anything else.
    fn flag(&mut self) -> Option<bool> {
        self.u8().map(|byte| byte == b'1')
    }

    /// So many bytes as two bytes say.
    fn counted(&mut self) -> Option<&'b [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests;
