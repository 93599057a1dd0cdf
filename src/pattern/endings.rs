//! Patterns that only ask how a subject ends: `\.(gif|jpe?g|css)$`, of which most locations with a regular expression are.
//!
//! Such a pattern is a list of endings, and comparing some bytes at the end of a path costs a fraction of what starting an
//! automaton costs. The list is read off what the engine itself runs, so that both cannot understand the pattern differently.
//!
//! Always: a subject has one of the endings if and only if the pattern is found in it; what is not certain to be such a
//! pattern is none.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// More endings are no gain any more.
const MOST: usize = 64;
/// Nor are longer ones.
const LONGEST: usize = 64;

/// A byte of an ending, in one case and in the other.
type Either = [u8; 2];
type Ending = Vec<Either>;

/// All endings of which a subject needs one.
pub(super) struct Endings(Vec<Ending>);

impl Endings {
    /// `text` is what the linear engine runs. `None`: it asks for something else than an ending.
    pub(super) fn of(text: &str) -> Option<Endings> {
        let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(text).ok()?;
        let items = match inner(&hir).kind() {
            HirKind::Concat(items) => items.as_slice(),
            _ => return None,
        };
        let (last, before) = items.split_last()?;
        if *inner(last).kind() != HirKind::Look(Look::End) {
            return None;
        }
        // What may be nothing at the beginning can be left out: a match may begin behind it.
        let may_be_nothing =
            |item: &&Hir| item.properties().minimum_len() == Some(0) && item.properties().look_set().is_empty();
        let from = before.iter().take_while(may_be_nothing).count();
        let mut endings = vec![Ending::new()];
        for item in &before[from..] {
            endings = each_with_each(&endings, &texts(item)?)?;
        }
        // An ending of no bytes is one that everything has.
        endings.iter().all(|ending| !ending.is_empty()).then_some(Endings(endings))
    }

    pub(super) fn is_match(&self, subject: &[u8]) -> bool {
        self.0.iter().any(|ending| ends_with(subject, ending))
    }
}

fn ends_with(subject: &[u8], ending: &[Either]) -> bool {
    let mut backwards = subject.iter().rev();
    ending.iter().rev().all(|[one, other]| backwards.next().is_some_and(|byte| byte == one || byte == other))
}

/// Without the groups around it, which take nothing away.
fn inner(hir: &Hir) -> &Hir {
    match hir.kind() {
        HirKind::Capture(group) => inner(&group.sub),
        _ => hir,
    }
}

/// All texts that an item matches, if they are few.
fn texts(item: &Hir) -> Option<Vec<Ending>> {
    match inner(item).kind() {
        HirKind::Empty => Some(vec![Ending::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.iter().map(|byte| [*byte; 2]).collect()]),
        HirKind::Class(Class::Bytes(class)) => {
            let mut bytes = class.iter().flat_map(|range| range.start()..=range.end());
            let some: Vec<u8> = bytes.by_ref().take(MOST).collect();
            match some[..] {
                _ if bytes.next().is_some() => None,
                // A letter in both cases is one byte of one ending.
                [one, other] => Some(vec![vec![[one, other]]]),
                _ => Some(some.iter().map(|byte| vec![[*byte; 2]]).collect()),
            }
        }
        HirKind::Repetition(repeated) if (repeated.min, repeated.max) == (0, Some(1)) => {
            let mut found = texts(&repeated.sub)?;
            found.push(Ending::new());
            Some(found)
        }
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(texts(branch)?);
                if all.len() > MOST {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Concat(items) => {
            let mut all = vec![Ending::new()];
            for item in items {
                all = each_with_each(&all, &texts(item)?)?;
            }
            Some(all)
        }
        _ => None,
    }
}

fn each_with_each(firsts: &[Ending], seconds: &[Ending]) -> Option<Vec<Ending>> {
    if firsts.len() * seconds.len() > MOST {
        return None;
    }
    let both = |first: &Ending| {
        let first = first.clone();
        seconds.iter().map(move |second| [&first[..], second].concat())
    };
    let all: Vec<Ending> = firsts.iter().flat_map(both).collect();
    all.iter().all(|text| text.len() <= LONGEST).then_some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pattern::Pattern;

    fn endings(text: &str) -> Option<Endings> {
        Endings::of(Pattern::compile(text, false).unwrap().linear()?)
    }

    #[test]
    fn what_people_write_for_files_is_a_list_of_endings() {
        for (text, count) in [
            (r"\.php$", 1),
            (r".*\.(gif|jpg|jpeg|png|bmp|swf|js|css)$", 8),
            (r".*\.(jsp|action)?$", 3),
            (r"(?i)\.(jpe?g|CSS)$", 3),
            (r"^.*\.[jt]s$", 0),
            (r"^/a\.js$", 0),
            (r"\.js", 0),
            (r"[^/]+\.js$", 0),
            (r"\.(js|.*)$", 0),
            (r".*$", 0),
        ] {
            assert_eq!(endings(text).map_or(0, |endings| endings.0.len()), count, "{text}");
        }
    }

    /// Pieces of patterns, so that many put together are endings.
    fn texts() -> impl Strategy<Value = String> {
        let pieces = [
            "a", "b", "\\.", "(", "(?:", ")", "|", "?", "??", "*", ".", ".*", "[ab]", "[aA]", "[a-c]", "(?i)", "$",
            "\\b", "^",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..9).prop_map(|pieces| pieces.concat() + "$")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn endings_find_what_the_engine_finds(text in texts(), caseless: bool, subject in "[abcA.\n]{0,7}") {
            let Ok(pattern) = Pattern::compile(&text, caseless) else { return Ok(()) };
            let Some(linear) = pattern.linear() else { return Ok(()) };
            let engine = regex::bytes::RegexBuilder::new(linear).unicode(false).build().unwrap();
            if let Some(endings) = Endings::of(linear) {
                prop_assert_eq!(endings.is_match(subject.as_bytes()), engine.is_match(subject.as_bytes()));
            }
        }
    }
}
