//! What an answer says of its session: nothing, another id of the same, or another session.

use super::{Affinity, Asked, To, Way};
use crate::session::id::Id;
use crate::session::record::{Named, Record};
use crate::session::takeover::counts::one;
use crate::session::takeover::ground::Seen;
use crate::session::takeover::place::Place;
use crate::session::takeover::{Moved, SetCookie};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long an answer is held up for the record.
const LIMIT: Duration = Duration::from_millis(500);
/// How long the death of a node needs until it is in the views.
const NOTICED: Duration = Duration::from_millis(250);
const AGAIN: Duration = Duration::from_millis(10);

pub enum Answered {
    /// To the client, with this Set-Cookie if there is one. Then it is nobody else's: never to be cached.
    Pass { set_cookie: Option<Arc<str>> },
    /// The session was not known under the id that was sent, and is under another: the request once more, there.
    Repeat(To),
}

const NOTHING: Answered = Answered::Pass { set_cookie: None };

impl Affinity {
    /// The head of the answer to a request that went `to`. Its gate, if it had one, is finished already.
    pub async fn answered(self: &Arc<Self>, asked: &Asked<'_>, to: &To, new: Option<&SetCookie>) -> Answered {
        let Some(id) = asked.id else { return NOTHING };
        let context = self.ground.settings.context_of(asked.path);
        let Some(new) = new else {
            return Answered::Pass { set_cookie: self.cookie_for(context, &id, to) };
        };
        let Some(named) = Named::parse(&new.id) else { return NOTHING };
        let sent = to.id.as_deref().unwrap_or(id.as_str());
        if named.text == sent || !self.takes_over() {
            return NOTHING;
        }
        let sent = Id::parse(sent.as_bytes()).unwrap_or(id);
        if named.base != id.base() {
            return self.replaced(asked, &sent, to, new).await;
        }
        // If it cannot be told in time, this edge knows it at least.
        let _ = timeout(LIMIT, self.renamed(context, &sent, to.server, new, named)).await;
        NOTHING
    }

    /// A session that this server has just made: it needs no gate there.
    pub fn made(&self, path: &str, server: usize, id: &str) {
        let (ground, Some(id)) = (&self.ground, Named::parse(id)) else { return };
        let seen = ground.see();
        let node = ground.books.node_of(id.node.as_deref());
        let view = &seen.views[server];
        let node_was_away = node.is_some_and(|node| seen.nodes[node].moved || seen.nodes[node].changed.is_some());
        // Where nothing has happened there is nothing to know.
        if view.restarted.is_some() || view.moved || node_was_away {
            let place = Place {
                server,
                instance: view.instance,
                node,
                id: id.text.as_str().into(),
                set_cookie: None,
                at: seen.at,
            };
            ground.places.put(ground.settings.context_of(path), &id.base, place);
        }
    }

    /// Unless the client has a better one by now.
    fn cookie_for(&self, context: usize, id: &Id<'_>, to: &To) -> Option<Arc<str>> {
        let line = to.set_cookie.clone()?;
        match self.ground.places.look(context, id.base(), |place| place.set_cookie.is_some()) {
            Some(false) => None,
            _ => Some(line),
        }
    }

