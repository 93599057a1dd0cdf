use proptest::prelude::*;

use super::super::explain::Verdict;
use super::super::tables::{Answer, Asked, LOCATIONS, Written};
use super::*;

fn entries(written: &[Written]) -> Vec<Entry<()>> {
    let entry = |Written(text, redirect, nested): &Written| entry(text, *redirect, entries(nested));
    written.iter().map(entry).collect()
}

fn entry(text: &str, redirect: bool, nested: Vec<Entry<()>>) -> Entry<()> {
    Entry { matcher: Matcher::parse(text).unwrap(), value: (), redirect, nested }
}

fn flat(texts: &[&str]) -> Locations<()> {
    Locations::new(texts.iter().map(|text| entry(text, false, Vec::new())).collect()).unwrap()
}

#[test]
fn every_path_finds_the_location_it_finds_in_nginx() {
    for (name, written, asked) in LOCATIONS {
        let locations = Locations::new(entries(written)).unwrap();
        for Asked(path, answer) in *asked {
            let shown = path.escape_ascii();
            match (locations.pick(path), answer) {
                (None, Answer::Server) => {}
                (Some(pick), Answer::Location(index)) => {
                    assert_eq!((pick.index, pick.auto_redirect), (*index, false), "{name}: {shown}");
                }
                (Some(pick), Answer::Redirect(target)) => {
                    assert!(pick.auto_redirect, "{name}: {shown}");
                    assert_eq!([path, &b"/"[..]].concat(), target.as_bytes(), "{name}: {shown}");
                }
                (pick, answer) => panic!("{name}: {shown}: {pick:?} instead of {answer:?}"),
            }
        }
    }
}

