//! What runs a pattern, and how long it may.
//!
//! `regex` takes linear time. `fancy_regex` turns back, and counts how often; but what it looks through between two turns
//! it does not count. `MSIE [1-6]\.(?!.*SV1)` on thousands of `MSIE 6.` looks through the rest of the subject for each of
//! them: seconds, in a User-Agent as long as a head may be. So a long subject is searched otherwise: an outline of the
//! pattern, linear itself, tells where a match may begin, the engine tries these places one by one, and the bytes behind
//! them are counted.
//!
//! Always: both ways find the same match; a search that costs too much is given up, and says so.

use fancy_regex::RegexInput;

use super::PatternError;
use super::translate::{Purpose, Translation, Translator};

/// How often a backtracking search may turn back. PCRE allows ten million, which is seconds; legitimate patterns on a
/// path or a header need some hundreds.
const BACKTRACK_LIMIT: usize = 100_000;

/// From what length on a subject is long. Below, looking through the rest from every byte is some milliseconds.
const LONG: usize = 4096;

/// How many bytes may lie behind all the places together at which a match is tried in a long subject: in the 8 KiB that
/// nginx's buffers hold, a hundred and thirty places at its beginning, or all of those in its last sixth.
const LONG_LIMIT: usize = 1 << 20;

pub(super) enum Engine {
    Linear(regex::bytes::Regex),
    Backtracking(Box<Backtracking>),
}

pub(super) struct Backtracking {
    regex: fancy_regex::Regex,
    /// Where a match may begin; `None` if that is too large for the linear engine.
    outline: Option<regex::bytes::Regex>,
}

/// A search was given up at a limit.
#[derive(Debug, PartialEq)]
pub(super) struct GivenUp;

type Found<R> = Result<Option<R>, fancy_regex::Error>;

impl Engine {
    /// The engine for a pattern, and what was learnt of the pattern on the way.
    pub(super) fn compile(
        source: &str,
        caseless: bool,
        purpose: Purpose,
    ) -> Result<(Engine, Translation), PatternError> {
        let translate = |purpose| Translator::new(source.as_bytes(), caseless, purpose).translate();
        let translation = translate(purpose)?;
        let engine = if translation.backtracks {
            let outline = translate(Purpose::Outline)?;
            Engine::Backtracking(Box::new(Backtracking::compile(&translation.text, &outline.text)?))
        } else {
            Engine::Linear(compile_linear(&translation.text)?)
        };
        Ok((engine, translation))
    }
}

fn compile_linear(text: &str) -> Result<regex::bytes::Regex, PatternError> {
    regex::bytes::RegexBuilder::new(text).unicode(false).build().map_err(|error| {
        let message = match error {
            regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
            // The last line says what is wrong; those before quote the translated text, which nobody wrote.
            other => other.to_string().lines().last().unwrap_or("invalid pattern").to_owned(),
        };
        PatternError::new(message, None)
    })
}

impl Backtracking {
    fn compile(text: &str, outline: &str) -> Result<Backtracking, PatternError> {
        let regex = fancy_regex::RegexBuilder::new(text)
            .bytes_mode(fancy_regex::BytesMode::Ascii)
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map_err(|error| PatternError::new(error.to_string(), None))?;
        Ok(Backtracking { regex, outline: compile_linear(outline).ok() })
    }

    pub(super) fn is_match(&self, subject: &[u8]) -> Result<bool, GivenUp> {
        // Most subjects have no place at which a match may begin.
        if self.outline.as_ref().is_some_and(|outline| !outline.is_match(subject)) {
            return Ok(false);
        }
        let found = self.search(subject, |input| Ok(self.regex.is_match_input(input)?.then_some(())))?;
        Ok(found.is_some())
    }

    pub(super) fn captures<'s>(&self, subject: &'s [u8]) -> Result<Option<fancy_regex::Captures<'s, [u8]>>, GivenUp> {
        self.search(subject, |input| self.regex.captures_input(input))
    }

    fn search<'s, R>(
        &self,
        subject: &'s [u8],
        run: impl Fn(RegexInput<'s, [u8]>) -> Found<R>,
    ) -> Result<Option<R>, GivenUp> {
        match &self.outline {
            Some(outline) if subject.len() >= LONG => try_places(outline, subject, run),
            _ => run(RegexInput::new(subject)).map_err(|_| GivenUp),
        }
    }
}

