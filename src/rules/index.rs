//! Which rules of a phase a request may concern, found by its method, host and path: of fifty rules most are out before
//! anything of theirs is evaluated.

use super::expr::{PathTest, Precheck};
use super::set::Compiled;
use crate::variables::Exchange;
use std::collections::{BTreeSet, HashMap};

/// A bit for each rule.
type Bits = Box<[u64]>;

/// What one property of a request leaves.
#[derive(Debug, Default)]
struct By<K> {
    known: HashMap<K, Bits>,
    /// For any other value.
    other: Bits,
}

impl<K: std::hash::Hash + Eq + Clone> By<K> {
    /// `wanted`: the values each rule is for; `None`: all.
    fn new(wanted: &[Option<Vec<K>>], words: usize) -> By<K> {
        let bits = |fits: &dyn Fn(&Option<Vec<K>>) -> bool| {
            let mut bits = vec![0; words].into_boxed_slice();
            for (at, _) in wanted.iter().enumerate().filter(|(_, values)| fits(values)) {
                bits[at / 64] |= 1 << (at % 64);
            }
            bits
        };
        let values: Vec<&K> = wanted.iter().flatten().flatten().collect();
        let known = values.into_iter().map(|value| {
            let fits = |values: &Option<Vec<K>>| values.as_ref().is_none_or(|values| values.contains(value));
            (value.clone(), bits(&fits))
        });
        By { known: known.collect(), other: bits(&|values| values.is_none()) }
    }

    fn of<Q: ?Sized + std::hash::Hash + Eq>(&self, value: &Q) -> &Bits
    where
        K: std::borrow::Borrow<Q>,
    {
        match self.known.is_empty() {
            true => &self.other,
            false => self.known.get(value).unwrap_or(&self.other),
        }
    }
}

#[derive(Debug, Default)]
pub struct Index {
    words: usize,
    methods: By<String>,
    hosts: By<Vec<u8>>,
    /// By the first segment of the path.
    segments: By<Vec<u8>>,
    /// What each rule wants of the whole path.
    paths: Vec<Option<BTreeSet<PathTest>>>,
}

/// The rules that are left, in order.
#[derive(Debug)]
pub struct Candidates {
    at: usize,
    left: u64,
    /// The path may be another one to those behind edge: its first segment says nothing.
    hides: bool,
}

impl Index {
    pub fn new(rules: &[Compiled]) -> Index {
        let words = rules.len().div_ceil(64);
        // A rule with `else` has something to do in any case.
        let prechecks: Vec<Precheck> = rules
            .iter()
            .map(|rule| match (&rule.when[0], rule.otherwise.is_empty()) {
                (Some(when), true) => when.precheck(),
                _ => Precheck::default(),
            })
            .collect();
        let methods: Vec<_> =
            prechecks.iter().map(|p| p.methods.as_ref().map(|m| m.iter().cloned().collect())).collect();
        let hosts: Vec<_> = prechecks.iter().map(|p| p.hosts.as_ref().map(|h| h.iter().cloned().collect())).collect();
        let segments: Vec<_> = prechecks.iter().map(|p| segments_of(p.paths.as_ref())).collect();
        Index {
            words,
            methods: By::new(&methods, words),
            hosts: By::new(&hosts, words),
            segments: By::new(&segments, words),
            paths: prechecks.into_iter().map(|p| p.paths).collect(),
        }
    }

    pub fn candidates(&self, x: &Exchange) -> Candidates {
        let hides = self.words > 0 && x.path.contains(&b';');
        Candidates { at: 0, left: self.word(0, hides, x), hides }
    }

    fn word(&self, at: usize, hides: bool, x: &Exchange) -> u64 {
        if at >= self.words {
            return 0;
        }
        let (methods, hosts) = (self.methods.of(x.method.as_str()), self.hosts.of(&x.host[..]));
        let segments = if hides { u64::MAX } else { self.segments.of(first_segment(&x.path))[at] };
        methods[at] & hosts[at] & segments
    }

    /// The next rule that may concern the request.
    pub fn next(&self, candidates: &mut Candidates, x: &Exchange) -> Option<usize> {
        loop {
            while candidates.left == 0 {
                candidates.at += 1;
                if candidates.at >= self.words {
                    return None;
                }
                candidates.left = self.word(candidates.at, candidates.hides, x);
            }
            let rule = candidates.at * 64 + candidates.left.trailing_zeros() as usize;
            candidates.left &= candidates.left - 1;
            if self.paths[rule].as_ref().is_none_or(|tests| tests.iter().any(|test| test.holds(&x.path))) {
                return Some(rule);
            }
        }
    }
}

/// `/a` of `/a/b` and of `/a`.
fn first_segment(path: &[u8]) -> &[u8] {
    let end = path.iter().skip(1).position(|b| *b == b'/').map_or(path.len(), |at| at + 1);
    &path[..end]
}

/// The first segments that paths of a rule can have; `None`: any.
fn segments_of(tests: Option<&BTreeSet<PathTest>>) -> Option<Vec<Vec<u8>>> {
    let segment = |test: &PathTest| match test {
        PathTest::Exact(path) | PathTest::Below(path) => Some(first_segment(path).to_vec()),
        PathTest::Prefix(prefix) => {
            let segment = first_segment(prefix);
            // `/a` alone is the beginning of `/ab` as well.
            (segment.len() < prefix.len()).then(|| segment.to_vec())
        }
    };
    tests?.iter().map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_segment_ends_before_the_second_slash() {
        let of = |path: &str| String::from_utf8(first_segment(path.as_bytes()).to_vec()).unwrap();
        assert_eq!([of("/a/b"), of("/a"), of("/"), of("")], ["/a", "/a", "/", ""]);
    }

    #[test]
    fn a_prefix_is_found_by_its_segment_only_if_it_holds_the_whole_of_it() {
        let tests = |test| BTreeSet::from([test]);
        let of = |test| segments_of(Some(&tests(test)));
        assert_eq!(of(PathTest::Prefix(b"/a/".to_vec())), Some(vec![b"/a".to_vec()]));
        assert_eq!(of(PathTest::Prefix(b"/a".to_vec())), None);
        assert_eq!(of(PathTest::Exact(b"/a".to_vec())), Some(vec![b"/a".to_vec()]));
        assert_eq!(of(PathTest::Below(b"/a".to_vec())), Some(vec![b"/a".to_vec()]));
        assert_eq!(segments_of(None), None);
    }
}
