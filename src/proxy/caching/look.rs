//! Is there an answer, and may it be used? If not: who fetches it, and who waits.

use super::answer::Stored;
use super::errand::{self, Fetch};
use super::{Work, copy_of, holds, key_of, note, preferred, purge, sliced, wanted};
use crate::cache::key::Key;
use crate::cache::policy::{self, CacheStatus, Fallback, Reuse};
use crate::cache::store::{Follow, Guard, Hit, Locked, Lookup, Turn, Zone};
use crate::client::Connection;
use crate::http::Headers;
use crate::proxy::content::Content;
use crate::proxy::request::Request;
use crate::proxy::snapshot::{Caching, Lock};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::{Instant, timeout_at};

const BAD_GATEWAY: u16 = 502;
const GATEWAY_TIMEOUT: u16 = 504;

/// How a search ended.
enum Found {
    Answer(Stored),
    /// The upstream is asked.
    Ask(Box<Work>),
    /// The client wants a stored answer or none.
    Unmet,
}

/// Looks for the answer of a request that goes to an upstream. `None`: it goes there.
pub async fn look(request: &mut Request, connection: &Arc<Connection>) -> Option<Content> {
    let caching = request.pass()?.caching.clone()?;
    let zone = caching.zone.zone()?.clone();
    if request.copy_for.is_some() {
        return None;
    }
    request.name_target();
    if let Some(content) = purge::answer(request, &caching, &zone).await {
        return Some(content);
    }
    if !caching.methods.contains(&request.exchange.method) || request.exchange.head.wants_upgrade() {
        return None;
    }
    let fetch = Fetch::of(connection);
    request.exchange.slice_range = fetch.and_then(Fetch::slice_range);
    let key = key_of(&caching, request);
    if let Some(fetch) = fetch {
        let mut work = Work::new(caching, zone, key);
        work.take_over(fetch.guard(), request).await;
        request.cache = Some(Box::new(work));
        return None;
    }
    request.zone = Some(zone.clone());
    let wishes = request.cache_wishes().unwrap_or_default();
    if wishes.bypass || holds(&caching.bypass, &request.exchange) {
        note(request, CacheStatus::Bypass);
        let mut work = Work::new(caching, zone, key);
        // No part is asked for: the whole has no place among parts.
        work.storing &= work.caching.slice.is_none();
        request.cache = Some(Box::new(work));
        return None;
    }
    if sliced::concerns(&caching, &request.exchange.method) {
        return in_parts(request, connection, &caching, &zone).await;
    }
    let headers = &request.exchange.head.headers;
    let beyond = policy::stored::starts_beyond(&request.exchange.method, headers, caching.max_range_offset);
    let search = Search { caching, zone, key, beyond, deadline: None };
    match search.run(request, connection).await {
        Found::Answer(stored) => Some(Content::Stored(Box::new(stored))),
        Found::Unmet => Some(crate::proxy::content::fail(request, GATEWAY_TIMEOUT).await),
        Found::Ask(work) => {
            request.cache = Some(work);
            None
        }
    }
}

async fn in_parts(
    request: &mut Request,
    connection: &Arc<Connection>,
    caching: &Arc<Caching>,
    zone: &Arc<Zone>,
) -> Option<Content> {
    match sliced::begin(request, connection, caching, zone).await {
        sliced::Begun::Answer(stored) => Some(Content::Stored(stored)),
        sliced::Begun::Unmet => Some(crate::proxy::content::fail(request, GATEWAY_TIMEOUT).await),
        sliced::Begun::Wrong => Some(crate::proxy::content::fail(request, BAD_GATEWAY).await),
        sliced::Begun::Whole => {
            note(request, CacheStatus::Miss);
            None
        }
    }
}

struct Search {
    caching: Arc<Caching>,
    zone: Arc<Zone>,
    key: Key,
    /// The range asked for begins so far behind that the whole is not fetched for its sake.
    beyond: bool,
    /// When waiting for another's answer ends.
    deadline: Option<Instant>,
}

impl Search {
    async fn run(mut self, request: &mut Request, connection: &Arc<Connection>) -> Found {
        let mut guard = None;
        // Nothing was waited for yet.
        let mut now = request.exchange.started_at;
        loop {
            let codings = preferred(&request.location.compress, request);
            let headers = &request.exchange.head.headers;
            let found = self.zone.look_up(&self.key, now, |names| wanted(names, headers, codings)).await;
            let waited = match found {
                Lookup::Hit(hit) => match self.reuse(hit, guard.take(), request, connection, now) {
                    Ok(found) => return found,
                    Err(waited) => waited,
                },
                Lookup::Filling(follow) if self.may_follow(&follow, headers, now) => {
                    note(request, CacheStatus::Hit);
                    return Found::Answer(Stored::following(follow));
                }
                Lookup::Filling(_) => {
                    note(request, CacheStatus::Miss);
                    return self.ask(None, None, Fallback::default());
                }
                Lookup::Miss { uses, variant } => {
                    note(request, CacheStatus::Miss);
                    if policy::reuse::without_copy(&request.exchange.head.headers, &self.caching.use_rules) {
                        return Found::Unmet;
                    }
                    if uses < self.caching.min_uses {
                        return self.pass();
                    }
                    match guard.take() {
                        Some(guard) => return self.ask(Some(guard), None, Fallback::default()),
                        None => match self.zone.lock(&self.key, variant) {
                            Locked::Mine(own) if self.caching.lock.is_none() => {
                                return self.ask(Some(own), None, Fallback::default());
                            }
                            // Somebody may have stored it between the look and the lock.
                            Locked::Mine(own) => {
                                guard = Some(own);
                                now = SystemTime::now();
                                continue;
                            }
                            Locked::Wait(waiter) => waiter,
                        },
                    }
                }
            };
            let Some(lock) = self.caching.lock else {
                return self.ask(None, None, Fallback::default());
            };
            match self.wait(waited, lock).await {
                Some(Turn::LookAgain) => {}
                Some(Turn::Mine(own)) => guard = Some(own),
                None => return self.pass(),
            }
            now = SystemTime::now();
        }
    }