/// Tries to match at every place where the outline does, from the first on.
fn try_places<'s, R>(
    outline: &regex::bytes::Regex,
    subject: &'s [u8],
    run: impl Fn(RegexInput<'s, [u8]>) -> Found<R>,
) -> Result<Option<R>, GivenUp> {
    let mut from = 0;
    let mut work = 0;
    while let Some(place) = (from <= subject.len()).then(|| outline.find_at(subject, from)).flatten() {
        let found = run(RegexInput::new(subject).from_pos(place.start()).anchored(true)).map_err(|_| GivenUp)?;
        if found.is_some() {
            return Ok(found);
        }
        work += subject.len() - place.start();
        if work > LONG_LIMIT {
            return Err(GivenUp);
        }
        from = place.start() + 1;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::pattern::Pattern;

    #[test]
    fn a_pattern_that_explodes_is_given_up_and_counted() {
        let pattern = Pattern::compile(r"^(?=(a+)+$)b", false).unwrap();
        let heavy = Pattern::compile(r"^(?:(a+)\1?)+$(?!b)", false).unwrap();
        assert!(!pattern.is_match(b"aaab"));
        assert!(!heavy.is_match(&[&[b'a'; 60][..], b"b"].concat()));
        assert_eq!(heavy.exhausted(), 1);
    }

    #[test]
    fn a_pattern_too_large_is_refused() {
        let error = Pattern::compile("((a{1000}){1000}){1000}", false).unwrap_err();
        assert_eq!(error.message, "the pattern is too large");
    }

    #[test]
    fn a_long_subject_made_to_be_slow_is_given_up_soon() {
        let pattern = Pattern::compile(r"MSIE [1-6]\.(?!.*SV1)", true).unwrap();
        let hostile = [&b"MSIE 6.".repeat(4500)[..], b"SV1"].concat();
        // The best of some, as others may want the processor too.
        let took = (0..5).map(|_| {
            let begun = Instant::now();
            assert_eq!(pattern.finds(&hostile), None);
            begun.elapsed()
        });
        let best = took.min().unwrap();
        assert!(best < Duration::from_millis(500), "a search took {best:?}");
        assert_eq!(pattern.captures(&hostile), None);
        assert_eq!(pattern.exhausted(), 6);
    }

    #[test]
    fn a_long_subject_is_searched_to_its_end() {
        let pattern = Pattern::compile(r"MSIE [1-6]\.(?!.*SV1)", true).unwrap();
        let long = |end: &str| [&b"MSIE 7.0; ".repeat(3000)[..], end.as_bytes()].concat();
        assert_eq!(pattern.finds(&long("MSIE 6.0; SV1")), Some(false));
        assert_eq!(pattern.finds(&long("MSIE 6.0")), Some(true));
        assert_eq!(pattern.captures(&long("msie 6.0")).and_then(|c| c.get(0)), Some((30_000, 30_007)));
    }

    /// Pieces of patterns that backtrack, so that many put together compile.
    fn texts() -> impl Strategy<Value = String> {
        let pieces = [
            "a", "b", ".", "(", ")", ")", "(?:", "(?=", "(?!", "(?<=a)", "(?<!b)", "(?>", "|", "*", "+?", "++",
            "{1,2}", "[ab]", "\\1", "\\R", "^", "$", "(?m)", "(?i)", "(?(1)", "\\K", "\\b", "\\n",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..10).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn both_ways_find_the_same(text in texts(), subject in "[abA\n\r]{0,8}", exact: bool) {
            let purpose = if exact { Purpose::Exact } else { Purpose::Plain };
            let Ok((Engine::Backtracking(engine), _)) = Engine::compile(&text, false, purpose) else {
                return Ok(());
            };
            let groups = |found: fancy_regex::Captures<'_, [u8]>| -> Vec<_> {
                (0..found.len()).map(|group| found.get(group).map(|g| g.range())).collect()
            };
            let outline = engine.outline.as_ref().expect("small patterns have an outline");
            let run = |input| engine.regex.captures_input(input);
            let short = run(RegexInput::new(subject.as_bytes())).map_err(|_| GivenUp);
            let long = try_places(outline, subject.as_bytes(), run);
            let found = short.as_ref().map(Option::is_some).map_err(|_| GivenUp);
            prop_assert_eq!(engine.is_match(subject.as_bytes()), found);
            prop_assert_eq!(long.map(|found| found.map(groups)), short.map(|found| found.map(groups)));
        }
    }
}
