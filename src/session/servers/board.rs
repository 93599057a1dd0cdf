//! The board: what edges tell each other, on every node of the store, so that it is there as long as one of them is.
//!
//! ```text
//!   inst SERVER       how often it was started (count)                                 for ever
//!   slot N, N < 32    what one edge sees (slot); claimed with `add`, kept with `cas`   3 s, written each second
//!   moved SERVER      sessions of it were taken over; likewise `moved` of a node       as long as a session lives
//!   away SERVER       whether its sessions were moved off it by an operator (departure)  for ever
//! ```
//!
//! What nodes say is united: the greatest count, the newest word of each edge, moved if one says so. Nothing here decides.
//!
//! What always holds: nothing is read or written that the next second would not bring again, so that a node may be away, empty
//! or new at any time; a node that does not answer holds up no other; a word of an edge is on the board before it reads those
//! of the others, so that of two edges that lose a server at the same moment at least one knows of the other.

use super::count::Count;
use super::departure::Away;
use super::random_word;
use super::slot::{Note, Slot, Word};
use crate::memcached::{Failure, Key, Life, Node, Swap};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// So many edges may share a board.
pub const SLOTS: usize = 32;
/// memcached counts in seconds: one of three may live little more than two.
const SLOT_LIFE: Duration = Duration::from_secs(3);
/// For all that one reading asks of a node.
const VISIT: Duration = Duration::from_secs(1);
const TRIES: usize = 4;

/// What this edge says with a reading.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// In the servers' order.
    pub words: Vec<Word>,
    /// What it knows of the starts; nodes that know less are told. None: nothing is told.
    pub counts: Vec<Option<Count>>,
    /// What it has marked as moved, by its place in `moved` of [`Heard`], and for how long it still is.
    pub moved: Vec<(usize, Duration)>,
    /// By the servers' places.
    pub notes: Vec<(usize, Note)>,
    /// What it knows of departures; nodes that know less are told.
    pub away: Vec<Option<Away>>,
    /// A word of its own on one: a node has it before it has this slot, and it is not said any more after the moment.
    pub fresh: Vec<(usize, Away, Instant)>,
}

/// What all nodes together say.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Whether any node answered.
    pub board: bool,
    /// Whether this edge's words stand somewhere, or have no place because too many edges are there.
    pub stored: bool,
    /// More edges are there than have a place: some are not heard.
    pub full: bool,
    pub others: Vec<Slot>,
    pub counts: Vec<Option<Count>>,
    /// The servers, then the nodes.
    pub moved: Vec<bool>,
    pub away: Vec<Option<Away>>,
}

#[derive(Debug)]
struct Seat {
    node: Arc<Node>,
    /// The number of the slot that is ours there, `SLOTS` if none is.
    slot: AtomicUsize,
}

#[derive(Debug)]
struct Keys {
    counts: Vec<Key>,
    moved: Vec<Key>,
    slots: Vec<Key>,
    away: Vec<Key>,
}

#[derive(Debug)]
pub struct Board {
    names: Vec<String>,
    seats: Vec<Seat>,
    keys: Keys,
    identity: String,
    who: String,
    turn: AtomicU64,
    complained: AtomicBool,
}

/// What one node says.
struct Page {
    full: bool,
    slots: Vec<Slot>,
    counts: Vec<Option<Count>>,
    moved: Vec<bool>,
    away: Vec<Option<Away>>,
}

impl Board {
    pub fn new(upstream: &str, names: Vec<String>, nodes: &[Arc<Node>]) -> Board {
        let counts = names.iter().map(|name| Key::own("inst", &[upstream, name])).collect();
        let away = names.iter().map(|name| Key::own("away", &[upstream, name])).collect();
        let servers = names.iter().map(|name| Key::own("moved", &[upstream, "server", name]));
        let moved = servers.chain(nodes.iter().map(|n| Key::own("moved", &[upstream, "node", n.name()]))).collect();
        let slots = (0..SLOTS).map(|n| Key::own("slot", &[upstream, &n.to_string()])).collect();
        let seat = |node: &Arc<Node>| Seat { node: node.clone(), slot: AtomicUsize::new(SLOTS) };
        Board {
            seats: nodes.iter().map(seat).collect(),
            keys: Keys { counts, moved, slots, away },
            identity: format!("{:016x}{:016x}", random_word(), random_word()),
            who: who(),
            turn: AtomicU64::new(0),
            complained: AtomicBool::new(false),
            names,
        }
    }

