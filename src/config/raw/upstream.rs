//! The keys of an upstream.

use crate::config::types::*;
use crate::config::value::{Spanned, Time};
use crate::keys;

keys! {
    /// Keys of one upstream.
    pub struct UpstreamKeys {
        /// How a server is chosen: `round_robin`, `least_conn`, `ip_hash`, `random`, `{ random: two }`,
        /// `{ hash: $request_uri, consistent: true }` or `{ least_time: header }` (or `last_byte`).
        ["u"] balance: BalanceBy = "round_robin",
        /// The servers: addresses or maps.
        ["u"] servers: Vec<Spanned<UpstreamServer>>,
        /// The most idle connections kept open to the upstream's servers, of all threads together; `0`: none.
        ["u"] keepalive: u32 = "128",
        /// How long an idle connection is kept. Shorter than Tomcat's 20 s, so that Tomcat never closes one that is being used; a server that says `Keep-Alive: timeout=N` (Tomcat does if `Connection: keep-alive` asks for it, which edge sends) is believed: its connections are let go half a second before.
        ["u"] keepalive_timeout: Time = "15s",
        /// The most requests on one connection, which is closed after the last of them.
        ["u"] keepalive_requests: u32 = "1000",
        /// Servers are asked at intervals whether they live, and left out when they do not: `http`, `tcp` or a map. The first
        /// check of a server decides at once; edge listens only when each was checked. If none is healthy the answer is 502.
        ["u"] health_check: HealthCheck,
        /// How the applications keep their sessions: requests follow the route of their session's id, and if a server dies its
        /// sessions are taken over.
        ["u"] session: Session,
        /// Binds clients to servers without a look at sessions, as nginx does: by a cookie of edge's own, `{ cookie: srv_id, expires: 1h }`, by
        /// the `route` that a variable names, `{ route: [$route_cookie, $route_uri] }`, or by an id that is learned from answers,
        /// `{ learn: { create: $upstream_cookie_sid, lookup: $cookie_sid } }`. A bound client's requests go to its server whatever
        /// `balance` says, also while that drains; if it is down, has failed or was tried in vain, the client is bound to another one.
        ["u"] sticky: Sticky,
        /// Accepted; names are looked up as the system does it, again and again.
        ["u"] resolver: Accepted,
        /// Accepted; a name is waited for no longer than 5 seconds.
        ["u"] resolver_timeout: Accepted,
        /// Accepted; state is shared by all threads anyway.
        ["u"] zone: Accepted,
        /// Accepted; a connection ends with `keepalive_timeout` and `keepalive_requests`.
        ["u"] keepalive_time: Accepted,
    }
}
