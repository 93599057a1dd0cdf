//! The task of an upstream: hears what its eyes see, exchanges it with the board, and publishes what follows.
//!
//! The board is read once a second, and at once when this edge sees something new; while others are asked about a server that
//! refuses, after 20 ms, 40 ms and so on. One exchange runs at a time, and nothing waits for it: what is seen meanwhile is
//! decided by what is known. While sessions are moved off a server the board is read each 100 ms.

use super::board::{Board, Heard, Said};
use super::departing::Departing;
use super::life::{Hearsay, Life, Sight, State};
use super::random;
use super::shared::Shared;
use super::slot::Word;
use super::watch::Seen;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

const FIRST_POLL: Duration = Duration::from_millis(20);
/// Everybody waits for what the others say.
const MOVING_POLL: Duration = Duration::from_millis(100);
/// Nothing is to be decided: look at the clock now and then all the same.
const IDLE: Duration = Duration::from_secs(1);

pub struct Rounds {
    shared: Arc<Shared>,
    board: Arc<Board>,
    lives: Vec<Life>,
    departing: Departing,
    seen: mpsc::Receiver<Seen>,
    /// When the board is read next.
    due: Instant,
    poll: Duration,
    /// Somebody may wait for what was just seen.
    news: bool,
    /// What was said with the exchange that runs, or ran last.
    said: Said,
    began: Instant,
}

type Exchange = Pin<Box<dyn Future<Output = Heard> + Send>>;

impl Rounds {
    pub fn new(shared: Arc<Shared>, board: Arc<Board>, seen: mpsc::Receiver<Seen>) -> Rounds {
        let (now, settings) = (Instant::now(), &shared.settings);
        let life = |_: &_| Life::new(settings.fence, settings.board_every, settings.question.tells_instance(), now);
        let lives = shared.servers.iter().map(life).collect();
        Rounds {
            lives,
            departing: Departing::new(&shared),
            board,
            seen,
            due: now,
            poll: FIRST_POLL,
            news: false,
            said: Said::default(),
            began: now,
            shared,
        }
    }

    /// Goes on until it is told to stop; then takes back what this edge has said.
    pub async fn keep(mut self, mut stop: watch::Receiver<()>) {
        let mut exchange: Option<Exchange> = None;
        loop {
            let now = Instant::now();
            if exchange.is_none() && self.due <= now {
                exchange = Some(self.begin(now));
            }
            let wake = self.wake(now, exchange.is_some());
            let mut line = None;
            tokio::select! {
                seen = self.seen.recv() => match seen {
                    Some(mut seen) => {
                        line = seen.line.take().map(|line| (seen.server, line));
                        self.see(seen);
                    }
                    None => break,
                },
                heard = ended(&mut exchange) => {
                    exchange = None;
                    self.hear(heard);
                }
                () = sleep_until(wake.into()) => {
                    let now = Instant::now();
                    self.lives.iter_mut().for_each(|life| life.tick(now));
                }
                () = self.shared.urge.notified() => self.due = Instant::now(),
                _ = stop.changed() => break,
            }
            self.publish();
            if let Some((server, line)) = line {
                self.shared.cells[server].watch(line);
            }
        }
        let _ = timeout(Duration::from_secs(1), self.board.leave()).await;
    }

    fn wake(&self, now: Instant, exchanging: bool) -> Instant {
        let decisions = self.lives.iter().filter_map(|life| life.deadline(now));
        let due = (!exchanging).then_some(self.due);
        decisions.chain(self.departing.deadline(now)).chain(due).min().unwrap_or(now + IDLE)
    }

    fn see(&mut self, seen: Seen) {
        let (now, Some(life)) = (Instant::now(), self.lives.get_mut(seen.server)) else {
            return;
        };
        if seen.interrupted {
            life.interrupted(now);
            self.due = now;
        }
        if let Some(sight) = seen.sight {
            life.see(sight, seen.token, now);
        }
        self.shared.cells[seen.server].looked.fetch_max(seen.look, Ordering::AcqRel);
        self.news = true;
    }

