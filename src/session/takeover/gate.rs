//! The first request after a change: a probe of edge's own, or, where none may be sent, the client's. The others wait for what
//! it is answered.

use super::books::{Finding, Reading};
use super::counts::{Lost, one};
use super::ground::Seen;
use super::place::Place;
use super::taking::{End, First, Taking};
use super::world::{Probe, Probed, SetCookie};
use crate::session::record::{Named, Record};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::sleep;

/// MSM believes for a second that a node is there (`msm.nodeAvailabilityCacheTTL`).
const NODE_NOTICED: Duration = Duration::from_millis(1500);
/// Until then the server is asked again after this time.
const NODE_AGAIN: Duration = Duration::from_millis(100);
/// How often a session is looked for that no key of is there after a probe: an asynchronous backup takes its time.
const MISSES: u32 = 4;
const NOT_FOUND: u16 = 404;

impl Taking {
    /// Has the server take it.
    pub(super) async fn join(&mut self, seen: &Seen, reading: Reading, server: usize) -> Option<End> {
        let record = reading.record.clone()?;
        let finding = self.find(seen, &record.id).await;
        if let Some(id) = elsewhere(&finding, &record, seen, server) {
            let generation = record.generation.saturating_add(1);
            self.write(&reading, Record { generation, id, ..record }).await;
            return None;
        }
        // Not what the server itself has stored meanwhile: that it has.
        if let Some(found) = finding.of(&record.id.text) {
            self.save(found);
        }
        if !self.may_probe(&finding) {
            return Some(End::Own(Box::new(First { server, record, reading })));
        }
        self.probe(seen, reading, record, server).await
    }

    /// Never a probe that could be taken for the request that a login was waiting for.
    fn may_probe(&self, finding: &Finding) -> bool {
        let context = self.ground.context(self.ask.context);
        let refused = self.ground.unprobed[self.ask.context].load(Relaxed);
        let awaited = finding.found.iter().any(|found| found.stored.awaits_login(context.form_login));
        // What is not in memcached was not looked into.
        let unknown = finding.found.is_empty() && context.form_login;
        !refused && !awaited && !unknown && !self.ground.settings.ignores_probe(context)
    }

    async fn probe(&mut self, seen: &Seen, reading: Reading, record: Record, server: usize) -> Option<End> {
        let probe = Probe {
            path: self.ground.context(self.ask.context).probe(),
            host: self.ask.host.clone(),
            cookie: self.ask.cookie.clone(),
            carried: self.ask.carried,
            asked: self.ask.id.text.clone(),
            id: record.id.text.clone(),
            timeout: self.ground.settings.probe_timeout,
        };
        let ground = self.ground.clone();
        let probed = {
            // Nobody closes it: no permit means that this edge ends.
            let _permit = ground.probes[server].acquire().await.ok()?;
            ground.world.probe(server, &probe).await
        };
        match probed {
            Probed::Answer { status, set_cookie } => {
                self.probed(seen, reading, record, server, status, set_cookie).await
            }
            // Whether it lives, the views will tell; it is asked again or another one is.
            Probed::Refused | Probed::Broken | Probed::Timeout => {
                self.pause().await;
                None
            }
        }
    }

    async fn probed(
        &mut self,
        seen: &Seen,
        reading: Reading,
        record: Record,
        server: usize,
        status: u16,
        set_cookie: Option<SetCookie>,
    ) -> Option<End> {
        if status != NOT_FOUND {
            self.ground.unprobed[self.ask.context].store(true, Relaxed);
            one(&self.ground.counts.probe_refused);
        }
        match self.said(set_cookie) {
            Some((id, line)) => self.done(seen, &reading, record, server, id, Some(line)).await.map(End::Settled),
            None if status != NOT_FOUND => Some(End::Own(Box::new(First { server, record, reading }))),
            None if self.keeps_its_id(seen, &record, server) => self.kept(seen, reading, record, server).await,
            None => self.unsaid(seen, reading, record, server).await,
        }
    }

    /// What a server says of this session; another base is another session.
    fn said(&self, set_cookie: Option<SetCookie>) -> Option<(Named, String)> {
        let set_cookie = set_cookie?;
        let id = Named::parse(&set_cookie.id)?;
        if id.base != self.ask.id.base {
            one(&self.ground.counts.rotated);
            return None;
        }
        Some((id, set_cookie.line))
    }

    /// Whether MSM has no reason to say anything.
    fn keeps_its_id(&self, seen: &Seen, record: &Record, server: usize) -> bool {
        !self.ground.settings.is_sticky() || seen.server_of(record.id.route.as_deref()) == Some(server)
    }

    async fn kept(&mut self, seen: &Seen, reading: Reading, record: Record, server: usize) -> Option<End> {
        if self.may_not_have_noticed(seen, &record.id) {
            sleep(NODE_AGAIN).await;
            return None;
        }
        let id = self.stored_as(seen, &record, server).await.unwrap_or_else(|| record.id.clone());
        self.done(seen, &reading, record, server, id, None).await.map(End::Settled)
    }

    /// Where the id's node is gone: under which the server has stored the session meanwhile, for a request that was on its way.
    async fn stored_as(&self, seen: &Seen, record: &Record, server: usize) -> Option<Named> {
        let node = self.ground.books.node_of(record.id.node.as_deref())?;
        if seen.nodes[node].up {
            return None;
        }
        let finding = self.find(seen, &record.id).await;
        let its = |id: &Named| seen.server_of(id.route.as_deref()) == Some(server);
        finding.found.into_iter().map(|found| found.id).find(its)
    }

