//! The tests of a rule file as they are written.

use crate::config::keys::read_map;
use crate::config::node::{Entry, Kind, Node};
use crate::config::value::{Spanned, Time, Value};
use crate::config::{Diagnostics, Span};
use crate::keys;
use crate::rules::action::{Anything, Percent};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

keys! {
    /// One test.
    pub struct TestKeys {
        /// What it shows, a sentence.
        ["-"] name: String,
        /// The request: `GET /path`, or a map.
        ["-"] request: Request,
        /// Several requests, one after the other; what is expected is expected of the last one.
        ["-"] requests: Vec<Spanned<Request>>,
        /// What the upstream answers: `{status, headers}`; 200 by default.
        ["-"] response: Response,
        /// Parameters of the file, in the place of its defaults.
        ["-"] with: Anything,
        /// The request is made so often; what is expected is expected of the last one.
        ["-"] times: u32 = "1",
        /// So much time lies between two of them.
        ["-"] every: Time = "0",
        /// Who is there for `basic_auth`, whatever its file says: users and their passwords.
        ["-"] users: Fields,
        /// They are all under way together.
        ["-"] at_once: bool = "false",
        /// What is drawn where a rule does something to some of a hundred requests: below its percentage, it does.
        ["-"] chance: Percent = "0%",
        /// What must come out.
        ["-"] expect: ExpectKeys,
    }
}

