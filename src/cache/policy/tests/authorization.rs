//! RFC 9111 3.5: answers to requests with `Authorization`.

use super::*;

fn authorized() -> Case {
    Case { asked: request(&[("authorization", "Basic eA==")]), ..Case::valid(&[(None, 60)]) }
}

#[test]
fn rfc9111_3_5_an_authorized_request_is_shared_only_if_the_answer_says_so() {
    for (directives, shared) in [
        ("max-age=60", false),
        ("max-age=60, public", true),
        ("s-maxage=60", true),
        ("max-age=60, must-revalidate", true),
        ("max-age=60, proxy-revalidate", false),
        ("private, public, max-age=60", false),
    ] {
        assert_eq!(authorized().fresh(&[("Cache-Control", directives)]).is_ok(), shared, "{directives}");
    }
    assert_eq!(authorized().fresh(&[("Expires", &http_date(60))]), Err(Reason::Authorization));
    assert_eq!(authorized().fresh(&[("X-Accel-Expires", "60")]), Err(Reason::Authorization));
}

#[test]
fn an_authorized_request_is_shared_if_the_key_contains_it_or_it_is_not_sent_up() {
    let mut case = authorized();
    case.rules.authorization_harmless = true;
    assert!(case.fresh(&[]).is_ok());
}

#[test]
fn ignoring_cache_control_ignores_what_it_permits() {
    let mut case = authorized();
    case.rules.ignored.cache_control = true;
    assert_eq!(case.fresh(&[("Cache-Control", "public")]), Err(Reason::Authorization));
    assert_eq!(case.fresh(&[("CDN-Cache-Control", "public")]), Err(Reason::Authorization));
}
