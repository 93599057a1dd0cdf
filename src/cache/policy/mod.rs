//! What may be stored, for how long, and what a stored answer may be used for.
//!
//! Plain functions over plain data, without clock and without I/O, so that the proxy, `edge explain` and the tests ask
//! the same ones. What always holds: nothing that arrives over a network panics here, no number overflows, and whatever
//! cannot be read makes an answer less storable or less fresh, never more. The conditions and ranges of a request
//! against a stored answer are those of `files::conditional` and `files::range`; what only a cache needs stands here.
//!
//! nginx's directives and header fields mean what nginx means by them; RFC 9111 fills the gaps. Where edge differs:
//!
//! | | nginx | edge |
//! |---|---|---|
//! | `Age`, an old `Date` | not looked at | make `max-age` and `Expires` end sooner, and come out as `Age` (RFC 9111 4.2.3) |
//! | a moment of `X-Accel-Expires` that has passed | stored, expired | not stored |
//! | `X-Accel-Expires: off` | not understood, so ignored | not stored |
//! | `max-age` without a value | ignored | not stored |
//! | words within a quoted value | obeyed | not looked at |
//! | `must-understand` | unknown | only statuses of RFC 9110 are stored; `no-store` beside it counts all the same |
//! | `Vary: a, *` | stored | not stored |
//! | `CDN-Cache-Control` | unknown | instead of `Cache-Control` and `Expires` (RFC 9213) |
//! | a request with `Authorization` | stored | only as RFC 9111 3.5 allows, or if the key or the upstream's request makes it harmless |
//! | 304 that nobody asked for, 206 without `slice`, HEAD under GET's key | stored | not stored |
//! | `Set-Cookie`, ignored | stored with the answer | the copy has none |
//! | `must-revalidate`, `proxy-revalidate`, `s-maxage` | forbid nothing | forbid `proxy_cache_use_stale`; `s-maxage` leaves the periods the answer itself grants |
//! | `stale-if-error` | failed connections | 500, 502, 503 and 504 as well (RFC 5861) |
//! | `stale-while-revalidate` | counts as `stale-if-error`, too | each for itself |
//! | a 304 from the upstream | only the lifetime is taken over | all fields are (RFC 9111 3.2); one of another validator is no answer |
//! | its own 502 and 504 | kept, if `proxy_cache_valid` says so | never kept: a server that is back is seen at once |
//! | request directives, `stale-if-error` among them, unsafe methods | not looked at | `proxy_cache_obey_request`; what they change is forgotten (RFC 9111 4.4) |
//!
//! `no-cache="…"` and `private="…"` count without their list, as in nginx. With nginx, no heuristic gives a lifetime.
//! The time an upstream took counts as age only beside an `Age` field: else the answers of a slow application could not
//! be kept for the second that `max-age=1` asks for.

pub mod admission;
pub mod directives;
pub mod freshness;
pub mod invalidation;
pub mod reuse;
pub mod slices;
pub mod status;
pub mod stored;
pub mod tags;
mod targeted;
pub mod vary;

#[cfg(test)]
mod tests;

pub use admission::{Admission, Asked, Ignored, Lifetime, Reason, Rules, Source, Valid, admit};
pub use directives::CacheControl;
pub use freshness::Times;
pub use invalidation::invalidated;
pub use reuse::{Copy, Failures, Fallback, Reuse, UseRules, reuse, without_copy};
pub use status::CacheStatus;
pub use stored::freshen;
