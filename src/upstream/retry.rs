//! May a request that failed at one server be tried at the next? `proxy_next_upstream` with its words,
//! `_tries` and `_timeout`, as ngx_http_upstream_next and _test_next decide it.
//!
//! What always holds: nothing is tried again once a byte of the response went to the client, and a
//! request that may have had an effect (bytes were sent, the method is not idempotent) is repeated only
//! where the configuration says `non_idempotent`.

use std::fmt;
use std::time::{Duration, Instant};

/// What went wrong with one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection, or it broke before the response header was whole.
    Error,
    /// Connecting, sending or waiting for the response header took too long.
    Timeout,
    /// The response header was empty or not HTTP.
    InvalidHeader,
    /// The server answered with this status.
    Status(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Error => f.write_str("error"),
            Failure::Timeout => f.write_str("timeout"),
            Failure::InvalidHeader => f.write_str("invalid header"),
            Failure::Status(status) => write!(f, "http {status}"),
        }
    }
}

const ERROR: u16 = 1 << 0;
const TIMEOUT: u16 = 1 << 1;
const INVALID_HEADER: u16 = 1 << 2;
const NON_IDEMPOTENT: u16 = 1 << 3;
const HTTP_500: u16 = 1 << 4;
const HTTP_502: u16 = 1 << 5;
const HTTP_503: u16 = 1 << 6;
const HTTP_504: u16 = 1 << 7;
const HTTP_403: u16 = 1 << 8;
const HTTP_404: u16 = 1 << 9;
const HTTP_429: u16 = 1 << 10;

const WORDS: &[(&str, u16)] = &[
    ("error", ERROR),
    ("timeout", TIMEOUT),
    ("invalid_header", INVALID_HEADER),
    ("non_idempotent", NON_IDEMPOTENT),
    ("http_500", HTTP_500),
    ("http_502", HTTP_502),
    ("http_503", HTTP_503),
    ("http_504", HTTP_504),
    ("http_403", HTTP_403),
    ("http_404", HTTP_404),
    ("http_429", HTTP_429),
    ("off", 0),
];

/// The words of `proxy_next_upstream`, for messages and the schema.
pub fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}

/// A word that `proxy_next_upstream` does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a case of proxy_next_upstream")]
pub struct UnknownWord(pub String);

/// `proxy_next_upstream`, `proxy_next_upstream_tries`, `proxy_next_upstream_timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextUpstream {
    cases: u16,
    /// Attempts for one request, the first included; 0: as many as there are servers.
    pub tries: u32,
    /// Since the first attempt began; zero: no limit.
    pub timeout: Duration,
}

impl Default for NextUpstream {
    fn default() -> Self {
        NextUpstream { cases: ERROR | TIMEOUT, tries: 0, timeout: Duration::ZERO }
    }
}

impl NextUpstream {
    /// From the directive's words, without limits. As in nginx, `off` wins over every other word.
    pub fn from_words<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Result<Self, UnknownWord> {
        let (mut cases, mut off) = (0, false);
        for word in words {
            let word = word.as_ref();
            let (_, bit) = WORDS.iter().find(|(name, _)| *name == word).ok_or_else(|| UnknownWord(word.to_owned()))?;
            cases |= bit;
            off |= *bit == 0;
        }
        Ok(NextUpstream { cases: if off { 0 } else { cases }, ..NextUpstream::default() })
    }

    /// Is this failure one of the listed cases?
    pub fn lists(&self, what: Failure) -> bool {
        let bit = case(what);
        bit != 0 && self.cases & bit == bit
    }
}

/// The case of `proxy_next_upstream` a failure falls under; 0 for a status that cannot be listed.
fn case(what: Failure) -> u16 {
    match what {
        Failure::Error => ERROR,
        Failure::Timeout => TIMEOUT,
        Failure::InvalidHeader => INVALID_HEADER,
        Failure::Status(500) => HTTP_500,
        Failure::Status(502) => HTTP_502,
        Failure::Status(503) => HTTP_503,
        Failure::Status(504) => HTTP_504,
        Failure::Status(403) => HTTP_403,
        Failure::Status(404) => HTTP_404,
        Failure::Status(429) => HTTP_429,
        Failure::Status(_) => 0,
    }
}

/// nginx takes these three for the methods that must not be repeated, and all others for idempotent.
pub fn is_idempotent(method: &str) -> bool {
    !matches!(method, "POST" | "LOCK" | "PATCH")
}

/// What is known when an attempt has failed.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// [`is_idempotent`]
    pub idempotent: bool,
    /// Was any byte of the request written to the server?
    pub bytes_sent: bool,
    /// Can the request be sent once more? Not if its body was passed on without being kept
    /// (`proxy_request_buffering off`) and bytes were sent.
    pub replayable: bool,
    /// Has the client been sent any byte of this response?
    pub response_begun: bool,
    /// The connection was an idle one kept from an earlier request.
    pub reused: bool,
    /// Attempts so far, the failed one included, those on reused connections that broke left out.
    pub tries: u32,
    /// When the first attempt began.
    pub started: Instant,
    pub now: Instant,
    /// How many servers could still be asked: [`super::Upstream::left`].
    pub left: usize,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Choose again.
    Next,
    /// Answer with what there is: the server's own answer if it gave one.
    Stop,
}

