//! What is asked of memcached about one key: its step before the request is answered, and what is put right behind it.

use super::Terms;
use crate::memcached::{Failure, Key, Life, Node, Swap, Token};
use std::sync::Arc;

/// Others may come between as often.
const TRIES: usize = 4;

/// A key of a limit, at a time.
pub(super) struct Asked {
    pub node: Arc<Node>,
    pub place: Key,
    pub terms: Terms,
    /// Of all edges' clock, in microseconds.
    pub now: u64,
}

/// What is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The request was refused.
    Back,
    /// The time had stayed so far behind; it also lives on.
    Forward(u64),
    /// No clock of ours has written that.
    Restart,
}

impl Asked {
    /// Moves the time on by one request, and tells where it stood before.
    ///
    /// Whoever is believed not to be there is added: one round trip for a client's first request as well as for its others.
    pub async fn step_on(&self, expected: bool) -> Result<u64, Failure> {
        if !expected && self.add().await? {
            return Ok(self.now);
        }
        for _ in 0..2 {
            if let Some(after) = self.node.incr(&self.place, self.terms.step).await? {
                return Ok(after.saturating_sub(self.terms.step));
            }
            if self.add().await? {
                return Ok(self.now);
            }
        }
        Err(Failure::Broken("a count comes and goes".into()))
    }

    async fn add(&self) -> Result<bool, Failure> {
        let value = (self.now + self.terms.step).to_string();
        self.node.add(&self.place, value.as_bytes(), Life::of(self.terms.life)).await
    }

    /// Nobody waits for it, and what cannot be done is left.
    pub async fn put_right(&self, step: Step) {
        if step == Step::Back {
            let _ = self.node.decr(&self.place, self.terms.step).await;
            return;
        }
        for _ in 0..TRIES {
            match self.swap(step).await {
                Ok(Swap::Changed) => {}
                _ => return,
            }
        }
    }

    async fn swap(&self, step: Step) -> Result<Swap, Failure> {
        let Some((stands, token)) = self.stands().await? else { return Ok(Swap::Gone) };
        let wanted = match step {
            // Another edge has put it right, or so many were let in since.
            Step::Forward(_) if stands >= self.now => stands,
            Step::Forward(behind) => stands.saturating_add(behind),
            Step::Restart => self.now + self.terms.step,
            Step::Back => stands.saturating_sub(self.terms.step),
        };
        self.node.cas(&self.place, wanted.to_string().as_bytes(), Life::of(self.terms.life), token).await
    }

    async fn stands(&self) -> Result<Option<(u64, Token)>, Failure> {
        let Some((value, token)) = self.node.gets(&self.place).await? else { return Ok(None) };
        let text = std::str::from_utf8(&value).ok().and_then(|text| text.trim_end().parse().ok());
        Ok(Some((text.unwrap_or(0), token)))
    }
}
