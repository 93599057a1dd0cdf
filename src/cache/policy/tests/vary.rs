//! RFC 9111 4.1: answers that vary.

use super::super::vary::{MOST_NAMES, Unselectable, names, selecting};
use super::*;

const CODINGS: [&str; 3] = ["br", "gzip", "zstd"];

fn of(lines: &[&str]) -> Result<Vec<String>, Unselectable> {
    names(&fields(&lines.iter().map(|line| ("vary", *line)).collect::<Vec<_>>()))
}

fn said(name: &str, lines: &[&str]) -> Vec<u8> {
    let asked = request(&lines.iter().map(|line| (name, *line)).collect::<Vec<_>>());
    selecting(&[name.to_owned()], &asked, &CODINGS).remove(0).1
}

#[test]
fn names_are_sorted_lower_case_and_each_there_once() {
    assert_eq!(of(&["B, a,,b", "A"]).unwrap(), ["a", "b"]);
    assert_eq!(of(&[]).unwrap(), [""; 0]);
    assert_eq!(of(&[""]).unwrap(), [""; 0]);
}

#[test]
fn rfc9111_4_1_a_star_anywhere_matches_no_request() {
    assert_eq!(of(&["*"]), Err(Unselectable::Anything));
    assert_eq!(of(&["a, *"]), Err(Unselectable::Anything));
    assert_eq!(of(&["a", "*"]), Err(Unselectable::Anything));
}

#[test]
fn names_are_bounded_and_must_be_names() {
    let list = |count: usize| (0..count).map(|at| format!("x{at}")).collect::<Vec<_>>().join(",");
    assert!(of(&[&list(MOST_NAMES)]).is_ok());
    assert_eq!(of(&[&list(MOST_NAMES + 1)]), Err(Unselectable::Names));
    assert_eq!(of(&[&"a".repeat(600)]), Err(Unselectable::Names));
    assert_eq!(of(&["a b"]), Err(Unselectable::Names));
    assert_eq!(Case::valid(&[(None, 1)]).fresh(&[("Vary", "a b")]), Err(Reason::VaryNames));
}

#[test]
fn rfc9111_4_1_blanks_do_not_make_a_variant_and_all_else_does() {
    assert_eq!(said("accept-language", &["de , en"]), said("accept-language", &["de,en"]));
    assert_eq!(said("accept-language", &["de", "en"]), said("accept-language", &["de,en"]));
    let different: [&[&str]; 5] = [&[], &[""], &["de"], &["de en"], &["de,en"]];
    for (at, one) in different.iter().enumerate() {
        for other in &different[at + 1..] {
            assert_ne!(said("accept-language", one), said("accept-language", other), "{one:?} {other:?}");
        }
    }
    assert_ne!(said("x", &["\"a, b\""]), said("x", &["\"a,b\""]));
}

#[test]
fn accept_encoding_is_told_apart_by_the_codings_it_accepts() {
    let same = |one: &[&str], other: &[&str]| said("accept-encoding", one) == said("accept-encoding", other);
    assert!(same(&["gzip, deflate"], &["deflate;q=0.5, GZIP;q=0.1"]));
    assert!(same(&["gzip"], &["x-gzip"]));
    assert!(same(&["gzip, br"], &["br", "gzip"]));
    assert!(same(&[], &["identity"]));
    assert!(same(&["gzip;q=0, br"], &["br"]));
    assert!(same(&["gzip;q=0.000"], &[]));
    assert!(same(&["*"], &["zstd,gzip,br"]));
    assert!(same(&["*;q=0"], &[]));
    assert!(same(&["*, gzip;q=0"], &["br, zstd"]));
    assert!(!same(&["gzip"], &["br"]));
    assert!(!same(&["gzip"], &["gzip, br"]));
    assert!(!same(&["gzip;q=0.001"], &[]));
}

#[test]
fn several_names_keep_their_order() {
    let names = ["accept".to_owned(), "x".to_owned()];
    let selected = selecting(&names, &request(&[("X", "1"), ("Accept", "a")]), &[]);
    assert_eq!(selected, [("accept", b",a".to_vec()), ("x", b",1".to_vec())]);
}
