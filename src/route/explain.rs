//! The search for a location in words: what `edge explain` prints.

use super::level::Found;
use super::locations::{Level, Onlooker, Skipped};
use super::matcher::Matcher;

/// How a location fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request is its.
    Won,
    /// The longest prefix of its level, until something better was found.
    Remembered,
    /// It matches, but another goes before it.
    Lost,
    /// It does not match.
    NoMatch,
    /// Nobody asked it any more.
    NotTried,
}

/// What became of one location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The location's number in file order.
    pub index: usize,
    /// As it is written: `~* \.css$`.
    pub location: String,
    /// How deep it is nested.
    pub depth: usize,
    pub verdict: Verdict,
    pub why: String,
}

/// Writes down what a search does.
pub(super) struct Explanation<'p, F> {
    path: &'p [u8],
    matcher: F,
    steps: Vec<Step>,
}

impl<'l, 'p, F: Fn(usize) -> &'l Matcher> Explanation<'p, F> {
    pub(super) fn new(path: &'p [u8], matcher: F) -> Self {
        Explanation { path, matcher, steps: Vec::new() }
    }

    /// The finished explanation.
    pub(super) fn steps(mut self, winner: Option<usize>) -> Vec<Step> {
        for step in self.steps.iter_mut().filter(|step| Some(step.index) == winner) {
            if matches!((self.matcher)(step.index), Matcher::Prefix { .. }) && step.verdict == Verdict::Remembered {
                step.why.push_str("; nothing goes before it");
            }
            step.verdict = Verdict::Won;
        }
        self.steps
    }

    fn note(&mut self, index: usize, depth: usize, verdict: Verdict, why: impl Into<String>) {
        let location = (self.matcher)(index).to_string();
        self.steps.push(Step { index, location, depth, verdict, why: why.into() });
    }

    /// How an exact or prefix location fares that the names did not find.
    fn other(&self, index: usize, found: Found) -> (Verdict, String) {
        match (self.matcher)(index) {
            Matcher::Prefix { text, .. } if self.path.starts_with(text) => match found {
                Found::Prefix(best) => {
                    (Verdict::Lost, format!("\"{}\" is longer or stands before it", (self.matcher)(best)))
                }
                Found::Redirect(best) => {
                    (Verdict::Lost, format!("\"{}\" with its slash redirects", (self.matcher)(best)))
                }
                _ => (Verdict::Lost, "an exact match goes before it".to_owned()),
            },
            Matcher::Prefix { .. } => (Verdict::NoMatch, "the path does not begin with it".to_owned()),
            Matcher::Exact(text) if self.path == text => (Verdict::Lost, "the same stands before it".to_owned()),
            _ => (Verdict::NoMatch, "the path is another".to_owned()),
        }
    }
}

impl<'l, F: Fn(usize) -> &'l Matcher> Onlooker for Explanation<'_, F> {
    fn names(&mut self, level: &Level, depth: usize, found: Found) {
        for index in &level.plain {
            let (verdict, why) = match found {
                Found::Exact(best) if best == *index => (Verdict::Remembered, "the path is exactly this".to_owned()),
                Found::Redirect(best) if best == *index => (
                    Verdict::Remembered,
                    "the path with a final slash is this, and it passes requests on: 301".to_owned(),
                ),
                Found::Prefix(best) if best == *index => {
                    (Verdict::Remembered, "the longest prefix of the path on its level".to_owned())
                }
                _ => self.other(*index, found),
            };
            self.note(*index, depth, verdict, why);
        }
    }

    fn regexes(&mut self, level: &Level, depth: usize, result: Result<Option<usize>, Skipped>) {
        for (at, index) in level.regex.iter().enumerate() {
            let (verdict, why) = match result {
                Ok(None) => (Verdict::NoMatch, "not found in the path".to_owned()),
                Ok(Some(first)) if at < first => (Verdict::NoMatch, "not found in the path".to_owned()),
                Ok(Some(first)) if at == first => {
                    (Verdict::Remembered, "the first regex on its level that is found in the path".to_owned())
                }
                Ok(Some(_)) => (Verdict::NotTried, "a regex before it matches".to_owned()),
                Err(Skipped::Exact) => (Verdict::NotTried, "an exact match ends the search".to_owned()),
                Err(Skipped::Redirect) => (Verdict::NotTried, "a redirect ends the search".to_owned()),
                Err(Skipped::Inside) => (Verdict::NotTried, "a location inside the prefix ended the search".to_owned()),
                Err(Skipped::NoRegex(best)) => {
                    (Verdict::NotTried, format!("\"{}\" keeps the regexes of its level out", (self.matcher)(best)))
                }
            };
            self.note(*index, depth, verdict, why);
        }
    }
}
