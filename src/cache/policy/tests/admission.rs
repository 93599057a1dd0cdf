//! Whether an answer is stored, and what says how long.

use super::*;

/// An answer's fields, and for how long they keep it.
type Row<'a> = (&'a [(&'a str, &'a str)], Result<(u64, Source), Reason>);

const CACHE_CONTROL: Source = Source::CacheControl;
const ACCEL: Source = Source::XAccelExpires;

#[test]
fn proxy_cache_valid_holds_by_status_and_the_first_that_fits_wins() {
    let case = |status| Case { status, ..Case::valid(&[(Some(200), 60), (Some(404), 0), (None, 5), (Some(500), 9)]) };
    assert_eq!(case(200).fresh(&[]), Ok((60, Source::ProxyCacheValid)));
    assert_eq!(case(404).fresh(&[]), Err(Reason::NoLifetime));
    assert_eq!(case(500).fresh(&[]), Ok((5, Source::ProxyCacheValid)));
    assert_eq!(Case::default().fresh(&[]), Err(Reason::NoLifetime));
}

/// As nginx; those of a row that it takes by the order of the fields (Debian's) as its later versions.
#[test]
fn x_accel_expires_comes_first() {
    let table: [Row; 12] = [
        (&[("X-Accel-Expires", "0"), ("Cache-Control", "max-age=60")], Err(Reason::Forbidden(ACCEL))),
        (&[("X-Accel-Expires", "60"), ("Cache-Control", "private")], Ok((60, ACCEL))),
        (&[("Cache-Control", "no-store"), ("X-Accel-Expires", "60")], Ok((60, ACCEL))),
        (&[("X-Accel-Expires", "60"), ("Expires", "0")], Ok((60, ACCEL))),
        (&[("X-Accel-Expires", "@784111877")], Ok((100, ACCEL))),
        (&[("X-Accel-Expires", "@1000")], Err(Reason::Stale(ACCEL))),
        (&[("X-Accel-Expires", "@0")], Ok((3600, Source::ProxyCacheValid))),
        (&[("X-Accel-Expires", "junk")], Ok((3600, Source::ProxyCacheValid))),
        (&[("X-Accel-Expires", "-1")], Ok((3600, Source::ProxyCacheValid))),
        (&[("X-Accel-Expires", "\"60\"")], Ok((3600, Source::ProxyCacheValid))),
        (&[("X-Accel-Expires", "off")], Err(Reason::Forbidden(ACCEL))),
        (&[("X-Accel-Expires", "99999999999999999999999")], Ok((FOREVER, ACCEL))),
    ];
    for (answer, expected) in table {
        assert_eq!(Case::valid(&[(None, 3600)]).fresh(answer), expected, "{answer:?}");
    }
}

/// As nginx, in later versions than Debian's whatever the order of the fields.
#[test]
fn cache_control_comes_before_expires_and_both_before_proxy_cache_valid() {
    let past = http_date(-60);
    let table: [Row; 15] = [
        (&[("Cache-Control", "max-age=60"), ("Expires", "0")], Ok((60, CACHE_CONTROL))),
        (&[("Expires", &past), ("Cache-Control", "max-age=60")], Ok((60, CACHE_CONTROL))),
        (&[("Cache-Control", "max-age=60, s-maxage=10")], Ok((10, CACHE_CONTROL))),
        (&[("Cache-Control", "public"), ("Expires", &http_date(60))], Ok((60, Source::Expires))),
        (&[("Expires", &past)], Err(Reason::Stale(Source::Expires))),
        (&[("Expires", "0")], Err(Reason::Stale(Source::Expires))),
        (&[("Cache-Control", "no-cache")], Err(Reason::Forbidden(CACHE_CONTROL))),
        (&[("Cache-Control", "no-store, max-age=60")], Err(Reason::Forbidden(CACHE_CONTROL))),
        (&[("Cache-Control", "max-age=60"), ("Cache-Control", "private")], Err(Reason::Forbidden(CACHE_CONTROL))),
        (&[("Cache-Control", "max-age=0")], Err(Reason::Stale(CACHE_CONTROL))),
        (&[("Cache-Control", "s-maxage=0, max-age=60")], Err(Reason::Stale(CACHE_CONTROL))),
        (&[("Cache-Control", "max-age=abc")], Err(Reason::Stale(CACHE_CONTROL))),
        (&[("Cache-Control", "public")], Ok((3600, Source::ProxyCacheValid))),
        (&[("Cache-Control", "must-revalidate")], Ok((3600, Source::ProxyCacheValid))),
        (&[("Pragma", "no-cache")], Ok((3600, Source::ProxyCacheValid))),
    ];
    for (answer, expected) in table {
        assert_eq!(Case::valid(&[(None, 3600)]).fresh(answer), expected, "{answer:?}");
    }
}

