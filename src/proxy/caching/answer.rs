//! A stored answer as this request gets it: whole, a part of it, or the word that the client's copy is still good.
//!
//! Compressed once: the first client that wants a coding makes edge store that form beside the answer; those after it get
//! what is stored. Meanwhile the answer is compressed as it goes out, as one from an upstream is, or another form that the
//! client takes goes out.

use super::part::{self, Part};
use super::sliced::Sliced;
use super::{coding, copy_of};
use crate::cache::key::{Hash, Key, Variant};
use crate::cache::meta::{Coding, Meta};
use crate::cache::store::{self, Follow, Head, Hit, Lookup, Wanted, Zone};
use crate::compress::{Algorithm, Fields, RequestFacts, Settings};
use crate::compress::{acceptable, decide, encode_whole, rewrite::rewrite};
use crate::files::range::{self, Multipart};
use crate::proxy::deliver::Payload;
use crate::proxy::request::Request;
use crate::proxy::{filters, headers};
use bytes::Bytes;
use http::StatusCode;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

/// The largest body that another form is made of.
const LARGEST: u64 = 8 << 20;
/// So many are made at once.
const MAKERS: usize = 8;

/// An answer from the cache.
pub struct Stored {
    pub(super) head: Arc<Head>,
    pub(super) body: Body,
    /// Where it is kept, if it is whole.
    kept: Option<(Arc<Zone>, Key, Variant)>,
}

/// What is sent of it.
pub enum Body {
    Stored(store::Body),
    /// As it is being stored.
    Follow(Follow),
    /// Put together of parts that are stored by themselves.
    Sliced(Box<Sliced>),
    /// Parts with what stands between them.
    Parts(VecDeque<Bytes>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored").field("url", &self.head.meta.url).finish_non_exhaustive()
    }
}

impl Stored {
    /// What is being stored; once it is complete its length is known.
    pub fn following(follow: Follow) -> Stored {
        let head = follow.head().clone();
        let body = match follow.whole() {
            Some(bytes) => Body::Stored(store::Body::Memory(bytes)),
            None => Body::Follow(follow),
        };
        Stored { head, body, kept: None }
    }

    /// Put together of what is kept elsewhere.
    pub fn made_of(head: Arc<Head>, body: Body) -> Stored {
        Stored { head, body, kept: None }
    }

    pub fn hit(hit: Hit, zone: Arc<Zone>) -> Stored {
        let kept = Some((zone, hit.key, hit.variant));
        Stored { head: hit.head, body: Body::Stored(hit.body), kept }
    }

    /// With the fields that the upstream has just confirmed.
    pub fn with_head(mut self, head: Head) -> Stored {
        self.head = Arc::new(head);
        self
    }

    fn len(&self) -> Option<u64> {
        match &self.body {
            // The length that its fields tell is that of a GET's answer.
            _ if self.head.meta.bodiless => None,
            Body::Stored(body) => Some(body.len()),
            Body::Sliced(sliced) => Some(sliced.length()),
            Body::Follow(follow) => follow.length(),
            Body::Parts(_) => None,
        }
    }
}

impl Body {
    /// Only these bytes, which lie within it.
    fn within(self, span: Range<u64>) -> Body {
        match self {
            Body::Stored(body) => Body::Stored(body.slice(span).unwrap_or(store::Body::Memory(Bytes::new()))),
            Body::Follow(follow) => Body::Follow(follow.within(span)),
            Body::Sliced(sliced) => Body::Sliced(Box::new(sliced.within(span))),
            // Its length is not told, so nobody plans a span of it.
            Body::Parts(parts) => Body::Parts(parts),
        }
    }

    pub async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        match self {
            Body::Stored(body) => body.next().await,
            Body::Follow(follow) => follow.next().await.map_err(std::io::Error::other),
            Body::Sliced(sliced) => sliced.next().await,
            Body::Parts(parts) => Ok(parts.pop_front()),
        }
    }
}

/// The head and body that the client gets.
pub fn compose(request: &mut Request, stored: Stored) -> Result<(ResponseHeader, Payload)> {
    let mut head = stored.head.response.clone();
    request.note_upstream_head(&head);
    if matches!(stored.body, Body::Sliced(_)) {
        // The head is that of a part.
        head.set_status(StatusCode::OK)?;
        head.set_reason_phrase(None)?;
        head.remove_header("Content-Range");
        head.insert_header("Accept-Ranges", "bytes")?;
    }
    head.insert_header("Age", copy_of(&stored.head).age(SystemTime::now()))?;
    if let Some(len) = stored.len() {
        head.insert_header("Content-Length", len)?;
    }
    let (mut head, payload) = match (head.status, request.error_status) {
        (StatusCode::OK, None) => parted(request, head, stored)?,
        (_, Some(status)) => {
            head.set_status(status)?;
            head.set_reason_phrase(Some(crate::http::status::reason(status)))?;
            (head, Payload::Stored(stored.body))
        }
        _ => (head, Payload::Stored(stored.body)),
    };
    headers::for_client(&mut head, request, true)?;
    Ok((head, payload))
}

