//! What is made of an input to get another one.

/// More is never tried: what takes long because it is long says nothing.
pub const LONGEST: usize = 4096;

/// Marsaglia's and Vigna's SplitMix64: the same numbers for the same seed, everywhere.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than this; of nothing, the first.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn of<'t, T>(&mut self, all: &'t [T]) -> Option<&'t T> {
        all.get(self.below(all.len()))
    }

    /// A range of some bytes, mostly few.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        let most = [1, 2, 4, 8, 32, 256][self.below(6)];
        from..(from + self.below(most) + 1).min(length)
    }
}

/// Bytes that often mean something.
const ODD: &[u8] = b"\0\x01\x7f\x80\xff\r\n\t \"'%;:,=/.\\";
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "255",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999",
];

/// Another input, made of this one, of one beside it, and of words.
pub fn changed(input: &[u8], beside: &[u8], words: &[&str], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let steps = 1 << chance.below(5);
    for _ in 0..=chance.below(steps) {
        step(&mut bytes, beside, words, chance);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn step(bytes: &mut Vec<u8>, beside: &[u8], words: &[&str], chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    let inside = at.min(bytes.len().saturating_sub(1));
    match chance.below(12) {
        0 => bytes.get_mut(inside).into_iter().for_each(|byte| *byte ^= 1 << chance.below(8)),
        1 => bytes.get_mut(inside).into_iter().for_each(|byte| *byte = chance.next() as u8),
        2 => bytes.get_mut(inside).into_iter().for_each(|byte| *byte = ODD[chance.below(ODD.len())]),
        3 => bytes
            .get_mut(inside)
            .into_iter()
            .for_each(|byte| *byte = byte.wrapping_add(chance.below(9) as u8).wrapping_sub(4)),
        4 => drop(bytes.drain(chance.part(bytes.len()))),
        // Words lead farther than bytes.
        5..=7 => insert(bytes, at, &bytes_of(chance.of(words).copied().unwrap_or("\0"))),
        8 => {
            let part = bytes[chance.part(bytes.len())].to_vec();
            let times = [1, 1, 1, 3, 40][chance.below(5)];
            insert(bytes, at, &part.repeat(times));
        }
        9 => insert(bytes, at, &beside[chance.part(beside.len())]),
        10 => {
            bytes.truncate(at);
            bytes.extend_from_slice(&beside[chance.below(beside.len() + 1)..]);
        }
        _ => number(bytes, at, chance),
    }
}

/// A word of characters below 256 stands for these bytes, any other for its UTF-8.
fn bytes_of(word: &str) -> Vec<u8> {
    let narrow = word.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>();
    narrow.unwrap_or_else(|_| word.into())
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    if bytes.len() + what.len() <= 2 * LONGEST {
        bytes.splice(at..at, what.iter().copied());
    }
}

/// A number becomes another one: the next run of digits, or a byte where there is none.
fn number(bytes: &mut Vec<u8>, at: usize, chance: &mut Chance) {
    let from = bytes[at..].iter().position(u8::is_ascii_digit).map_or(at, |found| at + found);
    let to = bytes[from..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |length| from + length);
    let new = NUMBERS[chance.below(NUMBERS.len())].as_bytes();
    bytes.splice(from..to, new.iter().copied());
}
