//! What one edge sees at this moment, in words that other edges read.
//!
//! Each edge has a place of its own on the board, so that it can take back what it said without another's word going with it,
//! and so that an edge that is refused can ask who is not.

use super::departure::Moving;
use std::str::{FromStr, Split};
use std::time::Duration;

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

/// What an edge has to do with a server that sessions are moved off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// It moves them.
    Moving(Moving),
    /// It sends nothing there for this ticket.
    Held {
        ticket: u64,
        /// What it has sent and has not ended.
        under_way: usize,
        /// Requests that wait.
        waiting: usize,
    },
}

impl Note {
    fn write(self) -> String {
        match self {
            Note::Moving(Moving { ticket, cut, left }) => {
                format!("{} {ticket:x} {}", if cut { "cutting" } else { "moving" }, left.as_millis())
            }
            Note::Held { ticket, under_way, waiting } => format!("held {ticket:x} {under_way} {waiting}"),
        }
    }

    /// The rest of a line that begins with this word, but for the server's name.
    fn parse(word: &str, rest: &mut Split<'_, char>) -> Option<Note> {
        let ticket = u64::from_str_radix(rest.next()?, 16).ok()?;
        match word {
            "moving" | "cutting" => {
                let left = Duration::from_millis(rest.next()?.parse().ok()?);
                Some(Note::Moving(Moving { ticket, cut: word == "cutting", left }))
            }
            "held" => {
                let (under_way, waiting) = (rest.next()?.parse().ok()?, rest.next()?.parse().ok()?);
                Some(Note::Held { ticket, under_way, waiting })
            }
            _ => None,
        }
    }
}

/// Everything one edge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Of the edge: random, new with each start.
    pub identity: String,
    /// The same for people: its host and process.
    pub who: String,
    /// Grows with each writing, so that of two nodes' copies the newer one counts.
    pub turn: u64,
    /// By the servers' names: two edges may know them in another order, or not the same.
    pub words: Vec<(String, Word)>,
    /// Any number for a server.
    pub notes: Vec<(String, Note)>,
}

impl Slot {
    /// Whether it may send requests there.
    pub fn knows(&self, server: &str) -> bool {
        self.words.iter().any(|(name, _)| name == server)
    }

    pub fn notes(&self, server: &str) -> impl Iterator<Item = Note> {
        self.notes.iter().filter(move |(name, _)| name == server).map(|(_, note)| *note)
    }

    pub fn word(&self, server: &str) -> Word {
        self.words.iter().find(|(name, _)| name == server).map_or(Word::Nothing, |(_, word)| *word)
    }

    pub fn write(&self) -> String {
        let mut text = format!("{} {} {}", self.identity, self.turn, self.who);
        for (name, word) in &self.words {
            text.push_str(&format!("\n{} {name}", word.letter()));
        }
        for (name, note) in &self.notes {
            text.push_str(&format!("\n{} {name}", note.write()));
        }
        text
    }

    /// Nothing if it is not what an edge writes.
    pub fn parse(text: &[u8]) -> Option<Slot> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST)?;
        let mut lines = text.split('\n');
        let mut head = lines.next()?.split(' ');
        let (identity, turn, who) = (head.next()?, head.next()?, head.next()?.to_owned());
        let (mut words, mut notes) = (Vec::new(), Vec::new());
        for line in lines {
            let (word, name) = line.split_once(' ')?;
            match word.parse() {
                Ok(word) => words.push((name.to_owned(), word)),
                Err(()) => {
                    let mut rest = name.split(' ');
                    let note = Note::parse(word, &mut rest)?;
                    notes.push((rest.collect::<Vec<_>>().join(" "), note));
                }
            }
        }
        let known = !identity.is_empty() && identity.bytes().all(|b| b.is_ascii_hexdigit());
        let plain = head.next().is_none() && who.bytes().all(|b| b.is_ascii_graphic());
        let identity = identity.to_owned();
        (known && plain).then_some(Slot { identity, who, turn: turn.parse().ok()?, words, notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_as_it_is_written_and_nothing_else_is() {
        let words = vec![("10.0.0.1:80".to_owned(), Word::Up), ("unix:/a b".to_owned(), Word::Suspect)];
        let moving = Moving { ticket: 0xfe, cut: false, left: Duration::from_millis(9500) };
        let notes = vec![
            ("10.0.0.1:80".to_owned(), Note::Moving(moving)),
            ("unix:/a b".to_owned(), Note::Moving(Moving { cut: true, ..moving })),
            ("unix:/a b".to_owned(), Note::Held { ticket: 0xfe, under_way: 3, waiting: 40 }),
        ];
        let slot = Slot { identity: "0af3".into(), who: "web1/17".into(), turn: 17, words, notes };
        assert_eq!(Slot::parse(slot.write().as_bytes()), Some(slot.clone()));
        assert_eq!(slot.word("unix:/a b"), Word::Suspect);
        assert_eq!(slot.word("unknown"), Word::Nothing);
        assert_eq!(slot.notes("unix:/a b").count(), 2);
        assert!(slot.knows("unix:/a b") && !slot.knows("unknown"));
        for bad in [
            "",
            "0af3",
            "0af3 1",
            "0af3 x w",
            " 1 w",
            "zz 1 w",
            "0af3 1 w x",
            "0af3 1 w\nup",
            "0af3 1 w\ngone a",
            "0af3 1 w\n",
        ] {
            assert_eq!(Slot::parse(bad.as_bytes()), None, "{bad:?}");
        }
        for bad in ["moving", "moving x 1 a", "moving 1 -1 a", "held 1 2 a", "held 1 2 x a"] {
            assert_eq!(Slot::parse(format!("0af3 1 w\n{bad}").as_bytes()), None, "{bad:?}");
        }
    }
}
