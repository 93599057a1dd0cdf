//! Directives and blocks, with `include` followed and comments kept.
//!
//! Nothing is known here of what a directive means, but for two: `include` is replaced by what the files hold, and the
//! body of a `*_by_lua_block` is kept as it stands. Blocks are kept on a stack of their own, not on the thread's.

use super::files::Files;
use super::lexer::{Kind, Lexer, Mistake, Token};
use super::shown;
use crate::config::{Arg, Diagnostics, Span};
use std::path::Path;

/// Blocks nested deeper were not written by a person.
const MAX_DEPTH: usize = 64;
const MAX_DIRECTIVES: usize = 500_000;
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
    let conf = files.text(path, text, 0)?;
    (!files.broken).then_some(conf)
}

/// Reads the directives of a command line (`-g`); what they include is looked for beside the file `path`.
pub fn globals(path: &Path, text: &str, diagnostics: &mut Diagnostics) -> Option<Block> {
    let mut files = Files::new(path, diagnostics);
    let block = files.text(Path::new("command line"), text, 0)?;
    (!files.broken).then_some(block)
}

/// Reads the text of one file in which `depth` blocks of other files are open. `None`: its blocks are not clear.
pub(super) fn read_text(files: &mut Files<'_>, mut lexer: Lexer<'_>, depth: usize) -> Option<Block> {
    let mut reader = Reader { files, depth, stack: vec![Open::default()], words: Vec::new(), ended: None };
    loop {
        match reader.step(&mut lexer) {
            Step::On => {}
            Step::Done => return reader.finish(),
            Step::Stop => return None,
        }
    }
}

/// Whether there is sense in reading on.
pub(super) enum Step {
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
            Kind::Word { text, quoted } => {
                return self.word(Arg { text, quoted, span: token.span });
            }
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
        let Some(directive) = self.directive() else {
            return Step::On;
        };
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
        let Some(mut directive) = self.directive() else {
            return Step::On;
        };
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
