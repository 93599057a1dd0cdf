//! HTTP dates as nginx reads and writes them, in seconds since 1970.
//!
//! nginx's reader is more lenient than RFC 9110's grammar (the weekday is not looked at, whatever stands behind the
//! seconds is skipped, so that `…; length=36` and `+0100` pass) and here and there stricter (two digits
//! for the day). Conditional requests must come out the same behind both, hence no stock parser.

/// 9999-12-31 23:59:59, the last date with a four-digit year.
const LAST: i64 = 253_402_300_799;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Sun, 06 Nov 1994 08:49:37 GMT`; times outside 1970..9999 are clamped, as nginx does at the lower end.
pub fn format(seconds: i64) -> String {
    let seconds = seconds.clamp(0, LAST);
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        WEEKDAYS[(days % 7) as usize],
        MONTHS[month - 1],
        clock / 3600,
        clock / 60 % 60,
        clock % 60
    )
}

/// The three formats of RFC 9110 5.6.7, as leniently as nginx.
pub fn parse(text: &[u8]) -> Option<i64> {
    let (comma, rest) = after_weekday(text)?;
    if rest.len() < 18 {
        return None;
    }
    let mut at = Cursor(rest);
    let (year, month, day, clock) = if comma { at.day_first()? } else { at.month_first()? };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    // nginx lets a day 0 through as the day before; the calculation below does the same.
    (day <= longest).then(|| days_since_1970(year, month, day) * 86_400 + clock)
}

/// Whether a comma ended the weekday (RFC 822 and 850) or a blank (asctime), and what follows the blanks behind it.
fn after_weekday(text: &[u8]) -> Option<(bool, &[u8])> {
    let end = text.iter().position(|&byte| matches!(byte, b',' | b' '))?;
    let rest = &text[end + 1..];
    let start = rest.iter().position(|&byte| byte != b' ')?;
    Some((text[end] == b',', &rest[start..]))
}

struct Cursor<'a>(&'a [u8]);

type Parts = (i64, i64, i64, i64);

impl Cursor<'_> {
    /// `06 Nov 1994 08:49:37` or `06-Nov-94 08:49:37`.
    fn day_first(&mut self) -> Option<Parts> {
        let day = self.digits(2)?;
        let separator = self.next()?;
        let month = self.month()?;
        self.expect(separator)?;
        let year = match separator {
            b' ' => self.digits(4)?,
            b'-' => match self.digits(2)? {
                year @ 0..70 => 2000 + year,
                year => 1900 + year,
            },
            _ => return None,
        };
        self.expect(b' ')?;
        Some((year, month, day, self.clock()?))
    }

    /// `Nov  6 08:49:37 1994`.
    fn month_first(&mut self) -> Option<Parts> {
        let month = self.month()?;
        self.next()?;
        if self.0.first() == Some(&b' ') {
            self.next()?;
        }
        let mut day = self.digits(1)?;
        if self.0.first() != Some(&b' ') {
            day = day * 10 + self.digits(1)?;
        }
        self.expect(b' ')?;
        let clock = self.clock()?;
        self.expect(b' ')?;
        Some((self.digits(4)?, month, day, clock))
    }

    fn clock(&mut self) -> Option<i64> {
        let hour = self.digits(2)?;
        self.expect(b':')?;
        let minute = self.digits(2)?;
        self.expect(b':')?;
        let second = self.digits(2)?;
        (hour < 24 && minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
    }

    /// nginx tells months by as few letters as it can.
    fn month(&mut self) -> Option<i64> {
        let (name, rest) = self.0.split_at_checked(3)?;
        self.0 = rest;
        Some(match (name[0], name[1], name[2]) {
            (b'J', b'a', _) => 1,
            (b'F', ..) => 2,
            (b'M', _, b'r') => 3,
            (b'A', b'p', _) => 4,
            (b'M', ..) => 5,
            (b'J', _, b'n') => 6,
            (b'J', ..) => 7,
            (b'A', ..) => 8,
            (b'S', ..) => 9,
            (b'O', ..) => 10,
            (b'N', ..) => 11,
            (b'D', ..) => 12,
            _ => return None,
        })
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }
}

/// Years counted from March, so that the leap day is the last; `year` is 0..=9999.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_month = (153 * month + 2) / 5;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + before_month + day - 719_469
}

/// The inverse for days from 1970 on: (year, month from 1, day from 1).
fn civil(days: i64) -> (i64, usize, i64) {
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + i64::from(month >= 10);
    (year, (month + 2) as usize % 12 + 1, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHEN: i64 = 784_111_777;

    /// The rows down to the comment were sent to nginx 1.22 as If-Modified-Since and If-Unmodified-Since.
    #[test]
    fn dates_are_read_as_nginx_reads_them() {
        let table: [(&str, Option<i64>); 31] = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(WHEN)),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Some(WHEN + 1)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(WHEN)),
            ("Sun Nov  6 08:49:37 1994", Some(WHEN)),
            ("Sun Nov 06 08:49:37 1994", Some(WHEN)),
            ("Sun, 06 Nov 1994 08:49:37 GMT; length=36", Some(WHEN)),
            ("Sun, 06 Nov 1994 08:49:37 +0100", Some(WHEN)),
            ("Sun, 06 Nov 1994 08:49:37", Some(WHEN)),
            ("Xyz, 06 Nov 1994 08:49:37 GMT", Some(WHEN)),
            ("Sun,  06 Nov 1994 08:49:37 GMT", Some(WHEN)),
            (", 06 Nov 1994 08:49:37 GMT", Some(WHEN)),
            ("Sun, 06 Nxx 1994 08:49:37 GMT", Some(WHEN)),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:60 GMT", None),
            ("Sun, 31 Nov 1994 08:49:37 GMT", None),
            ("Sun, 29 Feb 1994 08:49:37 GMT", None),
            ("junk", None),
            ("", None),
            ("0", None),
            ("784111777", None),
            // Worked out by hand.
            ("Thu, 29 Feb 1996 00:00:00 GMT", Some(825_552_000)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
            ("Mon, 29 Feb 2100 00:00:00 GMT", None),
            ("Sun Nov 666 08:49:37 1994", None),
            ("Sunday, 06-Nov-69 08:49:37 GMT", Some(3_150_953_377)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", Some(-1)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(LAST)),
        ];
        for (text, seconds) in table {
            assert_eq!(parse(text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(format(WHEN), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(format(-86_400), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(format(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        // A step that is prime to the length of a day and of 400 years meets every month and leap rule.
        for seconds in (0..LAST).step_by(7_654_321) {
            assert_eq!(parse(format(seconds).as_bytes()), Some(seconds), "{}", format(seconds));
        }
    }

    #[test]
    fn every_cut_off_date_is_refused_without_a_panic() {
        for whole in ["Sun, 06 Nov 1994 08:49:37", "Sunday, 06-Nov-94 08:49:37", "Sun Nov  6 08:49:37 1994"] {
            for end in 0..whole.len() {
                assert_eq!(parse(&whole.as_bytes()[..end]), None, "{}", &whole[..end]);
            }
        }
    }
}
