//! The locations of one server and which of them a path means: nginx's `ngx_http_core_find_location`.
//!
//! The algorithm stands in the [room's head](super). Picking and explaining are one search with two onlookers, so that the
//! explanation cannot say anything else than what happens.
//!
//! Always: locations are numbered in file order, nested ones right after their outer one; picking neither allocates (but
//! for a regex nested in a regex) nor looks at names one by one.

use std::collections::HashMap;

use super::explain::{Explanation, Step};
use super::first::FirstOf;
use super::level::{Found, Member, Names};
use super::matcher::Matcher;
use crate::pattern::{Captures, Pattern};

/// A location as it is written, with what it holds.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    pub matcher: Matcher,
    pub value: T,
    /// Its handler passes requests on (`proxy_pass` and its like): asked for without its final slash it redirects.
    pub redirect: bool,
    pub nested: Vec<Entry<T>>,
}

/// A location in a place where nginx does not allow it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("location \"{location}\" {problem}")]
pub struct Misplaced {
    /// Its number in file order.
    pub index: usize,
    pub location: String,
    pub problem: String,
}

/// The locations of one server.
#[derive(Debug)]
pub struct Locations<T> {
    nodes: Vec<Node<T>>,
    root: Level,
    named: HashMap<String, usize>,
}

impl<T> Default for Locations<T> {
    fn default() -> Self {
        Locations { nodes: Vec::new(), root: Level::default(), named: HashMap::new() }
    }
}

#[derive(Debug)]
struct Node<T> {
    matcher: Matcher,
    value: T,
    nested: Level,
}

/// The locations that stand beside each other, by number.
#[derive(Debug, Default)]
pub(super) struct Level {
    names: Names,
    /// Exact and prefix locations in file order.
    pub(super) plain: Vec<usize>,
    regexes: FirstOf,
    /// The locations of the regexes.
    pub(super) regex: Vec<usize>,
    /// Locations inside a regex location that have no regex: nginx never asks them.
    ignored: Vec<usize>,
}

/// What a path means.
#[derive(Clone, Debug)]
pub struct Pick<'l, T> {
    pub value: &'l T,
    /// The location's number in file order.
    pub index: usize,
    pub matcher: &'l Matcher,
    /// To be answered with 301 to the location's name (the path and a slash), the arguments kept.
    pub auto_redirect: bool,
    /// The regexes around the innermost one that led here.
    outer: Vec<&'l Pattern>,
    pattern: Option<&'l Pattern>,
}

impl<'l, T> Pick<'l, T> {
    /// What `$1`… are: the groups of the innermost regex that led here. Searched again, only when somebody asks.
    pub fn captures(&self, path: &[u8]) -> Option<Captures> {
        self.pattern.and_then(|pattern| pattern.captures(path))
    }

    /// The regexes that led here, outermost first. Named captures of all of them are variables, the inner ones first.
    pub fn patterns(&self) -> impl DoubleEndedIterator<Item = &'l Pattern> {
        self.outer.iter().copied().chain(self.pattern)
    }
}

/// What a search has found so far.
pub(super) struct Progress<'l> {
    pub(super) location: Option<usize>,
    redirect: bool,
    outer: Vec<&'l Pattern>,
    pattern: Option<&'l Pattern>,
}

/// Why the regexes of a level were not tried.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Skipped {
    Exact,
    Redirect,
    /// The search ended inside the remembered prefix.
    Inside,
    /// The remembered prefix has `^~`.
    NoRegex(usize),
}

/// Sees what a search does.
pub(super) trait Onlooker {
    fn names(&mut self, _level: &Level, _depth: usize, _found: Found) {}
    fn regexes(&mut self, _level: &Level, _depth: usize, _result: Result<Option<usize>, Skipped>) {}
}

/// Picking: nobody looks.
impl Onlooker for () {}

impl<T> Locations<T> {
    /// Takes the locations of a server in file order; mistakes come back all at once.
    pub fn new(entries: Vec<Entry<T>>) -> Result<Locations<T>, Vec<Misplaced>> {
        let mut locations = Locations { nodes: Vec::new(), root: Level::default(), named: HashMap::new() };
        let mut mistakes = Vec::new();
        locations.root = locations.add_level(entries, None, &mut mistakes);
        if mistakes.is_empty() { Ok(locations) } else { Err(mistakes) }
    }

    fn add_level(&mut self, entries: Vec<Entry<T>>, outer: Option<&Matcher>, mistakes: &mut Vec<Misplaced>) -> Level {
        let (mut level, mut members, mut patterns) = (Level::default(), Vec::new(), Vec::new());
        for Entry { matcher, value, redirect, nested } in entries {
            let index = self.nodes.len();
            if let Some(problem) = outer.and_then(|outer| matcher.misplaced_in(outer)) {
                mistakes.push(Misplaced { index, location: matcher.to_string(), problem });
            }
            self.nodes.push(Node { matcher: matcher.clone(), value, nested: Level::default() });
            match &matcher {
                Matcher::Named(name) => {
                    self.named.entry(name.clone()).or_insert(index);
                }
                Matcher::Regex(pattern) => {
                    level.regex.push(index);
                    patterns.push(pattern.clone());
                }
                Matcher::Exact(_) | Matcher::Prefix { .. } if matches!(outer, Some(Matcher::Regex(_))) => {
                    level.ignored.push(index);
                }
                Matcher::Exact(text) | Matcher::Prefix { text, .. } => {
                    level.plain.push(index);
                    let exact = matches!(matcher, Matcher::Exact(_));
                    members.push(Member { text: text.clone(), location: index, exact, redirect });
                }
            }
            self.nodes[index].nested = self.add_level(nested, Some(&matcher), mistakes);
        }
        level.names = Names::new(members);
        level.regexes = FirstOf::new(patterns);
        level
    }

