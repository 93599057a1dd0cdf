//! One takeover of a session at a time on this edge, however many requests wait for it.

use crate::session::takeover::Why;
use crate::session::takeover::counts::one;
use crate::session::takeover::ground::Ground;
use crate::session::takeover::taking::{Ask, Outcome, Taking};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

/// Sessions that are taken over at once; whoever comes then waits until there is room.
const MOST: usize = 20_000;

type Landing = watch::Receiver<Option<Outcome>>;

#[derive(Default)]
pub struct Flights {
    under_way: Arc<Mutex<HashMap<String, Landing>>>,
}

impl Flights {
    /// Waits for the session's takeover, which it begins if nobody has. `until`: of whoever begins it.
    pub async fn join(&self, ground: &Arc<Ground>, ask: &Arc<Ask>, until: Instant) -> Outcome {
        let Some(mut landing) = self.board(ground, ask, until) else { return Outcome::Expired(Why::Busy) };
        let landed = landing.wait_for(Option::is_some).await;
        // An end without an outcome would be a panic of the task's.
        landed.ok().and_then(|outcome| outcome.clone()).unwrap_or(Outcome::Expired(Why::Taking))
    }

    fn board(&self, ground: &Arc<Ground>, ask: &Arc<Ask>, until: Instant) -> Option<Landing> {
        let name = format!("{} {}", ask.context, ask.id.text);
        let mut under_way = lock(&self.under_way);
        if let Some(landing) = under_way.get(&name) {
            one(&ground.counts.waited);
            return Some(landing.clone());
        }
        if under_way.len() >= MOST {
            return None;
        }
        let (land, landing) = watch::channel(None);
        under_way.insert(name.clone(), landing.clone());
        let left = Left { under_way: self.under_way.clone(), name };
        let taking = Taking::new(ground, ask);
        tokio::spawn(async move {
            let outcome = taking.run(until).await;
            drop(left);
            land.send_replace(Some(outcome));
        });
        Some(landing)
    }
}

/// Takes it off the list, whatever ends it.
struct Left {
    under_way: Arc<Mutex<HashMap<String, Landing>>>,
    name: String,
}

impl Drop for Left {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.name);
    }
}

fn lock(under_way: &Mutex<HashMap<String, Landing>>) -> MutexGuard<'_, HashMap<String, Landing>> {
    under_way.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
