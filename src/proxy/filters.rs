//! Which filters the body of an answer goes through, and what its head then says: nginx's header filters of gunzip,
//! `sub_filter`, `charset` and addition, in its order.
//!
//! Otherwise than nginx edge leaves alone what it cannot read, a body with another content coding than the one it unpacks,
//! and what is a part (206), in which a text may begin and not end.

use super::request::Request;
use super::snapshot::{Filters, Recoding, Sub};
use super::{headers, subrequest};
use crate::client::Connection;
use crate::compress::rewrite::{add_vary, weaken_etag};
use crate::compress::{self, Compression};
use crate::filter::{Around, Chain, Gunzip, Machine, Recoder, Substitute, Substitution};
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, LAST_MODIFIED, TRANSFER_ENCODING,
};
use pingora_error::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::SystemTime;

/// What is done to one body.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    gunzip: bool,
    sub: bool,
    recoding: Option<Recoded>,
    addition: bool,
}

/// The charset that is named, and the one the body comes in if it has to be changed.
#[derive(Debug, PartialEq, Eq)]
struct Recoded {
    to: String,
    from: Option<String>,
    keeps_length: bool,
}

impl Plan {
    fn changes_length(&self) -> bool {
        let recodes = self.recoding.as_ref().is_some_and(|r| r.from.is_some() && !r.keeps_length);
        self.gunzip || self.sub || self.addition || recodes
    }

    fn is_nothing(&self) -> bool {
        *self == Plan::default()
    }
}

/// Whether the body of an answer with this head becomes another, so that parts of it are parts of something else.
pub fn changes(request: &Request, status: u16, fields: &HeaderMap) -> bool {
    let filters = request.location.filters.as_deref();
    filters.is_some_and(|filters| plan(filters, request, status, fields).changes_length())
}

/// The same of a file, of which only the type is known.
pub fn changes_type(request: &Request, content_type: Option<&http::HeaderValue>) -> bool {
    if request.location.filters.is_none() {
        return false;
    }
    let fields = content_type.map(|kind| (CONTENT_TYPE, kind.clone()));
    changes(request, 200, &fields.into_iter().collect())
}

/// Makes the head that of the filtered body; where there will be a body, `session` filters it.
pub async fn arm(
    session: &mut Session,
    request: &Request,
    connection: &Arc<Connection>,
    head: &mut ResponseHeader,
) -> Result<()> {
    let Some(filters) = request.location.filters.clone() else { return Ok(()) };
    let plan = plan(&filters, request, head.status.as_u16(), &head.headers);
    let expected = length(&head.headers).filter(|_| !head.headers.contains_key(TRANSFER_ENCODING));
    rewrite_as(&plan, &filters, request, head)?;
    if request.is_head() || plan.is_nothing() {
        return Ok(());
    }
    let mut machines: Vec<Box<dyn Machine>> = Vec::new();
    if plan.gunzip {
        machines.push(Box::new(Gunzip::default()));
    }
    if let (true, Some(sub)) = (plan.sub, &filters.sub) {
        machines.push(Box::new(substitute(sub, request)));
    }
    machines.extend(recoder(&plan, &filters).map(|recoder| Box::new(recoder) as Box<_>));
    if let (true, Some(addition)) = (plan.addition, &filters.addition) {
        let fetch = async |path: &Option<String>| match path {
            Some(path) => subrequest::fetch(request, connection, path).await,
            None => Bytes::new(),
        };
        let (before, after) = tokio::join!(fetch(&addition.before), fetch(&addition.after));
        machines.push(Box::new(Around::new(before, after)));
    }
    if let Some(compression) = session.downstream_modules_ctx.get_mut::<Compression>().filter(|_| !machines.is_empty())
    {
        compression.set_filters(Chain::new(machines, expected, &request.location.buffering.temp_dir));
    }
    Ok(())
}

/// Only the head, of an answer whose body nobody gets.
pub fn rewrite(request: &Request, head: &mut ResponseHeader) -> Result<()> {
    let Some(filters) = request.location.filters.clone() else { return Ok(()) };
    let plan = plan(&filters, request, head.status.as_u16(), &head.headers);
    rewrite_as(&plan, &filters, request, head)
}

fn length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn plan(filters: &Filters, request: &Request, status: u16, fields: &HeaderMap) -> Plan {
    let mut plan = Plan::default();
    if status < 200 || matches!(status, 204 | 304) {
        return plan;
    }
    let is_part = status == 206;
    let coding = fields.get(CONTENT_ENCODING).map(|coding| coding.as_bytes()).filter(|coding| !coding.is_empty());
    plan.gunzip = filters.gunzip && !is_part && is_gzip(coding) && !takes_gzip(request, fields);
    let kind = fields.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    if let (Some(recoding), Some(kind)) = (&filters.recoding, kind) {
        let to = String::from_utf8_lossy(&recoding.to.evaluate(&request.exchange)).into_owned();
        plan.recoding = recoded(recoding, to, kind, coding.is_none() || plan.gunzip);
        plan.recoding.take_if(|recoded| is_part && !recoded.keeps_length);
    }
    if is_part || (coding.is_some() && !plan.gunzip) || length(fields) == Some(0) {
        return plan;
    }
    plan.sub = filters.sub.as_ref().is_some_and(|sub| sub.types.matches(kind) && looks_for_something(sub, request));
    let is_added_to = |types: &compress::Types| status == 200 && !request.is_subrequest && types.matches(kind);
    plan.addition = filters.addition.as_ref().is_some_and(|addition| is_added_to(&addition.types));
    plan
}

