//! Regular expressions as people write them in nginx.conf: PCRE's language over bytes.
//!
//! A pattern is read once, by PCRE's rules, and written out in the small language that both engines agree on
//! ([`translate`]): classes become sets of bytes ([`set`]), flags are resolved, odd brackets and useless escapes become
//! literals. What comes out runs ([`engine`]) on `regex` (linear time) if it can and on `fancy_regex` (backtracking,
//! limited) only where the pattern looks around, refers back, is atomic or possessive, or branches on a group. Where it only
//! asks how a subject ends, as most patterns of locations do, none runs at all ([`endings`]).
//!
//! Always: bytes are bytes (no UTF-8 mode, case folds ASCII only); a pattern either means what it means to PCRE or does
//! not compile (but for one thing: a group repeated until it took nothing, `(a|)*`, keeps what it took before that); a
//! search takes bounded time. `$` is PCRE's: the end, or before a final newline, and a decoded path can end in one. As
//! nobody sends such paths, `$` is compiled as the end proper, and a second program with the whole truth is kept from the
//! first subject with a final newline on.
//!
//! Not supported, and refused by name: UTF mode and Unicode properties (`(*UTF8)`, `\p`, `\X`), recursion and subroutines
//! (`(?R)`, `(?1)`, `\g<1>`), branch reset `(?|`, callouts, verbs `(*…)`, named references before their group,
//! conditions other than on a group, quantifiers on look-arounds.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use endings::Endings;
use engine::{Engine, GivenUp};
use translate::Purpose;

mod endings;
mod engine;
mod set;
mod translate;

#[cfg(test)]
mod pcre_tests;

/// A compiled pattern; cheap to clone.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    source: String,
    case_insensitive: bool,
    /// The pattern in the engines' language, `$` as the end proper.
    text: String,
    engine: Engine,
    /// What a subject without a final newline is compared with, if that says the same as the engine.
    endings: Option<Endings>,
    groups: usize,
    names: Vec<(String, usize)>,
    /// The pattern has a `$`, which a final newline makes ambiguous.
    dollar: bool,
    /// For subjects with a final newline; made when one comes, as next to none does.
    exact: OnceLock<Option<Engine>>,
    exhausted: AtomicU64,
}

/// Why a pattern does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    pub message: String,
    /// Where in the pattern, in bytes, if known.
    pub offset: Option<usize>,
}

impl PatternError {
    fn new(message: impl Into<String>, offset: impl Into<Option<usize>>) -> PatternError {
        PatternError { message: message.into(), offset: offset.into() }
    }
}

/// What the groups of a match took, as ranges in the subject; group 0 is the whole match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures(Vec<Option<(u32, u32)>>);

impl Captures {
    /// The range of a group that took part.
    pub fn get(&self, group: usize) -> Option<(usize, usize)> {
        self.0.get(group).copied().flatten().map(|(start, end)| (start as usize, end as usize))
    }

    /// What a group took of the subject that was searched: `$1` and so on.
    pub fn text<'s>(&self, group: usize, subject: &'s [u8]) -> Option<&'s [u8]> {
        let (start, end) = self.get(group)?;
        subject.get(start..end)
    }

    /// The number of groups, the whole match among them.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pattern {
    /// Compiles a pattern in PCRE's language.
    pub fn compile(text: &str, case_insensitive: bool) -> Result<Pattern, PatternError> {
        let (engine, translation) = Engine::compile(text, case_insensitive, Purpose::Plain)?;
        if translation.dollar {
            exact_engine(text, case_insensitive)?;
        }
        let endings = Endings::of(&translation.text).filter(|_| matches!(engine, Engine::Linear(_)));
        Ok(Pattern(Arc::new(Inner {
            source: text.to_owned(),
            case_insensitive,
            text: translation.text,
            engine,
            endings,
            groups: translation.groups,
            names: translation.names,
            dollar: translation.dollar,
            exact: OnceLock::new(),
            exhausted: AtomicU64::new(0),
        })))
    }

    /// Whether the pattern is found anywhere in the subject.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.finds(subject).unwrap_or(false)
    }

    /// The same; `None` if the search was given up at a limit.
    pub(crate) fn finds(&self, subject: &[u8]) -> Option<bool> {
        if let Some(endings) = self.0.endings.as_ref().filter(|_| !subject.ends_with(b"\n")) {
            return Some(endings.is_match(subject));
        }
        match self.engine(subject) {
            Engine::Linear(regex) => Some(regex.is_match(subject)),
            Engine::Backtracking(engine) => self.counted(engine.is_match(subject)),
        }
    }

    /// The first match and what its groups took.
    pub fn captures(&self, subject: &[u8]) -> Option<Captures> {
        u32::try_from(subject.len()).ok()?;
        let range = |start: usize, end: usize| (start as u32, end as u32);
        Some(Captures(match self.engine(subject) {
            Engine::Linear(regex) => {
                let found = regex.captures(subject)?;
                found.iter().map(|group| group.map(|g| range(g.start(), g.end()))).collect()
            }
            Engine::Backtracking(engine) => {
                let found = self.counted(engine.captures(subject)).flatten()?;
                (0..found.len()).map(|group| found.get(group).map(|g| range(g.start(), g.end()))).collect()
            }
        }))
    }

    /// Names and numbers of the named groups.
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.names.iter().map(|(name, group)| (name.as_str(), *group))
    }

    /// The number of groups, without the whole match.
    pub fn groups(&self) -> usize {
        self.0.groups
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    pub fn case_insensitive(&self) -> bool {
        self.0.case_insensitive
    }

    /// Whether it runs on the backtracking engine, whose searches are limited instead of linear.
    pub fn backtracks(&self) -> bool {
        matches!(self.0.engine, Engine::Backtracking(_))
    }

    /// How many searches were given up at the limit, and so counted as no match. For the log; nginx answers 500 there.
    pub fn exhausted(&self) -> u64 {
        self.0.exhausted.load(Ordering::Relaxed)
    }

    /// The pattern for a `regex::bytes::RegexSet` without Unicode, if it runs on the linear engine. A set of such texts
    /// says the same as the patterns one by one unless the subject ends in a newline.
    pub(crate) fn linear(&self) -> Option<&str> {
        matches!(self.0.engine, Engine::Linear(_)).then_some(self.0.text.as_str())
    }

    fn engine(&self, subject: &[u8]) -> &Engine {
        if !self.0.dollar || !subject.ends_with(b"\n") {
            return &self.0.engine;
        }
        let exact = || exact_engine(&self.0.source, self.0.case_insensitive).ok();
        // `compile` has made it once before, to know that it can be made.
        self.0.exact.get_or_init(exact).as_ref().unwrap_or(&self.0.engine)
    }

    fn counted<R>(&self, found: Result<R, GivenUp>) -> Option<R> {
        if found.is_err() {
            self.0.exhausted.fetch_add(1, Ordering::Relaxed);
        }
        found.ok()
    }
}

