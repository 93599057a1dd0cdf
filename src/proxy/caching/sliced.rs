//! `slice`: an answer put together of parts of one size, each fetched and stored by itself.
//!
//! The first part a request needs says how long the whole is and of which version. The others are looked for when their
//! turn comes: one that is not stored is fetched by an errand and followed while it is being stored, so that a client who
//! leaves has cost one part more than it took. As in nginx the upstream is asked for a part by the user's own
//! `proxy_set_header Range $slice_range`, an upstream that knows no ranges answers with the whole, which is stored under the
//! first part's key, and a part of another version breaks the answer off: no client is sent bytes of two versions. nginx's
//! goes on breaking off until the parts have expired. Here the first part is forgotten, and a stored part of another version
//! than the first is fetched anew, so that the next answer is of the new version.
//!
//! Otherwise than in nginx a part that may not be stored is not passed on: the whole is asked for, without a range.

use super::answer::{Body, Stored};
use super::{copy_of, errand, fill, note, wanted};
use crate::cache::key::Key;
use crate::cache::policy::slices::{Assembly, Mismatch, Slices};
use crate::cache::policy::{self, CacheStatus, Failures, Reuse};
use crate::cache::store::{self, Follow, Guard, Head, Hit, Locked, Lookup, Turn, Zone};
use crate::client::Connection;
use crate::http;
use crate::proxy::request::Request;
use crate::proxy::snapshot::Caching;
use crate::variables::Trace;
use ::http::{Method, StatusCode};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, timeout_at};

/// How long a part is waited for until it begins to come.
const LONGEST: Duration = Duration::from_secs(120);
/// Who may ask the upstream for a later part again: one that fails in the middle of an answer breaks it off.
const TRIES: u32 = 2;

/// How a request for an answer in parts goes on.
pub enum Begun {
    Answer(Box<Stored>),
    /// The client wants a stored answer or none.
    Unmet,
    /// The upstream has answered with something else than what was asked for.
    Wrong,
    /// It is asked for the whole, and nothing is stored.
    Whole,
}

/// Why there is no part.
#[derive(Debug)]
enum Missing {
    Unmet,
    Failed,
}

/// Where parts come from.
struct Source {
    caching: Arc<Caching>,
    zone: Arc<Zone>,
    slices: Slices,
    /// Of the key; `None` where the range stands.
    key: Vec<Option<Vec<u8>>>,
    head: Arc<http::Head>,
    trace: Option<Trace>,
    connection: Arc<Connection>,
}

/// A part as it was found.
struct Slice {
    head: Arc<Head>,
    bytes: Bytewise,
    status: CacheStatus,
}

enum Bytewise {
    Stored(store::Body),
    Follow(Follow),
}

/// The body of an answer in parts, or of a range of it.
pub struct Sliced {
    source: Source,
    assembly: Assembly,
    /// Where the first part begins.
    begun_at: u64,
    /// What is still to be sent.
    span: Range<u64>,
    /// The part that was found first, until its turn comes.
    first: Option<(u64, Bytewise)>,
    current: Option<Current>,
}

struct Current {
    bytes: Bytewise,
    /// The offset of the next byte that it gives, and of the one behind its last.
    at: u64,
    end: u64,
}

/// Whether a request is answered in parts.
pub fn concerns(caching: &Caching, method: &Method) -> bool {
    caching.slice.is_some() && matches!(*method, Method::GET | Method::HEAD)
}

/// Finds the first part.
pub async fn begin(
    request: &mut Request,
    connection: &Arc<Connection>,
    caching: &Arc<Caching>,
    zone: &Arc<Zone>,
) -> Begun {
    let Some(slices) = caching.slice.and_then(Slices::new) else { return Begun::Whole };
    let source = Source {
        key: key_parts(caching, request),
        caching: caching.clone(),
        zone: zone.clone(),
        slices,
        head: request.exchange.head.clone(),
        trace: request.exchange.trace,
        connection: connection.clone(),
    };
    let mut start = slices.first(&source.head.headers);
    let mut found = source.first(start).await;
    // Behind the end there is none; how long the whole is the very first part tells.
    if matches!(found, Err(Missing::Failed)) && start > 0 {
        start = 0;
        found = source.first(start).await;
    }
    let slice = match found {
        Ok(slice) => slice,
        Err(Missing::Unmet) => return Begun::Unmet,
        Err(Missing::Failed) => return Begun::Whole,
    };
    request.exchange.slice_range = Some(slices.range(start));
    note(request, slice.status);
    if slice.head.response.status != StatusCode::PARTIAL_CONTENT {
        let body = match slice.bytes {
            Bytewise::Stored(body) => Body::Stored(body),
            Bytewise::Follow(follow) => Body::Follow(follow),
        };
        return Begun::Answer(Box::new(Stored::made_of(slice.head, body)));
    }
    match Assembly::begin(slices, start, &slice.head.response.headers) {
        Ok(assembly) => {
            let (span, first) = (0..assembly.length(), Some((start, slice.bytes)));
            let sliced = Sliced { source, assembly, begun_at: start, span, first, current: None };
            Begun::Answer(Box::new(Stored::made_of(slice.head, Body::Sliced(Box::new(sliced)))))
        }
        Err(why) => {
            request.log_error(why);
            Begun::Wrong
        }
    }
}

