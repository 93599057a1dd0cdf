//! Of many patterns in an order, the first that matches.
//!
//! A server may have dozens of regex locations, each of which nginx runs one after the other. From eight linear patterns on
//! one automaton looks for all of them in one pass; the order still decides. Patterns that backtrack are run one by one,
//! and only as far as they come before the first linear match.

use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::pattern::Pattern;

/// From how many linear patterns on the common automaton is worth its pass.
const WORTH_A_SET: usize = 8;

#[derive(Debug, Default)]
pub(super) struct FirstOf {
    patterns: Vec<Pattern>,
    set: Option<Set>,
}

#[derive(Debug)]
struct Set {
    automaton: RegexSet,
    /// Which pattern each of the automaton's is, ascending.
    members: Vec<usize>,
    /// The patterns that are not in it, ascending.
    others: Vec<usize>,
}

impl FirstOf {
    pub(super) fn new(patterns: Vec<Pattern>) -> FirstOf {
        let set = Set::of(&patterns);
        FirstOf { patterns, set }
    }

    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The index of the first pattern that is found in the subject.
    pub(super) fn find(&self, subject: &[u8]) -> Option<usize> {
        // Before a final newline `$` matches too, which only the patterns themselves know.
        let Some(set) = self.set.as_ref().filter(|_| !subject.ends_with(b"\n")) else {
            return self.patterns.iter().position(|pattern| pattern.is_match(subject));
        };
        let linear = set.automaton.matches(subject).iter().next().map(|member| set.members[member]);
        let mut before = set.others.iter().copied().take_while(|other| linear.is_none_or(|linear| *other < linear));
        before.find(|other| self.patterns[*other].is_match(subject)).or(linear)
    }
}

impl Set {
    /// `None` if there is nothing to gain, or the automaton would be too large.
    fn of(patterns: &[Pattern]) -> Option<Set> {
        let (members, others): (Vec<usize>, Vec<usize>) =
            (0..patterns.len()).partition(|index| patterns[*index].linear().is_some());
        if members.len() < WORTH_A_SET {
            return None;
        }
        let texts = members.iter().filter_map(|index| patterns[*index].linear());
        let automaton = RegexSetBuilder::new(texts).unicode(false).build().ok()?;
        Some(Set { automaton, members, others })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compile(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::compile(text, false).unwrap()).collect()
    }

    const TEXTS: &[&str] = &[
        "a$", "^b", "c", "ab", "b+a", "(?=bc)b", "[^a]$", "^a.c", "(a|b)\\1", "cc", "bb$", "^$", "a(?!b)", "(?i)ABC",
        "b\\b",
    ];

    proptest! {
        #[test]
        fn a_set_finds_what_one_by_one_finds(chosen in prop::collection::vec(0..TEXTS.len(), 0..20), subject in "[abc\n]{0,6}") {
            let patterns = compile(&chosen.iter().map(|index| TEXTS[*index]).collect::<Vec<_>>());
            let expected = patterns.iter().position(|pattern| pattern.is_match(subject.as_bytes()));
            prop_assert_eq!(FirstOf::new(patterns).find(subject.as_bytes()), expected);
        }
    }

    #[test]
    fn eight_linear_patterns_make_a_set_and_seven_do_not() {
        assert!(FirstOf::new(compile(&["a"; 8])).set.is_some());
        assert!(FirstOf::new(compile(&["a", "b", "c", "d", "e", "f", "g", "(?=h)h"])).set.is_none());
    }
}
