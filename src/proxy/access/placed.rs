//! The variables whose values are a location's to say: `$invalid_referer`, `$secure_link`, `$uid_got` and their like.

use super::user_id;
use crate::access::browsers::is_msie;
use crate::access::links::{self, Signed};
use crate::proxy::snapshot::{Link, Location};
use crate::variables::{Exchange, Place, PlacedField};
use std::time::UNIX_EPOCH;

impl Place for Location {
    fn value(&self, asked: PlacedField, x: &Exchange, out: &mut Vec<u8>) -> bool {
        let access = &self.access;
        let agent = x.head.headers.get("user-agent");
        match asked {
            PlacedField::InvalidReferer => {
                let is_valid = access.referers.as_ref().is_none_or(|all| all.allow(x.head.headers.get("referer")));
                out.extend_from_slice(if is_valid { b"" } else { b"1" });
            }
            PlacedField::AncientBrowser | PlacedField::ModernBrowser => {
                let value = match (asked, access.browsers.is_modern(agent)) {
                    (PlacedField::ModernBrowser, true) => access.modern_value.as_str(),
                    (PlacedField::AncientBrowser, false) => access.ancient_value.as_str(),
                    _ => "",
                };
                out.extend_from_slice(value.as_bytes());
            }
            PlacedField::Msie => out.extend_from_slice(if agent.is_some_and(is_msie) { b"1" } else { b"" }),
            PlacedField::SecureLink => return self.secure_link(x, out),
            PlacedField::SecureLinkExpires => return self.secure_link_expires(x, out),
            PlacedField::UidGot => return user_id::write_got(access.user_id.as_ref(), x, out),
            PlacedField::UidSet => return user_id::write_set(access.user_id.as_ref(), x, out),
        }
        true
    }
}

impl Location {
    fn secure_link(&self, x: &Exchange, out: &mut Vec<u8>) -> bool {
        match &self.access.link {
            None => false,
            Some(Link::Secret(secret)) => match links::by_secret(&x.request_uri, secret.as_bytes()) {
                Some(link) => {
                    out.extend_from_slice(link);
                    true
                }
                None => false,
            },
            Some(Link::Signed { value, text }) => {
                let value = value.evaluate(x);
                let now = x.started_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let signed = links::Link::parse(&value).and_then(|link| link.check(&text.evaluate(x), now));
                out.extend_from_slice(match signed {
                    None => return false,
                    Some(Signed::Good) => b"1",
                    Some(Signed::Expired) => b"0",
                });
                true
            }
        }
    }

    fn secure_link_expires(&self, x: &Exchange, out: &mut Vec<u8>) -> bool {
        let Some(Link::Signed { value, .. }) = &self.access.link else { return false };
        let value = value.evaluate(x);
        let expires = links::Link::parse(&value).and_then(|link| link.expires);
        out.extend_from_slice(expires.unwrap_or_default());
        expires.is_some()
    }
}
