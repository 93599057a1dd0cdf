//! The trace that a request is part of: W3C Trace Context, `traceparent: 00-TRACE-SPAN-FLAGS`. Numbers alone; nothing here
//! decides whose word counts.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// The only version there is; of later ones the same fields stand at the same places.
const LENGTH: usize = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01".len();

pub type TraceId = [u8; 16];
pub type SpanId = [u8; 8];

/// Where a request stands in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// `$trace_id`
    pub id: TraceId,
    /// The request's own span. `$span_id`
    pub span: SpanId,
    /// Whose part it is.
    pub parent: Option<SpanId>,
    /// Its spans are sent to the collector.
    pub sampled: bool,
}

/// What somebody has told of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub id: TraceId,
    pub span: SpanId,
    pub sampled: bool,
}

impl Trace {
    /// A trace that begins here. `share`: of all of them so many are sampled, of 2⁶⁴.
    pub fn new(share: u128) -> Trace {
        let (high, low) = (random(), random());
        let mut id = [0; 16];
        id[..8].copy_from_slice(&high.to_be_bytes());
        id[8..].copy_from_slice(&low.to_be_bytes());
        Trace { id, span: span_id(), parent: None, sampled: u128::from(low) < share }
    }

    /// The next one of a trace that somebody else began.
    pub fn behind(told: Told) -> Trace {
        Trace { id: told.id, span: span_id(), parent: Some(told.span), sampled: told.sampled }
    }

    /// What those are told who are asked next. `span`: that of the question.
    pub fn traceparent(&self, span: SpanId) -> String {
        let mut out = b"00-".to_vec();
        write_hex(&self.id, &mut out);
        out.push(b'-');
        write_hex(&span, &mut out);
        out.extend_from_slice(if self.sampled { b"-01" } else { b"-00" });
        // Digits and marks.
        String::from_utf8(out).unwrap_or_default()
    }
}

impl Told {
    /// Reads the value of `traceparent`; what is not as it must be is nobody's trace.
    pub fn parse(text: &[u8]) -> Option<Told> {
        let version: [u8; 1] = hex(text.get(..2)?)?;
        let is_long = match text.get(LENGTH) {
            None => text.len() < LENGTH,
            // What a later version says more.
            Some(b'-') => version == [0],
            Some(_) => true,
        };
        let marks = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        if version == [0xff] || is_long || !marks {
            return None;
        }
        let id: TraceId = hex(text.get(3..35)?)?;
        let span: SpanId = hex(text.get(36..52)?)?;
        let [flags] = hex(text.get(53..55)?)?;
        (id != [0; 16] && span != [0; 8]).then_some(Told { id, span, sampled: flags & 1 == 1 })
    }
}

pub fn span_id() -> SpanId {
    random().to_be_bytes()
}

/// Lower case, as the specification has it.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// Two digits for each byte.
pub fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Never zero, and another one each time. Nobody's secret depends on it.
fn random() -> u64 {
    thread_local!(static STATE: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0)));
    STATE.with(|(keys, count)| {
        count.set(count.get().wrapping_add(1));
        keys.hash_one(count.get()).max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_a_trace_tells_is_read_as_it_was_written() {
        let told = Told::parse(GOOD.as_bytes()).unwrap();
        assert!(told.sampled && told.span == [0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]);
        let own = Trace::behind(told);
        assert_eq!((own.id, own.parent, own.sampled), (told.id, Some(told.span), true));
        assert_eq!(own.traceparent(told.span), GOOD);
        let next = Told::parse(own.traceparent(own.span).as_bytes()).unwrap();
        assert_eq!((next.id, next.span), (told.id, own.span));
        assert!(!Told::parse(GOOD.replace("-01", "-00").as_bytes()).unwrap().sampled);
    }

    #[test]
    fn what_is_no_traceparent_is_nobodys_trace() {
        let later = GOOD.replacen("00", "cc", 1);
        assert!(Told::parse(later.as_bytes()).is_some() && Told::parse(format!("{later}-x").as_bytes()).is_some());
        let zero = |at: std::ops::Range<usize>| {
            let mut text = GOOD.to_owned();
            text.replace_range(at.clone(), &"0".repeat(at.len()));
            text
        };
        for wrong in [
            "".to_owned(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("-b7", "_b7"),
            format!("{GOOD}-x"),
            format!("{later}x"),
            GOOD[..54].to_owned(),
            GOOD.replace("0af", "0ag"),
            zero(3..35),
            zero(36..52),
        ] {
            assert_eq!(Told::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn so_many_are_sampled_as_are_wanted_and_no_two_are_alike() {
        let all: Vec<Trace> = (0..2000).map(|_| Trace::new(1 << 63)).collect();
        let sampled = all.iter().filter(|trace| trace.sampled).count();
        assert!((800..1200).contains(&sampled), "{sampled}");
        let ids: std::collections::BTreeSet<_> = all.iter().map(|trace| (trace.id, trace.span)).collect();
        assert_eq!(ids.len(), all.len());
        assert!(!Trace::new(0).sampled && Trace::new(1 << 64).sampled);
    }
}