#[test]
fn explaining_names_the_same_winner_as_picking() {
    for (_, written, asked) in LOCATIONS {
        let locations = Locations::new(entries(written)).unwrap();
        for Asked(path, _) in *asked {
            let steps = locations.explain(path);
            let won: Vec<_> = steps.iter().filter(|step| step.verdict == Verdict::Won).map(|step| step.index).collect();
            assert_eq!(won, locations.pick(path).map(|pick| pick.index).into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn an_explanation_says_why() {
    let locations = flat(&["/", "/img/", "^~ /img/raw/", r"~ \.gif$", r"~ \.g", "= /x"]);
    let told = |path: &[u8]| -> Vec<_> {
        let told = |step: Step| (step.location, step.verdict, step.why);
        locations.explain(path).into_iter().map(told).collect()
    };
    let row = |location: &str, verdict, why: &str| (location.to_owned(), verdict, why.to_owned());
    assert_eq!(
        told(b"/img/a.gif"),
        [
            row("/", Verdict::Lost, "\"/img/\" is longer or stands before it"),
            row("/img/", Verdict::Remembered, "the longest prefix of the path on its level"),
            row("^~ /img/raw/", Verdict::NoMatch, "the path does not begin with it"),
            row("= /x", Verdict::NoMatch, "the path is another"),
            row(r"~ \.gif$", Verdict::Won, "the first regex on its level that is found in the path"),
            row(r"~ \.g", Verdict::NotTried, "a regex before it matches"),
        ]
    );
    assert_eq!(
        told(b"/img/raw/a.gif")[2..],
        [
            row("^~ /img/raw/", Verdict::Won, "the longest prefix of the path on its level; nothing goes before it"),
            row("= /x", Verdict::NoMatch, "the path is another"),
            row(r"~ \.gif$", Verdict::NotTried, "\"^~ /img/raw/\" keeps the regexes of its level out"),
            row(r"~ \.g", Verdict::NotTried, "\"^~ /img/raw/\" keeps the regexes of its level out"),
        ]
    );
    assert_eq!(told(b"/x")[3], row("= /x", Verdict::Won, "the path is exactly this"));
}

#[test]
fn captures_are_those_of_the_innermost_regex() {
    let inner = entry(r"~ \.(?<kind>\w+)$", false, Vec::new());
    let locations = Locations::new(vec![entry("~ ^/(?<user>[a-z]+)/(.*)", false, vec![inner])]).unwrap();
    let path = b"/ann/a.html";
    let pick = locations.pick(path).unwrap();
    assert_eq!(pick.captures(path).unwrap().text(1, path), Some(&b"html"[..]));
    let named: Vec<_> = pick.patterns().flat_map(|pattern| pattern.names().map(|(name, _)| name)).collect();
    assert_eq!(named, ["user", "kind"]);
    let outside = b"/ann/a";
    assert_eq!(locations.pick(outside).unwrap().captures(outside).unwrap().text(2, outside), Some(&b"a"[..]));
}

#[test]
fn a_prefix_has_no_captures() {
    assert_eq!(flat(&["/"]).pick(b"/a").unwrap().captures(b"/a"), None);
}

#[test]
fn a_named_location_is_reached_by_name_alone() {
    let locations = flat(&["@app", "/"]);
    assert_eq!(locations.named("@app"), Some((0, &())));
    assert_eq!(locations.named("@other"), None);
    assert_eq!(locations.pick(b"@app").map(|pick| pick.index), None);
}

#[test]
fn locations_that_nginx_refuses_are_refused_together() {
    let inside = |outer, inner| entry(outer, false, vec![entry(inner, false, Vec::new())]);
    let mistakes = Locations::new(vec![
        inside("= /a", "/a/b"),
        inside("/a", "/b"),
        inside("/a", "@x"),
        inside("@y", "/b"),
        inside("~ a", "@z"),
        inside("/a", "= /a"),
        inside("/b", "~ x"),
    ])
    .unwrap_err();
    let told: Vec<_> = mistakes.iter().map(|mistake| (mistake.index, mistake.to_string())).collect();
    assert_eq!(
        told,
        [
            (1, "location \"/a/b\" cannot be inside the exact location \"= /a\"".to_owned()),
            (3, "location \"/b\" is outside location \"/a\"".to_owned()),
            (5, "location \"@x\" is named, and can be on the server's level only".to_owned()),
            (7, "location \"/b\" cannot be inside the named location \"@y\"".to_owned()),
            (9, "location \"@z\" is named, and can be on the server's level only".to_owned()),
        ]
    );
}

#[test]
fn what_nobody_can_reach_is_told() {
    let nested = entry("~ b", false, vec![entry("/c", false, Vec::new()), entry("~ c", false, Vec::new())]);
    let mut all: Vec<_> = ["= /a", "/a", "= /a", "^~ /a", "~ x", "~* x", "~ x", "@n", "@n", "img/", ""]
        .iter()
        .map(|text| entry(text, false, Vec::new()))
        .collect();
    all.push(nested);
    let found = Locations::new(all).unwrap().unreachable();
    let numbers: Vec<_> = found.iter().map(|(index, _)| *index).collect();
    assert_eq!(numbers, [2, 3, 6, 8, 9, 12], "{found:?}");
}

#[test]
fn a_thousand_locations_are_not_looked_at_one_by_one() {
    let texts: Vec<String> = (0..1000).map(|number| format!("/{}/{}/", "deep/".repeat(number % 7), number)).collect();
    let locations = Locations::new(texts.iter().map(|text| entry(text, false, Vec::new())).collect()).unwrap();
    for (index, text) in texts.iter().enumerate() {
        let path = format!("{text}index.html");
        assert_eq!(locations.pick(path.as_bytes()).map(|pick| pick.index), Some(index));
    }
    assert_eq!(locations.pick(b"/nowhere").map(|pick| pick.index), None);
}

/// A location for the reference: its number, text, whether it redirects, and what is nested in it.
struct Plain<'e> {
    index: usize,
    entry: &'e Entry<()>,
    nested: Vec<Plain<'e>>,
}

fn number<'e>(entries: &'e [Entry<()>], next: &mut usize) -> Vec<Plain<'e>> {
    let mut all = Vec::new();
    for entry in entries {
        let index = *next;
        *next += 1;
        all.push(Plain { index, entry, nested: number(&entry.nested, next) });
    }
    all
}

/// nginx's rules one after the other, looking at every location: (location, redirect, search over).
fn reference(level: &[Plain], names: bool, path: &[u8]) -> (Option<usize>, bool, bool) {
    let named = || level.iter().filter(|_| names);
    let text = |plain: &Plain| match &plain.entry.matcher {
        Matcher::Exact(text) | Matcher::Prefix { text, .. } => text.clone(),
        _ => unreachable!("asked for exact and prefix locations only"),
    };
    let exact = || named().filter(|plain| matches!(plain.entry.matcher, Matcher::Exact(_)));
    let prefix = || named().filter(|plain| matches!(plain.entry.matcher, Matcher::Prefix { .. }));
    if let Some(found) = exact().find(|plain| text(plain) == path) {
        return (Some(found.index), false, true);
    }
    let with_slash = [path, b"/"].concat();
    let same = || exact().chain(prefix()).filter(|plain| text(plain) == with_slash);
    if !prefix().any(|plain| text(plain) == path) && same().any(|plain| plain.entry.redirect) {
        return (same().next().map(|plain| plain.index), true, true);
    }
    let longest = prefix().filter(|plain| path.starts_with(&text(plain))).map(|plain| text(plain).len()).max();
    let best = longest
        .and_then(|longest| prefix().find(|plain| path.starts_with(&text(plain)) && text(plain).len() == longest));
    let mut location = None;
    if let Some(best) = best {
        let (inner, redirect, over) = reference(&best.nested, true, path);
        location = inner.or(Some(best.index));
        let no_regex = matches!(best.entry.matcher, Matcher::Prefix { no_regex: true, .. });
        if over || no_regex {
            return (location, redirect, over);
        }
    }
    for plain in level {
        if let Matcher::Regex(pattern) = &plain.entry.matcher
            && pattern.is_match(path)
        {
            let (inner, _, _) = reference(&plain.nested, false, path);
            return (inner.or(Some(plain.index)), false, true);
        }
    }
    (location, false, false)
}

/// Locations whose names and regexes often meet; duplicates of a name are left out, as nginx refuses them.
fn trees() -> impl Strategy<Value = Vec<Entry<()>>> {
    let path = "/([ab-]/?){0,3}";
    let text = prop_oneof![
        3 => path.prop_map(|path| path),
        2 => path.prop_map(|path| format!("= {path}")),
        1 => path.prop_map(|path| format!("^~ {path}")),
        3 => "(\\^/)?[ab]/?[ab]?\\$?".prop_map(|regex| format!("~ {regex}")),
        1 => Just("~ (?=.*a)b".to_owned()),
    ];
    let leaf = (text.clone(), any::<bool>()).prop_map(|(text, redirect)| entry(&text, redirect, Vec::new()));
    let tree = leaf.prop_recursive(3, 40, 5, move |inner| {
        (text.clone(), any::<bool>(), prop::collection::vec(inner, 0..6))
            .prop_map(|(text, redirect, nested)| entry(&text, redirect, nested))
    });
    prop::collection::vec(tree, 0..14).prop_map(|entries| allowed(entries, None))
}

fn allowed(entries: Vec<Entry<()>>, outer: Option<&Matcher>) -> Vec<Entry<()>> {
    let mut kept: Vec<Entry<()>> = Vec::new();
    for mut entry in entries {
        let same = |other: &Entry<()>| match (&other.matcher, &entry.matcher) {
            (Matcher::Prefix { text: a, .. }, Matcher::Prefix { text: b, .. }) => a == b,
            (a, b) => a == b,
        };
        if kept.iter().any(same) || outer.is_some_and(|outer| entry.matcher.misplaced_in(outer).is_some()) {
            continue;
        }
        let nested = std::mem::take(&mut entry.nested);
        if !matches!(entry.matcher, Matcher::Exact(_)) {
            entry.nested = allowed(nested, Some(&entry.matcher));
        }
        kept.push(entry);
    }
    kept
}

proptest! {
    #[test]
    fn picking_agrees_with_nginx_rules_taken_one_by_one(
        entries in trees(),
        paths in prop::collection::vec("/([ab-]/?){0,4}\n?", 12),
    ) {
        let plain = number(&entries, &mut 0);
        let locations = Locations::new(entries.clone()).unwrap();
        for path in paths {
            let pick = locations.pick(path.as_bytes());
            let (location, redirect, _) = reference(&plain, true, path.as_bytes());
            prop_assert_eq!(pick.as_ref().map(|pick| pick.index), location, "{:?}", path);
            prop_assert_eq!(pick.is_some_and(|pick| pick.auto_redirect), redirect, "{:?}", path);
        }
    }
}
