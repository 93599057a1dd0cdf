//! `Accept-Encoding` → the content coding to use, if any.
//!
//! Two readings of one field. Where gzip alone is on, nginx's scanner decides, its oddities included:
//! whoever moves from nginx must see the same answers. Where several codings are on, RFC 9110
//! 12.5.3 decides by q-value, and at equal weight zstd goes before br before gzip. A request without the
//! field gets nothing compressed in either reading. Reading allocates nothing.

/// A content coding this program can produce, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Zstd,
    Brotli,
    Gzip,
}

impl Algorithm {
    /// All, in order of preference.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in `Content-Encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// What a request said in `Accept-Encoding`, weights in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    gzip_as_nginx: bool,
    weights: [Option<u16>; 3],
    identity: Option<u16>,
    star: Option<u16>,
}

impl Accepted {
    /// Reads all lines of the field; nginx looks at the first one only.
    pub fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut accepted = Self::default();
        for (i, line) in lines.enumerate() {
            if i == 0 {
                accepted.gzip_as_nginx = accepts_gzip(line);
            }
            for item in line.split(|b| *b == b',') {
                accepted.add(item);
            }
        }
        accepted
    }

    /// nginx's answer to "does this client take gzip".
    pub fn gzip_as_nginx(&self) -> bool {
        self.gzip_as_nginx
    }

    /// The acceptable codings, the best one first. None that weighs less than an explicit `identity`.
    pub fn ranked(&self) -> impl Iterator<Item = Algorithm> + use<> {
        let floor = self.identity.unwrap_or(0).max(1);
        let mut ranked = Algorithm::ALL.map(|algorithm| (self.weight(algorithm), algorithm));
        ranked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight)); // stable: ties keep the order of ALL
        ranked.into_iter().filter(move |(weight, _)| *weight >= floor).map(|(_, algorithm)| algorithm)
    }

    fn weight(&self, algorithm: Algorithm) -> u16 {
        self.weights[algorithm as usize].or(self.star).unwrap_or(0)
    }

    fn add(&mut self, item: &[u8]) {
        let mut parts = item.splitn(2, |b| *b == b';');
        let coding = parts.next().unwrap_or_default().trim_ascii();
        let slot = if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
            &mut self.weights[Algorithm::Gzip as usize]
        } else if coding.eq_ignore_ascii_case(b"br") {
            &mut self.weights[Algorithm::Brotli as usize]
        } else if coding.eq_ignore_ascii_case(b"zstd") {
            &mut self.weights[Algorithm::Zstd as usize]
        } else if coding.eq_ignore_ascii_case(b"identity") {
            &mut self.identity
        } else if coding == b"*" {
            &mut self.star
        } else {
            return;
        };
        // The first mention counts, as in nginx.
        slot.get_or_insert_with(|| parts.next().map_or(1000, weight_of));
    }
}

/// The weight in a coding's parameters, in thousandths; whatever is not RFC 9110's `weight` is 0.
fn weight_of(parameters: &[u8]) -> u16 {
    match parameters.trim_ascii() {
        [] => 1000,
        [b'q' | b'Q', b'=', value @ ..] => qvalue(value).unwrap_or(0),
        _ => 0,
    }
}

fn qvalue(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut weight = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, unit) in fraction.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        weight += u16::from(digit - b'0') * unit;
    }
    (weight <= 1000).then_some(weight)
}

/// nginx's `ngx_http_gzip_accept_encoding`, with what `ngx_http_gzip_ok` asks before it.
fn accepts_gzip(line: &[u8]) -> bool {
    let Some(mut rest) = after_gzip(line) else {
        return false;
    };
    loop {
        rest = match rest {
            [] | [b',', ..] => return true,
            [b';', parameters @ ..] => return accepts_quantity(parameters),
            [b' ', rest @ ..] => rest,
            _ => return false,
        };
    }
}

/// What follows the first `gzip` that stands at the beginning, after a comma or after a space; a `gzip`
/// right behind one that did not count counts too.
fn after_gzip(line: &[u8]) -> Option<&[u8]> {
    let mut start = 0;
    loop {
        let found = line.get(start..)?.windows(4).position(|word| word.eq_ignore_ascii_case(b"gzip"))?;
        let at = start + found;
        if found == 0 || matches!(line[at - 1], b',' | b' ') {
            return line.get(at + 4..);
        }
        start = at + 4;
    }
}

