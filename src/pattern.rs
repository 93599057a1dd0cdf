//! Regular expressions as people write them in nginx.conf: PCRE's language over bytes.
//!
//! A pattern is read once, here, by PCRE's rules and written out in the small language that both engines below agree on:
//! classes become sets of bytes, flags are resolved, odd brackets and useless escapes become literals. What comes out runs
//! on `regex` (linear time) if it can and on `fancy_regex` (backtracking, limited) only where the pattern looks around,
//! refers back, is atomic or possessive, or branches on a group.
//!
//! Always: bytes are bytes (no UTF-8 mode, case folds ASCII only); a pattern either means what it means to PCRE or does
//! not compile (but for one thing: a group repeated until it took nothing, `(a|)*`, keeps what it took before that); a
//! search takes bounded time. `$` is PCRE's: the end, or before a final newline, and a decoded path can end in one. As
//! nobody sends such paths, `$` is compiled as the end proper, and a second program with the whole truth is kept from the
//! first subject with a final newline on.
//!
//! Not supported, and refused by name: UTF mode and Unicode properties (`(*UTF8)`, `\p`, `\X`), recursion and subroutines
//! (`(?R)`, `(?1)`, `\g<1>`), branch reset `(?|`, callouts, verbs `(*…)`, named references before their group,
//! conditions other than on a group, quantifiers on look-arounds.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// How often a backtracking search may turn back. PCRE allows ten million, which is seconds; legitimate patterns on a
/// path or a header need some hundreds.
const BACKTRACK_LIMIT: usize = 100_000;

/// How deep groups may nest: PCRE's own limit.
const DEPTH_LIMIT: usize = 250;

/// A compiled pattern; cheap to clone.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    source: String,
    case_insensitive: bool,
    /// The pattern in the engines' language, `$` as the end proper.
    text: String,
    engine: Engine,
    groups: usize,
    names: Vec<(String, usize)>,
    /// The pattern has a `$`, which a final newline makes ambiguous.
    dollar: bool,
    /// For subjects with a final newline; made when one comes, as next to none does.
    exact: OnceLock<Option<Engine>>,
    exhausted: AtomicU64,
}

enum Engine {
    Linear(regex::bytes::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

/// Why a pattern does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    pub message: String,
    /// Where in the pattern, in bytes, if known.
    pub offset: Option<usize>,
}

impl PatternError {
    fn new(message: impl Into<String>, offset: impl Into<Option<usize>>) -> PatternError {
        PatternError { message: message.into(), offset: offset.into() }
    }
}

/// What the groups of a match took, as ranges in the subject; group 0 is the whole match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures(Vec<Option<(u32, u32)>>);

impl Captures {
    /// The range of a group that took part.
    pub fn get(&self, group: usize) -> Option<(usize, usize)> {
        self.0.get(group).copied().flatten().map(|(start, end)| (start as usize, end as usize))
    }

