//! What may come back for a question: every byte is looked at before `memcache-async` sees it.
//!
//! That crate believes what it reads: it makes room for as many bytes as a line says, takes any line for success, and any
//! key's value for the one that was asked for. So here: one reply of the kind that was expected, of limited size, about the
//! keys that were asked for, and nothing after it. Only then may the connection be used again.

use super::Key;
use std::mem;

/// More than a longest key, flags, a length and a token need.
const LINE: usize = 512;
/// The largest value that is read.
const VALUE: usize = 8 << 20;
/// All values of one reply together.
const TOTAL: usize = 16 << 20;
/// The most keys in one question.
pub(super) const KEYS: usize = 64;

/// The kind of reply.
#[derive(Clone, Copy)]
pub(super) enum Expected<'q> {
    /// One line that is, or begins with, one of these.
    Line(&'q [&'q str]),
    /// A number, or that there is none.
    Number,
    /// Values of some of these keys, at most [`KEYS`], then END.
    Values(&'q [Key]),
}

/// What is wrong with a reply.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// memcached's own words: it lives and will not.
    #[error("memcached says: {0}")]
    Said(String),
    #[error("a value of {0} bytes is too large")]
    TooLarge(usize),
    #[error("{0}")]
    Nonsense(String),
}

pub(super) struct Reply<'q> {
    expected: Expected<'q>,
    at: At,
    line: Vec<u8>,
    /// One bit for each key that was answered.
    answered: u64,
    total: usize,
}

enum At {
    Line,
    /// So many bytes of a value are left.
    Value(usize),
    /// The line's end after a value, of which so much was seen.
    Closing(usize),
    End,
}

impl<'q> Reply<'q> {
    pub fn to(expected: Expected<'q>) -> Reply<'q> {
        Reply { expected, at: At::Line, line: Vec::new(), answered: 0, total: 0 }
    }

    /// Whether the reply is there to its end.
    pub fn is_whole(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// Looks at what came next.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Wrong> {
        while !bytes.is_empty() {
            let seen = match self.at {
                At::Line => self.feed_line(bytes)?,
                At::Value(left) => self.feed_value(bytes.len(), left),
                At::Closing(seen) => self.feed_closing(bytes[0], seen)?,
                At::End => return Err(nonsense("more than was asked for", bytes)),
            };
            bytes = &bytes[seen..];
        }
        Ok(())
    }

    fn feed_line(&mut self, bytes: &[u8]) -> Result<usize, Wrong> {
        let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if self.line.len() + part.len() > LINE {
            return Err(nonsense("a line without an end", part));
        }
        self.line.extend(part);
        if end.is_some() {
            let line = mem::take(&mut self.line);
            self.at = self.line_ended(&line)?;
        }
        Ok(part.len())
    }

    fn feed_value(&mut self, there: usize, left: usize) -> usize {
        let seen = there.min(left);
        self.at = if seen == left { At::Closing(0) } else { At::Value(left - seen) };
        seen
    }

    fn feed_closing(&mut self, byte: u8, seen: usize) -> Result<usize, Wrong> {
        match (seen, byte) {
            (0, b'\r') => self.at = At::Closing(1),
            (1, b'\n') => self.at = At::Line,
            _ => return Err(nonsense("a value that is longer than it says", &[byte])),
        }
        Ok(1)
    }

    fn line_ended(&mut self, line: &[u8]) -> Result<At, Wrong> {
        let text = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
        let Some(text) = text else { return Err(nonsense("an answer that is none", line)) };
        if text == "ERROR" || text.starts_with("SERVER_ERROR") || text.starts_with("CLIENT_ERROR") {
            return Err(Wrong::Said(shown(text.as_bytes())));
        }
        match self.expected {
            Expected::Line(words) if words.iter().any(|word| is_word(text, word)) => Ok(At::End),
            Expected::Number if text == "NOT_FOUND" || is_number(text) => Ok(At::End),
            Expected::Values(_) if text == "END" => Ok(At::End),
            Expected::Values(keys) => self.value_begins(text, keys),
            Expected::Line(_) | Expected::Number => Err(nonsense("an answer to another question", line)),
        }
    }

    /// `VALUE key flags bytes [token]`
    fn value_begins(&mut self, line: &str, keys: &[Key]) -> Result<At, Wrong> {
        let mut words = line.split(' ');
        let head = (words.next(), words.next(), words.next(), words.next().and_then(|n| n.parse::<usize>().ok()));
        let (Some("VALUE"), Some(key), Some(_), Some(length)) = head else {
            return Err(nonsense("an answer to another question", line.as_bytes()));
        };
        let place = keys.iter().take(KEYS).position(|asked| asked.as_str() == key);
        let bit = place.map(|place| self.free_place(place, keys)).unwrap_or_default();
        if bit == 0 {
            // Never the key itself: it holds a session id.
            return Err(Wrong::Nonsense("the value of a key that was not asked for".into()));
        }
        self.answered |= bit;
        self.total = self.total.saturating_add(length);
        match length > VALUE || self.total > TOTAL {
            true => Err(Wrong::TooLarge(length)),
            false if length == 0 => Ok(At::Closing(0)),
            false => Ok(At::Value(length)),
        }
    }

    /// The bit of the first place from here on that asks for the same key and was not answered; 0 if there is none.
    fn free_place(&self, first: usize, keys: &[Key]) -> u64 {
        let same = (first..keys.len().min(KEYS)).filter(|place| keys[*place] == keys[first]);
        same.map(|place| 1 << place).find(|bit| self.answered & bit == 0).unwrap_or_default()
    }
}

/// A word that ends with a space is only the beginning of a line.
fn is_word(text: &str, word: &str) -> bool {
    text == word || (word.ends_with(' ') && text.starts_with(word))
}

/// What the crate reads as a number; memcached fills up with spaces what has become shorter.
fn is_number(text: &str) -> bool {
    text.trim_end_matches(' ').bytes().all(|b| b.is_ascii_digit()) && text.trim_end_matches(' ').parse::<u64>().is_ok()
}

fn nonsense(what: &str, bytes: &[u8]) -> Wrong {
    Wrong::Nonsense(format!("{what}: `{}`", shown(bytes)))
}

/// The beginning of what came, fit for a log.
fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(60)].escape_ascii().to_string()
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
