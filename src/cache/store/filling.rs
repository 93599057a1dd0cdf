//! An answer that is being stored, and those who read it meanwhile.
//!
//! Bytes are gathered in the blocks of the file; whole ones go to the writer's thread and, once written, leave memory
//! unless the object may stay there. Those who follow read a block from memory or from the file, whichever has it.
//!
//! What always holds: nothing here waits for a disk. A fill that is dropped before its end, or ends with another length
//! than announced, is an error to those who follow, never an end. What the disk does not take in time is not stored;
//! those who follow go on in memory, and one of them who is too far behind gets an error.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Notify;

use super::core::{Core, Moment, Place};
use super::fill::Fill;
use super::follow::Follow;
use super::format::{self, BLOCK, Front, MAX_KEY};
use super::head::Head;
use super::lock;
use super::writer::Job;
use super::zones::Holder;
use crate::cache::key::{Key, UNVARIED, Variant};

/// Of one fill waiting for the writer: more, and the upstream should wait,
pub(super) const SLOW: u64 = 1 << 20;
/// still more, and it is not stored.
const TOO_SLOW: u64 = 16 << 20;
/// Of all fills of a zone.
pub(super) const ALL_SLOW: u64 = 32 << 20;
/// Blocks kept for those who follow what is not stored.
const WINDOW: usize = 16;

/// What came of beginning a fill.
pub enum Begun {
    Fill(Fill),
    /// Another one stores this variant.
    Busy(Follow),
    /// Not stored: too large for the zone, purged since it was asked for, or of a variant that does not go with its `vary`.
    Refused,
}

/// Whom a made variant was made of.
#[derive(Clone, Copy)]
pub struct Base(pub Place);

pub struct Filling {
    pub core: Arc<Core>,
    pub key: Key,
    pub variant: Variant,
    pub head: Arc<Head>,
    pub id: u64,
    /// When the upstream was.
    pub asked: Moment,
    pub base: Option<Base>,
    /// Without the body's length, which is known at the end.
    pub front: Arc<Front>,
    state: Mutex<State>,
    pub changed: Notify,
    pub followers: AtomicUsize,
    /// The zone's threads are needed until this has ended.
    _holder: Holder,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Finished,
    Aborted,
}

/// Where it will be, if nothing happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Storing {
    Disk,
    Memory,
    Nowhere,
}

pub struct State {
    /// The blocks in memory, whole ones, and the number of the first.
    held: VecDeque<Bytes>,
    first: u64,
    tail: Vec<u8>,
    len: u64,
    written: u64,
    pub end: Option<End>,
    pub storing: Storing,
    /// Purged meanwhile: for good, or to be stale.
    pub doomed: bool,
    pub staled: bool,
    pub file: Option<(Arc<File>, PathBuf)>,
    /// The writer knows of it.
    queued: bool,
}

/// What the writer does next.
pub enum Work {
    Block(u64, Bytes),
    Finish(Bytes, u64),
    Discard,
    Nothing,
}

/// What a reader at some point gets.
pub enum Piece {
    Bytes(Bytes),
    /// From the file, this block.
    OnDisk(Arc<File>, u64),
    Wait,
    End,
    Aborted,
}

