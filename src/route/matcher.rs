//! What a location says about the paths it is for: `/path`, `= /path`, `^~ /path`, `~ regex`, `~* regex`, `@name`.

use std::fmt;

use crate::pattern::{Pattern, PatternError};

/// The condition of a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// `= /path`: this path and no other.
    Exact(Vec<u8>),
    /// `/path`, `^~ /path`: paths that begin so.
    Prefix {
        text: Vec<u8>,
        /// `^~`: the regexes beside it are not asked.
        no_regex: bool,
    },
    /// `~ regex`, `~* regex`: paths in which it is found.
    Regex(Pattern),
    /// `@name`: no path at all; reached by name.
    Named(String),
}

/// Why the text of a location is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    #[error("unknown location modifier {0:?}; there are =, ^~, ~ and ~*")]
    Modifier(String),
    /// Where in the whole text, in bytes, if known.
    #[error("the regex does not compile: {error}")]
    Regex { error: PatternError, offset: Option<usize> },
}

impl Matcher {
    /// Reads a modifier, which as in nginx may touch what follows, and the path, regex or name.
    pub fn parse(text: &str) -> Result<Matcher, MatcherError> {
        let after = |modifier: &str| text.strip_prefix(modifier).map(str::trim_start);
        if let Some(path) = after("=") {
            return Ok(Matcher::Exact(path.as_bytes().to_vec()));
        }
        if let Some(path) = after("^~") {
            return Ok(Matcher::Prefix { text: path.as_bytes().to_vec(), no_regex: true });
        }
        if let Some((regex, caseless)) =
            after("~*").map(|regex| (regex, true)).or(after("~").map(|regex| (regex, false)))
        {
            let start = text.len() - regex.len();
            return Pattern::compile(regex, caseless).map(Matcher::Regex).map_err(|error| {
                let offset = error.offset.map(|offset| start + offset);
                MatcherError::Regex { error, offset }
            });
        }
        if text.starts_with('@') {
            return Ok(Matcher::Named(text.to_owned()));
        }
        match text.split_once(char::is_whitespace) {
            Some((modifier, _)) if !text.starts_with('/') => Err(MatcherError::Modifier(modifier.to_owned())),
            _ => Ok(Matcher::Prefix { text: text.as_bytes().to_vec(), no_regex: false }),
        }
    }

    /// Why nginx does not allow this location inside that one.
    pub(super) fn misplaced_in(&self, outer: &Matcher) -> Option<String> {
        let inside = match outer {
            Matcher::Exact(_) => return Some(format!("cannot be inside the exact location \"{outer}\"")),
            Matcher::Named(_) => return Some(format!("cannot be inside the named location \"{outer}\"")),
            Matcher::Prefix { text, .. } => text,
            Matcher::Regex(_) => &Vec::new(),
        };
        match self {
            Matcher::Named(_) => Some("is named, and can be on the server's level only".to_owned()),
            Matcher::Exact(text) | Matcher::Prefix { text, .. } if !text.starts_with(inside) => {
                Some(format!("is outside location \"{outer}\""))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matcher::Exact(text) => write!(out, "= {}", String::from_utf8_lossy(text)),
            Matcher::Prefix { text, no_regex: true } => write!(out, "^~ {}", String::from_utf8_lossy(text)),
            Matcher::Prefix { text, no_regex: false } => write!(out, "{}", String::from_utf8_lossy(text)),
            Matcher::Regex(pattern) if pattern.case_insensitive() => write!(out, "~* {}", pattern.as_str()),
            Matcher::Regex(pattern) => write!(out, "~ {}", pattern.as_str()),
            Matcher::Named(name) => write!(out, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modifier_may_touch_what_follows() {
        for (text, shown) in [
            ("/a b", "/a b"),
            ("= /a", "= /a"),
            ("=/a", "= /a"),
            ("^~ /a", "^~ /a"),
            ("^~/a", "^~ /a"),
            ("~ \\.php$", "~ \\.php$"),
            ("~\\.php$", "~ \\.php$"),
            ("~* \\.PHP$", "~* \\.PHP$"),
            ("~*\\.PHP$", "~* \\.PHP$"),
            ("@app", "@app"),
        ] {
            assert_eq!(Matcher::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        assert_eq!(Matcher::parse("! /a"), Err(MatcherError::Modifier("!".to_owned())));
        let Err(MatcherError::Regex { offset, .. }) = Matcher::parse("~* a)") else { panic!("compiled") };
        assert_eq!(offset, Some(4));
    }
}
