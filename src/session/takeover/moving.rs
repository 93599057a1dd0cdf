//! Who is to take a session: decided from its copies in memcached and the views, and written down before anybody is asked.

use super::books::{Found, Reading};
use super::counts::{Cause, Lost, one};
use super::ground::Seen;
use super::pick::{self, Target};
use super::taking::{End, Taking, Why};
use super::world::{Moved, State};
use crate::memcached::Life;
use crate::session::record::{Former, Named, Record, had};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// A bigger value is not kept while its session is taken over.
const SAVED_LONGEST: usize = 1024 * 1024;

/// A value as it was before a server was asked to take its session over.
pub(super) struct Saved {
    id: Named,
    value: Bytes,
    life: Life,
    _room: OwnedSemaphorePermit,
}

impl Taking {
    /// Its holder is up and has to be asked first.
    pub(super) async fn gate(&mut self, seen: &Seen, reading: Reading, server: usize, cause: Cause) -> Option<End> {
        let current = self.current(reading.record.as_ref()).clone();
        if cause == Cause::Node {
            self.mark_node(seen, &current).await;
            return self.give(seen, &reading, Target { server, stale: false }, &current, cause, None).await;
        }
        let finding = self.find(seen, &current).await;
        if let Some(found) = finding.of(&current.text) {
            if cause == Cause::Returned {
                return Some(self.settle(seen, server, reading.record.as_ref()));
            }
            self.save(found);
            return self.give(seen, &reading, Target { server, stale: false }, &current, cause, None).await;
        }
        if let Some(found) = finding.found.first() {
            // It was away, somebody else has the session, and what it has itself is old.
            let from = (cause == Cause::Returned).then_some(server);
            self.save(found);
            return self.give_to_best(seen, &reading, &found.id, from, cause).await;
        }
        if finding.failed && self.may_try_again().await {
            return None;
        }
        if cause == Cause::Restarted {
            self.ground.counts.note_lost(Lost::NotKept);
        }
        Some(self.settle(seen, server, reading.record.as_ref()))
    }

    /// Its holder is gone.
    pub(super) async fn relocate(
        &mut self,
        seen: &Seen,
        reading: Reading,
        from: Option<usize>,
        cause: Cause,
    ) -> Option<End> {
        let current = self.current(reading.record.as_ref()).clone();
        let finding = self.find(seen, &current).await;
        let source = match finding.found.first() {
            Some(found) => {
                self.save(found);
                found.id.clone()
            }
            None if finding.failed && self.may_try_again().await => return None,
            // It lives, and has what nobody else has.
            None if cause == Cause::Moved => return self.stay(seen, reading, from).await,
            None => match self.put_back(&current, cause).await {
                Some(id) => id,
                // Nobody here can know: the server that is to take it may reach the node.
                None if finding.failed || self.alone.is_some() => current,
                None => return Some(self.lose(cause)),
            },
        };
        self.give_to_best(seen, &reading, &source, from, cause).await
    }

    /// Writes down, for all edges, that the session is to be served where it is: should its server store it after all, no edge is to
    /// move it while another one still sends its requests there.
    async fn stay(&mut self, seen: &Seen, reading: Reading, from: Option<usize>) -> Option<End> {
        let server = from?;
        let instance = seen.views[server].instance;
        let before = reading.record.as_ref();
        let mut former = before.map(|record| record.former.clone()).unwrap_or_default();
        former.push(Former { server: seen.servers[server].name.clone(), instance });
        let record = Record {
            generation: before.map_or(0, |record| record.generation).saturating_add(1),
            server: seen.servers[server].name.clone(),
            instance,
            done: true,
            id: self.current(before).clone(),
            set_cookie: before.and_then(|record| record.set_cookie.clone()),
            former,
        };
        if self.write(&reading, record.clone()).await {
            self.ground.books.copy(&self.key, &self.ask.id, &self.ground.see(), &record).await;
            one(&self.ground.counts.stayed);
        }
        None
    }

    fn lose(&self, cause: Cause) -> End {
        let why = if cause == Cause::ChosenDied { Lost::ChosenDied } else { Lost::NoKey };
        self.ground.note_lost(self.ask.context, &self.ask.id.base, why);
        End::Lost
    }

