//! Directives and blocks, with `include` followed and comments kept.
//!
//! Nothing is known here of what a directive means, but for two: `include` is replaced by what the files hold, and the
//! body of a `*_by_lua_block` is kept as it stands. Blocks are kept on a stack of their own, not on the thread's.

use super::lexer::{Kind, Lexer, Mistake, Token};
use super::shown;
use crate::config::{Arg, Diagnostics, Span};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

// The same reader of patterns that `include:` of edge.yaml uses.
#[path = "../config/glob.rs"]
mod glob;

/// Blocks nested deeper were not written by a person.
const MAX_DEPTH: usize = 64;
/// Files that include files.
const MAX_OPEN: usize = 32;
const MAX_FILES: usize = 1_000;
/// All files together.
const MAX_BYTES: u64 = 16 << 20;
const MAX_DIRECTIVES: usize = 500_000;
/// After so many mistakes of syntax the file is something else than a configuration.
const MAX_MISTAKES: usize = 20;

/// What stands between braces, or in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub directives: Vec<Directive>,
    /// The comments after the last directive.
    pub comments: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Directive {
    pub name: Arg,
    pub args: Vec<Arg>,
    pub body: Body,
    /// The comments on the lines before it, without the `#`.
    pub comments: Vec<String>,
    /// The comment on the line on which it ends, or on which its block opens.
    pub remark: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// It ended with `;`.
    None,
    Block(Block),
    /// The code of a `*_by_lua_block`.
    Lua(Arg),
}

/// Reads a file and everything it includes. `None`: it cannot be read, or what belongs to which block is not clear.
pub fn load(path: &Path, diagnostics: &mut Diagnostics) -> Option<Block> {
    let mut files = Files::new(path, diagnostics);
    let conf = files.file(path, None, 0)?;
    (!files.broken).then_some(conf)
}

/// Reads a text that stands for the file `path`.
pub fn parse(path: &Path, text: &str, diagnostics: &mut Diagnostics) -> Option<Block> {
    let mut files = Files::new(path, diagnostics);
    files.open.push(path.to_owned());
    let conf = files.text(path, text, 0)?;
    (!files.broken).then_some(conf)
}

/// The files that are being read, and what they may still cost.
struct Files<'d> {
    diagnostics: &'d mut Diagnostics,
    /// What includes are relative to: the directory of the first file, as nginx has it.
    prefix: PathBuf,
    /// The files that are being read, the outermost first.
    open: Vec<PathBuf>,
    read: usize,
    bytes_left: u64,
    directives: usize,
    mistakes: usize,
    /// The nesting of blocks is not what was meant.
    broken: bool,
}

impl<'d> Files<'d> {
    fn new(path: &Path, diagnostics: &'d mut Diagnostics) -> Files<'d> {
        Files {
            diagnostics,
            prefix: path.parent().unwrap_or(Path::new("")).to_owned(),
            open: Vec::new(),
            read: 0,
            bytes_left: MAX_BYTES,
            directives: 0,
            mistakes: 0,
            broken: false,
        }
    }

    /// `from`: the `include` that names it.
    fn file(&mut self, path: &Path, from: Option<Span>, depth: usize) -> Option<Block> {
        let bytes = match self.read(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                match from {
                    Some(span) => self.diagnostics.error(span, why),
                    None => self.diagnostics.error_nowhere(why),
                };
                return None;
            }
        };
        self.open.push(path.to_owned());
        let conf = self.text(path, &String::from_utf8_lossy(&bytes), depth);
        self.open.pop();
        conf
    }

    fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        self.read += 1;
        let failed = |e: io::Error| format!("open() \"{}\" failed ({})", path.display(), reason(&e));
        // A pipe would be waited for, a device read without end.
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            return Err(failed(io::Error::from_raw_os_error(libc::EISDIR)));
        }
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(format!("\"{}\" is not a file", path.display()));
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(self.bytes_left + 1).read_to_end(&mut bytes).map_err(failed)?;
        let size = bytes.len() as u64;
        if size > self.bytes_left {
            return Err(format!("\"{}\": the configuration is larger than {} MB", path.display(), MAX_BYTES >> 20));
        }
        self.bytes_left -= size;
        Ok(bytes)
    }

    fn text(&mut self, path: &Path, text: &str, depth: usize) -> Option<Block> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = self.diagnostics.add_source(path, text);
        let nowhere = Span { file, line: 1, column: 1, width: 1 };
        if text.contains('\0') {
            self.broken = true;
            self.diagnostics.error(nowhere, "this is not a text file: it holds zero bytes");
            return None;
        }
        let mut lexer = Lexer::new(file, text);
        let mut reader = Reader { files: self, depth, stack: vec![Open::default()], words: Vec::new(), ended: None };
        loop {
            match reader.step(&mut lexer) {
                Step::On => {}
                Step::Done => return reader.finish(),
                Step::Stop => {
                    self.broken = true;
                    return None;
                }
            }
        }
    }

    fn note(&mut self, mistake: Mistake) -> Step {
        let noted = self.diagnostics.error(mistake.span, mistake.message);
        if let Some(help) = mistake.help {
            noted.help(help);
        }
        self.mistakes += 1;
        if mistake.fatal {
            return Step::Stop;
        }
        if self.mistakes >= MAX_MISTAKES {
            self.diagnostics.error(mistake.span, "too many mistakes of syntax: the rest is not read");
            return Step::Stop;
        }
        Step::On
    }

    /// What the files hold that an `include` names.
    fn include(&mut self, directive: &Directive, depth: usize) -> Vec<Block> {
        let span = directive.name.span;
        let [pattern] = directive.args.as_slice() else {
            self.diagnostics
                .error(span, "invalid number of arguments in \"include\" directive")
                .help("expected the path of a file, or a pattern such as `conf.d/*.conf`");
            return Vec::new();
        };
        match glob::files(&self.prefix, &pattern.text) {
            Ok(paths) => paths.iter().filter_map(|path| self.included(path, pattern.span, depth)).collect(),
            Err(why) => {
                self.diagnostics.error(pattern.span, format!("include \"{}\": {why}", shown(&pattern.text)));
                Vec::new()
            }
        }
    }

    fn included(&mut self, path: &Path, span: Span, depth: usize) -> Option<Block> {
        let problem = if self.open.iter().any(|open| same_file(open, path)) {
            Some(format!("\"{}\" includes itself", path.display()))
        } else if self.open.len() >= MAX_OPEN {
            Some(format!("more than {MAX_OPEN} files include each other"))
        } else if self.read >= MAX_FILES {
            Some(format!("more than {MAX_FILES} files are included"))
        } else {
            None
        };
        if let Some(problem) = problem {
            self.diagnostics.error(span, problem);
            return None;
        }
        self.file(path, Some(span), depth)
    }
}

