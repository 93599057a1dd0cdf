//! The types a value can have: how each is written in YAML, how in nginx.conf, and what a person is told who wrote
//! something else.

use super::diagnostics::{Diagnostics, Span};
use super::node::{Kind, Node};
use serde_json::json;
use std::ops::Deref;
use std::time::Duration;

/// One word of a directive in nginx.conf, quotes and escapes removed.
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    pub text: String,
    pub quoted: bool,
    pub span: Span,
}

impl Arg {
    pub fn node(&self) -> Node {
        match self.quoted {
            true => Node::quoted(self.span, &self.text),
            false => Node::scalar(self.span, &self.text),
        }
    }

    /// `name=value` as `value`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.text.strip_prefix(name)?.strip_prefix('=')
    }
}

/// A type of value.
pub trait Value: Sized {
    /// Whether nginx lets the directive stand more than once in one block; the values are then joined.
    const REPEATS: bool = false;

    /// What was expected, for messages and the reference: "a time such as `60s`".
    fn expected() -> String;

    /// Reads a node; a mistake is noted and gives `None`.
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self>;

    /// The JSON Schema of the YAML form.
    fn schema() -> serde_json::Value;

    /// The words of a directive of nginx.conf as the node the YAML form would give.
    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [arg] => Ok(arg.node()),
            _ => Err(format!("expected one value: {}", Self::expected())),
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Value> Spanned<T> {
    pub fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        T::read(node, diagnostics).map(|value| Spanned { value, span: node.span })
    }
}

/// Notes that a node is not what was expected.
pub fn mismatch<T: Value>(node: &Node, diagnostics: &mut Diagnostics) -> Option<T> {
    diagnostics.error(node.span, format!("expected {}, found {}", T::expected(), node.describe()));
    None
}

impl Value for bool {
    fn expected() -> String {
        "`true` or `false` (`on` or `off`)".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<bool> {
        match node.as_text() {
            Some("true" | "on") => Some(true),
            Some("false" | "off") => Some(false),
            _ => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "enum": [true, false, "on", "off"] })
    }
}

macro_rules! whole_number {
    ($($ty:ty),*) => {$(
        impl Value for $ty {
            fn expected() -> String {
                "a whole number".into()
            }

            fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<$ty> {
                match node.as_text().and_then(|t| t.parse().ok()) {
                    Some(number) => Some(number),
                    None => mismatch(node, diagnostics),
                }
            }

            fn schema() -> serde_json::Value {
                json!({ "type": "integer" })
            }
        }
    )*};
}
whole_number!(u16, u32, u64, usize);

/// Any text. Numbers and words are text as they stand.
impl Value for String {
    fn expected() -> String {
        "a text".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<String> {
        match node.as_text() {
            Some(text) => Some(text.to_owned()),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

/// A time: `50ms 5s 10m 1h 7d`, also several of them (`1h30m`); a bare number is seconds, as in nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl Value for Time {
    fn expected() -> String {
        "a time such as `50ms`, `5s`, `10m`, `1h` or `7d`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Time> {
        match node.as_text().and_then(parse_time) {
            Some(time) => Some(Time(time)),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "integer"], "pattern": "^([0-9]+(ms|s|m|h|d|w|M|y)? ?)+$" })
    }
}

/// nginx's `ngx_parse_time`: units in falling order, each at most once, a bare number last.
pub fn parse_time(text: &str) -> Option<Duration> {
    const UNITS: &[(&str, u64)] = &[
        ("y", 31_536_000_000),
        ("M", 2_592_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut total: u64 = 0;
    let mut next_unit = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let unit = if letters == 0 { "s" } else { &rest[..letters] };
        let at = UNITS.iter().position(|(name, _)| *name == unit)?;
        if at < next_unit || (letters == 0 && !rest.trim_start().is_empty()) {
            return None;
        }
        next_unit = at + 1;
        total = total.checked_add(number.checked_mul(UNITS[at].1)?)?;
        rest = rest[letters..].trim_start_matches(' ');
    }
    (!text.is_empty() && total <= i32::MAX as u64 * 1_000).then(|| Duration::from_millis(total))
}

/// A number of bytes: `512 1k 20m 2g`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Value for Size {
    fn expected() -> String {
        "a size such as `512`, `8k`, `20m` or `2g`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Size> {
        match node.as_text().and_then(parse_size) {
            Some(size) => Some(Size(size)),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "integer"], "pattern": "^[0-9]+[kKmMgG]?$" })
    }
}

/// nginx's `ngx_parse_offset`.
pub fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'm' | b'M' => (&text[..text.len() - 1], 20),
        b'g' | b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift).filter(|size| *size <= i64::MAX as u64)
}

/// A list; one value is a list of one.
impl<T: Value> Value for Vec<T> {
    const REPEATS: bool = T::REPEATS;

