//! The words and signs of an expression, and whether they can follow each other.
//!
//! The parser of the crate `cel` says only where a sign stands. Here every word's place is known, and which bracket closes
//! which, so that a mistake can point at what it means; and what people write who think of another language (`=`, `and`,
//! `/regex/`) is told in their own terms, before the parser sees it.

use super::scope::Mistake;

/// How deep brackets may nest.
pub(super) const DEEPEST: usize = 32;

/// How long a chain of operators and members may be, with those around it: the tree becomes as deep.
pub(super) const LONGEST_CHAIN: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Name,
    Number,
    /// A text or bytes in quotes.
    Text,
    Sign(&'static str),
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub is: Is,
    pub at: usize,
    pub end: usize,
    /// For an opening bracket: which token closes it.
    pub closed_by: usize,
}

/// The longer ones first.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

/// Words that CEL keeps for itself.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The tokens of a text, with one [`Is::End`] behind them.
pub(super) fn read(text: &str) -> Result<Vec<Token>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if matches!(first, ' ' | '\t' | '\r' | '\n' | '\x0c') {
            at += 1;
            continue;
        }
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (is, len) = token(text, at, first)?;
        tokens.push(Token { is, at, end: at + len, closed_by: 0 });
        at += len;
    }
    tokens.push(Token { is: Is::End, at: text.trim_end().len(), end: text.trim_end().len(), closed_by: 0 });
    Ok(tokens)
}

fn token(text: &str, at: usize, first: char) -> Result<(Is, usize), Mistake> {
    let rest = &text[at..];
    if let Some(quote) = quote_at(rest) {
        return quoted(rest, at, quote).map(|len| (Is::Text, len));
    }
    let word = |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    if first.is_ascii_alphabetic() || first == '_' {
        return Ok((Is::Name, word(rest)));
    }
    let number_of_fraction = first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit());
    if first.is_ascii_digit() || number_of_fraction {
        return number(rest, at).map(|len| (Is::Number, len));
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => Ok((Is::Sign(sign), sign.len())),
        None => Err(Mistake::new(at, first.len_utf8(), odd(first, rest))),
    }
}

fn odd(first: char, rest: &str) -> String {
    match first {
        '=' if rest.starts_with("=~") => {
            "`=~` is no operator of CEL; a regular expression is asked for with x.matches('…')".into()
        }
        '=' => "`=` compares nothing; two values are compared with `==`".into(),
        '&' => "`&` is no operator; both of two conditions are meant with `&&`".into(),
        '|' => "`|` is no operator; one of two conditions is meant with `||`".into(),
        '~' => "`~` is no operator of CEL; a regular expression is asked for with x.matches('…')".into(),
        '$' => "nginx's variables are not known here; $host is request.host, $arg_a is request.arg('a')".into(),
        '“' | '”' | '‘' | '’' | '`' => "a text stands in ' or \"".into(),
        _ => format!("`{}` has no meaning here", first.escape_default()),
    }
}

/// Where the quote of a text stands, behind `r` and `b`.
fn quote_at(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c: char| !matches!(c, 'r' | 'R' | 'b' | 'B')).unwrap_or(rest.len());
    let known = match &rest[..prefix] {
        "" | "r" | "R" | "b" | "B" => true,
        two => prefix == 2 && two.starts_with(['b', 'B']) && two.ends_with(['r', 'R']),
    };
    (known && rest[prefix..].starts_with(['\'', '"'])).then_some(prefix)
}

/// The length of a text in quotes.
fn quoted(rest: &str, at: usize, prefix: usize) -> Result<usize, Mistake> {
    let raw = rest[..prefix].contains(['r', 'R']);
    let quote = &rest[prefix..prefix + 1];
    let triple = quote.repeat(3);
    let close = if rest[prefix..].starts_with(&triple) { triple.as_str() } else { quote };
    let mut inside = prefix + close.len();
    loop {
        let left = &rest[inside..];
        let Some(next) = left.chars().next() else {
            return Err(Mistake::new(at, prefix + close.len(), format!("this text is not closed; {close} is missing")));
        };
        match next {
            _ if left.starts_with(close) => return Ok(inside + close.len()),
            '\n' | '\r' if close.len() == 1 => {
                let message = "a text ends on its line, unless it stands in three quotes ('''…''')";
                return Err(Mistake::new(at, inside, message));
            }
            '\\' if !raw => inside += escape(left, at + inside, rest[..prefix].contains(['b', 'B']))?,
            other => inside += other.len_utf8(),
        }
    }
}