/// As nginx.
#[test]
fn a_lifetime_in_a_field_keeps_an_answer_of_any_status() {
    for status in [200, 204, 302, 404, 500] {
        let case = Case { status, ..Case::default() };
        assert_eq!(case.fresh(&[("Cache-Control", "max-age=60")]), Ok((60, CACHE_CONTROL)), "{status}");
    }
}

#[test]
fn proxy_ignore_headers_takes_a_field_out_of_the_decision() {
    let all = [("X-Accel-Expires", "0"), ("Cache-Control", "private"), ("Expires", "0")];
    let mut case = Case::valid(&[(None, 3600)]);
    assert_eq!(case.fresh(&all), Err(Reason::Forbidden(ACCEL)));
    case.rules.ignored.x_accel_expires = true;
    assert_eq!(case.fresh(&all), Err(Reason::Forbidden(CACHE_CONTROL)));
    case.rules.ignored.cache_control = true;
    assert_eq!(case.fresh(&all), Err(Reason::Stale(Source::Expires)));
    case.rules.ignored.expires = true;
    assert_eq!(case.fresh(&all), Ok((3600, Source::ProxyCacheValid)));
}

#[test]
fn proxy_ignore_headers_takes_set_cookie_and_vary_out_of_the_decision() {
    let kept = ("Cache-Control", "max-age=60");
    assert_eq!(Case::default().fresh(&[kept, ("Set-Cookie", "a=b")]), Err(Reason::SetCookie));
    assert!(Case::ignoring(|i| i.set_cookie = true).fresh(&[kept, ("Set-Cookie", "a=b")]).is_ok());
    assert_eq!(Case::default().fresh(&[kept, ("Vary", "*")]), Err(Reason::VaryAny));
    assert_eq!(Case::ignoring(|i| i.vary = true).stored(&[kept, ("Vary", "a, *")]).unwrap().vary, [""; 0]);
}

#[test]
fn proxy_no_cache_and_methods_refuse_before_anything_is_read() {
    let kept = [("Cache-Control", "max-age=60")];
    let mut case = Case { method: Method::POST, ..Case::default() };
    assert_eq!(case.fresh(&kept), Err(Reason::Method));
    case.rules.methods = &[Method::POST];
    assert!(case.fresh(&kept).is_ok());
    case.rules.no_cache = true;
    assert_eq!(case.fresh(&kept), Err(Reason::NoCache));
}

#[test]
fn an_empty_answer_to_head_never_stands_under_the_key_of_a_get() {
    let kept = [("Cache-Control", "max-age=60")];
    let mut case = Case { method: Method::HEAD, ..Case::default() };
    assert_eq!(case.fresh(&kept), Err(Reason::Head));
    case.rules.head_apart = true;
    assert!(case.fresh(&kept).is_ok());
}

#[test]
fn a_304_or_a_part_is_no_answer_for_others() {
    let kept = [("Cache-Control", "max-age=60")];
    let mut case = Case { status: 304, ..Case::default() };
    assert_eq!(case.fresh(&kept), Err(Reason::Status(304)));
    case.status = 101;
    assert_eq!(case.fresh(&kept), Err(Reason::Status(101)));
    case.status = 206;
    assert_eq!(case.fresh(&kept), Err(Reason::Partial));
    case.rules.partial = true;
    assert!(case.fresh(&kept).is_ok());
}

#[test]
fn rfc5861_periods_are_granted_by_the_answer_whoever_says_how_long() {
    let periods = "stale-while-revalidate=30, stale-if-error=90";
    for other in [("X-Accel-Expires", "10"), ("x", "y")] {
        let lifetime = Case::valid(&[(None, 5)]).stored(&[("Cache-Control", periods), other]).unwrap();
        assert_eq!((lifetime.stale_while_revalidate, lifetime.stale_if_error), (seconds(30), seconds(90)));
        assert!(!lifetime.must_revalidate);
    }
    let bad = Case::valid(&[(None, 5)]).stored(&[("Cache-Control", "stale-if-error=x")]).unwrap();
    assert_eq!(bad.stale_if_error, Duration::ZERO);
}

