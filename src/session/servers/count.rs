//! How often a server was started, as far as edges have seen it: a number that only grows, so that whoever knows the greatest
//! is right, and a death that ten edges see counts once because all ten raise it to the same.

use std::fmt;

/// `7 up`, `7 up ?`, `7 dead`, `8 up`, …: the seventh instance lives, may have been started anew without that anybody counted it, has
/// died, the eighth lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// Twice the instance, and one more when that has died. First, so that it decides which of two is greater.
    steps: u64,
    doubted: bool,
    /// What the server says of its instance (hashed), where it is asked.
    token: Option<u64>,
}

impl Count {
    pub const FIRST: Count = Count { steps: 2, doubted: false, token: None };

    /// Beyond any real number of starts; what a stranger wrote must not overflow.
    const GREATEST: u64 = u64::MAX / 4;

    pub fn instance(self) -> u64 {
        self.steps / 2
    }

    pub fn is_dead(self) -> bool {
        self.steps % 2 == 1
    }

    /// The same instance, dead.
    pub fn died(self) -> Count {
        Count { steps: self.steps | 1, ..self }
    }

    /// The next instance, if this one has died.
    pub fn back(self) -> Count {
        Count { steps: self.steps + self.steps % 2, doubted: self.doubted && !self.is_dead(), ..self }
    }

    /// It may be another process; one that says who it is tells by itself.
    pub fn doubt(self) -> Count {
        Count { doubted: self.doubted || (self.token.is_none() && !self.is_dead()), ..self }
    }

    pub fn is_doubted(self) -> bool {
        self.doubted
    }

    /// The server says who it is: the instance that is known, or the next one.
    pub fn told(self, token: u64) -> Count {
        match self.token {
            Some(known) if known == token => self,
            None if !self.is_dead() => Count { token: Some(token), ..self },
            _ => Count { steps: (self.steps / 2 + 1) * 2, doubted: false, token: Some(token) },
        }
    }

    pub fn parse(text: &[u8]) -> Option<Count> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let instance: u64 = words.next()?.parse().ok().filter(|n| (1..Count::GREATEST).contains(n))?;
        let dead = match words.next()? {
            "up" => 0,
            "dead" => 1,
            _ => return None,
        };
        let mut words = words.peekable();
        let doubted = words.next_if_eq(&"?").is_some();
        let token = match words.next() {
            None => None,
            Some(word) => Some(u64::from_str_radix(word, 16).ok()?),
        };
        words.next().is_none().then_some(Count { steps: instance * 2 + dead, doubted, token })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.instance(), if self.is_dead() { "dead" } else { "up" })?;
        f.write_str(if self.doubted { " ?" } else { "" })?;
        self.token.map_or(Ok(()), |token| write!(f, " {token:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_only_grows_and_is_read_as_it_is_written() {
        let up = Count::parse(b"7 up").unwrap();
        let steps = [up, up.doubt(), up.doubt().died(), up.died().back(), up.died().back().died()];
        assert_eq!(steps.map(|c| c.to_string()), ["7 up", "7 up ?", "7 dead ?", "8 up", "8 dead"]);
        assert!(steps.is_sorted_by(|a, b| a < b));
        assert_eq!((up.died().died(), up.back(), up.doubt().back()), (up.died(), up, up.doubt()));
        assert_eq!((up.doubt().died().back(), up.died().doubt()), (up.died().back(), up.died()));
        for text in ["1 up", "7 dead", "7 up ?", "8 up 00000000000000ff"] {
            assert_eq!(Count::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        for bad in
            ["", "7", "7 gone", "-1 up", "0 up", "7 up x", "7 up 1 2", "7 up ? ?", "99999999999999999999 up", "\u{ff}"]
        {
            assert_eq!(Count::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn a_token_tells_a_restart_from_a_return() {
        let known = Count::FIRST.told(5);
        assert_eq!((known.instance(), known > Count::FIRST), (1, true));
        assert_eq!((known.told(5), known.doubt()), (known, known));
        assert_eq!(Count::FIRST.doubt().told(5).to_string(), "1 up ? 0000000000000005");
        assert_eq!(known.told(6).instance(), 2);
        assert_eq!(known.died().told(6).to_string(), "2 up 0000000000000006");
    }
}
