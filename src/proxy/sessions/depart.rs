//! Sessions are moved off a server that lives, or it is taken back, as an operator says: what is told over the control socket.

use super::kept::Sessions;
use crate::session::servers::{Departed, Edge, Stance, State, Stuck};
use crate::session::takeover::World;
use std::time::Duration;

impl Sessions {
    /// The place of the server that is written so, has this address or this route.
    fn place_named(&self, server: &str) -> Option<usize> {
        let peers = self.upstream_of_it().peers();
        let is_meant = |peer: &&std::sync::Arc<crate::upstream::Peer>| {
            let address = || peer.server.address().to_string() == server;
            peer.settings.address == server || peer.settings.route.as_deref() == Some(server) || address()
        };
        peers.iter().find(is_meant).map(|peer| peer.place)
    }

    /// Has all edges move the sessions of a server. What has happened, or why nothing has.
    pub async fn depart(&self, server: &str, time: Duration, force: bool) -> Result<String, String> {
        let takes_over = self.settings.takeover.takeover && self.settings.store.is_some();
        if !takes_over {
            return Err("its sessions have no `store` they could be taken over from, or `takeover: off` is said; \
                        `drain` sends new ones elsewhere, and those it has stay until they end"
                .into());
        }
        let live = self.live().ok_or("its sessions are not at work yet")?;
        let place = self.place_named(server).ok_or_else(|| format!("there is no server `{server}`"))?;
        let outside = &live.outside;
        let draining = |at| outside.view(at).draining;
        let is_here = outside.watch.view(place).state == State::Up && outside.watch.stance(place) == Stance::Here;
        if is_here && !outside.watch.has_another(place, |at| !draining(at)) {
            return Err(Stuck::Alone.to_string());
        }
        match outside.watch.depart(place, time, force).await {
            Ok(departed) => Ok(told(&departed)),
            Err(why) => Err(why.to_string()),
        }
    }

    /// All is as before. What has happened, if anything had to.
    pub async fn take_back(&self, server: &str) -> Result<Option<String>, String> {
        let (Some(live), Some(place)) = (self.live(), self.place_named(server)) else { return Ok(None) };
        match live.outside.watch.take_back(place).await {
            Ok(true) => Ok(Some("its sessions may come to it again".into())),
            Ok(false) => Ok(None),
            Err(why) => Err(why.to_string()),
        }
    }

    /// For `edge upstream list`: what is done with the sessions of a server, if anything.
    pub fn departure(&self, place: usize) -> Option<&'static str> {
        let live = self.live()?;
        let view = live.outside.watch.view(place);
        match view.stance {
            _ if view.state != State::Up => None,
            Stance::Here => None,
            Stance::Held => Some("moving"),
            Stance::Left => Some("moved"),
        }
    }
}

fn told(departed: &Departed) -> String {
    match departed {
        Departed::Before => "its sessions were moved off it before; it may be stopped".into(),
        Departed::Ended => "it is dead, its sessions move as they are asked for".into(),
        Departed::Left { edges, after } => {
            let waited: usize = edges.iter().map(|edge| edge.waiting).sum();
            let gone: Vec<&Edge> = edges.iter().filter(|edge| edge.gone).collect();
            let without = match gone.as_slice() {
                [] => String::new(),
                gone => format!(", {} of which did not speak any more", gone.len()),
            };
            let edges = plural(edges.len(), "edge");
            let time = Duration::from_millis(after.as_millis() as u64);
            format!(
                "{edges}{without} let it go within {time:?}, {} waited; it may be stopped",
                plural(waited, "request")
            )
        }
    }
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
}
