//! What an operator asks of a server: to be left by its sessions, and to be taken back. The task of the upstream does it
//! ([`super::rounds`]); here it is asked for and waited for.

use super::campaign::{Edge, Progress};
use super::departure::Stance;
use super::{Moved, Servers, State, random_word};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch as channel;
use tokio::time::{sleep, timeout};

/// How long what is under way is waited for after it was cut off.
const CUT: Duration = Duration::from_secs(5);
/// How long the board may stay away.
const BOARD: Duration = Duration::from_secs(3);
/// How long an edge may be away that was there: a busy one comes back.
const SILENT: Duration = Duration::from_secs(2);
/// How long whoever asked waits until all is as it was.
const UNDONE: Duration = Duration::from_secs(3);

/// Who knows what is under way to servers.
pub trait Traffic: Send + Sync {
    /// Requests that were sent to a server, or are about to be, and have not ended. `cut`: whose connections are to be ended.
    fn under_way(&self, server: usize, cut: bool) -> usize;
}

/// What is asked of one server.
#[derive(Debug, Default)]
pub struct Desk {
    order: Mutex<Option<Order>>,
    /// It is to be taken back.
    pub back: AtomicBool,
    pub progress: channel::Sender<Progress>,
}

#[derive(Clone, Copy, Debug)]
pub struct Order {
    pub ticket: u64,
    pub until: Instant,
    pub force: bool,
    pub cut: bool,
    /// All edges know that sessions of it are moved: it may be left.
    pub marked: bool,
    /// Nobody wants it any more.
    pub ends: bool,
}

impl Desk {
    pub fn order(&self) -> Option<Order> {
        *self.locked()
    }

    pub fn forget(&self, ticket: u64) {
        self.locked().take_if(|order| order.ticket == ticket);
    }

    /// Nothing if there is one.
    fn open(&self, order: Order) -> bool {
        let mut desk = self.locked();
        let free = desk.is_none();
        if free {
            *desk = Some(order);
            self.progress.send_replace(Progress::default());
        }
        free
    }

    fn change(&self, ticket: u64, change: impl FnOnce(&mut Order)) {
        if let Some(order) = self.locked().as_mut().filter(|order| order.ticket == ticket) {
            change(order);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Option<Order>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a server was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departed {
    /// It was so already.
    Before,
    /// Its process has ended, and its sessions move as ever.
    Ended,
    /// These edges have let it go.
    Left { edges: Vec<Edge>, after: Duration },
}

/// Why it was not, and all is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    #[error("it is not known whether it lives: wait until it answers or is given up")]
    Doubtful,
    #[error("no other server is up that could take its sessions")]
    Alone,
    #[error("its sessions are being moved already: wait for the end of that")]
    Rival,
    #[error("no memcached of the store answers, by which edges agree")]
    NoBoard,
    #[error("more edges share the session store than can hear each other")]
    Full,
    #[error("{} does not speak any more: if it has ended, ask once more; if it lives, it may go on sending requests there", names(.0))]
    Gone(Vec<Edge>),
    #[error("{} does not say that it sends nothing there", names(.0))]
    Silent(Vec<Edge>),
    #[error("requests are still under way: {}; wait for longer with `--timeout`, or cut them off with `--force`", counts(.0))]
    UnderWay(Vec<Edge>),
}

fn names(edges: &[Edge]) -> String {
    let names: Vec<&str> = edges.iter().map(|edge| edge.who.as_str()).collect();
    format!("{} {}", if names.len() == 1 { "the edge" } else { "each of the edges" }, names.join(", "))
}

fn counts(edges: &[Edge]) -> String {
    let count = |edge: &Edge| format!("{} at the edge {}", edge.under_way.unwrap_or_default(), edge.who);
    edges.iter().map(count).collect::<Vec<_>>().join(", ")
}

/// Takes the order back, whatever ends it.
struct Held<'s> {
    servers: &'s Servers,
    server: usize,
    ticket: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let shared = &self.servers.shared;
        shared.desks[self.server].change(self.ticket, |order| order.ends = true);
        shared.urge.notify_one();
    }
}

