//! Cache-Control and CDN-Cache-Control as such.

use super::*;

fn parse(line: &str) -> CacheControl {
    CacheControl::parse([line.as_bytes()])
}

#[test]
fn names_have_no_case_and_unknown_ones_are_skipped() {
    let control = parse("foo, Max-Age=60, x=\"y, z\", NO-STORE, maxage=5, xno-cache");
    assert_eq!(control, CacheControl { max_age: Some(60), no_store: true, ..CacheControl::default() });
}

#[test]
fn numbers_may_be_quoted_and_what_is_none_is_zero() {
    for (value, expected) in [
        ("60", 60),
        ("\"60\"", 60),
        ("060", 60),
        ("4294967296", FOREVER),
        ("99999999999999999999999999", FOREVER),
        ("", 0),
        ("-1", 0),
        ("+1", 0),
        ("1.5", 0),
        ("1h", 0),
        ("\"60", 0),
        ("0x10", 0),
        ("\u{661}", 0),
    ] {
        assert_eq!(parse(&format!("max-age={value}")).max_age, Some(expected), "{value}");
    }
    assert_eq!(parse("max-age").max_age, Some(0));
    assert_eq!(parse("max-age = 60").max_age, Some(0));
}

#[test]
fn of_several_the_strictest_counts() {
    assert_eq!(parse("max-age=60, max-age=5, max-age=30").max_age, Some(5));
    assert_eq!(CacheControl::parse([b"max-age=60".as_slice(), b"max-age=0"]).max_age, Some(0));
    assert_eq!(parse("min-fresh=5, min-fresh=60").min_fresh, Some(60));
    assert!(parse("private, private=\"x\"").private);
}

#[test]
fn a_qualified_directive_counts_as_an_unqualified_one() {
    assert!(parse("no-cache=\"set-cookie, x\", max-age=60").no_cache);
    assert!(parse("private=\"x\"").private);
    assert!(parse("private=x").private);
}

#[test]
fn what_stands_in_quotes_is_no_directive_unless_the_quote_is_never_closed() {
    assert!(!parse("x=\"a, no-store\"").no_store);
    assert!(!parse("x=\"a\\\", no-store\"").no_store);
    assert!(parse("x=\"a, no-store").no_store);
    assert!(parse("x=\"a\\\", no-store").no_store);
    assert!(!parse("x=\"a, \\\" no-store, y=\"b").no_store, "one value: the escaped quote does not end it");
}

#[test]
fn a_semicolon_or_a_blank_separates_as_nginx_has_it() {
    assert_eq!(parse("max-age=60; must-revalidate").max_age, Some(60));
    assert!(parse("max-age=60; must-revalidate").must_revalidate);
    assert!(parse("public no-store").no_store);
    assert_eq!(parse(",, ;\t,max-age=1,,").max_age, Some(1));
    assert_eq!(parse(""), CacheControl::default());
}

#[test]
fn max_stale_without_a_value_takes_anything() {
    assert_eq!(parse("max-stale").max_stale, Some(u64::MAX));
    assert_eq!(parse("max-stale=x").max_stale, Some(0));
    assert_eq!(parse("max-stale, max-stale=5").max_stale, Some(5));
}

#[test]
fn rfc9111_5_4_pragma_stands_in_for_a_missing_cache_control() {
    let asked = |lines: &[(&str, &str)]| CacheControl::asked(&request(lines)).no_cache;
    assert!(asked(&[("Pragma", "no-cache")]));
    assert!(!asked(&[("Pragma", "no-cache"), ("Cache-Control", "max-age=5")]));
    assert!(!asked(&[("Pragma", "x")]));
}

#[test]
fn rfc8941_a_dictionary_is_read_whole_or_not_at_all() {
    let cdn = |line: &str| targeted::parse(&fields(&[("CDN-Cache-Control", line)]));
    let limits = |line: &str| cdn(line).map(|control| (control.max_age, control.no_store));
    for (line, expected) in [
        ("max-age=60", Some((Some(60), false))),
        ("max-age=60;x=1, no-store;y", Some((Some(60), true))),
        ("max-age=60, max-age=5", Some((Some(5), false))),
        ("max-age=5, max-age=60", Some((Some(60), false))),
        ("no-store, no-store=?0", Some((None, false))),
        ("max-age=-1", Some((Some(0), false))),
        ("max-age=1.5", Some((Some(0), false))),
        ("max-age=\"60\"", Some((Some(0), false))),
        ("max-age", Some((Some(0), false))),
        ("max-age=(1 2)", Some((Some(0), false))),
        ("no-store=\"x\"", Some((None, true))),
        ("max-age=999999999999999", Some((Some(FOREVER), false))),
        ("max-age=9999999999999999", None),
        ("max-age=60 no-store", None),
        ("max-age=60,", None),
        ("max-age=", None),
        ("No-Store", None),
        ("no-store, =", None),
        ("", None),
    ] {
        assert_eq!(limits(line), expected, "{line}");
    }
    assert!(cdn("private=(\"x\")").unwrap().private);
    let long = format!("max-age=60, x=\"{}\"", "y".repeat(targeted::LONGEST_FIELD));
    assert_eq!(cdn(&long), None);
}
