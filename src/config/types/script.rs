//! How the script of a block is written: `rewrite`, a list of steps in the order in which they run. In nginx.conf each step is
//! a directive of the rewrite module; edge.yaml has them in one list, because the keys of a map have no order.

use serde_json::json;

use super::handling::{Return, Rewrite, RewriteKeys};
use crate::config::Diagnostics;
use crate::config::keys::map_schema;
use crate::config::node::{Entry, Kind, Node};
use crate::config::raw::If;
use crate::config::value::{Arg, Named, Spanned, Value};

/// One step of a script.
#[derive(Clone, Debug)]
pub enum ScriptStep {
    /// `{match: '^/old/(.*)$', to: /new/$1, flag: last}`
    Rewrite(Rewrite),
    /// `{set: {$name: value}}`
    Set(Named<Spanned<String>>),
    /// `{if: CONDITION, rewrite: […], return: …}`, in a location with keys that then hold.
    If(Box<If>),
    /// `{return: 403}`
    Return(Spanned<Return>),
    /// `break`
    Break,
}

impl ScriptStep {
    fn of_map(entries: &[Entry], node: &Node, diagnostics: &mut Diagnostics) -> Option<ScriptStep> {
        let has = |key: &str| entries.iter().any(|e| e.key == key);
        if has("if") {
            return If::read(node, diagnostics).map(|read| ScriptStep::If(Box::new(read)));
        }
        match entries {
            [one] if one.key == "set" => Named::read(&one.value, diagnostics).map(ScriptStep::Set),
            [one] if one.key == "return" => Spanned::read(&one.value, diagnostics).map(ScriptStep::Return),
            [one] if one.key == "break" => Some(ScriptStep::Break),
            _ if !["match", "to", "flag"].into_iter().any(has) => {
                diagnostics
                    .error(node.span, format!("expected {}", Self::expected()))
                    .help("each step is an item of its own: `- set: { $a: b }`, then `- return: 403`");
                None
            }
            _ => Rewrite::read(node, diagnostics).map(ScriptStep::Rewrite),
        }
    }
}

impl Value for ScriptStep {
    fn expected() -> String {
        "a step: `{ match, to, flag }`, `{ set: { $name: value } }`, `{ if: '$name = value', … }`, `{ return: … }` or `break`"
            .into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<ScriptStep> {
        match &node.kind {
            Kind::Scalar(word) if word.text == "break" => Some(ScriptStep::Break),
            Kind::Map(entries) => Self::of_map(entries, node, diagnostics),
            _ => {
                diagnostics.error(node.span, format!("expected {}, found {}", Self::expected(), node.describe()));
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        let one = |key: &str, value: serde_json::Value| json!({ "type": "object", "properties": { key: value }, "required": [key], "additionalProperties": false });
        json!({ "anyOf": [
            map_schema::<RewriteKeys>(),
            one("set", Named::<String>::schema()),
            one("return", Return::schema()),
            { "$ref": "#/$defs/if" },
            { "const": "break" },
        ] })
    }
}

/// What an `if` asks.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `$name`: it is neither empty nor `0`.
    Holds(String),
    /// `$name = value`, `$name != value`
    Equals { name: String, value: String, negated: bool },
    /// `$name ~ regex`, `~*`, `!~`, `!~*`
    Matches { name: String, pattern: String, insensitive: bool, negated: bool },
    /// `-f path`, `!-f path`, `-d`, `-e`, `-x`
    File { test: FileTest, path: String, negated: bool },
}

/// What a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileTest {
    File,
    Directory,
    Exists,
    Executable,
}

impl Condition {
    /// Reads the words of a condition as nginx has them. An error is the word that is wrong, in nginx's words.
    pub fn of_words(words: &[&str]) -> Result<Condition, String> {
        let invalid = |word: &str| Err(format!("invalid condition \"{word}\""));
        let Some((first, rest)) = words.split_first() else { return invalid("") };
        if first.len() > 1 && first.starts_with('$') {
            let name = (*first).to_owned();
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            return match rest {
                _ if !name[1..].chars().all(is_name) => invalid(first),
                [] => Ok(Condition::Holds(name)),
                [operator, value] => Self::compared(name, operator, value),
                _ => invalid(first),
            };
        }
        let (negated, test) = match first.strip_prefix('!') {
            Some(test) => (true, test),
            None => (false, *first),
        };
        let test = match test {
            "-f" => FileTest::File,
            "-d" => FileTest::Directory,
            "-e" => FileTest::Exists,
            "-x" => FileTest::Executable,
            _ => return invalid(first),
        };
        match rest {
            [path] => Ok(Condition::File { test, path: (*path).to_owned(), negated }),
            _ => invalid(first),
        }
    }