    fn expected() -> String {
        format!("a list, each item {}", T::expected())
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Vec<T>> {
        // What is wrong was noted; the rest is looked at all the same.
        Some(node.items().iter().filter_map(|item| T::read(item, diagnostics)).collect())
    }

    fn schema() -> serde_json::Value {
        let item = T::schema();
        json!({ "anyOf": [item, { "type": "array", "items": item }] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [] => Err(format!("expected {}", Self::expected())),
            [first, ..] => Ok(Node::list(first.span, args.iter().map(Arg::node).collect())),
        }
    }
}

/// A list whose directive may stand several times in nginx.conf, as `proxy_hide_header` may.
#[derive(Clone, Debug, Default)]
pub struct Repeated<T>(pub Vec<T>);

impl<T: Value> Value for Repeated<T> {
    const REPEATS: bool = true;

    fn expected() -> String {
        Vec::<T>::expected()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        Vec::<T>::read(node, diagnostics).map(Repeated)
    }

    fn schema() -> serde_json::Value {
        Vec::<T>::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let node = T::from_args(args)?;
        Ok(Node::list(node.span, vec![node]))
    }
}

/// A value with its place, inside of lists and maps.
impl<T: Value> Value for Spanned<T> {
    const REPEATS: bool = T::REPEATS;

    fn expected() -> String {
        T::expected()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        Spanned::read(node, diagnostics)
    }

    fn schema() -> serde_json::Value {
        T::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        T::from_args(args)
    }
}

/// Names with values, in order: `{ Host: $host }`; in nginx.conf a directive each (`proxy_set_header Host $host`).
#[derive(Clone, Debug, Default)]
pub struct Named<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Named<T> {
    pub fn iter(&self) -> impl Iterator<Item = (&Spanned<String>, &T)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl<T: Value> Value for Named<T> {
    const REPEATS: bool = true;

    fn expected() -> String {
        format!("a map of names, each with {}", T::expected())
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        if matches!(node.kind, Kind::Null) {
            return Some(Named(Vec::new()));
        }
        let Some(entries) = node.as_map() else {
            return mismatch(node, diagnostics);
        };
        let read = entries
            .iter()
            .filter_map(|e| {
                let name = Spanned { value: e.key.clone(), span: e.span };
                T::read(&e.value, diagnostics).map(|value| (name, value))
            })
            .collect();
        Some(Named(read))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [name, rest @ ..] if !rest.is_empty() => Ok(Node::pair(name.span, &name.text, T::from_args(rest)?)),
            _ => Err(format!("expected a name and {}", T::expected())),
        }
    }
}

/// An enumeration whose words are the values of a key.
#[macro_export]
macro_rules! words {
    ($(#[$attr:meta])* pub enum $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $word:literal $(| $also:literal)*,)* }) => {
        $(#[$attr])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $doc])* $variant,)* }

        impl $name {
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl $crate::config::Value for $name {
            fn expected() -> String {
                let words: Vec<String> = Self::WORDS.iter().map(|w| format!("`{w}`")).collect();
                match words.as_slice() {
                    [one] => one.clone(),
                    [head @ .., last] => format!("{} or {last}", head.join(", ")),
                    [] => String::new(),
                }
            }

            fn read(node: &$crate::config::Node, diagnostics: &mut $crate::config::Diagnostics) -> Option<Self> {
                match node.as_text() {
                    $(Some($word $(| $also)*) => Some($name::$variant),)*
                    written => {
                        let written = written.unwrap_or_default().to_owned();
                        diagnostics
                            .error(node.span, format!("expected {}, found {}", Self::expected(), node.describe()))
                            .did_you_mean(&written, Self::WORDS.iter().copied());
                        None
                    }
                }
            }

            fn schema() -> serde_json::Value {
                let words: &[&str] = &[$($word, $($also,)*)*];
                // YAML reads `1.1` as a number and `off` as what it stands for.
                let plain = words.iter().filter_map(|w| serde_json::from_str::<serde_json::Value>(w).ok());
                let all: Vec<serde_json::Value> = words.iter().map(|w| (*w).into()).chain(plain).collect();
                serde_json::json!({ "enum": all })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_nginx_reads_them() {
        let ms = |text| parse_time(text).map(|d| d.as_millis());
        assert_eq!(ms("60"), Some(60_000));
        assert_eq!(ms("50ms"), Some(50));
        assert_eq!(ms("1h 30m"), Some(5_400_000));
        assert_eq!(ms("1h30m"), Some(5_400_000));
        assert_eq!(ms("2m30"), Some(150_000));
        assert_eq!(ms("7d"), Some(604_800_000));
        assert_eq!(ms("1M"), Some(2_592_000_000));
        for wrong in ["", "m", "5x", "1m1h", "-1", "1.5s", "5 5", "99999999999999999999"] {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_nginx_reads_them() {
        assert_eq!(parse_size("20m"), Some(20 << 20));
        assert_eq!(parse_size("1K"), Some(1024));
        assert_eq!(parse_size("0"), Some(0));
        for wrong in ["", "k", "1kb", "-1", "1.5m", "99999999999999999999g"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }
}
