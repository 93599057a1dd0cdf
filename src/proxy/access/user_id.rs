//! `userid`: cookies that tell browsers apart (nginx's ngx_http_userid_filter_module).

use crate::access::uids::{Got, Uid};
use crate::http::escape::{self, LogEscape};
use crate::proxy::request::Request;
use crate::proxy::snapshot::{UserId, UserIdExpires};
use crate::variables::{Exchange, http_date};
use http::HeaderValue;
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::ResponseHeader;
use std::time::{Duration, UNIX_EPOCH};

/// The last second that a date of two digits can name.
const MAX: &str = "Thu, 31-Dec-37 23:55:55 GMT";
const LAST_SHORT_YEAR: u64 = 2_145_916_800;

/// Adds the cookie to an answer, if the client has none.
pub fn give(answer: &mut ResponseHeader, request: &Request) -> Result<()> {
    let location = &request.location;
    let Some(settings) = location.access.user_id.as_ref().filter(|_| !request.is_errand) else { return Ok(()) };
    let x = &request.exchange;
    if let Some(Err(bad)) = x.cookie(&settings.name).map(Got::read) {
        let cookie = escape::log(x.head.headers.get("cookie").unwrap_or_default(), LogEscape::Default).into_owned();
        request.log_error(format_args!("{bad} \"{}\"", String::from_utf8_lossy(&cookie)));
    }
    let Some(value) = value(settings, x, is_reset(request)) else { return Ok(()) };
    let mut cookie = [settings.name.as_bytes(), b"=", &value].concat();
    cookie.extend_from_slice(expires(settings, x).as_bytes());
    cookie.extend_from_slice(settings.attributes.as_bytes());
    let cookie = HeaderValue::try_from(cookie).or_err(ErrorType::InvalidHTTPHeader, "a cookie of userid")?;
    answer.append_header("Set-Cookie", cookie)?;
    if let Some(p3p) = &settings.p3p {
        answer.append_header("P3P", p3p.clone())?;
    }
    Ok(())
}

fn got<'x>(settings: &UserId, x: &'x Exchange) -> Option<Got<'x>> {
    x.cookie(&settings.name).and_then(|cookie| Got::read(cookie).ok()).filter(Got::is_some)
}

/// The value a client is given; `None`: it has one that is good.
fn value(settings: &UserId, x: &Exchange, reset: bool) -> Option<Vec<u8>> {
    let version = settings.given?;
    match got(settings, x).filter(|_| !reset) {
        Some(got) => settings.mark.filter(|mark| !got.is_marked(*mark)).map(|mark| got.marked(mark)),
        None => {
            let new = || Uid::new(version, settings.service, x.peer.local.ip(), x.started_at).0;
            Some(Uid(*x.uid_set.get_or_init(new)).cookie(settings.mark))
        }
    }
}

/// `$uid_reset`, which a configuration may define.
fn is_reset(request: &Request) -> bool {
    let slot = request.bound.snapshot.defined.find("uid_reset");
    let value = slot.and_then(|slot| request.exchange.defined.value(slot, &request.exchange));
    value.is_some_and(|value| !value.is_empty() && value != b"0")
}

fn expires(settings: &UserId, x: &Exchange) -> String {
    let after = match settings.expires {
        UserIdExpires::Session => return String::new(),
        UserIdExpires::Max => return format!("; expires={MAX}"),
        UserIdExpires::After(after) => after,
    };
    let at = x.started_at + Duration::from_secs(after.as_secs());
    // `Sun, 06 Nov 1994 …` as `Sun, 06-Nov-94 …`: browsers of old knew no other form.
    let date = http_date(at);
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let year = if seconds < LAST_SHORT_YEAR { &date[14..16] } else { &date[12..16] };
    format!("; expires={}-{}-{year}{}", &date[..7], &date[8..11], &date[16..])
}

pub(super) fn write_got(settings: Option<&UserId>, x: &Exchange, out: &mut Vec<u8>) -> bool {
    let Some(settings) = settings else { return false };
    let got = got(settings, x);
    if let Some(got) = got {
        got.uid.write(&settings.name, out);
    }
    got.is_some()
}

pub(super) fn write_set(settings: Option<&UserId>, x: &Exchange, out: &mut Vec<u8>) -> bool {
    let Some(settings) = settings else { return false };
    if value(settings, x, false).is_none() {
        return false;
    }
    let set = x.uid_set.get().map(|set| Uid(*set)).or_else(|| got(settings, x).map(|got| got.uid));
    if let Some(uid) = set {
        uid.write(&settings.name, out);
    }
    set.is_some()
}