    /// What a group took of the subject that was searched: `$1` and so on.
    pub fn text<'s>(&self, group: usize, subject: &'s [u8]) -> Option<&'s [u8]> {
        let (start, end) = self.get(group)?;
        subject.get(start..end)
    }

    /// The number of groups, the whole match among them.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pattern {
    /// Compiles a pattern in PCRE's language.
    pub fn compile(text: &str, case_insensitive: bool) -> Result<Pattern, PatternError> {
        let translation = Translator::new(text.as_bytes(), case_insensitive, Dollar::End).translate()?;
        let engine = Engine::compile(&translation)?;
        if translation.dollar {
            exact_engine(text, case_insensitive)?;
        }
        Ok(Pattern(Arc::new(Inner {
            source: text.to_owned(),
            case_insensitive,
            text: translation.text,
            engine,
            groups: translation.groups,
            names: translation.names,
            dollar: translation.dollar,
            exact: OnceLock::new(),
            exhausted: AtomicU64::new(0),
        })))
    }

    /// Whether the pattern is found anywhere in the subject.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        match self.engine(subject) {
            Engine::Linear(regex) => regex.is_match(subject),
            Engine::Backtracking(regex) => self.counted(regex.is_match(subject)).unwrap_or(false),
        }
    }

    /// The first match and what its groups took.
    pub fn captures(&self, subject: &[u8]) -> Option<Captures> {
        u32::try_from(subject.len()).ok()?;
        let range = |start: usize, end: usize| (start as u32, end as u32);
        Some(Captures(match self.engine(subject) {
            Engine::Linear(regex) => {
                let found = regex.captures(subject)?;
                found.iter().map(|group| group.map(|g| range(g.start(), g.end()))).collect()
            }
            Engine::Backtracking(regex) => {
                let found = self.counted(regex.captures(subject)).flatten()?;
                (0..found.len()).map(|group| found.get(group).map(|g| range(g.start(), g.end()))).collect()
            }
        }))
    }

    /// Names and numbers of the named groups.
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.names.iter().map(|(name, group)| (name.as_str(), *group))
    }

    /// The number of groups, without the whole match.
    pub fn groups(&self) -> usize {
        self.0.groups
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    pub fn case_insensitive(&self) -> bool {
        self.0.case_insensitive
    }

    /// Whether it runs on the backtracking engine, whose searches are limited instead of linear.
    pub fn backtracks(&self) -> bool {
        matches!(self.0.engine, Engine::Backtracking(_))
    }

    /// How many searches were given up at the limit, and so counted as no match. For the log; nginx answers 500 there.
    pub fn exhausted(&self) -> u64 {
        self.0.exhausted.load(Ordering::Relaxed)
    }

    /// The pattern for a `regex::bytes::RegexSet` without Unicode, if it runs on the linear engine. A set of such texts
    /// says the same as the patterns one by one unless the subject ends in a newline.
    pub(crate) fn linear(&self) -> Option<&str> {
        matches!(self.0.engine, Engine::Linear(_)).then_some(self.0.text.as_str())
    }

    fn engine(&self, subject: &[u8]) -> &Engine {
        if !self.0.dollar || !subject.ends_with(b"\n") {
            return &self.0.engine;
        }
        let exact = || exact_engine(&self.0.source, self.0.case_insensitive).ok();
        // `compile` has made it once before, to know that it can be made.
        self.0.exact.get_or_init(exact).as_ref().unwrap_or(&self.0.engine)
    }

    fn counted<R>(&self, found: Result<R, fancy_regex::Error>) -> Option<R> {
        if found.is_err() {
            self.0.exhausted.fetch_add(1, Ordering::Relaxed);
        }
        found.ok()
    }
}

/// The program for subjects with a final newline.
fn exact_engine(source: &str, case_insensitive: bool) -> Result<Engine, PatternError> {
    let translator = Translator::new(source.as_bytes(), case_insensitive, Dollar::BeforeNewline);
    Engine::compile(&translator.translate()?)
}

impl Engine {
    fn compile(translation: &Translation) -> Result<Engine, PatternError> {
        if translation.backtracks {
            return fancy_regex::RegexBuilder::new(&translation.text)
                .bytes_mode(fancy_regex::BytesMode::Ascii)
                .backtrack_limit(BACKTRACK_LIMIT)
                .build()
                .map(|regex| Engine::Backtracking(Box::new(regex)))
                .map_err(|error| PatternError::new(error.to_string(), None));
        }
        let built = regex::bytes::RegexBuilder::new(&translation.text).unicode(false).build();
        built.map(Engine::Linear).map_err(|error| {
            let message = match error {
                regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
                // The last line says what is wrong; those before quote the translated text, which nobody wrote.
                other => other.to_string().lines().last().unwrap_or("invalid pattern").to_owned(),
            };
            PatternError::new(message, None)
        })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.source == other.0.source && self.0.case_insensitive == other.0.case_insensitive
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.0.case_insensitive { "i" } else { "" };
        write!(out, "/{}/{flags}", self.0.source)
    }
}

/// A pattern in the engines' common language.
#[derive(Default)]
struct Translation {
    text: String,
    groups: usize,
    names: Vec<(String, usize)>,
    backtracks: bool,
    dollar: bool,
}

