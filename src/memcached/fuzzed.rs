//! Bytes for the reader of this room: what may come back from a memcached, or from somebody who is none.

use super::Key;
use super::reply::{Expected, Reply};
use crate::fuzzing::{mark, pieces};

/// The same in any pieces; whole only where everything was looked at.
pub(crate) fn reply(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    let keys: Vec<Key> = ["a", "bb", "a"].into_iter().filter_map(|key| Key::checked(key.to_owned())).collect();
    let mut outcomes = Vec::new();
    for expected in [Expected::Values(&keys), Expected::Number, Expected::Line(&["STORED", "NOT_STORED", "VERSION "])] {
        let read = |step: usize| {
            let mut reply = Reply::to(expected);
            let outcome = bytes.chunks(step).try_for_each(|piece| reply.feed(piece));
            (outcome.is_ok(), reply.is_whole())
        };
        let (whole, split) = (read(bytes.len().max(1)), read(size));
        assert_eq!(whole.0, split.0, "taken or not by how it is split");
        if whole.0 {
            assert_eq!(whole.1, split.1);
            assert!(!whole.1 || bytes.ends_with(b"\r\n"));
        }
        outcomes.push(whole);
    }
    let values = bytes.windows(6).filter(|word| *word == b"VALUE ").count().min(4);
    mark((outcomes, values))
}