/// The program for subjects with a final newline.
fn exact_engine(source: &str, case_insensitive: bool) -> Result<Engine, PatternError> {
    Engine::compile(source, case_insensitive, Purpose::Exact).map(|(engine, _)| engine)
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.source == other.0.source && self.0.case_insensitive == other.0.case_insensitive
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.0.case_insensitive { "i" } else { "" };
        write!(out, "/{}/{flags}", self.0.source)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_are_equal_by_text_and_flag() {
        let compile = |text, caseless| Pattern::compile(text, caseless).unwrap();
        assert_eq!(compile("a", true), compile("a", true));
        assert_ne!(compile("a", true), compile("a", false));
        assert_ne!(compile("a", false), compile("(?:a)", false));
        assert_eq!(format!("{:?}", compile(r"\.js$", true)), r"/\.js$/i");
    }

    #[test]
    fn names_come_with_their_groups() {
        let pattern = Pattern::compile("(a)(?<b>b)(?P<c>c)(?'d'd)", false).unwrap();
        assert_eq!(pattern.names().collect::<Vec<_>>(), [("b", 2), ("c", 3), ("d", 4)]);
        assert_eq!(pattern.groups(), 4);
        let captures = pattern.captures(b"xabcd").unwrap();
        assert_eq!(captures.text(2, b"xabcd"), Some(&b"b"[..]));
        assert_eq!((captures.get(0), captures.get(5)), (Some((1, 5)), None));
    }

    /// Pieces of patterns, so that many put together compile.
    fn texts() -> impl Strategy<Value = String> {
        let pieces = [
            "a", "b", ".", "(", ")", "(?:", "(?=", "(?!", "(?<=a)", "(?>", "(?<n>", "|", "*", "+?", "++", "{1,2}", "{",
            "[", "]", "[^", "-", "\\", "\\1", "\\d", "\\R", "^", "$", "\\Q", "\\E", "(?i)", "(?x)", "(?m)", "(?(1)",
            "\\K", "é", "#", " ",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_pattern_panics(text in prop_oneof![texts(), any::<String>()], caseless: bool, subject: Vec<u8>) {
            if let Ok(pattern) = Pattern::compile(&text, caseless) {
                let captures = pattern.captures(&subject);
                prop_assert_eq!(captures.is_some(), pattern.is_match(&subject));
                prop_assert!(captures.is_none_or(|captures| captures.len() == pattern.groups() + 1));
            }
        }

        #[test]
        fn a_literal_is_found_where_a_search_finds_it(needle in "[ab/\\.é?+]{1,4}", hay in "[ab/\\.é?+]{0,12}") {
            let quoted: String = needle.chars().flat_map(|c| if c.is_ascii() { vec!['\\', c] } else { vec![c] }).collect();
            // A backslash before a letter means something else than the letter.
            let quoted = quoted.replace("\\a", "a").replace("\\b", "b");
            let found = hay.find(&needle).map(|at| (at, at + needle.len()));
            for text in [quoted, format!("\\Q{needle}\\E")] {
                let pattern = Pattern::compile(&text, false).unwrap();
                prop_assert_eq!(pattern.captures(hay.as_bytes()).and_then(|captures| captures.get(0)), found);
            }
        }

        #[test]
        fn the_end_may_stand_before_a_final_newline(subject in "[ab\n]{0,6}") {
            let plain = Pattern::compile("b$", false).unwrap().is_match(subject.as_bytes());
            let trimmed = subject.strip_suffix('\n').unwrap_or(&subject);
            prop_assert_eq!(plain, trimmed.ends_with('b') || subject.ends_with('b'));
        }
    }
}
