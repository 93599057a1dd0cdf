//! Round trips through every encoder, cut anywhere, at every level.

use std::io::Read;

use proptest::prelude::*;

use super::*;

const LEVELS: [u32; 7] = [0, 1, 3, 6, 9, 11, 99];

/// What can be decoded of a stream, and whether it ended properly.
fn decode(algorithm: Algorithm, coded: &[u8]) -> (Vec<u8>, bool) {
    let mut reader: Box<dyn Read> = match algorithm {
        Algorithm::Gzip => Box::new(flate2::read::GzDecoder::new(coded)),
        Algorithm::Brotli => Box::new(brotli::Decompressor::new(coded, 4096)),
        Algorithm::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(coded).unwrap()),
    };
    let mut plain = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (plain, true),
            Ok(n) => plain.extend_from_slice(&piece[..n]),
            Err(_) => return (plain, false),
        }
    }
}

/// Text-like or random bytes, so that both compressible and incompressible bodies come.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60_000),
        prop::collection::vec(prop::sample::select(b"abc <p>\n".to_vec()), 0..200_000),
    ]
}

fn pieces(body: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    at.extend([0, body.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_body_cut_anywhere_comes_back_whole(
        body in body(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..12),
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        level in prop::sample::select(LEVELS.to_vec()),
        is_length_known in any::<bool>(),
    ) {
        let at: Vec<_> = cuts.iter().map(|(cut, _)| *cut).collect();
        let mut encoder = Encoder::new(algorithm, level, is_length_known.then_some(body.len() as u64)).unwrap();
        let mut coded = Vec::new();
        for (i, piece) in pieces(&body, &at).iter().enumerate() {
            let sync = cuts.get(i).is_some_and(|(_, sync)| *sync);
            let flush = if sync { Flush::Sync } else { Flush::None };
            coded.extend(encoder.write(piece, flush).unwrap().unwrap_or_default());
        }
        prop_assert!(!decode(algorithm, &coded).1, "ended before it was finished");
        coded.extend(encoder.write(b"", Flush::Finish).unwrap().unwrap_or_default());
        prop_assert_eq!(decode(algorithm, &coded), (body, true));
    }

    #[test]
    fn after_a_sync_flush_everything_that_went_in_can_be_decoded(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 1..6),
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        level in prop::sample::select(LEVELS.to_vec()),
    ) {
        let mut encoder = Encoder::new(algorithm, level, None).unwrap();
        let (mut plain, mut coded) = (Vec::new(), Vec::new());
        for part in parts {
            coded.extend(encoder.write(&part, Flush::Sync).unwrap().unwrap_or_default());
            plain.extend(part);
            prop_assert_eq!(decode(algorithm, &coded), (plain.clone(), false));
        }
    }
}

#[test]
fn an_empty_body_is_a_valid_stream() {
    for algorithm in Algorithm::ALL {
        for level in LEVELS {
            let coded = encode_whole(algorithm, level, b"").unwrap();
            assert!(!coded.is_empty());
            assert_eq!(decode(algorithm, &coded), (vec![], true), "{algorithm:?} {level}");
        }
    }
}

#[test]
fn a_whole_body_becomes_smaller_and_comes_back() {
    let body = b"the quick brown fox jumps over the lazy dog\n".repeat(5_000);
    for algorithm in Algorithm::ALL {
        for level in LEVELS {
            let coded = encode_whole(algorithm, level, &body).unwrap();
            assert!(coded.len() * 10 < body.len(), "{algorithm:?} {level}: {}", coded.len());
            assert_eq!(decode(algorithm, &coded), (body.clone(), true), "{algorithm:?} {level}");
        }
    }
}

#[test]
fn output_is_held_until_there_is_enough_of_it() {
    for algorithm in Algorithm::ALL {
        let mut encoder = Encoder::new(algorithm, 1, None).unwrap();
        let mut noise = 1_u32;
        let mut next = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        let mut came = 0;
        for _ in 0..1000 {
            let piece: Vec<u8> = (0..1024).map(|_| next()).collect();
            if let Some(due) = encoder.write(&piece, Flush::None).unwrap() {
                assert!(due.len() >= HOLD);
                came += due.len();
            }
        }
        assert!(came > 512 * 1024, "{algorithm:?} let only {came} bytes out");
    }
}

#[test]
fn a_window_is_no_larger_than_the_body_needs() {
    assert_eq!(window(None, 9, 15), 15);
    assert_eq!(window(Some(0), 9, 15), 9);
    assert_eq!(window(Some(1000), 9, 15), 11);
    assert_eq!(window(Some(u64::MAX), 9, 15), 15);
}
