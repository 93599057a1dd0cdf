//! RFC 9111 4.2: age and lifetime.

use super::super::freshness::{LONGEST, age, initial_age, is_fresh};
use super::*;

fn instantly() -> Times {
    Times { asked: now(), answered: now() }
}

fn aged(lines: &[(&str, &str)]) -> u64 {
    initial_age(&fields(lines), instantly()).as_secs()
}

#[test]
fn rfc9111_4_2_3_the_initial_age_is_the_greater_of_what_age_and_date_say() {
    assert_eq!(aged(&[]), 0);
    assert_eq!(aged(&[("Age", "100")]), 100);
    assert_eq!(aged(&[("Date", &http_date(-100))]), 100);
    assert_eq!(aged(&[("Date", &http_date(-100)), ("Age", "7")]), 100);
    assert_eq!(aged(&[("Date", &http_date(-7)), ("Age", "100")]), 100);
}

#[test]
fn rfc9111_4_2_3_a_clock_ahead_of_ours_makes_nothing_older_or_younger() {
    assert_eq!(aged(&[("Date", &http_date(3600))]), 0);
    let answer = [("Date", &*http_date(3600)), ("Cache-Control", "max-age=60")];
    assert_eq!(Case::default().fresh(&answer).unwrap().0, 60);
}

#[test]
fn rfc9111_4_2_3_the_time_an_answer_took_counts_beside_age() {
    let slow = Times { asked: now(), answered: at(30) };
    assert_eq!(initial_age(&fields(&[("Age", "100")]), slow), seconds(130));
    assert_eq!(initial_age(&fields(&[]), slow), seconds(0));
    let turned_back = Times { asked: at(30), answered: now() };
    assert_eq!(initial_age(&fields(&[("Age", "100")]), turned_back), seconds(100));
}

/// Otherwise `max-age=1` would be stored or not by the fraction of the second in which the answer was made.
#[test]
fn the_last_moment_of_a_second_is_no_age() {
    let times = Times { asked: now(), answered: now() + Duration::from_millis(1900) };
    assert_eq!(initial_age(&fields(&[("Date", NOW)]), times), Duration::ZERO);
    let case = Case { times, ..Case::default() };
    assert_eq!(case.fresh(&[("Date", NOW), ("Cache-Control", "max-age=1")]).unwrap().0, 1);
}

#[test]
fn rfc9111_5_1_an_age_that_is_no_number_is_ignored_and_the_first_of_a_list_counts() {
    for (value, expected) in
        [("x", 0), ("-5", 0), ("1.5", 0), ("", 0), ("100, 5", 100), (" 9 ", 9), ("99999999999999999999", LONGEST)]
    {
        assert_eq!(aged(&[("Age", value)]), expected, "{value}");
    }
}

#[test]
fn rfc9111_4_2_what_is_as_old_as_its_lifetime_is_stale() {
    let fresh = |age: &str| Case::default().fresh(&[("Cache-Control", "max-age=60"), ("Age", age)]);
    assert_eq!(fresh("59"), Ok((1, Source::CacheControl)));
    assert_eq!(fresh("60"), Err(Reason::Stale(Source::CacheControl)));
    assert_eq!(fresh("100"), Err(Reason::Stale(Source::CacheControl)));
    assert!(is_fresh(now(), at(60), at(59)));
    assert!(!is_fresh(now(), at(60), at(60)));
}

#[test]
fn rfc9111_4_2_1_expires_counts_from_the_upstreams_own_date() {
    let ahead = [("Date", &*http_date(3600)), ("Expires", &*http_date(3660))];
    assert_eq!(Case::default().fresh(&ahead), Ok((60, Source::Expires)));
    assert_eq!(Case::default().fresh(&[("Expires", &http_date(60))]), Ok((60, Source::Expires)));
    let old = [("Date", &*http_date(-40)), ("Expires", &*http_date(20))];
    assert_eq!(Case::default().fresh(&old), Ok((20, Source::Expires)));
    let junk_date = [("Date", "junk"), ("Expires", &*http_date(60))];
    assert_eq!(Case::default().fresh(&junk_date), Ok((60, Source::Expires)));
}

#[test]
fn rfc9111_5_3_an_expires_that_is_no_date_has_passed() {
    for value in ["0", "-1", "", "tomorrow", "Sun, 06 Nov 1994", "Sun, 99 Nov 1994 08:49:37 GMT"] {
        let fresh = Case::valid(&[(None, 60)]).fresh(&[("Expires", value)]);
        assert_eq!(fresh, Err(Reason::Stale(Source::Expires)), "{value}");
    }
}

#[test]
fn years_beyond_2038_are_years() {
    let answer = [("Expires", "Fri, 31 Dec 9999 23:59:59 GMT")];
    let (fresh, _) = Case::default().fresh(&answer).unwrap();
    assert_eq!(fresh, 253_402_300_799 - 784_111_777);
    let far = Case { times: Times { asked: at(LONGEST), answered: at(LONGEST) }, ..Case::default() };
    assert_eq!(far.fresh(&[("Cache-Control", "max-age=60"), ("Date", &http_date(1 << 31))]).unwrap().0, 60);
}

#[test]
fn proxy_cache_valid_and_x_accel_expires_count_from_now_whatever_the_age() {
    let case = Case::valid(&[(None, 60)]);
    assert_eq!(case.fresh(&[("Age", "1000")]), Ok((60, Source::ProxyCacheValid)));
    assert_eq!(case.fresh(&[("Age", "1000"), ("X-Accel-Expires", "5")]), Ok((5, Source::XAccelExpires)));
}

#[test]
fn rfc9111_5_1_age_grows_in_the_cache() {
    assert_eq!(age(seconds(10), now(), at(5)), 15);
    assert_eq!(age(seconds(10), at(5), now()), 10);
    assert_eq!(age(Duration::MAX, now(), at(5)), LONGEST);
}

#[test]
fn a_clock_set_back_makes_nothing_fresh_for_years() {
    assert!(is_fresh(at(30), at(90), now()));
    assert!(!is_fresh(at(3600), at(3660), now()));
}

#[test]
fn a_sum_that_no_clock_can_show_is_stale_at_once() {
    let mut last = now();
    let mut step = Duration::from_secs(1 << 62);
    while !step.is_zero() {
        match last.checked_add(step) {
            Some(later) => last = later,
            None => step /= 2,
        }
    }
    let case = Case { times: Times { asked: last, answered: last }, ..Case::valid(&[(None, u64::MAX)]) };
    assert_eq!(case.fresh(&[]), Ok((0, Source::ProxyCacheValid)));
}
