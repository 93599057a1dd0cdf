//! Decisions nginx has no table for: several codings, and where this program is stricter.

use super::*;
use crate::compress::settings::Types;

fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn settings(on: &[Algorithm]) -> Settings {
    let mut settings = Settings::default();
    settings.gzip.on = on.contains(&Algorithm::Gzip);
    settings.brotli.on = on.contains(&Algorithm::Brotli);
    settings.zstd.on = on.contains(&Algorithm::Zstd);
    settings
}

fn decide_for(
    settings: &Settings,
    accept: &'static str,
    status: u16,
    response: &[(&'static str, &'static str)],
) -> Decision {
    let request = fields(&[("accept-encoding", accept)]);
    let facts = RequestFacts::view(Version::HTTP_11, &Method::GET, &request);
    decide(settings, &facts, status, &fields(response), UNIX_EPOCH)
}

const HTML: (&str, &str) = ("content-type", "text/html");

#[test]
fn an_answer_that_must_not_be_transformed_is_left_alone_and_does_not_vary() {
    let mut settings = settings(&[Algorithm::Gzip]);
    settings.gzip.vary = true;
    let no_transform = [HTML, ("cache-control", "public, No-Transform")];
    assert_eq!(decide_for(&settings, "gzip", 200, &no_transform), Decision::default());
    let other = [HTML, ("cache-control", "no-transformation")];
    assert_eq!(decide_for(&settings, "gzip", 200, &other), Decision { algorithm: Some(Algorithm::Gzip), vary: true });
}

#[test]
fn an_answer_that_announces_trailers_is_left_alone() {
    let with_trailer = [HTML, ("trailer", "x-checksum")];
    assert_eq!(decide_for(&settings(&[Algorithm::Gzip]), "gzip", 200, &with_trailer), Decision::default());
}

#[test]
fn a_part_of_an_answer_is_never_compressed() {
    for status in [206, 204, 304, 101, 416] {
        assert_eq!(decide_for(&settings(&Algorithm::ALL), "gzip, br, zstd", status, &[HTML]), Decision::default());
    }
}

#[test]
fn event_streams_are_not_compressed_unless_listed() {
    let mut settings = settings(&[Algorithm::Gzip]);
    let stream = [("content-type", "text/event-stream")];
    assert_eq!(decide_for(&settings, "gzip", 200, &stream).algorithm, None);
    settings.gzip.types = Types::new(["text/event-stream"]);
    assert_eq!(decide_for(&settings, "gzip", 200, &stream).algorithm, Some(Algorithm::Gzip));
}

#[test]
fn the_best_acceptable_coding_that_is_on_is_taken() {
    for (on, accept, expected) in [
        (&[Algorithm::Gzip, Algorithm::Brotli][..], "gzip, br, zstd", Some(Algorithm::Brotli)),
        (&Algorithm::ALL[..], "gzip, br, zstd", Some(Algorithm::Zstd)),
        (&Algorithm::ALL[..], "gzip;q=1, br;q=0.5", Some(Algorithm::Gzip)),
        (&[Algorithm::Brotli][..], "gzip", None),
        (&[Algorithm::Brotli][..], "gzip, br;q=0.1", Some(Algorithm::Brotli)),
        (&[Algorithm::Gzip][..], "*", None),
        (&[Algorithm::Gzip, Algorithm::Brotli][..], "*", Some(Algorithm::Brotli)),
        (&[][..], "gzip, br, zstd", None),
    ] {
        assert_eq!(decide_for(&settings(on), accept, 200, &[HTML]).algorithm, expected, "{on:?} {accept}");
    }
}

#[test]
fn a_coding_whose_own_rules_refuse_gives_way_to_the_next() {
    let mut settings = settings(&[Algorithm::Gzip, Algorithm::Brotli]);
    settings.brotli.min_length = 2000;
    let short = [HTML, ("content-length", "1000")];
    assert_eq!(decide_for(&settings, "gzip, br", 200, &short).algorithm, Some(Algorithm::Gzip));
}

#[test]
fn an_answer_varies_if_any_of_the_codings_that_are_on_might_be_used() {
    let mut settings = settings(&[Algorithm::Gzip, Algorithm::Brotli]);
    settings.brotli.vary = true;
    assert_eq!(decide_for(&settings, "", 200, &[HTML]), Decision { algorithm: None, vary: true });
    settings.brotli.on = false;
    assert_eq!(decide_for(&settings, "", 200, &[HTML]), Decision::default());
}

#[test]
fn an_answer_expires_in_the_second_before_now_not_in_the_same() {
    let at = |secs: u64| UNIX_EPOCH + std::time::Duration::from_millis(secs * 1000 + 500);
    let date = b"Thu, 01 Jan 1970 00:01:40 GMT";
    assert!(!is_expired(date, None, at(100)));
    assert!(is_expired(date, None, at(101)));
}

#[test]
fn fields_of_a_raw_parser_decide_the_same() {
    let request = [httparse::Header { name: "aCCept-Encoding", value: b"gzip" }];
    let response = [httparse::Header { name: "CONTENT-TYPE", value: b"text/html" }];
    let facts = RequestFacts::view(Version::HTTP_11, &Method::GET, &request[..]);
    let decision = decide(&settings(&[Algorithm::Gzip]), &facts, 200, &response[..], UNIX_EPOCH);
    assert_eq!(decision.algorithm, Some(Algorithm::Gzip));
}
