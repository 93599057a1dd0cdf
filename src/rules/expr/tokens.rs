//! The words and signs of an expression, each with its place.
//!
//! The parser of the crate `cel` says only where a sign stands; with these a mistake can point at what it means. Texts and
//! numbers are looked through here, so that what is wrong with them is told in other words than a grammar's.

use super::scope::Mistake;

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
