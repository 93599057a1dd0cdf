//! Non-sticky with `serialize`: one request of a session at a time, on this edge and all others. MSM without its locks loses
//! most of parallel updates, with them a few.

use super::counts::one;
use super::ground::Ground;
use super::lease::Lease;
use crate::memcached::{Failure, Key, Node};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::sleep;

const PAUSES: [u64; 4] = [2, 5, 10, 20];

/// Held until the answer is complete. Dropped, it lets the next one go.
pub struct Turn {
    lease: Option<Lease>,
    _here: OwnedMutexGuard<()>,
}

impl Turn {
    /// Waits for as long as the caller does.
    pub(in crate::session) async fn take(ground: &Arc<Ground>, context: usize, base: &str, node: Option<&str>) -> Turn {
        let path = &ground.context(context).path;
        let here = ground.locks.lock(&format!("turn {path} {base}")).await;
        let seen = ground.see();
        let first = ground.books.node_of(node).unwrap_or(0);
        let count = ground.books.nodes.len();
        let key = ground.books.key("t", path, base);
        // An edge may not have seen yet that a node has died. It goes on to the next one, as those do who have.
        for home in (0..count).map(|step| (first + step) % count).filter(|at| seen.nodes[*at].up) {
            if let Ok(lease) = wait_for(&ground.books.nodes[home], &key, ground.settings.lease).await {
                return Turn { lease: Some(lease), _here: here };
            }
        }
        one(&ground.counts.unarbitrated);
        Turn { lease: None, _here: here }
    }
}

async fn wait_for(node: &Arc<Node>, key: &Key, life: Duration) -> Result<Lease, Failure> {
    let mut pauses = PAUSES.into_iter();
    let mut pause = PAUSES[0];
    loop {
        if let Some(lease) = Lease::take(node, key, life).await? {
            return Ok(lease);
        }
        pause = pauses.next().unwrap_or(pause);
        sleep(Duration::from_millis(pause)).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        // Without a runtime there is no edge any more: it runs out.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(lease.release());
        }
    }
}
