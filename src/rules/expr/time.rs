//! Points in time and durations as CEL has them: from year 1 to 9999, to the nanosecond, in the calendar of a fixed offset
//! from UTC. Names of time zones are not known: what they mean changes with a database.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;
/// The first second of year 1 and the last of 9999.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Since 1970, UTC.
    seconds: i64,
    nanos: u32,
}

/// Seconds east of UTC.
pub type Offset = i32;

/// What a method such as `getHours` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Timestamp {
    pub fn new(seconds: i64, nanos: u32) -> Option<Timestamp> {
        ((FIRST..=LAST).contains(&seconds) && i64::from(nanos) < NANOS).then_some(Timestamp { seconds, nanos })
    }

    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Later by so many nanoseconds; `None` outside of the calendar.
    pub fn plus(self, nanos: i64) -> Option<Timestamp> {
        let nanos = i64::from(self.nanos).checked_add(nanos)?;
        let seconds = self.seconds.checked_add(nanos.div_euclid(NANOS))?;
        Timestamp::new(seconds, nanos.rem_euclid(NANOS) as u32)
    }

    /// The nanoseconds since another; `None` if they are too many, which is after some three hundred years.
    pub fn since(self, other: Timestamp) -> Option<i64> {
        let seconds = self.seconds.checked_sub(other.seconds)?;
        seconds.checked_mul(NANOS)?.checked_add(i64::from(self.nanos) - i64::from(other.nanos))
    }

    pub fn part(self, part: Part, offset: Offset) -> i64 {
        let local = self.seconds + i64::from(offset);
        let (days, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        match part {
            Part::FullYear => year,
            Part::Month => month - 1,
            Part::Date => day,
            Part::DayOfMonth => day - 1,
            // 1970 began on a Thursday.
            Part::DayOfWeek => (days + 4).rem_euclid(7),
            Part::DayOfYear => days - days_of(year, 1, 1),
            Part::Hours => second / 3600,
            Part::Minutes => second / 60 % 60,
            Part::Seconds => second % 60,
            Part::Milliseconds => i64::from(self.nanos) / 1_000_000,
        }
    }

    /// The second of the day.
    pub fn second_of_day(self, offset: Offset) -> i64 {
        (self.seconds + i64::from(offset)).rem_euclid(DAY)
    }

    /// Reads RFC 3339: `2026-01-31T12:00:00Z`, `…12:00:00.5+01:00`.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let (date, rest) = text.split_once(['T', 't'])?;
        let mut parts = date.split('-');
        let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let at = rest.find(['Z', 'z', '+', '-'])?;
        let (time, zone) = rest.split_at(at);
        let (clock, fraction) = time.split_once('.').map_or((time, None), |(clock, f)| (clock, Some(f)));
        let mut parts_of_day = clock.split(':');
        let mut next = || digits(parts_of_day.next()?, 2);
        let (hour, minute, second) = (next()?, next()?, next()?);
        let valid = parts.next().is_none()
            && parts_of_day.next().is_none()
            && (1..=12).contains(&month)
            && day >= 1
            && civil(days_of(year, month, day)) == (year, month, day)
            && hour < 24
            && minute < 60
            && second < 60;
        let offset = if zone.eq_ignore_ascii_case("z") { 0 } else { parse_offset(zone)? };
        let seconds = days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second - i64::from(offset);
        let nanos = fraction.map_or(Some(0), parse_fraction)?;
        valid.then(|| Timestamp::new(seconds, nanos)).flatten()
    }

    pub(super) fn write(self, out: &mut Vec<u8>) -> io::Result<()> {
        let part = |part| self.part(part, 0);
        let (year, month, day) = (part(Part::FullYear), part(Part::Month) + 1, part(Part::Date));
        let (hours, minutes, seconds) = (part(Part::Hours), part(Part::Minutes), part(Part::Seconds));
        write!(out, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}")?;
        write_fraction(self.nanos, out)?;
        out.write_all(b"Z")
    }
}

/// Times outside of the calendar, which no clock shows, become its ends.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(LAST), since.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).map_or(FIRST, |seconds| -seconds);
                match before.subsec_nanos() {
                    0 => (seconds, 0),
                    nanos => (seconds - 1, NANOS as u32 - nanos),
                }
            }
        };
        Timestamp { seconds: seconds.clamp(FIRST, LAST), nanos }
    }
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970 (`days_from_civil`).
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn parse_fraction(text: &str) -> Option<u32> {
    let fits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| format!("{text:0<9}").parse().ok()).flatten()
}

/// Reads `+01:00`, `-05:30`, `02:00` and `UTC`.
pub fn parse_offset(text: &str) -> Option<Offset> {
    if matches!(text, "UTC" | "Z") {
        return Some(0);
    }
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) as Offset)
}

/// Reads a time of day, `22:00` or `22:00:30`, as its second; `24:00` is the day's end.
pub fn parse_time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut next = || parts.next().map_or(Some(0), |part| digits(part, 2));
    let second = match (next()?, next()?, next()?) {
        (24, 0, 0) => DAY,
        (hour, minute, second) if hour < 24 && minute < 60 && second < 60 => hour * 3600 + minute * 60 + second,
        _ => return None,
    };
    (text.contains(':') && parts.next().is_none()).then_some(second)
}

/// Reads `1h30m`, `1.5s`, `-10ms`, `7d`: numbers with units, from nanoseconds to days.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos: i128 = 0;
    loop {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        nanos = nanos.checked_add(nanos_of(number, unit)?)?;
        rest = after;
        if rest.is_empty() {
            return i64::try_from(nanos * sign).ok();
        }
    }
}

fn nanos_of(number: &str, unit: &str) -> Option<i128> {
    let scale: i128 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > 18 || fraction.len() > 9 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: i128 = if fraction.is_empty() { 0 } else { parse_fraction(fraction)?.into() };
    Some(whole * scale + part * scale / i128::from(NANOS))
}

/// As nanoseconds; what is longer than they can say, three hundred years, becomes that.
pub fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// In seconds, as CEL prints durations: `90s`, `0.5s`.
pub(super) fn write_duration(nanos: i64, out: &mut Vec<u8>) -> io::Result<()> {
    if nanos < 0 {
        out.push(b'-');
    }
    let size = nanos.unsigned_abs();
    write!(out, "{}", size / NANOS as u64)?;
    write_fraction((size % NANOS as u64) as u32, out)?;
    out.write_all(b"s")
}

fn write_fraction(nanos: u32, out: &mut Vec<u8>) -> io::Result<()> {
    if nanos == 0 {
        return Ok(());
    }
    let digits = format!("{nanos:09}");
    write!(out, ".{}", digits.trim_end_matches('0'))
}
