//! What stands before a body and behind it.

use super::{FilterError, Machine};
use bytes::Bytes;

/// `add_before_body`, `add_after_body`: answers of other locations, which are there as a whole.
pub struct Around {
    before: Bytes,
    after: Bytes,
}

impl Around {
    pub fn new(before: Bytes, after: Bytes) -> Around {
        Around { before, after }
    }
}

impl Machine for Around {
    fn feed(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), FilterError> {
        out.extend_from_slice(&std::mem::take(&mut self.before));
        out.extend_from_slice(piece);
        if last {
            out.extend_from_slice(&std::mem::take(&mut self.after));
        }
        Ok(())
    }
}
