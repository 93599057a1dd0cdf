//! Where the session of a request is, asked before a server is chosen; and what its answer says of that.

use super::kept::{Live, Sessions};
use super::state;
use crate::proxy::headers;
use crate::proxy::line::Line;
use crate::proxy::request::Request;
use crate::proxy::snapshot::{Pass, PassTarget};
use crate::session::affinity::{Answered, Asked, To, Way};
use crate::session::id::Id;
use crate::session::servers::Stance;
use crate::session::takeover::{Carried, SetCookie};
use crate::upstream::{Chosen, Wish, retry};
use http::header::SET_COOKIE;
use pingora_http::ResponseHeader;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

/// Where a request's session wants it to go.
#[derive(Default)]
pub struct Placed {
    to: Option<Box<To>>,
    /// The server of a session that is where its id says: nothing else has to be known of it.
    owner: Option<usize>,
    rather: Vec<usize>,
    /// Its own server is not there: it goes to another one.
    pub(super) strays: bool,
    /// It was decided before, for an attempt that has failed, or for another `proxy_pass`.
    decided: bool,
    /// The server that the client is bound to without a session; empty: none.
    pub(super) bound_to: Vec<u8>,
    /// The server that a rule wants, while it is up.
    pub(in crate::proxy) wanted: Option<[usize; 1]>,
    /// Which process of the server was meant; 0: none was seen.
    standing: u64,
    /// Whether its sessions were moved off it since.
    turn: u64,
    /// Waits for a server that does not answer any more to be looked at.
    doubted: Option<usize>,
    /// The process of the server that was meant may have ended.
    shaken: Option<usize>,
    /// What the server that has answered says the client is to be told.
    told: Option<Arc<str>>,
    /// The answer is one of another session: the request goes out once more.
    again: Option<Box<To>>,
}

/// How long a request waits for a look at a server that has just failed it, beyond the time that connecting may take.
const LOOK: Duration = Duration::from_millis(500);

impl Placed {
    pub fn wish(&self) -> Wish<'_> {
        match (self.server(), &self.wanted) {
            (Some(server), _) => Wish::Only(server),
            (None, Some(wanted)) => Wish::Rather(wanted),
            (None, None) if !self.bound_to.is_empty() => Wish::Bound(&self.bound_to),
            (None, None) if self.rather.is_empty() => Wish::Any,
            (None, None) => Wish::Rather(&self.rather),
        }
    }

    /// The server that has the session; no other will do.
    pub fn server(&self) -> Option<usize> {
        self.owner.or(self.to.as_ref().map(|to| to.server))
    }

    /// Nobody decides where no configuration is in force.
    pub(super) fn send_to(&mut self, owner: Option<usize>) {
        self.owner = owner;
    }

    /// The exchange with the server broke: it is looked at before it is asked again.
    pub fn doubt(&mut self) {
        self.doubted = self.server();
    }

    /// In the place of the client's.
    pub fn id(&self) -> Option<&str> {
        self.to.as_ref()?.id.as_deref()
    }

    /// What the client is to be told of where its session is now.
    pub fn set_cookie(&self) -> Option<&str> {
        self.told.as_deref()
    }
}

/// A request as the session room reads it, with what it borrows from.
pub(super) struct Read<'r> {
    pub path: Cow<'r, [u8]>,
    cookie: Option<Cow<'r, [u8]>>,
    host: &'r str,
}

impl Request {
    /// How the upstream's applications keep sessions, if it is said.
    pub(in crate::proxy) fn sessions(&self) -> Option<&Arc<Sessions>> {
        if let Some(name) = self.wanted_upstream() {
            // A copy of a request must move no session.
            let all = self.bound.snapshot.sessions.iter().filter(|_| self.copy_for.is_none());
            return all.into_iter().find(|sessions| sessions.upstream_name() == &**name);
        }
        match &self.pass()?.target {
            PassTarget::Upstream { sessions, .. } => sessions.as_ref(),
            PassTarget::Variable(_) => None,
        }
    }

    /// Finds out where the session is, and waits while it is taken over. An error is the status to answer with.
    pub(in crate::proxy) async fn place_session(&mut self) -> Result<(), u16> {
        if std::mem::replace(&mut self.placed.decided, true) && Box::pin(self.begin_anew()).await {
            return Ok(());
        }
        if let Some((owner, meant)) = self.owner_at_ease() {
            self.placed.owner = Some(owner);
            (self.placed.standing, self.placed.turn) = meant;
            self.tell_state("owner");
            return Ok(());
        }
        match self.sessions() {
            // In a box of its own: most requests need no room for it.
            Some(_) => Box::pin(self.search_session()).await,
            None => Ok(()),
        }
    }