    /// What is complete and only on its way to the disk is a stored answer; what still comes is one for those who wait.
    fn may_follow(&self, follow: &Follow, headers: &Headers, now: SystemTime) -> bool {
        if !follow.is_complete() {
            return self.caching.lock.is_some() && !self.beyond;
        }
        matches!(policy::reuse(headers, &copy_of(follow.head()), &self.caching.use_rules, now), Reuse::Fresh)
    }

    /// What a stored answer is good for. An error: somebody fetches it anew and is to be waited for.
    fn reuse(
        &self,
        hit: Hit,
        guard: Option<Guard>,
        request: &mut Request,
        connection: &Arc<Connection>,
        now: SystemTime,
    ) -> Result<Found, crate::cache::store::Waiter> {
        let headers = &request.exchange.head.headers;
        match policy::reuse(headers, &copy_of(&hit.head), &self.caching.use_rules, now) {
            Reuse::Fresh => {
                note(request, CacheStatus::Hit);
                Ok(Found::Answer(Stored::hit(hit, self.zone.clone())))
            }
            Reuse::Unmet => Ok(Found::Unmet),
            Reuse::Stale { update } => {
                let fetched = update && self.update_behind(&hit, request, connection);
                note(request, if fetched { CacheStatus::Stale } else { CacheStatus::Updating });
                Ok(Found::Answer(Stored::hit(hit, self.zone.clone())))
            }
            Reuse::Ask(fallback) => {
                if hit.updating && fallback.while_updating && guard.is_none() {
                    note(request, CacheStatus::Updating);
                    return Ok(Found::Answer(Stored::hit(hit, self.zone.clone())));
                }
                note(request, CacheStatus::Expired);
                if let Some(guard) = guard {
                    return Ok(self.ask(Some(guard), Some(hit), fallback));
                }
                match self.zone.lock(&self.key, hit.variant) {
                    Locked::Mine(guard) => Ok(self.ask(Some(guard), Some(hit), fallback)),
                    Locked::Wait(_) if fallback.while_updating => {
                        note(request, CacheStatus::Updating);
                        Ok(Found::Answer(Stored::hit(hit, self.zone.clone())))
                    }
                    Locked::Wait(waiter) if self.caching.lock.is_some() => Err(waiter),
                    Locked::Wait(_) => Ok(self.ask(None, Some(hit), fallback)),
                }
            }
        }
    }

    /// Sends somebody to fetch it anew, unless somebody is under way.
    fn update_behind(&self, hit: &Hit, request: &Request, connection: &Arc<Connection>) -> bool {
        // Whoever stores it already has given the lock back.
        if hit.updating {
            return false;
        }
        match self.zone.lock(&self.key, hit.variant) {
            Locked::Mine(guard) => {
                errand::send(&request.exchange.head, request.exchange.trace, connection, guard, None);
                true
            }
            Locked::Wait(_) => false,
        }
    }

    async fn wait(&mut self, waiter: crate::cache::store::Waiter, lock: Lock) -> Option<Turn> {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + lock.timeout);
        timeout_at(deadline, waiter.wait(lock.age)).await.ok()
    }

    /// The upstream is asked, and what it answers may be stored.
    fn ask(&self, guard: Option<Guard>, copy: Option<Hit>, fallback: Fallback) -> Found {
        if self.beyond {
            return self.pass();
        }
        let mut work = Work::new(self.caching.clone(), self.zone.clone(), self.key.clone());
        if let Some(guard) = &guard {
            work.moment = guard.moment();
        }
        work.guard = guard;
        work.copy = copy;
        work.fallback = fallback;
        work.begin_revalidation();
        Found::Ask(Box::new(work))
    }

    /// The upstream is asked, and nothing is stored.
    fn pass(&self) -> Found {
        let mut work = Work::new(self.caching.clone(), self.zone.clone(), self.key.clone());
        work.storing = false;
        Found::Ask(Box::new(work))
    }
}

impl Work {
    /// An errand: fetches anew what its client found stale.
    async fn take_over(&mut self, guard: Option<Guard>, request: &Request) {
        // Where the configuration leads it elsewhere than the client's request, its answer is another one.
        let Some(guard) = guard.filter(|guard| guard.is_for(&self.key)) else {
            self.storing = false;
            return;
        };
        self.moment = guard.moment();
        self.guard = Some(guard);
        let headers = &request.exchange.head.headers;
        let found = self.zone.look_up(&self.key, SystemTime::now(), |names| wanted(names, headers, [None; 3])).await;
        if let Lookup::Hit(hit) = found {
            self.copy = Some(hit);
            self.begin_revalidation();
        }
    }

    /// Whether the copy can be confirmed.
    fn begin_revalidation(&mut self) {
        self.revalidating = self.caching.revalidate
            && self.copy.as_ref().is_some_and(|copy| {
                let stored = &copy.head.response;
                !policy::stored::condition(stored.status, &stored.headers).is_empty()
            });
    }
}
