//! What the program runs on: everything compiled from one configuration, one immutable value.
//!
//! A request takes the snapshot of its listener at its beginning and keeps it to its end. Nothing in it is looked up by a
//! string of the configuration while a request is served. What must outlive a reload (health of servers, log files) is
//! only borrowed from registries that know it by name.

mod access;
mod cache;
mod compile;
mod compression;
mod cookies;
mod defined;
mod definitions;
mod filters;
mod headers;
mod limits;
mod listen;
mod local;
mod location;
mod memcached;
mod pass;
mod process;
mod references;
mod rules;
mod script;
mod secure;
mod server;
mod session;
mod session_store;
mod settings;
mod sticky;
mod store;
mod tls;
mod trace;
mod upstream;
mod url;

pub use access::{Access, Basic, Expires as UserIdExpires, Inquiry, LimitExcept, Link, ToldBy, UserId};
pub use cache::{Caching, Lock, Network, ZonePlace};
pub use compile::{Resources, compile};
pub use cookies::{CookieFlag, CookieFlags, CookieName, CookieRewrite, Cookies};
pub use filters::{Addition, Filters, Recoding, Sub};
pub use headers::{AddHeader, Expires, UpstreamField};
pub use limits::{Amount, Counted, LimitZones, Limits, Told};
pub use listen::{ListenAddress, Socket, SocketOptions, Speaks, Virtual};
pub use memcached::Memcached;
pub use pass::{Bind, Pass, PassTarget, Redirect};
pub use process::control;
pub use script::{Condition, Return, Rewrite, Script, Settable, Step, Subject};
pub use secure::{Secure, seed};
pub use session_store::session_stores;
pub use store::Store;
pub use trace::Tracing;
pub use url::Url;

use crate::access::tokens::Token;
use crate::client;
use crate::compress;
use crate::config::raw::tls::VerifyClient;
use crate::config::types::{ErrorPageStatus, LingeringClose};
use crate::files::{Distrust, FileSettings, mime::Charset};
use crate::observe::traffic::{Traffic, TrafficTable};
use crate::observe::{AccessLog, errors};
use crate::proxy::rules::{Embedded, PlacedRules};
use crate::proxy::sessions::{Demand, LogKey, Sessions};
use crate::route::Locations;
use crate::rules::EdgeFacts;
use crate::rules::counts::RuleTable;
use crate::session::sticky::Sticky;
use crate::session::store::StoreSettings;
use crate::upstream::{Table, retry};
use crate::variables::{Definitions, Roots, Template};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One configuration, compiled.
#[derive(Debug)]
pub struct Snapshot {
    pub process: Process,
    pub sockets: Vec<Socket>,
    pub upstreams: Arc<Table>,
    /// The zones of the cache, by name.
    pub zones: Vec<ZonePlace>,
    /// The zones of limits, by name.
    pub limits: LimitZones,
    /// The limits of rules that several edges share.
    pub shared_limits: Vec<Arc<crate::limit::Shared>>,
    /// How applications keep their sessions.
    pub sessions: Vec<Arc<Sessions>>,
    /// How clients are bound to servers, by upstream.
    pub sticky: BTreeMap<String, Sticky>,
    /// The stores of sessions, by name.
    pub session_stores: BTreeMap<String, StoreSettings>,
    /// The variables that the configuration itself defines.
    pub defined: Arc<Definitions>,
    pub asked: Asked,
    /// What rules are told of this edge.
    pub edge: EdgeFacts,
    /// What is counted of requests.
    pub traffic: Arc<TrafficTable>,
    /// What is counted of rules.
    pub rules: Arc<RuleTable>,
    /// Which requests are told of to a collector.
    pub tracing: Option<Tracing>,
    /// Rust code that has a say over requests.
    pub embedded: Embedded,
    /// Of the hashes that stand for sessions.
    pub log_key: LogKey,
}

/// What some text of a configuration asks for; nobody finds out in vain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// `$document_root`, `$realpath_root` or `$request_filename`
    pub files: bool,
    /// `$request_body`
    pub body: bool,
    /// `$1` and its like
    pub captures: bool,
    /// `$upstream_http_…` or `$upstream_cookie_…`
    pub upstream_head: bool,
    /// `$sent_http_…`
    pub sent_head: bool,
    /// What a place says: `$invalid_referer`, `$secure_link`, `$uid_set` …
    pub placed: bool,
    /// `$session_…`
    pub session: bool,
    /// Of these what stands in memcached alone.
    pub stored_session: bool,
}

/// What concerns the process.
#[derive(Clone, Debug)]
pub struct Process {
    /// How many threads serve requests.
    pub workers: usize,
    pub user: Option<String>,
    pub pid: PathBuf,
    /// Where edge takes commands; `None`: nowhere.
    pub control: Option<Control>,
    pub error_log: errors::ErrorLog,
    pub nofile: Option<u64>,
    pub connections: u32,
    /// How long a graceful stop waits.
    pub shutdown_timeout: Duration,
}

/// The control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub path: PathBuf,
    /// Not written, but beside the pid file by itself: edge runs without it as well.
    pub by_default: bool,
}

