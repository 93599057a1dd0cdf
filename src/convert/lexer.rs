//! The words of nginx.conf, split exactly as nginx's `ngx_conf_read_token` splits them.
//!
//! A quotation begins only where a word begins; in a word, quotes and `#` and `}` are characters as any other. A
//! backslash takes the meaning from what follows it; `\"`, `\'`, `\\`, `\t`, `\r` and `\n` are then replaced, every other
//! backslash stays, as regular expressions need it. `${` does not open a block. Each character is looked at once or
//! twice, so the time is linear in the text, whatever stands in it.

use crate::config::Span;

/// nginx reads a file through a buffer of this size, which a word must fit in.
const MAX_WORD: usize = 4096;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A word, its quotes and escapes removed.
    Word { text: String, quoted: bool },
    /// What stands between `#` and the end of the line.
    Comment(String),
    /// `;`
    Semicolon,
    /// `{`
    Open,
    /// `}`
    Close,
    /// The end of the text.
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub span: Span,
}

/// A text that cannot be split into words.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
    /// What follows cannot be told from what precedes: there is no sense in reading on.
    pub fatal: bool,
}

/// Splits one text. A byte order mark must have been removed.
pub struct Lexer<'t> {
    text: &'t str,
    at: usize,
    file: u16,
    line: u32,
    column: u32,
    /// A quotation has just ended: what may follow is limited.
    after_quotation: bool,
}

/// A place in the text to which a span can be drawn.
#[derive(Clone, Copy)]
struct Mark {
    at: usize,
    line: u32,
    column: u32,
}

