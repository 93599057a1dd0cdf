//! memcached's text commands: from a line to a `Command`, or to the error line memcached 1.6 answers.
//!
//! What counts as a number, how many words a command may have and which mistake is told first is what
//! memcached 1.6.18 was seen to do; `transcripts.rs` holds it to that.

use bytes::Bytes;

use super::items::Change;

const KEY_LIMIT: usize = 250;

pub(super) const ERROR: &str = "ERROR";
const BAD_LINE: &str = "CLIENT_ERROR bad command line format";
const BAD_EXPTIME: &str = "CLIENT_ERROR invalid exptime argument";
const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta argument";
const BAD_DELETE: &str = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";

#[derive(Debug, PartialEq)]
pub(super) enum Command {
    /// `touch` is the new expiry of `gat` and `gats`; `unique` is what `gets` and `gats` add.
    Get {
        keys: Vec<Bytes>,
        touch: Option<i32>,
        unique: bool,
    },
    Store {
        change: Change,
        key: Bytes,
        flags: u32,
        exptime: i32,
        length: usize,
    },
    Delete(Bytes),
    Add {
        key: Bytes,
        delta: u64,
        up: bool,
    },
    Touch(Bytes, i32),
    Flush(i32),
    Verbosity,
    Version,
    Stats,
    ResetStats,
    Shutdown,
    Quit,
}

/// A line, and whether its client wants no reply (not even to a mistake).
pub(super) struct Parsed {
    pub command: Result<Command, &'static str>,
    pub quiet: bool,
}

/// Reads a line without its end.
pub(super) fn parse(line: &[u8]) -> Parsed {
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    let Some((name, rest)) = words.split_first() else {
        return Parsed { command: Err(ERROR), quiet: false };
    };
    let quiet = rest.last() == Some(&&b"noreply"[..]);
    match read(name, rest, quiet) {
        // Only commands that know the word heed it.
        Some((command, knows_noreply)) => Parsed { command, quiet: quiet && knows_noreply },
        None => Parsed { command: Err(ERROR), quiet: false },
    }
}

type Reading = Option<(Result<Command, &'static str>, bool)>;

/// `None` is a command or a number of words that memcached does not know.
fn read(name: &[u8], words: &[&[u8]], quiet: bool) -> Reading {
    let heeding = |command| Some((command, true));
    let plain = |command| Some((Ok(command), false));
    match (name, words.len()) {
        (b"get", 1..) => Some((get(words, None, false), false)),
        (b"gets", 1..) => Some((get(words, None, true), false)),
        (b"gat", 1..) => Some((get_and_touch(words, false), false)),
        (b"gats", 1..) => Some((get_and_touch(words, true), false)),
        (b"set", 4..=5) => heeding(store(Change::Set, words)),
        (b"add", 4..=5) => heeding(store(Change::Add, words)),
        (b"replace", 4..=5) => heeding(store(Change::Replace, words)),
        (b"append", 4..=5) => heeding(store(Change::Append, words)),
        (b"prepend", 4..=5) => heeding(store(Change::Prepend, words)),
        (b"cas", 5..=6) => heeding(store(Change::Cas(0), words)),
        (b"incr", 2..=3) => heeding(add(words, true)),
        (b"decr", 2..=3) => heeding(add(words, false)),
        (b"touch", 2..=3) => heeding(touch(words)),
        (b"delete", 1..=3) => heeding(delete(words, quiet)),
        (b"flush_all", 0..=2) => heeding(flush(words, quiet)),
        (b"verbosity", 1..=2) => heeding(verbosity(words, quiet)),
        (b"version", _) => plain(Command::Version),
        (b"stats", 0) => plain(Command::Stats),
        (b"stats", _) if words[0] == b"reset" => plain(Command::ResetStats),
        (b"shutdown", _) => plain(Command::Shutdown),
        (b"quit", _) => plain(Command::Quit),
        _ => None,
    }
}

fn get(words: &[&[u8]], touch: Option<i32>, unique: bool) -> Result<Command, &'static str> {
    let keys = words.iter().map(|word| key(word)).collect::<Result<_, _>>()?;
    Ok(Command::Get { keys, touch, unique })
}

