//! Bodies changed from one charset to another, by tables that the configuration writes (`charset_map`).
//!
//! As in nginx a byte below 0x80 is what it is in every charset; what a table does not have is `?`, and a character of
//! UTF-8 that a charset of bytes has no place for is written as `&#NUMBER;`.

use super::{FilterError, Machine};
use std::collections::HashMap;
use std::sync::Arc;

/// The tables there are, by the names of both charsets in lower case.
#[derive(Clone, Debug, Default)]
pub struct Tables(HashMap<(String, String), Table>);

#[derive(Clone, Debug)]
enum Table {
    Bytes(Arc<[u8; 256]>),
    ToUtf8(Arc<Vec<Vec<u8>>>),
    FromUtf8(Arc<HashMap<u32, u8>>),
}

/// Why a line of a table is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    #[error("`{0}` is no byte in hexadecimal")]
    Byte(String),
    #[error("`{0}` is no character of UTF-8 below U+10000 in hexadecimal")]
    Character(String),
}

pub fn is_utf8(name: &str) -> bool {
    name.eq_ignore_ascii_case("utf-8")
}

fn key(from: &str, to: &str) -> (String, String) {
    (from.to_ascii_lowercase(), to.to_ascii_lowercase())
}

impl Tables {
    /// Adds `charset_map FROM TO { … }`, in both directions. False: there is one for these already.
    pub fn add<'m>(
        &mut self,
        from: &str,
        to: &str,
        lines: impl Iterator<Item = (&'m str, &'m str)>,
    ) -> Result<bool, MapError> {
        if self.0.contains_key(&key(from, to)) || self.0.contains_key(&key(to, from)) {
            return Ok(false);
        }
        let (there, back) = if is_utf8(to) { utf8(lines)? } else { bytes(lines)? };
        self.0.insert(key(from, to), there);
        self.0.insert(key(to, from), back);
        Ok(true)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a body keeps its length on this way.
    pub fn keeps_length(&self, from: &str, to: &str) -> bool {
        matches!(self.0.get(&key(from, to)), Some(Table::Bytes(_)))
    }

    pub fn has(&self, from: &str, to: &str) -> bool {
        self.0.contains_key(&key(from, to))
    }

    /// The machine for this way, if there is a table for it.
    pub fn recoder(&self, from: &str, to: &str) -> Option<Recoder> {
        let table = self.0.get(&key(from, to))?.clone();
        Some(Recoder { table, begun: Vec::new() })
    }
}

fn byte(text: &str) -> Result<u8, MapError> {
    let is_hex = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    let value = u8::from_str_radix(text, 16).ok().filter(|_| is_hex);
    value.ok_or_else(|| MapError::Byte(text.to_owned()))
}

/// The same below 0x80, `?` above.
fn plain() -> [u8; 256] {
    std::array::from_fn(|at| if at < 0x80 { at as u8 } else { b'?' })
}

fn bytes<'m>(lines: impl Iterator<Item = (&'m str, &'m str)>) -> Result<(Table, Table), MapError> {
    let (mut there, mut back) = (plain(), plain());
    for (from, to) in lines {
        let (from, to) = (byte(from)?, byte(to)?);
        there[usize::from(from)] = to;
        back[usize::from(to)] = from;
    }
    Ok((Table::Bytes(Arc::new(there)), Table::Bytes(Arc::new(back))))
}

fn utf8<'m>(lines: impl Iterator<Item = (&'m str, &'m str)>) -> Result<(Table, Table), MapError> {
    let mut there: Vec<Vec<u8>> = plain().iter().map(|byte| vec![*byte]).collect();
    let mut back = HashMap::new();
    for (from, to) in lines {
        let from = byte(from)?;
        let wrong = || MapError::Character(to.to_owned());
        if !to.is_ascii() || to.len() % 2 != 0 {
            return Err(wrong());
        }
        let text: Vec<u8> =
            (0..to.len()).step_by(2).map(|at| byte(&to[at..at + 2])).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let mut characters = std::str::from_utf8(&text).map_err(|_| wrong())?.chars();
        let (Some(character), None) = (characters.next(), characters.next()) else { return Err(wrong()) };
        if u32::from(character) > 0xffff {
            return Err(wrong());
        }
        back.insert(u32::from(character), from);
        there[usize::from(from)] = text;
    }
    Ok((Table::ToUtf8(Arc::new(there)), Table::FromUtf8(Arc::new(back))))
}

/// Changes one body.
pub struct Recoder {
    table: Table,
    /// The beginning of a character whose rest is still to come.
    begun: Vec<u8>,
}

/// What stands at the beginning of some bytes, as nginx's `ngx_utf8_decode` takes it.
#[derive(Debug, PartialEq, Eq)]
enum Decoded {
    Character(u32, usize),
    Wrong(usize),
    Unfinished,
}

