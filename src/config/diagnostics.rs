//! What is wrong with a configuration: every mistake of every file, each with its place and what to write instead.
//!
//! Readers never stop at the first mistake. They note it here and go on, so that one run shows all of them.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a source file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index into [`Diagnostics`]' files.
    pub file: u16,
    pub line: u32,
    pub column: u32,
    /// How many characters the mark underlines, at least one.
    pub width: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Warning,
    Error,
}

/// One mistake or one thing to know.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// What was expected or what to write instead.
    pub help: Option<String>,
}

/// Characters of one message.
const LONGEST: usize = 500;
/// So many are shown; whoever has more has another problem.
const MOST: usize = 200;
/// Among so many a repetition is looked for.
const TOLD: usize = 1_000;

struct Source {
    path: PathBuf,
    lines: Vec<String>,
}

/// The mistakes found so far, and the texts they are shown in.
#[derive(Default)]
pub struct Diagnostics {
    sources: Vec<Source>,
    list: Vec<Diagnostic>,
    /// What came out of `${…}`: never shown, whatever a message quotes.
    hidden: Vec<String>,
    /// Files that were read for the sake of one value.
    read: Vec<PathBuf>,
}

impl Diagnostics {
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a file known, so that spans can point into it.
    pub fn add_source(&mut self, path: &Path, text: &str) -> u16 {
        let file = u16::try_from(self.sources.len()).unwrap_or(u16::MAX);
        self.sources.push(Source { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() });
        file
    }

    /// Notes that the configuration consists of this file as well.
    pub fn add_read(&mut self, path: &Path) {
        self.read.push(path.to_owned());
    }

