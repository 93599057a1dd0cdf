//! Names → addresses. What a server is called in the configuration becomes the addresses it has now.
//!
//! Literal addresses and sockets are taken as they are. Host names are asked for in the background, again
//! and again, never while a request waits and never twice at once. A name without an answer is a server
//! that is down and a warning, not an error of the program. When asking fails for a reason that says
//! nothing of the name (no resolver reachable, a timeout), the last answer stays: an outage of the DNS must
//! not become one of the site. When the answer is that there is no such name, its addresses go, for
//! somebody else may have them tomorrow.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::state::locked;

/// Where a server can be connected to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(Arc<Path>),
}

/// As in `$upstream_addr`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(socket) => socket.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What an `address` setting means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Address(Address),
    Name { host: String, port: u16 },
}

/// Why an `address` setting means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("no host")]
    NoHost,
    #[error("invalid port")]
    InvalidPort,
    #[error("invalid IPv6 address")]
    InvalidIpv6,
    #[error("no path in the unix domain socket")]
    NoPath,
    #[error("invalid host")]
    InvalidHost,
}

/// `host:port`, `host` (port 80, as nginx), `[v6]:port`, `unix:/path`.
pub fn parse(address: &str) -> Result<Target, AddressError> {
    if let Some(path) = address.strip_prefix("unix:") {
        return match path {
            "" => Err(AddressError::NoPath),
            path => Ok(Target::Address(Address::Unix(Path::new(path).into()))),
        };
    }
    if let Some(rest) = address.strip_prefix('[') {
        let (ip, rest) = rest.split_once(']').ok_or(AddressError::InvalidIpv6)?;
        let ip: Ipv6Addr = ip.parse().map_err(|_| AddressError::InvalidIpv6)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None if rest.is_empty() => 80,
            None => return Err(AddressError::InvalidPort),
        };
        return Ok(Target::Address(Address::Tcp(SocketAddr::new(ip.into(), port))));
    }
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, parse_port(port)?),
        None => (address, 80),
    };
    if host.is_empty() {
        return Err(AddressError::NoHost);
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Target::Address(Address::Tcp(SocketAddr::new(ip, port))));
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return Err(AddressError::InvalidHost);
    }
    Ok(Target::Name { host: host.to_ascii_lowercase(), port })
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().map_err(|_| AddressError::InvalidPort)?;
    if digits && port > 0 { Ok(port) } else { Err(AddressError::InvalidPort) }
}

/// How names are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamesSettings {
    /// From one round to the next; a tenth of it more or less, so that many edges do not ask together.
    pub interval: Duration,
    /// How long one answer is waited for.
    pub limit: Duration,
    /// Ask nothing: every name is unresolved (`edge -t --offline`, rule tests).
    pub offline: bool,
}

impl Default for NamesSettings {
    fn default() -> Self {
        NamesSettings { interval: Duration::from_secs(30), limit: Duration::from_secs(5), offline: false }
    }
}

/// The future of one lookup.
pub type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
/// How one name is looked up; exchangeable for tests and embedders.
pub type Lookup = Box<dyn Fn(&str) -> Answer + Send + Sync>;

fn ask_system(host: &str) -> Answer {
    let host = host.to_owned();
    Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.map(|found| found.ip()).collect()) })
}

/// A name that has no answer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    pub host: String,
    pub reason: String,
}

/// Lookups that run at once: each may hold a thread for as long as the system's resolver likes.
const AT_ONCE: usize = 8;

/// The names that are known and how to ask for more.
pub struct Names {
    settings: Mutex<NamesSettings>,
    lookup: Lookup,
    /// The last answers; sorted, so that an answer in another order is not a change (hashes go by place).
    known: Mutex<HashMap<String, Vec<IpAddr>>>,
    /// Names whose lookup has not come back, even if nobody waits any more.
    pending: Mutex<HashSet<String>>,
    places: Arc<Semaphore>,
}

impl Names {
    pub fn new(settings: NamesSettings) -> Self {
        Names::with_lookup(settings, Box::new(ask_system))
    }

