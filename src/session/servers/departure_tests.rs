//! Edges that share a board, step by step, in any order: nobody sends anything to a server that another edge takes for left.

use super::*;
use crate::session::servers::campaign::{Campaign, FRESH, Reading, Told};
use proptest::prelude::*;

const INSTANCE: u64 = 1;

#[test]
fn a_word_is_read_as_it_is_written_and_only_grows() {
    let first = Away::next(None, Some(7));
    let words = [first, Away::next(Some(first), None), Away::next(Some(Away::next(Some(first), None)), Some(8))];
    assert_eq!(words.map(|away| away.to_string()), ["1 left 7", "2 here", "3 left 8"]);
    assert!(words.is_sorted_by(|a, b| a < b));
    for away in words {
        assert_eq!(Away::parse(away.to_string().as_bytes()), Some(away));
    }
    for bad in [
        "",
        "1",
        "1 gone",
        "0 here",
        "x here",
        "1 here 2",
        "1 left",
        "1 left x",
        "1 left 1 2",
        "99999999999999999999 here",
    ] {
        assert_eq!(Away::parse(bad.as_bytes()), None, "{bad:?}");
    }
}

fn moving(ticket: u64) -> Moving {
    Moving { ticket, cut: false, left: Duration::from_secs(10) }
}

fn news(moving: &[(&str, Moving)], edges: &[&str]) -> News {
    News {
        board: true,
        moving: moving.iter().map(|(by, moving)| ((*by).to_owned(), *moving)).collect(),
        edges: edges.iter().map(|edge| (*edge).to_owned()).collect(),
        away: None,
        instance: INSTANCE,
    }
}

#[test]
fn a_server_is_held_until_whoever_moves_it_says_otherwise_or_is_surely_gone() {
    let (mut departure, now) = (Departure::default(), Instant::now());
    departure.hear(&news(&[], &["a", "b"]), now);
    assert_eq!(departure.stance(now), Stance::Here);
    departure.hear(&news(&[("a", moving(5))], &["a", "b"]), now);
    assert_eq!((departure.stance(now), departure.ticket()), (Stance::Held, Some(5)));
    // Two move it: the same one for all.
    departure.hear(&news(&[("a", moving(5)), ("b", moving(3))], &["a", "b"]), now);
    assert_eq!(departure.ticket(), Some(3));
    departure.hear(&news(&[], &["a", "b"]), now);
    assert_eq!(departure.stance(now), Stance::Here, "it has taken its word back");
    departure.hear(&news(&[("a", moving(5))], &["a", "b"]), now);
    departure.hear(&news(&[], &["b"]), now);
    departure.hear(&news(&[], &["b"]), now + GONE / 2);
    assert_eq!(departure.stance(now), Stance::Held);
    departure.hear(&news(&[], &["b"]), now + GONE);
    assert_eq!(departure.stance(now + GONE), Stance::Here);
}

#[test]
fn who_hears_nobody_holds_for_longer() {
    let (mut departure, now) = (Departure::default(), Instant::now());
    departure.hear(&news(&[("a", moving(5))], &["a", "b"]), now);
    let nothing = News { board: false, ..news(&[], &["b"]) };
    departure.hear(&nothing, now);
    departure.hear(&nothing, now + GONE);
    assert_eq!(departure.stance(now + GONE), Stance::Held);
    departure.hear(&nothing, now + CUT_OFF);
    assert_eq!(departure.stance(now + CUT_OFF), Stance::Here);
}

#[test]
fn a_server_that_was_left_is_so_until_its_process_ends_or_it_is_taken_back() {
    let (mut departure, now) = (Departure::default(), Instant::now());
    departure.hear(&news(&[], &["b"]), now);
    let left = departure.leave();
    departure.hear(&News { away: Some(left), ..news(&[], &["b"]) }, now);
    assert_eq!(departure.stance(now), Stance::Left);
    // The board has forgotten it.
    departure.hear(&news(&[], &["b"]), now);
    assert_eq!(departure.stance(now), Stance::Left);
    let back = departure.take_back(None);
    departure.is_process(INSTANCE + 1);
    assert_eq!(departure.stance(now), Stance::Here, "another process");
    departure.is_process(INSTANCE);
    departure.hear(&News { away: Some(back), ..news(&[], &["b"]) }, now);
    assert_eq!(departure.stance(now), Stance::Held, "others may not know it yet");
    assert_eq!(departure.deadline(now), Some(now + RETURN));
    assert_eq!(departure.stance(now + RETURN), Stance::Here);
}

