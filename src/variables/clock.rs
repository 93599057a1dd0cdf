//! Times as logs and headers print them, made once a second and thread.

use bytes::BufMut;
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Dates that are known: now, and those that `expires` leads to.
const PLACES: usize = 16;

thread_local! {
    static DATES: RefCell<[(u64, String); PLACES]> = RefCell::default();
    static LAST: RefCell<(u64, Printed)> = RefCell::new((u64::MAX, Printed::default()));
}

#[derive(Clone, Default)]
struct Printed {
    local: String,
    iso8601: String,
}

/// As `$time_local`: `22/Nov/2026:16:10:00 +0100`.
pub fn local(at: SystemTime) -> String {
    printed(at, |p| p.local.clone())
}

/// As `$time_iso8601`: `2026-11-22T16:10:00+01:00`.
pub fn iso8601(at: SystemTime) -> String {
    printed(at, |p| p.iso8601.clone())
}

pub(super) fn write_local(at: SystemTime, out: &mut Vec<u8>) {
    printed(at, |p| out.extend_from_slice(p.local.as_bytes()));
}

pub(super) fn write_iso8601(at: SystemTime, out: &mut Vec<u8>) {
    printed(at, |p| out.extend_from_slice(p.iso8601.as_bytes()));
}

/// As `Date`: `Sun, 22 Nov 2026 16:10:00 GMT`.
pub fn http_date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at)
}

/// The same appended; what is told for many requests of a second is printed once.
pub fn write_http_date(at: SystemTime, out: &mut impl BufMut) {
    let second = at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    DATES.with_borrow_mut(|dates| {
        let (known, text) = &mut dates[(second % PLACES as u64) as usize];
        if *known != second || text.is_empty() {
            (*known, *text) = (second, http_date(at));
        }
        out.put_slice(text.as_bytes());
    });
}

fn printed<T>(at: SystemTime, take: impl FnOnce(&Printed) -> T) -> T {
    let second = at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    LAST.with_borrow_mut(|last| {
        if last.0 != second {
            *last = (second, print(second));
        }
        take(&last.1)
    })
}

fn print(second: u64) -> Printed {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = second as libc::time_t;
    // SAFETY: `tm` is plain data that localtime_r fills in; both pointers live for the call.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&time, &mut tm);
        tm
    };
    let minutes = tm.tm_gmtoff / 60;
    let (sign, minutes) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
    let (year, month, day) = (tm.tm_year + 1900, tm.tm_mon as usize % 12, tm.tm_mday);
    let (h, m, s) = (tm.tm_hour, tm.tm_min, tm.tm_sec);
    let (zone_h, zone_m) = (minutes / 60, minutes % 60);
    Printed {
        local: format!("{day:02}/{}/{year}:{h:02}:{m:02}:{s:02} {sign}{zone_h:02}{zone_m:02}", MONTHS[month]),
        iso8601: format!("{year}-{:02}-{day:02}T{h:02}:{m:02}:{s:02}{sign}{zone_h:02}:{zone_m:02}", month + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_the_same_whether_or_not_they_are_known() {
        for second in [0, 1, 16, 17, 1_700_000_000, 1_700_000_016, 1_700_000_000, 0] {
            let at = UNIX_EPOCH + Duration::from_millis(second * 1000 + 999);
            let mut out = Vec::new();
            write_http_date(at, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), http_date(at));
        }
    }

    #[test]
    fn times_have_nginx_shapes() {
        let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(local(at).len(), "14/Nov/2023:22:13:20 +0000".len());
        assert!(iso8601(at).starts_with("2023-11-1"));
        assert_eq!(http_date(at), "Tue, 14 Nov 2023 22:13:20 GMT");
    }
}
