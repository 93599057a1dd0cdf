//! Texts replaced by others, as nginx's `sub_filter`: the leftmost one counts, of several at one place the one that was
//! configured first, and letters of ASCII match in either case.
//!
//! No more is held back than what may be the beginning of a text, so at most the longest one less a byte.

use super::{FilterError, Machine};

/// One text and what stands in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitution {
    pub from: Vec<u8>,
    pub to: Vec<u8>,
}

/// `sub_filter`, over one body.
pub struct Substitute {
    /// With `from` in lower case and never empty.
    pairs: Vec<Pair>,
    /// How far a place of the shortest text is from its end, by the byte that stands there (Horspool's table).
    shift: Box<[u8; 256]>,
    shortest: usize,
    once: bool,
    held: Vec<u8>,
}

struct Pair {
    from: Vec<u8>,
    to: Vec<u8>,
    is_spent: bool,
}

enum Found {
    /// Which pair.
    Whole(usize),
    /// What is there may become one.
    Perhaps,
    No,
}

impl Substitute {
    /// `once`: each text is replaced where it stands first, and not again. Empty texts stand nowhere.
    pub fn new(pairs: impl IntoIterator<Item = Substitution>, once: bool) -> Substitute {
        let pairs = pairs.into_iter().filter(|pair| !pair.from.is_empty());
        let pairs = pairs.map(|pair| Pair { from: pair.from.to_ascii_lowercase(), to: pair.to, is_spent: false });
        let mut machine =
            Substitute { pairs: pairs.collect(), shift: Box::new([0; 256]), shortest: 0, once, held: Vec::new() };
        machine.learn();
        machine
    }

    /// The table of what is still looked for.
    fn learn(&mut self) {
        let left = || self.pairs.iter().filter(|pair| !pair.is_spent);
        self.shortest = left().map(|pair| pair.from.len()).min().unwrap_or(0);
        let farthest = u8::try_from(self.shortest).unwrap_or(u8::MAX);
        let mut shift = [farthest; 256];
        for pair in left() {
            for (at, byte) in pair.from[..self.shortest].iter().enumerate() {
                let distance = u8::try_from(self.shortest - 1 - at).unwrap_or(u8::MAX);
                let place = &mut shift[usize::from(*byte)];
                *place = distance.min(*place);
            }
        }
        *self.shift = shift;
    }

    /// What begins here, if anything does.
    fn at(&self, text: &[u8], last: bool) -> Found {
        for (at, pair) in self.pairs.iter().enumerate().filter(|(_, pair)| !pair.is_spent) {
            let length = pair.from.len().min(text.len());
            if !text[..length].eq_ignore_ascii_case(&pair.from[..length]) {
                continue;
            }
            match pair.from.len() <= text.len() {
                true => return Found::Whole(at),
                false if !last => return Found::Perhaps,
                false => {}
            }
        }
        Found::No
    }

    fn replace(&mut self, which: usize, out: &mut Vec<u8>) -> usize {
        let pair = &mut self.pairs[which];
        out.extend_from_slice(&pair.to);
        let length = pair.from.len();
        if self.once {
            pair.is_spent = true;
            self.learn();
        }
        length
    }

    /// Goes through what is there; gives the place from which on nothing is certain.
    fn go(&mut self, text: &[u8], last: bool, out: &mut Vec<u8>) -> usize {
        let (mut at, mut copied) = (0, 0);
        while self.shortest > 0 && at < text.len() {
            let window = at + self.shortest - 1;
            let Some(byte) = text.get(window) else { break };
            match self.shift[usize::from(byte.to_ascii_lowercase())] {
                0 => {}
                distance => {
                    at += usize::from(distance);
                    continue;
                }
            }
            match self.at(&text[at..], last) {
                Found::Whole(which) => {
                    out.extend_from_slice(&text[copied..at]);
                    at += self.replace(which, out);
                    copied = at;
                }
                Found::Perhaps => break,
                Found::No => at += 1,
            }
        }
        if last || self.shortest == 0 {
            at = text.len();
        }
        let certain = at.min(text.len());
        // What is shorter than the shortest text may be a beginning of one.
        let certain = match last || self.shortest == 0 {
            true => certain,
            false => certain + self.impossible(&text[certain..]),
        };
        out.extend_from_slice(&text[copied..certain]);
        certain
    }

    /// How many bytes of a rest no text begins in.
    fn impossible(&self, rest: &[u8]) -> usize {
        (0..rest.len()).find(|at| !matches!(self.at(&rest[*at..], false), Found::No)).unwrap_or(rest.len())
    }
}

