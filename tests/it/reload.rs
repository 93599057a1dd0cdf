//! The proof that a reload costs nobody anything: connections of all kinds, a reload every moment, and every answer
//! and every connection's end accounted for.
//!
//! What a single reload does is `process/reload.rs`'s to test. With `EDGE_TEST_LONG=1` there are a hundred reloads a
//! round, which take a minute.

mod certificates;
mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::process::{reload, reload_in_vain};
use crate::support::client::{self, Client};
use crate::support::edge::Edge;
use crate::support::load::watch::Watch;
use crate::support::load::{Load, Question, Running, Seen, Turn, origin};
use crate::support::{is_long, ports, request, wait};
use steps::{Places, STEPS, State, Step};

const SOON: Duration = Duration::from_secs(10);

/// Between the beginnings of two reloads.
const PERIOD: Duration = Duration::from_millis(450);

/// By so much the memory may be larger after a second round than after the first.
const GROWTH: usize = 4 * 1024;

/// Which configurations may answer: not one older than that in force when the request began, nor one that has not been
/// written yet; and on each connection never an older one than before.
pub struct Clock {
    in_force: AtomicUsize,
    begun: AtomicUsize,
    last: Vec<AtomicUsize>,
}

impl Clock {
    fn start(connections: usize) -> Arc<Clock> {
        let last = (0..connections).map(|_| AtomicUsize::new(0)).collect();
        Arc::new(Clock { in_force: AtomicUsize::new(0), begun: AtomicUsize::new(0), last })
    }

    pub fn now(&self) -> usize {
        self.in_force.load(Ordering::SeqCst)
    }

    /// The configurations that may be in force for what began when `since` was.
    pub fn range(&self, since: usize) -> std::ops::RangeInclusive<usize> {
        since..=self.begun.load(Ordering::SeqCst)
    }

    /// Which configuration an answer is from.
    pub fn check(&self, connection: usize, since: usize, seen: &Seen) -> Result<usize, String> {
        let value = seen.answer.header("x-turn").ok_or("no X-Turn")?;
        let turn: usize = value.parse().map_err(|_| format!("X-Turn {value:?}"))?;
        let range = self.range(since);
        if !range.contains(&turn) {
            return Err(format!("configuration {turn} answered, where {range:?} could be in force"));
        }
        let before = self.last[connection].fetch_max(turn, Ordering::SeqCst);
        if turn < before {
            return Err(format!("configuration {turn} answered on a connection on which {before} had"));
        }
        Ok(turn)
    }
}

/// What the connections ask in turn: an answer of edge's own, one of the origin's, and one whose route moves.
fn question(clock: &Arc<Clock>, turn: Turn) -> Question {
    let (clock, since, number) = (clock.clone(), clock.now(), turn.count % 100);
    let target = match turn.count % 3 {
        0 => "/own".to_string(),
        1 => format!("/item/{number}"),
        _ => format!("/moving/{number}"),
    };
    Question::get(&target).checking(move |seen| {
        let of = clock.check(turn.connection, since, seen)?;
        let is_own = match turn.count % 3 {
            0 => true,
            1 => false,
            _ => steps::moves(of),
        };
        let expected = if is_own { steps::own(of).into_bytes() } else { origin::item(number) };
        let told = seen.answer.header("x-seen").map(str::to_owned);
        match (seen.answer.status(), seen.answer.body == expected, told) {
            (200, true, None) if is_own => Ok(()),
            (200, true, Some(told)) if told == of.to_string() => Ok(()),
            _ => Err(format!("not the answer of configuration {of} alone")),
        }
    })
}

fn load(places: &Places, connections: usize, pause: Duration) -> (Running, Arc<Clock>) {
    let clock = Clock::start(connections);
    let asked = clock.clone();
    let load = Load::to(ports::local(places.stays)).connections(connections).resting(pause);
    (load.asking(move |turn| question(&asked, turn)).start(), clock)
}

/// Connections to a listener that has come and will go.
struct Guests {
    load: Running,
    idle: Client,
}

impl Guests {
    fn arrive(port: u16, turn: usize) -> Guests {
        let load = Load::to(ports::local(port)).connections(5).ending_when_told();
        let load = load.asking(|_| Question::get("/").expecting(200, "coming")).start();
        load.wait_round();
        let mut idle = Client::connect(ports::local(port));
        let answer = idle.ask(&request::get("/")).expect("an answer of the new listener");
        assert_eq!((answer.text().as_str(), answer.header("x-turn")), ("coming", Some(turn.to_string().as_str())));
        Guests { load, idle }
    }

