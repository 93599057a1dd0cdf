//! Where a request of a session goes, and under which id.
//!
//! [`Affinity::resolve`] is asked before a server is chosen, [`Affinity::answered`] when the head of its answer has come. While
//! a session's owner is up and has not been away, both answer without waiting for anything.

mod answers;
mod flights;

pub use answers::Answered;

use crate::memcached::Node;
use crate::session::id::Id;
use crate::session::record::Named;
use crate::session::takeover::counts::{Counts, one};
use crate::session::takeover::ground::{Ground, Known};
use crate::session::takeover::place::Place;
use crate::session::takeover::taking::{Ask, Outcome};
use crate::session::takeover::{Carried, Gate, NODE_SETTLES, Settings, State, Turn, Why, World};
use crate::session::takeover::{balance, preference};
use flights::Flights;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout_at};

/// What a client is told with a 503.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Before it is looked again whether there is room.
const BUSY: Duration = Duration::from_millis(20);

/// Of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub id: Option<Id<'a>>,
    pub carried: Carried,
    pub method: &'a str,
    /// As it came, without the query.
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub host: &'a str,
    /// The whole Cookie.
    pub cookie: Option<&'a [u8]>,
    /// Whether it may be sent once more after an answer has come.
    pub repeatable: bool,
}

/// The server that has the session.
pub struct To {
    pub server: usize,
    /// Non-sticky: who may be asked in its place, under the same id.
    pub others: Vec<usize>,
    /// In place of the client's.
    pub id: Option<Arc<str>>,
    /// For the client, unless the answer sets that cookie; [`Affinity::answered`] says whether still.
    pub set_cookie: Option<Arc<str>>,
    /// The request is the first of its session there: its sender finishes the gate with the answer's head.
    pub gate: Option<Gate>,
    /// Held until the answer is complete.
    pub turn: Option<Turn>,
}

impl To {
    pub fn plain(server: usize) -> To {
        To { server, others: Vec::new(), id: None, set_cookie: None, gate: None, turn: None }
    }
}

pub enum Way {
    /// It has no session.
    Free,
    /// Its session is bound to no server that is there: the first of these that takes it, the same at all edges.
    Prefer(Vec<usize>),
    To(To),
    /// 503.
    Unavailable {
        retry_after: Duration,
        why: Why,
    },
}

/// The sessions of an upstream.
pub struct Affinity {
    ground: Arc<Ground>,
    flights: Flights,
}

impl Affinity {
    /// `nodes`: in the order of `memcachedNodes`; none where there is no MSM.
    pub fn new(settings: Settings, nodes: Vec<Arc<Node>>, world: Arc<dyn World>) -> Arc<Affinity> {
        let known = Known::nothing(&settings);
        Affinity::with(settings, nodes, world, known)
    }

    /// In the place of another: what was counted goes on, and where sessions are known to be. `stays`: servers, their views and
    /// nodes are the same.
    pub fn after(
        before: &Affinity,
        settings: Settings,
        nodes: Vec<Arc<Node>>,
        world: Arc<dyn World>,
        stays: bool,
    ) -> Arc<Affinity> {
        let known = before.ground.known_under(&settings, stays);
        Affinity::with(settings, nodes, world, known)
    }

    fn with(settings: Settings, nodes: Vec<Arc<Node>>, world: Arc<dyn World>, known: Known) -> Arc<Affinity> {
        let ground = Arc::new(Ground::new(settings, nodes, world, known));
        Arc::new(Affinity { ground, flights: Flights::default() })
    }

    pub fn settings(&self) -> &Settings {
        &self.ground.settings
    }

    pub fn counts(&self) -> &Counts {
        &self.ground.counts
    }

    /// The owner, if it is beyond doubt that the session is there under this id: no waiting, no allocation.
    pub fn quick(&self, asked: &Asked<'_>) -> Option<usize> {
        let (ground, id) = (&*self.ground, asked.id.as_ref()?);
        let sticky = ground.settings.is_sticky();
        let route = id.route()?;
        let server = ground.servers.iter().position(|server| server.route.as_deref() == Some(route))?;
        let view = ground.world.view(server);
        if view.state != State::Up || (!sticky && (view.draining || ground.settings.serialize)) {
            return None;
        }
        if !self.takes_over() {
            return Some(server);
        }
        if !ground.places.is_empty() {
            let context = ground.settings.context_of(asked.path);
            let at_its_place =
                |place: &Place| (ground.stands(place) && *place.id == *id.as_str()).then_some(place.server);
            if let Some(known) = ground.places.look(context, id.base(), at_its_place) {
                return known;
            }
        }
        let clean = !sticky || (view.restarted.is_none() && !view.moved);
        (clean && self.node_is_clean(id)).then_some(server)
    }

