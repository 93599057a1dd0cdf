//! `limit_rate`: so many bytes of an answer in a second, as nginx reckons.
//!
//! What a second allows may leave at once at its beginning, but each piece that was sent is followed by a pause as long as the rate
//! gives it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

#[derive(Debug)]
pub struct Throttle {
    /// Bytes in a second.
    rate: u64,
    /// So many are free.
    after: u64,
    began: Instant,
    sent: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Throttle {
    pub fn new(rate: u64, after: u64, began: Instant) -> Throttle {
        Throttle { rate: rate.max(1), after, began, sent: 0, pause: None }
    }

    pub fn is_paused(&self) -> bool {
        self.pause.is_some()
    }

    /// How many bytes may leave now; at least one.
    pub fn poll_allowance(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        loop {
            ready!(self.poll_pause(cx));
            match self.allowance(self.began.elapsed()) {
                Ok(bytes) => return Poll::Ready(usize::try_from(bytes).unwrap_or(usize::MAX - 1)),
                Err(pause) => self.pause = Some(Box::pin(tokio::time::sleep(pause))),
            }
        }
    }

    pub fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }

    /// Bytes that were sent.
    pub fn count(&mut self, bytes: usize) {
        let pause = self.pause_after(bytes as u64);
        if !pause.is_zero() {
            self.pause = Some(Box::pin(tokio::time::sleep(pause)));
        }
    }

    fn pause_after(&mut self, bytes: u64) -> Duration {
        let before = self.sent.saturating_sub(self.after);
        self.sent += bytes;
        let slow = self.sent.saturating_sub(self.after) - before;
        Duration::from_millis(slow.saturating_mul(1000) / self.rate)
    }

    /// What may have left by now and has not, or how long nothing may.
    fn allowance(&self, elapsed: Duration) -> Result<u64, Duration> {
        let most = self.rate.saturating_mul(elapsed.as_secs() + 1).saturating_add(self.after);
        match most.checked_sub(self.sent) {
            Some(bytes @ 1..) => Ok(bytes.min(usize::MAX as u64 - 1)),
            _ => Err(Duration::from_millis((self.sent - most).saturating_mul(1000) / self.rate + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_gives_what_the_rate_says_and_each_piece_has_its_pause() {
        let mut throttle = Throttle::new(1000, 500, Instant::now());
        let at = Duration::from_millis;
        assert_eq!(throttle.allowance(at(0)), Ok(1500));
        assert_eq!(throttle.pause_after(400), at(0));
        assert_eq!(throttle.pause_after(350), at(250));
        assert_eq!(throttle.allowance(at(250)), Ok(750));
        assert_eq!(throttle.pause_after(750), at(750));
        assert_eq!(throttle.allowance(at(999)), Err(at(1)));
        assert_eq!(throttle.allowance(at(1000)), Ok(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_leaves_in_a_pause() {
        let mut throttle = Throttle::new(1000, 0, Instant::now());
        let began = tokio::time::Instant::now();
        assert_eq!(std::future::poll_fn(|cx| throttle.poll_allowance(cx)).await, 1000);
        throttle.count(600);
        assert!(throttle.is_paused());
        assert_eq!(std::future::poll_fn(|cx| throttle.poll_allowance(cx)).await, 400);
        assert!(began.elapsed() >= Duration::from_millis(600) && !throttle.is_paused());
    }
}