keys! {
    /// The request of a test.
    pub struct RequestKeys {
        /// The method.
        ["-"] method: String = "GET",
        /// A path with arguments, or a whole URL.
        ["-"] url: String = "/",
        /// Its fields; several of one name as a list. `Host: ~`: without one.
        ["-"] headers: Anything,
        /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`.
        ["-"] version: String = "HTTP/1.1",
        /// The address of the client.
        ["-"] client: String = "192.0.2.1",
        /// The length of the body.
        ["-"] body_size: u64,
        /// It has a body, and does not say how long it is.
        ["-"] chunked: bool = "false",
        /// The session: `{id, route, node, state, age, idle, user}`; what memcached has of it are age, idle and user.
        ["-"] session: SessionKeys,
        /// The upstream that is asked where no rule chooses.
        ["-"] upstream: String,
        /// What the cache has: `HIT`, `MISS` and so on.
        ["-"] cache: String,
        /// The time: `2026-01-01T12:00:00Z`.
        ["-"] now: Moment = "2026-01-01T12:00:00Z",
    }
}

keys! {
    /// The session of the request of a test.
    pub struct SessionKeys {
        /// The hash that stands for its id.
        ["-"] id: String = "0123456789abcdef",
        /// The server it belongs to.
        ["-"] route: String,
        /// The memcached it is in.
        ["-"] node: String,
        /// What was decided on where it is.
        ["-"] state: String,
        /// Since when it exists.
        ["-"] age: Time = "0",
        /// Since when nobody used it.
        ["-"] idle: Time = "0",
        /// Who is logged in.
        ["-"] user: String,
    }
}

keys! {
    /// What a test expects; what it does not mention may be anything.
    pub struct ExpectKeys {
        /// The status of the answer.
        ["-"] status: u16,
        /// Fields of the answer; nothing (`~`): it has no such field.
        ["-"] headers: Fields,
        /// Where a redirect leads.
        ["-"] redirect: String,
        /// The text of the answer.
        ["-"] body: String,
        /// The path that a location is searched for, decoded.
        ["-"] path: String,
        /// The arguments then.
        ["-"] query: String,
        /// Fields that the upstream is sent.
        ["-"] request_headers: Fields,
        /// The upstream.
        ["-"] upstream: String,
        /// The server of the upstream that a rule wants.
        ["-"] server: String,
        /// The rules that fired, in their order.
        ["-"] fired: Vec<Spanned<String>>,
        /// Variables that rules have set.
        ["-"] vars: Fields,
        /// What stands in `$rules_log`.
        ["-"] log: Fields,
        /// What the cache is asked to do: `{bypass, ttl, key, tags, no_store}`.
        ["-"] cache: CacheExpectKeys,
        /// How long the request waits.
        ["-"] delay: Time,
        /// The upstreams that get a copy.
        ["-"] mirrored: Vec<Spanned<String>>,
        /// Whether the request has a line in the access log.
        ["-"] logged: bool,
    }
}

keys! {
    /// What a test expects of the cache.
    pub struct CacheExpectKeys {
        /// The upstream is asked.
        ["-"] bypass: bool,
        /// How long the answer is fresh.
        ["-"] ttl: Time,
        /// The key.
        ["-"] key: String,
        /// The tags.
        ["-"] tags: Vec<Spanned<String>>,
        /// The answer is not stored.
        ["-"] no_store: bool,
    }
}

/// A map of keys as a value.
macro_rules! map_value {
    ($($keys:ident = $what:literal),*) => {$(
        impl Value for $keys {
            fn expected() -> String {
                format!("{}, which is a map", $what)
            }

            fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
                read_map(node, $what, diagnostics)
            }

            fn schema() -> serde_json::Value {
                crate::config::keys::map_schema::<$keys>()
            }
        }
    )*};
}
map_value!(
    SessionKeys = "the session of a test",
    ExpectKeys = "`expect`",
    CacheExpectKeys = "what is expected of the cache"
);

/// `POST /login`, or a map.
#[derive(Clone, Debug, Default)]
pub struct Request(pub RequestKeys);

impl Value for Request {
    fn expected() -> String {
        "a method and a path, such as `POST /login`, or a map".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Request> {
        let Some(text) = node.as_text() else {
            return read_map(node, "the request of a test", diagnostics).map(Request);
        };
        let (method, url) = text.split_once(' ').unwrap_or(("GET", text));
        let spanned = |value: &str| Some(Spanned { value: value.to_owned(), span: node.span });
        Some(Request(RequestKeys { method: spanned(method), url: spanned(url.trim()), ..RequestKeys::default() }))
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "anyOf": [{ "type": "string" }, crate::config::keys::map_schema::<RequestKeys>()] })
    }
}

keys! {
    /// What the upstream answers in a test.
    pub struct ResponseKeys {
        /// The status.
        ["-"] status: u16 = "200",
        /// Its fields.
        ["-"] headers: Anything,
    }
}

#[derive(Clone, Debug, Default)]
pub struct Response(pub ResponseKeys);

impl Value for Response {
    fn expected() -> String {
        "a status, or a map with `status` and `headers`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Response> {
        match node.as_text() {
            Some(_) => {
                Some(Response(ResponseKeys { status: Spanned::read(node, diagnostics), ..ResponseKeys::default() }))
            }
            None => read_map(node, "the response of a test", diagnostics).map(Response),
        }
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "anyOf": [{ "type": "integer" }, crate::config::keys::map_schema::<ResponseKeys>()] })
    }
}

/// Names with texts, or with nothing.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<(String, Option<String>)>);

impl Value for Fields {
    fn expected() -> String {
        "a map of names with texts".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Fields> {
        let Some(entries) = node.as_map() else {
            return crate::config::value::mismatch(node, diagnostics);
        };
        Some(Fields(entries.iter().map(|e| (e.key.clone(), e.value.as_text().map(str::to_owned))).collect()))
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "object" })
    }
}

/// A moment: `2026-01-01T12:00:00Z`.
#[derive(Clone, Copy, Debug)]
pub struct Moment(pub SystemTime);

impl Value for Moment {
    fn expected() -> String {
        "a time in UTC such as `2026-01-01T12:00:00Z`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Moment> {
        match node.as_text().and_then(moment) {
            Some(moment) => Some(Moment(moment)),
            None => crate::config::value::mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "string" })
    }
}

fn moment(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| text.split(by).map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>();
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year @ 1970..=9999, month @ 1..=12, day @ 1..=31], [hour @ 0..=23, minute @ 0..=59, second @ 0..=59]) =
        (&date[..], &time[..])
    else {
        return None;
    };
    // Years begin with March, so that the day that not every year has is the last one.
    let (year, month) = if *month > 2 { (*year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(UNIX_EPOCH + Duration::from_secs(days * 86_400 + hour * 3_600 + minute * 60 + second))
}

/// A test and where it stands.
#[derive(Clone, Debug)]
pub struct Test {
    pub span: Span,
    pub keys: TestKeys,
}

impl Test {
    pub fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Test> {
        let keys: TestKeys = read_map(node, "a test", diagnostics)?;
        let mut complete = true;
        for (name, is_there) in [("name", keys.name.is_some()), ("expect", keys.expect.is_some())] {
            if !is_there && node.get(name).is_none() {
                diagnostics
                    .error(node.span, format!("a test has no `{name}`"))
                    .help("write `{ name: …, request: GET /, expect: { status: 200 } }`");
            }
            complete &= is_there;
        }
        complete.then_some(Test { span: keys.name.as_ref().map_or(node.span, |name| name.span), keys })
    }
}

/// The entries of a map of fields, which may be missing; one with a list for each of its items.
pub fn fields(node: Option<&Spanned<Anything>>) -> Vec<(String, String)> {
    let entries: &[Entry] = node.and_then(|node| node.value.0.as_map()).unwrap_or_default();
    let values = |e: &Entry| -> Vec<String> {
        e.value.items().iter().map(|item| item.as_text().unwrap_or_default().to_owned()).collect()
    };
    entries.iter().flat_map(|e| values(e).into_iter().map(|value| (e.key.clone(), value))).collect()
}

/// Whether a map of fields says that there is no such field: `Host: ~`.
pub fn denies(node: Option<&Spanned<Anything>>, name: &str) -> bool {
    let entries: &[Entry] = node.and_then(|node| node.value.0.as_map()).unwrap_or_default();
    entries.iter().any(|e| e.key.eq_ignore_ascii_case(name) && matches!(e.value.kind, Kind::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_utc() {
        let seconds = |text: &str| moment(text).map(|at| at.duration_since(UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2024-02-29T12:34:56Z"), Some(1_709_210_096));
        assert_eq!(seconds("2026-01-01T12:00:00Z"), Some(1_767_268_800));
        assert_eq!(seconds("2026-13-01T12:00:00Z"), None);
        assert_eq!(seconds("2026-01-01 12:00"), None);
    }
}
