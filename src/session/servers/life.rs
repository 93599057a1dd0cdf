//! One server, decided: from what this edge sees and what others say follows whether it is used, given up, or waited for.
//! No clock, no socket: each moment is passed in.
//!
//! ```text
//!   it answers, nobody accuses it            Up
//!   it does not answer, or another edge      Suspect: nobody sends there; once all may know of it and `fence` is over: Fenced,
//!     says so                                 which is given up with its instance unchanged, because its copies live
//!   it refuses, and no edge sees it up        Dead: its instance has ended
//!   it refuses, another edge sees it up       Suspect, while that other one looks; after `ASKING` as if it did not answer
//!   it answers again                          as it was, until the board was read after that; if it was Dead, Suspect
//!   nobody accuses it any more, and an edge   Suspect for as long as each edge takes to read the board, then the board once more:
//!     may have given it up                     until then others may take its sessions, and this one must know which
//! ```

use super::count::Count;
use super::slot::Word;
use std::time::{Duration, Instant};

/// What is known of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was not looked at yet.
    Unknown,
    Up,
    /// Nothing is sent there, and nothing of it may be taken over yet: wait.
    Suspect,
    /// Given up; it may live, with its old copies of sessions.
    Fenced,
    Dead,
}

/// What this edge sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Unknown,
    /// It answers, or did until less than `suspect_after` ago.
    Up,
    /// Nobody listens there.
    Refused,
    /// It cannot be connected to, or accepts connections and does not answer.
    Silent,
}

/// What one reading of the board said of it.
#[derive(Clone, Copy, Debug)]
pub struct Hearsay {
    /// When the reading began: what was seen before that, the others could know.
    pub began: Instant,
    /// Whether any node answered.
    pub board: bool,
    /// Whether there are other edges.
    pub others: bool,
    /// Another edge sees it up.
    pub up: bool,
    /// Another edge says that nobody may send there.
    pub accused: bool,
    pub count: Option<Count>,
    /// What this edge's own slot says since then.
    pub published: Word,
}

/// For so long other edges may still notice what this one has.
pub const ASKING: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub struct Life {
    fence: Duration,
    /// So often each edge reads the board.
    period: Duration,
    /// The server says which instance it is; then being refused tells nothing of it.
    tells_instance: bool,
    sight: Sight,
    since: Instant,
    hearsay: Option<Hearsay>,
    /// Since when all edges may know that nothing is to be sent there.
    fenced_since: Option<Instant>,
    /// Since when nobody accuses it, of one that was accused: all edges are to read that.
    cleared: Option<Instant>,
    state: State,
    count: Option<Count>,
    token: Option<u64>,
    /// It was refused since it was last up, and which instance it was then: it may have been restarted, whatever others say.
    away: Option<u64>,
    /// It was dead since then.
    died: bool,
    restarted: Option<Instant>,
    returned: Option<Instant>,
    /// That was, or may have been, a restart which no edge has counted.
    uncounted: bool,
}

