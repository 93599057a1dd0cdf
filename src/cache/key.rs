//! Under what an answer is kept: the key of its request, and among the answers of one key the variant.
//!
//! What always holds: each part is preceded by its length before it is hashed, so that no two requests share a key
//! because a byte moved from one part to the next. The hash only finds an answer: the text is stored with it and
//! compared, and a collision is a miss.

use bytes::Bytes;
use pingora_cache::VarianceBuilder;
use sha2::{Digest, Sha256};

use super::frame;
use super::meta::Coding;

pub type Hash = [u8; 16];

/// Most keys are no longer.
const USUAL: usize = 160;

#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    hash: Hash,
    /// All parts, each after its length.
    text: Bytes,
}

impl Key {
    /// Of the parts in this order, as scheme, host and path.
    pub fn of(parts: &[&[u8]]) -> Key {
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
        parts.iter().for_each(|part| frame::put_bytes(&mut text, part));
        Key::of_text(text.into())
    }

    /// Of the parts that `write` hands over, in its order.
    pub fn written(write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Key {
        let mut text = Vec::with_capacity(USUAL);
        write(&mut |part| frame::put_bytes(&mut text, part));
        Key::of_text(text.into())
    }

    pub(super) fn of_text(text: Bytes) -> Key {
        let digest: [u8; 32] = Sha256::digest(&text).into();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        Key { hash, text }
    }

    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    pub(super) fn text(&self) -> &Bytes {
        &self.text
    }

    /// A key of another text under this one's hash, as a collision would be.
    #[cfg(test)]
    pub(super) fn colliding(&self, text: &'static [u8]) -> Key {
        Key { hash: self.hash, text: Bytes::from_static(text) }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Of an answer that does not vary.
pub const UNVARIED: Hash = [0; 16];

/// Which of the answers of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Variant {
    /// Of the request's fields that Vary names; zeros if it names none.
    pub fields: Hash,
    /// How edge wrote the body anew; what the upstream sent is `Identity`, whatever coding it had there.
    pub coding: Coding,
}

impl Variant {
    /// The answer that does not vary, as it came.
    pub const NONE: Variant = Variant { fields: UNVARIED, coding: Coding::Identity };

    /// By the names that the answer varies by, each with the request's value; neither can hold the NUL that Pingora puts
    /// between them.
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Variant {
        let mut builder = VarianceBuilder::new();
        for (name, value) in fields {
            builder.add_value(name, value);
        }
        let fields = builder.finalize().unwrap_or(UNVARIED);
        Variant { fields, coding: Coding::Identity }
    }

    pub fn coded(self, coding: Coding) -> Variant {
        Variant { coding, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_moves_between_parts_gives_another_key() {
        let keys =
            [&[b"ab".as_slice(), b"c"] as &[&[u8]], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""], &[b"", b"abc"], &[]];
        for (at, one) in keys.iter().enumerate() {
            assert_eq!(Key::of(one), Key::of(one));
            assert_eq!(Key::of(one), Key::written(|each| one.iter().for_each(|part| each(part))));
            for other in &keys[at + 1..] {
                assert_ne!(Key::of(one).hash(), Key::of(other).hash(), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_part_that_looks_like_a_length_does_not_deceive() {
        assert_ne!(Key::of(&[b"\x01\0\0\0a"]), Key::of(&[b"a"]));
        assert_ne!(Key::of(&[b"a\x01\0\0\0b"]), Key::of(&[b"a", b"b"]));
    }

    #[test]
    fn variants_differ_by_name_and_value() {
        let of = |fields: &[(&'static str, &'static [u8])]| Variant::of(fields.iter().copied());
        assert_eq!(of(&[]), Variant::NONE);
        assert_eq!(of(&[("accept", b"a")]), of(&[("accept", b"a")]));
        let different = [of(&[]), of(&[("accept", b"")]), of(&[("accept", b"a")]), of(&[("accepta", b"")])];
        for (at, one) in different.iter().enumerate() {
            assert!(different[at + 1..].iter().all(|other| other != one));
        }
        assert_ne!(Variant::NONE, Variant::NONE.coded(Coding::Gzip));
    }
}
