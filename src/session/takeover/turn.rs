//! Non-sticky with `serialize`: one request of a session at a time, on this edge and all others. MSM without its locks loses
//! most of parallel updates, with them a few.

use super::counts::one;
use super::ground::Ground;
use super::lease::Lease;
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
        let home = (0..count).map(|step| (first + step) % count).find(|at| seen.nodes[*at].up);
        let Some(home) = home else {
            one(&ground.counts.unarbitrated);
            return Turn { lease: None, _here: here };
        };
        let key = ground.books.key("t", path, base);
        for pause in PAUSES.iter().chain(std::iter::repeat(&PAUSES[PAUSES.len() - 1])) {
            match Lease::take(&ground.books.nodes[home], &key, ground.settings.lease).await {
                Ok(Some(lease)) => return Turn { lease: Some(lease), _here: here },
                Ok(None) => sleep(Duration::from_millis(*pause)).await,
                Err(_) => break,
            }
        }
        one(&ground.counts.unarbitrated);
        Turn { lease: None, _here: here }
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
