//! Somebody whose browser sends several requests at once, and who knows afterwards which of the updates are gone.

use crate::support::request::{self, Request};
use crate::support::response::Response;
use crate::support::standin::{self, Standin, WISHES};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Updates of a session at the same time; a page and a static file go with them.
pub const AT_ONCE: usize = 6;

/// Where the browser keeps the session's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// In a cookie, which each answer may replace.
    Cookie,
    /// In a cookie that it never lets go: a page of long ago, another tab.
    OldCookie,
    /// In the URLs of its page.
    Url,
}

/// Whether a request may go without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Each is answered.
    Answered,
    /// A server or an edge ends with requests in its hands: nobody can know whether such an update was made.
    MayBeCut,
    /// Only if it goes through this edge.
    MayBeCutAt(SocketAddr),
}

pub struct Visitor {
    name: usize,
    keeps: Keeps,
    pub id: String,
    sent: usize,
    acknowledged: Vec<String>,
    new_empty: usize,
    failed: usize,
    cut: usize,
    /// What became of what did not go well, for whoever looks for the reason.
    pub troubles: Vec<String>,
    /// How long the answers of the last burst took.
    pub took: Vec<Duration>,
}

/// What became of all updates of some visitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub acknowledged: usize,
    /// Acknowledged, and in the session that somebody is shown not any more.
    pub lost: usize,
    /// More than once in the session.
    pub doubled: usize,
    /// Answers from a new or from no session.
    pub new_empty: usize,
    /// Requests without an answer, or with another status than 200, that should have had one.
    pub failed: usize,
    /// Those that were in the hands of somebody who ended.
    pub cut: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Update,
    Look,
    Static,
}

impl Visitor {
    /// With a session that has begun at this server, on this node.
    pub fn begin(name: usize, keeps: Keeps, at: SocketAddr, node: &str) -> Visitor {
        let mut visitor = Visitor {
            name,
            keeps,
            id: String::new(),
            sent: 0,
            acknowledged: Vec::new(),
            new_empty: 0,
            failed: 0,
            cut: 0,
            troubles: Vec::new(),
            took: Vec::new(),
        };
        let answer = request::get("/url").header(WISHES, node).send(at);
        let json = answer.json();
        let encoded = json["encoded"].as_str().unwrap_or_default();
        visitor.id = encoded.split_once(";jsessionid=").map(|(_, id)| id.to_string()).unwrap_or_default();
        assert!(visitor.id.contains(&format!("-{node}")), "{:?} is not on {node}: {answer}", visitor.id);
        let answer = visitor.request(Kind::Update, 0).try_send(at).map_err(|failure| failure.to_string());
        visitor.sent = 1;
        visitor.note(Kind::Update, 0, at, answer, Fate::Answered);
        visitor
    }

    /// Updates and more at the same time, one after the other to each of these edges.
    pub fn burst(&mut self, edges: &[SocketAddr], fate: Fate) {
        let kinds: Vec<Kind> = [Kind::Static, Kind::Look].into_iter().chain([Kind::Update; AT_ONCE]).collect();
        let first = self.sent;
        self.sent += kinds.len();
        let start = Barrier::new(kinds.len());
        let answers: Vec<_> = std::thread::scope(|scope| {
            let ask = |(at, kind): (usize, &Kind)| {
                let (request, to) = (self.request(*kind, first + at), edges[(self.name + at) % edges.len()]);
                let (start, kind) = (&start, *kind);
                scope.spawn(move || {
                    start.wait();
                    let begun = Instant::now();
                    let answer = request.try_send(to).map_err(|failure| failure.to_string());
                    (at, kind, to, answer, begun.elapsed())
                })
            };
            let threads: Vec<_> = kinds.iter().enumerate().map(ask).collect();
            threads.into_iter().map(|thread| thread.join().expect("a client does not panic")).collect()
        });
        self.took.clear();
        let mut newest = None;
        for (at, kind, to, answer, took) in answers {
            self.took.push(took);
            newest = self.note(kind, first + at, to, answer, fate).or(newest);
        }
        if let (Keeps::Cookie, Some(id)) = (self.keeps, newest) {
            self.id = id;
        }
    }

    fn request(&self, kind: Kind, at: usize) -> Request {
        let parameter = match self.keeps {
            Keeps::Url => format!(";jsessionid={}", self.id),
            _ => String::new(),
        };
        let request = match kind {
            Kind::Update => request::post(&format!("/count{parameter}?token={}", self.token(at)), ""),
            Kind::Look => request::get(&format!("/get{parameter}")),
            Kind::Static => request::get("/style.css"),
        };
        match self.keeps {
            Keeps::Url => request,
            _ => request.header("Cookie", &format!("JSESSIONID={}", self.id)),
        }
    }

