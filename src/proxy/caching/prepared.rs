//! Heads that were made once and are sent again: what the long way makes of a stored answer for a location is kept with the
//! answer, as it went over the wire, with gaps for what the clock decides.
//!
//! What always holds: nothing is written here that [`super::compose`] has not written before. A head is kept only where
//! neither the request nor the state of the connection has a say in it, and taken only by requests of that kind; all
//! others go the long way. `tests/it/short_way.rs` compares both.

use super::answer::{Body, Stored};
use super::copy_of;
use crate::cache::store::{self, Head};
use crate::compress::{self, Accepted, Fields};
use crate::http::Headers;
use crate::proxy::request::Request;
use crate::proxy::snapshot::{Expires, Handler, Location};
use crate::variables::{write_http_date, write_number};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora_http::ResponseHeader;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

/// What the gaps take.
const ROOM: usize = 96;

/// The head that is kept with a stored one: that of the location that was asked last.
#[derive(Default)]
struct Shelf(ArcSwapOption<Prepared>);

struct Prepared {
    /// It is another one after a reload, and then another head.
    location: Weak<Location>,
    /// Other clients might get it compressed.
    for_plain_clients: bool,
    text: Box<[u8]>,
    /// What is written before this place of the text.
    gaps: Gaps,
}

type Gaps = Vec<(usize, Gap)>;

#[derive(Clone, Copy, PartialEq)]
enum Gap {
    Age,
    Date,
    /// So many seconds from now on.
    Expires(i64),
}

/// A request of the kind that gets what all of its kind get.
pub struct Usual {
    head: Arc<Head>,
    shelf: Arc<Shelf>,
}

impl Usual {
    /// `None`: what this request asks for is its own.
    pub fn of(request: &Request, stored: &Stored) -> Option<Usual> {
        let head = &stored.head;
        let is_whole = matches!(&stored.body, Body::Stored(store::Body::Memory(_))) && !head.meta.bodiless;
        let is_usual = is_whole
            && head.response.status == StatusCode::OK
            && request.exchange.method == Method::GET
            && request.keepalive
            && request.error_status.is_none()
            && request.kept.is_empty()
            && !request.rules_see_answer()
            && request.location.access.user_id.is_none()
            && request.location.filters.is_none()
            && asks_for_the_whole(&request.exchange.head.headers);
        if !is_usual {
            return None;
        }
        Some(Usual { head: head.clone(), shelf: head.prepared(Shelf::default)? })
    }

    /// The head as it goes over the wire, if one was kept for this location.
    pub fn head(&self, request: &Request) -> Option<Vec<u8>> {
        let kept = self.shelf.0.load();
        let prepared = kept.as_deref()?;
        let is_for_it = std::ptr::eq(prepared.location.as_ptr(), Arc::as_ptr(&request.location))
            && (!prepared.for_plain_clients || takes_no_coding(request));
        let now = request.exchange.started_at;
        is_for_it.then(|| prepared.fill(copy_of(&self.head).age(now), now))
    }

    /// Keeps the head that this request got, if another one will get the same.
    pub fn keep(&self, request: &Request, head: &ResponseHeader, text: &[u8]) {
        let Some(expires) = settled(request, &self.head.response) else { return };
        let settings = &request.location.compress;
        let varies = |head: &ResponseHeader| compress::is_for_some(settings, head.status.as_u16(), &head.headers);
        let for_plain_clients = varies(&self.head.response) || varies(head);
        if for_plain_clients && !takes_no_coding(request) {
            return;
        }
        let wanted = [Some(Gap::Age), Some(Gap::Date), expires.map(Gap::Expires)];
        let Some((text, gaps)) = cut(text, wanted.into_iter().flatten()) else { return };
        let location = Arc::downgrade(&request.location);
        self.shelf.0.store(Some(Arc::new(Prepared { location, for_plain_clients, text, gaps })));
    }
}

impl Stored {
    /// Takes the body out, if it is in memory as a whole.
    pub fn take_bytes(&mut self) -> Option<Bytes> {
        match &mut self.body {
            Body::Stored(store::Body::Memory(bytes)) => Some(std::mem::take(bytes)),
            _ => None,
        }
    }
}

impl Prepared {
    fn fill(&self, age: u64, now: SystemTime) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() + ROOM);
        let mut from = 0;
        for (at, gap) in &self.gaps {
            out.extend_from_slice(&self.text[from..*at]);
            from = *at;
            match gap {
                Gap::Age => write_number(age, &mut out),
                Gap::Date => write_http_date(now, &mut out),
                Gap::Expires(seconds) => write_http_date(later(now, *seconds), &mut out),
            }
        }
        out.extend_from_slice(&self.text[from..]);
        out
    }
}

/// So many seconds from then on, or before it; nothing lies before 1970.
fn later(now: SystemTime, seconds: i64) -> SystemTime {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(now.saturating_add_signed(seconds))
}

/// Neither a part nor a condition: none of the fields that `content::headers_of` reads.
fn asks_for_the_whole(headers: &Headers) -> bool {
    headers.iter().all(|(name, _)| match name.len() {
        5 => !name.eq_ignore_ascii_case(b"range"),
        8 | 13 | 17 | 19 => !name[..3].eq_ignore_ascii_case(b"if-"),
        _ => true,
    })
}

