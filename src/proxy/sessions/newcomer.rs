//! Who comes without a session, or with one that is nowhere, is not sent to a server that is known to be gone.
//!
//! Passive failures (`max_fails`) find that out anew every `fail_timeout`, and each time a visitor pays for it; the watch of the
//! sessions' servers knows. It has no last word: where nobody else takes the request, the balancing picks as without it.

use crate::proxy::request::Request;
use crate::upstream::{Tried, Upstream};

impl Request {
    /// Those that were tried and those that are gone; nothing if that is no difference, or the session knows better.
    pub(in crate::proxy) fn tried_or_gone(&self, upstream: &Upstream) -> Option<Tried> {
        if self.placed.server().is_some() {
            return None;
        }
        let live = self.sessions()?.live_now();
        let watch = &live.as_ref()?.outside.watch;
        let servers = 0..watch.servers().len();
        if !servers.clone().any(|server| watch.is_gone(server)) || !servers.clone().any(|server| watch.is_up(server)) {
            return None;
        }
        let mut tried = self.attempts.tried().clone();
        upstream.peers().iter().filter(|peer| watch.is_gone(peer.place)).for_each(|peer| tried.pass_over(peer));
        Some(tried)
    }
}
