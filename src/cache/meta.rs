//! What is known of a stored answer besides its fields and its body, and how that is written down.
//!
//! What always holds: what was written is read back equal; anything else, another version included, is None.

use std::time::{Duration, SystemTime};

use super::frame::{Unread, put_bytes, put_duration, put_list, put_time};

const VERSION: u8 = 1;

/// How edge wrote a body anew for clients that take it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Coding {
    /// As the upstream sent it.
    #[default]
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    pub const ALL: [Coding; 4] = [Coding::Identity, Coding::Gzip, Coding::Brotli, Coding::Zstd];

    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn from_number(number: u8) -> Option<Coding> {
        Coding::ALL.get(usize::from(number)).copied()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// As `host/path?args`: what a list shows and a purge by prefix compares.
    pub url: String,
    pub stored_at: SystemTime,
    pub fresh_until: SystemTime,
    pub stale_while_revalidate: Duration,
    pub stale_if_error: Duration,
    pub must_revalidate: bool,
    /// Stored without a body, whatever length its fields tell: the answer to a HEAD, 204, 304.
    pub bodiless: bool,
    /// How old the answer was when it came.
    pub initial_age: Duration,
    /// The request's fields that choose among variants: lower case, sorted.
    pub vary: Vec<String>,
    pub tags: Vec<String>,
}

impl Meta {
    pub fn new(url: impl Into<String>, stored_at: SystemTime, fresh_until: SystemTime) -> Meta {
        Meta {
            url: url.into(),
            stored_at,
            fresh_until,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            must_revalidate: false,
            bodiless: false,
            initial_age: Duration::ZERO,
            vary: vec![],
            tags: vec![],
        }
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.push(u8::from(self.must_revalidate) | u8::from(self.bodiless) << 1);
        put_bytes(out, self.url.as_bytes());
        put_time(out, self.stored_at);
        put_time(out, self.fresh_until);
        put_duration(out, self.stale_while_revalidate);
        put_duration(out, self.stale_if_error);
        put_duration(out, self.initial_age);
        put_list(out, &self.vary);
        put_list(out, &self.tags);
    }

    pub fn decode(bytes: &[u8]) -> Option<Meta> {
        let mut unread = Unread(bytes);
        let meta = Meta::read(&mut unread)?;
        unread.end().map(|()| meta)
    }

    pub(super) fn read(unread: &mut Unread) -> Option<Meta> {
        unread.u8().filter(|version| *version == VERSION)?;
        let flags = unread.u8().filter(|flags| *flags < 4)?;
        Some(Meta {
            must_revalidate: flags & 1 != 0,
            bodiless: flags & 2 != 0,
            url: unread.string()?,
            stored_at: unread.time()?,
            fresh_until: unread.time()?,
            stale_while_revalidate: unread.duration()?,
            stale_if_error: unread.duration()?,
            initial_age: unread.duration()?,
            vary: unread.list()?,
            tags: unread.list()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn meta() -> Meta {
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        Meta {
            stale_while_revalidate: Duration::from_millis(1500),
            stale_if_error: Duration::MAX,
            must_revalidate: true,
            bodiless: true,
            initial_age: Duration::from_nanos(1),
            vary: vec!["accept".into(), "accept-language".into()],
            tags: vec!["α".into(), String::new()],
            ..Meta::new("host/path?a=b", at(1_700_000_000), at(5_000_000_000))
        }
    }

    fn written(meta: &Meta) -> Vec<u8> {
        let mut bytes = vec![];
        meta.encode(&mut bytes);
        bytes
    }

    #[test]
    fn what_was_written_is_read_back() {
        for meta in [meta(), Meta::new("", UNIX_EPOCH, UNIX_EPOCH)] {
            assert_eq!(Meta::decode(&written(&meta)), Some(meta));
        }
    }

    #[test]
    fn a_part_more_or_less_or_of_another_version_is_refused() {
        let bytes = written(&meta());
        for len in 0..bytes.len() {
            assert_eq!(Meta::decode(&bytes[..len]), None, "{len}");
        }
        assert_eq!(Meta::decode(&[&bytes[..], b"x"].concat()), None);
        assert_eq!(Meta::decode(&[&[VERSION + 1], &bytes[1..]].concat()), None);
        assert_eq!(Meta::decode(&[&[VERSION, 4], &bytes[2..]].concat()), None);
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(bytes: Vec<u8>, at in 0usize..100, value: u8) {
            let _ = Meta::decode(&bytes);
            let mut flipped = written(&meta());
            flipped[at] = value;
            let _ = Meta::decode(&flipped);
        }
    }
}
