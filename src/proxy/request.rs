//! One request on its way: what the phases hand to each other.

use super::attempt::Attempts;
use super::caching::{Stored, Work};
use super::content::Content;
use super::headers;
use super::live::Bound;
use super::rules::{Decided, Ran};
use super::sessions::Placed;
use super::snapshot::{Handler, Location, Mirror, Server};
use super::store::Storing;
use crate::cache::store::Zone;
use crate::client::{Body, Connection};
use crate::http::{Head, Version};
use crate::limit::Guard;
use crate::variables::defined::Values;
use crate::variables::{Exchange, Peer};
use pingora_http::ResponseHeader;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};

/// The context Pingora carries through the phases. Empty until the head has been looked at.
#[derive(Default)]
pub struct Ctx(Option<(Box<Request>, Arc<Connection>)>);

impl Ctx {
    pub fn begin(&mut self, request: Box<Request>, connection: Arc<Connection>) {
        self.0 = Some((request, connection));
    }

    pub fn get(&mut self) -> Option<(&mut Request, &Arc<Connection>)> {
        self.0.as_mut().map(|(request, connection)| (&mut **request, &*connection))
    }
}

/// Why no upstream is asked next.
pub enum Pending {
    /// A status, with the page there may be for it.
    Status(u16),
    /// A stale answer, which is better than none.
    Stale(Box<Stored>),
    /// `X-Accel-Redirect`: where an upstream wants the request to go.
    Inside(Vec<u8>),
}

/// A request and where it stands. Plain data: whoever decides over it needs no connection.
pub struct Request {
    pub exchange: Exchange,
    /// The configuration this request began with, kept to its end.
    pub bound: Arc<Bound>,
    pub server: Arc<Server>,
    pub location: Arc<Location>,
    /// The URI is no longer the client's (nginx's `valid_unparsed_uri` lost): the upstream gets it encoded anew.
    pub changed: bool,
    /// The client's path had `%XX`, so that a path made of it has to be escaped again.
    pub quoted: bool,
    /// An internal redirect led here.
    pub internal: bool,
    /// It is edge's own, for another one (`mirror`, `add_before_body`).
    pub is_subrequest: bool,
    /// Fields stand behind the body of its answer.
    pub has_trailers: bool,
    /// Copies of it that are to be sent.
    pub mirror: Option<Arc<Mirror>>,
    /// How often the URI was changed; a circle ends in 500.
    pub redirects: u8,
    /// The last status a request has failed with, whatever page the client gets for it; 0: it has not.
    pub failed: u16,
    /// Led here by `error_page`.
    pub error_page_used: bool,
    /// No further page is looked for: that happens once, unless `recursive_error_pages` is on.
    pub error_pages_over: bool,
    /// The status that `error_page` wants in the end, whatever the page's own is.
    pub error_status: Option<u16>,
    /// The path still begins with the location's prefix (nginx's `valid_location`).
    pub prefix_holds: bool,
    /// Fields of an upstream's answer that outlive the answer: of `X-Accel-Redirect`, of an intercepted 401.
    pub kept: Vec<(&'static str, http::HeaderValue)>,
    /// The connection is kept after the answer.
    pub keepalive: bool,
    /// The body, if it was read before an upstream was asked.
    pub body: Option<Body>,
    /// The same where the upstream does not get it.
    pub kept_body: Option<Body>,
    pub attempts: Attempts,
    /// Where its session wants it to go.
    pub placed: Placed,
    /// What was decided before Pingora had the request; `Some(None)`: an upstream is asked.
    pub decided: Option<Option<Content>>,
    /// The lane has begun with it: nothing of what is done before anybody is asked is done again.
    pub is_underway: bool,
    /// What the cache has to do with it.
    pub cache: Option<Box<Work>>,
    /// The zone that was looked into, which counts what came of it.
    pub zone: Option<Arc<Zone>>,
    /// A stored answer that the upstream has confirmed.
    pub confirmed: Option<Box<Stored>>,
    /// What the client is told instead of what Pingora writes.
    pub told: Option<Box<ResponseHeader>>,
    /// What is to be looked for before the next upstream is asked.
    pub pending: Option<Pending>,
    /// What rules have decided.
    pub rules: Option<Box<Decided>>,
    /// Which of them have run.
    pub ran: Ran,
    /// It is one of edge's own, for another that was let in.
    pub is_errand: bool,
    /// The upstream that gets this copy of a request.
    pub copy_for: Option<Arc<str>>,
    /// What is to be answered once Pingora has given up asking upstreams.
    pub content: Option<Content>,
    /// It is counted among the requests in flight as long as it lives.
    pub guards: Vec<Guard>,
    /// `$limit_rate` was set: what the location says of it counts no more.
    pub rate_is_set: bool,
    /// The file that its answer becomes.
    pub(super) storing: Option<Storing>,
    /// What comes of the client's body passes to the server as it comes.
    pub streams_body: bool,
    /// The client's body went to a server as it came, was thrown away, or is what the request was refused for: nobody else gets it.
    pub body_is_gone: bool,
    /// Over which it came, for requests of edge's own.
    pub connection: Weak<Connection>,
}

impl Request {
    pub fn new(head: Arc<Head>, peer: Peer, bound: Arc<Bound>) -> Request {
        let server = bound.virtual_for(peer.local).default.clone();
        let location = server.outside.clone();
        let mut exchange = Exchange::new(head, peer);
        exchange.server_name = server.name.clone();
        exchange.defined = Values::new(&bound.snapshot.defined);
        exchange.asks_captures = bound.snapshot.asked.captures;
        let mut request = Request {
            exchange,
            bound,
            server,
            location,
            changed: false,
            quoted: false,
            internal: false,
            is_subrequest: false,
            has_trailers: false,
            mirror: None,
            redirects: 0,
            failed: 0,
            error_page_used: false,
            error_pages_over: false,
            error_status: None,
            prefix_holds: true,
            kept: Vec::new(),
            keepalive: true,
            body: None,
            kept_body: None,
            attempts: Attempts::default(),
            placed: Placed::default(),
            decided: None,
            is_underway: false,
            cache: None,
            zone: None,
            confirmed: None,
            told: None,
            pending: None,
            rules: None,
            ran: Ran::default(),
            is_errand: false,
            copy_for: None,
            content: None,
            guards: Vec::new(),
            rate_is_set: false,
            storing: None,
            streams_body: false,
            body_is_gone: false,
            connection: Weak::new(),
        };
        request.note_location();
        request
    }

