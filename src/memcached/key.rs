//! What may be sent as a key: the only way from text to a memcached command.

use sha2::{Digest, Sha256};
use std::fmt;

/// At most 250 bytes of visible ASCII (memcached's doc/protocol.txt).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    const LONGEST: usize = 250;

    /// Of edge's own: nothing that a client wrote is in it but as a hash.
    pub fn own(kind: &'static str, named: &[impl AsRef<[u8]>]) -> Key {
        let mut hash = Sha256::new();
        for name in named {
            // Framed: no two lists of names are the same bytes.
            hash.update((name.as_ref().len() as u64).to_be_bytes());
            hash.update(name);
        }
        let hash = hash.finalize();
        let mut text = format!("edge:{kind}:");
        for byte in &hash[..16] {
            text.push_str(&format!("{byte:02x}"));
        }
        Key(text)
    }

    pub fn checked(text: String) -> Option<Key> {
        let good = !text.is_empty() && text.len() <= Key::LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
        good.then_some(Key(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key holds a session id, which is a password: only its kind is shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_edge_hold_no_name_and_are_framed() {
        assert_eq!(Key::own("s", &["a", "b"]), Key::own("s", &["a", "b"]));
        assert_ne!(Key::own("s", &["ab", ""]), Key::own("s", &["a", "b"]));
        assert_ne!(Key::own("s", &["a"]), Key::own("l", &["a"]));
        assert!(Key::own("s", &["x\r\nflush_all"]).as_str().bytes().all(|b| b.is_ascii_graphic()));
    }

    #[test]
    fn what_memcached_would_not_take_is_no_key() {
        for bad in ["", "a b", "a\r\n", "a\0", "ä", &"k".repeat(251)] {
            assert!(Key::checked(bad.to_owned()).is_none(), "{bad:?}");
        }
        assert!(Key::checked("k".repeat(250)).is_some());
    }
}
