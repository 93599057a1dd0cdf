//! Whether the tokens of an expression can follow each other, and which bracket closes which.
//!
//! What people write who think of another language (`=`, `and`, `/regex/`) is told in their own terms, before the parser of
//! the crate `cel` sees it; and nothing comes to that parser, which descends by recursion, that would lead it too deep.

use super::scope::Mistake;
use super::tokens::{Is, Token};

/// How deep brackets may nest.
const DEEPEST: usize = 32;

/// How long a chain of operators and members may be, with those around it: the tree becomes as deep.
const LONGEST_CHAIN: usize = 100;

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

/// Values that are written as words.
const VALUES: &[&str] = &["true", "false", "null"];

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
                if before == Some(Is::Sign(".")) && VALUES.contains(&word) {
                    return Self::mistake(token, format!("`{word}` is a value: a name is expected behind the dot"));
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
            Is::Sign(".") if tokens.get(at + 1).is_some_and(|next| next.is == Is::Name) => {
                let next = tokens[at + 1];
                let word = &self.text[next.at..next.end];
                match RESERVED.contains(&word) {
                    true => Self::mistake(next, format!("`{word}` is a word that CEL keeps for itself")),
                    false => Ok(false),
                }
            }
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