/// What `$` is written as.
#[derive(Clone, Copy, PartialEq)]
enum Dollar {
    End,
    BeforeNewline,
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

struct Translator<'p> {
    pattern: &'p [u8],
    at: usize,
    flags: Flags,
    open: Vec<Group>,
    /// Where the text of the item begins that a quantifier would repeat.
    item: Option<usize>,
    /// References back, to be checked when all groups are known.
    references: Vec<(usize, usize)>,
    dollar: Dollar,
    out: Translation,
}

type Step = Result<(), PatternError>;

impl<'p> Translator<'p> {
    fn new(pattern: &'p [u8], caseless: bool, dollar: Dollar) -> Translator<'p> {
        Translator {
            pattern,
            at: 0,
            flags: Flags { caseless, ..Flags::default() },
            open: Vec::new(),
            item: None,
            references: Vec::new(),
            dollar,
            out: Translation::default(),
        }
    }

    fn translate(mut self) -> Result<Translation, PatternError> {
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
                self.backtracking(r"(?:\A|(?<=\n)(?!\z))");
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

    fn backtracking(&mut self, text: &str) {
        self.out.backtracks = true;
        self.begin();
        self.out.text.push_str(text);
    }

    fn keep_out(&mut self) -> Step {
        if self.open.iter().any(|group| group.looks_around) {
            return Err(self.error("\\K is not allowed in a look-around"));
        }
        self.backtracking(r"\K");
        self.item = None;
        Ok(())
    }

    fn end(&mut self) {
        self.out.dollar = true;
        match self.dollar {
            Dollar::End => self.assertion(r"\z"),
            Dollar::BeforeNewline => self.backtracking(r"(?=\n?\z)"),
        }
        self.item = None;
    }

    fn reference(&mut self, group: usize) {
        self.references.push((group, self.at));
        let flag = if self.flags.caseless { "i" } else { "" };
        self.backtracking(&format!(r"(?{flag}:\{group})"));
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
            self.out.text.insert_str(item, "(?>");
            self.out.text.push(')');
        } else if self.take("?") != self.flags.ungreedy {
            self.out.text.push('?');
        }
        Ok(())
    }

    // Groups.

    fn group(&mut self) -> Step {
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
        self.out.text.push_str(text);
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

    fn branch(&mut self) -> Step {
        self.item = None;
        self.out.text.push('|');
        if self.open.last().is_some_and(|group| group.branches.is_some()) {
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

    fn close(&mut self) -> Step {
        let Some(group) = self.open.pop() else {
            return Err(PatternError::new("unmatched closing parenthesis", self.at - 1));
        };
        self.flags = group.flags;
        // PCRE repeats a look-around once or not at all; the engines cannot, and nobody writes it.
        self.item = Some(group.start).filter(|_| !group.looks_around);
        // Without a second branch PCRE takes nothing and goes on; the engine would fail.
        self.out.text.push_str(if group.branches == Some(1) { "|(?=))" } else { ")" });
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

    fn named(&self, name: &str) -> Result<usize, PatternError> {
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

    // Escapes.

    fn escape(&mut self) -> Step {
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
            b'R' => self.backtracking(r"(?>\r\n|[\n\x0b\x0c\r\x85])"),
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
    fn character(&mut self, byte: u8) -> Result<u8, PatternError> {
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

    // Classes.

    fn class(&mut self) -> Step {
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

fn parse_number(digits: &[u8]) -> Option<usize> {
    let legal = !digits.is_empty() && digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit);
    legal.then(|| digits.iter().fold(0, |sum, b| sum * 10 + usize::from(b - b'0')))
}

/// A set of bytes.
#[derive(Clone, Copy)]
struct Set([u128; 2]);

impl Set {
    const NONE: Set = Set([0; 2]);
    const ALL: Set = Set([u128::MAX; 2]);

    fn of(bytes: &[u8]) -> Set {
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
    fn shorthand(letter: u8) -> Option<Set> {
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

    fn posix(name: &[u8]) -> Option<Set> {
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

    fn add(&mut self, other: &Set) {
        self.0[0] |= other.0[0];
        self.0[1] |= other.0[1];
    }

    fn add_range(&mut self, low: u8, high: u8) {
        for byte in low..=high {
            self.0[usize::from(byte >> 7)] |= 1 << (byte & 127);
        }
    }

    fn negated(&self) -> Set {
        Set(self.0.map(|half| !half))
    }

    /// Adds the other case of every letter.
    fn fold(&mut self) {
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
    fn write(&self, out: &mut String) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A pattern, whether it ignores case, whether it backtracks; subjects and what PCRE2 10.42 says of each: the range of
    /// every group, `x` for one that took no part, `-` for no match.
    type Row = (&'static str, bool, bool, &'static [(&'static [u8], &'static str)]);

    #[rustfmt::skip]
    const PATTERNS: &[Row] = &[
        (r"MSIE [1-6]\.(?!.*SV1)", true, true, &[(b"Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", "25:32"), (b"MSIE 6.0; SV1", "-")]),
        (r".*\.(jsp|action)?$", false, false, &[(b"/a/b.jsp", "0:8,5:8"), (b"/a.css", "-")]),
        (r".*\.(jsp|action)?$", false, false, &[(b"/a.", "0:3,x"), (b"/a.jsp;x=1", "-")]),
        (r".*\.(gif|jpg|jpeg|png|bmp|swf|js|css)$", false, false, &[(b"/i/a.jpeg", "0:9,5:9"), (b"/a.css/b", "-")]),
        (r"\.(gif|jpg)$", true, false, &[(b"/A.GIF", "2:6,3:6"), (b"/a.jpg\x0a", "2:6,3:6")]),
        (r"\.php$", false, false, &[(b"/index.php", "6:10"), (b"/index.php\x0a", "6:10"), (b"/index.php\x0a\x0a", "-")]),
        (r"^/(.*)$", false, false, &[(b"/a/b", "0:4,1:4"), (b"/a\x0ab", "-")]),
        (r"^(.+\.php)(/.+)$", false, false, &[(b"/a.php/info", "0:11,0:6,6:11"), (b"/a.php", "-")]),
        (r"^/user/(\d+)/?$", false, false, &[(b"/user/42/", "0:9,6:8"), (b"/user/x", "-")]),
        (r"^/([a-z]{2})(?:-([A-Z]{2}))?/|/de-AT/x", false, false, &[(b"/de/x", "0:4,1:3,x"), (b"/dex", "-")]),
        (r"\.(?:css|js)(\?.*)?$", false, false, &[(b"/a.js?v=1", "2:9,5:9"), (b"/a.jsx", "-")]),
        (r"/\.(ht|git|svn)", false, false, &[(b"/x/.git/config", "2:7,4:7"), (b"/xgit", "-")]),
        (r"^/(?!api/)(.*)$", false, true, &[(b"/app/x", "0:6,1:6"), (b"/api/x", "-")]),
        (r"^(?!/?(api|static)/).*", false, true, &[(b"/home", "0:5,x"), (b"/api/x", "-")]),
        (r"(?<!\.min)\.js$", false, true, &[(b"/a.js", "2:5"), (b"/a.min.js", "-")]),
        (r"(?<=/v)\d+", false, true, &[(b"/v12/x", "2:4"), (b"/w12", "-")]),
        (r"^/(?<lang>en|de)/(?<rest>.*)", false, false, &[(b"/de/a", "0:5,1:3,4:5"), (b"/fr/a", "-")]),
        (r"^/(?P<user>\w+)$", false, false, &[(b"/ann_1", "0:6,1:6"), (b"/a-b", "-")]),
        (r"^/(?'q'a+)\k'q'$", false, true, &[(b"/aaaa", "0:5,1:3"), (b"/aaa", "-")]),
        (r"^(www\.)?(?<domain>.+)$", false, false, &[(b"www.example.org", "0:15,0:4,4:15"), (b"example.org", "0:11,x,0:11")]),
        (r"^www\d+\.example\.org$", false, false, &[(b"www12.example.org", "0:17"), (b"www.example.org", "-")]),
        (r"~$", false, false, &[(b"/a~", "2:3"), (b"/a~b", "-")]),
        (r"\/images\/(.+)\.(png|webp)$", false, false, &[(b"/images/a.b.png", "0:15,8:11,12:15"), (b"/image/a.png", "-")]),
        (r"^\/a\-b\_c\.d$", false, false, &[(b"/a-b_c.d", "0:8"), (b"/a-b_cxd", "-")]),
        (r"^/[\w\-]+/[\w.-]+$", false, false, &[(b"/a-b/c.d-e", "0:10"), (b"/a b/c", "-")]),
        (r"^/[^/]+/[^/]+$", false, false, &[(b"/a/b", "0:4"), (b"/a/b/c", "-")]),
        (r"[[:alnum:]]+\.html", false, false, &[(b"/ab1.html", "1:9"), (b"/-.html", "-")]),
        (r"^[[:^digit:]]+$", false, false, &[(b"/abc", "0:4"), (b"/a1", "-")]),
        (r"^/[]a]+$", false, false, &[(b"/]a]", "0:4"), (b"/[", "-")]),
        (r"^/[^]a]+$", false, false, &[(b"/bc", "0:3"), (b"/b]", "-")]),
        (r"[a-]b", false, false, &[(b"-b", "0:2"), (b"cb", "-")]),
        (r"a{2}b{1,3}", false, false, &[(b"aabbbb", "0:5"), (b"ab", "-")]),
        (r"a{,2}", false, false, &[(b"a{,2}", "0:5"), (b"aa", "-")]),
        (r"{id}", false, false, &[(b"/x/{id}", "3:7"), (b"/x/id", "-")]),
        (r"a{x", false, false, &[(b"a{x", "0:3"), (b"ax", "-")]),
        (r"]", false, false, &[(b"a]", "1:2"), (b"a", "-")]),
        (r"\Qa.b\E+c", false, false, &[(b"a.bbc", "0:5"), (b"axbc", "-")]),
        (r"\Q.*", false, false, &[(b"a.*", "1:3"), (b"ab", "-")]),
        (r"^/\S+\s\S+$", false, false, &[(b"/a b", "0:4"), (b"/ab", "-")]),
        (r"\h", false, false, &[(b"a\x09", "1:2"), (b"ab", "-")]),
        (r"^a\R?b$", false, true, &[(b"a\x0d\x0ab", "0:4"), (b"ab", "0:2")]),
        (r"^\x2fa\x{2f}", false, false, &[(b"/a/", "0:3"), (b"/ab", "-")]),
        (r"\057a", false, false, &[(b"/a", "0:2"), (b"a", "-")]),
        (r"(a)\1", false, true, &[(b"aa", "0:2,0:1"), (b"ab", "-")]),
        (r"(a)(b)?\g{-2}", false, true, &[(b"aba", "0:3,0:1,1:2"), (b"abb", "-")]),
        (r"(?i)/Admin", false, false, &[(b"/ADMIN", "0:6"), (b"/adm", "-")]),
        (r"/(?i:admin)/X", false, false, &[(b"/AdMiN/X", "0:8"), (b"/AdMiN/x", "-")]),
        (r"(?x) ^ /a   # comment", false, false, &[(b"/a", "0:2"), (b"/ a", "-")]),
        (r"(?s)a.b", false, false, &[(b"a\x0ab", "0:3"), (b"ab", "-")]),
        (r"a.b", false, false, &[(b"a\x0ab", "-"), (b"axb", "0:3")]),
        (r"(?m)^b$", false, true, &[(b"a\x0ab\x0ac", "2:3"), (b"ab", "-")]),
        (r"^a++b", false, true, &[(b"aaab", "0:4"), (b"aaa", "-")]),
        (r"(?>a+)b", false, true, &[(b"aab", "0:3"), (b"aa", "-")]),
        (r"a*?b", false, false, &[(b"aab", "0:3"), (b"c", "-")]),
        (r"^(?:a|ab)(c|bcd)$", false, false, &[(b"abcd", "0:4,1:4"), (b"abc", "0:3,2:3")]),
        (r"()$", false, false, &[(b"", "0:0,0:0"), (b"a", "1:1,1:1")]),
        (r"a", false, false, &[(b"xa", "1:2"), (b"b", "-")]),
        (r"^$", false, false, &[(b"", "0:0"), (b"/", "-")]),
        (r"\bfoo\b", false, false, &[(b"/foo/", "1:4"), (b"/food", "-")]),
        (r"\.(\w{3,4})(?:$|\?)", false, false, &[(b"/a.html?x", "2:8,3:7"), (b"/a.h", "-")]),
        (r"^/a(?#comment)b", false, false, &[(b"/ab", "0:3"), (b"/a", "-")]),
        (r"\e", false, false, &[(b"\x1b", "0:1"), (b"e", "-")]),
        (r"é", false, false, &[(b"/\xc3\xa9", "1:3"), (b"/e", "-")]),
        (r"[é]+", false, false, &[(b"\xc3\xa9", "0:2"), (b"e", "-")]),
        (r"^.{2}$", false, false, &[(b"\xc3\xa9", "0:2"), (b"e", "-")]),
        (r"É", true, false, &[(b"\xc3\xa9", "-"), (b"\xc3\x89", "0:2")]),
        (r"\d{4}-\d{2}-\d{2}", false, false, &[(b"on 2024-01-31", "3:13"), (b"24-1-1", "-")]),
        (r"(bot|spider|crawl)", false, false, &[(b"a crawler", "2:7,2:7"), (b"human", "-")]),
        (r"^(?:GET|HEAD)$", false, false, &[(b"GET", "0:3"), (b"GETS", "-")]),
        (r"^/(a|b(c)?)$", false, false, &[(b"/bc", "0:3,1:3,2:3"), (b"/a", "0:2,1:2,x")]),
        (r"(a|b)*c", false, false, &[(b"abac", "0:4,2:3"), (b"d", "-")]),
        (r"^(x)?(?(1)a|b)", false, true, &[(b"b", "0:1,x"), (b"xb", "-")]),
        (r"(<)?a(?(1)>)", false, true, &[(b"<a>", "0:3,0:1"), (b"<a", "1:2,x")]),
        (r"\Ka", false, true, &[(b"ba", "1:2"), (b"c", "-")]),
        (r"foo\Kbar", false, true, &[(b"foobar", "3:6"), (b"bar", "-")]),
        (r"^/download/(.*)/media/(.*)\..*$", false, false, &[(b"/download/x/media/y.mp3", "0:23,10:11,18:19"), (b"/download/media", "-")]),
        (r"^/(?:index|home)\.(?:html?|php)$", false, false, &[(b"/index.htm", "0:10"), (b"/index.ph", "-")]),
        (r";jsessionid=([^.;]+)(?:\.(\w+))?", false, false, &[(b"/a;jsessionid=AB12.t1", "2:21,14:18,19:21"), (b"/a", "-")]),
        (r"^(.*)/app(;[^?]*)?$", false, false, &[(b"/x/app;j=1", "0:10,0:2,6:10"), (b"/x/apps", "-")]),
        (r"\.(?!php$)[^.]+$", false, true, &[(b"/a.html", "2:7"), (b"/a.php", "-")]),
        (r"(?=.*\d)(?=.*[a-z])^.{3,}$", false, true, &[(b"ab1", "0:3"), (b"abc", "-")]),
    ];

    fn shown(captures: Option<Captures>) -> String {
        let Some(captures) = captures else {
            return "-".to_owned();
        };
        let group = |group| captures.get(group).map_or("x".to_owned(), |(start, end)| format!("{start}:{end}"));
        (0..captures.len()).map(group).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn patterns_mean_what_they_mean_to_pcre() {
        assert!(PATTERNS.len() >= 60);
        for (text, caseless, backtracks, subjects) in PATTERNS {
            let pattern = Pattern::compile(text, *caseless).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(pattern.backtracks(), *backtracks, "{text}");
            for (subject, groups) in *subjects {
                assert_eq!(shown(pattern.captures(subject)), *groups, "{text} on {}", subject.escape_ascii());
                assert_eq!(pattern.is_match(subject), *groups != "-", "{text} on {}", subject.escape_ascii());
            }
        }
    }

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

    #[test]
    fn a_pattern_that_explodes_is_given_up_and_counted() {
        let pattern = Pattern::compile(r"^(?=(a+)+$)b", false).unwrap();
        let heavy = Pattern::compile(r"^(?:(a+)\1?)+$(?!b)", false).unwrap();
        assert!(!pattern.is_match(b"aaab"));
        assert!(!heavy.is_match(&[&[b'a'; 60][..], b"b"].concat()));
        assert_eq!(heavy.exhausted(), 1);
    }

    #[test]
    fn a_pattern_too_large_is_refused() {
        let error = Pattern::compile("((a{1000}){1000}){1000}", false).unwrap_err();
        assert_eq!(error.message, "the pattern is too large");
    }

    #[test]
    fn patterns_are_equal_by_text_and_flag() {
        let compile = |text, caseless| Pattern::compile(text, caseless).unwrap();
        assert_eq!(compile("a", true), compile("a", true));
        assert_ne!(compile("a", true), compile("a", false));
        assert_ne!(compile("a", false), compile("(?:a)", false));
        assert_eq!(format!("{:?}", compile(r"\.js$", true)), r"/\.js$/i");
    }

    #[test]
    fn names_come_with_their_groups() {
        let pattern = Pattern::compile("(a)(?<b>b)(?P<c>c)(?'d'd)", false).unwrap();
        assert_eq!(pattern.names().collect::<Vec<_>>(), [("b", 2), ("c", 3), ("d", 4)]);
        assert_eq!(pattern.groups(), 4);
        let captures = pattern.captures(b"xabcd").unwrap();
        assert_eq!(captures.text(2, b"xabcd"), Some(&b"b"[..]));
        assert_eq!((captures.get(0), captures.get(5)), (Some((1, 5)), None));
    }

    /// Pieces of patterns, so that many put together compile.
    fn texts() -> impl Strategy<Value = String> {
        let pieces = [
            "a", "b", ".", "(", ")", "(?:", "(?=", "(?!", "(?<=a)", "(?>", "(?<n>", "|", "*", "+?", "++", "{1,2}", "{",
            "[", "]", "[^", "-", "\\", "\\1", "\\d", "\\R", "^", "$", "\\Q", "\\E", "(?i)", "(?x)", "(?m)", "(?(1)",
            "\\K", "é", "#", " ",
        ];
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_pattern_panics(text in prop_oneof![texts(), any::<String>()], caseless: bool, subject: Vec<u8>) {
            if let Ok(pattern) = Pattern::compile(&text, caseless) {
                let captures = pattern.captures(&subject);
                prop_assert_eq!(captures.is_some(), pattern.is_match(&subject));
                prop_assert!(captures.is_none_or(|captures| captures.len() == pattern.groups() + 1));
            }
        }

        #[test]
        fn a_literal_is_found_where_a_search_finds_it(needle in "[ab/\\.é?+]{1,4}", hay in "[ab/\\.é?+]{0,12}") {
            let quoted: String = needle.chars().flat_map(|c| if c.is_ascii() { vec!['\\', c] } else { vec![c] }).collect();
            // A backslash before a letter means something else than the letter.
            let quoted = quoted.replace("\\a", "a").replace("\\b", "b");
            let found = hay.find(&needle).map(|at| (at, at + needle.len()));
            for text in [quoted, format!("\\Q{needle}\\E")] {
                let pattern = Pattern::compile(&text, false).unwrap();
                prop_assert_eq!(pattern.captures(hay.as_bytes()).and_then(|captures| captures.get(0)), found);
            }
        }

        #[test]
        fn the_end_may_stand_before_a_final_newline(subject in "[ab\n]{0,6}") {
            let plain = Pattern::compile("b$", false).unwrap().is_match(subject.as_bytes());
            let trimmed = subject.strip_suffix('\n').unwrap_or(&subject);
            prop_assert_eq!(plain, trimmed.ends_with('b') || subject.ends_with('b'));
        }
    }
}