    fn compared(name: String, operator: &str, value: &str) -> Result<Condition, String> {
        let value = value.to_owned();
        let matches = |name, pattern, insensitive, negated| Condition::Matches { name, pattern, insensitive, negated };
        Ok(match operator {
            "=" => Condition::Equals { name, value, negated: false },
            "!=" => Condition::Equals { name, value, negated: true },
            "~" => matches(name, value, false, false),
            "~*" => matches(name, value, true, false),
            "!~" => matches(name, value, false, true),
            "!~*" => matches(name, value, true, true),
            _ => return Err(format!("unexpected \"{operator}\" in condition")),
        })
    }

    /// The words between the parentheses of nginx.conf, which may stand by themselves or at the first and the last word.
    pub fn text_of(args: &[Arg]) -> Result<String, String> {
        let invalid = |arg: Option<&Arg>| format!("invalid condition \"{}\"", arg.map_or("", |a| &a.text));
        let mut words: Vec<&str> = args.iter().map(|a| a.text.as_str()).collect();
        match words.first_mut() {
            Some(first) if *first == "(" => drop(words.remove(0)),
            Some(first) => *first = first.strip_prefix('(').ok_or_else(|| invalid(args.first()))?,
            None => return Err(invalid(None)),
        }
        match words.last_mut() {
            Some(last) if *last == ")" => drop(words.pop()),
            Some(last) => *last = last.strip_suffix(')').ok_or_else(|| invalid(args.last()))?,
            None => return Err(invalid(args.last())),
        }
        Self::of_words(&words)?;
        Ok(words.join(" "))
    }
}

impl Value for Condition {
    fn expected() -> String {
        "a condition: `$name`, `$name = value`, `!=`, `~ regex`, `~*`, `!~`, `!~*`, or `-f path`, `-d`, `-e`, `-x`, `!-f` and so on"
            .into()
    }

    /// What stands behind the operator is the value as it is: it needs no quotes of its own.
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Condition> {
        let Some(text) = node.as_text() else {
            diagnostics.error(node.span, format!("expected {}, found {}", Self::expected(), node.describe()));
            return None;
        };
        let (first, rest) = text.split_once(' ').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let words: Vec<&str> = match rest {
            None => vec![first],
            Some(rest) if first.starts_with('$') => {
                let (operator, value) = rest.split_once(' ').unwrap_or((rest, ""));
                vec![first, operator, value]
            }
            Some(rest) => vec![first, rest],
        };
        match Condition::of_words(&words) {
            Ok(condition) => Some(condition),
            Err(why) => {
                diagnostics.error(node.span, why).help(format!("expected {}", Self::expected()));
                None
            }
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[&str]) -> Result<String, String> {
        let arg = |text: &&str| Arg { text: (*text).to_owned(), quoted: false, span: Default::default() };
        Condition::text_of(&words.iter().map(arg).collect::<Vec<_>>())
    }

    #[test]
    fn conditions_are_read_as_nginx_reads_them() {
        for (words, expected) in [
            (&["($x)"][..], Ok("$x")),
            (&["(", "$x", ")"], Ok("$x")),
            (&["($x", "=", "a b", ")"], Ok("$x = a b")),
            (&["($x", "!~*", "^a$)"], Ok("$x !~* ^a$")),
            (&["($x", "=", "", ")"], Ok("$x = ")),
            (&["(!-f", "$request_filename)"], Ok("!-f $request_filename")),
            (&["$x"], Err("invalid condition \"$x\"")),
            (&["($x"], Err("invalid condition \"($x\"")),
            (&["(x)"], Err("invalid condition \"x\"")),
            (&["($x", "=", ")"], Err("invalid condition \"$x\"")),
            (&["($x", "~", "a", "b)"], Err("invalid condition \"$x\"")),
            (&["($x", ">", "1)"], Err("unexpected \">\" in condition")),
            (&["(-z", "$x)"], Err("invalid condition \"-z\"")),
            (&["(-f", "a", "b)"], Err("invalid condition \"-f\"")),
            (&["()"], Err("invalid condition \"\"")),
            (&["($uri=", "a)"], Err("invalid condition \"$uri=\"")),
            (&[], Err("invalid condition \"\"")),
        ] {
            assert_eq!(text(words), expected.map(str::to_owned).map_err(str::to_owned), "{words:?}");
        }
    }

    #[test]
    fn what_stands_behind_the_operator_is_the_value() {
        let read = |text: &str| Condition::read(&Node::quoted(Default::default(), text), &mut Diagnostics::new());
        assert!(
            matches!(read("$x = a  b "), Some(Condition::Equals { value, negated: false, .. }) if value == "a  b ")
        );
        assert!(matches!(read("$x = "), Some(Condition::Equals { value, .. }) if value.is_empty()));
        assert!(
            matches!(read("$x !~* a b"), Some(Condition::Matches { pattern, negated: true, .. }) if pattern == "a b")
        );
        assert!(matches!(read("-f /a b"), Some(Condition::File { path, .. }) if path == "/a b"));
        assert!(read("x = y").is_none());
    }
}