/// One `server`.
#[derive(Debug)]
pub struct Server {
    /// Its first name, for `$server_name` and redirects.
    pub name: Arc<str>,
    /// How heads are read on connections whose default server this is.
    pub client: Arc<client::Settings>,
    /// Its certificates, if it has any.
    pub tls: Option<Arc<crate::tls::Server>>,
    /// How HTTP/2 is spoken, if it is.
    pub http2: Option<Http2>,
    /// What becomes of clients without a certificate.
    pub verify_client: VerifyClient,
    pub merge_slashes: bool,
    /// What is done before the search for a location.
    pub script: Script,
    /// The rules of the whole and of the server.
    pub rules: Option<Arc<PlacedRules>>,
    pub locations: Locations<Arc<Location>>,
    /// What holds where no location has been found yet, for the pages of early errors.
    pub outside: Arc<Location>,
}

/// `http2 on`
#[derive(Clone, Copy, Debug)]
pub struct Http2 {
    pub max_concurrent_streams: u32,
    /// Bytes of each stream's body that may be on the way, unread.
    pub window: u32,
    /// Requests until the client is told to make a new connection.
    pub keepalive_requests: u64,
}

/// One `location`, with all it inherits.
#[derive(Debug)]
pub struct Location {
    /// As it was written, for `edge explain` and the logs.
    pub pattern: String,
    /// The length of the prefix it matches, which `alias` and a URI in `proxy_pass` replace.
    pub prefix: usize,
    pub is_regex: bool,
    pub internal: bool,
    /// Its own rules and those of the locations around it.
    pub rules: Option<Arc<PlacedRules>>,
    /// Those of the server have no say in its answers and in the log.
    pub rules_alone: bool,
    pub script: Script,
    /// `limit_req` and `limit_conn`
    pub limits: Option<Arc<Limits>>,
    /// Who may come in.
    pub access: Access,
    pub limit_except: Option<LimitExcept>,
    /// `session`: who has none is not let in.
    pub demand: Option<Demand>,
    pub try_files: Option<TryFiles>,
    /// Where copies of requests are sent.
    pub mirror: Option<Arc<Mirror>>,
    /// The path that is asked when a request was answered.
    pub post_action: Option<String>,
    pub handler: Handler,

    // what is read from the client
    pub body: client::BodyLimits,
    pub request_buffering: bool,
    pub keepalive_timeout: Duration,
    /// Told to the client as `Keep-Alive: timeout=…`.
    pub keepalive_told: Option<Duration>,
    pub keepalive_requests: u32,
    pub keepalive_time: Duration,
    pub lingering_close: LingeringClose,

    // what is said to the client
    pub buffering: client::Buffering,
    pub limit_rate: Amount,
    pub limit_rate_after: Amount,
    /// `chunked_transfer_encoding`
    pub chunked: bool,
    pub answer: AnswerHeaders,
    pub error_pages: Vec<ErrorPage>,
    pub recursive_error_pages: bool,
    pub redirects: Redirects,
    pub compress: Arc<compress::Settings>,
    /// What bodies go through before they are compressed.
    pub filters: Option<Arc<Filters>>,
    pub access_logs: Vec<AccessLog>,
    pub traffic: Arc<Traffic>,
    pub log_not_found: bool,
    pub warns_of_uninitialized: bool,

    // local files
    pub roots: Arc<Roots>,
    /// `disable_symlinks`, with the beginning of paths that is trusted.
    pub links: Option<(Distrust, Template)>,
    pub index: Vec<String>,
    /// The same where one of them has variables; else nothing.
    pub index_texts: Vec<Template>,
    pub files: FileSettings,
    pub default_type: String,
}

/// Who makes the answer.
#[derive(Debug)]
pub enum Handler {
    Files,
    /// `empty_gif`
    EmptyGif,
    /// `stub_status`
    Status,
    /// `api`, and who may change something there; `None`: nobody.
    Api(Option<Token>),
    Proxy(Box<Pass>),
    /// `memcached_pass`
    Memcached(Box<Memcached>),
}

/// `mirror`
#[derive(Debug)]
pub struct Mirror {
    /// Paths of this server.
    pub paths: Vec<String>,
    /// `mirror_request_body`
    pub body: bool,
}

/// `try_files`
#[derive(Debug)]
pub struct TryFiles {
    pub candidates: Vec<Candidate>,
    pub last: LastResort,
}

#[derive(Debug)]
pub struct Candidate {
    pub path: Template,
    /// It ends with a slash: a directory is looked for.
    pub directory: bool,
}

#[derive(Debug)]
pub enum LastResort {
    Status(u16),
    Named(String),
    Uri(Template),
}

/// `error_page`
#[derive(Debug)]
pub struct ErrorPage {
    pub codes: Vec<u16>,
    /// A path, a named location or another address: known when it is evaluated.
    pub target: Template,
    pub status: ErrorPageStatus,
}

/// How redirects that edge makes are written.
#[derive(Clone, Debug)]
pub struct Redirects {
    pub absolute: bool,
    pub port: bool,
    pub server_name: bool,
}

/// Fields of the answer.
#[derive(Debug)]
pub struct AnswerHeaders {
    pub add: Vec<AddHeader>,
    /// `add_trailer`
    pub trailers: Vec<AddHeader>,
    pub expires: Expires,
    /// `charset`, and the types it is added to.
    pub charset: Option<Charset>,
    pub server_tokens: bool,
}

/// When and how often the next server is tried, for [`retry::decide`].
pub type Next = retry::NextUpstream;

impl Server {
    pub fn named(&self, name: &str) -> Option<&Arc<Location>> {
        self.locations.named(name).map(|(_, location)| location)
    }
}

impl Location {
    /// The page for a status, if one is configured.
    pub fn error_page(&self, status: u16) -> Option<&ErrorPage> {
        self.error_pages.iter().find(|page| page.codes.contains(&status))
    }
}
