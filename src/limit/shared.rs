//! One count for several edges, in memcached.
//!
//! What stands there for a key is a time, in microseconds: when the last request that was let in would have had its turn, if
//! they came at the rate (the "theoretical arrival time" of the generic cell rate algorithm, which is a leaky bucket turned
//! around). Letting one in moves it on by the time of one request, and `incr` does that and tells the result in one round trip,
//! whatever other edges do at the same moment. Who finds the time too far ahead takes its step back.
//!
//! ```text
//!   asked       what is asked of memcached before a request is answered, and what is put right behind it
//! ```
//!
//! What always holds: a request waits for one answer in the common case, and for three at the most; who was refused until some
//! time asks nobody before; an edge alone never lets more in than the whole may have; without an answer from memcached the
//! edge's own zone decides, and that is counted. Clocks of edges that differ by some time make it less fair, not more: the
//! count holds, the edge whose clock is ahead gets more of it.

mod asked;

use super::rate::RateLimit;
use super::table::Parts;
use super::{Millis, RateVerdict, RateZone};
use crate::memcached::{Key, Node};
use asked::{Asked, Step};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// What is put right in the background at once.
const BEHIND: usize = 64;

/// Both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub local: Millis,
    /// Since 1970, in microseconds: what all edges agree on.
    pub wall: u64,
}

impl Clock {
    pub fn now() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { local: Millis::now(), wall: wall.as_micros() as u64 }
    }
}

/// How often which of them decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// memcached had an answer.
    pub asked: u64,
    /// It was known already that this would be refused.
    pub known: u64,
    /// memcached had no answer: the edge's own zone decided.
    pub alone: u64,
}

/// Who has decided over a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// All edges, as memcached has it or had it a moment ago.
    All,
    /// This edge: memcached had no answer.
    Alone,
}

/// A limit that several edges share.
#[derive(Debug)]
pub struct Shared {
    name: String,
    nodes: Vec<Arc<Node>>,
    /// What this edge has let in.
    own: Arc<RateZone>,
    known: Parts<Known>,
    behind: Arc<Semaphore>,
    asked: AtomicU64,
    refused: AtomicU64,
    alone: AtomicU64,
}

/// What this edge knows of a key.
#[derive(Clone, Copy, Debug)]
struct Known {
    refused_until: Millis,
    /// Something is being put right, until this time at the latest.
    mending_until: Millis,
    /// memcached forgets the key unless it is written anew after this.
    renew_at: Millis,
}

/// What the limit is in memcached's terms, all in microseconds.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// The time of one request.
    step: u64,
    /// How far ahead the burst may be.
    burst: u64,
    /// How long the key lives.
    life: Duration,
}

impl Terms {
    fn of(limit: &RateLimit) -> Terms {
        let step = (limit.rate.per * 1_000_000 / limit.rate.thousandths.max(1)).max(1);
        let burst = step.saturating_mul(u64::from(limit.burst));
        let life = Duration::from_micros(burst.saturating_add(2 * step).saturating_mul(4));
        Terms { step, burst, life: life.clamp(Duration::from_secs(60), Duration::from_secs(30 * 24 * 3600)) }
    }

    /// Nobody is that far ahead of the rate, however many edges ask for one key at once: some clock has jumped.
    fn absurd(&self) -> u64 {
        (self.burst.saturating_add(self.step.saturating_mul(16))).saturating_mul(16).saturating_add(60_000_000)
    }
}