/// The length of an escape.
fn escape(left: &str, at: usize, bytes: bool) -> Result<usize, Mistake> {
    let digits = |count: usize, hex: bool| {
        let fits = |b: &u8| if hex { b.is_ascii_hexdigit() } else { (b'0'..=b'7').contains(b) };
        left.as_bytes().get(2..2 + count).is_some_and(|digits| digits.iter().all(fits))
    };
    let known = match left.as_bytes().get(1) {
        Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'\'' | b'"' | b'`' | b'?') => Some(2),
        Some(b'x' | b'X') if digits(2, true) => Some(4),
        Some(b'u') if !bytes && digits(4, true) => Some(6),
        Some(b'U') if !bytes && digits(8, true) => Some(10),
        Some(b'0'..=b'3') if digits(2, false) => Some(4),
        _ => None,
    };
    known.ok_or_else(|| {
        let written: String = left.chars().take(2).collect();
        let message = format!("`{written}` is no escape; write r'…' for a text with backslashes, as a regular expression is, or `\\\\` for one");
        Mistake::new(at, written.len(), message)
    })
}

fn number(rest: &str, at: usize) -> Result<usize, Mistake> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut len = if let Some(hex) = rest.strip_prefix("0x") {
        2 + hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len())
    } else {
        digits(rest)
    };
    let hex = rest.starts_with("0x");
    let mut whole = true;
    if !hex && rest[len..].starts_with('.') && digits(&rest[len + 1..]) > 0 {
        len += 1 + digits(&rest[len + 1..]);
        whole = false;
    }
    if !hex && rest[len..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[len + 1..].starts_with(['+', '-']));
        let exponent = digits(&rest[len + 1 + sign..]);
        if exponent > 0 {
            len += 1 + sign + exponent;
            whole = false;
        }
    }
    if whole && rest[len..].starts_with(['u', 'U']) {
        len += 1;
    }
    let more = rest[len..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest[len..].len());
    if more > 0 || hex && len == 2 {
        let message = match &rest[len..len + more] {
            "s" | "ms" | "m" | "h" | "d" => {
                format!("a time is written duration('{}')", &rest[..len + more])
            }
            _ => format!("`{}` is no number", &rest[..len + more]),
        };
        return Err(Mistake::new(at, len + more, message));
    }
    Ok(len)
}

/// What an open bracket is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Group,
    Arguments,
    Index,
    List,
    Map,
}

/// An open bracket, or the whole.
#[derive(Clone, Copy)]
struct Opened {
    token: usize,
    what: Open,
    /// The `?` that wait for their `:`.
    waiting: usize,
    /// How many `?` nest.
    choices: usize,
    /// How many operators hang together.
    chain: usize,
}

impl Opened {
    fn new(token: usize, what: Open) -> Opened {
        Opened { token, what, waiting: 0, choices: 0, chain: 0 }
    }
}

struct Grammar<'t> {
    text: &'t str,
    /// The whole, and the brackets that are open in it.
    open: Vec<Opened>,
}

/// Checks that the tokens can follow each other, and finds the bracket that closes each. What it lets through the parser
/// understands, but for some numbers.
pub(super) fn check(text: &str, tokens: &mut [Token]) -> Result<(), Mistake> {
    let mut grammar = Grammar { text, open: vec![Opened::new(0, Open::Group)] };
    // Whether a value has just ended, so that an operator is next.
    let mut ended = false;
    for at in 0..tokens.len() {
        ended = if ended { grammar.operator(tokens, at)? } else { grammar.operand(tokens, at)? };
    }
    Ok(())
}