    /// The server whose route the stored session has, if it is up, or the one that all edges come to.
    async fn give_to_best(
        &mut self,
        seen: &Seen,
        reading: &Reading,
        source: &Named,
        from: Option<usize>,
        cause: Cause,
    ) -> Option<End> {
        let mut former = reading.record.as_ref().map(|record| record.former.clone()).unwrap_or_default();
        // A process that is gone has no copy; one that does not answer, or was away, has.
        let stale = from.filter(|from| cause != Cause::ChosenDied || !seen.is_up(*from));
        former.extend(
            stale
                .filter(|from| seen.views[*from].state != State::Dead)
                .map(|from| Former { server: seen.servers[from].name.clone(), instance: seen.views[from].instance }),
        );
        let had_it = |server: &usize| had(&former, &seen.servers[*server].name, seen.views[*server].instance);
        let there = seen.server_of(source.route.as_deref()).filter(|at| seen.is_up(*at) && !had_it(at));
        let target = there.map(|server| Target { server, stale: false });
        let target = target.or_else(|| pick::target(&seen.servers, &seen.views, &source.base, &former));
        if cause == Cause::Moved && target.is_none_or(|target| target.stale) {
            // Its owner lives: better there than where an old copy is, or nowhere.
            return self.stay(seen, reading.clone(), from).await;
        }
        let Some(target) = target else {
            self.why = Why::NoServer;
            self.watch().await;
            return None;
        };
        if let Some(from) = from.filter(|from| *from != target.server) {
            self.ground.world.mark_moved(Moved::Server(from)).await;
        }
        self.mark_node(seen, source).await;
        self.give(seen, reading, target, source, cause, Some(former)).await
    }

    /// Before the record is written, all edges are told to read it for ids that name a node that is gone.
    async fn mark_node(&self, seen: &Seen, id: &Named) {
        if let Some(node) = self.ground.books.node_of(id.node.as_deref()).filter(|node| !seen.nodes[*node].up) {
            self.ground.world.mark_moved(Moved::Node(&self.ground.books.nodes[node])).await;
        }
    }

    /// Writes down who is to take it, by which id.
    async fn give(
        &mut self,
        seen: &Seen,
        reading: &Reading,
        target: Target,
        source: &Named,
        cause: Cause,
        former: Option<Vec<Former>>,
    ) -> Option<End> {
        let before = reading.record.as_ref();
        let record = Record {
            generation: before.map_or(0, |record| record.generation).saturating_add(1),
            server: seen.servers[target.server].name.clone(),
            instance: seen.views[target.server].instance,
            done: false,
            id: source.clone(),
            set_cookie: None,
            former: former.or(before.map(|record| record.former.clone())).unwrap_or_default(),
        };
        if self.write(reading, record).await {
            self.ground.counts.note_takeover(cause);
            if target.stale {
                one(&self.ground.counts.stale_risk);
            }
        }
        None
    }

    /// Keeps a value, should the server that is to take its session over die with it.
    pub(super) fn save(&mut self, found: &Found) {
        if self.saved.as_ref().is_some_and(|saved| saved.id == found.id && saved.value == found.value) {
            return;
        }
        self.saved = None;
        let room = u32::try_from(found.value.len()).ok().filter(|length| *length as usize <= SAVED_LONGEST);
        let room = room.and_then(|length| self.ground.saved.clone().try_acquire_many_owned(length.max(1)).ok());
        let life = match found.stored.max_inactive {
            seconds @ 1.. => Life::of(Duration::from_secs(seconds as u64)),
            _ => Life::FOREVER,
        };
        self.saved = room.map(|room| Saved { id: found.id.clone(), value: found.value.clone(), life, _room: room });
    }

    /// Neither the old key nor a new one is there: MSM deletes the one when it begins and sets the other when it ends. Nobody
    /// has passed the gate since the value was read, so that it is the session's last.
    async fn put_back(&self, current: &Named, cause: Cause) -> Option<Named> {
        let may = cause == Cause::ChosenDied && self.has_the_lease();
        let saved = self.saved.as_ref().filter(|saved| may && saved.id == *current)?;
        let stored = self.ground.books.put_back(self.key_prefix(), &saved.id, &saved.value, saved.life).await;
        stored.is_ok_and(|stored| stored).then(|| {
            one(&self.ground.counts.put_back);
            saved.id.clone()
        })
    }
}
