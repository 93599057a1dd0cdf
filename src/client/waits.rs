//! What ends the wait for a client's next bytes: the time is over, or edge shuts down.
//!
//! A connection waits before each of its requests, mostly for some microseconds. So both waits outlive a request: one timer
//! is moved only when it fires too early, one registration with the shutdown is made and kept, and neither is asked again
//! while it would wake the same task as before.
//!
//! What always holds: nothing ends before its time; a timer that fires early only looks at the clock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pingora_core::server::ShutdownWatch;
use tokio::task::coop;
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
    /// Whom the timer wakes as it is set.
    late_wakes: Option<Waker>,
    stop: Option<Signal>,
    /// Whom the shutdown wakes.
    stop_wakes: Option<Waker>,
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
        } else if !timer.is_elapsed() && wakes(&self.late_wakes, cx) {
            return Poll::Pending;
        }
        self.late_wakes = None;
        loop {
            let is_asked = coop::has_budget_remaining();
            if timer.as_mut().poll(cx).is_pending() {
                self.late_wakes = is_asked.then(|| cx.waker().clone());
                return Poll::Pending;
            }
            if timer.deadline() >= until || Instant::now() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }

    /// Ready once edge shuts down and the connection is spared no more. `stop` is always the same one.
    pub fn poll_stopped(&mut self, stop: &ShutdownWatch, spared: Spared, cx: &mut Context<'_>) -> Poll<()> {
        if !self.stopped {
            if wakes(&self.stop_wakes, cx) && matches!(stop.has_changed(), Ok(false)) {
                return Poll::Pending;
            }
            let signal = self.stop.get_or_insert_with(|| Box::pin(signal(stop.clone())));
            let is_asked = coop::has_budget_remaining();
            if signal.as_mut().poll(cx).is_pending() {
                self.stop_wakes = is_asked.then(|| cx.waker().clone());
                return Poll::Pending;
            }
            self.stop = None;
            self.stop_wakes = None;
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

/// Whether that is whom this context would have woken.
fn wakes(known: &Option<Waker>, cx: &Context<'_>) -> bool {
    known.as_ref().is_some_and(|known| known.will_wake(cx.waker()))
}

/// Waits for the shutdown.
pub(super) async fn signal(mut stop: ShutdownWatch) {
    // A watch without a sender never speaks.
    if stop.wait_for(|on| *on).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Wake;
    use tokio::sync::{Notify, watch};
    use tokio::time::timeout;

    /// Somebody who polls.
    #[derive(Default)]
    struct Task(Notify);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.notify_one();
        }
    }

    impl Task {
        async fn is_woken(&self) -> bool {
            timeout(Duration::from_secs(10), self.0.notified()).await.is_ok()
        }
    }

    fn task() -> (Arc<Task>, Waker) {
        let task = Arc::new(Task::default());
        (task.clone(), task.into())
    }

    #[tokio::test]
    async fn whoever_has_asked_last_is_woken_when_the_time_is_over() {
        let (mut waits, until) = (Waits::default(), Instant::now() + Duration::from_millis(50));
        let ((_, first), (second, waker)) = (task(), task());
        for waker in [&first, &first, &waker, &waker] {
            assert!(waits.poll_late(until, &mut Context::from_waker(waker)).is_pending());
        }
        assert!(second.is_woken().await);
        assert!(waits.poll_late(until, &mut Context::from_waker(&waker)).is_ready());
        // The next wait begins with a timer that has fired.
        let until = Instant::now() + Duration::from_millis(20);
        assert!(waits.poll_late(until, &mut Context::from_waker(&waker)).is_pending());
        assert!(second.is_woken().await);
        assert!(waits.poll_late(until, &mut Context::from_waker(&waker)).is_ready());
    }

    #[tokio::test]
    async fn whoever_has_asked_last_is_woken_by_the_shutdown() {
        let (shutdown, stop) = watch::channel(false);
        let (mut waits, spared) = (Waits::default(), Spared::Once(Duration::ZERO));
        let ((_, first), (second, waker)) = (task(), task());
        for waker in [&first, &first, &waker, &waker] {
            assert!(waits.poll_stopped(&stop, spared, &mut Context::from_waker(waker)).is_pending());
        }
        shutdown.send_replace(true);
        assert!(second.is_woken().await);
        while waits.poll_stopped(&stop, spared, &mut Context::from_waker(&waker)).is_pending() {
            assert!(second.is_woken().await);
        }
    }
}
