//! The file of one object: a front that says whose it is, the head in two slots, the body in blocks.
//!
//! ```text
//! magic, version, lengths, id, key hash, variant │ key text │ crc
//! slot A: crc, length, serial, head              │ slot B: the same
//! block: up to 64 KiB, crc │ block │ …
//! ```
//!
//! There are two slots so that a head can be exchanged, after a 304, without writing the body anew: the older one is
//! overwritten, and the newer valid one holds. A write that was torn leaves the other.
//!
//! What always holds: nothing is believed whose checksum does not fit, and each checksum contains the object's id and,
//! for a block, its number. A file of another length than its front says is no object.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::head::{Head, MAX_HEAD};
use crate::cache::frame::Unread;
use crate::cache::key::{Hash, Key, Variant};
use crate::cache::meta::Coding;

/// Of body in one block.
pub const BLOCK: usize = 64 << 10;
/// Longer keys are not stored.
pub const MAX_KEY: usize = 64 << 10;

const MAGIC: &[u8; 8] = b"edge\x0d\x0aob";
const VERSION: u32 = 1;
const FIXED: usize = 72;
const CRC: usize = 4;
const SLOT_FRONT: usize = 16;
/// A slot has room for a head that grows by some fields.
const ROOM: usize = 256;
const MAX_SLOT: usize = MAX_HEAD + SLOT_FRONT + 2 * ROOM;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// No two objects of a zone share one, one and the same name or not.
    pub id: u64,
    pub key: Key,
    pub variant: Variant,
    pub slot_len: usize,
    pub body_len: u64,
}

/// A head as it was read, and of which slot.
#[derive(Debug)]
pub struct Slot {
    pub head: Head,
    pub serial: u64,
    index: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("{0}")]
    Unread(#[from] io::Error),
    #[error("its {0} is damaged")]
    Damaged(&'static str),
    #[error("it is of another version")]
    Version,
    #[error("it is of another key")]
    Foreign,
}

impl Unusable {
    /// Whether the file itself is to blame, not the moment.
    pub fn is_for_good(&self) -> bool {
        match self {
            Unusable::Unread(error) => error.kind() == io::ErrorKind::UnexpectedEof,
            _ => true,
        }
    }
}

/// The room for a head of this length.
pub fn slot_len(head_len: usize) -> usize {
    (SLOT_FRONT + head_len + ROOM).next_multiple_of(ROOM)
}

impl Front {
    pub fn body_at(&self) -> u64 {
        (self.slots_at() + 2 * self.slot_len) as u64
    }

    fn slots_at(&self) -> usize {
        FIXED + self.key.text().len() + CRC
    }

    pub fn file_len(&self) -> Option<u64> {
        let crcs = self.body_len.div_ceil(BLOCK as u64).checked_mul(CRC as u64)?;
        self.body_at().checked_add(self.body_len)?.checked_add(crcs)
    }

    /// With the head in the first slot. None if it does not fit.
    pub fn encode(&self, head: &[u8], serial: u64) -> Option<Vec<u8>> {
        let text = self.key.text();
        let mut out = Vec::with_capacity(self.slots_at() + 2 * self.slot_len);
        out.extend_from_slice(MAGIC);
        for word in [VERSION, self.slot_len as u32, text.len() as u32, u32::from(self.variant.coding.number())] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.id, self.body_len] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.variant.fields);
        out.extend_from_slice(self.key.hash());
        debug_assert_eq!(out.len(), FIXED);
        out.extend_from_slice(text);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&self.slot(head, serial)?);
        out.resize(self.slots_at() + 2 * self.slot_len, 0);
        Some(out)
    }

    fn slot(&self, head: &[u8], serial: u64) -> Option<Vec<u8>> {
        if SLOT_FRONT + head.len() > self.slot_len {
            return None;
        }
        let mut out = Vec::with_capacity(self.slot_len);
        out.extend_from_slice(&self.slot_crc(head, serial).to_le_bytes());
        out.extend_from_slice(&(head.len() as u32).to_le_bytes());
        out.extend_from_slice(&serial.to_le_bytes());
        out.extend_from_slice(head);
        Some(out)
    }

    fn slot_crc(&self, head: &[u8], serial: u64) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.id.to_le_bytes());
        hasher.update(&serial.to_le_bytes());
        hasher.update(&(head.len() as u32).to_le_bytes());
        hasher.update(head);
        hasher.finalize()
    }

    /// Overwrites the older slot. False if the head does not fit.
    pub fn exchange(&self, file: &File, old: &Slot, head: &[u8], serial: u64) -> io::Result<bool> {
        let Some(slot) = self.slot(head, serial) else {
            return Ok(false);
        };
        let other = 1 - old.index;
        file.write_all_at(&slot, (self.slots_at() + other * self.slot_len) as u64)?;
        Ok(true)
    }

    /// The newer valid one of both.
    fn newest(&self, slots: &[u8]) -> Option<Slot> {
        let read = |index: usize| {
            let mut unread = Unread(slots.get(index * self.slot_len..(index + 1) * self.slot_len)?);
            let crc = unread.u32()?;
            let len = unread.u32()? as usize;
            let serial = unread.u64()?;
            let head = unread.take(len)?;
            let sound = self.slot_crc(head, serial) == crc;
            sound.then(|| Head::decode(head)).flatten().map(|head| Slot { head, serial, index })
        };
        let (first, second) = (read(0), read(1));
        match (&first, &second) {
            (Some(a), Some(b)) if b.serial > a.serial => second,
            (None, _) => second,
            _ => first,
        }
    }

    /// Where a block lies in the file, without its checksum. None beyond the body's end.
    pub fn block(&self, index: u64) -> Option<Range<u64>> {
        let begin = index.checked_mul(BLOCK as u64)?;
        let len = self.body_len.checked_sub(begin).filter(|len| *len > 0)?.min(BLOCK as u64);
        let at = self.block_at(index);
        Some(at..at + len)
    }

    /// Also of a block of a body whose length is not known yet.
    pub fn block_at(&self, index: u64) -> u64 {
        self.body_at() + index * (BLOCK + CRC) as u64
    }
}

