//! `map`: one text becomes another, as nginx's ngx_http_map_module finds it: the same text first, then host names with
//! wildcards, the longest first, then regular expressions in their order.

use crate::pattern::Pattern;
use crate::variables::template::Template;
use crate::variables::{Captures, Exchange};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A map, compiled.
#[derive(Debug)]
pub struct Map {
    source: Template,
    /// Keys are names of hosts, perhaps with a `*`.
    hostnames: bool,
    /// Found out anew each time.
    pub volatile: bool,
    /// In lower case.
    exact: HashMap<Box<[u8]>, Template>,
    /// `*.example.com` as `.example.com`
    heads: HashMap<Box<[u8]>, Template>,
    /// `www.example.*` as `www.example.`
    tails: HashMap<Box<[u8]>, Template>,
    patterns: Vec<(Pattern, Template)>,
    default: Template,
}

/// Why a key cannot be in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapMistake {
    #[error("this key stands in the map already: letters are not told apart by their case")]
    Conflicting,
    #[error(
        "this is no name of a host: a `*` can stand for the first labels (`*.example.com`) or the last (`www.example.*`)"
    )]
    Wildcard,
}

impl Map {
    pub fn new(source: Template, hostnames: bool, volatile: bool, default: Template) -> Map {
        let (exact, heads, tails, patterns) = Default::default();
        Map { source, hostnames, volatile, exact, heads, tails, patterns, default }
    }

    /// A key that is no regular expression.
    pub fn insert(&mut self, key: &str, value: Template) -> Result<(), MapMistake> {
        let key = key.to_ascii_lowercase();
        if !self.hostnames {
            return put(&mut self.exact, key, value);
        }
        let stars = key.bytes().filter(|b| *b == b'*').count();
        if stars > 1 || key.contains("..") || key.contains('\0') {
            return Err(MapMistake::Wildcard);
        }
        match (key.strip_prefix('.').filter(|rest| !rest.is_empty()), key.strip_prefix('*'), key.strip_suffix('*')) {
            // Stands for the name itself as well.
            (Some(name), ..) if stars == 0 => {
                put(&mut self.exact, name.to_owned(), value.clone())?;
                put(&mut self.heads, key, value)
            }
            (_, Some(head), _) if head.len() > 1 && head.starts_with('.') => {
                put(&mut self.heads, head.to_owned(), value)
            }
            (_, _, Some(tail)) if tail.len() > 1 && tail.ends_with('.') => put(&mut self.tails, tail.to_owned(), value),
            _ if stars == 0 => put(&mut self.exact, key, value),
            _ => Err(MapMistake::Wildcard),
        }
    }

    pub fn insert_pattern(&mut self, pattern: Pattern, value: Template) {
        self.patterns.push((pattern, value));
    }

    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    pub(super) fn write(&self, x: &Exchange, out: &mut Vec<u8>) {
        let source = self.source.evaluate(x);
        let key = match self.hostnames {
            true => source.strip_suffix(b".").unwrap_or(&source),
            false => &source,
        };
        let value = self.find(&key.to_ascii_lowercase()).or_else(|| self.find_pattern(key, x));
        value.unwrap_or(&self.default).write(x, out);
    }

    fn find(&self, key: &[u8]) -> Option<&Template> {
        let exact = self.exact.get(key);
        if exact.is_some() || !self.hostnames || key.is_empty() {
            return exact;
        }
        // From the left, for the longest rest; what the star stands for is at least one letter.
        let dots = || key.iter().enumerate().filter(|(at, b)| **b == b'.' && *at > 0).map(|(at, _)| at);
        let head = dots().find_map(|at| self.heads.get(&key[at..]));
        head.or_else(|| dots().collect::<Vec<_>>().into_iter().rev().find_map(|at| self.tails.get(&key[..=at])))
    }

    /// Nothing is found in nothing, whatever the expression, as in nginx.
    fn find_pattern(&self, key: &[u8], x: &Exchange) -> Option<&Template> {
        let (pattern, value) = self.patterns.iter().filter(|_| !key.is_empty()).find(|(p, _)| p.is_match(key))?;
        let captures = match pattern.groups() {
            0 => Captures::default(),
            _ => Captures::new(pattern.clone(), key.to_vec()),
        };
        x.defined.captured_by_map(pattern, captures);
        Some(value)
    }
}

fn put(map: &mut HashMap<Box<[u8]>, Template>, key: String, value: Template) -> Result<(), MapMistake> {
    match map.entry(key.into_bytes().into()) {
        Entry::Occupied(_) => Err(MapMistake::Conflicting),
        Entry::Vacant(place) => {
            place.insert(value);
            Ok(())
        }
    }
}