#[test]
fn rfc9111_4_2_4_must_revalidate_takes_the_periods_away_and_s_maxage_does_not() {
    let stored = |directives: &str| {
        let value = format!("{directives}, stale-while-revalidate=30, stale-if-error=90");
        let lifetime = Case::default().stored(&[("Cache-Control", &value)]).unwrap();
        (lifetime.must_revalidate, lifetime.stale_while_revalidate, lifetime.stale_if_error)
    };
    let none = (true, Duration::ZERO, Duration::ZERO);
    assert_eq!(stored("max-age=9, must-revalidate"), none);
    assert_eq!(stored("max-age=9, proxy-revalidate"), none);
    assert_eq!(stored("s-maxage=9"), (true, seconds(30), seconds(90)));
    assert_eq!(stored("max-age=9"), (false, seconds(30), seconds(90)));
}

#[test]
fn rfc9111_5_2_1_5_a_requests_no_store_counts_only_where_requests_are_obeyed() {
    let kept = [("Cache-Control", "max-age=60")];
    let mut case = Case { asked: request(&[("cache-control", "no-store")]), ..Case::default() };
    assert!(case.fresh(&kept).is_ok());
    case.rules.obey_request = true;
    assert_eq!(case.fresh(&kept), Err(Reason::RequestNoStore));
}

#[test]
fn rfc9111_3_no_status_but_a_final_and_whole_one_and_no_unknown_method_is_stored() {
    let kept = [("Cache-Control", "public, max-age=60")];
    for (status, expected) in [
        (103, Err(Reason::Status(103))),
        (206, Err(Reason::Partial)),
        (304, Err(Reason::Status(304))),
        (299, Ok((60, CACHE_CONTROL))),
    ] {
        assert_eq!(Case { status, ..Case::default() }.fresh(&kept), expected, "{status}");
    }
    let mut case = Case { method: Method::from_bytes(b"REPORT").unwrap(), ..Case::default() };
    case.rules.methods = &[Method::POST];
    assert_eq!(case.fresh(&kept), Err(Reason::Method));
}

#[test]
fn rfc9111_5_2_2_3_what_must_be_understood_is_stored_only_with_a_status_of_rfc_9110() {
    let fresh = |status, said: &str| Case { status, ..Case::default() }.fresh(&[("Cache-Control", said)]);
    for status in [200, 301, 404, 503] {
        assert_eq!(fresh(status, "must-understand, max-age=60"), Ok((60, CACHE_CONTROL)), "{status}");
    }
    for status in [226, 299, 306, 599] {
        assert_eq!(fresh(status, "Must-Understand, max-age=60"), Err(Reason::NotUnderstood(status)));
        assert_eq!(fresh(status, "max-age=60"), Ok((60, CACHE_CONTROL)));
    }
    // It may be stored then, and is not: so it never is by a cache that knows the older directive only.
    let both = fresh(200, "must-understand, no-store, max-age=60");
    assert_eq!(both, Err(Reason::Forbidden(CACHE_CONTROL)));
}

#[test]
fn rfc9111_4_2_2_no_lifetime_is_guessed() {
    let old = http_date(-1_000_000);
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        let case = Case { status, ..Case::default() };
        assert_eq!(case.fresh(&[("Last-Modified", &old), ("Date", NOW)]), Err(Reason::NoLifetime), "{status}");
    }
}

#[test]
fn rfc9111_5_2_2_each_directive_of_an_answer_has_its_meaning() {
    let table: [Row; 12] = [
        // 5.2.2.1
        (&[("Cache-Control", "max-age=60")], Ok((60, CACHE_CONTROL))),
        (&[("Cache-Control", "MAX-AGE=\"60\"")], Ok((60, CACHE_CONTROL))),
        // 5.2.2.2 and 5.2.2.8 say nothing of how long.
        (&[("Cache-Control", "must-revalidate")], Err(Reason::NoLifetime)),
        (&[("Cache-Control", "proxy-revalidate")], Err(Reason::NoLifetime)),
        // 5.2.2.4, with a list of fields or without one
        (&[("Cache-Control", "no-cache, max-age=60")], Err(Reason::Forbidden(CACHE_CONTROL))),
        (&[("Cache-Control", "no-cache=\"x\", max-age=60")], Err(Reason::Forbidden(CACHE_CONTROL))),
        // 5.2.2.5
        (&[("Cache-Control", "max-age=60"), ("Cache-Control", "no-store")], Err(Reason::Forbidden(CACHE_CONTROL))),
        // 5.2.2.6 forbids to change it, not to store it.
        (&[("Cache-Control", "no-transform, max-age=60")], Ok((60, CACHE_CONTROL))),
        // 5.2.2.7
        (&[("Cache-Control", "private=\"set-cookie\", max-age=60")], Err(Reason::Forbidden(CACHE_CONTROL))),
        // 5.2.2.9 permits and grants no time.
        (&[("Cache-Control", "public")], Err(Reason::NoLifetime)),
        // 5.2.2.10
        (&[("Cache-Control", "max-age=60, s-maxage=5"), ("Expires", "0")], Ok((5, CACHE_CONTROL))),
        // 5.2.3
        (&[("Cache-Control", "community=\"UCI\", max-age=60")], Ok((60, CACHE_CONTROL))),
    ];
    for (answer, expected) in table {
        assert_eq!(Case::default().fresh(answer), expected, "{answer:?}");
    }
}

