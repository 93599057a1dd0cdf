//! What a stored answer may be used for.

use super::*;

/// Stored now, fresh for a minute.
fn copy() -> Copy {
    Copy {
        stored_at: now(),
        fresh_until: at(60),
        initial_age: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        must_revalidate: false,
    }
}

fn rules(words: &[&str]) -> UseRules {
    UseRules { use_stale: Failures::from_words(words.iter().copied()).unwrap(), ..UseRules::default() }
}

fn plainly(copy: &Copy, rules: &UseRules, after: u64) -> Reuse {
    reuse(&Headers::default(), copy, rules, at(after))
}

fn ask(while_updating: bool, on_failure: Failures) -> Reuse {
    Reuse::Ask(Fallback { while_updating, on_failure })
}

#[test]
fn a_fresh_copy_is_used_and_a_stale_one_is_not() {
    assert_eq!(plainly(&copy(), &UseRules::default(), 59), Reuse::Fresh);
    assert_eq!(plainly(&copy(), &UseRules::default(), 60), ask(false, Failures::NONE));
}

#[test]
fn proxy_cache_use_stale_says_for_which_failures_a_stale_copy_goes_out() {
    let Reuse::Ask(fallback) = plainly(&copy(), &rules(&["error", "http_503", "updating"]), 9999) else { panic!() };
    assert!(fallback.while_updating);
    assert!(fallback.on_failure.lists(Failures::ERROR));
    assert!(fallback.on_failure.lists(Failures::of_status(503).unwrap()));
    assert!(!fallback.on_failure.lists(Failures::TIMEOUT));
    assert!(!fallback.on_failure.lists(Failures::of_status(500).unwrap()));
    assert!(!fallback.on_failure.lists(Failures::UPDATING));
    assert!(!fallback.on_failure.lists(Failures::NONE));
}

#[test]
fn proxy_cache_use_stale_knows_nginxs_words_and_off_wins() {
    for (word, failure) in Failures::WORDS {
        assert_eq!(Failures::from_words([word]), Ok(failure));
        let status = word.strip_prefix("http_").and_then(|status| status.parse().ok());
        assert_eq!(status.and_then(Failures::of_status), status.map(|_| failure), "{word}");
    }
    assert_eq!(Failures::from_words(["error", "off"]), Ok(Failures::NONE));
    assert_eq!(Failures::from_words(["error", "http_501"]), Err("http_501"));
    assert_eq!(Failures::of_status(501), None);
}

#[test]
fn proxy_cache_background_update_sends_the_stale_copy_at_once_if_updating_is_listed() {
    let mut rules = rules(&["updating"]);
    assert_eq!(plainly(&copy(), &rules, 61), ask(true, Failures::NONE));
    rules.background_update = true;
    assert_eq!(plainly(&copy(), &rules, 61), Reuse::Stale { update: true });
    rules.use_stale = Failures::ERROR;
    assert_eq!(plainly(&copy(), &rules, 61), ask(false, Failures::ERROR));
}

/// As nginx: the directive that updates in the background must be on for the first request, too.
#[test]
fn rfc5861_3_stale_while_revalidate_is_as_if_updating_were_listed_for_its_time() {
    let copy = Copy { stale_while_revalidate: seconds(30), ..copy() };
    let background = UseRules { background_update: true, ..UseRules::default() };
    assert_eq!(plainly(&copy, &UseRules::default(), 90), ask(true, Failures::NONE));
    assert_eq!(plainly(&copy, &background, 90), Reuse::Stale { update: true });
    assert_eq!(plainly(&copy, &background, 91), ask(false, Failures::NONE));
}

#[test]
fn rfc5861_4_stale_if_error_covers_500_502_503_504_and_no_answer_for_its_time() {
    let copy = Copy { stale_if_error: seconds(30), ..copy() };
    let Reuse::Ask(fallback) = plainly(&copy, &rules(&["http_404"]), 90) else { panic!() };
    let covered = |status| fallback.on_failure.lists(Failures::of_status(status).unwrap());
    assert_eq!([500, 502, 503, 504, 404, 403, 429].map(covered), [true, true, true, true, true, false, false]);
    assert!(fallback.on_failure.lists(Failures::ERROR));
    assert!(fallback.on_failure.lists(Failures::TIMEOUT));
    assert!(!fallback.while_updating);
    assert_eq!(plainly(&copy, &UseRules::default(), 91), ask(false, Failures::NONE));
}

#[test]
fn rfc9111_4_2_4_must_revalidate_forbids_what_the_configuration_grants() {
    let copy = Copy { must_revalidate: true, ..copy() };
    let rules = UseRules { background_update: true, ..rules(&["error", "timeout", "updating", "http_500"]) };
    assert_eq!(plainly(&copy, &rules, 59), Reuse::Fresh);
    assert_eq!(plainly(&copy, &rules, 61), ask(false, Failures::NONE));
}

#[test]
fn rfc9111_5_2_2_10_s_maxage_forbids_stale_use_beyond_what_the_answer_grants() {
    let answer = [("Cache-Control", "s-maxage=60, stale-if-error=30")];
    let copy = Copy::from(&Case::default().stored(&answer).unwrap());
    let rules = rules(&["error", "updating"]);
    assert_eq!(plainly(&copy, &rules, 90), ask(false, Failures::OF_STALE_IF_ERROR));
    assert_eq!(plainly(&copy, &rules, 91), ask(false, Failures::NONE));
}

