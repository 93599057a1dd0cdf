//! Classes in brackets, `[a-z]`, read into a set of bytes.
//!
//! The odd cases are PCRE's: a first `]` and a hyphen at an end are literals, a name that is no POSIX class makes its
//! bracket one, and a range that ends in a set is a mistake.

use super::{Set, Step, Translator};
use crate::pattern::PatternError;

impl Translator<'_> {
    pub(super) fn class(&mut self) -> Step {
        if self.rest().starts_with(b"[:<:]]") || self.rest().starts_with(b"[:>:]]") {
            return Err(self.unsupported("[[:<:]]"));
        }
        let negated = self.take("^");
        let mut set = Set::NONE;
        let mut first = true;
        while let Some(member) = self.member(first)? {
            first = false;
            match member {
                Member::Nothing => {}
                Member::Set(more) => {
                    set.add(&more);
                    if matches!(self.rest(), [b'-', next, ..] if *next != b']') {
                        return Err(self.error("invalid range in character class"));
                    }
                }
                Member::Byte(low) => {
                    let high = self.range_end(low)?;
                    set.add_range(low, high);
                }
            }
        }
        if self.flags.caseless {
            set.fold();
        }
        self.set(&if negated { set.negated() } else { set });
        Ok(())
    }

    /// The next member of a class; `None` at its closing bracket.
    fn member(&mut self, first: bool) -> Result<Option<Member>, PatternError> {
        let Some(byte) = self.next() else {
            return Err(self.error("missing terminating ] for a character class"));
        };
        Ok(Some(match byte {
            b']' if !first => return Ok(None),
            b'[' => match self.posix()? {
                Some(set) => Member::Set(set),
                None => Member::Byte(byte),
            },
            b'\\' => self.class_escape()?,
            _ => Member::Byte(byte),
        }))
    }

    fn class_escape(&mut self) -> Result<Member, PatternError> {
        let Some(byte) = self.next() else {
            return Err(PatternError::new("\\ at the end of the pattern", self.at - 1));
        };
        Ok(match byte {
            b'b' => Member::Byte(0x08),
            b'E' => Member::Nothing,
            b'Q' => {
                let rest = self.rest();
                let length = rest.windows(2).position(|pair| pair == br"\E").unwrap_or(rest.len());
                self.at = (self.at + length + 2).min(self.pattern.len());
                Member::Set(Set::of(&rest[..length]))
            }
            b'C' | b'N' | b'R' | b'B' | b'A' | b'z' | b'Z' | b'G' | b'K' => {
                return Err(self.error("this escape is not allowed in a character class"));
            }
            b'8' | b'9' => return Err(PatternError::new("unrecognized character after \\", self.at - 1)),
            _ => match Set::shorthand(byte) {
                Some(set) => Member::Set(set),
                None => Member::Byte(self.character(byte)?),
            },
        })
    }

    /// The upper end of the range that `low` begins, or `low` itself if the hyphen is a literal.
    fn range_end(&mut self, low: u8) -> Result<u8, PatternError> {
        let start = self.at;
        if !self.take("-") || self.rest().first() == Some(&b']') {
            self.at = start;
            return Ok(low);
        }
        match self.member(false)? {
            Some(Member::Byte(high)) if high >= low => Ok(high),
            Some(Member::Byte(_)) => Err(self.error("range out of order in character class")),
            _ => Err(self.error("invalid range in character class")),
        }
    }

    /// `[:name:]` after its first bracket; `None` if it is none and the bracket a literal.
    fn posix(&mut self) -> Result<Option<Set>, PatternError> {
        let rest = self.rest();
        let Some(inside) = rest.strip_prefix(b":") else {
            return Ok(None);
        };
        let Some(length) = inside.windows(2).position(|pair| pair == b":]") else {
            return Ok(None);
        };
        let name = &inside[..length];
        let (negated, name) = name.strip_prefix(b"^").map_or((false, name), |name| (true, name));
        if !name.iter().all(u8::is_ascii_lowercase) {
            return Ok(None);
        }
        let Some(mut set) = Set::posix(name) else {
            return Err(self.error("unknown POSIX class name"));
        };
        if self.flags.caseless && matches!(name, b"upper" | b"lower") {
            set = Set::posix(b"alpha").unwrap_or(set);
        }
        self.at += length + 3;
        Ok(Some(if negated { set.negated() } else { set }))
    }
}

enum Member {
    Nothing,
    Byte(u8),
    Set(Set),
}
