//! From PCRE's language into the one that both engines agree on.
//!
//! One pass over the pattern: every item is read by PCRE's rules and written as what it comes to. A class or a letter
//! that ignores case becomes a set of bytes ([`class`]), an escape what it stands for ([`escape`]), a group one of the
//! engines' groups or a refusal by name ([`group`]); this file reads the rest and writes it all.
//!
//! Always: what is written has the pattern's groups in the pattern's order; a mistake is told with its place.

use super::PatternError;
use super::set::Set;

mod class;
mod escape;
mod group;

/// How deep groups may nest: PCRE's own limit.
const DEPTH_LIMIT: usize = 250;

/// A pattern in the engines' common language.
#[derive(Default)]
pub(super) struct Translation {
    pub text: String,
    pub groups: usize,
    pub names: Vec<(String, usize)>,
    pub backtracks: bool,
    /// There is a `$`, which a final newline makes ambiguous.
    pub dollar: bool,
}

/// What a translation is for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Purpose {
    /// Subjects without a final newline: `$` is the end proper.
    Plain,
    /// All subjects: `$` is PCRE's.
    Exact,
    /// A linear pattern that begins a match wherever the true one does, and elsewhere too: what only backtracking can
    /// tell is left out.
    Outline,
}

/// PCRE's option letters.
#[derive(Clone, Copy, Default)]
struct Flags {
    caseless: bool,
    multiline: bool,
    dot_all: bool,
    extended: bool,
    ungreedy: bool,
    no_capture: bool,
}

/// A group that is not closed yet.
struct Group {
    /// The flags around it.
    flags: Flags,
    /// Where its text begins.
    start: usize,
    looks_around: bool,
    /// In a condition: how many branches have begun.
    branches: Option<usize>,
}

pub(super) struct Translator<'p> {
    pattern: &'p [u8],
    at: usize,
    flags: Flags,
    open: Vec<Group>,
    /// Where the text of the item begins that a quantifier would repeat.
    item: Option<usize>,
    /// References back, to be checked when all groups are known.
    references: Vec<(usize, usize)>,
    purpose: Purpose,
    out: Translation,
}

type Step = Result<(), PatternError>;

impl<'p> Translator<'p> {
    pub(super) fn new(pattern: &'p [u8], caseless: bool, purpose: Purpose) -> Translator<'p> {
        Translator {
            pattern,
            at: 0,
            flags: Flags { caseless, ..Flags::default() },
            open: Vec::new(),
            item: None,
            references: Vec::new(),
            purpose,
            out: Translation::default(),
        }
    }

    pub(super) fn translate(mut self) -> Result<Translation, PatternError> {
        while let Some(byte) = self.next() {
            self.step(byte)?;
        }
        if !self.open.is_empty() {
            return Err(self.error("missing closing parenthesis"));
        }
        if let Some((_, offset)) = self.references.iter().find(|(group, _)| *group > self.out.groups) {
            return Err(PatternError::new("reference to a group that does not exist", *offset));
        }
        Ok(self.out)
    }

    fn step(&mut self, byte: u8) -> Step {
        match byte {
            b'\\' => return self.escape(),
            b'[' => return self.class(),
            b'(' => return self.group(),
            b')' => return self.close(),
            b'*' | b'+' | b'?' => return self.repeat(byte),
            b'{' => match self.braces()? {
                Some(count) => return self.quantify(&count),
                None => self.literal(b'{'),
            },
            b'|' => return self.branch(),
            b'.' if self.flags.dot_all => self.set(&Set::ALL),
            b'.' => self.set(&Set::of(b"\n").negated()),
            b'^' if self.flags.multiline => {
                self.backtracking(r"(?:\A|(?<=\n)(?!\z))", "(?m:^)");
                self.item = None;
            }
            b'^' => self.assertion(r"\A"),
            b'$' if self.flags.multiline => self.assertion(r"(?m:$)"),
            b'$' => self.end(),
            b'#' if self.flags.extended => while self.next().is_some_and(|b| b != b'\n') {},
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' if self.flags.extended => {}
            _ => self.literal(byte),
        }
        Ok(())
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.pattern.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn rest(&self) -> &'p [u8] {
        &self.pattern[self.at..]
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text.as_bytes());
        if found {
            self.at += text.len();
        }
        found
    }