impl<'t> Lexer<'t> {
    pub fn new(file: u16, text: &'t str) -> Lexer<'t> {
        Lexer { text, at: 0, file, line: 1, column: 1, after_quotation: false }
    }

    /// The next token; after the end, the end again.
    pub fn token(&mut self) -> Result<Token, Mistake> {
        self.glued()?;
        while self.peek().is_some_and(is_space) {
            self.bump();
        }
        let mark = self.mark();
        let kind = match self.peek() {
            None => Kind::End,
            Some(';') => self.sign(Kind::Semicolon),
            Some('{') => self.sign(Kind::Open),
            Some('}') => self.sign(Kind::Close),
            Some('#') => self.comment(),
            Some(quote @ ('"' | '\'')) => self.quotation(quote, mark)?,
            Some(_) => self.word(mark)?,
        };
        Ok(Token { kind, span: self.span_from(mark) })
    }

    /// After a quotation nginx wants a space, `;`, `{` or `)`. A `}` is left to the parser, which says the same of it.
    fn glued(&mut self) -> Result<(), Mistake> {
        let after_quotation = std::mem::take(&mut self.after_quotation);
        match self.peek() {
            Some(c) if after_quotation && !is_space(c) && !matches!(c, ';' | '{' | ')' | '}') => {
                let mark = self.mark();
                let message = format!("unexpected \"{}\"", super::shown(c.encode_utf8(&mut [0; 4])));
                Err(self.mistake(mark, message).help("a space or `;` is expected after the quotation"))
            }
            _ => Ok(()),
        }
    }

    fn sign(&mut self, kind: Kind) -> Kind {
        self.bump();
        kind
    }

    fn comment(&mut self) -> Kind {
        self.bump();
        let from = self.at;
        while self.peek().is_some_and(|c| c != '\n') {
            self.bump();
        }
        Kind::Comment(self.text[from..self.at].trim_end().to_owned())
    }

    fn quotation(&mut self, quote: char, mark: Mark) -> Result<Kind, Mistake> {
        self.bump();
        let from = self.at;
        loop {
            if self.at - from >= MAX_WORD {
                let message = format!("too long parameter, probably missing terminating \"{quote}\" character");
                return Err(self.mistake(mark, message).fatal());
            }
            match self.peek() {
                None => {
                    let why = format!("the quotation that begins here has no second `{quote}`");
                    let mistake = self.mistake(mark, "unexpected end of file, expecting \";\" or \"}\"");
                    return Err(mistake.help(why).fatal());
                }
                Some('\\') => self.bump(),
                Some(c) if c == quote => break,
                Some(_) => {}
            }
            self.bump();
        }
        let text = unescape(&self.text[from..self.at]);
        self.bump();
        self.after_quotation = true;
        Ok(Kind::Word { text, quoted: true })
    }

    fn word(&mut self, mark: Mark) -> Result<Kind, Mistake> {
        let from = self.at;
        // `$` and any number of `{` after it.
        let mut variable = false;
        while let Some(c) = self.peek() {
            match c {
                '{' if variable => {}
                '{' | ';' => break,
                c if is_space(c) => break,
                '\\' => {
                    self.bump();
                    variable = false;
                }
                c => variable = c == '$',
            }
            self.bump();
        }
        let raw = &self.text[from..self.at];
        if raw.len() >= MAX_WORD {
            let begin: String = raw.chars().take(10).collect();
            let message = format!("too long parameter \"{}...\" started", super::shown(&begin));
            return Err(self.mistake(mark, message).fatal());
        }
        Ok(Kind::Word { text: unescape(raw), quoted: false })
    }

    /// The body of a `*_by_lua_block`, up to the brace that closes it: Lua's strings and comments may hold braces.
    /// The opening brace has been read; the closing one is read here.
    pub fn lua(&mut self) -> Result<Token, Mistake> {
        self.after_quotation = false;
        let mark = self.mark();
        let mut depth = 1;
        loop {
            match self.peek() {
                None => {
                    let mistake = self.mistake(mark, "unexpected end of file, expecting \"}\"");
                    return Err(mistake.help("the Lua code that begins here has no end").fatal());
                }
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                Some(quote @ ('"' | '\'')) => self.skip_lua_string(quote),
                Some('-') if self.rest().starts_with("--") => {
                    self.bump();
                    self.skip_lua_comment();
                    continue;
                }
                Some('[') => self.skip_long_bracket(),
                Some(_) => {}
            }
            if depth == 0 {
                break;
            }
            self.bump();
        }
        let kind = Kind::Word { text: self.text[mark.at..self.at].to_owned(), quoted: true };
        let span = self.span_from(mark);
        self.bump();
        Ok(Token { kind, span })
    }

    /// Stops at the quote that ends the string, or at the end of the line, which ends it as well.
    fn skip_lua_string(&mut self, quote: char) {
        self.bump();
        while let Some(c) = self.peek() {
            match c {
                '\\' => self.bump(),
                c if c == quote || c == '\n' => return,
                _ => {}
            }
            self.bump();
        }
    }

    fn skip_lua_comment(&mut self) {
        self.bump();
        let before = self.at;
        if self.peek() == Some('[') {
            self.skip_long_bracket();
        }
        if self.at == before {
            while self.peek().is_some_and(|c| c != '\n') {
                self.bump();
            }
        }
    }

    /// `[[ … ]]`, `[=[ … ]=]`: stops at the last bracket. Stays where it is if none begins.
    fn skip_long_bracket(&mut self) {
        let rest = self.rest();
        let level = rest[1..].bytes().take_while(|b| *b == b'=').count();
        if rest.as_bytes().get(level + 1) != Some(&b'[') {
            return;
        }
        let close = format!("]{}]", "=".repeat(level));
        let end = match rest.find(&close) {
            Some(length) => self.at + length + close.len() - 1,
            None => self.text.len(),
        };
        while self.at < end {
            self.bump();
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) {
        let Some(c) = self.peek() else { return };
        self.at += c.len_utf8();
        match c {
            '\n' => {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            }
            _ => self.column = self.column.saturating_add(1),
        }
    }

    fn mark(&self) -> Mark {
        Mark { at: self.at, line: self.line, column: self.column }
    }

    /// From a mark to here, or to the end of the mark's line.
    fn span_from(&self, mark: Mark) -> Span {
        let width = match mark.line == self.line {
            true => self.column - mark.column,
            false => self.text[mark.at..].chars().take_while(|c| !matches!(c, '\n' | '\r')).count() as u32,
        };
        Span { file: self.file, line: mark.line, column: mark.column, width: width.max(1) }
    }

    fn mistake(&self, mark: Mark, message: impl Into<String>) -> Mistake {
        let span = Span { file: self.file, line: mark.line, column: mark.column, width: 1 };
        Mistake { span, message: message.into(), help: None, fatal: false }
    }
}

impl Mistake {
    fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }

    fn fatal(mut self) -> Mistake {
        self.fatal = true;
        self
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// What nginx makes of the backslashes of a word.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        let replaced = match (c, chars.clone().next()) {
            ('\\', Some(next @ ('"' | '\'' | '\\'))) => Some(next),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('n')) => Some('\n'),
            _ => None,
        };
        if replaced.is_some() {
            chars.next();
        }
        text.push(replaced.unwrap_or(c));
    }
    text
}