    /// Every file the configuration was read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|source| &source.path).chain(&self.read).map(PathBuf::as_path)
    }

    /// The texts that places point into, in the order in which they were read.
    pub fn sources(&self) -> impl Iterator<Item = (&Path, &[String])> {
        self.sources.iter().map(|source| (source.path.as_path(), source.lines.as_slice()))
    }

    /// From now on this text is not shown in any message.
    pub fn hide(&mut self, secret: &str) {
        if !secret.trim().is_empty() && !self.hidden.iter().any(|h| h == secret) {
            self.hidden.push(secret.to_owned());
            // The longest first, so that a part of a secret does not spoil the whole.
            self.hidden.sort_by_key(|h| std::cmp::Reverse(h.len()));
        }
    }

    pub fn path_of(&self, span: Span) -> Option<&Path> {
        self.sources.get(usize::from(span.file)).map(|s| s.path.as_path())
    }

    /// `file:line` of a place, for messages at run time.
    pub fn place(&self, span: Span) -> String {
        match self.path_of(span) {
            Some(path) => format!("{}:{}", path.display(), span.line),
            None => format!("line {}", span.line),
        }
    }

    /// The line a place is on.
    pub fn line(&self, span: Span) -> Option<&str> {
        let lines = &self.sources.get(usize::from(span.file))?.lines;
        lines.get((span.line as usize).checked_sub(1)?).map(String::as_str)
    }

    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, Some(span), message.into())
    }

    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, Some(span), message.into())
    }

    /// An error that belongs to no line, such as a file that cannot be read.
    pub fn error_nowhere(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, None, message.into())
    }

    fn push(&mut self, severity: Severity, span: Option<Span>, message: String) -> &mut Diagnostic {
        let message = self.shown(message);
        // What a block inherits is looked at in every block; a mistake is told once.
        let same = |d: &Diagnostic| d.span == span && d.message == message;
        // Beyond what anybody reads, only the number counts.
        let recent = self.list.len().min(TOLD);
        let index = self.list[..recent].iter().position(same).unwrap_or(self.list.len());
        if index == self.list.len() {
            self.list.push(Diagnostic { severity, span, message, help: None });
        } else {
            self.list[index].help = None;
        }
        &mut self.list[index]
    }

    /// A message without secrets, and not longer than anybody reads.
    fn shown(&self, message: String) -> String {
        let message = self.hidden.iter().fold(message, |text, secret| text.replace(secret, "***"));
        // What a terminal would obey is not passed on to it.
        let message = message.replace(|c: char| c.is_control(), " ");
        match message.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{} …", &message[..end]),
            None => message,
        }
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    /// Each with its severity, in one text of several lines, for the error log.
    pub fn each(&self) -> impl Iterator<Item = (Severity, String)> {
        struct One<'d>(&'d Diagnostics, &'d Diagnostic);
        impl fmt::Display for One<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_one(self.1, f)
            }
        }
        self.list.iter().take(MOST).map(|d| (d.severity, One(self, d).to_string()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// So many mistakes that another hint helps nobody.
    pub fn is_flooded(&self) -> bool {
        self.list.len() >= TOLD
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many errors and warnings there are.
    pub fn count(&self) -> (usize, usize) {
        let errors = self.list.iter().filter(|d| d.severity == Severity::Error).count();
        (errors, self.list.len() - errors)
    }

    /// Orders what was found by its place; what has none comes first.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|d| d.span.map(|s| (s.file, s.line, s.column)));
    }

    fn write_one(&self, d: &Diagnostic, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match d.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let source = d.span.and_then(|s| Some((s, self.sources.get(usize::from(s.file))?)));
        let Some((span, source)) = source else {
            writeln!(f, "{severity}: {}", d.message)?;
            return d.help.iter().try_for_each(|help| writeln!(f, "    {help}"));
        };
        let path = source.path.display();
        writeln!(f, "{path}:{}:{}: {severity}: {}", span.line, span.column, d.message)?;
        if let Some(line) = source.lines.get(span.line.saturating_sub(1) as usize) {
            write_marked(line, span, f)?;
        }
        d.help.iter().try_for_each(|help| writeln!(f, "       = {help}"))
    }
}

/// The line with a mark below it. A long line is cut around the mark.
fn write_marked(line: &str, span: Span, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SHOWN: usize = 120;
    let column = span.column.saturating_sub(1) as usize;
    let from = if line.chars().count() <= SHOWN { 0 } else { column.saturating_sub(SHOWN / 2) };
    let shown: String = line.chars().skip(from).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let left = shown.chars().count().saturating_sub(column - from).max(1);
    let marks = "^".repeat((span.width.max(1) as usize).min(left));
    writeln!(f, "{:6} | {shown}", span.line)?;
    writeln!(f, "       | {}{marks}", " ".repeat(column - from))
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.iter().take(MOST).try_for_each(|d| self.write_one(d, f))?;
        match self.list.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => writeln!(f, "… and {more} more"),
        }
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Diagnostic {
    /// Adds what was expected, or what to write instead.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = Some(match self.help.take() {
            Some(before) => format!("{before}\n       = {}", text.into()),
            None => text.into(),
        });
        self
    }

    /// Adds a "did you mean" if one of the `known` words is near the `written` one.
    pub fn did_you_mean<'a>(&mut self, written: &str, known: impl IntoIterator<Item = &'a str>) -> &mut Self {
        match nearest(written, known) {
            Some(word) => self.help(format!("did you mean `{word}`?")),
            None => self,
        }
    }
}

/// What went wrong with a file, without the system's number for it.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The same with the number before it, as nginx prints it: `2: No such file or directory`.
pub fn numbered(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{number}: {}", plain(error)),
        None => plain(error),
    }
}

/// The known word that looks most like the written one, if one looks like it at all.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody means a short word by a long one, and comparing takes its time.
    let comparable = written.len() <= 64;
    known
        .into_iter()
        .filter(|_| comparable)
        .map(|word| (strsim::jaro_winkler(&written.to_lowercase(), word), word))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_with_its_line_a_mark_and_a_hint() {
        let mut diagnostics = Diagnostics::new();
        let file = diagnostics.add_source(Path::new("edge.yaml"), "server:\n  lisen: 80\n");
        diagnostics
            .error(Span { file, line: 2, column: 3, width: 5 }, "unknown key `lisen`")
            .did_you_mean("lisen", ["listen", "location"]);
        assert_eq!(
            diagnostics.to_string(),
            "edge.yaml:2:3: error: unknown key `lisen`\n     2 |   lisen: 80\n       |   ^^^^^\n       = did you mean `listen`?\n"
        );
    }

    #[test]
    fn a_mark_beyond_the_end_of_a_line_does_not_panic() {
        let mut diagnostics = Diagnostics::new();
        let file = diagnostics.add_source(Path::new("x"), "short");
        diagnostics.error(Span { file, line: 1, column: 400, width: 9 }, "late");
        diagnostics.error(Span { file: 7, line: 9, column: 0, width: 0 }, "no such file");
        assert!(diagnostics.to_string().contains("late"));
    }
}