    fn begin(&mut self, now: Instant) -> Exchange {
        self.said = Said { notes: self.departing.notes(&self.shared, now), ..self.words(now) };
        self.began = now;
        let asking = self.lives.iter().any(|life| life.is_asking(now));
        let pause = match asking {
            true => self.poll,
            false if self.departing.is_under_way() => MOVING_POLL,
            false => self.shared.settings.board_every.mul_f64(0.9 + 0.1 * random()),
        };
        self.poll = if asking { self.poll * 2 } else { FIRST_POLL };
        self.due = now + pause;
        Box::pin(self.board.clone().exchange(self.said.clone()))
    }

    /// What this edge says. If it reaches no server at all it is cut off itself, and accuses and counts none.
    fn words(&self, now: Instant) -> Said {
        let sees = self.lives.iter().any(|life| life.sight() == Sight::Up);
        let word = |life: &Life| match life.word(now) {
            word if word.accuses() && !sees => Word::Nothing,
            word => word,
        };
        Said {
            words: self.lives.iter().map(word).collect(),
            counts: self.lives.iter().map(|life| life.count().filter(|_| sees)).collect(),
            moved: self.shared.own_marks(now),
            notes: Vec::new(),
            away: self.departing.away(),
            fresh: self.departing.fresh(now),
        }
    }

    fn hear(&mut self, heard: Heard) {
        let now = Instant::now();
        for (at, (life, server)) in self.lives.iter_mut().zip(&self.shared.servers).enumerate() {
            let words = || heard.others.iter().map(|slot| slot.word(&server.name));
            let published = self.said.words.get(at).copied().filter(|_| heard.stored);
            let hearsay = Hearsay {
                began: self.began,
                board: heard.board,
                others: !heard.others.is_empty(),
                up: words().any(|word| word == Word::Up),
                accused: words().any(Word::accuses),
                count: heard.counts.get(at).copied().flatten(),
                published: published.unwrap_or(Word::Nothing),
            };
            life.hear(hearsay, now);
        }
        self.news |= self.shared.hear(&heard.moved, self.began, now);
        let instances: Vec<u64> = self.lives.iter().map(Life::instance).collect();
        self.departing.hear(&self.shared, &self.board, &heard, &instances, self.began, now);
    }

    fn publish(&mut self) {
        let now = Instant::now();
        let mut changed = false;
        // Whoever reads that it is up reads this as well.
        for (life, notice) in self.lives.iter().zip(&self.shared.notices) {
            notice.uncounted.store(life.is_uncounted(), Ordering::Release);
        }
        for ((life, server), cell) in self.lives.iter().zip(&self.shared.servers).zip(&self.shared.cells) {
            let restarted = life.restarted().map_or(0, |at| self.shared.epoch.mark(at));
            let before = cell.state();
            changed |=
                cell.publish(life.state(), life.instance(), restarted, life.is_open(now), self.shared.epoch.mark(now));
            if before != life.state() {
                tell(&self.shared.upstream, &server.name, before, life.state());
            }
        }
        changed |= self.departing.publish(&self.shared, &self.lives, now);
        let said = self.words(now);
        if said.words != self.said.words
            || said.counts != self.said.counts
            || said.fresh != self.said.fresh
            || self
                .lives
                .iter()
                .any(|life| life.wants_news(now) && life.sight() != Sight::Unknown && !self.covers(life, now))
        {
            self.due = now;
        }
        if changed | std::mem::take(&mut self.news) {
            self.shared.changes.send_modify(|turn| *turn += 1);
        }
    }

    /// Whether the exchange that runs will say what this life wants to hear.
    fn covers(&self, life: &Life, now: Instant) -> bool {
        life.news_since(now) <= self.began
    }
}

/// Never, if none runs.
async fn ended(exchange: &mut Option<Exchange>) -> Heard {
    match exchange {
        Some(exchange) => exchange.await,
        None => std::future::pending().await,
    }
}

fn tell(upstream: &str, server: &str, before: State, now: State) {
    let what = match (before, now) {
        (State::Unknown, State::Up) | (_, State::Unknown) => return,
        (_, State::Up) => {
            log::info!(target: "edge::notice", "session server {server} of {upstream} is up");
            return;
        }
        (_, State::Suspect) => "is suspect: nothing is sent there until it is known whether it lives",
        (_, State::Fenced) => "is given up: it may live, but this edge or another one cannot reach it",
        (_, State::Dead) => "is dead: its port refuses connections",
    };
    log::warn!("session server {server} of {upstream} {what}");
}
