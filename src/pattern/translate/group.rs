//! Groups: captures, branches, look-arounds, conditions and options, and what of PCRE's many others is refused.
//!
//! Flags set inside of a group end with it; a condition always has two branches, as PCRE takes a missing one for empty.

use super::{DEPTH_LIMIT, Flags, Group, Step, Translator, parse_number};
use crate::pattern::PatternError;

impl Translator<'_> {
    pub(super) fn group(&mut self) -> Step {
        if self.take("*") {
            let verb = String::from_utf8_lossy(self.until(b')')?).into_owned();
            return Err(self.unsupported(&format!("(*{verb})")));
        }
        if !self.take("?") {
            let capturing = !self.flags.no_capture;
            return if capturing { self.open_capture(None) } else { self.open("(?:") };
        }
        if self.take("#") {
            return self.until(b')').map(|_| ());
        }
        for (mark, text) in [(":", "(?:"), (">", "(?>"), ("=", "(?="), ("!", "(?!"), ("<=", "(?<="), ("<!", "(?<!")] {
            if self.take(mark) {
                self.out.backtracks |= text != "(?:";
                return self.open(text);
            }
        }
        for (mark, end) in [("P<", b'>'), ("<", b'>'), ("'", b'\'')] {
            if self.take(mark) {
                let name = self.name(end)?;
                return self.open_capture(Some(name));
            }
        }
        if self.take("P=") {
            let name = self.name(b')')?;
            return self.named_reference(&name);
        }
        if self.take("(") {
            return self.condition();
        }
        match self.rest().first() {
            Some(b'|') => Err(self.unsupported("branch reset (?|")),
            Some(b'C') => Err(self.unsupported("a callout (?C)")),
            Some(b'R' | b'&' | b'P' | b'+' | b'0'..=b'9') => Err(self.unsupported("recursion")),
            Some(b'-') if self.rest().get(1).is_some_and(u8::is_ascii_digit) => Err(self.unsupported("recursion")),
            _ => self.options(),
        }
    }

    fn open(&mut self, text: &str) -> Step {
        if self.open.len() == DEPTH_LIMIT {
            return Err(self.error("groups are nested too deeply"));
        }
        let looks_around = matches!(text, "(?=" | "(?!" | "(?<=" | "(?<!");
        self.open.push(Group { flags: self.flags, start: self.out.text.len(), looks_around, branches: None });
        self.item = None;
        self.out.text.push_str(if self.is_outline() && text != "(" { "(?:" } else { text });
        Ok(())
    }

    fn open_capture(&mut self, name: Option<String>) -> Step {
        self.out.groups += 1;
        if let Some(name) = name {
            if self.out.names.iter().any(|(other, _)| *other == name) {
                return Err(self.error(format!("two groups have the name {name:?}")));
            }
            self.out.names.push((name, self.out.groups));
        }
        self.open("(")
    }

    pub(super) fn branch(&mut self) -> Step {
        self.item = None;
        self.out.text.push('|');
        if !self.is_outline() && self.open.last().is_some_and(|group| group.branches.is_some()) {
            self.out.text.push_str("(?=)");
        }
        match self.open.last_mut().and_then(|group| group.branches.as_mut()) {
            Some(2..) => Err(PatternError::new("a condition has more than two branches", self.at - 1)),
            Some(branches) => {
                *branches += 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn close(&mut self) -> Step {
        let Some(group) = self.open.pop() else {
            return Err(PatternError::new("unmatched closing parenthesis", self.at - 1));
        };
        self.flags = group.flags;
        // PCRE repeats a look-around once or not at all; the engines cannot, and nobody writes it.
        self.item = Some(group.start).filter(|_| !group.looks_around);
        // Without a second branch PCRE takes nothing and goes on; the engine would fail.
        self.out.text.push_str(match group.branches {
            Some(1) if self.is_outline() => "|)",
            Some(1) => "|(?=))",
            _ => ")",
        });
        if group.looks_around && self.is_outline() {
            self.out.text.truncate(group.start);
        }
        Ok(())
    }

    fn name(&mut self, end: u8) -> Result<String, PatternError> {
        let name = self.until(end)?;
        let legal = name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if name.is_empty() || name.len() > 32 || !legal || name[0].is_ascii_digit() {
            return Err(self.error("a group's name is 1 to 32 letters, digits and _, not beginning with a digit"));
        }
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    pub(super) fn named(&self, name: &str) -> Result<usize, PatternError> {
        let found = self.out.names.iter().find(|(other, _)| other == name);
        found
            .map(|(_, group)| *group)
            .ok_or_else(|| self.error(format!("no group named {name:?} before this reference")))
    }

    fn named_reference(&mut self, name: &str) -> Step {
        let group = self.named(name)?;
        self.reference(group);
        Ok(())
    }

    /// `(?(1)…)`, `(?(<name>)…)`, `(?('name')…)`, after the second parenthesis.
    fn condition(&mut self) -> Step {
        let text = self.until(b')')?;
        let group = match text {
            [b'<', name @ .., b'>'] | [b'\'', name @ .., b'\''] => self.named(&String::from_utf8_lossy(name))?,
            _ => parse_number(text).ok_or_else(|| self.unsupported("a condition other than on a group"))?,
        };
        self.references.push((group, self.at));
        self.out.backtracks = true;
        // The empty look-aheads keep an empty branch from being simplified into a failing one.
        self.open(&format!("(?({group})(?=)"))?;
        if let Some(group) = self.open.last_mut() {
            group.branches = Some(1);
        }
        Ok(())
    }

    /// `(?i)`, `(?s-x:…)`, `(?^)`.
    fn options(&mut self) -> Step {
        let around = self.flags;
        let mut on = true;
        loop {
            let Some(byte) = self.next() else {
                return Err(self.error("missing closing parenthesis"));
            };
            let flags = &mut self.flags;
            match byte {
                b'^' => *flags = Flags { ungreedy: flags.ungreedy, ..Flags::default() },
                b'-' => on = false,
                b'i' => flags.caseless = on,
                b'm' => flags.multiline = on,
                b's' => flags.dot_all = on,
                b'x' => flags.extended = on,
                b'U' => flags.ungreedy = on,
                b'n' => flags.no_capture = on,
                b')' => {
                    self.item = None;
                    return Ok(());
                }
                b':' => {
                    let inside = self.flags;
                    self.flags = around;
                    self.open("(?:")?;
                    self.flags = inside;
                    return Ok(());
                }
                _ => return Err(PatternError::new("unrecognized character after (?", self.at - 1)),
            }
        }
    }
}