    /// Their listener has gone with the configuration after `turn`: each is answered once more and told to go.
    fn leave(mut self, turn: usize) {
        let last = self.idle.ask(&request::get("/")).expect("an answer although the listener is gone");
        assert_eq!(last.header("connection"), Some("close"), "{last}");
        assert_eq!((last.text().as_str(), last.header("x-turn")), ("coming", Some(turn.to_string().as_str())));
        assert!(self.idle.wait_closed(SOON) && self.idle.left_over().is_empty());
        assert!(wait::until(SOON, || self.load.is_over().then_some(())).is_some(), "{}", self.load.so_far());
        let report = self.load.finish();
        report.assert_clean();
        assert_eq!((report.opened, report.announced), (5, 5), "{report}");
    }
}

/// The edge, and who is connected to it.
struct Stage {
    edge: Edge,
    state: State,
    clocks: Vec<Arc<Clock>>,
    guests: Option<Guests>,
}

impl Stage {
    fn tell(&self, counter: impl Fn(&Clock) -> &AtomicUsize) {
        self.clocks.iter().for_each(|clock| counter(clock).store(self.state.turn, Ordering::SeqCst));
    }

    fn take(&mut self, step: Step) {
        if let Some(broken) = self.state.broken_by(step) {
            reload_in_vain(&self.edge, &broken.configuration);
            let errors = self.edge.errors();
            assert!(errors.contains(&broken.told), "{step:?}: {:?} is not told:\n{errors}", broken.told);
        } else {
            let before = self.state.turn;
            self.state.take(step);
            self.tell(|clock| &clock.begun);
            reload(&self.edge, &self.state.configuration());
            self.tell(|clock| &clock.in_force);
            match step {
                Step::Add => self.guests = Some(Guests::arrive(self.state.places.comes, self.state.turn)),
                Step::Remove => self.guests.take().expect("it was added before").leave(before),
                _ => {}
            }
        }
        let answer = client::get(self.edge.address(), "/own");
        assert_eq!(answer.text(), steps::own(self.state.turn), "after {step:?}");
    }

    /// Every step so many times, one each period.
    fn round(&mut self, rotations: usize) {
        let began = Instant::now();
        for (number, step) in (0..rotations).flat_map(|_| STEPS).enumerate() {
            let due = began + PERIOD * number as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.take(step);
        }
    }
}

#[test]
fn reloads_under_load_fail_no_request_and_close_no_connection() {
    let rotations = if is_long() { 10 } else { 2 };
    let origins = [origin::start(), origin::start()];
    let taken = std::net::TcpListener::bind(ports::local(ports::free())).unwrap();
    let places = Places {
        stays: ports::free(),
        comes: ports::free(),
        taken: taken.local_addr().unwrap().port(),
        origins: [origins[0].address(), origins[1].address()],
    };
    let state = State::first(places);
    let edge = Edge::yaml(&state.configuration(), places.stays).start();

    let (to, before) = (edge.address(), edge.resident_memory());
    // As fast as answers come only where there is time: other tests run beside this one.
    let quick = if is_long() { 0 } else { 10 };
    let loads = [(10, quick), (35, 50), (5, 2_000)].map(|(connections, pause)| {
        let (load, clock) = load(&places, connections, Duration::from_millis(pause));
        (connections, load, clock)
    });
    let (events, socket) = (Watch::events(to, None, "/events"), Watch::websocket(to, None, "/ws"));
    let clocks = loads.iter().map(|(_, _, clock)| clock.clone()).collect();
    let mut stage = Stage { edge, state, clocks, guests: None };

    stage.round(rotations);
    let first = stage.edge.resident_memory();
    stage.round(rotations);
    let second = stage.edge.resident_memory();

    for (connections, load, _) in loads {
        load.wait_round();
        let report = load.finish();
        eprintln!("{report}");
        report.assert_untouched(connections);
    }
    let seconds = (PERIOD * 2 * (rotations * STEPS.len()) as u32).as_secs() as usize;
    for (watch, what) in [(events, "events"), (socket, "messages of the websocket")] {
        let count = watch.finish().unwrap_or_else(|failure| panic!("{failure}"));
        assert!(count > 5 * seconds, "{count} {what} in more than {seconds} seconds");
    }
    eprintln!("memory: {before} KiB before, {first} KiB after the first round, {second} KiB after the second");
    assert!(second < first + GROWTH, "memory grew from {first} KiB to {second} KiB");
    let errors = stage.edge.errors();
    assert!(!["panicked", "[alert]", "[crit]", "[emerg]"].iter().any(|word| errors.contains(word)), "{errors}");
}
