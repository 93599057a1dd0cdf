//! Actions that answer, or disturb on purpose: `respond`, `redirect`, `maintenance`, `fault`.

use super::field::{FieldChange, changes};
use super::{Action, Anything, Percent, Reader, Status};
use crate::config::Node;
use crate::config::keys::read_map;
use crate::config::value::{Spanned, Time};
use crate::keys;
use crate::rules::outcome::How;
use crate::variables::Template;
use std::sync::Arc;
use std::time::Duration;

/// The largest page that a rule keeps in memory.
const LARGEST: u64 = 1 << 20;

/// An answer that a rule gives itself.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    /// `None`: the page there is for the status.
    pub body: Option<Template>,
    pub content_type: Arc<str>,
    pub fields: Box<[FieldChange]>,
}

/// `fault`
#[derive(Debug)]
pub struct Disturbance {
    pub delay: Duration,
    pub abort: Option<u16>,
    pub percent: f64,
}

impl Disturbance {
    pub fn aborts_always(&self) -> bool {
        self.abort.is_some() && self.percent >= 100.0
    }
}

keys! {
    /// `respond`
    pub struct RespondKeys {
        /// The status.
        ["-"] status: u16,
        /// The text of the answer; without it, the page there is for the status (`error_page`, or edge's own).
        ["-"] body: String,
        /// The type of the text.
        ["-"] content_type: String = "text/plain",
        /// Fields of the answer.
        ["-"] headers: Anything,
    }
}

/// Only 444 is no answer at all, as in nginx.
fn is_status(status: u16) -> bool {
    (200..=599).contains(&status)
}

pub(super) fn respond(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys = match node.as_text() {
        Some(_) => RespondKeys { status: Spanned::read(node, reader.diagnostics), ..RespondKeys::default() },
        None => read_map(node, "`respond`", reader.diagnostics)?,
    };
    let Some(status) = &keys.status else {
        // A status that is none was told.
        if node.as_text().is_none() && node.get("status").is_none() {
            reader
                .error(node, "`respond` has no `status`")
                .help("write `respond: 403`, or `respond: { status: 200, body: … }`");
        }
        return None;
    };
    if !is_status(status.value) {
        let message = format!("`{}` is no status of an answer", status.value);
        reader.diagnostics.error(status.span, message).help("expected 200 to 599; 444 closes the connection");
        return None;
    }
    if keys.body.is_none()
        && let Some(kind) = &keys.content_type
    {
        reader.diagnostics.error(kind.span, "`content_type` is the type of a `body`, and there is none");
    }
    let body = keys.body.as_ref().and_then(|body| reader.template(body));
    let fields = keys.headers.as_ref().map(|headers| changes(&headers.0, How::Set, reader)).unwrap_or_default();
    let content_type = keys.content_type().into();
    Some(vec![Action::Answer(Page { status: status.value, body, content_type, fields: fields.into() })])
}

keys! {
    /// `redirect`
    pub struct RedirectKeys {
        /// Where to; may hold variables.
        ["-"] to: String,
        /// The status.
        ["-"] status: u16 = "302",
    }
}

pub(super) fn redirect(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys = match node.as_text() {
        Some(_) => RedirectKeys { to: Spanned::read(node, reader.diagnostics), ..RedirectKeys::default() },
        None => read_map(node, "`redirect`", reader.diagnostics)?,
    };
    let Some(to) = &keys.to else {
        reader.error(node, "`redirect` has no `to`").help("write `redirect: https://www.example.com$request_uri`");
        return None;
    };
    if let Some(status) = keys.status.as_ref().filter(|s| !matches!(s.value, 301 | 302 | 303 | 307 | 308)) {
        let message = format!("{} is no status of a redirect", status.value);
        reader.diagnostics.error(status.span, message).help("expected 301, 302, 303, 307 or 308");
    }
    let to = reader.template(to)?;
    Some(vec![Action::Redirect { to, status: keys.status() }])
}

keys! {
    /// `maintenance`
    pub struct MaintenanceKeys {
        /// When clients may come again, told as `Retry-After`.
        ["-"] retry_after: Time,
        /// The page, HTML.
        ["-"] body: String,
        /// The same as a file, read with the configuration.
        ["-"] file: String,
    }
}

pub(super) fn maintenance(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys: MaintenanceKeys = match node.as_text() {
        Some("true") => MaintenanceKeys::default(),
        _ => read_map(node, "`maintenance`, which is `true` or a map,", reader.diagnostics)?,
    };
    if let (Some(_), Some(file)) = (&keys.body, &keys.file) {
        reader.diagnostics.error(file.span, "a page of maintenance has either `body` or `file`");
    }
    let body = match (&keys.body, &keys.file) {
        (Some(body), _) => reader.template(body),
        (None, Some(file)) => Some(Template::literal(read_page(file, reader)?)),
        (None, None) => None,
    };
    let fields = keys.retry_after.as_ref().map(|time| FieldChange {
        how: How::Set,
        name: "Retry-After".into(),
        value: Template::literal(time.0.as_secs().max(1).to_string()),
    });
    let fields: Vec<FieldChange> = fields.into_iter().collect();
    Some(vec![Action::Answer(Page { status: 503, body, content_type: "text/html".into(), fields: fields.into() })])
}

fn read_page(file: &Spanned<String>, reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let path = reader.names.prefix.join(file.as_str());
    reader.diagnostics.add_read(&path);
    match crate::system::read(&path) {
        Ok(page) if page.len() as u64 <= LARGEST => Some(page),
        Ok(_) => {
            reader.diagnostics.error(file.span, format!("{} is larger than 1 MiB", path.display()));
            None
        }
        Err(e) => {
            let why = crate::config::diagnostics::plain(&e);
            reader.diagnostics.error(file.span, format!("{} cannot be read: {why}", path.display()));
            None
        }
    }
}

keys! {
    /// `fault`
    pub struct FaultKeys {
        /// How long the request waits.
        ["-"] delay: Time,
        /// The status it is answered with.
        ["-"] abort: Status,
        /// How many of the requests; all by default.
        ["-"] percent: Percent = "100%",
    }
}

/// Nobody waits longer.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) fn fault(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys: FaultKeys = read_map(node, "`fault`", reader.diagnostics)?;
    if keys.delay.is_none() && keys.abort.is_none() {
        reader
            .error(node, "`fault` has neither `delay` nor `abort`")
            .help("write `fault: { delay: 100ms, percent: 5% }`");
        return None;
    }
    if let Some(delay) = keys.delay.as_ref().filter(|delay| delay.value.0 > LONGEST) {
        reader
            .diagnostics
            .error(delay.span, "a delay is at most a minute: each request that waits holds its connection");
    }
    let delay = keys.delay.as_ref().map(|delay| delay.value.0).unwrap_or_default();
    let abort = keys.abort.as_ref().map(|status| status.value.0);
    Some(vec![Action::Fault(Disturbance { delay, abort, percent: keys.percent().0 })])
}