    /// Which edge this is, for others.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    pub fn who(&self) -> &str {
        &self.who
    }

    /// Says, then reads, at all nodes at once. Ends within a second or so.
    pub async fn exchange(self: Arc<Board>, said: Said) -> Heard {
        let (board, said) = (self, Arc::new(said));
        let words = board.names.iter().cloned().zip(said.words.iter().copied()).collect();
        let turn = board.turn.fetch_add(1, Ordering::Relaxed) + 1;
        let notes = said.notes.iter().filter_map(|(at, note)| Some((board.names.get(*at)?.clone(), *note))).collect();
        let (identity, who) = (board.identity.clone(), board.who.clone());
        let slot = Arc::new(Slot { identity, who, turn, words, notes });
        let mut visits = JoinSet::new();
        for at in 0..board.seats.len() {
            let (board, said, slot) = (board.clone(), said.clone(), slot.clone());
            visits.spawn(async move {
                let visit = timeout(VISIT, board.visit(&board.seats[at], &slot, &said)).await;
                visit.unwrap_or(Err(Failure::Timeout(VISIT)))
            });
        }
        let mut pages = Vec::new();
        while let Some(visit) = visits.join_next().await {
            pages.extend(visit.ok().and_then(Result::ok));
        }
        board.unite(pages)
    }

    async fn visit(&self, seat: &Seat, slot: &Slot, said: &Said) -> Result<Page, Failure> {
        for (at, away, until) in &said.fresh {
            if Instant::now() < *until {
                self.raise(&seat.node, &self.keys.away[*at], Some(*away), Away::parse).await?;
            }
        }
        let stands = self.renew(seat, slot).await?;
        let found = self.read(seat).await?;
        let claimed = stands || self.claim(seat, slot, &found).await?;
        // A claim comes after the reading, against the order that is promised: once more.
        let found = if stands { found } else { self.read(seat).await? };
        let page = self.page(&found, !claimed);
        for (at, count) in said.counts.iter().enumerate() {
            if *count > page.counts[at] {
                self.raise(&seat.node, &self.keys.counts[at], *count, Count::parse).await?;
            }
        }
        for (at, away) in said.away.iter().enumerate() {
            if *away > page.away[at] {
                self.raise(&seat.node, &self.keys.away[at], *away, Away::parse).await?;
            }
        }
        for (at, life) in &said.moved {
            if !page.moved[*at] {
                seat.node.add(&self.keys.moved[*at], b"1", Life::of(*life)).await?;
            }
        }
        Ok(page)
    }

    /// Counts first: whoever reads that a server has died reads the word of the edge that says so as well. Departures last: whoever
    /// reads that an edge moves a server no longer reads whether it was left.
    async fn read(&self, seat: &Seat) -> Result<Vec<Option<Bytes>>, Failure> {
        let Keys { counts, moved, slots, away } = &self.keys;
        let keys: Vec<Key> = counts.iter().chain(moved).chain(slots).chain(away).cloned().collect();
        seat.node.get_many(&keys).await
    }

    fn page(&self, found: &[Option<Bytes>], full: bool) -> Page {
        let (counts, rest) = found.split_at(self.keys.counts.len().min(found.len()));
        let (moved, rest) = rest.split_at(self.keys.moved.len().min(rest.len()));
        let (slots, away) = rest.split_at(SLOTS.min(rest.len()));
        let mut counts: Vec<_> = counts.iter().map(|value| value.as_deref().and_then(Count::parse)).collect();
        let mut moved: Vec<_> = moved.iter().map(Option::is_some).collect();
        counts.resize(self.keys.counts.len(), None);
        moved.resize(self.keys.moved.len(), false);
        let mut away: Vec<_> = away.iter().map(|value| value.as_deref().and_then(Away::parse)).collect();
        away.resize(self.keys.away.len(), None);
        Page {
            full,
            slots: slots.iter().flatten().filter_map(|value| Slot::parse(value)).collect(),
            counts,
            moved,
            away,
        }
    }

    /// Writes this edge's slot if it still has one. Whether it stands.
    async fn renew(&self, seat: &Seat, slot: &Slot) -> Result<bool, Failure> {
        let Some(key) = self.keys.slots.get(seat.slot.load(Ordering::Relaxed)) else {
            return Ok(false);
        };
        if let Some((value, token)) = seat.node.gets(key).await?
            && Slot::parse(&value).is_some_and(|found| found.identity == self.identity)
            && seat.node.cas(key, slot.write().as_bytes(), Life::of(SLOT_LIFE), token).await? == Swap::Stored
        {
            return Ok(true);
        }
        // It has run out while this edge slept, and may be another's by now.
        seat.slot.store(SLOTS, Ordering::Relaxed);
        Ok(false)
    }

    async fn claim(&self, seat: &Seat, slot: &Slot, found: &[Option<Bytes>]) -> Result<bool, Failure> {
        let before = self.keys.counts.len() + self.keys.moved.len();
        let first = random_word() as usize % SLOTS;
        let free =
            (0..SLOTS).map(|n| (first + n) % SLOTS).filter(|n| found.get(before + n).is_some_and(Option::is_none));
        let mut tried = false;
        for number in free.take(TRIES) {
            if seat.node.add(&self.keys.slots[number], slot.write().as_bytes(), Life::of(SLOT_LIFE)).await? {
                seat.slot.store(number, Ordering::Relaxed);
                return Ok(true);
            }
            tried = true;
        }
        // Others were quicker; next time there is another choice.
        if tried { Err(Failure::Busy) } else { Ok(false) }
    }

    /// Makes the node know at least this word.
    async fn raise<W: Ord + ToString>(
        &self,
        node: &Node,
        key: &Key,
        word: Option<W>,
        parse: fn(&[u8]) -> Option<W>,
    ) -> Result<(), Failure> {
        let Some(text) = word.as_ref().map(W::to_string) else {
            return Ok(());
        };
        for _ in 0..TRIES {
            let done = match node.gets(key).await? {
                Some((known, _)) if parse(&known) >= word => true,
                Some((_, token)) => node.cas(key, text.as_bytes(), Life::FOREVER, token).await? == Swap::Stored,
                None => node.add(key, text.as_bytes(), Life::FOREVER).await?,
            };
            if done {
                break;
            }
        }
        Ok(())
    }

    fn unite(&self, pages: Vec<Page>) -> Heard {
        let mut heard = Heard {
            board: !pages.is_empty(),
            stored: !pages.is_empty(),
            others: Vec::new(),
            counts: vec![None; self.keys.counts.len()],
            moved: vec![false; self.keys.moved.len()],
            away: vec![None; self.keys.away.len()],
            full: false,
        };
        let mut slots: HashMap<String, Slot> = HashMap::new();
        let full = !pages.is_empty() && pages.iter().all(|page| page.full);
        heard.full = pages.iter().any(|page| page.full);
        for page in pages {
            heard.counts.iter_mut().zip(page.counts).for_each(|(known, count)| *known = (*known).max(count));
            heard.moved.iter_mut().zip(page.moved).for_each(|(known, moved)| *known |= moved);
            heard.away.iter_mut().zip(page.away).for_each(|(known, away)| *known = (*known).max(away));
            for slot in page.slots.into_iter().filter(|slot| slot.identity != self.identity) {
                let newer = slots.get(&slot.identity).is_none_or(|known| known.turn < slot.turn);
                if newer {
                    slots.insert(slot.identity.clone(), slot);
                }
            }
        }
        heard.others = slots.into_values().collect();
        if full && !self.complained.swap(true, Ordering::Relaxed) {
            log::warn!("more than {SLOTS} edges share a session store: what this one sees is not heard by the others");
        }
        heard
    }

    /// Returns when one node has the mark, or none could take it; the others are told meanwhile.
    /// One that is there is enough, unless its life is to be renewed.
    pub async fn mark(self: &Arc<Board>, moved: usize, life: Life, renew: bool) -> bool {
        let mut marks = JoinSet::new();
        for at in 0..self.seats.len() {
            let board = self.clone();
            marks.spawn(async move {
                let Some(key) = board.keys.moved.get(moved) else {
                    return Ok(false);
                };
                set(&board.seats[at].node, key, life, renew).await
            });
        }
        let mut marked = false;
        while !marked && let Some(mark) = marks.join_next().await {
            marked = matches!(mark, Ok(Ok(true)));
        }
        marks.detach_all();
        marked
    }

    /// Takes this edge's words back.
    pub async fn leave(&self) {
        for seat in &self.seats {
            if let Some(key) = self.keys.slots.get(seat.slot.swap(SLOTS, Ordering::Relaxed)) {
                let _ = seat.node.delete(key).await;
            }
        }
    }
}

/// Which edge this is, for people: `HOST/PROCESS`.
fn who() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: a plain system call that writes into a buffer of that length.
    let found = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } == 0;
    let name = name.split(|byte| *byte == 0).next().filter(|_| found).unwrap_or_default();
    let name: String = name.iter().filter(|byte| byte.is_ascii_graphic()).map(|byte| char::from(*byte)).collect();
    format!("{}/{}", if name.is_empty() { "unknown" } else { &name }, std::process::id())
}

/// Marks a key for at least so long. Whether it is there now.
async fn set(node: &Node, key: &Key, life: Life, renew: bool) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        if node.add(key, b"1", life).await? || !renew {
            return Ok(true);
        }
        let Some((_, token)) = node.gets(key).await? else {
            continue;
        };
        match node.cas(key, b"1", life, token).await? {
            // Another edge has just marked it.
            Swap::Stored | Swap::Changed => return Ok(true),
            Swap::Gone => {}
        }
    }
    Ok(false)
}
