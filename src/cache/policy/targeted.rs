//! `CDN-Cache-Control`: directives for caches as this one (RFC 9213), a dictionary of structured fields (RFC 8941).
//!
//! What always holds: a field that breaks the grammar anywhere, says nothing or goes on for more than [`LONGEST_FIELD`]
//! bytes is as if it were not there, and Cache-Control counts instead (RFC 9213 2.2).

use http::HeaderMap;
use sfv::{BareItem, Dictionary, ListEntry};

use super::directives::{CacheControl, Slot};
use super::freshness::LONGEST;

const NAME: &str = "cdn-cache-control";

/// All lines together.
pub(super) const LONGEST_FIELD: usize = 4096;

/// None: look at Cache-Control.
pub(super) fn parse(headers: &HeaderMap) -> Option<CacheControl> {
    let lines: Vec<&[u8]> = headers.get_all(NAME).iter().map(|line| line.as_bytes()).collect();
    if lines.iter().map(|line| line.len() + 1).sum::<usize>() > LONGEST_FIELD {
        return None;
    }
    let members = sfv::Parser::parse_dictionary(&lines.join(&b',')).ok()?;
    (!members.is_empty()).then(|| read(&members))
}

fn read(members: &Dictionary) -> CacheControl {
    let mut control = CacheControl::default();
    for (name, member) in members {
        let value = match member {
            ListEntry::Item(item) => Some(&item.bare_item),
            ListEntry::InnerList(_) => None,
        };
        match (control.slot(name.as_bytes()), value) {
            (Some(Slot::Flag(flag)), Some(BareItem::Boolean(said))) => *flag = *said,
            // A list of fields changes nothing, as in Cache-Control.
            (Some(Slot::Flag(flag)), _) => *flag = true,
            (Some(Slot::Limit(limit) | Slot::Demand(limit)), Some(BareItem::Integer(number))) => {
                // Less than nothing is nothing.
                *limit = Some(u64::try_from(*number).unwrap_or(0).min(LONGEST));
            }
            (Some(Slot::Limit(limit) | Slot::Demand(limit)), _) => *limit = Some(0),
            (None, _) => {}
        }
    }
    control
}
