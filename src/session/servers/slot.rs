//! What one edge sees at this moment, in words that other edges read.
//!
//! Each edge has a place of its own on the board, so that it can take back what it said without another's word going with it,
//! and so that an edge that is refused can ask who is not.

use std::str::FromStr;

/// So much is read of what is said to be an edge's.
const LONGEST: usize = 64 * 1024;

/// What an edge says of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It answers me.
    Up,
    /// Stop sending there: I cannot reach it and do not know that it is dead.
    Suspect,
    /// It refuses me, and nobody has contradicted.
    Dead,
    /// I do not know, or I do not trust myself.
    Nothing,
}

impl Word {
    fn letter(self) -> &'static str {
        match self {
            Word::Up => "up",
            Word::Suspect => "suspect",
            Word::Dead => "dead",
            Word::Nothing => "nothing",
        }
    }

    /// Whether nobody may send there while it stands.
    pub fn accuses(self) -> bool {
        matches!(self, Word::Suspect | Word::Dead)
    }
}

impl FromStr for Word {
    type Err = ();

    fn from_str(text: &str) -> Result<Word, ()> {
        [Word::Up, Word::Suspect, Word::Dead, Word::Nothing].into_iter().find(|w| w.letter() == text).ok_or(())
    }
}

/// Everything one edge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Of the edge: random, new with each start.
    pub identity: String,
    /// Grows with each writing, so that of two nodes' copies the newer one counts.
    pub turn: u64,
    /// By the servers' names: two edges may know them in another order, or not the same.
    pub words: Vec<(String, Word)>,
}

impl Slot {
    pub fn word(&self, server: &str) -> Word {
        self.words.iter().find(|(name, _)| name == server).map_or(Word::Nothing, |(_, word)| *word)
    }

    pub fn write(&self) -> String {
        let mut text = format!("{} {}", self.identity, self.turn);
        for (name, word) in &self.words {
            text.push_str(&format!("\n{} {name}", word.letter()));
        }
        text
    }

    /// Nothing if it is not what an edge writes.
    pub fn parse(text: &[u8]) -> Option<Slot> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST)?;
        let mut lines = text.split('\n');
        let (identity, turn) = lines.next()?.split_once(' ')?;
        let mut words = Vec::new();
        for line in lines {
            let (word, name) = line.split_once(' ')?;
            words.push((name.to_owned(), word.parse().ok()?));
        }
        let known = !identity.is_empty() && identity.bytes().all(|b| b.is_ascii_hexdigit());
        known.then_some(Slot { identity: identity.to_owned(), turn: turn.parse().ok()?, words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_as_it_is_written_and_nothing_else_is() {
        let words = vec![("10.0.0.1:80".to_owned(), Word::Up), ("unix:/a b".to_owned(), Word::Suspect)];
        let slot = Slot { identity: "0af3".into(), turn: 17, words };
        assert_eq!(Slot::parse(slot.write().as_bytes()), Some(slot.clone()));
        assert_eq!(slot.word("unix:/a b"), Word::Suspect);
        assert_eq!(slot.word("unknown"), Word::Nothing);
        for bad in ["", "0af3", "0af3 x", " 1", "zz 1", "0af3 1\nup", "0af3 1\ngone a", "0af3 1\n"] {
            assert_eq!(Slot::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