    fn token(&self, at: usize) -> String {
        format!("{}-{at}", self.name)
    }

    /// The id that the answer gives.
    fn note(
        &mut self,
        kind: Kind,
        at: usize,
        to: SocketAddr,
        answer: Result<Response, String>,
        fate: Fate,
    ) -> Option<String> {
        let answer = match answer {
            Ok(answer) if answer.status() == 200 => answer,
            other => {
                match fate {
                    Fate::MayBeCut => self.cut += 1,
                    Fate::MayBeCutAt(edge) if edge == to => self.cut += 1,
                    _ => self.failed += 1,
                }
                let told = other.map_or_else(|why| why, |answer| answer.status().to_string());
                self.troubles.push(format!("{} of {} through {to}: {told}", self.token(at), self.id));
                return None;
            }
        };
        if kind == Kind::Static {
            return None;
        }
        let json = answer.json();
        let is_empty = match kind {
            Kind::Update => json["counter"] == 1 && at > 0,
            _ => json["session"].is_null(),
        };
        if kind == Kind::Update {
            self.acknowledged.push(self.token(at));
        }
        if is_empty {
            self.new_empty += 1;
            self.troubles.push(format!("{} of {} through {to}: a new session: {json}", self.token(at), self.id));
            return None;
        }
        standin::new_id(&answer)
    }

    /// What the session holds, as each of these edges shows it.
    pub fn tally(&mut self, edges: &[SocketAddr]) -> Tally {
        let shown: Vec<HashMap<String, usize>> = edges.iter().map(|edge| self.tokens(*edge)).collect();
        let times = |held: &HashMap<String, usize>, token: &String| held.get(token).copied().unwrap_or(0);
        let any = |token: &String, wrong: fn(usize) -> bool| shown.iter().any(|held| wrong(times(held, token)));
        let lost: Vec<String> =
            self.acknowledged.iter().filter(|token| any(token, |times| times == 0)).cloned().collect();
        let doubled = self.acknowledged.iter().filter(|token| any(token, |times| times > 1)).count();
        if !lost.is_empty() {
            let held: Vec<usize> = shown.iter().map(HashMap::len).collect();
            self.troubles.push(format!("{} has lost {lost:?}; the edges show {held:?}", self.id));
        }
        Tally {
            acknowledged: self.acknowledged.len(),
            lost: lost.len(),
            doubled,
            new_empty: self.new_empty,
            failed: self.failed,
            cut: self.cut,
        }
    }

    /// How many updates it was told of.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// How many of those it was told of since are in no copy of the session that it had then, whoever could still be shown it: at
    /// each of these servers under the id of then, the one the server would give it, and the one of now. The fullest copy counts.
    pub fn lost_since(&self, (known, then): &(usize, String), servers: &[Standin]) -> usize {
        let base = then.rsplit_once('.').map_or(then.as_str(), |(base, _)| base);
        let copies = servers.iter().flat_map(|server| {
            let given = format!("{base}.{}", server.name);
            [given, then.clone(), self.id.clone()].map(|id| self.tokens_of(server.address(), &id))
        });
        let is_lost = |held: &HashMap<String, usize>, token: &String| !held.contains_key(token);
        let lost = copies.map(|held| self.acknowledged[*known..].iter().filter(|token| is_lost(&held, token)).count());
        lost.min().unwrap_or_default()
    }

    fn tokens(&self, edge: SocketAddr) -> HashMap<String, usize> {
        self.tokens_of(edge, &self.id)
    }

    fn tokens_of(&self, edge: SocketAddr, id: &str) -> HashMap<String, usize> {
        let request = match self.keeps {
            Keeps::Url => request::get(&format!("/tokens;jsessionid={id}")),
            _ => request::get("/tokens").header("Cookie", &format!("JSESSIONID={id}")),
        };
        let mut held = HashMap::new();
        let Ok(answer) = request.try_send(edge) else { return held };
        if answer.status() != 200 {
            return held;
        }
        for token in answer.json()["tokens"].as_array().into_iter().flatten() {
            *held.entry(token.as_str().unwrap_or_default().to_string()).or_default() += 1;
        }
        held
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.new_empty += other.new_empty;
        self.failed += other.failed;
        self.cut += other.cut;
    }
}
