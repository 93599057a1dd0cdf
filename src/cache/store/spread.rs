//! The index's tables are searched by hashes of keys, which are spread as well as can be: hashing them once more would cost
//! more than the search. A secret of the process is mixed in, so that nobody can choose keys that share a place.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

static SECRET: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0) | 1);

/// For tables whose keys are a [`Hash`](crate::cache::key::Hash).
#[derive(Clone, Copy)]
pub struct Spread(u64);

impl Default for Spread {
    fn default() -> Spread {
        Spread(*SECRET)
    }
}

impl BuildHasher for Spread {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { secret: self.0, sum: 0 }
    }
}

pub struct Folded {
    secret: u64,
    sum: u64,
}

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(size_of::<u64>()) {
            let mut word = [0; size_of::<u64>()];
            word[..part.len()].copy_from_slice(part);
            let product = u128::from(self.sum ^ u64::from_le_bytes(word) ^ self.secret) * u128::from(self.secret);
            self.sum = (product >> 64) as u64 ^ product as u64;
        }
    }

    /// The length of a hash, which is always the same.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Hash;

    #[test]
    fn hashes_that_differ_in_one_bit_are_spread() {
        let spread = Spread::default();
        let of = |hash: &Hash| spread.hash_one(hash);
        let mut seen: Vec<u64> = (0..128)
            .map(|bit| {
                let mut hash = Hash::default();
                hash[bit / 8] = 1 << (bit % 8);
                assert_eq!(of(&hash), of(&hash));
                of(&hash)
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 128);
    }
}