/// Where the range stands is where two ranges make a difference.
fn key_parts(caching: &Caching, request: &mut Request) -> Vec<Option<Vec<u8>>> {
    let mut parts_with = |range: &str| {
        request.exchange.slice_range = Some(range.to_owned());
        let mut parts = Vec::new();
        caching.key.write_parts(&request.exchange, |part| parts.push(part.to_vec()));
        parts
    };
    let (parts, others) = (parts_with("0"), parts_with("1"));
    request.exchange.slice_range = None;
    parts.into_iter().zip(others).map(|(part, other)| (part == other).then_some(part)).collect()
}

impl Source {
    fn key(&self, start: u64) -> Key {
        let range = self.slices.range(start);
        let parts: Vec<&[u8]> = self.key.iter().map(|part| part.as_deref().unwrap_or(range.as_bytes())).collect();
        Key::of(&parts)
    }

    /// The part by which the answer begins: if it is not to be had, the whole may be.
    async fn first(&self, start: u64) -> Result<Slice, Missing> {
        Search::new(self, start, 1, self.caching.min_uses).run().await
    }

    /// `unlike`: what was found before and is of another version.
    async fn later(&self, start: u64, unlike: Option<Arc<Head>>) -> Result<Slice, Missing> {
        Search { unlike, ..Search::new(self, start, TRIES, 0) }.run().await
    }
}

struct Search<'s> {
    source: &'s Source,
    start: u64,
    key: Key,
    /// How often the upstream may still be asked.
    tries: u32,
    min_uses: u32,
    status: CacheStatus,
    guard: Option<Guard>,
    /// A stale part, for when the upstream fails.
    stale: Option<Hit>,
    unlike: Option<Arc<Head>>,
    deadline: Instant,
}

impl<'s> Search<'s> {
    fn new(source: &'s Source, start: u64, tries: u32, min_uses: u32) -> Search<'s> {
        let key = source.key(start);
        let deadline = Instant::now() + LONGEST;
        Search {
            source,
            start,
            key,
            tries,
            min_uses,
            status: CacheStatus::Hit,
            guard: None,
            stale: None,
            unlike: None,
            deadline,
        }
    }

    async fn run(mut self) -> Result<Slice, Missing> {
        loop {
            let now = SystemTime::now();
            let headers = &self.source.head.headers;
            let variant =
                match self.source.zone.look_up(&self.key, now, |names| wanted(names, headers, [None; 3])).await {
                    Lookup::Filling(follow) => return Ok(followed(follow, self.status)),
                    Lookup::Hit(hit) if self.unlike.as_ref().is_some_and(|unlike| unlike.meta == hit.head.meta) => {
                        self.status = CacheStatus::Expired;
                        match self.source.zone.follow(&self.key, |names| wanted(names, headers, [None; 3])) {
                            Some(follow) => return Ok(followed(follow, self.status)),
                            None => hit.variant,
                        }
                    }
                    Lookup::Hit(hit) => match self.reuse(hit, now) {
                        Ok(found) => return found,
                        Err(variant) => variant,
                    },
                    Lookup::Miss { uses, variant } => {
                        self.status = CacheStatus::Miss;
                        if policy::reuse::without_copy(headers, &self.source.caching.use_rules) {
                            return Err(Missing::Unmet);
                        }
                        if uses < self.min_uses {
                            return Err(Missing::Failed);
                        }
                        variant
                    }
                };
            if let Some(guard) = self.guard.take() {
                if self.tries == 0 {
                    return self.fail();
                }
                self.tries -= 1;
                self.send(guard);
                continue;
            }
            match self.source.zone.lock(&self.key, variant) {
                // Somebody may have stored it between the look and the lock.
                Locked::Mine(guard) => self.guard = Some(guard),
                Locked::Wait(waiter) => {
                    let age = self.source.caching.lock.map_or(LONGEST, |lock| lock.age);
                    match timeout_at(self.deadline, waiter.wait(age)).await {
                        Ok(Turn::LookAgain) => {}
                        Ok(Turn::Mine(guard)) => self.guard = Some(guard),
                        Err(_) => return self.fail(),
                    }
                }
            }
        }
    }

    /// What a stored part is good for. An error: it has to be fetched anew.
    fn reuse(&mut self, hit: Hit, now: SystemTime) -> Result<Result<Slice, Missing>, crate::cache::key::Variant> {
        let (headers, rules) = (&self.source.head.headers, &self.source.caching.use_rules);
        match policy::reuse(headers, &copy_of(&hit.head), rules, now) {
            Reuse::Fresh => Ok(Ok(slice(hit, self.status))),
            Reuse::Unmet => Ok(Err(Missing::Unmet)),
            Reuse::Stale { update } => {
                if let (true, Locked::Mine(guard)) = (update, self.source.zone.lock(&self.key, hit.variant)) {
                    self.send(guard);
                    return Ok(Ok(slice(hit, CacheStatus::Stale)));
                }
                Ok(Ok(slice(hit, CacheStatus::Updating)))
            }
            Reuse::Ask(fallback) => {
                self.status = CacheStatus::Expired;
                let variant = hit.variant;
                self.stale = fallback.on_failure.lists(Failures::ERROR).then_some(hit);
                Err(variant)
            }
        }
    }

    fn send(&self, guard: Guard) {
        let range = Some(self.source.slices.range(self.start));
        errand::send(&self.source.head, self.source.trace, &self.source.connection, guard, range);
    }

    fn fail(self) -> Result<Slice, Missing> {
        self.stale.map(|hit| slice(hit, CacheStatus::Stale)).ok_or(Missing::Failed)
    }
}

fn followed(follow: Follow, status: CacheStatus) -> Slice {
    Slice { head: follow.head().clone(), bytes: Bytewise::Follow(follow), status }
}

fn slice(hit: Hit, status: CacheStatus) -> Slice {
    Slice { head: hit.head, bytes: Bytewise::Stored(hit.body), status }
}

impl Bytewise {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Bytewise::Stored(body) => body.next().await,
            Bytewise::Follow(follow) => follow.next().await.map_err(io::Error::other),
        }
    }
}

