//! gzip unpacked, for clients that do not take it.

use super::{FilterError, Machine};
use flate2::write::MultiGzDecoder;
use std::io::Write;

/// `gunzip`
pub struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    is_begun: bool,
}

impl Default for Gunzip {
    fn default() -> Gunzip {
        Gunzip { decoder: MultiGzDecoder::new(Vec::new()), is_begun: false }
    }
}

impl Machine for Gunzip {
    fn feed(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), FilterError> {
        self.is_begun |= !piece.is_empty();
        self.decoder.write_all(piece).map_err(FilterError::Gzip)?;
        // Of a body that is empty there is nothing to unpack.
        if last && self.is_begun {
            self.decoder.try_finish().map_err(|_| FilterError::Unfinished)?;
        }
        out.append(self.decoder.get_mut());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{cut, fed};
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn several_members_are_one_body() {
        let both = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(fed(&mut Gunzip::default(), &[&both]).unwrap(), b"one two");
    }

    #[test]
    fn what_is_no_gzip_or_breaks_off_is_an_error() {
        assert!(matches!(fed(&mut Gunzip::default(), &[b"plain text that is no gzip"]), Err(FilterError::Gzip(_))));
        let whole = gzip(b"a body");
        for end in 1..whole.len() {
            assert!(fed(&mut Gunzip::default(), &[&whole[..end], b""]).is_err(), "{end}");
        }
        assert_eq!(fed(&mut Gunzip::default(), &[b""]).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_body_is_the_same(body in proptest::collection::vec(any::<u8>(), 0..2000), sizes in proptest::collection::vec(0usize..40, 0..60)) {
            let packed = gzip(&body);
            prop_assert_eq!(fed(&mut Gunzip::default(), &cut(&packed, &sizes)).unwrap(), body);
        }
    }
}