fn block_crc(id: u64, index: u64, block: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&id.to_le_bytes());
    hasher.update(&index.to_le_bytes());
    hasher.update(block);
    hasher.finalize()
}

/// What follows a block in the file.
pub fn seal(id: u64, index: u64, block: &[u8]) -> [u8; CRC] {
    block_crc(id, index, block).to_le_bytes()
}

/// A block without its seal, if that fits.
pub fn unseal(id: u64, index: u64, mut sealed: Bytes) -> Result<Bytes, Unusable> {
    let len = sealed.len().checked_sub(CRC).ok_or(Unusable::Damaged("body"))?;
    let crc = sealed.split_off(len);
    let fits = block_crc(id, index, &sealed).to_le_bytes() == crc[..];
    if fits { Ok(sealed) } else { Err(Unusable::Damaged("body")) }
}

/// The length of block and seal together.
pub fn sealed_len(block: &Range<u64>) -> usize {
    (block.end - block.start) as usize + CRC
}

/// Fills the buffer from this place of a file on, or fails.
pub type Read = fn(&File, &mut [u8], u64) -> io::Result<()>;

/// The front of an object's file and its head. Blocks.
pub fn read_front(file: &File) -> Result<(Front, Slot), Unusable> {
    read_front_by(|file, buffer, at| file.read_exact_at(buffer, at), file)
}

/// The same, and whether it blocks is the reader's business.
pub fn read_front_by(read: Read, file: &File) -> Result<(Front, Slot), Unusable> {
    let mut fixed = [0; FIXED];
    read(file, &mut fixed, 0)?;
    let (mut front, key_len, hash) = parse_fixed(&fixed).ok_or(Unusable::Damaged("front"))??;
    let mut rest = vec![0; key_len + CRC + 2 * front.slot_len];
    read(file, &mut rest, FIXED as u64)?;
    let (text, rest) = rest.split_at(key_len);
    let (crc, slots) = rest.split_at(CRC);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&fixed);
    hasher.update(text);
    if hasher.finalize().to_le_bytes() != *crc {
        return Err(Unusable::Damaged("front"));
    }
    front.key = Key::of_text(Bytes::copy_from_slice(text));
    if *front.key.hash() != hash {
        return Err(Unusable::Damaged("key"));
    }
    let slot = front.newest(slots).ok_or(Unusable::Damaged("head"))?;
    if front.file_len() != Some(file.metadata()?.len()) {
        return Err(Unusable::Damaged("length"));
    }
    Ok((front, slot))
}

/// All but the key's text. None is damage, an error another version.
fn parse_fixed(fixed: &[u8]) -> Option<Result<(Front, usize, Hash), Unusable>> {
    let mut unread = Unread(fixed);
    unread.take(MAGIC.len()).filter(|magic| magic == MAGIC)?;
    if unread.u32()? != VERSION {
        return Some(Err(Unusable::Version));
    }
    let slot_len = unread.u32().filter(|len| (SLOT_FRONT..=MAX_SLOT).contains(&(*len as usize)))? as usize;
    let key_len = unread.u32().filter(|len| *len as usize <= MAX_KEY)? as usize;
    let coding = u8::try_from(unread.u32()?).ok().and_then(Coding::from_number)?;
    let (id, body_len) = (unread.u64()?, unread.u64()?);
    let fields = unread.take(16)?.try_into().ok()?;
    let hash = unread.take(16)?.try_into().ok()?;
    let variant = Variant { fields, coding };
    Some(Ok((Front { id, key: Key::of(&[]), variant, slot_len, body_len }, key_len, hash)))
}
