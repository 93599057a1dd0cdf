//! A text with variables, compiled.

use super::Exchange;
use super::names::{Defined, Variable};
use super::print;
use crate::http::escape::{self, LogEscape};
use std::borrow::Cow;

/// Room for most values.
const USUAL: usize = 64;

/// A text with variables, found and ready to print.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Box<[u8]>),
    Variable(Variable),
    /// `$1` to `$9`
    Capture(usize),
}

/// Why a text does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    /// Where in the text, in characters.
    pub at: usize,
    pub width: usize,
    pub message: String,
    /// The name that was not found, for "did you mean".
    pub name: Option<String>,
}

impl Template {
    /// Compiles nginx's syntax: `$name`, `${name}`, `$1`. A `$` that begins no name is a mistake, as in nginx.
    pub fn compile(text: &str, defined: &Defined) -> Result<Template, Mistake> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.extend_from_slice(&rest.as_bytes()[..at]);
            let offset = text.len() - rest.len() + at;
            let (name, after) = name_at(&rest[at + 1..]).map_err(|message| Mistake {
                at: text[..offset].chars().count(),
                width: 1,
                message: message.into(),
                name: None,
            })?;
            let part = part_for(name, defined).ok_or_else(|| Mistake {
                at: text[..offset].chars().count(),
                width: name.chars().count() + 1,
                message: format!("unknown variable `${name}`"),
                name: Some(name.to_owned()),
            })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal).into()));
            }
            parts.push(part);
            rest = after;
        }
        literal.extend_from_slice(rest.as_bytes());
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        Ok(Template(parts))
    }

    /// A text without variables.
    pub fn literal(text: impl AsRef<[u8]>) -> Template {
        let text = text.as_ref();
        if text.is_empty() { Template(Vec::new()) } else { Template(vec![Part::Literal(text.into())]) }
    }

    /// The text, if it holds no variables.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [] => Some(b""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it is nothing, always.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a variable is in it.
    pub fn uses(&self, wanted: impl Fn(&Variable) -> bool) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Variable(variable) if wanted(variable)))
    }

    /// Whether `$1` or its like is in it.
    pub fn uses_captures(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Capture(_)))
    }

    /// nginx measures a text before it writes it. What a `map` in it captures counts for all of it therefore, even for a group
    /// that stands before it.
    fn measure(&self, exchange: &Exchange) {
        if !exchange.defined.may_capture() || !self.uses_captures() {
            return;
        }
        let mut unused = Vec::new();
        for part in &self.0 {
            if let Part::Variable(variable @ Variable::Defined(_)) = part {
                print::value(variable, exchange, &mut unused);
            }
        }
    }

    /// Prints with the values of a request.
    pub fn write(&self, exchange: &Exchange, out: &mut Vec<u8>) {
        self.measure(exchange);
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.extend_from_slice(text),
                Part::Variable(variable) => {
                    print::value(variable, exchange, out);
                }
                Part::Capture(group) => exchange.with_capture(*group, |value| out.extend_from_slice(value)),
            }
        }
    }

    /// Prints a value of the rewrite module. `quotes`: what a group captured is escaped, as nginx does before the first `rewrite`
    /// of a script has matched, if the client had escaped anything.
    pub fn write_quoted(&self, exchange: &Exchange, quotes: bool, out: &mut Vec<u8>) {
        if !quotes {
            return self.write(exchange, out);
        }
        self.measure(exchange);
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.extend_from_slice(text),
                Part::Variable(variable) => {
                    print::value(variable, exchange, out);
                }
                Part::Capture(group) => {
                    exchange.with_capture(*group, |value| out.extend_from_slice(&escape::args(value)))
                }
            }
        }
    }

    /// Prints each part by itself: what a variable says cannot be taken for the text around it.
    pub fn write_parts(&self, exchange: &Exchange, mut each: impl FnMut(&[u8])) {
        let mut value = Vec::with_capacity(USUAL);
        for part in &self.0 {
            match part {
                Part::Literal(text) => each(text),
                Part::Capture(group) => {
                    value.clear();
                    exchange.with_capture(*group, |captured| value.extend_from_slice(captured));
                    each(&value);
                }
                Part::Variable(variable) => {
                    value.clear();
                    print::value(variable, exchange, &mut value);
                    each(&value);
                }
            }
        }
    }

    /// Prints the replacement of a `rewrite`: what a group captured is escaped again where it becomes an argument, and
    /// everywhere in a redirect, if the client had escaped anything (nginx's `ngx_http_script_copy_capture_code`). Says where
    /// the template's own `?` stands; one that was captured belongs to the path.
    pub fn write_rewritten(
        &self,
        exchange: &Exchange,
        redirects: bool,
        needed: bool,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        self.measure(exchange);
        let mut question = None;
        for part in &self.0 {
            match part {
                Part::Literal(text) => {
                    question = question.or(text.iter().position(|b| *b == b'?').map(|at| out.len() + at));
                    out.extend_from_slice(text);
                }
                Part::Variable(variable) => {
                    print::value(variable, exchange, out);
                }
                Part::Capture(group) => {
                    exchange.with_capture(*group, |value| match needed && (redirects || question.is_some()) {
                        true => out.extend_from_slice(&escape::args(value)),
                        false => out.extend_from_slice(value),
                    })
                }
            }
        }
        question
    }

    /// Prints for a log: the values, not the text around them, are escaped, after `edit` has seen what was appended from there on.
    pub fn write_escaped(
        &self,
        how: LogEscape,
        exchange: &Exchange,
        mut edit: impl FnMut(Option<&Variable>, usize, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        for part in &self.0 {
            let from = out.len();
            let found = match part {
                Part::Literal(text) => {
                    out.extend_from_slice(text);
                    continue;
                }
                Part::Variable(variable) => {
                    let found = print::value(variable, exchange, out);
                    edit(Some(variable), from, out);
                    if found && variable.is_plain() {
                        continue;
                    }
                    found
                }
                Part::Capture(group) => {
                    exchange.with_capture(*group, |value| out.extend_from_slice(value));
                    edit(None, from, out);
                    out.len() > from
                }
            };
            print::escape(how, found, from, out);
        }
    }

    /// The text with the values of a request; borrowed where it holds no variables.
    pub fn evaluate(&self, exchange: &Exchange) -> Cow<'_, [u8]> {
        match self.as_literal() {
            Some(text) => Cow::Borrowed(text),
            None => {
                let mut out = Vec::with_capacity(64);
                self.write(exchange, &mut out);
                Cow::Owned(out)
            }
        }
    }
}