fn is_gzip(coding: Option<&[u8]>) -> bool {
    coding.is_some_and(|coding| coding.eq_ignore_ascii_case(b"gzip"))
}

fn takes_gzip(request: &Request, fields: &HeaderMap) -> bool {
    let facts = headers::compression_facts(request);
    let rules = &request.location.compress.gzip;
    facts.accepted.gzip_as_nginx() && compress::gzip_ok(rules, &facts, fields, SystemTime::now())
}

/// The charset that a type names.
fn named(kind: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(kind);
    let mut parameters = text.split(';').skip(1).map(str::trim_start);
    let found =
        parameters.find_map(|p| p.get(..8).filter(|n| n.eq_ignore_ascii_case("charset=")).map(|_| p[8..].trim()))?;
    Some(found.trim_matches('"').to_owned())
}

/// `None`: the charset is not named, and nothing is changed.
fn recoded(recoding: &Recoding, to: String, kind: &[u8], is_readable: bool) -> Option<Recoded> {
    let own = named(kind);
    let is_listed = match own {
        Some(_) => recoding.overrides,
        None => recoding.types.matches(Some(kind)),
    };
    // A variable may say nothing.
    if !is_listed || to.is_empty() {
        return None;
    }
    let from = own.or_else(|| recoding.from.clone());
    let Some(from) = from.filter(|from| !from.eq_ignore_ascii_case(&to)) else {
        return Some(Recoded { to, from: None, keeps_length: true });
    };
    if !recoding.tables.has(&from, &to) {
        log::error!("no \"charset_map\" between the charsets \"{from}\" and \"{to}\"");
        return None;
    }
    let keeps_length = recoding.tables.keeps_length(&from, &to);
    is_readable.then_some(Recoded { to, from: Some(from), keeps_length })
}

fn recoder(plan: &Plan, filters: &Filters) -> Option<Recoder> {
    let (recoded, recoding) = (plan.recoding.as_ref()?, filters.recoding.as_ref()?);
    recoding.tables.recoder(recoded.from.as_ref()?, &recoded.to)
}

fn looks_for_something(sub: &Sub, request: &Request) -> bool {
    sub.pairs.iter().any(|(from, _)| !from.evaluate(&request.exchange).is_empty())
}

fn substitute(sub: &Sub, request: &Request) -> Substitute {
    let pairs = sub.pairs.iter().map(|(from, to)| Substitution {
        from: from.evaluate(&request.exchange).into_owned(),
        to: to.evaluate(&request.exchange).into_owned(),
    });
    Substitute::new(pairs, sub.once)
}

fn rewrite_as(plan: &Plan, filters: &Filters, request: &Request, head: &mut ResponseHeader) -> Result<()> {
    if filters.gunzip && request.location.compress.gzip.vary {
        let coding = head.headers.get(CONTENT_ENCODING).map(|coding| coding.as_bytes());
        if is_gzip(coding) {
            add_vary(head)?;
        }
    }
    if let Some(recoded) = &plan.recoding {
        name_charset(head, &recoded.to)?;
    }
    if plan.gunzip {
        head.remove_header(&CONTENT_ENCODING);
    }
    if plan.gunzip || plan.addition {
        head.remove_header(&ACCEPT_RANGES);
        weaken_etag(head)?;
    }
    if let (true, Some(sub)) = (plan.sub, &filters.sub) {
        // What is stored would be sent in parts if it went out as it is.
        if request.pass().is_some_and(|pass| pass.caching.is_some()) {
            head.remove_header(&ACCEPT_RANGES);
        }
        match sub.last_modified {
            true => weaken_etag(head)?,
            false => {
                head.remove_header(&LAST_MODIFIED);
                head.remove_header(&ETAG);
            }
        }
    }
    if plan.changes_length() {
        head.remove_header(&CONTENT_LENGTH);
        if request.is_http10() || request.is_head() || headers::ends_by_close(request) {
            head.remove_header(&TRANSFER_ENCODING);
        } else {
            head.insert_header("Transfer-Encoding", "chunked")?;
        }
    }
    Ok(())
}

/// What stands before the type's parameters, with the charset.
fn name_charset(head: &mut ResponseHeader, charset: &str) -> Result<()> {
    let Some(kind) = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return Ok(()) };
    let lower = kind.to_ascii_lowercase();
    let end = lower.find("charset=").and_then(|at| lower[..at].rfind(';')).unwrap_or(kind.len());
    let value = format!("{}; charset={charset}", kind[..end].trim_end());
    head.insert_header("Content-Type", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_of_a_type_is_found_and_replaced() {
        assert_eq!(named(b"text/html; Charset=\"koi8-r\""), Some("koi8-r".into()));
        assert_eq!(named(b"text/html; v=1"), None);
        let mut head = ResponseHeader::build(200, None).unwrap();
        for (before, after) in [
            ("text/html", "text/html; charset=x"),
            ("text/html;charset=koi8-r", "text/html; charset=x"),
            ("text/html; v=1", "text/html; v=1; charset=x"),
        ] {
            head.insert_header("Content-Type", before).unwrap();
            name_charset(&mut head, "x").unwrap();
            assert_eq!(head.headers.get(CONTENT_TYPE).unwrap(), after);
        }
    }
}