impl Servers {
    /// Who counts what is under way. Without one nothing ever is.
    pub fn attend(&self, traffic: Weak<dyn Traffic>) {
        // Said twice, the first one stays.
        let _ = self.shared.traffic.set(traffic);
    }

    pub fn stance(&self, server: usize) -> Stance {
        self.shared.notices.get(server).map_or(Stance::Here, |notice| notice.stance())
    }

    /// Grows with each change of [`Servers::stance`]; to be asked before a request is decided, and again once it is counted.
    pub fn turn(&self, server: usize) -> u64 {
        self.shared.notices.get(server).map_or(0, |notice| notice.turn())
    }

    /// How much longer than usual requests may have to wait because sessions are moved.
    pub fn patience(&self) -> Duration {
        let left = |until| self.shared.epoch.moment(until)?.checked_duration_since(Instant::now());
        self.shared.notices.iter().filter_map(|notice| left(notice.until())).max().unwrap_or_default()
    }

    /// Waits while it is held. Counted, so that whoever moves can tell how many do.
    pub async fn hold(&self, server: usize) {
        let Some(notice) = self.shared.notices.get(server) else { return };
        notice.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&notice.waiting);
        let mut changes = self.changes();
        while notice.stance() == Stance::Held && self.view(server).state == State::Up {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Has all sessions leave a server that lives, and sends it nothing of theirs any more. If that does not come to its end within
    /// the time, all is as before; `force`: what is under way then is cut off.
    pub async fn depart(&self, server: usize, time: Duration, force: bool) -> Result<Departed, Stuck> {
        let Some(desk) = self.shared.desks.get(server) else { return Err(Stuck::Doubtful) };
        match self.view(server).state {
            State::Dead => return Ok(Departed::Ended),
            State::Up if self.stance(server) == Stance::Left => return Ok(Departed::Before),
            // Whatever it is, it may become clear within the time.
            _ => {}
        }
        let began = Instant::now();
        let until = began + time;
        let ticket = random_word();
        if !desk.open(Order { ticket, until, force: false, cut: false, marked: false, ends: false }) {
            return Err(Stuck::Rival);
        }
        self.shared.urge.notify_one();
        let mut progress = desk.progress.subscribe();
        let held = Held { servers: self, server, ticket };
        let end = match self.drive(server, ticket, &mut progress, until).await {
            Err(Stuck::UnderWay(_) | Stuck::Gone(_) | Stuck::Silent(_)) if force => {
                desk.change(ticket, |order| (order.force, order.cut, order.until) = (true, true, Instant::now() + CUT));
                self.shared.urge.notify_one();
                self.drive(server, ticket, &mut progress, Instant::now() + CUT).await
            }
            end => end,
        };
        drop(held);
        let over = async { while !progress.borrow_and_update().over && progress.changed().await.is_ok() {} };
        let _ = timeout(UNDONE, over).await;
        // It may have come to its end in the last moment.
        let is_left = self.stance(server) == Stance::Left;
        match end {
            Ok(Some(departed)) => Ok(departed),
            Ok(None) => Ok(Departed::Left { edges: progress.borrow().edges.clone(), after: began.elapsed() }),
            Err(_) if is_left => Ok(Departed::Left { edges: progress.borrow().edges.clone(), after: began.elapsed() }),
            Err(why) => Err(why),
        }
    }

    /// Until it is left, or there is a reason to give up.
    async fn drive(
        &self,
        server: usize,
        ticket: u64,
        progress: &mut channel::Receiver<Progress>,
        until: Instant,
    ) -> Result<Option<Departed>, Stuck> {
        let desk = &self.shared.desks[server];
        let (mut marked, mut board, mut complete) = (false, Instant::now(), Instant::now());
        loop {
            let seen = progress.borrow_and_update().clone();
            if seen.left {
                return Ok(None);
            }
            let state = self.view(server).state;
            if state == State::Dead {
                return Ok(Some(Departed::Ended));
            }
            let forced = desk.order().is_some_and(|order| order.force);
            if seen.stored {
                board = Instant::now();
            }
            let gone: Vec<Edge> = seen.edges.iter().filter(|edge| edge.gone).cloned().collect();
            if gone.is_empty() || forced {
                complete = Instant::now();
            }
            match () {
                () if seen.rival => return Err(Stuck::Rival),
                () if seen.full => return Err(Stuck::Full),
                () if board.elapsed() > BOARD => return Err(Stuck::NoBoard),
                () if complete.elapsed() > SILENT => return Err(Stuck::Gone(gone)),
                () if seen.quiet && !marked => {
                    // Where no node takes it, none takes what follows.
                    marked = self.mark_moved(Moved::Server(server)).await;
                    desk.change(ticket, |order| order.marked = marked);
                    self.shared.urge.notify_one();
                }
                () if Instant::now() >= until && state != State::Up => return Err(Stuck::Doubtful),
                () if Instant::now() >= until => match too_late(&seen.edges, forced) {
                    Some(why) => return Err(why),
                    // Nothing is in the way any more, or nobody was heard yet: the board decides.
                    None if Instant::now() >= until + BOARD => return Err(Stuck::NoBoard),
                    None => {}
                },
                () => {}
            }
            let _ = timeout(Duration::from_millis(100), progress.changed()).await;
        }
    }

    /// All is as before: the server gets sessions and keeps those it has. Whether anything had to be changed.
    pub async fn take_back(&self, server: usize) -> Result<bool, Stuck> {
        let Some(desk) = self.shared.desks.get(server) else { return Ok(false) };
        let own = desk.order();
        if let Some(order) = own {
            desk.change(order.ticket, |order| order.ends = true);
            self.shared.urge.notify_one();
            let end = Instant::now() + UNDONE;
            while desk.order().is_some() && Instant::now() < end {
                sleep(Duration::from_millis(10)).await;
            }
        }
        if self.stance(server) != Stance::Left {
            return Ok(own.is_some());
        }
        desk.back.store(true, Ordering::Release);
        self.shared.urge.notify_one();
        let back = self.wait(UNDONE, || self.stance(server) != Stance::Left).await;
        desk.back.store(false, Ordering::Release);
        if back { Ok(true) } else { Err(Stuck::NoBoard) }
    }

    /// Whether there is a server to which sessions could go.
    pub fn has_another(&self, server: usize, may_take: impl Fn(usize) -> bool) -> bool {
        let takes = |at: &usize| self.view(*at).state == State::Up && self.stance(*at) == Stance::Here && may_take(*at);
        (0..self.servers().len()).filter(|at| *at != server).any(|at| takes(&at))
    }
}

/// Whom it has waited for in vain.
fn too_late(edges: &[Edge], forced: bool) -> Option<Stuck> {
    let asked = || edges.iter().filter(|edge| !forced || !edge.gone);
    let of = |is_one: fn(&&Edge) -> bool| asked().filter(is_one).cloned().collect::<Vec<Edge>>();
    let gone = of(|edge| edge.gone);
    if !gone.is_empty() {
        return Some(Stuck::Gone(gone));
    }
    let busy = of(|edge| edge.under_way.is_some_and(|count| count > 0));
    let silent = of(|edge| edge.under_way.is_none());
    match (busy.is_empty(), silent.is_empty()) {
        (false, _) => Some(Stuck::UnderWay(busy)),
        (true, false) => Some(Stuck::Silent(silent)),
        (true, true) => None,
    }
}

struct Waits<'n>(&'n std::sync::atomic::AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What of this is under way, if somebody counts.
pub fn under_way(traffic: Option<&Weak<dyn Traffic>>, server: usize, cut: bool) -> usize {
    let traffic: Option<Arc<dyn Traffic>> = traffic.and_then(Weak::upgrade);
    traffic.map_or(0, |traffic| traffic.under_way(server, cut))
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