fn accepts_quantity(mut rest: &[u8]) -> bool {
    loop {
        rest = match rest {
            [] => return true,
            [b'q' | b'Q', b'=', value @ ..] => return quantity(value) > 0,
            [b' ', rest @ ..] => rest,
            _ => return false,
        };
    }
}

/// nginx's `ngx_http_gzip_quantity`: 0 for zero and for anything malformed. It adds the digits up
/// without their places, which is enough to tell zero from more and 1.000 from more than one.
fn quantity(value: &[u8]) -> u32 {
    let (whole, rest) = match value {
        [b'0', rest @ ..] => (0, rest),
        [b'1', rest @ ..] => (100, rest),
        _ => return 0,
    };
    let fraction = match rest {
        [] | [b',' | b' ', ..] => return whole,
        [b'.', fraction @ ..] => fraction,
        _ => return 0,
    };
    let end = fraction.iter().position(|b| matches!(b, b',' | b' ')).unwrap_or(fraction.len());
    let digits = &fraction[..end];
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let sum = whole + digits.iter().map(|digit| u32::from(digit - b'0')).sum::<u32>();
    if sum > 100 { 0 } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(lines: &[&str]) -> Vec<&'static str> {
        Accepted::read(lines.iter().map(|line| line.as_bytes())).ranked().map(Algorithm::name).collect()
    }

    #[test]
    fn several_codings_are_ranked_by_weight_and_then_by_preference() {
        for (line, expected) in [
            ("gzip, deflate, br, zstd", &["zstd", "br", "gzip"][..]),
            ("gzip, br", &["br", "gzip"]),
            ("GZIP;q=1, BR;q=0.9", &["gzip", "br"]),
            ("gzip;q=0.5, br;q=0.5, zstd;q=0.4", &["br", "gzip", "zstd"]),
            ("gzip;q=0.501, br;q=0.5", &["gzip", "br"]),
            ("*", &["zstd", "br", "gzip"]),
            ("*;q=0.5, gzip", &["gzip", "zstd", "br"]),
            ("zstd;q=0, *", &["br", "gzip"]),
            ("*;q=0, gzip", &["gzip"]),
            ("x-gzip", &["gzip"]),
            ("gzip ; q=0.2 , br\t;\tq=0.3", &["br", "gzip"]),
            ("br;", &["br"]),
        ] {
            assert_eq!(ranked(&[line]), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_acceptable_is_not_ranked() {
        for line in [
            "",
            "identity",
            "deflate",
            "gzip;q=0",
            "br;q=0.0",
            "zstd;q=0.000",
            "*;q=0",
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.0001",
            "gzip;q=",
            "gzip;q=.5",
            "gzip;q=a",
            "gzip;level=1",
            "gzip;q=0.5;x=1",
            "brotli",
            "gz",
        ] {
            assert_eq!(ranked(&[line]), Vec::<&str>::new(), "{line}");
        }
        assert_eq!(ranked(&[]), Vec::<&str>::new());
    }

    #[test]
    fn a_coding_that_weighs_less_than_identity_is_not_used() {
        assert_eq!(ranked(&["identity, gzip;q=0.5"]), Vec::<&str>::new());
        assert_eq!(ranked(&["identity;q=0.5, gzip;q=0.5, br;q=0.4"]), ["gzip"]);
        assert_eq!(ranked(&["identity;q=0, gzip;q=0.1"]), ["gzip"]);
    }

    #[test]
    fn all_lines_of_the_field_count_and_the_first_mention_wins() {
        assert_eq!(ranked(&["gzip;q=0.1", "br, gzip;q=1"]), ["br", "gzip"]);
        assert_eq!(ranked(&["gzip;q=0, gzip"]), Vec::<&str>::new());
    }

    #[test]
    fn bytes_at_random_are_read_without_a_panic() {
        use proptest::prelude::*;
        proptest!(|(lines in prop::collection::vec("[gzipbrzstd*;q=0-2., \t\\x80-\\xff]{0,24}", 0..4))| {
            let accepted = Accepted::read(lines.iter().map(|line| line.as_bytes()));
            prop_assert!(accepted.ranked().count() <= 3);
        });
    }
}
