//! A stored answer's head: status, fields as the upstream wrote them, and what is known besides.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use pingora_http::ResponseHeader;

use crate::cache::frame::{Unread, put_bytes};
use crate::cache::meta::Meta;

/// Of a head as it is written down; an answer with more is not stored.
pub const MAX_HEAD: usize = 256 << 10;
/// What a head costs in memory beside its bytes: maps, pointers, the places in the index.
const OVERHEAD: usize = 1024;

pub struct Head {
    pub response: ResponseHeader,
    pub meta: Meta,
    prepared: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Head {
    pub fn new(response: ResponseHeader, meta: Meta) -> Head {
        Head { response, meta, prepared: OnceLock::new() }
    }

    /// What the caller made of this head the first time, kept as long as the head is. None if it was made as another
    /// type.
    pub fn prepared<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Option<Arc<T>> {
        Arc::clone(self.prepared.get_or_init(|| Arc::new(make()))).downcast().ok()
    }

    /// The same answer, known to be stale.
    pub(super) fn stale(&self, now: std::time::SystemTime) -> Head {
        let mut meta = self.meta.clone();
        meta.fresh_until = meta.fresh_until.min(now);
        // Whoever purged softly wants the next request to ask; a stale answer is for failures only.
        meta.stale_while_revalidate = std::time::Duration::ZERO;
        Head::new(self.response.clone(), meta)
    }

    /// None for what could not be read back: it is not stored then.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(1024);
        self.meta.encode(&mut out);
        out.extend_from_slice(&self.response.status.as_u16().to_le_bytes());
        put_bytes(&mut out, self.response.get_reason_phrase().unwrap_or_default().as_bytes());
        let cased = self.response.has_case();
        out.push(u8::from(cased));
        out.extend_from_slice(&(self.response.headers.len() as u32).to_le_bytes());
        let mut put = |name: &[u8], value: &HeaderValue| {
            put_bytes(&mut out, name);
            put_bytes(&mut out, value.as_bytes());
        };
        if cased {
            self.response.case_header_iter().for_each(|(name, value)| put(name.as_slice(), value));
        } else {
            self.response.headers.iter().for_each(|(name, value)| put(name.as_str().as_bytes(), value));
        }
        let readable = out.len() <= MAX_HEAD && Head::decode(&out).is_some();
        readable.then_some(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Head> {
        let mut unread = Unread(bytes);
        let meta = Meta::read(&mut unread)?;
        let status = unread.u16()?;
        let reason = unread.string()?;
        let cased = match unread.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let count = unread.u32()?;
        let built =
            if cased { ResponseHeader::build(status, None) } else { ResponseHeader::build_no_case(status, None) };
        let mut response = built.ok()?;
        if response.get_reason_phrase() != Some(reason.as_str()) {
            response.set_reason_phrase(Some(&reason)).ok()?;
        }
        for _ in 0..count {
            let name = unread.string()?;
            let value = HeaderValue::from_bytes(unread.bytes()?).ok()?;
            response.append_header(name, value).ok()?;
        }
        unread.end()?;
        Some(Head::new(response, meta))
    }

    /// In memory, in bytes, roughly; what is prepared holds each field once more.
    pub(super) fn weight(&self) -> usize {
        let fields: usize =
            self.response.headers.iter().map(|(name, value)| 2 * (name.as_str().len() + value.len()) + 64).sum();
        let lists: usize = self.meta.vary.iter().chain(&self.meta.tags).map(|item| item.len() + 24).sum();
        fields + lists + self.meta.url.len() + OVERHEAD
    }

    /// What Content-Length announces of the body; None without one, Some(None) if it is none.
    pub fn announced(&self) -> Option<Option<u64>> {
        if self.meta.bodiless {
            return None;
        }
        let value = self.response.headers.get(http::header::CONTENT_LENGTH)?;
        Some(value.to_str().ok().and_then(|text| text.trim().parse().ok()))
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Head({} {})", self.response.status.as_u16(), self.meta.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn head() -> Head {
        let mut response = ResponseHeader::build(200, None).unwrap();
        response.set_reason_phrase(Some("Fine")).unwrap();
        response.append_header("X-oDd", "1").unwrap();
        response.append_header("Link", "a").unwrap();
        response.append_header("link", HeaderValue::from_bytes(b"\xff\xe9").unwrap()).unwrap();
        Head::new(response, Meta::new("h/p", UNIX_EPOCH, UNIX_EPOCH))
    }

    #[test]
    fn status_reason_and_fields_come_back_as_they_were_written() {
        let read = Head::decode(&head().encode().unwrap()).unwrap();
        let mut wire = vec![];
        read.response.header_to_h1_wire(&mut wire);
        let mut expected = vec![];
        head().response.header_to_h1_wire(&mut expected);
        assert_eq!(wire, expected);
        assert!(wire.starts_with(b"X-oDd: 1\r\n"), "{}", wire.escape_ascii());
        assert_eq!((read.response.status.as_u16(), read.response.get_reason_phrase()), (200, Some("Fine")));
        assert_eq!(read.meta, head().meta);
    }

    #[test]
    fn a_part_of_a_head_is_none_and_what_cannot_be_read_back_is_not_written() {
        let bytes = head().encode().unwrap();
        assert!((0..bytes.len()).all(|len| Head::decode(&bytes[..len]).is_none()));
        let mut long = head();
        long.response.append_header("X-Long", "x".repeat(MAX_HEAD)).unwrap();
        assert!(long.encode().is_none());
    }

    #[test]
    fn what_the_caller_prepares_is_made_once() {
        let head = head();
        assert_eq!(*head.prepared(|| 1u32).unwrap(), 1);
        assert_eq!(*head.prepared(|| 2u32).unwrap(), 1);
        assert!(head.prepared(|| "text").is_none());
    }
}