/// nginx's rule. An idle connection that breaks under a request says nothing of the server: it costs no
/// try and needs no other server left. The caller then leaves the server out of [`super::Tried`] and out
/// of the failures, and uses a fresh connection, which is why this cannot go round for ever.
pub fn decide(policy: &NextUpstream, what: Failure, facts: Facts) -> Verdict {
    let repeats_effect = facts.bytes_sent && !facts.idempotent && policy.cases & NON_IDEMPOTENT == 0;
    if facts.response_begun || repeats_effect || (facts.bytes_sent && !facts.replayable) || !policy.lists(what) {
        return Verdict::Stop;
    }
    if policy.timeout > Duration::ZERO && facts.now.saturating_duration_since(facts.started) >= policy.timeout {
        return Verdict::Stop;
    }
    if facts.reused && what == Failure::Error {
        return Verdict::Next;
    }
    if facts.left == 0 || (policy.tries > 0 && facts.tries >= policy.tries) {
        return Verdict::Stop;
    }
    Verdict::Next
}

/// So often a request of a session is sent: the session may move once or twice meanwhile.
const TRIES_OF_BOUND: u32 = 4;

/// The same for a request whose session is on one server: it goes there, whatever is listed, or where the session is found to be
/// next. A server that answers, or takes too long to, is not left; one that could not be reached was sent nothing.
pub fn decide_bound(policy: &NextUpstream, what: Failure, facts: Facts) -> Verdict {
    let unreachable = what == Failure::Error || (what == Failure::Timeout && !facts.bytes_sent);
    if facts.response_begun || !unreachable || facts.tries >= TRIES_OF_BOUND {
        return Verdict::Stop;
    }
    if !facts.bytes_sent {
        return Verdict::Next;
    }
    decide(&NextUpstream { tries: 0, ..*policy }, what, Facts { left: 1, ..facts })
}