impl Sliced {
    /// Of the whole answer.
    pub fn length(&self) -> u64 {
        self.assembly.length()
    }

    /// Only these bytes, which must lie within the answer.
    pub fn within(mut self, span: Range<u64>) -> Sliced {
        self.span = span;
        self
    }

    /// The next piece, never an empty one; None at the end. After an error the answer must be cut off.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let piece = self.piece().await;
        if let Err(why) = &piece {
            let (serial, target) = (self.source.connection.serial(), String::from_utf8_lossy(&self.source.head.target));
            log::error!("*{serial} an answer in parts is broken off: {why}, request: {target}");
        }
        piece
    }

    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        while !self.span.is_empty() {
            let mut current = match self.current.take() {
                Some(current) => current,
                None => self.open().await?,
            };
            let piece = current.bytes.next().await?;
            let Some(piece) = piece else {
                if current.at != current.end {
                    return Err(io::Error::other(format!("a part ends at {} and not at {}", current.at, current.end)));
                }
                continue;
            };
            let begin = current.at;
            current.at += piece.len() as u64;
            if current.at > current.end {
                return Err(io::Error::other(format!("a part goes on behind {}", current.end)));
            }
            let part = self.span.start.clamp(begin, current.at)..self.span.end.clamp(begin, current.at);
            self.current = Some(current);
            if !part.is_empty() {
                self.span.start = part.end;
                return Ok(Some(piece.slice((part.start - begin) as usize..(part.end - begin) as usize)));
            }
        }
        Ok(None)
    }

    /// The part in which the rest begins.
    async fn open(&mut self) -> io::Result<Current> {
        let slices = self.source.slices;
        let start = slices.covering(self.span.clone()).next().unwrap_or(self.span.start);
        let bytes = match self.first.take().filter(|(first, _)| *first == start) {
            Some((_, bytes)) => bytes,
            None => self.fetch(start).await?,
        };
        let length = slices.part(start, &(0..self.length())).end;
        let end = start + length;
        let skipped = self.span.start - start;
        Ok(match bytes {
            // What lies before is not read.
            Bytewise::Stored(body) if body.len() == length && skipped <= length => {
                let rest = body.slice(skipped..length).ok_or_else(|| io::Error::other("a part is too short"))?;
                Current { bytes: Bytewise::Stored(rest), at: self.span.start, end }
            }
            bytes => Current { bytes, at: start, end },
        })
    }

    async fn fetch(&self, start: u64) -> io::Result<Bytewise> {
        let mut slice = self.later(start, None).await?;
        if self.check(start, &slice).is_err() && matches!(slice.bytes, Bytewise::Stored(_)) {
            slice = self.later(start, Some(slice.head)).await?;
        }
        if let Err(why) = self.check(start, &slice) {
            // This one is new or was confirmed, so it is the first one that is old.
            fill::purge(&self.source.zone, &self.source.key(self.begun_at)).await;
            return Err(io::Error::other(why));
        }
        Ok(slice.bytes)
    }

    async fn later(&self, start: u64, unlike: Option<Arc<Head>>) -> io::Result<Slice> {
        let range = || self.source.slices.range(start);
        let found = self.source.later(start, unlike).await;
        found.map_err(|_| io::Error::other(format!("the upstream did not give {}", range())))
    }

    fn check(&self, start: u64, slice: &Slice) -> Result<(), Mismatch> {
        self.assembly.check(start, slice.head.response.status, &slice.head.response.headers)
    }
}