    /// Forgets what was decided, and sees to what has shaken it. True: the next decision is there already.
    async fn begin_anew(&mut self) -> bool {
        self.leave_gate().await;
        // What it holds is let go here: its own turn is not to be waited for.
        let before = std::mem::take(&mut self.placed);
        self.placed.decided = true;
        let Some(sessions) = self.sessions().cloned() else { return false };
        let Some(live) = sessions.live() else { return false };
        if let Some(to) = before.again {
            (self.placed.standing, self.placed.turn) = live.meant(to.server);
            // Else it is decided anew.
            if live.outside.watch.stance(to.server) == Stance::Here {
                self.placed.to = Some(to);
                return true;
            }
        }
        let limit = sessions.settings.owner_connect_timeout + LOOK;
        if let Some(server) = before.doubted {
            live.outside.watch.doubt(server);
            live.outside.watch.settled(server, limit).await;
        }
        if let Some(server) = before.shaken {
            live.outside.watch.steady(server, limit).await;
        }
        false
    }

    /// The session's own server, if it is beyond doubt that the session is there, and which process of it is meant. Nothing is
    /// counted, copied or waited for: so it is with most requests. With it: its process, and its turn.
    fn owner_at_ease(&self) -> Option<(usize, (u64, u64))> {
        let sessions = self.sessions()?;
        let live = sessions.live_now();
        let live = live.as_ref()?;
        let (id, carried) = self.session_id(sessions)?;
        let owner = sessions.place_of(id.route()?)?;
        // What is decided is younger than what it is compared with later.
        let meant = live.meant(owner);
        let read = self.read_for_session();
        (live.affinity.quick(&self.asked(&read, id, carried)) == Some(owner)).then_some((owner, meant))
    }

    async fn search_session(&mut self) -> Result<(), u16> {
        let Some(sessions) = self.sessions().cloned() else { return Ok(()) };
        let Some(live) = sessions.live() else { return Ok(()) };
        let Some((id, carried)) = self.session_id(&sessions) else { return Ok(()) };
        let read = self.read_for_session();
        let asked = self.asked(&read, id, carried);
        let was_known = live.affinity.is_known(&asked);
        let (way, meant) = live.resolve(&asked).await;
        let state = state::told(&way, was_known, &sessions, || live.affinity.is_lost(&asked));
        self.tell_state(state);
        (self.placed.standing, self.placed.turn) = meant;
        match way {
            Way::Free => Ok(()),
            Way::Prefer(servers) => {
                self.placed.rather = servers;
                self.placed.strays = true;
                Ok(())
            }
            Way::To(to) => {
                self.placed.to = Some(Box::new(to));
                Ok(())
            }
            Way::Unavailable { retry_after, why } => {
                self.log_error(format_args!("the session was waited for in vain: {why}"));
                self.kept.push(("Retry-After", http::HeaderValue::from(retry_after.as_secs())));
                Err(503)
            }
        }
    }

    /// A server was chosen and counts the request. True: its sessions are being moved off it, or were since this was decided, and
    /// whoever does that may not have counted it: it goes elsewhere.
    pub(in crate::proxy) fn is_overtaken(&self, chosen: &Chosen) -> bool {
        let Some(sessions) = self.sessions() else { return false };
        fence(Ordering::SeqCst);
        match self.placed.server() {
            Some(server) => sessions.has_turned(server, Some(self.placed.turn)),
            None => sessions.has_turned(chosen.place(), None),
        }
    }

    /// A connection to the server is there. False: the process that was meant has ended, and this may be another one, which must not
    /// get the request before it was looked at. One system call, but for a request that may be repeated on a connection that was
    /// looked at before: see `session/servers/cell.rs`.
    pub(in crate::proxy) fn session_stands(&mut self, line: Option<&Line>) -> bool {
        let (Some(server), Some(sessions)) = (self.placed.server(), self.sessions()) else { return true };
        // Of sessions that are loaded for each request any process will do.
        if !sessions.settings.takeover.is_sticky() {
            return true;
        }
        let (live, meant) = (sessions.live_now(), self.placed.standing);
        let Some(watch) = live.as_ref().map(|live| &live.outside.watch) else { return true };
        if self.is_repeatable() && line.is_some_and(|line| line.leads_to(meant)) && watch.means(server, meant) {
            return true;
        }
        let stands = watch.stands(server, meant);
        drop(live);
        match (stands, line) {
            (true, Some(line)) => line.note_process(meant),
            (true, None) => {}
            (false, _) => self.placed.shaken = Some(server),
        }
        stands
    }

    /// Whether it may be sent once more.
    fn is_repeatable(&self) -> bool {
        let streamed = self.body.is_none() && self.exchange.head.framing.has_body();
        !streamed && retry::is_idempotent(self.exchange.method.as_str())
    }

    /// The head of the server's answer is there. True: it is about another session, and the request goes out once more.
    pub(in crate::proxy) async fn session_answered(&mut self, answer: &ResponseHeader) -> bool {
        match self.hears_nothing_new(answer) {
            true => false,
            // In a box of its own: most requests need no room for it.
            false => Box::pin(self.hear_of_session(answer)).await,
        }
    }

    /// So it is with most answers: their server lives, and they say nothing of the session.
    fn hears_nothing_new(&self, answer: &ResponseHeader) -> bool {
        let Some(sessions) = self.sessions() else { return true };
        let live = sessions.live_now();
        let Some(live) = live.as_ref() else { return true };
        if let Some(server) = self.attempts.server_place() {
            // Busy is not frozen.
            live.outside.watch.heard(server);
        }
        if answer.headers.contains_key(SET_COOKIE) && set_cookie(answer, sessions).is_some() {
            return false;
        }
        if answer.status.is_success() {
            self.keep_session_alive(live, sessions);
        }
        self.placed.to.is_none()
    }

