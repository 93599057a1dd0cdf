//! Bodies on their way through filters, patterns over what clients write, and lines of logs.

use super::{lines, mark, pieces};
use crate::compress::{Algorithm, Encoder, Flush, encode_whole};
use crate::filter::{Gunzip, Machine, Substitute, Substitution, Tables};
use crate::http::escape::LogEscape;
use crate::pattern::Pattern;
use crate::variables::{Defined, Template, tests};
use bytes::Bytes;
use std::io::Read;
use std::sync::Arc;

/// More of a body is not unpacked here.
const MOST: u64 = 4 << 20;

/// What comes of a body in pieces of this size; `None`: an error.
fn fed(machine: &mut dyn Machine, body: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for piece in body.chunks(size) {
        machine.feed(piece, false, &mut out).ok()?;
    }
    machine.feed(b"", true, &mut out).ok().map(|()| out)
}

/// The same in any pieces, and what another reader of gzip makes of it. Half of the inputs are packed first, so that they get
/// farther, and lose a byte somewhere.
pub fn gunzip(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    let mut packed = encode_whole(Algorithm::Gzip, 1, bytes).expect("bytes can be packed").to_vec();
    if size % 4 == 1 {
        packed.remove(size % packed.len());
    }
    let bytes = if size % 2 == 0 { bytes } else { &packed };
    let whole = fed(&mut Gunzip::default(), bytes, bytes.len().max(1));
    assert_eq!(fed(&mut Gunzip::default(), bytes, size), whole);
    let mut theirs = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes).take(MOST).read_to_end(&mut theirs);
    let is_all = (theirs.len() as u64) < MOST && !bytes.is_empty();
    if let (Ok(_), Some(ours), true) = (read, &whole, is_all) {
        assert_eq!(*ours, theirs);
    }
    mark(whole.map(|body| body.len().min(30)))
}

/// However a body comes and is flushed, whoever unpacks it has it as it was; what was flushed can be read at once.
pub fn compressed(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    let algorithm = Algorithm::ALL[size % 3];
    let mut encoder = Encoder::new(algorithm, 1, None).expect("an encoder");
    let (mut out, mut given) = (Vec::new(), 0);
    for (at, piece) in bytes.chunks(size).enumerate() {
        let flush = if at % 3 == 0 { Flush::Sync } else { Flush::None };
        out.extend(encoder.write(piece, flush).expect("a piece goes in").unwrap_or_default());
        given += piece.len();
        if flush == Flush::Sync && at < 10 {
            assert_eq!(unpacked(algorithm, &out), bytes[..given], "{} is held back", algorithm.name());
        }
    }
    out.extend(encoder.write(b"", Flush::Finish).expect("an end").unwrap_or_default());
    assert_eq!(unpacked(algorithm, &out), bytes, "{}", algorithm.name());
    mark((size % 3, out.len() / 64))
}

/// What can be unpacked of it, to its end or not.
fn unpacked(algorithm: Algorithm, packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader: Box<dyn Read> = match algorithm {
        Algorithm::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Algorithm::Brotli => Box::new(brotli::Decompressor::new(packed, 4096)),
        Algorithm::Zstd => Box::new(zstd::stream::read::Decoder::new(packed).expect("a decoder")),
    };
    // A stream without its end is an error behind all that it holds.
    let _ = reader.read_to_end(&mut out);
    out
}

/// Two texts in lines, then a body: what somebody would do by hand.
pub fn substituted(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    let [first, second, body] = lines(bytes);
    let pairs = || {
        let pair = |from: &[u8], to: &[u8]| Substitution { from: from.to_vec(), to: to.to_vec() };
        [pair(first, b"<1>"), pair(second, b"")]
    };
    let by_hand = replaced(body, &pairs());
    let whole = fed(&mut Substitute::new(pairs(), false), body, body.len().max(1));
    assert_eq!(whole.as_ref(), Some(&by_hand));
    assert_eq!(fed(&mut Substitute::new(pairs(), false), body, size), whole);
    let once = fed(&mut Substitute::new(pairs(), true), body, body.len().max(1));
    assert_eq!(fed(&mut Substitute::new(pairs(), true), body, size), once);
    mark((by_hand.len().min(40), body.len().min(40), once.map(|once| once.len().min(40))))
}