    pub fn with_lookup(settings: NamesSettings, lookup: Lookup) -> Self {
        Names {
            settings: Mutex::new(settings),
            lookup,
            known: Mutex::default(),
            pending: Mutex::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    pub fn settings(&self) -> NamesSettings {
        *locked(&self.settings)
    }

    /// For a reload; holds from the next round on.
    pub fn set_settings(&self, settings: NamesSettings) {
        *locked(&self.settings) = settings;
    }

    /// The addresses a target has now, without asking anybody.
    pub fn addresses(&self, target: &Target) -> Vec<Address> {
        match target {
            Target::Address(address) => vec![address.clone()],
            Target::Name { .. } if self.settings().offline => Vec::new(),
            Target::Name { host, port } => locked(&self.known)
                .get(host)
                .map(|ips| ips.iter().map(|ip| Address::Tcp(SocketAddr::new(*ip, *port))).collect())
                .unwrap_or_default(),
        }
    }

    /// Asks for all these names and forgets the others. Returns when each has an answer, an error or has
    /// used up its time; gives those that have no address now, or whose old one had to be kept.
    pub async fn ask(self: &Arc<Self>, hosts: BTreeSet<String>) -> Vec<Unresolved> {
        let settings = self.settings();
        locked(&self.known).retain(|host, _| hosts.contains(host));
        if settings.offline {
            return hosts.into_iter().map(|host| Unresolved { host, reason: "offline".into() }).collect();
        }
        let mut round = JoinSet::new();
        for host in hosts {
            let names = Arc::clone(self);
            round.spawn(async move {
                let problem = match tokio::time::timeout(settings.limit, names.ask_one(&host)).await {
                    Ok(answer) => answer.err(),
                    Err(_) => Some("no answer in time".into()),
                };
                problem.map(|reason| Unresolved { host, reason })
            });
        }
        let mut unresolved: Vec<Unresolved> = round.join_all().await.into_iter().flatten().collect();
        unresolved.sort_by(|a, b| a.host.cmp(&b.host));
        unresolved
    }

    /// The lookup is a task of its own and is not given up with its waiter: its thread could not be
    /// stopped anyway, and a late answer is still an answer.
    async fn ask_one(self: &Arc<Self>, host: &str) -> Result<(), String> {
        if !locked(&self.pending).insert(host.to_owned()) {
            return Err("an earlier lookup has not come back".into());
        }
        let pending = Pending { names: Arc::clone(self), host: host.to_owned() };
        let lookup = tokio::spawn(async move {
            let pending = pending;
            let Ok(_place) = pending.names.places.acquire().await else {
                return Ok(());
            };
            let answer = (pending.names.lookup)(&pending.host).await;
            pending.names.learn(&pending.host, answer)
        });
        lookup.await.unwrap_or_else(|failed| Err(failed.to_string()))
    }

    fn learn(&self, host: &str, answer: io::Result<Vec<IpAddr>>) -> Result<(), String> {
        let mut known = locked(&self.known);
        match answer {
            Ok(mut ips) if !ips.is_empty() => {
                ips.sort_unstable();
                ips.dedup();
                known.insert(host.to_owned(), ips);
                Ok(())
            }
            Ok(_) => {
                known.remove(host);
                Err("no address".into())
            }
            Err(error) => {
                if denies(&error) {
                    known.remove(host);
                }
                Err(error.to_string())
            }
        }
    }
}

/// Gives a name's place back however its lookup ends.
struct Pending {
    names: Arc<Names>,
    host: String,
}

impl Drop for Pending {
    fn drop(&mut self) {
        locked(&self.names.pending).remove(&self.host);
    }
}

/// Does this error say that the name has no address, and not merely that nobody could be asked? The
/// standard library hands on only getaddrinfo's text: EAI_NONAME and EAI_NODATA of glibc, of musl.
fn denies(error: &io::Error) -> bool {
    const DENIALS: [&str; 4] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
    ];
    let text = error.to_string();
    error.kind() == io::ErrorKind::NotFound || DENIALS.iter().any(|denial| text.contains(denial))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn hosts(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn name(host: &str) -> Target {
        Target::Name { host: host.into(), port: 80 }
    }

    #[test]
    fn every_form_of_an_address_is_understood() {
        let tcp = |text: &str| Ok(Target::Address(Address::Tcp(text.parse().unwrap())));
        assert_eq!(parse("127.0.0.1:8080"), tcp("127.0.0.1:8080"));
        assert_eq!(parse("127.0.0.1"), tcp("127.0.0.1:80"));
        assert_eq!(parse("[::1]:8080"), tcp("[::1]:8080"));
        assert_eq!(parse("[::1]"), tcp("[::1]:80"));
        assert_eq!(parse("Tomcat_1.example:8080"), Ok(Target::Name { host: "tomcat_1.example".into(), port: 8080 }));
        let Ok(Target::Address(unix)) = parse("unix:/run/a.sock") else { panic!("a socket is an address") };
        assert_eq!(unix.to_string(), "unix:/run/a.sock");
    }

    #[test]
    fn what_is_not_an_address_is_named() {
        for (text, error) in [
            ("", AddressError::NoHost),
            (":80", AddressError::NoHost),
            ("a:", AddressError::InvalidPort),
            ("a:0", AddressError::InvalidPort),
            ("a:+8", AddressError::InvalidPort),
            ("a:65536", AddressError::InvalidPort),
            ("::1", AddressError::InvalidPort),
            ("[::1", AddressError::InvalidIpv6),
            ("[::1]x", AddressError::InvalidPort),
            ("unix:", AddressError::NoPath),
            ("a b", AddressError::InvalidHost),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves() {
        let names = Arc::new(Names::new(NamesSettings::default()));
        assert_eq!(names.ask(hosts(&["localhost"])).await, []);
        assert!(
            names.addresses(&name("localhost")).iter().all(|a| matches!(a, Address::Tcp(s) if s.ip().is_loopback()))
        );
        assert!(!names.addresses(&name("localhost")).is_empty());
    }

    #[tokio::test]
    async fn offline_nothing_is_asked() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let lookup: Lookup = Box::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(vec![]) })
        });
        let names = Arc::new(Names::with_lookup(NamesSettings { offline: true, ..Default::default() }, lookup));
        assert_eq!(names.ask(hosts(&["a"])).await.len(), 1);
        assert_eq!(asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn an_answer_outlives_a_dns_outage_but_not_a_denial() {
        let answers = Mutex::new(vec![
            Err(io::Error::other("failed to lookup address information: Name or service not known")),
            Err(io::Error::other("failed to lookup address information: Temporary failure in name resolution")),
            Ok(vec!["127.0.0.9".parse().unwrap(), "127.0.0.2".parse().unwrap(), "127.0.0.2".parse().unwrap()]),
        ]);
        let lookup: Lookup = Box::new(move |_| {
            let answer = locked(&answers).pop().unwrap();
            Box::pin(async { answer })
        });
        let names = Arc::new(Names::with_lookup(NamesSettings::default(), lookup));
        let both = vec!["127.0.0.2:80".to_owned(), "127.0.0.9:80".to_owned()];
        let now = |names: &Names| names.addresses(&name("a")).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names.ask(hosts(&["a"])).await, []);
        assert_eq!(now(&names), both);
        assert_eq!(names.ask(hosts(&["a"])).await.len(), 1, "there is a warning");
        assert_eq!(now(&names), both);
        assert_eq!(names.ask(hosts(&["a"])).await.len(), 1);
        assert!(now(&names).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_hangs_is_waited_for_once_and_not_started_twice() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let lookup: Lookup = Box::new(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::pending())
        });
        let names = Arc::new(Names::with_lookup(NamesSettings::default(), lookup));
        assert_eq!(names.ask(hosts(&["a"])).await[0].reason, "no answer in time");
        assert_eq!(names.ask(hosts(&["a"])).await[0].reason, "an earlier lookup has not come back");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