/// Does this failure count for `max_fails`? As nginx: error, timeout and invalid header always, whether or
/// not they are listed; a status only if it made the request go on to the next server (its documentation
/// says "if listed", its code lets the last answer pass without counting it); 403 and 404 never. Unlike
/// nginx, a reused connection that breaks does not count: with keepalive on by default it would take a
/// healthy server out for `fail_timeout` whenever it closes an idle connection.
pub fn counts(what: Failure, reused: bool, verdict: Verdict) -> bool {
    match what {
        Failure::Error => !reused,
        Failure::Timeout | Failure::InvalidHeader => true,
        Failure::Status(403 | 404) => false,
        Failure::Status(_) => verdict == Verdict::Next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Next, Stop};

    #[test]
    fn a_bound_request_waits_for_its_server_and_is_repeated_only_where_it_may_be() {
        let policy = NextUpstream::from_words(["error", "timeout", "http_503"]).unwrap();
        let off = NextUpstream::from_words(["off"]).unwrap();
        let sent = Facts { bytes_sent: true, left: 0, ..facts() };
        let unsent = Facts { bytes_sent: false, left: 0, ..facts() };
        for policy in [&policy, &off] {
            assert_eq!(decide_bound(policy, Failure::Error, Facts { idempotent: false, ..unsent }), Next);
            assert_eq!(decide_bound(policy, Failure::Timeout, unsent), Next);
            assert_eq!(decide_bound(policy, Failure::Timeout, sent), Stop);
            assert_eq!(decide_bound(policy, Failure::Status(503), sent), Stop);
            assert_eq!(decide_bound(policy, Failure::Error, Facts { tries: TRIES_OF_BOUND, ..unsent }), Stop);
        }
        assert_eq!(decide_bound(&policy, Failure::Error, sent), Next);
        assert_eq!(decide_bound(&off, Failure::Error, sent), Stop);
        assert_eq!(decide_bound(&policy, Failure::Error, Facts { idempotent: false, ..sent }), Stop);
        assert_eq!(decide_bound(&policy, Failure::Error, Facts { replayable: false, ..sent }), Stop);
    }

    fn policy(words: &[&str]) -> NextUpstream {
        NextUpstream::from_words(words).unwrap()
    }

    fn facts() -> Facts {
        let now = Instant::now();
        Facts {
            idempotent: true,
            bytes_sent: true,
            replayable: true,
            response_begun: false,
            reused: false,
            tries: 1,
            started: now,
            now,
            left: 1,
        }
    }

    #[test]
    fn errors_and_timeouts_go_on_by_default_and_nothing_else_does() {
        let policy = NextUpstream::default();
        assert_eq!(policy, self::policy(&["error", "timeout"]));
        assert_eq!(decide(&policy, Failure::Error, facts()), Next);
        assert_eq!(decide(&policy, Failure::Timeout, facts()), Next);
        for what in [Failure::InvalidHeader, Failure::Status(502), Failure::Status(404), Failure::Status(200)] {
            assert_eq!(decide(&policy, what, facts()), Stop, "{what}");
        }
    }

    #[test]
    fn each_status_goes_on_only_under_its_own_word() {
        let statuses = [500, 502, 503, 504, 403, 404, 429];
        for listed in statuses {
            let policy = policy(&[&format!("http_{listed}")]);
            for status in statuses {
                let expected = if status == listed { Next } else { Stop };
                assert_eq!(decide(&policy, Failure::Status(status), facts()), expected, "{listed} {status}");
            }
        }
        assert_eq!(decide(&policy(&["http_500"]), Failure::Status(501), facts()), Stop);
    }

    #[test]
    fn off_wins_over_every_other_word() {
        assert_eq!(decide(&policy(&["error", "off", "timeout"]), Failure::Error, facts()), Stop);
    }

    #[test]
    fn a_word_nginx_does_not_know_is_refused() {
        assert_eq!(NextUpstream::from_words(["http_501"]), Err(UnknownWord("http_501".into())));
    }

    #[test]
    fn a_post_is_repeated_only_if_nothing_was_sent_or_the_configuration_says_so() {
        let post = Facts { idempotent: is_idempotent("POST"), ..facts() };
        assert_eq!(decide(&policy(&["error"]), Failure::Error, post), Stop);
        assert_eq!(decide(&policy(&["error"]), Failure::Error, Facts { bytes_sent: false, ..post }), Next);
        assert_eq!(decide(&policy(&["error", "non_idempotent"]), Failure::Error, post), Next);
        assert_eq!(decide(&policy(&["http_503"]), Failure::Status(503), post), Stop);
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            assert!(is_idempotent(method), "{method}");
        }
        for method in ["LOCK", "PATCH"] {
            assert!(!is_idempotent(method), "{method}");
        }
    }

    #[test]
    fn nothing_is_repeated_once_the_response_began() {
        let begun = Facts { response_begun: true, bytes_sent: false, reused: true, ..facts() };
        assert_eq!(decide(&policy(&["error"]), Failure::Error, begun), Stop);
    }

    #[test]
    fn a_body_that_was_not_kept_cannot_be_sent_again() {
        let gone = Facts { replayable: false, ..facts() };
        assert_eq!(decide(&policy(&["error"]), Failure::Error, gone), Stop);
        assert_eq!(decide(&policy(&["error"]), Failure::Error, Facts { bytes_sent: false, ..gone }), Next);
    }

    #[test]
    fn tries_servers_and_time_are_each_a_limit() {
        let three = NextUpstream { tries: 3, ..NextUpstream::default() };
        assert_eq!(decide(&three, Failure::Error, Facts { tries: 2, ..facts() }), Next);
        assert_eq!(decide(&three, Failure::Error, Facts { tries: 3, ..facts() }), Stop);
        assert_eq!(decide(&NextUpstream::default(), Failure::Error, Facts { tries: 99, ..facts() }), Next);
        assert_eq!(decide(&NextUpstream::default(), Failure::Error, Facts { left: 0, ..facts() }), Stop);
        let second = NextUpstream { timeout: Duration::from_secs(1), ..NextUpstream::default() };
        let begun = facts();
        let after = |ms| Facts { now: begun.started + Duration::from_millis(ms), ..begun };
        assert_eq!(decide(&second, Failure::Error, after(999)), Next);
        assert_eq!(decide(&second, Failure::Error, after(1000)), Stop);
    }

    #[test]
    fn a_broken_idle_connection_costs_no_try_and_no_reputation() {
        let idle = Facts { reused: true, left: 0, tries: 1, ..facts() };
        let once = NextUpstream { tries: 1, ..NextUpstream::default() };
        assert_eq!(decide(&once, Failure::Error, idle), Next);
        assert_eq!(
            decide(&once, Failure::Error, Facts { idempotent: false, ..idle }),
            Stop,
            "the POST may have arrived"
        );
        assert_eq!(decide(&once, Failure::Timeout, idle), Stop, "a timeout is the server's fault");
        assert!(!counts(Failure::Error, true, Next));
    }

    #[test]
    fn what_counts_for_max_fails_is_what_nginx_counts() {
        for verdict in [Next, Stop] {
            assert!(counts(Failure::Error, false, verdict));
            assert!(counts(Failure::Timeout, true, verdict));
            assert!(counts(Failure::InvalidHeader, false, verdict));
            assert!(!counts(Failure::Status(403), false, verdict));
            assert!(!counts(Failure::Status(404), false, verdict));
        }
        assert!(counts(Failure::Status(502), false, Next));
        assert!(!counts(Failure::Status(502), false, Stop));
    }
}
