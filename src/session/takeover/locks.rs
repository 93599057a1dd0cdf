//! One at a time for each session, on this edge.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::OwnedMutexGuard;

type Lock = tokio::sync::Mutex<()>;

/// Locks that nobody holds or waits for are swept out when the map has doubled.
#[derive(Default)]
pub struct Locks {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    locks: HashMap<String, Weak<Lock>>,
    swept: usize,
}

impl Locks {
    /// Whoever waits is bounded by the wait of its request.
    pub async fn lock(&self, name: &str) -> OwnedMutexGuard<()> {
        self.of(name).lock_owned().await
    }

    fn of(&self, name: &str) -> Arc<Lock> {
        let mut held = self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(lock) = held.locks.get(name).and_then(Weak::upgrade) {
            return lock;
        }
        if held.locks.len() > 2 * held.swept + 64 {
            held.locks.retain(|_, lock| lock.strong_count() > 0);
            held.swept = held.locks.len();
        }
        let lock = Arc::new(Lock::default());
        held.locks.insert(name.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_name_has_one_holder_and_names_that_nobody_holds_are_forgotten() {
        let locks = Locks::default();
        let held = locks.lock("a").await;
        assert!(locks.of("a").try_lock().is_err());
        assert!(locks.of("b").try_lock().is_ok());
        for at in 0..1000 {
            drop(locks.lock(&at.to_string()).await);
        }
        assert!(locks.held.lock().unwrap().locks.len() < 200);
        assert!(locks.of("a").try_lock().is_err());
        drop(held);
        assert!(locks.of("a").try_lock().is_ok());
    }
}