impl Core {
    pub(super) fn begin(
        self: &Arc<Core>,
        key: &Key,
        variant: Variant,
        head: Head,
        asked: Moment,
        base: Option<Base>,
    ) -> Begun {
        let Some(encoded) = head.encode().filter(|_| key.text().len() <= MAX_KEY) else {
            return Begun::Refused;
        };
        // One that varies under the name of one that does not would be found by everybody.
        if head.meta.vary.is_empty() != (variant.fields == UNVARIED) {
            return Begun::Refused;
        }
        let storing = if self.home.is_some() { Storing::Disk } else { Storing::Memory };
        let announced = head.announced().flatten().unwrap_or(0);
        let largest = match storing {
            Storing::Disk => self.limits.pages.load(Ordering::Relaxed).saturating_mul(super::shard::PAGE),
            _ => self.resident_max(),
        };
        if announced > largest {
            return Begun::Refused;
        }
        let mut shard = self.shard(key.hash());
        let head = Arc::new(head);
        // Under the lock: a purge that comes later finds the fill.
        let Some(head) = self.marks.survives(key.hash(), head, asked, self.now()) else {
            return Begun::Refused;
        };
        let running = shard.fills.entry(*key.hash()).or_default();
        let same = |other: &&Arc<Filling>| other.variant == variant && other.key == *key && other.may_be_followed();
        // What is complete and only on its way to the disk does not keep a newer one out.
        if let Some(other) = running.iter().filter(|other| !other.is_complete()).find(same) {
            return Begun::Busy(Follow::new(Arc::clone(other)));
        }
        let Moment(id) = self.moment();
        let slot_len = format::slot_len(encoded.len());
        let front = Front { id, key: key.clone(), variant, slot_len, body_len: u64::MAX };
        let filling = Arc::new(Filling {
            core: Arc::clone(self),
            key: key.clone(),
            variant,
            head,
            id,
            asked,
            base,
            front: Arc::new(front),
            state: Mutex::new(State::new(storing)),
            changed: Notify::new(),
            followers: AtomicUsize::new(0),
            _holder: Holder::of(self),
        });
        running.push(Arc::clone(&filling));
        drop(shard);
        Begun::Fill(Fill::new(filling))
    }
}

impl State {
    fn new(storing: Storing) -> State {
        State {
            held: VecDeque::new(),
            first: 0,
            tail: Vec::new(),
            len: 0,
            written: 0,
            end: None,
            storing,
            doomed: false,
            staled: false,
            file: None,
            queued: false,
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Bytes the writer still has to write.
    pub fn unwritten(&self) -> u64 {
        match self.storing {
            Storing::Disk => self.len - (self.written * BLOCK as u64).min(self.len),
            _ => 0,
        }
    }

    /// The body, if none of it has left memory.
    pub fn whole(&self) -> Option<Bytes> {
        if self.first > 0 {
            return None;
        }
        let mut body = Vec::with_capacity(self.len as usize);
        self.held.iter().for_each(|block| body.extend_from_slice(block));
        body.extend_from_slice(&self.tail);
        Some(body.into())
    }

    /// Whole blocks that are full now.
    fn append(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.tail.len()));
            self.tail.extend_from_slice(now);
            bytes = rest;
            if self.tail.len() == BLOCK {
                self.held.push_back(std::mem::take(&mut self.tail).into());
            }
        }
    }

    fn piece(&self, at: u64) -> Piece {
        if self.end == Some(End::Aborted) {
            return Piece::Aborted;
        }
        if at >= self.len {
            return if self.end.is_some() { Piece::End } else { Piece::Wait };
        }
        let (index, within) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
        if index < self.first {
            return match &self.file {
                Some((file, _)) if index < self.written => Piece::OnDisk(Arc::clone(file), index),
                _ => Piece::Aborted,
            };
        }
        match self.held.get((index - self.first) as usize) {
            Some(block) => Piece::Bytes(block.slice(within..)),
            None => Piece::Bytes(Bytes::copy_from_slice(&self.tail[within..])),
        }
    }
}

impl Filling {
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether a reader who comes now will get all of it.
    pub fn may_be_followed(&self) -> bool {
        let state = self.state();
        state.storing != Storing::Nowhere && !state.doomed && state.end != Some(End::Aborted)
    }

    /// All of it is there, but not yet where it will be found.
    pub fn is_complete(&self) -> bool {
        self.may_be_followed() && self.state().end == Some(End::Finished)
    }