fn replaced(body: &[u8], pairs: &[Substitution]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), body);
    while let Some((byte, behind)) = rest.split_first() {
        let is_here = |pair: &&Substitution| {
            !pair.from.is_empty()
                && rest.get(..pair.from.len()).is_some_and(|text| text.eq_ignore_ascii_case(&pair.from))
        };
        match pairs.iter().find(is_here) {
            Some(pair) => {
                out.extend_from_slice(&pair.to);
                rest = &rest[pair.from.len()..];
            }
            None => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    out
}

pub fn recoded(bytes: &[u8]) -> u64 {
    let (size, bytes) = pieces(bytes);
    let mut tables = Tables::default();
    let added = tables.add("koi8-r", "utf-8", [("C1", "D0B0"), ("a3", "D191"), ("80", "E282AC")].into_iter());
    assert!(added.is_ok_and(|added| added));
    let outcomes = [("utf-8", "koi8-r"), ("koi8-r", "utf-8")].map(|(from, to)| {
        let recode = |size: usize| fed(&mut tables.recoder(from, to).expect("a table"), bytes, size);
        let whole = recode(bytes.len().max(1)).expect("bytes are bytes");
        assert_eq!(recode(size).as_ref(), Some(&whole));
        if to == "utf-8" {
            assert!(std::str::from_utf8(&whole).is_ok(), "{}", whole.escape_ascii());
        }
        whole.len().min(30)
    });
    mark(outcomes)
}

/// A regular expression, then what a client wrote: no match takes long, and groups lie within.
pub fn pattern(bytes: &[u8]) -> u64 {
    let [text, subject] = lines(bytes);
    let Ok(text) = std::str::from_utf8(text) else { return 0 };
    let insensitive = subject.len() % 2 == 0;
    let pattern = match Pattern::compile(text, insensitive) {
        Ok(pattern) => pattern,
        Err(why) => {
            assert!(why.offset.is_none_or(|at| at <= text.len() && text.is_char_boundary(at)), "{why:?}");
            return mark(why.message.len());
        }
    };
    let captures = pattern.captures(subject);
    assert!(captures.is_some() == pattern.is_match(subject) || pattern.exhausted() > 0);
    if let Some(captures) = &captures {
        for group in 0..captures.len() {
            assert!(captures.get(group).is_none_or(|(from, to)| from <= to && to <= subject.len()));
        }
    }
    mark((captures.map(|captures| captures.len()), pattern.backtracks(), pattern.groups(), pattern.exhausted() > 0))
}

/// A format, then a field of a client's: one line in, one line out.
pub fn log_format(bytes: &[u8]) -> u64 {
    let [format, field] = lines(bytes);
    let Ok(format) = std::str::from_utf8(format) else { return 0 };
    let template = match Template::compile(format, &Defined::default()) {
        Ok(template) => template,
        Err(why) => return mark(why.to_string().len()),
    };
    let mut x = tests::exchange();
    let head = Arc::make_mut(&mut x.head);
    head.headers.push(Bytes::from_static(b"X"), Bytes::copy_from_slice(field));
    head.headers.push(Bytes::from_static(b"Referer"), Bytes::copy_from_slice(field));
    head.line = Bytes::copy_from_slice(field);
    x.path = field.to_vec();
    x.args = Some(field.to_vec());
    let mut lengths = Vec::new();
    for how in [LogEscape::Default, LogEscape::Json] {
        let mut line = Vec::new();
        template.write_escaped(how, &x, |_, _, _| {}, &mut line);
        let own = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
        assert!(
            line.iter().filter(|b| own(b)).count() <= format.bytes().filter(own).count(),
            "{}",
            line.escape_ascii()
        );
        lengths.push(line.len() / 8);
    }
    let _ = template.evaluate(&x);
    mark(lengths)
}