    /// Whether it is known, without asking anybody, where the session was taken to.
    pub fn is_known(&self, asked: &Asked<'_>) -> bool {
        let context = self.ground.settings.context_of(asked.path);
        asked.id.is_some_and(|id| self.ground.known(context, id.base()).is_some())
    }

    /// Whether the session was looked for just now and is nowhere.
    pub fn is_lost(&self, asked: &Asked<'_>) -> bool {
        let context = self.ground.settings.context_of(asked.path);
        asked.id.is_some_and(|id| self.ground.is_lost(context, id.base()))
    }

    /// Whether no session has left the id's node.
    pub fn node_is_clean(&self, id: &Id<'_>) -> bool {
        let Some(node) = self.ground.books.node_of(id.node()) else { return true };
        let node = self.ground.world.node_view(&self.ground.books.nodes[node]);
        node.up && !node.moved && node.changed.is_none_or(|changed| changed.elapsed() >= NODE_SETTLES)
    }

    fn takes_over(&self) -> bool {
        self.ground.settings.takeover && !self.ground.books.nodes.is_empty()
    }

    pub async fn resolve(self: &Arc<Self>, asked: &Asked<'_>) -> Way {
        let Some(id) = asked.id else { return Way::Free };
        if let Some(server) = self.quick(asked) {
            return Way::To(To { others: self.others(&id, server), ..To::plain(server) });
        }
        let began = Instant::now();
        let until = tokio::time::Instant::now() + self.ground.settings.takeover_wait + self.ground.world.patience();
        if !self.ground.settings.is_sticky() && self.ground.settings.serialize {
            return self.in_turn(asked, &id, until).await;
        }
        let _ = timeout_at(until, self.hold(asked, &id)).await;
        let way = self.search(asked, &id, until).await;
        self.ground.counts.wait_time.note(began.elapsed());
        way
    }

    /// Non-sticky: the servers that may be asked instead.
    fn others(&self, id: &Id<'_>, server: usize) -> Vec<usize> {
        if self.ground.settings.is_sticky() {
            return Vec::new();
        }
        let mut others = preference(&self.ground.see(), &Named::from(id));
        others.retain(|other| *other != server);
        others
    }

    async fn in_turn(self: &Arc<Self>, asked: &Asked<'_>, id: &Id<'_>, until: tokio::time::Instant) -> Way {
        let context = self.ground.settings.context_of(asked.path);
        let ignored = self.is_ignored(asked);
        let turn = match ignored {
            true => None,
            false => {
                let turn = Turn::take(&self.ground, context, id.base(), id.node());
                match timeout_at(until, turn).await {
                    Ok(turn) => Some(turn),
                    Err(_) => return self.expired(id, Why::Turn),
                }
            }
        };
        match self.search(asked, id, until).await {
            Way::To(to) => Way::To(To { turn, ..to }),
            way => way,
        }
    }

    /// Waits while its server is about to be left, without asking anybody. Where else it may be is looked at afterwards.
    async fn hold(&self, asked: &Asked<'_>, id: &Id<'_>) {
        let ground = &self.ground;
        let context = ground.settings.context_of(asked.path);
        let place = ground.places.look(context, id.base(), |place| place.server);
        let by_route = || ground.servers.iter().position(|server| server.route.as_deref() == id.route());
        let server = place.or_else(|| id.route().and_then(|_| by_route()));
        if let Some(server) = server.filter(|_| ground.settings.is_sticky() && self.takes_over()) {
            ground.world.hold(server).await;
        }
    }

    fn is_ignored(&self, asked: &Asked<'_>) -> bool {
        let ignore = self.ground.settings.ignore.as_ref();
        ignore.is_some_and(|ignore| ignore.covers(asked.method, asked.path, asked.query))
    }