fn part_for(name: &str, defined: &Defined) -> Option<Part> {
    match name.as_bytes() {
        [digit] if digit.is_ascii_digit() => Some(Part::Capture(usize::from(digit - b'0'))),
        _ => Variable::find(name, defined).map(Part::Variable),
    }
}

/// The name that begins here, without `$`, and what follows it.
fn name_at(text: &str) -> Result<(&str, &str), &'static str> {
    if let Some(inner) = text.strip_prefix('{') {
        let end = inner.find('}').ok_or("`${` is not closed with `}`")?;
        return match &inner[..end] {
            "" => Err("`${}` names no variable"),
            name => Ok((name, &inner[end + 1..])),
        };
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(text.split_at(1));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 {
        return Err("`$` begins no name of a variable");
    }
    Ok(text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::super::exchange::tests::exchange;
    use super::*;
    use proptest::prelude::*;

    fn print(text: &str) -> String {
        let template = Template::compile(text, &Defined::default()).unwrap();
        String::from_utf8_lossy(&template.evaluate(&exchange())).into_owned()
    }

    #[test]
    fn a_template_prints_text_and_values() {
        assert_eq!(print("$uri$is_args$args"), "/a b?x=1&y=2");
        assert_eq!(print("<${request_method}s>"), "<GETs>");
        assert_eq!(print("$arg_x-$arg_y-$arg_z."), "1-2-.");
        assert_eq!(print("$cookie_a;$http_x_test"), "7;yes");
        assert_eq!(print("$scheme://$host$request_uri"), "http://example.com/a%20b?x=1&y=2");
        assert_eq!(print("[$1]"), "[]");
    }

    #[test]
    fn a_mistake_says_where() {
        let mistake = |text| Template::compile(text, &Defined::default()).unwrap_err();
        assert_eq!(mistake("a $hosst b").at, 2);
        assert_eq!(mistake("a $hosst b").message, "unknown variable `$hosst`");
        assert_eq!(mistake("ä$").at, 1);
        assert!(mistake("${host").message.contains("not closed"));
    }

    #[test]
    fn values_are_escaped_for_logs_and_json() {
        let template = Template::compile("\"$http_evil\" $http_none", &Defined::default()).unwrap();
        let mut line = Vec::new();
        template.write_escaped(LogEscape::Default, &exchange(), |_, _, _| {}, &mut line);
        assert_eq!(String::from_utf8_lossy(&line), "\"a\\x22\\x5C\\x09\\xE9\" -");
        line.clear();
        template.write_escaped(LogEscape::Json, &exchange(), |_, _, _| {}, &mut line);
        assert_eq!(line, b"\"a\\\"\\\\\\t\xE9\" ");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_compiler_panic(text in "\\PC*|[$a-z0-9{}_ ]{0,60}") {
            let _ = Template::compile(&text, &Defined::default());
        }

        #[test]
        fn a_text_without_dollar_is_itself(text in "[^$]*") {
            let template = Template::compile(&text, &Defined::default()).unwrap();
            prop_assert_eq!(template.as_literal(), Some(text.as_bytes()));
        }
    }
}