fn takes_no_coding(request: &Request) -> bool {
    if !request.exchange.head.headers.contains("accept-encoding") {
        return true;
    }
    let accepted = Accepted::read(request.exchange.head.headers.values(&header::ACCEPT_ENCODING));
    !accepted.gzip_as_nginx() && accepted.ranked().next().is_none()
}

/// Whether only the clock has a say in what the location makes of a stored head. If so: the seconds of `expires`, if it
/// counts from now on.
fn settled(request: &Request, stored: &ResponseHeader) -> Option<Option<i64>> {
    let (asked, answer) = (&request.bound.snapshot.asked, &request.location.answer);
    let redirects = stored.headers.contains_key(header::LOCATION) || stored.headers.contains_key(header::REFRESH);
    let is_settled = !asked.sent_head
        && !asked.upstream_head
        && !redirects
        && matches!(request.location.handler, Handler::Proxy(_))
        && answer.add.iter().all(|field| field.value.as_literal().is_some());
    match answer.expires {
        Expires::Off | Expires::Epoch | Expires::Max => is_settled.then_some(None),
        Expires::Access(seconds) => is_settled.then_some(Some(seconds)),
        Expires::Modified(_) | Expires::Daily(_) | Expires::Variable(_) => None,
    }
}

/// Takes the values out that another time will be others. `None` unless each field is there once.
fn cut(text: &[u8], wanted: impl Iterator<Item = Gap>) -> Option<(Box<[u8]>, Gaps)> {
    let mut values = Vec::new();
    for gap in wanted {
        let mut found = lines(text).filter(|(name, _)| name.eq_ignore_ascii_case(gap.name().as_bytes()));
        let (_, value) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        values.push((value, gap));
    }
    values.sort_by_key(|(value, _)| value.start);
    let (mut kept, mut gaps, mut from) = (Vec::with_capacity(text.len()), Vec::with_capacity(values.len()), 0);
    for (value, gap) in values {
        kept.extend_from_slice(&text[from..value.start]);
        gaps.push((kept.len(), gap));
        from = value.end;
    }
    kept.extend_from_slice(&text[from..]);
    Some((kept.into(), gaps))
}

impl Gap {
    fn name(self) -> &'static str {
        match self {
            Gap::Age => "age",
            Gap::Date => "date",
            Gap::Expires(_) => "expires",
        }
    }
}

/// The names of a head that was written here, and where their values stand.
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], std::ops::Range<usize>)> {
    let mut from = 0;
    text.split_inclusive(|byte| *byte == b'\n').filter_map(move |line| {
        let start = from;
        from += line.len();
        let colon = line.windows(2).position(|two| two == b": ")?;
        Some((&line[..colon], start + colon + 2..from.checked_sub(2)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"HTTP/1.1 200 OK\r\nage: 7\r\nX-Date: a: b\r\nDate: then\r\nExpires: soon\r\n\r\n";

    fn prepared(text: &[u8], gaps: &[Gap]) -> Option<Prepared> {
        let (text, gaps) = cut(text, gaps.iter().copied())?;
        Some(Prepared { location: Weak::new(), for_plain_clients: false, text, gaps })
    }

    #[test]
    fn what_the_clock_decides_is_filled_in_anew() {
        let gaps = [Gap::Age, Gap::Date, Gap::Expires(60)];
        let filled = prepared(TEXT, &gaps).unwrap().fill(4711, SystemTime::now());
        let filled = std::str::from_utf8(&filled).unwrap();
        let values: Vec<&str> = filled.lines().filter_map(|line| Some(line.split_once(": ")?.1)).collect();
        let [age, other, date, expires] = values[..] else { panic!("{filled}") };
        assert_eq!((age, other), ("4711", "a: b"));
        let at = |date| httpdate::parse_http_date(date).unwrap();
        let distance = at(expires).duration_since(at(date)).unwrap().as_secs();
        assert!((60..=61).contains(&distance), "{filled}");
        assert!(filled.starts_with("HTTP/1.1 200 OK\r\nage: ") && filled.ends_with("\r\n\r\n"));
    }

    #[test]
    fn without_gaps_it_is_what_it_was() {
        assert_eq!(prepared(TEXT, &[]).unwrap().fill(1, SystemTime::now()), TEXT);
    }

    #[test]
    fn a_field_that_is_not_there_or_there_twice_cannot_be_filled_in() {
        assert!(prepared(b"HTTP/1.1 200 OK\r\nDate: then\r\n\r\n", &[Gap::Age]).is_none());
        assert!(prepared(b"HTTP/1.1 200 OK\r\nAge: 1\r\nAGE: 2\r\n\r\n", &[Gap::Age]).is_none());
    }

    #[test]
    fn a_part_or_a_condition_is_no_usual_wish() {
        let asking = |name: &'static str| -> Headers {
            [(Bytes::from_static(name.as_bytes()), Bytes::from_static(b"x"))].into_iter().collect()
        };
        for name in ["Range", "if-range", "If-Match", "If-None-Match", "If-Modified-Since", "IF-UNMODIFIED-SINCE"] {
            assert!(!asks_for_the_whole(&asking(name)), "{name}");
        }
        for name in ["Accept", "User-Agent", "Accept-Encoding", "Cookie", "Referer"] {
            assert!(asks_for_the_whole(&asking(name)), "{name}");
        }
    }
}