/// What this client gets of it.
fn parted(request: &Request, mut head: ResponseHeader, stored: Stored) -> Result<(ResponseHeader, Payload)> {
    let len = stored.len().filter(|_| !filters::changes(request, 200, &head.headers));
    let part = part::of(request, &mut head, len)?;
    if part == Part::Whole {
        make_form(request, &stored);
    }
    let payload = match (part, stored.body) {
        (Part::Nothing, _) => Payload::Nothing,
        (Part::Page(page), _) => Payload::Bytes(page),
        (Part::Span(span), body) => Payload::Stored(body.within(span)),
        // Of a file only one part is sent at once; a server may answer with the whole (RFC 9110 14.2).
        (Part::Spans(spans, len), Body::Stored(store::Body::Memory(bytes))) => {
            Payload::Stored(Body::Parts(multipart(&mut head, &bytes, spans, len)?))
        }
        (Part::Spans(..) | Part::Whole, body) => Payload::Stored(body),
    };
    Ok((head, payload))
}

fn multipart(head: &mut ResponseHeader, bytes: &Bytes, spans: Vec<Range<u64>>, len: u64) -> Result<VecDeque<Bytes>> {
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let multipart = Multipart::new(range::next_boundary(), kind.as_deref(), spans, len);
    part::partial(head)?;
    head.insert_header("Content-Type", multipart.content_type())?;
    head.insert_header("Content-Length", multipart.total_len())?;
    let mut parts = VecDeque::new();
    for (at, span) in multipart.parts().iter().enumerate() {
        parts.push_back(multipart.head(at));
        parts.push_back(bytes.slice(span.start as usize..span.end as usize));
    }
    parts.push_back(multipart.tail());
    Ok(parts)
}

/// A form of an answer.
type Mark = (Hash, Variant);

/// Those that are being made.
static MAKING: LazyLock<Mutex<HashSet<Mark>>> = LazyLock::new(Mutex::default);

/// The fields of an answer as it came, of which only a form is at hand.
struct AsItCame<'a>(&'a HeaderMap);

impl Fields for AsItCame<'_> {
    fn values(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.0.get_all(name).iter().filter(move |_| name != header::CONTENT_ENCODING).map(HeaderValue::as_bytes)
    }
}

/// Has the form made that this client would have preferred, if nobody makes it already.
fn make_form(request: &Request, stored: &Stored) {
    let Some((zone, key, variant)) = stored.kept.as_ref() else { return };
    let settings = &request.location.compress;
    if request.location.filters.is_some() {
        return;
    }
    if stored.len().is_none_or(|len| len > LARGEST) || settings.is_off() {
        return;
    }
    // Most hits end here: there is nothing better than the only one.
    if variant.coding != Coding::Identity && settings.is_gzip_alone() {
        return;
    }
    let facts = headers::compression_facts(request);
    if acceptable(settings, &facts).next().is_none_or(|best| coding(best) == variant.coding) {
        return;
    }
    let (fields, now) = (&stored.head.response.headers, SystemTime::now());
    let decision = match variant.coding {
        Coding::Identity => decide(settings, &facts, 200, fields, now),
        // Its length is not known here: whether it is long enough turns out when it is read.
        _ => decide(settings, &facts, 200, &AsItCame(fields), now),
    };
    // What would not be looked for is not made.
    let wanted = decision.algorithm.filter(|wanted| acceptable(settings, &facts).any(|other| other == *wanted));
    let Some(algorithm) = wanted.filter(|wanted| coding(*wanted) != variant.coding) else { return };
    let form = Form { algorithm, settings: settings.clone(), facts, meta: stored.head.meta.clone() };
    let mark = (*key.hash(), variant.coded(coding(algorithm)));
    let mut making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if making.len() >= MAKERS || !making.insert(mark) {
        return;
    }
    let (zone, key, variant) = (zone.clone(), key.clone(), *variant);
    tokio::spawn(async move {
        form.make(&zone, &key, variant).await;
        MAKING.lock().unwrap_or_else(PoisonError::into_inner).remove(&mark);
    });
}

/// Another form of an answer, to be made.
struct Form {
    algorithm: Algorithm,
    settings: Arc<Settings>,
    facts: RequestFacts,
    /// Of the answer it is to be made of.
    meta: Meta,
}

impl Form {
    async fn make(self, zone: &Arc<Zone>, key: &Key, variant: Variant) {
        let plain = Wanted { variant, codings: [None; 3], by_edge: true };
        let Lookup::Hit(mut hit) = zone.look_up(key, SystemTime::now(), |_| plain).await else { return };
        // What was stored anew meanwhile is not what the head was made of.
        if hit.head.meta != self.meta || hit.body.len() > LARGEST {
            return;
        }
        let mut coded = hit.head.response.clone();
        let decision = decide(&self.settings, &self.facts, 200, &coded.headers, SystemTime::now());
        if decision.algorithm != Some(self.algorithm) || rewrite(&mut coded, decision, &self.facts).is_err() {
            return;
        }
        let head = Head::new(coded, self.meta);
        let mut body = Vec::new();
        while let Ok(Some(piece)) = hit.body.next().await {
            body.extend_from_slice(&piece);
        }
        if Some(body.len() as u64) != announced(&hit.head).or(Some(body.len() as u64)) {
            return;
        }
        let (algorithm, level) = (self.algorithm, self.settings.rules(self.algorithm).comp_level);
        let coded = tokio::task::spawn_blocking(move || encode_whole(algorithm, level, &body)).await;
        if let Ok(Ok(coded)) = coded {
            zone.add_variant(&hit, coding(algorithm), head, coded);
        }
    }
}

fn announced(head: &Head) -> Option<u64> {
    head.response.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