fn get_and_touch(words: &[&[u8]], unique: bool) -> Result<Command, &'static str> {
    let exptime = signed(words[0]).ok_or(BAD_EXPTIME)?;
    get(&words[1..], Some(exptime), unique)
}

fn store(change: Change, words: &[&[u8]]) -> Result<Command, &'static str> {
    let key = key(words[0])?;
    // memcached cuts flags to 32 bits rather than to refuse them.
    let flags = unsigned(words[1]).ok_or(BAD_LINE)? as u32;
    let exptime = signed(words[2]).ok_or(BAD_LINE)?;
    let length = signed(words[3]).filter(|length| (0..i32::MAX - 1).contains(length)).ok_or(BAD_LINE)?;
    let change = match change {
        Change::Cas(_) => Change::Cas(unsigned(words[4]).ok_or(BAD_LINE)?),
        other => other,
    };
    Ok(Command::Store { change, key, flags, exptime, length: length as usize })
}

fn add(words: &[&[u8]], up: bool) -> Result<Command, &'static str> {
    let key = key(words[0])?;
    let delta = unsigned(words[1]).ok_or(BAD_DELTA)?;
    Ok(Command::Add { key, delta, up })
}

fn touch(words: &[&[u8]]) -> Result<Command, &'static str> {
    Ok(Command::Touch(key(words[0])?, signed(words[1]).ok_or(BAD_EXPTIME)?))
}

/// An old form carries a 0.
fn delete(words: &[&[u8]], quiet: bool) -> Result<Command, &'static str> {
    let zero = words.get(1) == Some(&&b"0"[..]);
    let good = match words.len() {
        1 => true,
        2 => zero || quiet,
        _ => zero && quiet,
    };
    if !good {
        return Err(BAD_DELETE);
    }
    Ok(Command::Delete(key(words[0])?))
}

fn flush(words: &[&[u8]], quiet: bool) -> Result<Command, &'static str> {
    match words.len() - usize::from(quiet) {
        0 => Ok(Command::Flush(0)),
        _ => Ok(Command::Flush(signed(words[0]).ok_or(BAD_EXPTIME)?)),
    }
}

fn verbosity(words: &[&[u8]], quiet: bool) -> Result<Command, &'static str> {
    if quiet && words.len() == 1 {
        return Err(ERROR);
    }
    unsigned(words[0]).map(|_| Command::Verbosity).ok_or(BAD_LINE)
}

fn key(word: &[u8]) -> Result<Bytes, &'static str> {
    if word.len() > KEY_LIMIT {
        return Err(BAD_LINE);
    }
    Ok(Bytes::copy_from_slice(word))
}

/// C's `strtoull` as memcached uses it: white space around, a sign, and no more than 64 bits; a negative number
/// wraps, and is refused if it is negative still.
pub(super) fn unsigned(word: &[u8]) -> Option<u64> {
    let (negative, number) = number(word)?;
    match negative {
        false => Some(number),
        true => Some(number.wrapping_neg()).filter(|wrapped| *wrapped as i64 >= 0),
    }
}

/// `strtol` as memcached uses it: 64 bits are read, 32 are kept.
fn signed(word: &[u8]) -> Option<i32> {
    let (negative, number) = number(word)?;
    let number = i64::try_from(number).ok()?;
    Some(if negative { -number } else { number } as i32)
}

fn number(word: &[u8]) -> Option<(bool, u64)> {
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    let start = word.iter().position(|byte| !is_space(*byte))?;
    let word = &word[start..];
    let (negative, digits) = match word.first()? {
        b'-' => (true, &word[1..]),
        b'+' => (false, &word[1..]),
        _ => (false, word),
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 || digits.get(end).is_some_and(|byte| !is_space(*byte)) {
        return None;
    }
    let number = std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    Some((negative, number))
}
