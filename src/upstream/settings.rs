//! What the configuration says of an upstream, compiled: plain values with nginx's names, meanings and
//! defaults. They are here and not in `config/` so that this room knows nothing of files; whoever reads
//! a configuration fills them in.

use std::sync::Arc;
use std::time::Duration;

use crate::pattern::Pattern;
use crate::variables::Template;

/// How the next server is picked; the names are nginx's directives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Smooth weighted round robin.
    #[default]
    RoundRobin,
    /// `least_conn`
    LeastConn,
    /// `ip_hash`
    IpHash,
    /// `hash KEY`; the key's value comes with each request ([`super::Want::key`]).
    Hash,
    /// `hash KEY consistent`
    ConsistentHash,
    /// `random`
    Random,
    /// `random two [least_conn]`
    RandomTwo,
    /// `least_time header|last_byte`
    LeastTime(Until),
}

impl Balance {
    /// nginx: such a method "does not support parameter \"backup\"".
    pub fn knows_backups(self) -> bool {
        self.honours_slow_start()
    }

    /// nginx: "cannot be used along with the hash, ip_hash, and random load balancing methods".
    pub fn honours_slow_start(self) -> bool {
        matches!(self, Balance::RoundRobin | Balance::LeastConn | Balance::LeastTime(_))
    }
}

/// Which time `least_time` compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until the response header was there.
    Header,
    /// Until the whole response was there.
    LastByte,
}

/// `upstream NAME { … }`
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    pub name: String,
    pub balance: Balance,
    /// `hash KEY`: what whoever has the request makes [`super::Want::key`] of.
    pub hash_key: Option<Template>,
    pub servers: Vec<ServerSettings>,
    /// Idle connections kept open to this upstream; 0: every request opens its own. nginx since 1.29.7
    /// keeps 32 unless told otherwise.
    pub keepalive: usize,
    /// How long a connection may lie idle. nginx's 60 s is longer than the 20 s after which Tomcat
    /// closes (`keepAliveTimeout` = `connectionTimeout` = 20 s): every request sent in the moment of that
    /// close is lost or must be sent twice, which a POST may not. 15 s lets the edge close first.
    pub keepalive_timeout: Duration,
    /// After so many requests a connection is closed (nginx: 1000).
    pub keepalive_requests: usize,
    /// How its servers are checked; `None`: only requests tell how they are.
    pub health_check: Option<Arc<HealthCheck>>,
}

impl UpstreamSettings {
    /// nginx's defaults, without servers.
    pub fn new(name: impl Into<String>) -> Self {
        UpstreamSettings {
            name: name.into(),
            balance: Balance::default(),
            hash_key: None,
            servers: Vec::new(),
            keepalive: 32,
            keepalive_timeout: Duration::from_secs(15),
            keepalive_requests: 1000,
            health_check: None,
        }
    }
}

/// `health_check`: servers are asked at intervals whether they live. The `health` room asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    pub probe: Probe,
    pub interval: Duration,
    /// A check is late by a random time up to this.
    pub jitter: Duration,
    /// For one whole check.
    pub timeout: Duration,
    /// Checks in a row that must pass until a server that was down is up, at least 1.
    pub rise: u32,
    /// Checks in a row that must fail until a server that was up is down, at least 1.
    pub fall: u32,
    /// Another port than the server's.
    pub port: Option<u16>,
}

/// What one check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Connects.
    Tcp,
    /// Asks and looks at the answer.
    Http {
        uri: String,
        /// Fields of the request, `Host` among them.
        fields: Vec<(String, String)>,
        /// Ranges of the statuses that pass, both ends included.
        statuses: Vec<(u16, u16)>,
        /// Must be found in the beginning of the body.
        body: Option<Pattern>,
    },
}

/// `server ADDRESS …;` inside an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSettings {
    /// `host:port`, `host` (port 80), `[v6]:port` or `unix:/path`, as it was written: consistent hashing
    /// depends on the text, as in nginx.
    pub address: String,
    /// At least 1.
    pub weight: u32,
    /// Failures within `fail_timeout` until the server is left alone for `fail_timeout`; 0: never.
    pub max_fails: u32,
    pub fail_timeout: Duration,
    /// Requests at once; 0: no limit.
    pub max_conns: u32,
    /// Asked only when no other server can be.
    pub backup: bool,
    pub down: bool,
    /// Takes only the requests bound to it by its `route`.
    pub drain: bool,
    /// After coming back, the weight grows from 0 to its value in this time; zero: at once.
    pub slow_start: Duration,
    /// The name by which sessions ask for this server.
    pub route: Option<String>,
}

impl ServerSettings {
    /// nginx's defaults.
    pub fn new(address: impl Into<String>) -> Self {
        ServerSettings {
            address: address.into(),
            weight: 1,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            max_conns: 0,
            backup: false,
            down: false,
            drain: false,
            slow_start: Duration::ZERO,
            route: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_nginx_but_for_the_idle_time() {
        let server = ServerSettings::new("a:1");
        assert_eq!((server.weight, server.max_fails, server.max_conns), (1, 1, 0));
        assert_eq!(server.fail_timeout, Duration::from_secs(10));
        let upstream = UpstreamSettings::new("u");
        assert_eq!(
            (upstream.balance, upstream.keepalive, upstream.keepalive_requests),
            (Balance::RoundRobin, 32, 1000)
        );
        assert!(upstream.keepalive_timeout < Duration::from_secs(20), "Tomcat must not close first");
    }
}
