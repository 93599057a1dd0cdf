//! A set of bytes: what `\d`, `[^a-z]` or `[[:alpha:]]` stands for in PCRE's C locale.
//!
//! Both engines have classes of their own, which differ from PCRE's and from each other's in what is a letter, a space or
//! a range. Written out as the bytes it holds, a set means the same to all of them.

/// A set of bytes.
#[derive(Clone, Copy)]
pub(super) struct Set([u128; 2]);

impl Set {
    pub(super) const NONE: Set = Set([0; 2]);
    pub(super) const ALL: Set = Set([u128::MAX; 2]);

    pub(super) fn of(bytes: &[u8]) -> Set {
        let mut set = Set::NONE;
        for byte in bytes {
            set.add_range(*byte, *byte);
        }
        set
    }

    fn matching(test: impl Fn(&u8) -> bool) -> Set {
        Set::of(&(0..=u8::MAX).filter(test).collect::<Vec<_>>())
    }

    /// `\d` and its like, in the C locale.
    pub(super) fn shorthand(letter: u8) -> Option<Set> {
        let set = match letter.to_ascii_lowercase() {
            b'd' => Set::matching(u8::is_ascii_digit),
            b'w' => Set::posix(b"word")?,
            b's' => Set::posix(b"space")?,
            b'h' => Set::of(b"\t \xa0"),
            b'v' => Set::of(b"\n\x0b\x0c\r\x85"),
            b'n' if letter == b'N' => Set::of(b"\n"),
            b'c' if letter == b'C' => Set::NONE,
            _ => return None,
        };
        Some(if letter.is_ascii_uppercase() { set.negated() } else { set })
    }

    pub(super) fn posix(name: &[u8]) -> Option<Set> {
        Some(match name {
            b"alpha" => Set::matching(u8::is_ascii_alphabetic),
            b"lower" => Set::matching(u8::is_ascii_lowercase),
            b"upper" => Set::matching(u8::is_ascii_uppercase),
            b"alnum" => Set::matching(u8::is_ascii_alphanumeric),
            b"ascii" => Set::matching(u8::is_ascii),
            b"blank" => Set::of(b"\t "),
            b"cntrl" => Set::matching(u8::is_ascii_control),
            b"digit" => Set::matching(u8::is_ascii_digit),
            b"graph" => Set::matching(u8::is_ascii_graphic),
            b"print" => Set::matching(|b| b.is_ascii_graphic() || *b == b' '),
            b"punct" => Set::matching(u8::is_ascii_punctuation),
            b"space" => Set::of(b"\t\n\x0b\x0c\r "),
            b"word" => Set::matching(|b| b.is_ascii_alphanumeric() || *b == b'_'),
            b"xdigit" => Set::matching(u8::is_ascii_hexdigit),
            _ => return None,
        })
    }

    fn holds(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 7)] >> (byte & 127) & 1 == 1
    }

    pub(super) fn add(&mut self, other: &Set) {
        self.0[0] |= other.0[0];
        self.0[1] |= other.0[1];
    }

    pub(super) fn add_range(&mut self, low: u8, high: u8) {
        for byte in low..=high {
            self.0[usize::from(byte >> 7)] |= 1 << (byte & 127);
        }
    }

    pub(super) fn negated(&self) -> Set {
        Set(self.0.map(|half| !half))
    }

    /// Adds the other case of every letter.
    pub(super) fn fold(&mut self) {
        for letter in b'a'..=b'z' {
            let other = letter.to_ascii_uppercase();
            if self.holds(letter) || self.holds(other) {
                self.add(&Set::of(&[letter, other]));
            }
        }
    }

    fn ranges(&self) -> Vec<(u8, u8)> {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in (0..=u8::MAX).filter(|byte| self.holds(*byte)) {
            match ranges.last_mut() {
                Some((_, high)) if *high + 1 == byte => *high = byte,
                _ => ranges.push((byte, byte)),
            }
        }
        ranges
    }

    /// Writes the set in the language of both engines.
    pub(super) fn write(&self, out: &mut String) {
        let ranges = self.ranges();
        match ranges[..] {
            [(only, last)] if only == last => push_byte(only, out),
            // No byte at all: a class both engines know to match nothing.
            [] => out.push_str(r"[^\x00-\xff]"),
            _ => {
                out.push('[');
                for (low, high) in ranges {
                    push_byte(low, out);
                    if low != high {
                        out.push('-');
                        push_byte(high, out);
                    }
                }
                out.push(']');
            }
        }
    }
}

fn push_byte(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_') {
        out.push(char::from(byte));
    } else {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}
