//! One session on its way: from the first request that finds its owner gone to a record that says who has it.
//!
//! A loop: read the record, look at the servers, decide (`step`), do one thing, look again. Whatever changes the record is
//! done under the session's lease and by compare-and-swap on what was read, so that two edges never act on one session, and
//! an edge that dies leaves nothing behind but a record that the next one goes on with. It runs as a task of its own:
//! a client that leaves stops nothing.

use super::books::{Finding, Reading};
use super::counts::one;
use super::gate::Seat;
use super::ground::{Ground, Seen};
use super::lease::Lease;
use super::moving::Saved;
use super::place::Place;
use super::step::{Step, Subject, step};
use super::world::Carried;
use crate::memcached::Key;
use crate::session::record::{Named, Record};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{sleep, timeout, timeout_at};

/// How often a node may fail before its edge goes on without the others.
const FAILURES: u32 = 5;
/// How often the views are looked at although nobody says that they have changed.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at somebody else's record.
const PAUSES: [u64; 4] = [5, 10, 20, 40];

/// Of a request, what a takeover needs.
#[derive(Clone, Debug)]
pub struct Ask {
    pub id: Named,
    pub context: usize,
    pub host: String,
    pub cookie: Option<Vec<u8>>,
    pub carried: Carried,
}

/// What a request waits for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its owner does not answer and may be alive.
    #[error("its server does not answer and may be alive")]
    Suspect,
    /// The session is being taken over, by this edge or another one.
    #[error("it is being taken over")]
    Taking,
    /// No server is up.
    #[error("no server is up")]
    NoServer,
    /// Too many sessions are being taken over at once.
    #[error("too many sessions are being taken over")]
    Busy,
    /// Another request of the session is running, and one at a time may.
    #[error("another request of it is running")]
    Turn,
}

#[derive(Clone)]
pub enum Outcome {
    Settled(Place),
    /// No probe may be sent: one of the waiting requests is the first.
    Own(Arc<Seat>),
    Lost,
    Expired(Why),
}

/// The record says that this server is to take it, and a request of a client's has to be the first there.
pub(super) struct First {
    pub server: usize,
    pub record: Record,
    pub reading: Reading,
}

pub(super) enum End {
    Settled(Place),
    Own(Box<First>),
    Lost,
}

/// What this edge may do.
enum Hold {
    Nothing,
    /// It is the one on this edge.
    Here(OwnedMutexGuard<()>),
    /// It is the only one; without a lease where no node can be reached.
    Everywhere(OwnedMutexGuard<()>, Option<Lease>),
}

pub struct Taking {
    pub(super) ground: Arc<Ground>,
    pub(super) ask: Arc<Ask>,
    pub(super) key: Key,
    hold: Hold,
    began: Option<Instant>,
    pub(super) saved: Option<Saved>,
    /// The record, where it cannot be written.
    pub(super) alone: Option<Option<Record>>,
    failures: u32,
    pauses: usize,
    /// How often the session was found nowhere after a probe.
    pub(super) misses: u32,
    pub(super) why: Why,
}

impl Taking {
    pub fn new(ground: &Arc<Ground>, ask: &Arc<Ask>) -> Taking {
        let context = &ground.context(ask.context).path;
        Taking {
            key: ground.books.key("s", context, &ask.id.base),
            ground: ground.clone(),
            ask: ask.clone(),
            hold: Hold::Nothing,
            began: None,
            saved: None,
            alone: None,
            failures: 0,
            pauses: 0,
            misses: 0,
            why: Why::Taking,
        }
    }

    pub async fn run(mut self, until: tokio::time::Instant) -> Outcome {
        match timeout_at(until, self.go()).await {
            // The lease, if there is one, runs out: a server may be at it.
            Err(_) => Outcome::Expired(self.why),
            Ok(End::Own(first)) => Outcome::Own(Arc::new(Seat::new(self, *first))),
            Ok(End::Settled(place)) => {
                self.leave().await;
                Outcome::Settled(place)
            }
            Ok(End::Lost) => {
                self.leave().await;
                Outcome::Lost
            }
        }
    }

    /// Whether nobody else can have acted since it was taken.
    pub(super) fn has_the_lease(&self) -> bool {
        matches!(&self.hold, Hold::Everywhere(_, Some(lease)) if lease.is_ours())
    }

    /// Lets the others go on.
    pub(super) async fn leave(&mut self) {
        if let Some(began) = self.began.take() {
            self.ground.counts.gate_time.note(began.elapsed());
        }
        if let Hold::Everywhere(_here, Some(lease)) = std::mem::replace(&mut self.hold, Hold::Nothing) {
            lease.release().await;
        }
    }