    async fn search(self: &Arc<Self>, asked: &Asked<'_>, id: &Id<'_>, until: tokio::time::Instant) -> Way {
        let ground = &self.ground;
        if !self.takes_over() {
            return self.balanced(id);
        }
        if !ground.settings.is_sticky() && self.is_at_ease(asked, id) {
            return self.any_server(id);
        }
        if ground.settings.is_sticky() && id.route().is_none() {
            return Way::Prefer(self.order(id));
        }
        let context = ground.settings.context_of(asked.path);
        if let Some(place) = ground.known(context, id.base()).filter(|place| place.is_fresh_for(id.as_str())) {
            return Way::To(self.to(place, id));
        }
        if ground.is_lost(context, id.base()) {
            return Way::Prefer(self.order(id));
        }
        self.wait(asked, id, context, until).await
    }

    /// Non-sticky: whether nothing is known of the session that would bind it.
    fn is_at_ease(&self, asked: &Asked<'_>, id: &Id<'_>) -> bool {
        let context = self.ground.settings.context_of(asked.path);
        self.node_is_clean(id) && self.ground.places.look(context, id.base(), |_| ()).is_none()
    }

    fn any_server(&self, id: &Id<'_>) -> Way {
        let mut order = preference(&self.ground.see(), &Named::from(id));
        if order.is_empty() {
            return Way::Prefer(order);
        }
        let server = order.remove(0);
        Way::To(To { others: order, ..To::plain(server) })
    }

    /// Without taking over: its owner while that is up.
    fn balanced(&self, id: &Id<'_>) -> Way {
        let seen = self.ground.see();
        match seen.server_of(id.route()).filter(|server| seen.is_up(*server)) {
            Some(server) => Way::To(To::plain(server)),
            None => Way::Prefer(self.order(id)),
        }
    }

    fn order(&self, id: &Id<'_>) -> Vec<usize> {
        let seen = self.ground.see();
        balance(&seen.servers, &seen.views, id.base())
    }

    async fn wait(
        self: &Arc<Self>,
        asked: &Asked<'_>,
        id: &Id<'_>,
        context: usize,
        until: tokio::time::Instant,
    ) -> Way {
        let ask = Arc::new(Ask {
            id: Named::from(id),
            context,
            host: asked.host.to_owned(),
            cookie: asked.cookie.map(<[u8]>::to_vec),
            carried: asked.carried,
        });
        loop {
            let flight = self.flights.join(&self.ground, &ask, until);
            let Ok(outcome) = timeout_at(until + BUSY, flight).await else { return self.expired(id, Why::Taking) };
            match outcome {
                Outcome::Settled(place) => return Way::To(self.to(place, id)),
                Outcome::Lost => return Way::Prefer(self.order(id)),
                Outcome::Own(seat) if self.is_ignored(asked) => {
                    // MSM takes nothing over for it; the session stays where it is.
                    return Way::To(To { id: in_place_of(id, &seat.id), ..To::plain(seat.server) });
                }
                Outcome::Own(seat) => {
                    if let Some(gate) = seat.take() {
                        let id = in_place_of(id, &seat.id);
                        return Way::To(To { id, gate: Some(gate), ..To::plain(seat.server) });
                    }
                }
                Outcome::Expired(why) if tokio::time::Instant::now() + BUSY >= until => return self.expired(id, why),
                Outcome::Expired(_) => sleep(BUSY).await,
            }
        }
    }

    fn to(&self, place: Place, id: &Id<'_>) -> To {
        let replaced = in_place_of(id, &place.id);
        let set_cookie = place.set_cookie.filter(|_| replaced.is_some());
        To { id: replaced, set_cookie, ..To::plain(place.server) }
    }

    fn expired(&self, id: &Id<'_>, why: Why) -> Way {
        one(&self.ground.counts.wait_expired);
        if self.ground.settings.proceed {
            return Way::Prefer(self.order(id));
        }
        Way::Unavailable { retry_after: RETRY_AFTER, why }
    }
}

fn in_place_of(id: &Id<'_>, other: &str) -> Option<Arc<str>> {
    (id.as_str() != other).then(|| Arc::from(other))
}

impl std::fmt::Debug for Affinity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Affinity({})", self.ground.settings.upstream)
    }
}
