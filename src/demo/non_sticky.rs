//! Non-sticky mode: a session is loaded for each request and stored at its end, with a second copy on the next node.
//! Nothing of it stays in memory, so every Tomcat may answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::blob::{Blob, fingerprint};
use super::id::Id;
use super::msm::{Locking, exptime};
use super::nodes::Node;
use super::session::{Session, Visit, lock, millis};
use super::sessions::Sessions;

/// How long a request waits for another one's lock, before it goes on without.
const PATIENCE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: u64 = 500;
const LOCK_TIME: i64 = 5;
const LOCKED: &[u8] = b"locked";
/// What an `add` that only asks whether a key is there leaves behind if it is not, and for how long.
const PING: &[u8] = &[1];
const PING_TIME: i64 = 5;
const READING: usize = 1000;

impl Sessions {
    pub(super) async fn fetch(&self, id: &str, visit: &mut Visit) -> Option<Arc<Session>> {
        if self.is_missing(id) {
            return None;
        }
        let parsed = Id::parse(id)?;
        let node = self.nodes.of(&parsed)?;
        if self.nodes.reachable(&parsed).await.is_none() {
            return self.fetch_backup(id, &parsed, visit).await;
        }
        let keys = self.msm.keys(id);
        if self.has_to_lock(&visit.request) && self.lock(node, &keys.lock).await {
            visit.locked = Some(id.to_string());
        }
        let value = node.client.get(&keys.session).await.ok().flatten();
        let session = match &value {
            Some(value) => {
                let validity = node.client.get(&keys.validity).await.ok().flatten();
                self.revive(value, validity.as_deref())
            }
            None => None,
        };
        match session {
            Some(_) if !self.msm.load_time.is_zero() => tokio::time::sleep(self.msm.load_time).await,
            Some(_) => {}
            None => {
                if value.is_some() {
                    self.erase(id).await;
                }
                self.note_missing(id);
                self.unlock(visit).await;
            }
        }
        session
    }

    /// The node is dead: its sessions' second copies are on the next one, as old as they may be by now.
    async fn fetch_backup(&self, id: &str, parsed: &Id<'_>, visit: &mut Visit) -> Option<Arc<Session>> {
        let backup = self.nodes.after(parsed.node?).await?;
        let keys = self.msm.keys(id);
        let validity = backup.client.get(&keys.backup_validity).await.ok()??;
        let value = backup.client.get(&keys.backup).await.ok()??;
        let session = self.revive(&value, Some(&validity))?;
        let node = self.nodes.choose(None, parsed.node).await?;
        let new = parsed.at(Some(&node), parsed.route);
        session.set_id(&new);
        visit.change(new);
        Some(session)
    }

    fn revive(&self, value: &[u8], validity: Option<&[u8]>) -> Option<Arc<Session>> {
        let mut blob = Blob::decode(value)?;
        blob.renew(validity?)?;
        blob.is_new = false;
        (!blob.is_expired(millis())).then(|| Session::new(blob, fingerprint(value)))
    }

    /// Stores the session if it was changed or moved, and otherwise only that it was used.
    pub(super) async fn store(&self, visit: &Visit) {
        let Some(session) = &visit.session else {
            return self.unlock(visit).await;
        };
        let mut blob = session.state().clone();
        let id = blob.id.clone();
        let Some(node) = Id::parse(&id).and_then(|id| self.nodes.of(&id)) else {
            return self.unlock(visit).await;
        };
        blob.saved = millis();
        let validity = blob.validity();
        let value = blob.encode();
        let is_changed = session.was_touched() && *session.saved.lock().await != fingerprint(&value);
        self.learn(&visit.request, !is_changed);
        let now = (blob.saved / 1000) as i64;
        let life = exptime(i64::from(blob.max_inactive.max(0)), now);
        let long = exptime(2 * i64::from(blob.max_inactive.max(0)), now);
        let (keys, limit) = (self.msm.keys(&id), self.msm.backup_timeout);
        let is_changed = is_changed || visit.is_moved;

        // A node that fails is noted by its client; the request is answered all the same.
        if is_changed {
            let _ = node.client.set(&keys.session, long, &value, limit).await;
        }
        self.unlock(visit).await;
        let _ = node.client.set(&keys.validity, life, &validity, limit).await;
        if !is_changed {
            let _ = node.client.add(&keys.session, PING_TIME, PING).await;
        }
        let Some(backup) = self.nodes.after(&node.name).await else { return };
        let _ = match is_changed {
            true => backup.client.set(&keys.backup, long, &value, limit).await,
            false => backup.client.add(&keys.backup, PING_TIME, PING).await.map(drop),
        };
        let _ = backup.client.set(&keys.backup_validity, life, &validity, limit).await;
    }

    fn has_to_lock(&self, request: &str) -> bool {
        match &self.msm.locking {
            Locking::Off => false,
            Locking::All => true,
            Locking::Auto => !lock(&self.reading).iter().any(|known| known == request),
            Locking::Pattern(pattern) => pattern.is_match(request),
        }
    }

    /// What `Locking::Auto` goes by.
    fn learn(&self, request: &str, is_reading: bool) {
        if !matches!(self.msm.locking, Locking::Auto) {
            return;
        }
        let mut reading = lock(&self.reading);
        reading.retain(|known| known != request);
        if is_reading {
            if reading.len() >= READING {
                reading.remove(0);
            }
            reading.push(request.to_string());
        }
    }

    /// Whether the lock was got; it is asked for again and again, less and less often.
    async fn lock(&self, node: &Node, key: &str) -> bool {
        let began = Instant::now();
        let mut pause = 10;
        loop {
            match node.client.add(key, LOCK_TIME, LOCKED).await {
                Ok(true) => return true,
                Err(_) => return false,
                Ok(false) if began.elapsed() >= PATIENCE => return false,
                Ok(false) => {}
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn unlock(&self, visit: &Visit) {
        let Some(id) = &visit.locked else { return };
        if let Some(node) = Id::parse(id).and_then(|id| self.nodes.of(&id)) {
            // A lock that cannot be taken away ends by itself.
            let _ = node.client.delete(&self.msm.keys(id).lock).await;
        }
    }
}
