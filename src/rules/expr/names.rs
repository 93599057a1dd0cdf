//! The names that expressions read: their types, from which phase on they are known, and what they mean. Documentation, the
//! check and the reading all use this one table.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use super::functions::paths;
use super::maps::Map;
use super::precheck::Needs;
use super::time::{self, Timestamp};
use super::types::Kind;
use super::value::Value;
use crate::http::{Framing, Headers};
use crate::rules::{Phase, View};

/// A name of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    RequestMethod,
    RequestScheme,
    RequestHost,
    RequestPath,
    RequestBarePath,
    RequestRawPath,
    RequestUri,
    RequestQuery,
    RequestArgs,
    RequestHeaders,
    RequestCookies,
    RequestBearer,
    RequestSize,
    RequestVersion,
    RequestTime,
    RequestId,
    ClientIp,
    ClientNetwork,
    ClientPort,
    ClientTls,
    SessionId,
    SessionRoute,
    SessionNode,
    SessionState,
    SessionAge,
    SessionIdle,
    SessionUser,
    Upstream,
    UpstreamServer,
    UpstreamStatus,
    UpstreamTries,
    ResponseStatus,
    ResponseHeaders,
    ResponseSize,
    CacheStatus,
    CacheAge,
    Edge,
    EdgeGeneration,
    Now,
}

/// What is to know of a name.
pub struct Entry {
    pub name: &'static str,
    kind: fn() -> Kind,
    /// The first phase in which it is known.
    pub since: Phase,
    pub doc: &'static str,
    of: Name,
}

impl Entry {
    pub fn kind(&self) -> Kind {
        (self.kind)()
    }

    pub(super) fn name_of(&self) -> Name {
        self.of
    }
}

fn text() -> Kind {
    Kind::Text
}

fn int() -> Kind {
    Kind::Int
}

fn texts() -> Kind {
    Kind::map(Kind::Text, Kind::Text)
}

fn duration() -> Kind {
    Kind::Duration
}

use Name as N;
use Phase::{Log, Request, Response, UpstreamRequest};

const fn entry(name: &'static str, of: Name, kind: fn() -> Kind, since: Phase, doc: &'static str) -> Entry {
    Entry { name, kind, since, doc, of }
}

/// Every name but `with.…` and `vars.…`, which the rules themselves define.
pub const TABLE: &[Entry] = &[
    entry("request.method", N::RequestMethod, text, Request, "`GET`, `POST` and so on, as sent."),
    entry("request.scheme", N::RequestScheme, text, Request, "`http` or `https`."),
    entry("request.host", N::RequestHost, text, Request, "The host asked for: lower case, without port. `$host`"),
    entry(
        "request.path",
        N::RequestPath,
        text,
        Request,
        "The path, decoded and normalized, as rewrites left it. `$uri`",
    ),
    entry(
        "request.bare_path",
        N::RequestBarePath,
        text,
        Request,
        "The path as a servlet container looks for it: without `;parameters`, and then without dots again.",
    ),
    entry("request.raw_path", N::RequestRawPath, text, Request, "The path as sent, neither decoded nor normalized."),
    entry("request.uri", N::RequestUri, text, Request, "Path and query as sent. `$request_uri`"),
    entry("request.query", N::RequestQuery, text, Request, "What follows `?`, not decoded; '' without. `$args`"),
    entry(
        "request.args",
        N::RequestArgs,
        texts,
        Request,
        "The arguments of the query, names and values decoded; of several with one name the first. `request.arg('a')` is '' if there is none.",
    ),
    entry(
        "request.headers",
        N::RequestHeaders,
        texts,
        Request,
        "The fields of the request; case does not matter, several of one name are joined with `, `. `request.header('x-a')` is '' if there is none.",
    ),
    entry(
        "request.cookies",
        N::RequestCookies,
        texts,
        Request,
        "The cookies of the request. `request.cookie('a')` is '' if there is none.",
    ),
    entry(
        "request.bearer",
        N::RequestBearer,
        text,
        Request,
        "The token of `Authorization: Bearer …`; '' without, and where there are several such fields.",
    ),
    entry(
        "request.size",
        N::RequestSize,
        int,
        Request,
        "The length of the body: as announced, -1 if it was not; in the phase `log` as it turned out.",
    ),
    entry("request.version", N::RequestVersion, text, Request, "`HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`."),
    entry("request.time", N::RequestTime, || Kind::Timestamp, Request, "When the request began."),
    entry("request.id", N::RequestId, text, Request, "32 hexadecimal digits that no other request has. `$request_id`"),
    entry("client.ip", N::ClientIp, text, Request, "The address of the client, as `cidr()` takes it. `$remote_addr`"),
    entry(
        "client.network",
        N::ClientNetwork,
        text,
        Request,
        "What limits count by: the address, of IPv6 its /64, for one customer has all of that.",
    ),
    entry("client.port", N::ClientPort, int, Request, "The port of the client."),
    entry("client.tls", N::ClientTls, || Kind::Bool, Request, "Whether the client speaks TLS."),
    entry(
        "session.id",
        N::SessionId,
        text,
        Request,
        "A hash of the session's id, the same while it moves; '' without a session. `$session_id`",
    ),
    entry(
        "session.route",
        N::SessionRoute,
        text,
        Request,
        "The route that the session's id names; '' without. `$session_route`",
    ),
    entry(
        "session.node",
        N::SessionNode,
        text,
        Request,
        "The memcached node of the session; '' without. Asks memcached. `$session_node`",
    ),
    entry(
        "session.state",
        N::SessionState,
        text,
        Request,
        "What was decided on where the session is; '' without. Asks memcached. `$session_state`",
    ),
    entry(
        "session.age",
        N::SessionAge,
        duration,
        Request,
        "How long ago the session was made; missing if it is not stored. Asks memcached. `$session_age`",
    ),
    entry(
        "session.idle",
        N::SessionIdle,
        duration,
        Request,
        "How long ago it was used; missing if it is not stored. Asks memcached. `$session_idle`",
    ),
    entry(
        "session.user",
        N::SessionUser,
        text,
        Request,
        "Who is logged in; '' if nobody is. Asks memcached. `$session_user`",
    ),
    entry("upstream.name", N::Upstream, text, UpstreamRequest, "The upstream that is asked; '' if none was."),
    entry("upstream.server", N::UpstreamServer, text, Response, "The server that was asked last; '' if none was."),
    entry("upstream.status", N::UpstreamStatus, int, Response, "The status the last server gave; 0 if none did."),
    entry("upstream.tries", N::UpstreamTries, int, Response, "How many servers were asked."),
    entry("response.status", N::ResponseStatus, int, Response, "The status of the answer."),
    entry(
        "response.headers",
        N::ResponseHeaders,
        texts,
        Response,
        "The fields of the answer; case does not matter. `response.header('x-a')` is '' if there is none.",
    ),
    entry(
        "response.size",
        N::ResponseSize,
        int,
        Response,
        "The length of the answer's body: as announced, -1 if it is not; in the phase `log` what was sent.",
    ),
    entry(
        "cache.status",
        N::CacheStatus,
        text,
        Response,
        "`HIT`, `MISS` and so on; '' where nothing is cached. `$upstream_cache_status`",
    ),
    entry("cache.age", N::CacheAge, duration, Response, "The `Age` of the answer; 0s if it has none."),
    entry("edge.name", N::Edge, text, Request, "The name of this edge."),
    entry(
        "edge.generation",
        N::EdgeGeneration,
        int,
        Request,
        "How often the configuration has changed since the start.",
    ),
    entry("now", N::Now, || Kind::Timestamp, Request, "The time."),
];