    /// The bytes up to a mark, which is passed over.
    fn until(&mut self, mark: u8) -> Result<&'p [u8], PatternError> {
        let rest = self.rest();
        let Some(length) = rest.iter().position(|b| *b == mark) else {
            return Err(self.error(format!("missing {:?}", char::from(mark))));
        };
        self.at += length + 1;
        Ok(&rest[..length])
    }

    fn error(&self, message: impl Into<String>) -> PatternError {
        PatternError::new(message, self.at)
    }

    fn unsupported(&self, what: &str) -> PatternError {
        self.error(format!("{what} is not supported"))
    }

    // What is written.

    /// Begins an item that can be repeated.
    fn begin(&mut self) {
        self.item = Some(self.out.text.len());
    }

    fn literal(&mut self, byte: u8) {
        self.begin();
        let mut set = Set::of(&[byte]);
        if self.flags.caseless {
            set.fold();
        }
        set.write(&mut self.out.text);
    }

    fn set(&mut self, set: &Set) {
        self.begin();
        set.write(&mut self.out.text);
    }

    /// Something without width, which PCRE does not let anyone repeat.
    fn assertion(&mut self, text: &str) {
        self.item = None;
        self.out.text.push_str(text);
    }

    /// Something that only backtracking can tell, and what stands for it in an outline.
    fn backtracking(&mut self, text: &str, outline: &str) {
        self.out.backtracks = true;
        self.begin();
        self.out.text.push_str(if self.is_outline() { outline } else { text });
    }

    fn is_outline(&self) -> bool {
        self.purpose == Purpose::Outline
    }

    fn keep_out(&mut self) -> Step {
        if self.open.iter().any(|group| group.looks_around) {
            return Err(self.error("\\K is not allowed in a look-around"));
        }
        self.backtracking(r"\K", "");
        self.item = None;
        Ok(())
    }

    fn end(&mut self) {
        self.out.dollar = true;
        match self.purpose {
            Purpose::Plain => self.assertion(r"\z"),
            Purpose::Exact => self.backtracking(r"(?=\n?\z)", ""),
            Purpose::Outline => self.assertion("(?m:$)"),
        }
        self.item = None;
    }

    fn reference(&mut self, group: usize) {
        self.references.push((group, self.at));
        let flag = if self.flags.caseless { "i" } else { "" };
        self.backtracking(&format!(r"(?{flag}:\{group})"), r"[\x00-\xff]*");
    }

    // Quantifiers.

    fn repeat(&mut self, byte: u8) -> Step {
        self.quantify(match byte {
            b'*' => "*",
            b'+' => "+",
            _ => "?",
        })
    }

    /// `{n}`, `{n,}` or `{n,m}` after its opening brace; anything else leaves the brace a literal.
    fn braces(&mut self) -> Result<Option<String>, PatternError> {
        let rest = self.rest();
        let Some(length) = rest.iter().position(|b| *b == b'}') else {
            return Ok(None);
        };
        let inside = &rest[..length];
        let mut numbers = inside.splitn(2, |b| *b == b',');
        let low = numbers.next().unwrap_or_default();
        let high = numbers.next();
        let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
        if low.is_empty() || !digits(low) || !digits(high.unwrap_or_default()) {
            return Ok(None);
        }
        let number = |text: &[u8]| {
            let number = text.iter().try_fold(0u32, |sum, b| sum.checked_mul(10)?.checked_add(u32::from(b - b'0')));
            number.filter(|n| *n <= 65535).ok_or_else(|| self.error("number too big in a {} quantifier"))
        };
        let least = number(low)?;
        let text = match high {
            None => format!("{{{least}}}"),
            Some([]) => format!("{{{least},}}"),
            Some(high) => {
                let most = number(high)?;
                if most < least {
                    return Err(self.error("numbers out of order in a {} quantifier"));
                }
                format!("{{{least},{most}}}")
            }
        };
        self.at += length + 1;
        Ok(Some(text))
    }

    fn quantify(&mut self, count: &str) -> Step {
        let Some(item) = self.item.take() else {
            return Err(PatternError::new(
                "a quantifier follows nothing that can be repeated",
                self.at.saturating_sub(1),
            ));
        };
        // Wrapped, so that what was a quantified or empty-width item is one item to both engines.
        self.out.text.insert_str(item, "(?:");
        self.out.text.push(')');
        self.out.text.push_str(count);
        if self.take("+") {
            self.out.backtracks = true;
            self.out.text.insert_str(item, if self.is_outline() { "(?:" } else { "(?>" });
            self.out.text.push(')');
        } else if self.take("?") != self.flags.ungreedy {
            self.out.text.push('?');
        }
        Ok(())
    }
}

fn parse_number(digits: &[u8]) -> Option<usize> {
    let legal = !digits.is_empty() && digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit);
    legal.then(|| digits.iter().fold(0, |sum, b| sum * 10 + usize::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use crate::pattern::Pattern;

    #[test]
    fn what_is_no_pattern_is_refused_with_its_place() {
        for (text, offset) in [
            ("(", Some(1)),
            ("a)", Some(1)),
            ("*a", Some(0)),
            ("a**", Some(2)),
            ("^*", Some(1)),
            ("(?=a)*", Some(5)),
            ("a{3,1}", Some(2)),
            ("a{65536}", Some(2)),
            ("[a", Some(2)),
            ("[b-a]", Some(4)),
            ("[\\w-a]", Some(3)),
            ("[[:alhpa:]]", Some(2)),
            ("\\", Some(0)),
            ("\\y", Some(1)),
            ("\\1", Some(2)),
            ("\\x{zz}", Some(6)),
            ("\\x{e4bd}", Some(8)),
            ("(?<1>a)", Some(5)),
            ("(?<a>a)(?<a>b)", Some(12)),
            ("(?(1)a|b|c)(d)", Some(8)),
            ("(?=\\K)", Some(5)),
        ] {
            assert_eq!(Pattern::compile(text, false).map_err(|error| error.offset), Err(offset), "{text}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (text, what) in [
            ("(*UTF8)a", "(*UTF8)"),
            ("\\p{L}", "Unicode property"),
            ("\\X", "Unicode property"),
            ("(?R)", "recursion"),
            ("(?1)(a)", "recursion"),
            ("\\g<1>(a)", "subroutine"),
            ("(?|a|b)", "branch reset"),
            ("(?C)", "callout"),
            ("(?(?=a)b)", "condition"),
            ("\\N{U+E4}", "\\N{}"),
        ] {
            let message = Pattern::compile(text, false).unwrap_err().message;
            assert!(message.contains(what) && message.contains("not supported"), "{text}: {message}");
        }
    }
}