impl Machine for Substitute {
    fn feed(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), FilterError> {
        if self.held.is_empty() {
            let certain = self.go(piece, last, out);
            self.held.extend_from_slice(&piece[certain..]);
            return Ok(());
        }
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(piece);
        let certain = self.go(&text, last, out);
        text.drain(..certain);
        self.held = text;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{cut, fed};
    use super::*;
    use proptest::prelude::*;

    fn machine(pairs: &[(&str, &str)], once: bool) -> Substitute {
        let pairs = pairs.iter().map(|(from, to)| Substitution { from: (*from).into(), to: (*to).into() });
        Substitute::new(pairs, once)
    }

    fn replaced(pairs: &[(&str, &str)], once: bool, body: &str) -> String {
        String::from_utf8(fed(&mut machine(pairs, once), &[body.as_bytes()]).unwrap()).unwrap()
    }

    #[test]
    fn a_text_is_replaced_once_or_wherever_it_stands() {
        assert_eq!(replaced(&[("a", "b")], true, "xaya"), "xbya");
        assert_eq!(replaced(&[("a", "b")], false, "xaya"), "xbyb");
        assert_eq!(replaced(&[("a", "1"), ("y", "2")], true, "aayy"), "1a2y");
        assert_eq!(replaced(&[("</head>", "X</head>")], true, "<HEAD></HeAd>"), "<HEAD>X</head>");
    }

    #[test]
    fn the_leftmost_counts_and_of_those_at_one_place_the_first() {
        assert_eq!(replaced(&[("bc", "1"), ("ab", "2")], false, "abc"), "2c");
        assert_eq!(replaced(&[("ab", "1"), ("abc", "2")], false, "abc"), "1c");
        assert_eq!(replaced(&[("abc", "1"), ("ab", "2")], false, "abcab"), "12");
        assert_eq!(replaced(&[("aa", "b")], false, "aaaaa"), "bba");
        assert_eq!(replaced(&[("ab", "ab")], false, "aab"), "aab");
    }

    #[test]
    fn what_is_put_in_is_not_looked_through() {
        assert_eq!(replaced(&[("a", "aa"), ("aaa", "x")], false, "aa"), "aaaa");
    }

    #[test]
    fn an_empty_text_stands_nowhere() {
        assert_eq!(replaced(&[("", "x")], false, "abc"), "abc");
        assert_eq!(replaced(&[("", "x"), ("b", "y")], false, "abc"), "ayc");
    }

    #[test]
    fn no_more_is_held_back_than_may_be_a_beginning() {
        let mut machine = machine(&[("</head>", "x")], false);
        let mut out = Vec::new();
        machine.feed(b"some text </he", false, &mut out).unwrap();
        assert_eq!(out, b"some text ");
        machine.feed(b"llo", false, &mut out).unwrap();
        assert_eq!(out, b"some text </hello");
        machine.feed(b" an end", false, &mut out).unwrap();
        assert_eq!(out, b"some text </hello an end");
    }

    /// The same, told as simply as can be.
    fn simply(pairs: &[(String, String)], once: bool, body: &[u8]) -> Vec<u8> {
        let mut spent = vec![false; pairs.len()];
        let (mut out, mut at) = (Vec::new(), 0);
        while at < body.len() {
            let found = pairs.iter().enumerate().find(|(which, (from, _))| {
                let there = body.get(at..at + from.len());
                !spent[*which] && !from.is_empty() && there.is_some_and(|t| t.eq_ignore_ascii_case(from.as_bytes()))
            });
            match found {
                Some((which, (from, to))) => {
                    out.extend_from_slice(to.as_bytes());
                    at += from.len();
                    spent[which] = once;
                }
                None => {
                    out.push(body[at]);
                    at += 1;
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn however_it_is_cut_what_is_replaced_is_the_same(
            pairs in proptest::collection::vec(("[abA]{0,4}", "[xya]{0,3}"), 1..4),
            once in any::<bool>(),
            body in "[abcB]{0,60}",
            sizes in proptest::collection::vec(0usize..6, 0..30),
        ) {
            let list = pairs.iter().map(|(from, to)| Substitution { from: from.clone().into(), to: to.clone().into() });
            let mut machine = Substitute::new(list, once);
            let made = fed(&mut machine, &cut(body.as_bytes(), &sizes)).unwrap();
            prop_assert_eq!(made, simply(&pairs, once, body.as_bytes()));
        }
    }
}
