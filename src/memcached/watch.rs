//! A connection in the background that sees a node go and come back, so that no request has to find out.
//!
//! A killed memcached closes it at once; a frozen one does not answer the question that is asked each second. Only an answer
//! within the node's own limit, here, lets requests go to a node again that was left alone.

use super::Failure;
use super::breaker::Weight;
use super::node::{Node, Trouble};
use super::question::Question;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Between two questions, and the longest wait for an answer or a connection.
const SECOND: Duration = Duration::from_secs(1);
/// Between two attempts to reach it: at first, and at the most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
/// A node that goes again and again is let in again later and later.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Who stayed so long is no such node.
const STEADY: Duration = Duration::from_secs(5);

impl Node {
    /// Watches over it until dropped.
    pub async fn keep_watch(self: Arc<Self>) {
        let _watched = self.breaker.watched();
        let mut pauses = Pauses { pause: PAUSE.0, closed: None };
        let mut again = AGAIN.0;
        loop {
            let begun = Instant::now();
            match self.watch_once(&mut pauses).await {
                // It ended what it had answered on: looked at anew at once, but never in a rush.
                Ok(()) => {
                    self.breaker.stumble();
                    sleep_until(begun + AGAIN.0).await;
                    again = AGAIN.0;
                }
                Err(trouble) => {
                    self.note_watched(&trouble);
                    sleep(again).await;
                    again = (again * 2).min(AGAIN.1);
                }
            }
        }
    }

    /// What it answered in words, and what went wrong on this side, does not make it dead: it may have as many connections as
    /// it takes, and answer on those.
    fn note_watched(&self, trouble: &Trouble) {
        if matches!(trouble.weight, Weight::Failed | Weight::Dead) && self.breaker.open() {
            self.tell(Some(trouble));
        }
    }

    /// From a connection to its end; an error if it never answered on it or does not any more.
    async fn watch_once(&self, pauses: &mut Pauses) -> Result<(), Trouble> {
        let mut stream = limited(self.connect()).await?;
        loop {
            let asked = Instant::now();
            limited(async { Question::Version.put_to(&mut stream).await.map_err(Trouble::of_answer) }).await?;
            self.let_in(asked.elapsed(), pauses);
            if self.rest(&stream, pauses).await {
                return Ok(());
            }
        }
    }

    /// It has answered: if that was soon enough, requests may ask it again.
    fn let_in(&self, took: Duration, pauses: &mut Pauses) {
        if took <= self.limits.timeout && self.breaker.close() {
            pauses.closed = Some(Instant::now());
            self.tell(None);
        }
    }

    /// Until the next question is due; whether the connection has ended meanwhile.
    async fn rest(&self, stream: &TcpStream, pauses: &mut Pauses) -> bool {
        let due = Instant::now() + SECOND;
        let mut changes = self.breaker.changes();
        if self.is_up() {
            tokio::select! {
                biased;
                _ = ended(stream) => return true,
                _ = sleep_until(due) => return false,
                // Requests have left it alone: looked at after a pause.
                _ = changes.wait_for(|sight| !sight.up) => {}
            }
        }
        tokio::select! {
            biased;
            _ = ended(stream) => true,
            _ = sleep(pauses.next()) => false,
        }
    }
}

/// How long a node that is left alone is not let in.
struct Pauses {
    pause: Duration,
    /// When it was last let in.
    closed: Option<Instant>,
}

impl Pauses {
    fn next(&mut self) -> Duration {
        match self.closed.take() {
            Some(closed) if closed.elapsed() < STEADY => self.pause = (self.pause * 2).min(PAUSE.1),
            Some(_) => self.pause = PAUSE.0,
            None => {}
        }
        self.pause
    }
}

async fn limited<T>(what: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = Trouble { failure: Failure::Timeout(SECOND), weight: Weight::Failed };
    timeout(SECOND, what).await.unwrap_or(Err(late))
}

/// Ends when the other side closes the connection, or says something without being asked.
async fn ended(stream: &TcpStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut [0]) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_goes_again_and_again_is_let_in_later_and_later() {
        let mut pauses = Pauses { pause: PAUSE.0, closed: None };
        assert_eq!(pauses.next(), PAUSE.0);
        let mut before = PAUSE.0;
        for _ in 0..8 {
            pauses.closed = Some(Instant::now());
            let next = pauses.next();
            assert!(next > before || next == PAUSE.1);
            // Looks that found it slow do not count.
            assert_eq!(pauses.next(), next);
            before = next;
        }
        assert_eq!(before, PAUSE.1);
        pauses.closed = Instant::now().checked_sub(STEADY);
        assert_eq!(pauses.next(), PAUSE.0);
    }
}