    /// Whether the id's node went so lately that MSM may still believe in it, and give the session another id at any moment.
    fn may_not_have_noticed(&self, seen: &Seen, id: &Named) -> bool {
        let Some(node) = self.ground.books.node_of(id.node.as_deref()) else { return false };
        let node = &seen.nodes[node];
        !node.up && node.changed.is_some_and(|changed| changed.elapsed() < NODE_NOTICED)
    }

    /// It took nothing over, or does not speak of it (`cookies="false"`): memcached tells which.
    async fn unsaid(&mut self, seen: &Seen, reading: Reading, record: Record, server: usize) -> Option<End> {
        let finding = self.find(seen, &record.id).await;
        let its = |id: &Named| seen.server_of(id.route.as_deref()) == Some(server);
        if let Some(found) = finding.found.iter().find(|found| its(&found.id)) {
            let id = found.id.clone();
            return self.done(seen, &reading, record, server, id, None).await.map(End::Settled);
        }
        if finding.of(&record.id.text).is_some() {
            return Some(End::Own(Box::new(First { server, record, reading })));
        }
        self.misses += 1;
        if self.misses < MISSES {
            self.pause().await;
            return None;
        }
        self.ground.counts.note_lost(if finding.failed { Lost::NodeDown } else { Lost::Vanished });
        let id = record.id.clone();
        self.done(seen, &reading, record, server, id, None).await.map(End::Settled)
    }

    /// Tells all edges that the server has it.
    pub(super) async fn done(
        &mut self,
        seen: &Seen,
        reading: &Reading,
        record: Record,
        server: usize,
        id: Named,
        set_cookie: Option<String>,
    ) -> Option<Place> {
        let instance = record.instance;
        let place = |taking: &Taking| taking.place(server, instance, &id, set_cookie.as_deref(), seen.at);
        let record = Record { done: true, id: id.clone(), set_cookie: set_cookie.clone(), ..record };
        if self.write(reading, record.clone()).await {
            self.ground.books.copy(&self.key, &self.ask.id, &self.ground.see(), &record).await;
            return Some(place(self));
        }
        // Its node is gone with the record: the next one.
        let now = self.ground.see();
        let home = reading.home.filter(|home| !now.nodes[*home].up)?;
        let elsewhere = self.ground.books.write_elsewhere(&self.key, &self.ask.id, &now, home, &record).await;
        elsewhere.then(|| place(self))
    }
}

/// The id by which it is stored now, if the server cannot find it by the record's.
fn elsewhere(finding: &Finding, record: &Record, seen: &Seen, server: usize) -> Option<Named> {
    if finding.of(&record.id.text).is_some() {
        return None;
    }
    let found = finding.found.first()?;
    (seen.server_of(found.id.route.as_deref()) != Some(server)).then(|| found.id.clone())
}

/// A request that is the first of its session at a server: it has the lease, and whoever sends it says what came of it.
///
/// One that is dropped after it was given to a request leaves the others waiting until the lease runs out, for the server may
/// be at it.
pub struct Gate {
    pending: Option<Box<Pending>>,
    given: bool,
}

struct Pending {
    taking: Taking,
    first: First,
    seen: Seen,
}

impl Gate {
    fn new(taking: Taking, first: First) -> Gate {
        let seen = taking.ground.see();
        Gate { pending: Some(Box::new(Pending { taking, first, seen })), given: false }
    }

    /// The answer's head has come.
    pub async fn finish(mut self, set_cookie: Option<SetCookie>) {
        if let Some(pending) = self.pending.take() {
            pending.finish(set_cookie).await;
        }
    }

    /// Nothing of the request has reached the server: another one may be the first at once.
    pub async fn unsent(mut self) {
        if let Some(mut pending) = self.pending.take() {
            pending.taking.leave().await;
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let Some(mut pending) = self.pending.take().filter(|_| !self.given) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { pending.taking.leave().await });
        }
    }
}

impl Pending {
    async fn finish(self, set_cookie: Option<SetCookie>) {
        let Pending { mut taking, first: First { server, record, reading }, seen } = self;
        let (id, line) = match taking.said(set_cookie) {
            Some((id, line)) => (id, Some(line)),
            None => (record.id.clone(), None),
        };
        if line.is_none() && taking.may_not_have_noticed(&taking.ground.see(), &id) {
            // Nothing is settled: the next request is the first again.
            return taking.leave().await;
        }
        taking.done(&seen, &reading, record, server, id, line).await;
        taking.leave().await;
    }
}

/// A gate until one of the waiting requests takes it.
pub struct Seat {
    gate: Mutex<Option<Gate>>,
    pub server: usize,
    pub id: String,
}

impl Seat {
    pub(super) fn new(taking: Taking, first: First) -> Seat {
        let (server, id) = (first.server, first.record.id.text.clone());
        Seat { gate: Mutex::new(Some(Gate::new(taking, first))), server, id }
    }

    /// To one request only.
    pub fn take(&self) -> Option<Gate> {
        let mut gate = self.gate.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()?;
        gate.given = true;
        Some(gate)
    }
}
