//! Bytes for the readers of this room: what stands in files of the cache after a crash, on a bad disk, or by somebody's hand.

use super::format::{self, Front};
use super::head::Head;
use super::purge::Mark;
use crate::cache::frame::Unread;
use crate::cache::key::Key;
use crate::cache::meta::Meta;
use crate::fuzzing::mark;
use std::io::Write;

/// A head that is read is written as one that is read as the same.
pub(crate) fn head(bytes: &[u8]) -> u64 {
    let meta = Meta::decode(bytes).is_some();
    let Some(head) = Head::decode(bytes) else { return u64::from(meta) };
    let _ = (head.announced(), head.weight());
    if let Some(written) = head.encode() {
        let again = Head::decode(&written).expect("what was written is read");
        assert_eq!(again.meta, head.meta);
        assert_eq!(again.encode().as_deref(), Some(written.as_slice()));
    }
    mark((head.response.headers.len(), head.meta.vary.len(), head.meta.tags.len(), head.response.status.as_u16()))
}

/// A file as it is, and the same with checksums that fit: only those may be believed.
pub(crate) fn file(bytes: &[u8]) -> u64 {
    mark((read(bytes), read(&sealed(bytes))))
}

fn read(bytes: &[u8]) -> String {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for some kilobytes");
    match format::read_front(&file) {
        Err(why) => why.to_string(),
        Ok((front, slot)) => {
            assert_eq!(front.file_len(), Some(bytes.len() as u64));
            let blocks = (0..).map_while(|index| front.block(index)).take(8);
            blocks.for_each(|block| assert!(block.start < block.end && block.end <= bytes.len() as u64));
            assert!(front.block(u64::MAX).is_none());
            format!("{} {} {}", front.slot_len, slot.serial, front.key.text().len())
        }
    }
}

/// The front of the bytes made over into one whose key, head and length are right.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let (key, head) = bytes.split_at(bytes.len().min(40));
    let variant = crate::cache::key::Variant { fields: [7; 16], coding: crate::cache::meta::Coding::Identity };
    let slot_len = format::slot_len(head.len());
    let front = Front { id: 1, key: Key::of_text(key.to_vec().into()), variant, slot_len, body_len: 0 };
    front.encode(head, 3).unwrap_or_default()
}

/// Marks are read up to the first that is torn; each is written as it was.
pub(crate) fn purges(bytes: &[u8]) -> u64 {
    let with_sum = |body: &[u8]| [body, &crc32fast::hash(body).to_le_bytes()].concat();
    let all: Vec<u8> = bytes.split(|b| *b == b'\n').flat_map(with_sum).collect();
    let mut kinds = Vec::new();
    for text in [bytes, all.as_slice()] {
        let mut unread = Unread(text);
        while let Some(mark) = Mark::read(&mut unread) {
            let written = mark.encode();
            let again = Mark::read(&mut Unread(&written)).expect("what was written is read");
            assert_eq!(again.encode(), written);
            kinds.push(written[9]);
        }
    }
    kinds.truncate(6);
    mark(kinds)
}
