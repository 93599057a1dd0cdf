//! nginx's rules, named after their directive, and the RFCs', named after their section. Where a test says "as nginx",
//! Debian's nginx was asked and answered so.

mod admission;
mod authorization;
mod directives;
mod freshness;
mod hostile;
mod invalidation;
mod reuse;
mod slices;
mod stored;
mod vary;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::*;
use crate::cache::policy::freshness::LONGEST as FOREVER;
use crate::http::Headers;

pub fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

pub fn request(lines: &[(&str, &str)]) -> Headers {
    let own = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    lines.iter().map(|(name, value)| (own(name), own(value))).collect()
}

/// Sun, 06 Nov 1994 08:49:37 GMT.
pub const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
}

pub fn at(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}

pub fn http_date(seconds: i64) -> String {
    let moment = match seconds {
        0.. => at(seconds.unsigned_abs()),
        _ => now() - Duration::from_secs(seconds.unsigned_abs()),
    };
    httpdate::fmt_http_date(moment)
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A case: what is asked, what comes, and under which rules. GET, 200 and no rules to begin with.
pub struct Case {
    pub method: Method,
    pub asked: Headers,
    pub status: u16,
    pub valid: Valid,
    pub rules: Rules<'static>,
    pub times: Times,
}

impl Default for Case {
    fn default() -> Case {
        let nothing: &'static Valid = Box::leak(Box::default());
        Case {
            method: Method::GET,
            asked: Headers::default(),
            status: 200,
            valid: Valid::default(),
            rules: Rules {
                methods: &[],
                valid: nothing,
                ignored: Ignored::default(),
                no_cache: false,
                head_apart: false,
                partial: false,
                authorization_harmless: false,
                obey_request: false,
            },
            times: Times { asked: now(), answered: now() },
        }
    }
}

impl Case {
    pub fn valid(entries: &[(Option<u16>, u64)]) -> Case {
        let valid = Valid(entries.iter().map(|(code, time)| (*code, seconds(*time))).collect());
        Case { valid, ..Case::default() }
    }

    pub fn ignoring(change: fn(&mut Ignored)) -> Case {
        let mut case = Case::default();
        change(&mut case.rules.ignored);
        case
    }

    pub fn stored(&self, answer: &[(&str, &str)]) -> Result<Lifetime, Reason> {
        let asked = Asked { method: &self.method, headers: &self.asked };
        let rules = Rules { valid: &self.valid, ..self.rules.clone() };
        let status = StatusCode::from_u16(self.status).unwrap();
        match admit(asked, status, &fields(answer), &rules, self.times) {
            Admission::Store(lifetime) => Ok(lifetime),
            Admission::Refuse(reason) => Err(reason),
        }
    }

    /// For how many seconds, and who said so.
    pub fn fresh(&self, answer: &[(&str, &str)]) -> Result<(u64, Source), Reason> {
        let lifetime = self.stored(answer)?;
        Ok((lifetime.fresh_until.duration_since(self.times.answered).unwrap().as_secs(), lifetime.source))
    }
}

#[test]
fn upstream_cache_status_has_nginxs_seven_words() {
    use CacheStatus::*;
    let words: Vec<String> =
        [Miss, Bypass, Expired, Stale, Updating, Revalidated, Hit].iter().map(ToString::to_string).collect();
    assert_eq!(words.join(" "), "MISS BYPASS EXPIRED STALE UPDATING REVALIDATED HIT");
}

#[test]
fn tags_are_taken_between_commas_and_blanks_each_once() {
    let answer = fields(&[("Cache-Tag", "a, b c,,a"), ("cache-tag", "B\td")]);
    assert_eq!(tags::tags(&answer), ["a", "b", "c", "B", "d"]);
}

#[test]
fn tags_are_bounded_in_number_and_length() {
    let many: Vec<String> = (0..1000).map(|tag| format!("t{tag}")).collect();
    let long = "x".repeat(tags::LONGEST + 1);
    let found = tags::tags(&fields(&[("Cache-Tag", &long), ("Cache-Tag", &many.join(","))]));
    assert_eq!(found.len(), tags::MOST);
    assert_eq!(found[0], "t0");
}
