//! What follows a backslash: a set, an assertion, a reference back, or one byte.
//!
//! A letter or digit without a meaning is a mistake, as in PCRE; anything else after a backslash is itself.

use super::{Set, Step, Translator, parse_number};
use crate::pattern::PatternError;

impl Translator<'_> {
    pub(super) fn escape(&mut self) -> Step {
        let Some(byte) = self.next() else {
            return Err(PatternError::new("\\ at the end of the pattern", self.at - 1));
        };
        if let Some(set) = Set::shorthand(byte) {
            self.set(&set);
            return self.no_name(byte);
        }
        match byte {
            b'Q' => self.quoted(),
            b'E' => {}
            b'b' => self.assertion(r"\b"),
            b'B' => self.assertion(r"\B"),
            b'A' | b'G' => self.assertion(r"\A"),
            b'z' => self.assertion(r"\z"),
            b'Z' => self.end(),
            b'K' => return self.keep_out(),
            b'R' => self.backtracking(r"(?>\r\n|[\n\x0b\x0c\r\x85])", r"(?:\r\n|[\n\x0b\x0c\r\x85])"),
            b'g' | b'k' => return self.reference_escape(byte),
            b'1'..=b'9' => return self.number_escape(byte),
            _ => {
                let byte = self.character(byte)?;
                self.literal(byte);
            }
        }
        Ok(())
    }

    /// `\N{U+E4}` names a character, `\N{2}` repeats.
    fn no_name(&mut self, letter: u8) -> Step {
        let start = self.at;
        let named = letter == b'N' && self.take("{") && self.braces()?.is_none();
        self.at = start;
        if named { Err(self.unsupported(r"\N{}")) } else { Ok(()) }
    }

    fn quoted(&mut self) {
        while self.at < self.pattern.len() && !self.take(r"\E") {
            let byte = self.pattern[self.at];
            self.at += 1;
            self.literal(byte);
        }
    }

    /// `\1`: a reference below ten or if there are that many groups already, else up to three octal digits.
    fn number_escape(&mut self, first: u8) -> Step {
        let digits = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        let number = parse_number(&self.pattern[self.at - 1..self.at + digits]);
        match number {
            Some(group) if group < 10 || first >= b'8' || group <= self.out.groups => {
                self.at += digits;
                self.reference(group);
            }
            _ => {
                let byte = self.octal(first)?;
                self.literal(byte);
            }
        }
        Ok(())
    }

    /// `\g1`, `\g{-1}`, `\g{name}`, `\k<name>`, `\k'name'`, `\k{name}`.
    fn reference_escape(&mut self, letter: u8) -> Step {
        let text = match self.next() {
            Some(b'{') => self.until(b'}')?,
            Some(b'<') if letter == b'k' => self.until(b'>')?,
            Some(b'\'') if letter == b'k' => self.until(b'\'')?,
            Some(b'<' | b'\'') => return Err(self.unsupported("a subroutine call")),
            Some(b'0'..=b'9' | b'-') if letter == b'g' => {
                let start = self.at - 1;
                self.at += self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
                &self.pattern[start..self.at]
            }
            _ => return Err(self.error(format!("a group is missing after \\{}", char::from(letter)))),
        };
        let group = match text {
            [b'-', digits @ ..] => parse_number(digits).and_then(|back| (self.out.groups + 1).checked_sub(back)),
            [b'0'..=b'9', ..] => parse_number(text),
            name => Some(self.named(&String::from_utf8_lossy(name))?),
        };
        match group {
            Some(group) if group > 0 => self.reference(group),
            _ => return Err(self.error("reference to a group that does not exist")),
        }
        Ok(())
    }

    /// The byte an escape stands for, in a class or outside.
    pub(super) fn character(&mut self, byte: u8) -> Result<u8, PatternError> {
        Ok(match byte {
            b'a' => 0x07,
            b'e' => 0x1b,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0'..=b'7' => self.octal(byte)?,
            b'o' | b'x' if self.rest().first() == Some(&b'{') => {
                self.at += 1;
                let digits = self.until(b'}')?;
                let radix = if byte == b'o' { 8 } else { 16 };
                let text = std::str::from_utf8(digits).unwrap_or_default();
                let plain = digits.iter().all(u8::is_ascii_hexdigit);
                let value = u32::from_str_radix(text, radix).ok().filter(|_| plain);
                let value = value.ok_or_else(|| self.error("digits are missing or wrong in \\o{} or \\x{}"))?;
                u8::try_from(value).map_err(|_| self.error("a character beyond one byte is not supported"))?
            }
            b'x' => {
                let length = self.rest().iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
                let digits = &self.rest()[..length];
                self.at += length;
                digits.iter().fold(0, |sum, b| sum << 4 | char::from(*b).to_digit(16).unwrap_or(0) as u8)
            }
            b'c' => match self.next() {
                Some(letter) if letter.is_ascii_graphic() || letter == b' ' => letter.to_ascii_uppercase() ^ 0x40,
                _ => return Err(self.error("\\c must be followed by a printable character")),
            },
            b'p' | b'P' | b'X' => return Err(self.unsupported("a Unicode property")),
            _ if byte.is_ascii_alphanumeric() => {
                return Err(PatternError::new("unrecognized character after \\", self.at - 1));
            }
            _ => byte,
        })
    }

    fn octal(&mut self, first: u8) -> Result<u8, PatternError> {
        let more = self.rest().iter().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
        let digits = &self.rest()[..more];
        self.at += more;
        let value = digits.iter().fold(u32::from(first - b'0'), |sum, b| sum << 3 | u32::from(b - b'0'));
        u8::try_from(value).map_err(|_| self.error("octal value is greater than \\377"))
    }
}
