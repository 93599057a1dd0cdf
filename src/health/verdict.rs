//! From single checks to a verdict: how many in a row it takes. Nothing here asks or waits.

use crate::upstream::Health;

/// What the checks of one server have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// `None`: not checked yet.
    healthy: Option<bool>,
    /// Checks in a row that say the opposite.
    against: u32,
}

impl Verdict {
    /// Takes one check into account; gives the health if that has changed with it. The first check decides at once,
    /// whatever `rise` and `fall`: until then nobody knows anything that would have to be disproved.
    pub fn take(&mut self, passed: bool, rise: u32, fall: u32) -> Option<Health> {
        let needed = match self.healthy {
            None => 1,
            Some(healthy) if healthy == passed => {
                self.against = 0;
                return None;
            }
            Some(false) => rise,
            Some(true) => fall,
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return None;
        }
        *self = Verdict { healthy: Some(passed), against: 0 };
        Some(if passed { Health::Up } else { Health::Down })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The health after each check: `+` passed, `-` failed.
    fn course(checks: &str, rise: u32, fall: u32) -> String {
        let mut verdict = Verdict::default();
        let mut health = '?';
        let mut take = |check| {
            health = match verdict.take(check == '+', rise, fall) {
                Some(Health::Up) => 'U',
                Some(Health::Down) => 'D',
                Some(Health::Unknown) => panic!("a check says something"),
                None => health,
            };
            health
        };
        checks.chars().map(&mut take).collect()
    }

    #[test]
    fn the_first_check_decides_at_once() {
        assert_eq!(course("+", 5, 5), "U");
        assert_eq!(course("-", 5, 5), "D");
    }

    #[test]
    fn rise_and_fall_count_in_a_row() {
        assert_eq!(course("+--+---+", 2, 3), "UUUUUUDD");
        assert_eq!(course("-+-++-", 2, 1), "DDDDUD");
        assert_eq!(course("+-+-", 1, 1), "UDUD");
    }

    #[test]
    fn what_stays_as_it_is_is_told_once() {
        let mut verdict = Verdict::default();
        assert_eq!(verdict.take(true, 1, 1), Some(Health::Up));
        assert_eq!(verdict.take(true, 1, 1), None);
        assert_eq!(verdict.take(false, 1, 1), Some(Health::Down));
        assert_eq!(verdict.take(false, 1, 1), None);
    }
}