#[test]
fn a_copy_from_the_future_is_asked_for_and_no_period_counts() {
    let copy = Copy { stored_at: at(4000), fresh_until: at(4060), stale_while_revalidate: seconds(9999), ..copy() };
    assert_eq!(plainly(&copy, &UseRules::default(), 0), ask(false, Failures::NONE));
}

fn obeyed(directives: &str, copy: &Copy, after: u64) -> Reuse {
    let rules = UseRules { obey_request: true, ..rules(&["error"]) };
    reuse(&request(&[("cache-control", directives)]), copy, &rules, at(after))
}

const NOTHING_ELSE: Reuse = Reuse::Ask(Fallback { while_updating: false, on_failure: Failures::NONE });

#[test]
fn requests_are_not_obeyed_by_default() {
    for line in [("cache-control", "no-cache, max-age=0, only-if-cached"), ("pragma", "no-cache")] {
        assert_eq!(reuse(&request(&[line]), &copy(), &UseRules::default(), at(9)), Reuse::Fresh);
        assert!(!without_copy(&request(&[line]), &UseRules::default()));
    }
}

#[test]
fn rfc9111_5_2_1_1_max_age_of_a_request_limits_the_age() {
    let copy = Copy { initial_age: seconds(5), ..copy() };
    assert_eq!(obeyed("max-age=15", &copy, 10), Reuse::Fresh);
    assert_eq!(obeyed("max-age=14", &copy, 10), NOTHING_ELSE);
    assert_eq!(obeyed("max-age=x", &copy, 10), NOTHING_ELSE);
}

#[test]
fn rfc9111_5_2_1_2_max_stale_takes_a_stale_copy() {
    assert_eq!(obeyed("max-stale=10", &copy(), 70), Reuse::Stale { update: false });
    assert_eq!(obeyed("max-stale=10", &copy(), 71), ask(false, Failures::ERROR));
    assert_eq!(obeyed("max-stale", &copy(), 100_000), Reuse::Stale { update: false });
    assert_eq!(obeyed("max-stale", &Copy { must_revalidate: true, ..copy() }, 70), NOTHING_ELSE);
}

#[test]
fn rfc9111_5_2_1_3_min_fresh_wants_it_fresh_for_longer() {
    assert_eq!(obeyed("min-fresh=50", &copy(), 10), Reuse::Fresh);
    assert_eq!(obeyed("min-fresh=51", &copy(), 10), NOTHING_ELSE);
    assert_eq!(obeyed("min-fresh=x", &copy(), 10), NOTHING_ELSE);
}

#[test]
fn rfc9111_5_2_1_4_no_cache_asks_the_upstream_and_pragma_does_in_its_place() {
    assert_eq!(obeyed("no-cache", &copy(), 10), NOTHING_ELSE);
    let rules = UseRules { obey_request: true, ..UseRules::default() };
    assert_eq!(reuse(&request(&[("pragma", "no-cache")]), &copy(), &rules, at(9)), NOTHING_ELSE);
}

#[test]
fn rfc5861_4_stale_if_error_of_a_request_takes_a_stale_copy_for_a_failure() {
    let failing = |limits: &str, copy: &Copy, after: u64| match obeyed(limits, copy, after) {
        Reuse::Ask(fallback) => fallback.on_failure,
        other => panic!("{other:?}"),
    };
    let rules_and_request = Failures::ERROR.and(Failures::OF_STALE_IF_ERROR);
    assert_eq!(failing("stale-if-error=10", &copy(), 70), rules_and_request);
    assert_eq!(failing("stale-if-error=10", &copy(), 71), Failures::ERROR);
    assert_eq!(failing("stale-if-error=x", &copy(), 61), Failures::ERROR);
    assert_eq!(obeyed("stale-if-error=10", &copy(), 59), Reuse::Fresh);
    let strict = Copy { must_revalidate: true, ..copy() };
    assert_eq!(failing("stale-if-error=10", &strict, 61), Failures::NONE);
    // Newer is wanted, older taken if there is nothing else.
    assert_eq!(failing("no-cache, stale-if-error=10", &copy(), 9), Failures::OF_STALE_IF_ERROR);
    assert_eq!(failing("max-age=5, stale-if-error=10", &copy(), 71), Failures::NONE);
    let future = Copy { stored_at: at(4000), fresh_until: at(4060), ..copy() };
    assert_eq!(failing("no-cache, stale-if-error=10", &future, 0), Failures::NONE);
    let disobeyed = reuse(&request(&[("cache-control", "stale-if-error=10")]), &copy(), &UseRules::default(), at(61));
    assert_eq!(disobeyed, NOTHING_ELSE);
}

#[test]
fn rfc9111_5_2_1_7_only_if_cached_never_asks_the_upstream() {
    assert_eq!(obeyed("only-if-cached", &copy(), 10), Reuse::Fresh);
    assert_eq!(obeyed("only-if-cached", &copy(), 70), Reuse::Unmet);
    assert_eq!(obeyed("only-if-cached, max-stale=10", &copy(), 70), Reuse::Stale { update: false });
    let rules = UseRules { obey_request: true, ..UseRules::default() };
    assert!(without_copy(&request(&[("cache-control", "only-if-cached")]), &rules));
    assert!(!without_copy(&Headers::default(), &rules));
}

#[test]
fn rfc9111_5_1_age_says_how_long_it_was_kept_anywhere() {
    assert_eq!(Copy { initial_age: seconds(5), ..copy() }.age(at(7)), 12);
}
