//! Sets of bytes, made when edge is compiled: whether a byte is in one is a look into a table, however odd the set.

/// A set of bytes.
pub struct ByteSet([bool; 256]);

/// What no value of a field may hold: controls but the tab.
static CONTROLS: ByteSet = ByteSet::controls();

impl ByteSet {
    /// Letters, digits, and these.
    pub const fn alphanumeric_and(others: &[u8]) -> ByteSet {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            set[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            set[others[at] as usize] = true;
            at += 1;
        }
        ByteSet(set)
    }

    const fn controls() -> ByteSet {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            set[byte] = is_control(byte as u8);
            byte += 1;
        }
        ByteSet(set)
    }

    pub fn holds(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    pub fn holds_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.holds(*byte))
    }
}

const fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// Whether a control character other than a tab is among them. Long texts are looked through many bytes at once.
pub fn has_controls(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<16>();
    let in_chunk = |chunk: &[u8; 16]| chunk.iter().fold(false, |found, byte| found | is_control(*byte));
    chunks.iter().any(in_chunk) || rest.iter().any(|byte| CONTROLS.holds(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        static SET: ByteSet = ByteSet::alphanumeric_and(b"-\xff");
        for byte in 0..=u8::MAX {
            assert_eq!(SET.holds(byte), byte.is_ascii_alphanumeric() || byte == b'-' || byte == 0xff, "{byte}");
        }
        assert!(SET.holds_all(b"a-9") && !SET.holds_all(b"a_9") && SET.holds_all(b""));
    }

    #[test]
    fn a_control_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for (length, at) in [(1, 0), (16, 0), (16, 15), (40, 20), (40, 39)] {
                let mut text = vec![b'x'; length];
                text[at] = byte;
                assert_eq!(has_controls(&text), byte.is_ascii_control() && byte != b'\t', "{byte} at {at} of {length}");
            }
        }
    }
}