    async fn hear_of_session(&mut self, answer: &ResponseHeader) -> bool {
        let Some(sessions) = self.sessions().cloned() else { return false };
        let Some(live) = sessions.live() else { return false };
        let new = set_cookie(answer, &sessions);
        if let Some(gate) = self.placed.to.as_mut().and_then(|to| to.gate.take()) {
            gate.finish(new.clone()).await;
        }
        let Some((id, carried)) = self.session_id(&sessions) else {
            self.note_made(&live, new.as_ref());
            return false;
        };
        let plain = self.placed.owner.map(To::plain);
        let Some(to) = self.placed.to.as_deref().or(plain.as_ref()) else {
            self.note_made(&live, new.as_ref());
            return false;
        };
        let read = self.read_for_session();
        let answered = live.affinity.answered(&self.asked(&read, id, carried), to, new.as_ref()).await;
        match answered {
            Answered::Pass { set_cookie } => {
                self.placed.told = set_cookie;
                false
            }
            Answered::Repeat(to) => {
                self.placed.again = Some(Box::new(to));
                true
            }
        }
    }

    /// A request that was to be the first of its session at a server has not got there: another one may be it.
    async fn leave_gate(&mut self) {
        if let Some(gate) = self.placed.to.as_mut().and_then(|to| to.gate.take()) {
            match self.attempts.last_was_unsent() {
                true => gate.unsent().await,
                false => drop(gate),
            }
        }
    }

    /// A session that was just made is where it was made.
    fn note_made(&self, live: &Live, new: Option<&SetCookie>) {
        let place = self.attempts.server_place();
        if let (Some(new), Some(server)) = (new, place) {
            let read = self.read_for_session();
            live.affinity.made(&String::from_utf8_lossy(&read.path), server, &new.id);
        }
    }

    /// The id that counts: the first whose route is a server's, else the first. Tomcat takes the first that names a session.
    pub(super) fn session_id<'r>(&'r self, sessions: &'r Sessions) -> Option<(Id<'r>, Carried)> {
        let head = &self.exchange.head;
        let names = sessions.names();
        let in_cookies = names.ids(head.headers.get_all("cookie"), b"").map(|id| (id, Carried::Cookie));
        let in_path = names.ids(std::iter::empty(), &head.target).map(|id| (id, Carried::Path));
        let mut ids = in_cookies.chain(in_path);
        let first = ids.next()?;
        if sessions.has_route(first.0.route()) {
            return Some(first);
        }
        Some(ids.find(|(id, _)| sessions.has_route(id.route())).unwrap_or(first))
    }

    /// As the application sees it.
    pub(super) fn read_for_session(&self) -> Read<'_> {
        let as_sent =
            |pass: &Pass| matches!(pass.target, PassTarget::Upstream { .. }) && pass.uri.is_none() && !self.changed;
        let target = match self.pass().filter(|pass| !as_sent(pass)) {
            Some(pass) => Cow::Owned(headers::target(self, pass)),
            None => Cow::Borrowed(&self.exchange.request_uri[..]),
        };
        let path = match memchr::memchr(b'?', &target) {
            Some(end) => match target {
                Cow::Borrowed(target) => Cow::Borrowed(&target[..end]),
                Cow::Owned(mut target) => {
                    target.truncate(end);
                    Cow::Owned(target)
                }
            },
            None => target,
        };
        let mut cookies = self.exchange.head.headers.get_all("cookie");
        let cookie = cookies.next().map(|first| {
            // HTTP/2 may send one for each pair (RFC 9113 8.2.3).
            cookies.fold(Cow::Borrowed(first), |all, next| Cow::Owned([&all, &b"; "[..], next].concat()))
        });
        let host = self.exchange.head.headers.get("host").and_then(|host| std::str::from_utf8(host).ok());
        Read { path, cookie, host: host.unwrap_or_default() }
    }

    pub(super) fn asked<'r>(&'r self, read: &'r Read<'_>, id: Id<'r>, carried: Carried) -> Asked<'r> {
        let text = |bytes: &'r [u8]| std::str::from_utf8(bytes).unwrap_or("/");
        Asked {
            id: Some(id),
            carried,
            method: self.exchange.method.as_str(),
            path: text(&read.path),
            query: self.exchange.args.as_deref().and_then(|args| std::str::from_utf8(args).ok()),
            host: read.host,
            cookie: read.cookie.as_deref(),
            repeatable: self.is_repeatable(),
        }
    }
}

/// The session id that an answer gives; the last one counts, as for a browser.
fn set_cookie(answer: &ResponseHeader, sessions: &Sessions) -> Option<SetCookie> {
    let set = answer.headers.get_all(SET_COOKIE).iter().filter_map(|line| {
        let id = sessions.names().id_set(line.as_bytes())?.as_str().to_owned();
        Some(SetCookie { line: line.to_str().ok()?.to_owned(), id })
    });
    set.last()
}