impl Life {
    pub fn new(fence: Duration, period: Duration, tells_instance: bool, now: Instant) -> Life {
        Life {
            fence,
            period,
            tells_instance,
            sight: Sight::Unknown,
            since: now,
            hearsay: None,
            fenced_since: None,
            cleared: None,
            state: State::Unknown,
            count: None,
            token: None,
            away: None,
            died: false,
            restarted: None,
            returned: None,
            uncounted: false,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn sight(&self) -> Sight {
        self.sight
    }

    pub fn count(&self) -> Option<Count> {
        self.count
    }

    pub fn instance(&self) -> u64 {
        self.count.unwrap_or(Count::FIRST).instance()
    }

    /// When it was, or may have been, restarted under this edge's eyes.
    pub fn restarted(&self) -> Option<Instant> {
        self.restarted
    }

    /// When it answered again after it had refused this edge, whoever else saw it meanwhile.
    pub fn returned(&self) -> Option<Instant> {
        self.returned
    }

    /// Whether it may be another process than the one that is counted: it was away for too short a time.
    pub fn is_uncounted(&self) -> bool {
        self.uncounted
    }

    pub fn see(&mut self, sight: Sight, token: Option<u64>, now: Instant) {
        if self.sight != sight {
            (self.sight, self.since, self.cleared) = (sight, now, None);
        }
        if sight == Sight::Refused {
            (self.away, self.token) = (self.away.or(Some(self.instance())), None);
        }
        if let Some(token) = token {
            self.token = Some(token);
        }
        self.decide(now);
        // Once it is up, a new instance tells of itself.
        if let (Some(token), Some(count), State::Up) = (token, self.count, self.state) {
            self.learn(count.told(token), now);
            self.uncounted = false;
        }
    }

    /// The connection was closed without a word, and opened again at once: perhaps another process answers now.
    pub fn interrupted(&mut self, now: Instant) {
        self.restarted = Some(now);
        self.doubt();
    }

    /// Whoever reads the board is to know that as well.
    fn doubt(&mut self) {
        self.uncounted = true;
        self.count = self.count.map(Count::doubt);
    }

    pub fn hear(&mut self, hearsay: Hearsay, now: Instant) {
        if let Some(count) = hearsay.count {
            self.learn(count, now);
        }
        self.hearsay = Some(hearsay);
        if !hearsay.board || hearsay.accused || hearsay.published.accuses() {
            let suspicious = self.sight != Sight::Up || hearsay.accused;
            self.fenced_since = self.fenced_since.or(suspicious.then_some(now));
        }
        self.decide(now);
    }

    pub fn tick(&mut self, now: Instant) {
        self.decide(now);
    }

    /// What this edge says of it.
    pub fn word(&self, now: Instant) -> Word {
        match (self.sight, self.state) {
            (Sight::Up, _) => Word::Up,
            (Sight::Unknown, _) => Word::Nothing,
            (_, State::Dead) => Word::Dead,
            _ if self.is_asking(now) => Word::Nothing,
            _ => Word::Suspect,
        }
    }

    /// It refuses, and others are asked what they see.
    pub fn is_asking(&self, now: Instant) -> bool {
        // What was said before is not taken back meanwhile.
        let fresh = self.sight == Sight::Refused && self.state == State::Suspect && self.fenced_since.is_none();
        fresh && now < self.since + ASKING
    }

    /// Whether the board has to be read, because what is seen now is newer than what was heard.
    pub fn wants_news(&self, now: Instant) -> bool {
        self.hearsay.is_none_or(|heard| heard.began < self.news_since(now))
    }

    /// What is heard has to be no older.
    pub fn news_since(&self, now: Instant) -> Instant {
        let cleared = self.cleared.map(|cleared| cleared + self.period).filter(|over| *over <= now);
        cleared.map_or(self.since, |over| over.max(self.since))
    }

    /// Whether a decision is only a moment away.
    pub fn is_open(&self, now: Instant) -> bool {
        self.is_asking(now) || (self.sight != Sight::Unknown && self.wants_news(now) && self.state != State::Dead)
    }

    /// When time alone changes something.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let asked = (self.sight == Sight::Refused).then_some(self.since + ASKING);
        let fenced = self.fenced_since.map(|since| since + self.fence);
        let cleared = self.cleared.map(|cleared| cleared + self.period);
        [asked, fenced, cleared].into_iter().flatten().filter(|at| *at > now).min()
    }

    fn decide(&mut self, now: Instant) {
        self.state = match self.sight {
            Sight::Unknown => State::Unknown,
            Sight::Up => self.living(now),
            _ if self.state == State::Dead => State::Dead,
            Sight::Refused if self.is_agreed() => self.dead(),
            Sight::Refused if now < self.since + ASKING && self.state != State::Fenced => State::Suspect,
            Sight::Refused | Sight::Silent => self.given_up(now),
        };
    }

    /// Nobody contradicts that it is dead.
    fn is_agreed(&self) -> bool {
        self.hearsay.is_some_and(|heard| !heard.board || !heard.others || (heard.began >= self.since && !heard.up))
    }

    fn dead(&mut self) -> State {
        let count = self.count.unwrap_or(Count::FIRST);
        self.count = Some(if self.tells_instance { count } else { count.died() });
        (self.fenced_since, self.died) = (None, true);
        State::Dead
    }

    fn given_up(&self, now: Instant) -> State {
        match self.fenced_since.is_some_and(|since| since + self.fence <= now) {
            true => State::Fenced,
            false => State::Suspect,
        }
    }

    fn living(&mut self, now: Instant) -> State {
        let told = !self.tells_instance || self.token.is_some();
        match self.hearsay {
            Some(heard) if heard.began >= self.since && told => match heard.accused {
                true => {
                    self.cleared = None;
                    self.given_up(now)
                }
                false => self.come_back(heard, now),
            },
            // Others may use it as soon as they hear that it is up here: nothing is taken from it any more.
            _ if told && self.state == State::Dead => {
                // Who still takes it for dead has the whole fence to see it, too.
                self.fenced_since = None;
                State::Suspect
            }
            _ => self.state,
        }
    }

    /// Nobody accuses it. An edge that has not read that yet may still give it up, or take sessions from it.
    fn come_back(&mut self, heard: Hearsay, now: Instant) -> State {
        // Others hear that it is over up to a period later. They heard of it up to a period before this edge; but of one that
        // was dead for all nobody has heard before it was there again.
        let ahead = if self.died { self.period } else { 2 * self.period };
        let given_up = |since: Instant| since + self.fence <= now + ahead;
        let is_safe = !heard.board || !heard.others || !self.fenced_since.is_some_and(given_up);
        let cleared = *self.cleared.get_or_insert(now);
        match is_safe || heard.began >= cleared + self.period {
            true => self.arrive(self.state, now),
            false => State::Suspect,
        }
    }

    fn arrive(&mut self, before: State, now: Instant) -> State {
        let known = self.count.unwrap_or(Count::FIRST);
        let count = match self.token {
            Some(token) if before != State::Up => known.told(token),
            _ => known.back(),
        };
        self.learn(count, now);
        // At the start nothing was served there that it could have forgotten.
        if let Some(instance) = self.away.filter(|_| before != State::Unknown) {
            (self.restarted, self.returned) = (Some(now), Some(now));
            if self.instance() == instance && self.token.is_none() {
                self.doubt();
            }
        }
        (self.away, self.died, self.fenced_since, self.cleared) = (None, false, None, None);
        State::Up
    }

    /// At first as well: of sessions that were looked at since it was started, this edge knows none.
    fn learn(&mut self, count: Count, now: Instant) {
        let known = self.count.unwrap_or(Count::FIRST);
        self.count = Some(known.max(count));
        if known.instance() < count.instance() {
            self.restarted = Some(now);
            self.uncounted = count.is_doubted();
        } else if known.instance() == count.instance() && count.is_doubted() && !self.uncounted {
            self.restarted.get_or_insert(now);
            self.uncounted = true;
        }
    }
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
