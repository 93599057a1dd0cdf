//! Maps: those that expressions and parameters make, and the request's own, which are looked up where they stand.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use pingora_http::ResponseHeader;

use super::types::Kind;
use super::value::{Value, common, equal};
use crate::http::Headers;
use crate::variables::Exchange;

type Entry<'v> = (Value<'v>, Value<'v>);

/// A map.
#[derive(Clone)]
pub enum Map<'v> {
    Borrowed(&'v [Entry<'v>]),
    Made(Arc<[Entry<'v>]>),
    /// The fields of the request.
    Headers(&'v Headers),
    /// The fields of the answer.
    Answer(&'v ResponseHeader),
    Cookies(&'v Exchange),
    /// The arguments of the request, decoded.
    Arguments(&'v Exchange),
}

impl<'v> Map<'v> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Map::Borrowed(entries) => kind_of(entries),
            Map::Made(entries) => kind_of(entries),
            _ => Kind::map(Kind::Text, Kind::Text),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &Value<'_>) -> Option<Value<'v>> {
        match self {
            Map::Borrowed(entries) => {
                entries.iter().find(|(known, _)| equal(known, key)).map(|(_, value)| value.lend())
            }
            Map::Made(entries) => entries.iter().find(|(known, _)| equal(known, key)).map(|(_, value)| value.clone()),
            _ => self.field(std::str::from_utf8(key.as_text()?).ok()?).map(Value::Text),
        }
    }

    /// What it costs to look a key up, in steps.
    pub(super) fn weight(&self) -> usize {
        let texts = |texts: usize| 1 + texts / 32;
        match self {
            Map::Borrowed(entries) => 1 + entries.len() / 8,
            Map::Made(entries) => 1 + entries.len() / 8,
            Map::Headers(headers) => 1 + headers.len() / 4,
            Map::Answer(answer) => 1 + answer.headers.len() / 4,
            Map::Cookies(exchange) => texts(exchange.head.headers.get_all("cookie").map(<[u8]>::len).sum()),
            Map::Arguments(exchange) => texts(exchange.args.as_ref().map_or(0, Vec::len)),
        }
    }

    /// The value of a field, cookie or argument.
    pub(super) fn field(&self, name: &str) -> Option<Cow<'v, [u8]>> {
        match self {
            Map::Headers(headers) => {
                let values = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
                joined(name, values.map(|(_, value)| &value[..]))
            }
            Map::Answer(answer) => {
                // Names that no field can have are not looked for.
                let name = http::HeaderName::from_bytes(name.as_bytes()).ok()?;
                joined(name.as_str(), answer.headers.get_all(&name).into_iter().map(|value| value.as_bytes()))
            }
            Map::Cookies(exchange) => exchange.cookie(name).map(Cow::Borrowed),
            Map::Arguments(exchange) => argument(exchange, name).map(decoded),
            Map::Borrowed(_) | Map::Made(_) => None,
        }
    }

    pub fn contains(&self, key: &Value<'_>) -> bool {
        self.get(key).is_some()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        match self {
            Map::Borrowed(entries) => entries.len(),
            Map::Made(entries) => entries.len(),
            _ => self.names().len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn keys(&self) -> Vec<Value<'v>> {
        match self {
            Map::Borrowed(entries) => entries.iter().map(|(key, _)| key.lend()).collect(),
            Map::Made(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
            _ => self.names().into_iter().map(Value::Text).collect(),
        }
    }

    pub fn entries(&self) -> Vec<Entry<'v>> {
        match self {
            Map::Borrowed(entries) => entries.to_vec(),
            Map::Made(entries) => entries.to_vec(),
            _ => {
                let value = |key: &Value<'v>| self.get(key).unwrap_or(Value::Null);
                self.keys().into_iter().map(|key| (key.clone(), value(&key))).collect()
            }
        }
    }

    /// The names of fields in lower case, of arguments decoded, of cookies as they came; each once.
    fn names(&self) -> Vec<Cow<'v, [u8]>> {
        let mut names: Vec<Cow<'v, [u8]>> = match self {
            Map::Headers(headers) => headers.iter().map(|(name, _)| lower(name)).collect(),
            Map::Answer(answer) => answer.headers.keys().map(|name| name.as_str().as_bytes().into()).collect(),
            Map::Cookies(exchange) => cookies(exchange).collect(),
            Map::Arguments(exchange) => arguments(exchange).map(|(name, _)| decoded(name)).collect(),
            Map::Borrowed(_) | Map::Made(_) => Vec::new(),
        };
        // In the order of their first appearance; a head holds too few for this to be slow, and it does so once for a step.
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.to_ascii_lowercase()));
        names
    }
}

fn kind_of(entries: &[Entry<'_>]) -> Kind {
    Kind::map(common(entries.iter().map(|(key, _)| key)), common(entries.iter().map(|(_, value)| value)))
}

/// Several fields of a name are one list (RFC 9110 5.3); those of cookies are joined as HTTP/2 splits them.
fn joined<'v>(name: &str, mut values: impl Iterator<Item = &'v [u8]>) -> Option<Cow<'v, [u8]>> {
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
    let between: &[u8] = if name.eq_ignore_ascii_case("cookie") { b"; " } else { b", " };
    let mut all = [first, between, second].concat();
    for value in values {
        all.extend_from_slice(between);
        all.extend_from_slice(value);
    }
    Some(Cow::Owned(all))
}

fn lower(name: &[u8]) -> Cow<'_, [u8]> {
    if name.iter().any(u8::is_ascii_uppercase) { name.to_ascii_lowercase().into() } else { name.into() }
}

fn cookies(exchange: &Exchange) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let fields = exchange.head.headers.get_all("cookie");
    fields.flat_map(|field| field.split(|b| *b == b';')).filter_map(|pair| {
        let at = pair.iter().position(|b| *b == b'=')?;
        Some(Cow::Borrowed(pair[..at].trim_ascii_start()))
    })
}

/// Names and values of the arguments; one without `=` has an empty value.
fn arguments(exchange: &Exchange) -> impl Iterator<Item = (&[u8], &[u8])> {
    let all = exchange.args.as_deref().unwrap_or_default();
    all.split(|b| *b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let at = pair.iter().position(|b| *b == b'=');
        at.map_or((pair, &pair[..0]), |at| (&pair[..at], &pair[at + 1..]))
    })
}

fn argument<'v>(exchange: &'v Exchange, name: &str) -> Option<&'v [u8]> {
    // An application decodes names, too.
    let is_it = |known: &[u8]| decoded(known).eq_ignore_ascii_case(name.as_bytes());
    arguments(exchange).find(|(known, _)| is_it(known)).map(|(_, value)| value)
}

/// Without `%XX` and `+`, as forms write spaces. What is no sequence stays as it is.
pub(super) fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => {
                match (crate::http::escape::hex(*high), crate::http::escape::hex(*low)) {
                    (Some(high), Some(low)) => {
                        out.push(high << 4 | low);
                        rest = after;
                    }
                    _ => out.push(b'%'),
                }
            }
            _ => out.push(*first),
        }
    }
    Cow::Owned(out)
}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        Value::Map(self.clone()).write_text(&mut text);
        out.write_str(&String::from_utf8_lossy(&text))
    }
}
