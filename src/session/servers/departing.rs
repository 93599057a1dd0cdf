//! All departures of an upstream's servers at this edge: what it hears of them, says of them, and does for its own operator.

use super::board::{Board, Heard};
use super::campaign::{Campaign, FRESH, Reading, Told};
use super::departure::{Away, CUT_OFF, Departure, Moving, News, Stance};
use super::life::Life;
use super::order::Order;
use super::shared::Shared;
use super::slot::{Note, Slot};
use std::sync::atomic::Ordering;
use std::time::Instant;

#[derive(Debug)]
pub struct Departing {
    servers: Vec<One>,
}

#[derive(Debug, Default)]
struct One {
    departure: Departure,
    /// This edge moves it.
    campaign: Option<Campaign>,
    /// A word of this edge's own that the board does not have yet, and until when it may be said.
    fresh: Option<(Away, Instant)>,
    /// Since when it is left, as far as this edge knows.
    left: Option<Instant>,
    /// Since when it takes its word back.
    ending: Option<Instant>,
}

impl Departing {
    pub fn new(shared: &Shared) -> Departing {
        Departing { servers: shared.servers.iter().map(|_| One::default()).collect() }
    }

    /// Whether anything is waited for.
    pub fn is_under_way(&self) -> bool {
        self.servers.iter().any(|one| one.departure.ticket().is_some() || one.campaign.is_some() || one.fresh.is_some())
    }

    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        self.servers.iter().filter_map(|one| one.departure.deadline(now)).min()
    }

    pub fn away(&self) -> Vec<Option<Away>> {
        self.servers.iter().map(|one| one.departure.away()).collect()
    }

    pub fn fresh(&self, now: Instant) -> Vec<(usize, Away, Instant)> {
        let fresh =
            self.servers.iter().enumerate().filter_map(|(at, one)| one.fresh.map(|(away, until)| (at, away, until)));
        fresh.filter(|(.., until)| now < *until).collect()
    }

    /// For this edge's slot: after what they say was published.
    pub fn notes(&mut self, shared: &Shared, now: Instant) -> Vec<(usize, Note)> {
        let mut notes = Vec::new();
        for (at, one) in self.servers.iter_mut().enumerate() {
            if let Some(order) = one.begin(shared, at) {
                let left = order.until.saturating_duration_since(now);
                notes.push((at, Note::Moving(Moving { ticket: order.ticket, cut: order.cut, left })));
            }
            if let Some(ticket) = one.departure.ticket().filter(|_| one.departure.stance(now) != Stance::Here) {
                let (under_way, waiting) = (shared.under_way(at), shared.notices[at].waiting.load(Ordering::Relaxed));
                notes.push((at, Note::Held { ticket, under_way, waiting }));
            }
        }
        notes
    }

    pub fn hear(
        &mut self,
        shared: &Shared,
        board: &Board,
        heard: &Heard,
        instances: &[u64],
        began: Instant,
        now: Instant,
    ) {
        for (at, one) in self.servers.iter_mut().enumerate() {
            let name = &shared.servers[at].name;
            let own = one.campaign.as_ref().and_then(|campaign| {
                let order = shared.desks[at].order().filter(|order| order.ticket == campaign.ticket)?;
                let left = order.until.saturating_duration_since(now);
                Some((board.identity().to_owned(), Moving { ticket: order.ticket, cut: order.cut, left }))
            });
            let others = || heard.others.iter().filter(|slot| slot.knows(name));
            let moving = others().flat_map(|slot| moving(slot, name)).chain(own);
            let edges = others().map(|slot| slot.identity.clone()).chain([board.identity().to_owned()]);
            let news = News {
                board: heard.board,
                moving: moving.collect(),
                edges: edges.collect(),
                away: heard.away.get(at).copied().flatten(),
                instance: instances[at],
            };
            one.departure.hear(&news, now);
            if one.fresh.is_some_and(|(away, until)| one.departure.away() >= Some(away) || now >= until) {
                one.fresh = None;
            }
            one.take_back(shared, at, now);
            one.lead(shared, board, heard, at, began, now);
        }
    }

    /// What requests read. Whether anything has changed.
    pub fn publish(&mut self, shared: &Shared, lives: &[Life], now: Instant) -> bool {
        let mut changed = false;
        for (at, one) in self.servers.iter_mut().enumerate() {
            one.departure.is_process(lives[at].instance());
            one.note_return(lives[at].returned(), now);
            let (notice, before) = (&shared.notices[at], shared.notices[at].stance());
            changed |= notice.publish(&one.departure, &shared.epoch, now);
            tell(&shared.upstream, &shared.servers[at].name, before, notice.stance());
        }
        changed
    }
}

impl One {
    /// The order of this edge's own operator, if there is one; then it has begun.
    fn begin(&mut self, shared: &Shared, at: usize) -> Option<Order> {
        let order = shared.desks[at].order()?;
        if self.campaign.as_ref().is_none_or(|campaign| campaign.ticket != order.ticket) {
            self.campaign = Some(Campaign::new(order.ticket));
            self.ending = None;
        }
        Some(order)
    }

