//! What ends the wait for a client's next bytes: the time is over, or edge shuts down.
//!
//! A connection waits before each of its requests, mostly for some microseconds. So both waits outlive a request: one timer
//! is moved only when it fires too early, one registration with the shutdown is made and kept.
//!
//! What always holds: nothing ends before its time; a timer that fires early only looks at the clock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora_core::server::ShutdownWatch;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long a connection is spared once edge shuts down.
#[derive(Clone, Copy)]
pub enum Spared {
    /// For so long from then on.
    Once(Duration),
    /// Until then, however long before it edge began to.
    Until(Instant),
}

/// One connection's waits.
#[derive(Default)]
pub struct Waits {
    late: Option<Pin<Box<Sleep>>>,
    stop: Option<Signal>,
    stopped: bool,
    /// Runs from the shutdown on.
    grace: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits").field("stopped", &self.stopped).finish_non_exhaustive()
    }
}

impl Waits {
    /// Ready once it is `until`.
    pub fn poll_late(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.late.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // It may have been set for what came before.
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= until || Instant::now() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }

    /// Ready once edge shuts down and the connection is spared no more. `stop` is always the same one.
    pub fn poll_stopped(&mut self, stop: &ShutdownWatch, spared: Spared, cx: &mut Context<'_>) -> Poll<()> {
        if !self.stopped {
            let signal = self.stop.get_or_insert_with(|| Box::pin(signal(stop.clone())));
            ready!(signal.as_mut().poll(cx));
            self.stop = None;
            self.stopped = true;
        }
        let grace = self.grace.get_or_insert_with(|| {
            Box::pin(match spared {
                Spared::Once(period) => sleep(period),
                Spared::Until(end) => sleep_until(end),
            })
        });
        if let Spared::Until(end) = spared
            && grace.deadline() != end
        {
            grace.as_mut().reset(end);
        }
        grace.as_mut().poll(cx)
    }
}

/// Waits for the shutdown.
pub(super) async fn signal(mut stop: ShutdownWatch) {
    // A watch without a sender never speaks.
    if stop.wait_for(|on| *on).await.is_err() {
        std::future::pending::<()>().await;
    }
}