/// What may happen to one of the edges at a moment.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// It reads the board, after it has said what it sees.
    Exchange(usize),
    /// A request wants to go to the server.
    Ask(usize),
    /// One of its requests there ends.
    End(usize),
    /// It dies, with its requests.
    Die(usize),
    /// Another one starts in its place.
    Start(usize),
    /// Its operator moves the server.
    Move(usize),
    /// Its operator wants that no more.
    GiveUp(usize),
    Wait(u64),
}

/// What an edge has written, and when.
#[derive(Clone, Debug)]
struct Written {
    identity: String,
    moving: Option<Moving>,
    held: Option<(u64, usize)>,
    at: Instant,
}

struct Edge {
    identity: String,
    departure: Departure,
    campaign: Option<Campaign>,
    fresh: Option<(Away, Instant)>,
    under_way: usize,
    alive: bool,
    /// It has read the board since it started.
    ready: bool,
}

/// As in `departing`, with a board whose words arrive at once.
struct Model {
    now: Instant,
    edges: Vec<Edge>,
    slots: Vec<Option<Written>>,
    away: Option<Away>,
    started: usize,
}

/// So long a slot lives at least and at most; memcached counts in seconds.
const SLOT: Duration = Duration::from_millis(2500);

impl Model {
    fn new(edges: usize) -> Model {
        let mut model =
            Model { now: Instant::now(), edges: Vec::new(), slots: vec![None; edges], away: None, started: 0 };
        model.edges = (0..edges).map(|_| model.edge()).collect();
        (0..edges).for_each(|at| model.exchange(at));
        model
    }

    fn edge(&mut self) -> Edge {
        self.started += 1;
        Edge {
            identity: format!("{}", self.started),
            departure: Departure::default(),
            campaign: None,
            fresh: None,
            under_way: 0,
            alive: true,
            ready: false,
        }
    }

    fn exchange(&mut self, at: usize) {
        let now = self.now;
        let edge = &mut self.edges[at];
        if !edge.alive {
            return;
        }
        if let Some((away, until)) = edge.fresh
            && now < until
        {
            self.away = self.away.max(Some(away));
        }
        let own = edge.campaign.as_ref().map(|campaign| (edge.identity.clone(), moving(campaign.ticket)));
        let held = edge.departure.ticket().filter(|_| edge.departure.stance(now) != Stance::Here);
        self.slots[at] = Some(Written {
            identity: edge.identity.clone(),
            moving: own.as_ref().map(|(_, moving)| *moving),
            held: held.map(|ticket| (ticket, edge.under_way)),
            at: now,
        });
        let there: Vec<Written> = self.slots.iter().flatten().filter(|slot| slot.at + SLOT > now).cloned().collect();
        let heard = News {
            board: true,
            moving: there.iter().filter_map(|slot| Some((slot.identity.clone(), slot.moving?))).collect(),
            edges: there.iter().map(|slot| slot.identity.clone()).collect(),
            away: self.away,
            instance: INSTANCE,
        };
        let edge = &mut self.edges[at];
        let held_before = edge.departure.stance(now) != Stance::Here;
        edge.departure.hear(&heard, now);
        edge.ready = true;
        let Some(campaign) = &mut edge.campaign else { return };
        let ticket = campaign.ticket;
        let told = |slot: &Written| Told {
            identity: slot.identity.clone(),
            who: slot.identity.clone(),
            held: slot.held.filter(|(held, _)| *held == ticket).map(|(_, under_way)| (under_way, 0)),
        };
        let first = edge.departure.ticket();
        let own = Told {
            identity: edge.identity.clone(),
            who: edge.identity.clone(),
            held: (held_before && first == Some(ticket)).then_some((edge.under_way, 0)),
        };
        let reading = Reading {
            began: now,
            stored: true,
            full: false,
            own,
            others: there.iter().filter(|slot| slot.identity != edge.identity).map(told).collect(),
            rival: first.is_some_and(|first| first != ticket),
            left: edge.departure.is_left(),
        };
        campaign.hear(&reading, now);
        let progress = &campaign.progress;
        if progress.left || progress.rival || progress.edges.iter().any(|edge| edge.gone) {
            return self.give_up(at);
        }
        if progress.quiet && edge.fresh.is_none() {
            let left = edge.departure.leave();
            campaign.said = Some(left);
            edge.fresh = Some((left, now + FRESH));
        }
    }