    /// Takes bytes; what they change is told afterwards, and the writer is told of whole blocks.
    pub fn append(self: &Arc<Self>, bytes: &[u8]) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        self.account(&mut state, |state| state.append(bytes));
        let held = self.core.held.load(Ordering::Relaxed);
        let crowded = held > self.core.limits.memory.load(Ordering::Relaxed).max(ALL_SLOW);
        let too_much = match state.storing {
            Storing::Disk => state.unwritten() > TOO_SLOW,
            Storing::Memory => state.len > self.core.resident_max() || crowded,
            Storing::Nowhere => false,
        };
        if too_much {
            self.give_up(&mut state);
        }
        self.release(&mut state);
        let due = state.storing == Storing::Disk && state.written < state.first + state.held.len() as u64;
        if due {
            self.queue(&mut state);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Changes what is in memory and keeps the zone's sums.
    fn account(&self, state: &mut State, change: impl FnOnce(&mut State)) {
        let sums = |state: &State| ((state.held.len() * BLOCK + state.tail.len()) as u64, state.unwritten());
        let before = sums(state);
        change(state);
        let after = sums(state);
        let add = |sum: &std::sync::atomic::AtomicU64, before: u64, after: u64| {
            sum.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        };
        add(&self.core.held, before.0, after.0);
        add(&self.core.backlog, before.1, after.1);
    }

    /// It is not stored any more; the writer removes what it wrote, and those who follow go on.
    fn give_up(self: &Arc<Self>, state: &mut State) {
        self.account(state, |state| state.storing = Storing::Nowhere);
        self.release(state);
        if self.core.home.is_some() {
            self.queue(state);
        }
    }

    /// Out of memory goes what nobody needs there.
    fn release(&self, state: &mut State) {
        let crowded = self.core.held.load(Ordering::Relaxed) > self.core.limits.memory.load(Ordering::Relaxed);
        let keep = match state.storing {
            Storing::Memory => return,
            Storing::Disk if state.len <= self.core.resident_max() && !crowded => return,
            Storing::Disk => (state.first + state.held.len() as u64).saturating_sub(state.written) as usize,
            Storing::Nowhere if self.followers.load(Ordering::Relaxed) > 0 => WINDOW,
            Storing::Nowhere => 0,
        };
        self.account(state, |state| {
            let gone = state.held.len().saturating_sub(keep);
            state.held.drain(..gone);
            state.first += gone as u64;
        });
    }

    fn queue(self: &Arc<Self>, state: &mut State) {
        if !std::mem::replace(&mut state.queued, true) {
            self.core.jobs.push(Job::Fill(Arc::clone(self)));
        }
    }

    /// Ends it. True if there is a writer that makes it whole.
    pub fn end(self: &Arc<Self>, end: End) -> bool {
        let mut state = self.state();
        if state.end.is_none() {
            state.end = Some(end);
        }
        let on_disk = state.storing == Storing::Disk;
        if on_disk || (end == End::Aborted && state.file.is_some()) {
            self.queue(&mut state);
        }
        drop(state);
        self.changed.notify_waiters();
        on_disk
    }

    /// For the writer, which comes again after each piece of work until there is none.
    pub fn work(&self) -> Work {
        let mut state = self.state();
        if state.end == Some(End::Aborted) || state.storing != Storing::Disk {
            state.queued = false;
            return Work::Discard;
        }
        let next = state.held.get((state.written - state.first) as usize).cloned();
        match next {
            Some(block) => Work::Block(state.written, block),
            None if state.end.is_some() => Work::Finish(Bytes::copy_from_slice(&state.tail), state.len),
            None => {
                state.queued = false;
                Work::Nothing
            }
        }
    }

    pub fn wrote_block(&self) {
        let mut state = self.state();
        self.account(&mut state, |state| state.written += 1);
        self.release(&mut state);
        drop(state);
        self.changed.notify_waiters();
    }

    /// The disk does not take it. In memory it may still be kept. True if it had ended before, so that nobody else
    /// makes it whole.
    pub fn disk_failed(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        let in_memory = state.first == 0 && state.len <= self.core.resident_max();
        let storing = if in_memory { Storing::Memory } else { Storing::Nowhere };
        self.account(&mut state, |state| state.storing = storing);
        let ended = state.end.is_some();
        drop(state);
        self.changed.notify_waiters();
        ended
    }

    pub fn piece(&self, at: u64) -> Piece {
        self.state().piece(at)
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        let state = lock(&self.state);
        let held = (state.held.len() * BLOCK + state.tail.len()) as u64;
        self.core.held.fetch_sub(held, Ordering::Relaxed);
        self.core.backlog.fetch_sub(state.unwritten(), Ordering::Relaxed);
    }
}