/// The groups of names, and those that rules define.
pub const GROUPS: &[&str] = &["cache", "client", "edge", "request", "response", "session", "upstream", "vars", "with"];

pub(super) fn find(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.name == name)
}

impl Name {
    pub fn needs(self) -> Needs {
        match self {
            N::SessionId | N::SessionRoute => Needs::SESSION,
            N::SessionNode | N::SessionState | N::SessionAge | N::SessionIdle | N::SessionUser => {
                Needs::SESSION | Needs::SESSION_STORE
            }
            N::Upstream | N::UpstreamServer | N::UpstreamStatus | N::UpstreamTries => Needs::UPSTREAM,
            N::ResponseStatus | N::ResponseHeaders | N::ResponseSize => Needs::RESPONSE,
            N::CacheStatus => Needs::CACHE,
            N::CacheAge => Needs::CACHE | Needs::RESPONSE,
            _ => Needs::NOTHING,
        }
    }

    /// What it is for a request; `None` if that has none. What is text is '' then, but for `has()`.
    pub fn read<'v>(self, view: &View<'v>) -> Option<Value<'v>> {
        let x = view.exchange;
        let session = x.session.as_deref();
        let stored = || session.and_then(|session| session.stored.as_ref());
        Some(match self {
            N::RequestMethod => Value::text(x.method.as_str()),
            N::RequestScheme => Value::text(x.scheme()),
            N::RequestHost => Value::text(&x.host[..]),
            N::RequestPath => Value::text(&x.path[..]),
            N::RequestBarePath => Value::Text(paths::bare(&x.path)),
            N::RequestRawPath => Value::text(raw_path(&x.request_uri)),
            N::RequestUri => Value::text(&x.request_uri[..]),
            N::RequestQuery => Value::text(x.args.as_deref()?),
            N::RequestArgs => Value::Map(Map::Arguments(x)),
            N::RequestHeaders => Value::Map(Map::Headers(&x.head.headers)),
            N::RequestCookies => Value::Map(Map::Cookies(x)),
            N::RequestBearer => Value::text(bearer(&x.head.headers)?),
            N::RequestSize => Value::Int(request_size(view)),
            N::RequestVersion => Value::text(x.head.version.as_str()),
            N::RequestTime => Value::Timestamp(x.started_at.into()),
            N::RequestId => {
                let mut id = Vec::with_capacity(32);
                crate::variables::request_id(x, &mut id);
                Value::made_text(id)
            }
            N::ClientIp => Value::made_text(client_ip(view).to_string()),
            N::ClientNetwork => Value::made_text(network_of(client_ip(view))),
            N::ClientPort => Value::Int(x.peer.remote.port().into()),
            N::ClientTls => Value::Bool(x.peer.tls),
            N::SessionId => Value::text(session?.id.as_deref()?),
            N::SessionRoute => Value::text(session?.route.as_deref()?),
            N::SessionNode => Value::text(session?.node.as_deref()?),
            N::SessionState => Value::text(session?.state?),
            N::SessionAge => Value::Duration(time::nanos(stored()?.age)),
            N::SessionIdle => Value::Duration(time::nanos(stored()?.idle)),
            N::SessionUser => Value::text(stored()?.user.as_deref()?),
            N::Upstream => Value::text(view.upstream?),
            N::UpstreamServer => Value::text(&x.tries.last()?.address[..]),
            N::UpstreamStatus => Value::Int(x.tries.last().map_or(0, |tried| tried.status.into())),
            N::UpstreamTries => Value::Int(x.tries.len() as i64),
            N::ResponseStatus => {
                Value::Int(answer(view).map_or(x.answer.status, |answer| answer.status.as_u16()).into())
            }
            N::ResponseHeaders => {
                answer(view).map_or_else(|| Value::Map(Map::Borrowed(&[])), |a| Value::Map(Map::Answer(a)))
            }
            N::ResponseSize => Value::Int(response_size(view)),
            N::CacheStatus => Value::text(x.cache_status?),
            N::CacheAge => Value::Duration(age(view)),
            N::Edge => Value::text(&view.edge.name[..]),
            N::EdgeGeneration => Value::Int(i64::try_from(view.edge.generation).unwrap_or(i64::MAX)),
            N::Now => Value::Timestamp(Timestamp::from(view.now)),
        })
    }

    /// What stands for it where a request has none; `None`: that is a fault.
    pub fn absent<'v>(self) -> Option<Value<'v>> {
        match self {
            N::SessionAge | N::SessionIdle => None,
            _ => Some(Value::Text(Cow::Borrowed(b""))),
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        TABLE.iter().find(|entry| entry.of == self).map_or("", |entry| entry.name)
    }
}