    fn give_up(&mut self, at: usize) {
        let edge = &mut self.edges[at];
        // The board answers at once: what was not said by now never is.
        edge.campaign = None;
        edge.fresh = None;
    }

    fn ask(&mut self, at: usize) {
        let edge = &mut self.edges[at];
        let goes = edge.alive && edge.ready && edge.departure.stance(self.now) == Stance::Here;
        edge.under_way += usize::from(goes);
    }

    fn end(&mut self, at: usize) {
        let edge = &mut self.edges[at];
        edge.under_way = edge.under_way.saturating_sub(1);
    }

    fn begin(&mut self, at: usize) {
        self.started += 1;
        let ticket = self.started as u64;
        let edge = &mut self.edges[at];
        if edge.alive && edge.ready && edge.campaign.is_none() && edge.departure.stance(self.now) == Stance::Here {
            edge.campaign = Some(Campaign::new(ticket));
        }
    }

    /// Edges that are not late: each reads the board at least once a second, or trusts nothing.
    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        for at in 0..self.edges.len() {
            let late = self.slots[at].as_ref().is_none_or(|slot| slot.at + Duration::from_secs(1) < self.now);
            if late {
                self.exchange(at);
            }
        }
    }

    fn does(&mut self, deed: Deed) {
        match deed {
            Deed::Exchange(at) => self.exchange(at),
            Deed::Ask(at) => self.ask(at),
            Deed::End(at) => self.end(at),
            Deed::Die(at) => {
                self.edges[at].alive = false;
                self.edges[at].under_way = 0;
            }
            Deed::Start(at) if !self.edges[at].alive => {
                self.edges[at] = self.edge();
                self.exchange(at);
            }
            Deed::Start(_) => {}
            Deed::Move(at) => self.begin(at),
            Deed::GiveUp(at) => self.give_up(at),
            Deed::Wait(millis) => self.wait(millis),
        }
    }

    fn check(&self) {
        let takes_over = self.edges.iter().any(|edge| edge.alive && edge.departure.stance(self.now) == Stance::Left);
        let sends = self.edges.iter().filter(|edge| edge.alive).map(|edge| edge.under_way).sum::<usize>();
        assert!(!takes_over || sends == 0, "sessions are taken over, and {sends} requests are under way");
        let here =
            self.edges.iter().any(|edge| edge.alive && edge.ready && edge.departure.stance(self.now) == Stance::Here);
        assert!(!takes_over || !here, "one edge takes it for left, another one sends there");
    }
}

fn deeds(edges: usize) -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => (0..edges).prop_map(Deed::Exchange),
        4 => (0..edges).prop_map(Deed::Ask),
        6 => (0..edges).prop_map(Deed::End),
        1 => (0..edges).prop_map(Deed::Die),
        1 => (0..edges).prop_map(Deed::Start),
        2 => (0..edges).prop_map(Deed::Move),
        1 => (0..edges).prop_map(Deed::GiveUp),
        4 => (1_u64..900).prop_map(Deed::Wait),
    ];
    proptest::collection::vec(deed, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn nobody_sends_to_a_server_that_another_edge_takes_for_left(deeds in deeds(3)) {
        let mut model = Model::new(3);
        for deed in deeds {
            model.does(deed);
            model.check();
        }
    }
}

#[test]
fn a_server_is_left_when_all_have_let_go_of_it() {
    let mut model = Model::new(3);
    model.ask(2);
    model.begin(0);
    for _ in 0..5 {
        (0..3).for_each(|at| model.exchange(at));
        model.wait(100);
    }
    assert!(model.edges.iter().all(|edge| edge.departure.stance(model.now) == Stance::Held));
    assert!(!model.edges[0].campaign.as_ref().unwrap().progress.quiet);
    model.end(2);
    for _ in 0..4 {
        (0..3).for_each(|at| model.exchange(at));
        model.wait(100);
    }
    assert!(model.edges.iter().all(|edge| edge.departure.stance(model.now) == Stance::Left));
    assert!(model.edges[0].campaign.is_none());
}