    async fn go(&mut self) -> End {
        loop {
            if let Some(place) = self.known().filter(|place| place.is_fresh_for(&self.ask.id.text)) {
                return End::Settled(place);
            }
            let seen = self.ground.see();
            let Some(reading) = self.read(&seen).await else { continue };
            if let (None, Some(place)) = (reading.home, self.known()) {
                return End::Settled(place);
            }
            let ended = match self.decide(&seen, &reading) {
                Step::Serve { server } => Some(self.settle(&seen, server, reading.record.as_ref())),
                Step::Watch => {
                    self.why = Why::Suspect;
                    self.watch().await;
                    None
                }
                _ if !matches!(self.hold, Hold::Everywhere(..)) => {
                    self.why = Why::Taking;
                    self.enter(&reading).await;
                    None
                }
                Step::Gate { server, cause } => self.gate(&seen, reading, server, cause).await,
                Step::Move { from, cause } => self.relocate(&seen, reading, from, cause).await,
                Step::Join { server } => self.join(&seen, reading, server).await,
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    fn known(&self) -> Option<Place> {
        self.ground.known(self.ask.context, &self.ask.id.base)
    }

    /// The record; nothing if it is to be tried again.
    async fn read(&mut self, seen: &Seen) -> Option<Reading> {
        if let Some(record) = &self.alone {
            return Some(Reading::alone(record.clone()));
        }
        let mut reading = self.ground.books.read(&self.key, &self.ask.id, seen).await;
        reading.record = reading.record.or_else(|| self.remembered(seen));
        if reading.garbage {
            one(&self.ground.counts.garbage);
        }
        if reading.home.is_none() || (reading.failed && !self.may_try_again().await) {
            self.alone = Some(reading.record.clone());
            return Some(Reading::alone(reading.record));
        }
        (!reading.failed).then_some(reading)
    }

    /// In place of a record that memcached has lost: what this edge saw, if that server is still the same.
    fn remembered(&self, seen: &Seen) -> Option<Record> {
        let place = self.ground.places.look(self.ask.context, &self.ask.id.base, Place::clone)?;
        let id = Named::parse(&place.id).filter(|_| place.is_kept_by(&seen.views[place.server]))?;
        Some(Record {
            generation: 0,
            server: seen.servers[place.server].name.clone(),
            instance: place.instance,
            done: true,
            id,
            set_cookie: place.set_cookie.as_deref().map(str::to_owned),
            former: Vec::new(),
        })
    }

    fn decide(&self, seen: &Seen, reading: &Reading) -> Step {
        let record = reading.record.as_ref();
        let node = self.ground.books.node_of(self.current(record).node.as_deref());
        let subject = Subject { asked: &self.ask.id, record, node };
        step(seen, self.ground.settings.mode, &subject)
    }

    /// The id that its holder knows, or is to find it by.
    pub(super) fn current<'a>(&'a self, record: Option<&'a Record>) -> &'a Named {
        record.map_or(&self.ask.id, |record| &record.id)
    }

    pub(super) fn settle(&self, seen: &Seen, server: usize, record: Option<&Record>) -> End {
        let id = self.current(record);
        let cookie = record.and_then(|record| record.set_cookie.as_deref());
        End::Settled(self.place(server, seen.views[server].instance, id, cookie, seen.at))
    }

    /// Notes where it is.
    pub(super) fn place(&self, server: usize, instance: u64, id: &Named, cookie: Option<&str>, at: Instant) -> Place {
        let node = self.ground.books.node_of(id.node.as_deref());
        let place =
            Place { server, instance, node, id: id.text.as_str().into(), set_cookie: cookie.map(Arc::from), at };
        self.ground.places.put(self.ask.context, &self.ask.id.base, place.clone());
        place
    }

    pub(super) async fn watch(&self) {
        let _ = timeout(LOOK, self.ground.world.changed()).await;
    }

    pub(super) async fn pause(&mut self) {
        let millis = PAUSES[self.pauses.min(PAUSES.len() - 1)];
        self.pauses += 1;
        sleep(Duration::from_millis(millis)).await;
    }

    /// After a failure of memcached's: whether it is worth while.
    pub(super) async fn may_try_again(&mut self) -> bool {
        self.failures += 1;
        self.pause().await;
        self.failures < FAILURES
    }

    /// Becomes the one on this edge, then the only one; each time everything is looked at again.
    async fn enter(&mut self, reading: &Reading) {
        let context = &self.ground.context(self.ask.context).path;
        let Hold::Here(here) = std::mem::replace(&mut self.hold, Hold::Nothing) else {
            let name = format!("{context} {}", self.ask.id.base);
            self.hold = Hold::Here(self.ground.locks.lock(&name).await);
            return;
        };
        let Some(home) = reading.home else {
            self.began = Some(Instant::now());
            self.hold = Hold::Everywhere(here, None);
            return;
        };
        let key = self.ground.books.key("l", context, &self.ask.id.base);
        let taken = Lease::take(&self.ground.books.nodes[home], &key, self.ground.settings.lease).await;
        self.hold = match taken {
            Ok(Some(lease)) => {
                self.began = Some(Instant::now());
                self.pauses = 0;
                Hold::Everywhere(here, Some(lease))
            }
            Ok(None) => {
                self.pause().await;
                Hold::Here(here)
            }
            Err(_) => {
                if !self.may_try_again().await {
                    self.alone = Some(None);
                }
                Hold::Here(here)
            }
        };
    }

    /// Whether it was written; if not, all is looked at again.
    pub(super) async fn write(&mut self, reading: &Reading, record: Record) -> bool {
        if self.alone.is_some() {
            if !record.done {
                one(&self.ground.counts.unarbitrated);
            }
            self.alone = Some(Some(record));
            return true;
        }
        match self.ground.books.write(&self.key, reading, &record).await {
            Ok(written) => written,
            Err(_) => {
                if !self.may_try_again().await {
                    self.alone = Some(None);
                }
                false
            }
        }
    }

    pub(super) fn key_prefix(&self) -> &str {
        &self.ground.context(self.ask.context).key_prefix
    }

    pub(super) async fn find(&self, seen: &Seen, current: &Named) -> Finding {
        self.ground.books.find(self.key_prefix(), &[current, &self.ask.id], &self.ground.routes(), seen).await
    }
}