impl Shared {
    /// `name`: what the edges know the limit by. `own`: where this edge counts by itself; for `size` bytes of keys it is noted
    /// what memcached said.
    pub fn new(name: &str, nodes: Vec<Arc<Node>>, own: Arc<RateZone>, size: usize) -> Arc<Shared> {
        Arc::new(Shared {
            name: name.to_owned(),
            nodes,
            own,
            known: Parts::new(size),
            behind: Arc::new(Semaphore::new(BEHIND)),
            asked: AtomicU64::default(),
            refused: AtomicU64::default(),
            alone: AtomicU64::default(),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts { asked: of(&self.asked), known: of(&self.refused), alone: of(&self.alone) }
    }

    /// Looks at the limit and counts the request if it passes.
    pub async fn check(self: &Arc<Self>, key: &[u8], limit: &RateLimit, now: Clock) -> (RateVerdict, Judge) {
        let terms = Terms::of(limit);
        let own = match self.reserve(key, limit, now.local) {
            Ok(excess) => excess,
            Err(retry_after) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return (RateVerdict::Refuse { retry_after }, Judge::All);
            }
        };
        let alone = || (self.decide_alone(key, limit, own), Judge::Alone);
        let Some(node) = self.node_of(key) else { return alone() };
        let place = Key::own("limit", &[self.name.as_bytes(), key]);
        let asked = Asked { node: Arc::clone(node), place, terms, now: now.wall };
        let Ok(before) = asked.step_on(self.is_expected(key, now.local)).await else {
            return alone();
        };
        let ahead = before.saturating_sub(now.wall);
        if ahead > terms.absurd() {
            self.mend(key, asked, Step::Restart, now.local);
            return alone();
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        if ahead > terms.burst {
            let wait = Duration::from_micros(ahead - terms.burst);
            return (self.refuse(key, asked, wait, now.local).await, Judge::All);
        }
        let behind = now.wall.saturating_sub(before);
        // Up to one request may be made up for: otherwise each would lose the time since its turn, and the rate not be reached.
        match behind > terms.step {
            true => self.mend(key, asked, Step::Forward(behind), now.local),
            false => self.renew(key, asked, now.local),
        }
        (verdict_of(limit, ahead.saturating_mul(1000) / terms.step), Judge::All)
    }

    /// Counts the request in the edge's own zone, before anybody is asked: many at once for one key must not all go and move
    /// its time on. Else how long it is known to be too early.
    fn reserve(&self, key: &[u8], limit: &RateLimit, now: Millis) -> Result<u64, Duration> {
        let until = self.known.of(key).get(key).map(|known| known.refused_until);
        if let Some(until) = until.filter(|until| *until > now) {
            return Err(Duration::from_millis(until.0 - now.0));
        }
        // What memcached lets anybody make up for is no excess.
        let most = RateLimit { burst: limit.burst.saturating_add(2), ..*limit };
        match self.own.count_if(key, &most, now, |excess| !most.is_over(excess)) {
            Some(excess) if most.is_over(excess) => Err(most.retry_after(excess)),
            excess => Ok(excess.unwrap_or(0)),
        }
    }

    /// memcached has no answer. `excess`: in the edge's own zone, with this request.
    fn decide_alone(&self, key: &[u8], limit: &RateLimit, excess: u64) -> RateVerdict {
        self.alone.fetch_add(1, Ordering::Relaxed);
        let verdict = verdict_of(limit, excess);
        if matches!(verdict, RateVerdict::Refuse { .. }) {
            self.own.take_back(key);
        }
        verdict
    }

    /// memcached says that it is too early.
    async fn refuse(&self, key: &[u8], asked: Asked, wait: Duration, now: Millis) -> RateVerdict {
        self.own.take_back(key);
        self.note(key, asked.terms, now, |known| known.refused_until = later(now, wait));
        if let Some(asked) = self.put_right(asked, Step::Back) {
            asked.put_right(Step::Back).await;
        }
        RateVerdict::Refuse { retry_after: wait }
    }

    /// Whether the key should be in memcached, so that it is not added first.
    fn is_expected(&self, key: &[u8], now: Millis) -> bool {
        self.known.of(key).get(key).is_some_and(|known| now < known.renew_at)
    }

    /// The node of a key, the same for all edges that name the same nodes.
    fn node_of(&self, key: &[u8]) -> Option<&Arc<Node>> {
        let weight = |node: &Arc<Node>| {
            let mut hash = crc32fast::Hasher::new();
            hash.update(node.address().as_bytes());
            hash.update(key);
            hash.finalize()
        };
        match self.nodes.as_slice() {
            [only] => Some(only),
            nodes => nodes.iter().max_by_key(|node| weight(node)),
        }
    }

    fn note(&self, key: &[u8], terms: Terms, now: Millis, change: impl FnOnce(&mut Known)) {
        let mut table = self.known.of(key);
        if let Some(known) = table.get(key) {
            return change(known);
        }
        if table.make_room(key) {
            let renew_at = later(now, terms.life / 2);
            let mut known = Known { refused_until: Millis(0), mending_until: Millis(0), renew_at };
            change(&mut known);
            table.insert(key, known);
        }
    }

    /// Writes the key anew before memcached forgets it; `incr` does not make it live longer.
    fn renew(self: &Arc<Self>, key: &[u8], asked: Asked, now: Millis) {
        let mut due = false;
        self.note(key, asked.terms, now, |known| due = known.renew_at <= now);
        if due {
            self.mend(key, asked, Step::Forward(0), now);
        }
    }

    /// Puts the time right that stands in memcached, once for all requests that find it wrong.
    fn mend(self: &Arc<Self>, key: &[u8], asked: Asked, step: Step, now: Millis) {
        let mut begins = false;
        self.note(key, asked.terms, now, |known| {
            begins = known.mending_until <= now;
            if begins {
                known.mending_until = later(now, Duration::from_millis(500));
                known.renew_at = later(now, asked.terms.life / 2);
            }
        });
        if begins {
            // What is not put right now will be behind another request.
            drop(self.put_right(asked, step));
        }
    }

    /// Waits until all that was begun behind requests is done.
    pub async fn settled(&self) {
        drop(self.behind.acquire_many(BEHIND as u32).await);
    }

    /// In the background: the request has its answer. Gives back what there is no room for.
    fn put_right(&self, asked: Asked, step: Step) -> Option<Asked> {
        let Ok(permit) = Arc::clone(&self.behind).try_acquire_owned() else { return Some(asked) };
        tokio::spawn(async move {
            asked.put_right(step).await;
            drop(permit);
        });
        None
    }
}

fn verdict_of(limit: &RateLimit, excess: u64) -> RateVerdict {
    if limit.is_over(excess) {
        return RateVerdict::Refuse { retry_after: limit.retry_after(excess) };
    }
    let delay = limit.delay_of(excess);
    if delay.is_zero() { RateVerdict::Pass } else { RateVerdict::Delay(delay) }
}

fn later(now: Millis, by: Duration) -> Millis {
    Millis(now.0.saturating_add(u64::try_from(by.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)))
}