    /// From now on this location's settings hold; where `limit_except` has something to say of the method, what it says.
    pub fn enter(&mut self, location: Arc<Location>) {
        let limit = location.limit_except.as_ref().filter(|limit| limit.limits(&self.exchange.method));
        let limited = limit.map(|limit| limit.location.clone());
        self.location = limited.unwrap_or(location);
        self.note_location();
    }

    /// What variables have to know of the location.
    fn note_location(&mut self) {
        self.exchange.warns_of_uninitialized = self.location.warns_of_uninitialized;
        if self.bound.snapshot.asked.files {
            self.exchange.roots = Some(self.location.roots.clone());
        }
        if self.bound.snapshot.asked.placed {
            self.exchange.place = Some(self.location.clone());
        }
    }

    /// A line for the error log, with the connection's number before and the request behind it, as nginx writes it.
    pub fn log_error(&self, message: impl std::fmt::Display) {
        log::error!("*{} {message}, {}", self.exchange.peer.serial, self.context());
    }

    /// Keeps what an upstream answered, if some text asks for it.
    pub fn note_upstream_head(&mut self, head: &ResponseHeader) {
        if self.bound.snapshot.asked.upstream_head {
            self.exchange.answer.upstream = Some(Box::new(head.clone()));
        }
    }

    /// Keeps what the client is told, if some text asks for it.
    pub fn note_sent_head(&mut self, head: &ResponseHeader) {
        if self.bound.snapshot.asked.sent_head {
            self.exchange.answer.sent = Some(Box::new(head.clone()));
        }
    }

    pub fn is_head(&self) -> bool {
        self.exchange.method == http::Method::HEAD
    }

    pub fn is_http10(&self) -> bool {
        self.exchange.head.version == Version::Http10
    }

    pub fn log_info(&self, message: impl std::fmt::Display) {
        log::info!("*{} {message}, {}", self.exchange.peer.serial, self.context());
    }

    pub fn log_notice(&self, message: impl std::fmt::Display) {
        log::info!(target: "edge::notice", "*{} {message}, {}", self.exchange.peer.serial, self.context());
    }

    pub fn log_warn(&self, message: impl std::fmt::Display) {
        log::warn!("*{} {message}, {}", self.exchange.peer.serial, self.context());
    }

    fn context(&self) -> String {
        let x = &self.exchange;
        let mut text = format!(
            "client: {}, server: {}, request: \"{}\"",
            x.peer.remote.ip().to_canonical(),
            x.server_name,
            String::from_utf8_lossy(&x.head.line)
        );
        if let Some(last) = x.tries.last() {
            let own =
                || if matches!(self.location.handler, Handler::Memcached(_)) { Vec::new() } else { x.path.to_vec() };
            let uri = self.pass().map_or_else(own, |pass| headers::target(self, pass));
            let (scheme, uri) = (self.upstream_scheme(), String::from_utf8_lossy(&uri));
            text.push_str(&format!(", upstream: \"{scheme}://{}{uri}\"", last.address));
        }
        if let Some(host) = x.head.headers.get("host") {
            text.push_str(&format!(", host: \"{}\"", String::from_utf8_lossy(host)));
        }
        text
    }
}

/// Both ends of a connection, as variables tell them.
pub fn peer_of(connection: &Connection, requests: u64) -> Peer {
    let facts = connection.facts();
    Peer {
        remote: facts.remote.unwrap_or(NO_ADDRESS),
        connected: None,
        local: facts.local.unwrap_or(NO_ADDRESS),
        announced: facts.announced.as_ref().and_then(|a| a.source),
        announced_server: facts.announced.as_ref().and_then(|a| a.destination),
        socket: facts.socket.clone(),
        tls: facts.tls.is_some(),
        plain_to_tls: facts.plain_to_tls,
        session: facts.tls.clone(),
        serial: connection.serial(),
        requests: u32::try_from(requests).unwrap_or(u32::MAX),
        accepted: facts.accepted,
    }
}

/// What a client on a unix socket has for an address.
pub const NO_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