/// An IPv4 address that came over a socket for IPv6 is one all the same.
pub(super) fn client_ip(view: &View<'_>) -> IpAddr {
    view.exchange.peer.remote.ip().to_canonical()
}

fn answer<'v>(view: &View<'v>) -> Option<&'v pingora_http::ResponseHeader> {
    view.response.or(view.exchange.answer.sent.as_deref())
}

fn raw_path(uri: &[u8]) -> &[u8] {
    let end = uri.iter().position(|b| *b == b'?').unwrap_or(uri.len());
    &uri[..end]
}

/// The network that one customer has.
fn network_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("{}/64", Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
    }
}

/// Of two tokens nobody knows which one the upstream takes.
fn bearer(headers: &Headers) -> Option<&[u8]> {
    let mut fields = headers.get_all("authorization");
    let field = fields.next().filter(|_| fields.next().is_none())?;
    let (scheme, token) = field.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn request_size(view: &View<'_>) -> i64 {
    let x = view.exchange;
    let length = match x.head.framing {
        _ if x.body_length > 0 => Some(x.body_length),
        Framing::None => Some(0),
        Framing::Length(length) => Some(length),
        Framing::Chunked if x.completed => Some(0),
        Framing::Chunked => None,
    };
    length.map_or(-1, |length| i64::try_from(length).unwrap_or(i64::MAX))
}

fn response_size(view: &View<'_>) -> i64 {
    let sent = view.exchange.answer.body_bytes;
    if sent > 0 || view.exchange.completed {
        return i64::try_from(sent).unwrap_or(i64::MAX);
    }
    number_of(view, "content-length").unwrap_or(-1)
}

fn age(view: &View<'_>) -> i64 {
    number_of(view, "age").unwrap_or(0).saturating_mul(1_000_000_000)
}

fn number_of(view: &View<'_>, field: &str) -> Option<i64> {
    let value = answer(view)?.headers.get(field)?.to_str().ok()?;
    value.trim().parse::<u32>().map(i64::from).ok().or_else(|| value.trim().parse().ok()).filter(|n| *n >= 0)
}

/// For where the phase of a name is told: why it is not known before.
pub(super) fn why_not_before(since: Phase) -> &'static str {
    match since {
        Request => "at all",
        UpstreamRequest => "before an upstream is chosen",
        Response => "before there is an answer",
        Log => "before the client has its answer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_in_the_table_once_and_belongs_to_a_group() {
        for entry in TABLE {
            assert_eq!(TABLE.iter().filter(|other| other.of == entry.of || other.name == entry.name).count(), 1);
            let group = entry.name.split('.').next().unwrap_or_default();
            assert!(GROUPS.contains(&group) || entry.name == "now", "{}", entry.name);
            assert_eq!(entry.of.as_str(), entry.name);
        }
    }

    #[test]
    fn what_costs_memcached_says_so() {
        for entry in TABLE {
            let asks = entry.of.needs().contains(Needs::SESSION_STORE);
            assert_eq!(entry.doc.contains("Asks memcached"), asks, "{}", entry.name);
        }
    }
}