#[test]
fn rfc9213_2_1_parameters_count_nothing_and_all_lines_are_one_field() {
    let lines = [("CDN-Cache-Control", "max-age=60;foo"), ("CDN-Cache-Control", "must-revalidate")];
    let lifetime = Case::default().stored(&[lines[0], lines[1], ("Cache-Control", "no-store")]).unwrap();
    assert_eq!((lifetime.fresh_until, lifetime.must_revalidate), (at(60), true));
    // A mistake in one line makes nothing of all of them.
    let broken = [lines[0], ("CDN-Cache-Control", "&"), ("Cache-Control", "max-age=5")];
    assert_eq!(Case::default().fresh(&broken), Ok((5, CACHE_CONTROL)));
}

#[test]
fn rfc9213_2_2_cdn_cache_control_stands_for_cache_control_and_expires() {
    const CDN: Source = Source::CdnCacheControl;
    let table: [Row; 8] = [
        (&[("CDN-Cache-Control", "max-age=60"), ("Cache-Control", "no-store")], Ok((60, CDN))),
        (&[("CDN-Cache-Control", "no-store"), ("Cache-Control", "max-age=60")], Err(Reason::Forbidden(CDN))),
        (&[("CDN-Cache-Control", "public"), ("Expires", "0")], Ok((3600, Source::ProxyCacheValid))),
        (&[("CDN-Cache-Control", "Max-Age=60"), ("Cache-Control", "max-age=5")], Ok((5, CACHE_CONTROL))),
        (&[("CDN-Cache-Control", ""), ("Cache-Control", "max-age=5")], Ok((5, CACHE_CONTROL))),
        (&[("CDN-Cache-Control", "max-age=60,"), ("Cache-Control", "max-age=5")], Ok((5, CACHE_CONTROL))),
        (&[("CDN-Cache-Control", "max-age=60"), ("X-Accel-Expires", "7")], Ok((7, ACCEL))),
        (&[("CDN-Cache-Control", "max-age=60"), ("Age", "20")], Ok((40, CDN))),
    ];
    for (answer, expected) in table {
        assert_eq!(Case::valid(&[(None, 3600)]).fresh(answer), expected, "{answer:?}");
    }
    let both = [("CDN-Cache-Control", "max-age=60"), ("Cache-Control", "max-age=5")];
    assert_eq!(Case::ignoring(|i| i.cdn_cache_control = true).fresh(&both), Ok((5, CACHE_CONTROL)));
    assert_eq!(Case::ignoring(|i| i.cache_control = true).fresh(&both), Err(Reason::NoLifetime));
}

#[test]
fn a_refusal_says_why_in_the_words_of_the_configuration() {
    let said = [
        (Reason::Forbidden(CACHE_CONTROL), "Cache-Control forbids it"),
        (Reason::Stale(Source::Expires), "it is stale from the start, as Expires says"),
        (Reason::VaryNames, "its Vary cannot be read or names more than 16 fields"),
        (Reason::NoLifetime, "nothing says how long: no field of it, and no proxy_cache_valid for its status"),
    ];
    for (reason, text) in said {
        assert_eq!(reason.to_string(), text);
    }
}

#[test]
fn what_is_stored_knows_its_tags_and_by_what_it_varies() {
    let answer = [("Cache-Control", "max-age=60"), ("Vary", "B, a"), ("Cache-Tag", "x y"), ("Age", "10")];
    let lifetime = Case::default().stored(&answer).unwrap();
    assert_eq!(lifetime.vary, ["a", "b"]);
    assert_eq!(lifetime.tags, ["x", "y"]);
    assert_eq!((lifetime.stored_at, lifetime.initial_age), (now(), seconds(10)));
}