fn decode(text: &[u8]) -> Decoded {
    let Some(first) = text.first() else { return Decoded::Unfinished };
    let (mut character, least, more) = match first {
        0xf8.. => return Decoded::Wrong(1),
        0xf0.. => (u32::from(first & 0x07), 0xffff, 3),
        0xe0.. => (u32::from(first & 0x0f), 0x7ff, 2),
        0xc2.. => (u32::from(first & 0x1f), 0x7f, 1),
        _ => return Decoded::Wrong(1),
    };
    if text.len() <= more {
        return Decoded::Unfinished;
    }
    for (at, byte) in text[1..=more].iter().enumerate() {
        if *byte < 0x80 {
            return Decoded::Wrong(at + 2);
        }
        character = (character << 6) | u32::from(byte & 0x3f);
    }
    match character > least && character <= 0x10ffff {
        true => Decoded::Character(character, more + 1),
        false => Decoded::Wrong(more + 1),
    }
}

/// Gives back how many bytes were taken; what is left is the beginning of a character.
fn from_utf8(table: &HashMap<u32, u8>, text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte < 0x80 {
            out.push(*byte);
            at += 1;
            continue;
        }
        match decode(&text[at..]) {
            Decoded::Unfinished => break,
            Decoded::Wrong(length) => {
                out.push(b'?');
                at += length;
            }
            Decoded::Character(character, length) => {
                match table.get(&character).filter(|byte| **byte != 0) {
                    Some(byte) => out.push(*byte),
                    None => out.extend_from_slice(format!("&#{character};").as_bytes()),
                }
                at += length;
            }
        }
    }
    at
}

impl Machine for Recoder {
    fn feed(&mut self, piece: &[u8], _last: bool, out: &mut Vec<u8>) -> Result<(), FilterError> {
        match &self.table {
            Table::Bytes(table) => out.extend(piece.iter().map(|byte| table[usize::from(*byte)])),
            Table::ToUtf8(table) => piece.iter().for_each(|byte| out.extend_from_slice(&table[usize::from(*byte)])),
            Table::FromUtf8(table) => {
                // As in nginx, a character that never ends is left out.
                self.begun.extend_from_slice(piece);
                let taken = from_utf8(table, &self.begun, out);
                self.begun.drain(..taken);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{cut, fed};
    use super::*;
    use proptest::prelude::*;

    fn tables() -> Tables {
        let mut tables = Tables::default();
        assert_eq!(tables.add("koi8-r", "utf-8", [("C1", "D0B0"), ("a3", "D191")].into_iter()), Ok(true));
        assert_eq!(tables.add("koi8-r", "windows-1251", [("C1", "E0")].into_iter()), Ok(true));
        assert_eq!(tables.add("Windows-1251", "KOI8-R", std::iter::empty()), Ok(false));
        tables
    }

    fn recoded(from: &str, to: &str, body: &[u8]) -> Vec<u8> {
        fed(&mut tables().recoder(from, to).unwrap(), &[body]).unwrap()
    }

    #[test]
    fn bytes_become_bytes_and_characters_in_both_directions() {
        assert_eq!(recoded("koi8-r", "windows-1251", b"a\xc1\xc2"), b"a\xe0?");
        assert_eq!(recoded("windows-1251", "koi8-r", b"a\xe0\xe1"), b"a\xc1?");
        assert_eq!(recoded("KOI8-R", "UTF-8", b"a\xc1\xa3\xc2"), "aаё?".as_bytes());
        assert_eq!(recoded("utf-8", "koi8-r", "aаё€".as_bytes()), b"a\xc1\xa3&#8364;");
        assert_eq!(recoded("utf-8", "koi8-r", "😀".as_bytes()), b"&#128512;");
        assert!(tables().recoder("koi8-r", "iso-8859-1").is_none());
    }

    #[test]
    fn what_is_no_utf8_is_a_question_mark() {
        assert_eq!(recoded("utf-8", "koi8-r", b"\x80x\xffy"), b"?x?y");
        assert_eq!(recoded("utf-8", "koi8-r", b"\xd0xy"), b"?y");
        assert_eq!(recoded("utf-8", "koi8-r", b"\xe0\x80\x80x"), b"?x");
        assert_eq!(recoded("utf-8", "koi8-r", b"x\xd0"), b"x");
    }

    #[test]
    fn a_line_that_is_no_byte_or_character_is_refused() {
        let add = |from: &'static str, to: &'static str, line| Tables::default().add(from, to, [line].into_iter());
        assert_eq!(add("a", "b", ("100", "E0")), Err(MapError::Byte("100".into())));
        assert_eq!(add("a", "b", ("C1", "")), Err(MapError::Byte(String::new())));
        for wrong in ["E0", "D0B", "D0B0D0B0", "F09F9880", "zz", "\u{fc}\u{fc}"] {
            assert_eq!(add("a", "utf-8", ("C1", wrong)), Err(MapError::Character(wrong.into())), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_characters_are_the_same(
            body in proptest::collection::vec(prop_oneof![Just(0xd0u8), Just(0xb0), Just(0xf0), Just(0x9f), any::<u8>()], 0..60),
            sizes in proptest::collection::vec(0usize..5, 0..40),
        ) {
            for (from, to) in [("utf-8", "koi8-r"), ("koi8-r", "utf-8"), ("koi8-r", "windows-1251")] {
                let whole = recoded(from, to, &body);
                prop_assert_eq!(fed(&mut tables().recoder(from, to).unwrap(), &cut(&body, &sizes)).unwrap(), whole);
            }
        }
    }
}
