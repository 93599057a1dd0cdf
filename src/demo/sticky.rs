//! Sticky mode: a session lives in its Tomcat's memory, and is saved under its id at the end of each request that changed
//! it. Taking over another Tomcat's session is `changeSessionIdOnTomcatFailover`, leaving a dead memcached
//! `changeSessionIdOnMemcachedFailover`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::blob::{Blob, fingerprint};
use super::id::Id;
use super::session::{Session, Visit, lock, millis};
use super::sessions::Sessions;

/// How many background delays before its end a key is written again; as observed, the source says less.
const DUE: i64 = 4;

impl Sessions {
    pub(super) async fn find(&self, id: &str) -> Option<Arc<Session>> {
        let here = lock(&self.local).get(id).cloned();
        match here {
            Some(session) if session.is_expired() => {
                lock(&self.local).remove(id);
                self.erase(id).await;
                self.load(id).await
            }
            Some(session) => Some(session),
            None => self.load(id).await,
        }
    }

    async fn load(&self, id: &str) -> Option<Arc<Session>> {
        if self.is_missing(id) {
            return None;
        }
        let node = self.nodes.reachable(&Id::parse(id)?).await?;
        let value = node.client.get(&self.msm.keys(id).session).await.ok()?;
        let Some(value) = value else {
            self.note_missing(id);
            return None;
        };
        let mut blob = Blob::decode(&value).filter(|blob| !blob.is_expired(millis()))?;
        blob.is_new = false;
        if !self.msm.load_time.is_zero() {
            tokio::time::sleep(self.msm.load_time).await;
        }
        let session = Session::new(blob, fingerprint(&value));
        self.keep(id, session.clone());
        Some(session)
    }

    /// Gives the session this Tomcat's route, or a node that is there.
    pub(super) async fn take_over(&self, visit: &mut Visit) {
        let Some(requested) = visit.id.clone() else { return };
        let Some(id) = Id::parse(&requested) else { return };
        let moved = match id.route == self.route.as_deref() {
            true => None,
            false => self.take_route(&requested, &id).await,
        };
        let moved = match moved {
            Some(moved) => Some(moved),
            None => self.leave_node(&requested, &id).await,
        };
        let Some(new) = moved else { return };
        if visit.session.is_none() {
            visit.session = lock(&self.local).get(&new).cloned();
        }
        visit.change(new);
    }

    /// The new id, if the session is here by now.
    async fn take_route(&self, requested: &str, id: &Id<'_>) -> Option<String> {
        let instead = match id.node {
            Some(node) if self.nodes.is_failover(node) => self.nodes.choose(None, Some(node)).await,
            _ => None,
        };
        let new = id.at(instead.as_deref().or(id.node), self.route.as_deref());
        if lock(&self.local).contains_key(&new) {
            return Some(new);
        }
        let here = lock(&self.local).contains_key(requested);
        if !here {
            self.load(requested).await?;
        }
        self.rename(requested, &new)?;
        // The old key goes at once, the new one comes with the end of the request: in between it is in no store.
        self.erase(requested).await;
        Some(new)
    }

    /// The old key, if there is one, lies where nobody can reach it.
    async fn leave_node(&self, requested: &str, id: &Id<'_>) -> Option<String> {
        let here = lock(&self.local).contains_key(requested);
        if !here || !self.nodes.named {
            return None;
        }
        if let Some(node) = id.node
            && self.nodes.is_available(node).await
        {
            return None;
        }
        let node = self.nodes.choose(None, id.node).await?;
        let new = id.at(Some(&node), self.route.as_deref());
        self.rename(requested, &new)?;
        Some(new)
    }

    fn rename(&self, old: &str, new: &str) -> Option<()> {
        let mut local = lock(&self.local);
        let session = local.remove(old)?;
        session.set_id(new);
        local.insert(new.to_string(), session);
        Some(())
    }

    /// Saves what memory has under the visit's id.
    pub(super) async fn save_visit(self: &Arc<Sessions>, visit: &Visit) {
        let Some(id) = &visit.id else { return };
        let Some(session) = lock(&self.local).get(id).cloned() else { return };
        let is_moved = visit.is_moved;
        if !self.msm.backup_async {
            return self.save(&session, is_moved).await;
        }
        let sessions = self.clone();
        tokio::spawn(async move {
            session.end_access();
            sessions.save(&session, is_moved).await;
        });
    }

    /// Saves a session if `always`, or if it was used and is not what the store has.
    async fn save(&self, session: &Session, always: bool) {
        let mut saved = session.saved.lock().await;
        if !session.was_touched() && !always {
            return;
        }
        let now = millis();
        let blob = Blob { saved: now, ..session.state().clone() };
        let value = blob.encode();
        let state = fingerprint(&value);
        if !always && *saved == state {
            return;
        }
        let Some(node) = Id::parse(&blob.id).filter(is_storable).and_then(|id| self.nodes.of(&id)) else { return };
        let idle = now.saturating_sub(blob.accessed) / 1000;
        let exptime = self.msm.sticky_exptime(blob.max_inactive, idle as i64, (now / 1000) as i64);
        let key = self.msm.keys(&blob.id).session;
        let set = node.client.set(&key, exptime, &value, self.msm.backup_timeout);
        match set.await {
            Ok(()) => {
                *saved = state;
                session.state().saved = now;
            }
            Err(error) => {
                *saved = None;
                log::warn!("demo {}: a session was not saved: {error}", self.route.as_deref().unwrap_or_default());
            }
        }
    }

    /// What Tomcat's background thread does for sessions that are only read: their keys are written again before they
    /// are gone. With the usual delay of -1 it never does.
    pub(super) async fn refresh(sessions: Weak<Sessions>, delay: u32) {
        loop {
            tokio::time::sleep(Duration::from_secs(delay.into())).await;
            let Some(sessions) = sessions.upgrade() else { return };
            let all: Vec<Arc<Session>> = lock(&sessions.local).values().cloned().collect();
            for session in all {
                if sessions.is_due(&session, delay) {
                    sessions.save(&session, true).await;
                }
            }
        }
    }

    /// Whether the key of a session that was used since it was written is about to expire.
    fn is_due(&self, session: &Session, delay: u32) -> bool {
        let state = session.state();
        let life = self.msm.sticky_exptime(state.max_inactive, 0, 0);
        let left = life - (millis().saturating_sub(state.saved) / 1000) as i64;
        life > 0 && state.accessed > state.saved && left <= DUE * i64::from(delay)
    }
}

/// MSM saves only what has one dot at most.
fn is_storable(id: &Id) -> bool {
    !id.route.is_some_and(|route| route.contains('.'))
}
