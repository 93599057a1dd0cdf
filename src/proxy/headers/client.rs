//! The fields of an answer as the client gets it: those of the upstream filtered, those of the configuration added.

use super::HOP_BY_HOP;
use crate::http::pages;
use crate::proxy::access;
use crate::proxy::redirect;
use crate::proxy::request::Request;
use crate::proxy::snapshot::{Expires, Handler, Pass};
use crate::variables::http_date;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LAST_MODIFIED, LOCATION, SERVER, TRANSFER_ENCODING, UPGRADE,
};
use pingora_error::{ErrorType, OrErr, Result};
use pingora_http::ResponseHeader;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Makes an answer fit for the client, whoever gave it.
pub fn for_client(answer: &mut ResponseHeader, request: &mut Request, from_upstream: bool) -> Result<()> {
    let location = request.location.clone();
    request.rule_answer_once(answer);
    answer.set_version(http::Version::HTTP_11);
    if let (true, Handler::Proxy(pass)) = (from_upstream, &location.handler) {
        filter_upstream(answer, pass, request)?;
    }
    for (name, value) in std::mem::take(&mut request.kept) {
        match name {
            "Set-Cookie" => drop(answer.append_header(name, value)?),
            _ => answer.insert_header(name, value)?,
        }
    }
    if !answer.headers.contains_key(SERVER) {
        let tokens = location.answer.server_tokens;
        answer.insert_header("Server", if tokens { pages::SERVER_WITH_VERSION } else { pages::SERVER })?;
    }
    // The page of a redirect that edge makes itself has none.
    if from_upstream || !answer.status.is_redirection() {
        add_charset(answer, request)?;
    }
    let status = answer.status.as_u16();
    // As in nginx: nobody but edge sees the answer to a question of its own.
    let is_asked_inside = request.exchange.asked_method.is_some();
    if has_conditional_fields(status) && !is_asked_inside {
        add_expires(answer, request)?;
    }
    access::give(answer, request)?;
    if !is_asked_inside {
        add_fields(answer, request)?;
    }
    let told = location.keepalive_told.filter(|told| !told.is_zero() && request.keepalive);
    if let Some(told) = told {
        answer.insert_header("Keep-Alive", format!("timeout={}", told.as_secs()))?;
    }
    request.change_answer(answer);
    if request.is_http10() {
        // A client of HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
        answer.remove_header(&TRANSFER_ENCODING);
    }
    Ok(())
}

/// `add_header`, whose values may say what the answer says so far.
fn add_fields(answer: &mut ResponseHeader, request: &mut Request) -> Result<()> {
    let location = request.location.clone();
    let status = answer.status.as_u16();
    if location.answer.add.is_empty() {
        return Ok(());
    }
    request.exchange.answer.status = status;
    request.note_sent_head(answer);
    for field in location.answer.add.iter().filter(|f| f.always || has_conditional_fields(status)) {
        let value = field.value.evaluate(&request.exchange);
        // As in nginx, these take the place of the answer's own, and nothing takes it away.
        if ["last-modified", "etag"].contains(&field.name.to_ascii_lowercase().as_str()) {
            answer.remove_header(field.name.as_str());
        }
        if !value.is_empty() {
            let value =
                HeaderValue::from_bytes(&value).or_err(ErrorType::InvalidHTTPHeader, "a value of add_header")?;
            answer.append_header(field.name.clone(), value)?;
        }
    }
    Ok(())
}

/// The statuses `add_header` and `expires` are for.
pub(super) fn has_conditional_fields(status: u16) -> bool {
    matches!(status, 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308)
}

/// What of an upstream's answer is not for the client.
fn filter_upstream(answer: &mut ResponseHeader, pass: &Pass, request: &mut Request) -> Result<()> {
    for name in &pass.hidden {
        answer.remove_header(name);
    }
    let upgraded = answer.status == http::StatusCode::SWITCHING_PROTOCOLS;
    for name in HOP_BY_HOP.iter().filter(|name| !(upgraded && **name == UPGRADE)) {
        answer.remove_header(name);
    }
    if upgraded {
        answer.insert_header("Connection", "upgrade")?;
    }
    if let Some(to) = answer.headers.get(LOCATION).map(|to| to.as_bytes().to_vec())
        && let Some(new) = redirect::rewritten(&pass.redirect, &to, request)
    {
        answer.insert_header("Location", header_value(redirect::absolute(request, new))?)?;
    }
    rewrite_refresh(answer, pass, request)?;
    super::cookies::rewrite(answer, &pass.cookies, request)?;
    frame(answer, request)
}

/// Whether nothing but the head of an answer comes.
pub fn is_bodiless(answer: &ResponseHeader, request: &Request) -> bool {
    let none = matches!(answer.status.as_u16(), 204 | 304) || request.exchange.method == http::Method::HEAD;
    none || answer.headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() == b"0")
}