    /// An operator wants it back.
    fn take_back(&mut self, shared: &Shared, at: usize, now: Instant) {
        let wanted = shared.desks[at].back.load(Ordering::Acquire);
        if wanted && self.departure.is_left() && self.fresh.is_none() {
            self.fresh = Some((self.departure.take_back(None), now + FRESH));
        }
    }

    /// It was away for so short a time that nobody counted it as a restart; what it was left for is over all the same. Should it be
    /// the same process after all, it is taken back as by an operator.
    fn note_return(&mut self, returned: Option<Instant>, now: Instant) {
        if !self.departure.is_left() {
            self.left = None;
            return;
        }
        let left = *self.left.get_or_insert(now);
        if returned.is_some_and(|returned| returned > left) && self.fresh.is_none() {
            self.fresh = Some((self.departure.take_back(None), now + FRESH));
        }
    }

    /// Goes on with what this edge has begun.
    fn lead(&mut self, shared: &Shared, board: &Board, heard: &Heard, at: usize, began: Instant, now: Instant) {
        let Some(campaign) = &mut self.campaign else { return };
        let desk = &shared.desks[at];
        let order = desk.order().filter(|order| order.ticket == campaign.ticket);
        let (name, ticket) = (&shared.servers[at].name, campaign.ticket);
        let mine = |slot: &Slot| held(slot, name, ticket);
        let told = |slot: &Slot| Told { identity: slot.identity.clone(), who: slot.who.clone(), held: mine(slot) };
        let holds = self.departure.ticket() == Some(ticket) && shared.notices[at].stance() != Stance::Here;
        let counted = || (shared.under_way(at), shared.notices[at].waiting.load(Ordering::Relaxed));
        let own =
            Told { identity: board.identity().to_owned(), who: board.who().to_owned(), held: holds.then(counted) };
        let reading = Reading {
            began,
            stored: heard.board && heard.stored,
            full: heard.full,
            own,
            others: heard.others.iter().filter(|slot| slot.knows(name)).map(told).collect(),
            rival: self.departure.ticket().is_some_and(|first| first != ticket),
            left: self.departure.is_left(),
        };
        campaign.force = order.is_some_and(|order| order.force);
        campaign.hear(&reading, now);
        match order {
            _ if campaign.progress.left => self.end(shared, at),
            Some(order) if !order.ends => {
                if campaign.progress.quiet && order.marked && self.fresh.is_none() {
                    let left = self.departure.leave();
                    campaign.said = Some(left);
                    self.fresh = Some((left, began + FRESH));
                }
            }
            _ => self.unsay(shared, at, now),
        }
        if let Some(campaign) = &self.campaign {
            desk.progress.send_replace(campaign.progress.clone());
        }
    }

    /// Lets the server go on as before; but what was said of it, should it still arrive, first gets an answer.
    fn unsay(&mut self, shared: &Shared, at: usize, now: Instant) {
        let Some(said) = self.campaign.as_ref().and_then(|campaign| campaign.said) else {
            return self.end(shared, at);
        };
        let since = *self.ending.get_or_insert(now);
        if self.departure.away() > Some(said) || now >= since + CUT_OFF {
            return self.end(shared, at);
        }
        if self.fresh.is_none_or(|(away, _)| away <= said) {
            self.fresh = Some((self.departure.take_back(Some(said)), now + FRESH));
        }
    }

    fn end(&mut self, shared: &Shared, at: usize) {
        if let Some(mut campaign) = self.campaign.take() {
            campaign.progress.over = true;
            shared.desks[at].forget(campaign.ticket);
            shared.desks[at].progress.send_replace(campaign.progress);
            shared.urge.notify_one();
        }
    }
}

fn moving(slot: &Slot, server: &str) -> Option<(String, Moving)> {
    let moving = |note| if let Note::Moving(moving) = note { Some(moving) } else { None };
    slot.notes(server).find_map(moving).map(|moving| (slot.identity.clone(), moving))
}

/// What is under way and waits at an edge that holds for this ticket.
fn held(slot: &Slot, server: &str, wanted: u64) -> Option<(usize, usize)> {
    slot.notes(server).find_map(|note| match note {
        Note::Held { ticket, under_way, waiting } if ticket == wanted => Some((under_way, waiting)),
        _ => None,
    })
}

fn tell(upstream: &str, server: &str, before: Stance, now: Stance) {
    let what = match (before, now) {
        (before, now) if before == now => return,
        (_, Stance::Held) => "is about to be left by its sessions: their requests wait",
        (_, Stance::Left) => "is left: its sessions go to others, and it may be stopped",
        (_, Stance::Here) => "takes sessions as before",
    };
    log::info!(target: "edge::notice", "session server {server} of {upstream} {what}");
}