    /// The location of a decoded and normalized path; `None`: nothing but what the server itself says.
    pub fn pick(&self, path: &[u8]) -> Option<Pick<'_, T>> {
        let progress = self.run(path, &mut ());
        let index = progress.location?;
        let node = &self.nodes[index];
        Some(Pick {
            value: &node.value,
            index,
            matcher: &node.matcher,
            auto_redirect: progress.redirect,
            outer: progress.outer,
            pattern: progress.pattern,
        })
    }

    /// Why each location wins or loses, in the order in which they are looked at.
    pub fn explain(&self, path: &[u8]) -> Vec<Step> {
        let mut explanation = Explanation::new(path, |index| &self.nodes[index].matcher);
        let winner = self.run(path, &mut explanation).location;
        explanation.steps(winner)
    }

    fn run<'l>(&'l self, path: &[u8], onlooker: &mut impl Onlooker) -> Progress<'l> {
        let mut progress = Progress { location: None, redirect: false, outer: Vec::new(), pattern: None };
        self.search(&self.root, 0, path, &mut progress, onlooker);
        progress
    }

    /// Searches one level and what is nested in it; says whether the search is over for the levels around, too.
    fn search<'l>(
        &'l self,
        level: &'l Level,
        depth: usize,
        path: &[u8],
        progress: &mut Progress<'l>,
        onlooker: &mut impl Onlooker,
    ) -> bool {
        let found = level.names.find(path);
        onlooker.names(level, depth, found);
        if let Some(skipped) = self.follow(found, depth, path, progress, onlooker) {
            onlooker.regexes(level, depth, Err(skipped));
            return !matches!(skipped, Skipped::NoRegex(_));
        }
        let first = level.regexes.find(path);
        onlooker.regexes(level, depth, Ok(first));
        let Some(first) = first else { return false };
        progress.location = Some(level.regex[first]);
        progress.outer.extend(progress.pattern.replace(&level.regexes.patterns()[first]));
        self.search(&self.nodes[level.regex[first]].nested, depth + 1, path, progress, onlooker);
        true
    }

    /// Takes what the names say, and searches inside a prefix. `None`: the regexes are next.
    fn follow<'l>(
        &'l self,
        found: Found,
        depth: usize,
        path: &[u8],
        progress: &mut Progress<'l>,
        onlooker: &mut impl Onlooker,
    ) -> Option<Skipped> {
        match found {
            Found::Nothing => None,
            Found::Exact(index) => {
                progress.location = Some(index);
                Some(Skipped::Exact)
            }
            Found::Redirect(index) => {
                progress.location = Some(index);
                progress.redirect = true;
                Some(Skipped::Redirect)
            }
            Found::Prefix(index) => {
                let node = &self.nodes[index];
                progress.location = Some(index);
                if self.search(&node.nested, depth + 1, path, progress, onlooker) {
                    return Some(Skipped::Inside);
                }
                matches!(node.matcher, Matcher::Prefix { no_regex: true, .. }).then_some(Skipped::NoRegex(index))
            }
        }
    }

    /// A named location, by its name with the `@`.
    pub fn named(&self, name: &str) -> Option<(usize, &T)> {
        let index = *self.named.get(name)?;
        Some((index, &self.nodes[index].value))
    }

    /// A location by its number in file order.
    pub fn get(&self, index: usize) -> Option<(&Matcher, &T)> {
        self.nodes.get(index).map(|node| (&node.matcher, &node.value))
    }

    /// All locations in file order, with what they hold.
    pub fn iter(&self) -> impl Iterator<Item = (&Matcher, &T)> {
        self.nodes.iter().map(|node| (&node.matcher, &node.value))
    }

    /// The locations that no request can reach by its path, and why.
    pub fn unreachable(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        self.check_level(&self.root, &mut found);
        let named = self.nodes.iter().enumerate().filter_map(|(index, node)| match &node.matcher {
            Matcher::Named(name) => Some((index, name)),
            _ => None,
        });
        found.extend(
            named
                .filter(|(index, name)| self.named.get(*name) != Some(index))
                .map(|(index, name)| (index, format!("another location before it is named {name}"))),
        );
        found.sort_by_key(|(index, _)| *index);
        found
    }

    fn check_level(&self, level: &Level, found: &mut Vec<(usize, String)>) {
        let mut seen: HashMap<(&[u8], bool), ()> = HashMap::new();
        for index in &level.plain {
            let (text, exact) = match &self.nodes[*index].matcher {
                Matcher::Exact(text) => (text, true),
                Matcher::Prefix { text, .. } => (text, false),
                Matcher::Regex(_) | Matcher::Named(_) => continue,
            };
            let kind = if exact { "an exact" } else { "a prefix" };
            if seen.insert((text, exact), ()).is_some() {
                found.push((*index, format!("{kind} location for the same path stands before it")));
            } else if !text.is_empty() && !text.starts_with(b"/") || exact && text.is_empty() {
                found.push((*index, "every path begins with \"/\"".to_owned()));
            }
        }
        for (at, pattern) in level.regexes.patterns().iter().enumerate() {
            if level.regexes.patterns()[..at].contains(pattern) {
                found.push((level.regex[at], "the same regex stands before it".to_owned()));
            }
        }
        for index in &level.ignored {
            found.push((*index, "inside a regex location only regex locations are asked".to_owned()));
        }
        for index in level.plain.iter().chain(&level.regex) {
            self.check_level(&self.nodes[*index].nested, found);
        }
    }
}

#[cfg(test)]
mod tests;