impl Grammar<'_> {
    fn written(&self, token: Token) -> String {
        match token.is {
            Is::End => "the end".into(),
            _ => format!("`{}`", &self.text[token.at..token.end]),
        }
    }

    fn mistake<T>(token: Token, message: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake::new(token.at, token.end - token.at, message))
    }

    fn innermost(&mut self) -> &mut Opened {
        if self.open.is_empty() {
            self.open.push(Opened::new(0, Open::Group));
        }
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    /// A value is expected. Says whether one ends here.
    fn operand(&mut self, tokens: &mut [Token], at: usize) -> Result<bool, Mistake> {
        let token = tokens[at];
        let before = at.checked_sub(1).map(|before| tokens[before].is);
        match token.is {
            Is::Name => {
                let word = &self.text[token.at..token.end];
                if before != Some(Is::Sign(".")) && RESERVED.contains(&word) {
                    return Self::mistake(token, format!("`{word}` is a word that CEL keeps for itself"));
                }
                if word == "not" && matches!(tokens.get(at + 1).map(|next| next.is), Some(Is::Name | Is::Sign("("))) {
                    return Self::mistake(token, "`not` is no word of CEL; the contrary is meant with `!`");
                }
                if word == "in" {
                    return Self::mistake(token, "`in` stands between a value and a list or map");
                }
                Ok(true)
            }
            _ if before == Some(Is::Sign(".")) => {
                let written = self.written(token);
                Self::mistake(token, format!("a name is expected behind the dot, not {written}"))
            }
            Is::Number | Is::Text => Ok(true),
            Is::Sign("-" | "!") => {
                self.chain(token)?;
                Ok(false)
            }
            // From the outermost: `.request` is `request` even where a macro calls its variable so.
            Is::Sign(".") if tokens.get(at + 1).is_some_and(|next| next.is == Is::Name) => Ok(false),
            Is::Sign(".") => Self::mistake(token, "a name stands before the dot: request.method"),
            Is::Sign("(") => self.enter(tokens, at, Open::Group),
            Is::Sign("[") => self.enter(tokens, at, Open::List),
            Is::Sign("{") => self.enter(tokens, at, Open::Map),
            Is::Sign(close @ (")" | "]" | "}")) => {
                let Opened { token: opened, what, .. } = *self.innermost();
                let comma = before == Some(Is::Sign(","));
                let empty = opened + 1 == at && self.open.len() > 1 && what != Open::Group && what != Open::Index;
                if empty || comma && matches!(what, Open::List | Open::Map) {
                    return self.leave(tokens, at, close);
                }
                Self::mistake(token, format!("a value is expected before `{close}`"))
            }
            Is::Sign("/") => Self::mistake(token, "a regular expression stands in quotes: x.matches('^/a')"),
            Is::End if at == 0 => Self::mistake(token, "an expression is expected, and there is none"),
            Is::End => Self::mistake(token, "a value is expected, and the expression ends"),
            Is::Sign(sign) => Self::mistake(token, format!("a value is expected before `{sign}`")),
        }
    }

    /// A value has ended. Says whether one ends here again.
    fn operator(&mut self, tokens: &mut [Token], at: usize) -> Result<bool, Mistake> {
        let token = tokens[at];
        match token.is {
            Is::Sign("&&" | "||") => {
                self.innermost().chain = 0;
                Ok(false)
            }
            Is::Sign("==" | "!=" | "<=" | ">=" | "<" | ">" | "+" | "-" | "*" | "/" | "%" | ".") => {
                self.chain(token)?;
                Ok(false)
            }
            Is::Sign("(") => match tokens[at - 1].is {
                Is::Name => self.enter(tokens, at, Open::Arguments),
                _ => Self::mistake(token, "only a function is called: its name stands before `(`"),
            },
            Is::Sign("[") => {
                self.chain(token)?;
                self.enter(tokens, at, Open::Index)
            }
            Is::Sign("{") => Self::mistake(token, "CEL's messages are not known here; a map is written {'key': value}"),
            Is::Sign("?") => {
                if self.open.iter().map(|open| open.choices).sum::<usize>() >= DEEPEST {
                    return Self::mistake(token, format!("`?` nests more than {DEEPEST} deep"));
                }
                let innermost = self.innermost();
                innermost.waiting += 1;
                innermost.choices += 1;
                innermost.chain = 0;
                Ok(false)
            }
            Is::Sign(":") => self.colon(token),
            Is::Sign(",") => self.comma(token),
            Is::Sign(close @ (")" | "]" | "}")) => self.leave(tokens, at, close),
            Is::Sign("!") => Self::mistake(token, "an operator is expected before `!`; not equal is `!=`"),
            Is::End => self.end(tokens),
            Is::Name if &self.text[token.at..token.end] == "in" => {
                self.chain(token)?;
                Ok(false)
            }
            _ => self.no_operator(token),
        }
    }

    fn no_operator(&self, token: Token) -> Result<bool, Mistake> {
        let word = &self.text[token.at..token.end];
        let instead = match word {
            "and" | "AND" => "both of two conditions are meant with `&&`",
            "or" | "OR" => "one of two conditions is meant with `||`",
            "not" => "not equal is `!=`, and not in a list !(x in list)",
            "is" | "eq" => "two values are compared with `==`",
            "matches" | "contains" | "startsWith" | "endsWith" => {
                return Self::mistake(token, format!("`{word}` is a function: x.{word}('…')"));
            }
            _ => {
                let message = format!("an operator is expected before `{word}`, as `&&`, `==` or `in`");
                return Self::mistake(token, message);
            }
        };
        Self::mistake(token, format!("`{word}` is no operator of CEL; {instead}"))
    }

    /// The tree becomes deeper by one.
    fn chain(&mut self, token: Token) -> Result<(), Mistake> {
        self.innermost().chain += 1;
        let depth: usize = self.open.iter().map(|open| open.chain + open.choices).sum();
        if depth > LONGEST_CHAIN {
            return Self::mistake(token, format!("more than {LONGEST_CHAIN} operators hang together here"));
        }
        Ok(())
    }

    fn enter(&mut self, tokens: &[Token], at: usize, what: Open) -> Result<bool, Mistake> {
        if self.open.len() > DEEPEST {
            return Self::mistake(tokens[at], format!("brackets nest more than {DEEPEST} deep"));
        }
        self.open.push(Opened::new(at, what));
        Ok(false)
    }

    fn leave(&mut self, tokens: &mut [Token], at: usize, close: &str) -> Result<bool, Mistake> {
        let token = tokens[at];
        let Opened { token: opened, what, waiting, .. } = *self.innermost();
        if self.open.len() == 1 {
            return Self::mistake(token, format!("`{close}` closes nothing"));
        }
        let wanted = match what {
            Open::Group | Open::Arguments => ")",
            Open::Index | Open::List => "]",
            Open::Map => "}",
        };
        if close != wanted {
            let message = format!("`{wanted}` is expected, for the bracket that opened at {}", tokens[opened].at + 1);
            return Self::mistake(token, message);
        }
        if waiting > 0 {
            return Self::mistake(token, "`:` and a second value are expected: condition ? a : b");
        }
        self.open.pop();
        tokens[opened].closed_by = at;
        Ok(true)
    }

    fn colon(&mut self, token: Token) -> Result<bool, Mistake> {
        let innermost = self.innermost();
        match (innermost.waiting, innermost.what) {
            (0, Open::Map) => {}
            (0, _) => return Self::mistake(token, "`:` belongs to `condition ? a : b` or to a map {'key': value}"),
            _ => innermost.waiting -= 1,
        }
        innermost.chain = 0;
        Ok(false)
    }

    fn comma(&mut self, token: Token) -> Result<bool, Mistake> {
        let innermost = self.innermost();
        (innermost.chain, innermost.choices) = (0, 0);
        match (innermost.what, innermost.waiting) {
            (_, 1..) => Self::mistake(token, "`:` and a second value are expected: condition ? a : b"),
            (Open::Arguments | Open::List | Open::Map, _) => Ok(false),
            _ => {
                let message =
                    "`,` separates arguments and what is in a list or map; both of two conditions are meant with `&&`";
                Self::mistake(token, message)
            }
        }
    }

    fn end(&mut self, tokens: &[Token]) -> Result<bool, Mistake> {
        let Opened { token: opened, waiting, .. } = *self.innermost();
        if self.open.len() > 1 {
            let bracket = tokens[opened];
            let written = &self.text[bracket.at..bracket.end];
            return Self::mistake(bracket, format!("this `{written}` is not closed"));
        }
        if waiting > 0 {
            return Self::mistake(tokens[tokens.len() - 1], "`:` and a second value are expected: condition ? a : b");
        }
        Ok(true)
    }
}
