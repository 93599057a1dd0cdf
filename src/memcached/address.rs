//! `host:port`, and where that is.
//!
//! A name is looked up by one task at a time, whoever waits for it and whoever has given up: the system's resolver runs in a
//! thread, cannot be stopped, and may take half a minute. What was found once goes on to be used while it is looked up anew.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::lookup_host;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a name is believed.
const BELIEVED: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Address {
    text: String,
    literal: Option<SocketAddr>,
    known: Arc<Mutex<Option<Known>>>,
    looking: Arc<Semaphore>,
}

#[derive(Clone, Debug)]
struct Known {
    at: Vec<SocketAddr>,
    since: Instant,
}

impl Address {
    pub fn new(text: String) -> Address {
        let literal = text.parse().ok();
        Address { text, literal, known: Arc::default(), looking: Arc::new(Semaphore::new(1)) }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(literal) = self.literal {
            return Ok(vec![literal]);
        }
        if let Some(known) = self.known() {
            self.refresh(&known);
            return Ok(known.at);
        }
        let turn = Arc::clone(&self.looking).acquire_owned().await.map_err(io::Error::other)?;
        // Whoever had the turn before may have found it.
        match self.known() {
            Some(known) => Ok(known.at),
            None => self.look(turn).await.map_err(io::Error::other)?,
        }
    }

    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refresh(&self, known: &Known) {
        if known.since.elapsed() > BELIEVED
            && let Ok(turn) = Arc::clone(&self.looking).try_acquire_owned()
        {
            self.look(turn);
        }
    }

    fn look(&self, turn: OwnedSemaphorePermit) -> tokio::task::JoinHandle<io::Result<Vec<SocketAddr>>> {
        let (text, known) = (self.text.clone(), Arc::clone(&self.known));
        tokio::spawn(async move {
            let _turn = turn;
            let at: Vec<SocketAddr> = lookup_host(&text).await?.collect();
            if at.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
            }
            let found = Known { at: at.clone(), since: Instant::now() };
            *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            Ok(at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_looked_up_and_remembered() {
        let address = Address::new("localhost:11211".into());
        let found = address.resolve().await.unwrap();
        assert!(found.iter().all(|at| at.ip().is_loopback() && at.port() == 11211), "{found:?}");
        assert_eq!(address.known().unwrap().at, found);
    }

    #[tokio::test]
    async fn numbers_are_not_looked_up() {
        for text in ["127.0.0.1:1", "[::1]:1"] {
            let address = Address::new(text.into());
            assert_eq!(address.resolve().await.unwrap(), [text.parse().unwrap()]);
            assert!(address.known().is_none());
        }
    }

    #[tokio::test]
    async fn whoever_gave_up_leaves_the_lookup_to_the_next() {
        let address = Address::new("localhost:11211".into());
        let held = Arc::clone(&address.looking).acquire_owned().await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(5), address.resolve());
        assert!(waiting.await.is_err());
        drop(held);
        assert!(address.resolve().await.is_ok());
    }
}
