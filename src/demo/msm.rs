//! How memcached-session-manager is set up: what stands in a Tomcat's `<Manager …>`, and the keys that follow from it.

use std::net::SocketAddr;
use std::time::Duration;

use regex::Regex;

const THIRTY_DAYS: i64 = 60 * 60 * 24 * 30;
/// `processExpiresFrequency`, which takes part in how long a key lives.
const EXPIRES_FREQUENCY: i64 = 6;

/// Whether a session stays in its Tomcat's memory, or is loaded for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Sticky,
    NonSticky,
}

/// Which requests of non-sticky sessions lock them.
#[derive(Clone, Debug)]
pub enum Locking {
    Off,
    All,
    /// All but those whose URI was seen to change nothing.
    Auto,
    /// Those whose `METHOD URI?query` matches.
    Pattern(Regex),
}

#[derive(Clone, Debug)]
pub struct Msm {
    /// A single node may be without a name.
    pub nodes: Vec<(Option<String>, SocketAddr)>,
    pub failover_nodes: Vec<String>,
    pub mode: Mode,
    pub locking: Locking,
    /// Requests that are none of MSM's business, by their `METHOD URI?query`.
    pub ignore: Regex,
    /// Seconds; 0 and less is for ever.
    pub max_inactive: i32,
    /// The context's `backgroundProcessorDelay`, in seconds.
    pub background_delay: i32,
    /// `storageKeyPrefix` as it comes out, without the `_` that ends it.
    pub storage_key_prefix: String,
    pub backup_async: bool,
    /// How long a request waits for its session to be saved.
    pub backup_timeout: Duration,
    /// How long a node that failed is left alone.
    pub reconnect: Duration,
    /// What a JVM needs to make a session of what it loaded.
    pub load_time: Duration,
}

impl Msm {
    /// What everybody has who copied the documentation's example.
    ///
    /// # Panics
    /// Never: the pattern is a constant.
    pub fn new(nodes: Vec<(Option<String>, SocketAddr)>) -> Msm {
        Msm {
            nodes,
            failover_nodes: Vec::new(),
            mode: Mode::Sticky,
            locking: Locking::Off,
            ignore: whole(IGNORE).expect("a constant"), // compiled by a test, too
            max_inactive: 1800,
            background_delay: -1,
            storage_key_prefix: String::new(),
            backup_async: false,
            backup_timeout: Duration::from_secs(1),
            reconnect: Duration::from_secs(1),
            load_time: Duration::ZERO,
        }
    }

    pub(super) fn prefix(&self) -> String {
        match &self.storage_key_prefix[..] {
            "" => String::new(),
            prefix => format!("{prefix}_"),
        }
    }

    pub(super) fn keys(&self, id: &str) -> Keys {
        let prefix = self.prefix();
        Keys {
            session: format!("{prefix}{id}"),
            validity: format!("validity:{prefix}{id}"),
            lock: format!("lock:{prefix}{id}"),
            backup: format!("bak:{prefix}{id}"),
            // The prefix twice, as MSM has it.
            backup_validity: format!("bak:{prefix}validity:{prefix}{id}"),
        }
    }

    /// How long a sticky session is kept that was idle for so long already. A delay of -1 takes 6 seconds off, and
    /// what comes out below 0 is gone at once.
    pub(super) fn sticky_exptime(&self, max_inactive: i32, idle: i64, now: i64) -> i64 {
        match max_inactive {
            ..=0 => 0,
            _ => exptime(i64::from(max_inactive) - idle + EXPIRES_FREQUENCY * i64::from(self.background_delay), now),
        }
    }
}

/// What `requestUriIgnorePattern` usually lists.
pub const IGNORE: &str = r".*\.(css|js|png|gif|jpg|ico|svg)";

/// A pattern that has to match all of a text, as in Java.
///
/// # Errors
/// If it is no regular expression.
pub fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

/// Longer than 30 days is a time, not a duration.
pub(super) fn exptime(seconds: i64, now: i64) -> i64 {
    if seconds > THIRTY_DAYS { now + seconds } else { seconds.max(-1) }
}

/// All that is kept of one session.
pub(super) struct Keys {
    pub session: String,
    pub validity: String,
    pub lock: String,
    pub backup: String,
    pub backup_validity: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_prefix_where_msm_has_it() {
        let mut msm = Msm::new(Vec::new());
        assert_eq!(msm.keys("A-n1").backup_validity, "bak:validity:A-n1");
        msm.storage_key_prefix = "shop".to_string();
        let keys = msm.keys("A-n1");
        assert_eq!((&keys.session[..], &keys.lock[..]), ("shop_A-n1", "lock:shop_A-n1"));
        assert_eq!(keys.backup_validity, "bak:shop_validity:shop_A-n1");
    }

    #[test]
    fn a_key_lives_for_six_times_the_background_delay_longer_than_its_session() {
        let mut msm = Msm::new(Vec::new());
        for (max_inactive, idle, expected) in
            [(1800, 0, 1794), (1800, 1, 1793), (6, 0, 0), (5, 0, -1), (0, 0, 0), (-1, 9, 0), (3_600_000, 0, 3_600_994)]
        {
            assert_eq!(msm.sticky_exptime(max_inactive, idle, 1000), expected, "{max_inactive}");
        }
        msm.background_delay = 1;
        assert_eq!(msm.sticky_exptime(20, 0, 1000), 26);
    }

    #[test]
    fn a_pattern_matches_a_whole_request() {
        let ignore = Msm::new(Vec::new()).ignore;
        assert!(ignore.is_match("GET /style.css"));
        assert!(!ignore.is_match("GET /style.css?v=1"));
        assert!(whole("(").is_err());
    }
}