/// As nginx prints it: `2: No such file or directory`.
fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match e.raw_os_error() {
        Some(code) => format!("{code}: {text}"),
        None => text.to_owned(),
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

enum Step {
    On,
    Done,
    Stop,
}

/// A block that has not closed yet.
#[derive(Default)]
struct Open {
    /// Whose block it is; the file's own block is nobody's.
    of: Option<Directive>,
    block: Block,
    /// Comments for the next directive.
    comments: Vec<String>,
}

/// What the last token ended, for the comment behind it.
#[derive(Clone, Copy)]
enum Ended {
    Directive(u32),
    Opening(u32),
}

/// Reads one file.
struct Reader<'f, 'd> {
    files: &'f mut Files<'d>,
    /// How many blocks are open in the files that include this one.
    depth: usize,
    /// The file's own block first; never empty.
    stack: Vec<Open>,
    /// The words of the directive that has not ended yet.
    words: Vec<Arg>,
    ended: Option<Ended>,
}

impl Reader<'_, '_> {
    fn step(&mut self, lexer: &mut Lexer<'_>) -> Step {
        let token = match lexer.token() {
            Ok(token) => token,
            Err(mistake) => return self.files.note(mistake),
        };
        let line = token.span.line;
        let ended = self.ended.take();
        match token.kind {
            Kind::Word { text, quoted } => return self.word(Arg { text, quoted, span: token.span }),
            Kind::Comment(text) => self.comment(text, line, ended),
            Kind::Semicolon if self.words.is_empty() => return self.mistake(token.span, "unexpected \";\"", None),
            Kind::Semicolon => return self.simple(line),
            // A block of nobody leaves open what its closing brace closes.
            Kind::Open if self.words.is_empty() => return self.fatal(token.span, "unexpected \"{\"", None),
            Kind::Open => return self.open(line, token.span, lexer),
            Kind::Close => return self.close(token.span),
            Kind::End => return self.end(&token),
        }
        Step::On
    }

    fn word(&mut self, word: Arg) -> Step {
        if word.text.contains('\u{fffd}') {
            let message = format!("\"{}\" is not UTF-8 text", shown(&word.text));
            let step = self.mistake(word.span, message, None);
            if matches!(step, Step::Stop) {
                return step;
            }
        }
        self.words.push(word);
        Step::On
    }

    fn top(&mut self) -> &mut Open {
        let last = self.stack.len() - 1; // the file's own block is never taken off
        &mut self.stack[last]
    }

    fn comment(&mut self, text: String, line: u32, ended: Option<Ended>) {
        let top = self.top();
        let owner = match ended {
            Some(Ended::Directive(at)) if at == line => top.block.directives.last_mut(),
            Some(Ended::Opening(at)) if at == line => top.of.as_mut(),
            _ => None,
        };
        match owner {
            Some(directive) => directive.remark = Some(text),
            None => top.comments.push(text),
        }
    }

    /// The directive whose words have been read, without its body. The caller has seen that there are words.
    fn directive(&mut self) -> Option<Directive> {
        let mut words = std::mem::take(&mut self.words).into_iter();
        let comments = std::mem::take(&mut self.top().comments);
        let name = words.next()?;
        Some(Directive { name, args: words.collect(), body: Body::None, comments, remark: None })
    }

    fn simple(&mut self, line: u32) -> Step {
        let Some(directive) = self.directive() else { return Step::On };
        if directive.name.text != "include" {
            self.ended = Some(Ended::Directive(line));
            return self.push(directive);
        }
        let depth = self.depth + self.stack.len() - 1;
        let blocks = self.files.include(&directive, depth);
        if self.files.broken {
            return Step::Stop;
        }
        let top = self.top();
        top.comments = directive.comments;
        for block in blocks {
            let first = top.block.directives.len();
            top.block.directives.extend(block.directives);
            if let Some(directive) = top.block.directives.get_mut(first) {
                directive.comments.splice(0..0, std::mem::take(&mut top.comments));
            }
            top.comments.extend(block.comments);
        }
        Step::On
    }

    fn push(&mut self, directive: Directive) -> Step {
        self.files.directives += 1;
        let span = directive.name.span;
        self.top().block.directives.push(directive);
        if self.files.directives > MAX_DIRECTIVES {
            return self.fatal(span, format!("the configuration has more than {MAX_DIRECTIVES} directives"), None);
        }
        Step::On
    }

    fn open(&mut self, line: u32, span: Span, lexer: &mut Lexer<'_>) -> Step {
        let Some(mut directive) = self.directive() else { return Step::On };
        if directive.name.text.ends_with("_by_lua_block") {
            match lexer.lua() {
                Ok(Token { kind: Kind::Word { text, quoted }, span }) => {
                    directive.body = Body::Lua(Arg { text, quoted, span });
                    return self.push(directive);
                }
                Ok(_) => return Step::On,
                Err(mistake) => return self.files.note(mistake),
            }
        }
        if self.depth + self.stack.len() > MAX_DEPTH {
            return self.fatal(span, format!("blocks are nested deeper than {MAX_DEPTH}"), None);
        }
        self.stack.push(Open { of: Some(directive), ..Open::default() });
        self.ended = Some(Ended::Opening(line));
        Step::On
    }

    fn close(&mut self, span: Span) -> Step {
        if let Some(name) = self.words.first().map(|word| word.text.clone()) {
            let help = format!("directive \"{}\" is not terminated by \";\"", shown(&name));
            let step = self.mistake(span, "unexpected \"}\"", Some(help));
            self.words.clear();
            if matches!(step, Step::Stop) {
                return step;
            }
        }
        let closed = match self.stack.len() {
            0 | 1 => None,
            _ => self.stack.pop(),
        };
        let Some(Open { of: Some(mut directive), mut block, comments }) = closed else {
            self.files.broken = true;
            return self.mistake(span, "unexpected \"}\"", Some("no block is open here".into()));
        };
        block.comments = comments;
        directive.body = Body::Block(block);
        self.push(directive)
    }

    fn end(&mut self, token: &Token) -> Step {
        if let Some(word) = self.words.first() {
            let help = format!("directive \"{}\" is not terminated by \";\"", shown(&word.text));
            return self.fatal(token.span, "unexpected end of file, expecting \";\" or \"}\"", Some(help));
        }
        let Some(open) = self.top().of.as_ref().map(|of| of.name.clone()) else {
            return Step::Done;
        };
        let place = self.files.diagnostics.place(open.span);
        let help = format!("the block of \"{}\" that begins at {place} does not end", shown(&open.text));
        self.fatal(token.span, "unexpected end of file, expecting \"}\"", Some(help))
    }

    fn finish(mut self) -> Option<Block> {
        let Open { mut block, comments, .. } = self.stack.pop()?;
        block.comments = comments;
        Some(block)
    }

    fn mistake(&mut self, span: Span, message: impl Into<String>, help: Option<String>) -> Step {
        self.files.note(Mistake { span, message: message.into(), help, fatal: false })
    }

    fn fatal(&mut self, span: Span, message: impl Into<String>, help: Option<String>) -> Step {
        self.files.note(Mistake { span, message: message.into(), help, fatal: true })
    }
}
