//! What is stored, page by page: `edge cache ls`.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::core::Core;
use super::format;
use super::head::Head;
use super::shard::PAGE;
use crate::cache::key::{Hash, Variant};

/// Rows of one page, at most.
const PAGE_ROWS: usize = 1000;
/// Heads that are read for one page.
const LOOKED_AT: usize = 4096;

/// Where the next page begins. Objects that come and go meanwhile may be missed or not, others are told once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub shard: u32,
    pub place: u32,
}

#[derive(Debug)]
pub struct Page {
    pub rows: Vec<Row>,
    /// None: this was the last one.
    pub next: Option<Cursor>,
}

#[derive(Debug)]
pub struct Row {
    pub head: Arc<Head>,
    pub variant: Variant,
    pub body_len: u64,
    /// Bytes on the disk; 0: in memory only.
    pub on_disk: u64,
    pub in_memory: bool,
    pub used: SystemTime,
    /// Of what is stored now, and by this process: they are written nowhere.
    pub hits: u32,
}

struct Seen {
    hash: Hash,
    variant: Variant,
    resident: Option<(Arc<Head>, u64)>,
    on_disk: u64,
    used: SystemTime,
    hits: u32,
}

impl Core {
    /// Those whose URL begins with `prefix`. Blocks while heads are read.
    pub(super) fn list(&self, prefix: &str, from: Cursor, limit: usize) -> Page {
        let limit = limit.clamp(1, PAGE_ROWS);
        let mut rows = vec![];
        let mut looked_at = 0;
        let mut cursor = from;
        while (cursor.shard as usize) < self.shards() {
            let Some((place, seen)) = self.next_seen(cursor) else {
                cursor = Cursor { shard: cursor.shard + 1, place: 0 };
                continue;
            };
            if rows.len() == limit || looked_at == LOOKED_AT {
                return Page { rows, next: Some(cursor) };
            }
            looked_at += 1;
            cursor.place = place + 1;
            rows.extend(self.row(seen).filter(|row| row.head.meta.url.starts_with(prefix)));
        }
        Page { rows, next: None }
    }

    fn next_seen(&self, cursor: Cursor) -> Option<(u32, Seen)> {
        let shard = self.nth(cursor.shard as usize);
        let (place, object) = shard.from(cursor.place).next()?;
        let resident = object.resident.as_ref().map(|r| (Arc::clone(&r.head), r.body.len() as u64));
        let seen = Seen {
            hash: object.hash,
            variant: object.variant(),
            resident,
            on_disk: u64::from(object.pages) * PAGE,
            used: UNIX_EPOCH + Duration::from_millis(object.used),
            hits: object.hits(),
        };
        Some((place, seen))
    }

    fn row(&self, seen: Seen) -> Option<Row> {
        let in_memory = seen.resident.is_some();
        let (head, body_len) = match seen.resident {
            Some(known) => known,
            None => {
                let file = File::open(self.home.as_ref()?.file(&seen.hash, seen.variant)).ok()?;
                let (front, slot) = format::read_front(&file).ok()?;
                (Arc::new(slot.head), front.body_len)
            }
        };
        let Seen { variant, on_disk, used, hits, .. } = seen;
        Some(Row { head, variant, body_len, on_disk, in_memory, used, hits })
    }
}