    /// MSM has given the session another node or route: whoever comes with the old id is told, at every edge, before the
    /// client knows.
    async fn renamed(&self, context: usize, sent: &Id<'_>, server: usize, new: &SetCookie, named: Named) {
        let (ground, old) = (&self.ground, Named::from(sent));
        if ground.known(context, &old.base).is_some_and(|place| *place.id == *named.text) {
            return;
        }
        let seen = ground.see();
        ground.places.put(context, &old.base, self.place_at(&seen, server, &named, &new.line));
        if old.node != named.node
            && let Some(node) = ground.books.node_of(old.node.as_deref())
        {
            ground.world.mark_moved(Moved::Node(&ground.books.nodes[node])).await;
        }
        if let Some(owner) = seen.server_of(old.route.as_deref()).filter(|owner| *owner != server) {
            ground.world.mark_moved(Moved::Server(owner)).await;
        }
        let key = ground.books.key("s", &ground.context(context).path, &old.base);
        loop {
            // The node in the old id may have gone just now.
            let reading = ground.books.read(&key, &old, &ground.see()).await;
            let before = reading.record.as_ref();
            let record = Record {
                generation: before.map_or(0, |record| record.generation).saturating_add(1),
                server: seen.servers[server].name.clone(),
                instance: seen.views[server].instance,
                done: true,
                id: named.clone(),
                set_cookie: Some(new.line.clone()),
                former: before.map(|record| record.former.clone()).unwrap_or_default(),
            };
            match ground.books.write(&key, &reading, &record).await {
                Ok(true) => return ground.books.copy(&key, &old, &ground.see(), &record).await,
                Ok(false) => {}
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    fn place_at(&self, seen: &Seen, server: usize, id: &Named, line: &str) -> Place {
        Place {
            server,
            instance: seen.views[server].instance,
            node: self.ground.books.node_of(id.node.as_deref()),
            id: id.text.as_str().into(),
            set_cookie: Some(line.into()),
            at: seen.at,
        }
    }

    /// Another session: a login, or the server has not found this one and made a new one.
    async fn replaced(self: &Arc<Self>, asked: &Asked<'_>, sent: &Id<'_>, to: &To, new: &SetCookie) -> Answered {
        let context = self.ground.settings.context_of(asked.path);
        if asked.repeatable && to.gate.is_none() && self.is_elsewhere(context, sent).await {
            if self.known_as(context, sent).is_none_or(|same| same) {
                self.ground.places.remove(context, sent.base());
            }
            if let Way::To(again) = self.resolve(asked).await
                && again.id.as_deref().or(asked.id.map(|id| id.as_str())) != Some(sent.as_str())
            {
                return Answered::Repeat(again);
            }
        }
        one(&self.ground.counts.rotated);
        self.made(asked.path, to.server, &new.id);
        let _ = timeout(LIMIT, self.take_cookie_back(context, sent)).await;
        NOTHING
    }

    /// Whether this edge knows the session by the id that was sent; nothing if it does not know it.
    fn known_as(&self, context: usize, sent: &Id<'_>) -> Option<bool> {
        let place = self.ground.known(context, sent.base())?;
        Some(*place.id == *sent.as_str())
    }

    /// Whether the session goes, or may go, by another id than the one that was sent.
    async fn is_elsewhere(&self, context: usize, sent: &Id<'_>) -> bool {
        if self.known_as(context, sent) == Some(false) {
            return true;
        }
        let (ground, id) = (&self.ground, Named::from(sent));
        let key = ground.books.key("s", &ground.context(context).path, &id.base);
        let reading = ground.books.read(&key, &id, &ground.see()).await;
        let node = ground.books.node_of(id.node.as_deref());
        let gone = || node.is_some_and(|node| !ground.world.node_view(&ground.books.nodes[node]).up);
        if reading.failed {
            // The node has just gone, and MSM was faster than this edge.
            let noticed = async {
                while !gone() {
                    sleep(AGAIN).await;
                }
            };
            let _ = timeout(NOTICED, noticed).await;
            return true;
        }
        gone() || reading.record.is_some_and(|record| !record.done || record.id.text != id.text)
    }

    /// The client has the cookie of another session now: the old one's is not to come after it.
    async fn take_cookie_back(&self, context: usize, sent: &Id<'_>) {
        let (ground, id) = (&self.ground, Named::from(sent));
        ground.places.forget_cookie(context, &id.base);
        let key = ground.books.key("s", &ground.context(context).path, &id.base);
        let seen = ground.see();
        // As long as somebody else changes it.
        loop {
            let reading = ground.books.read(&key, &id, &seen).await;
            let Some(record) = reading.record.clone().filter(|record| record.set_cookie.is_some()) else { return };
            let record = Record { set_cookie: None, ..record };
            if !matches!(ground.books.write(&key, &reading, &record).await, Ok(false)) {
                return;
            }
        }
    }
}