/// The body is framed anew: by its length if the upstream said one, in chunks otherwise.
fn frame(answer: &mut ResponseHeader, request: &Request) -> Result<()> {
    let bodiless = answer.status.is_informational() || matches!(answer.status.as_u16(), 204 | 304) || request.is_head();
    match answer.headers.get(CONTENT_LENGTH).cloned() {
        // Lengths that contradict each other were refused before.
        Some(length) => answer.insert_header("Content-Length", length),
        None if bodiless => Ok(()),
        None => answer.insert_header("Transfer-Encoding", "chunked"),
    }
}

/// `Refresh: 5; url=http://…`
fn rewrite_refresh(answer: &mut ResponseHeader, pass: &Pass, request: &mut Request) -> Result<()> {
    let Some(value) = answer.headers.get("refresh") else {
        return Ok(());
    };
    let value = value.as_bytes().to_vec();
    let at = value.windows(4).position(|w| w.eq_ignore_ascii_case(b"url="));
    if let Some(at) = at.map(|at| at + 4)
        && let Some(new) = redirect::rewritten(&pass.redirect, &value[at..], request)
    {
        let whole = [&value[..at], &new].concat();
        answer.insert_header("Refresh", header_value(whole)?)?;
    }
    Ok(())
}

fn header_value(bytes: Vec<u8>) -> Result<HeaderValue> {
    HeaderValue::try_from(bytes).or_err(ErrorType::InvalidHTTPHeader, "a value that cannot be sent")
}

/// `charset`: named where the type is listed and names none itself.
fn add_charset(answer: &mut ResponseHeader, request: &Request) -> Result<()> {
    let Some(charset) = &request.location.answer.charset else {
        return Ok(());
    };
    let Some(kind) = answer.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return Ok(());
    };
    let media = kind.split(';').next().unwrap_or_default().trim();
    let listed = media.eq_ignore_ascii_case("text/html")
        || charset.types.iter().any(|t| t == "*" || t.eq_ignore_ascii_case(media));
    if !listed || kind.to_ascii_lowercase().contains("charset=") {
        return Ok(());
    }
    let value = format!("{kind}; charset={}", charset.name);
    answer.insert_header("Content-Type", value)
}

/// `expires`: `Expires` and `Cache-Control`, as nginx's ngx_http_headers_filter_module writes them.
fn add_expires(answer: &mut ResponseHeader, request: &mut Request) -> Result<()> {
    let now = SystemTime::now();
    let location = request.location.clone();
    let seconds = match &location.answer.expires {
        Expires::Variable(template) => {
            request.exchange.answer.status = answer.status.as_u16();
            request.note_sent_head(answer);
            let text = template.evaluate(&request.exchange);
            let parsed = std::str::from_utf8(&text).ok().and_then(Expires::parse);
            return match parsed {
                Some(expires) => write_expires(answer, &expires, now),
                None => Ok(()),
            };
        }
        fixed => fixed,
    };
    write_expires(answer, seconds, now)
}

fn write_expires(answer: &mut ResponseHeader, expires: &Expires, now: SystemTime) -> Result<()> {
    let (date, control) = match expires {
        Expires::Off | Expires::Variable(_) => return Ok(()),
        Expires::Epoch => ("Thu, 01 Jan 1970 00:00:01 GMT".to_owned(), "no-cache".to_owned()),
        Expires::Max => ("Thu, 31 Dec 2037 23:55:55 GMT".to_owned(), "max-age=315360000".to_owned()),
        Expires::Access(seconds) => relative(now, *seconds, now),
        Expires::Modified(seconds) => {
            let modified = answer.headers.get(LAST_MODIFIED).and_then(|v| v.to_str().ok());
            let base = modified.and_then(|v| httpdate::parse_http_date(v).ok()).unwrap_or(now);
            relative(base, *seconds, now)
        }
        Expires::Daily(second) => {
            let today = seconds_of(now) % 86_400;
            let wait = (i64::from(*second) - today).rem_euclid(86_400);
            relative(now, wait, now)
        }
    };
    answer.insert_header("Expires", date)?;
    // Upstream's own Cache-Control would contradict; nginx replaces it too.
    answer.remove_header(&CACHE_CONTROL);
    answer.insert_header("Cache-Control", control)
}

fn relative(base: SystemTime, seconds: i64, now: SystemTime) -> (String, String) {
    let at = seconds_of(base) + seconds;
    let date = http_date(UNIX_EPOCH + Duration::from_secs(at.max(0) as u64));
    let age = at - seconds_of(now);
    let control = if age < 0 || seconds < 0 { "no-cache".to_owned() } else { format!("max-age={age}") };
    (date, control)
}

fn seconds_of(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64)
}
