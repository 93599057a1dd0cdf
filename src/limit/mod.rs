//! How often and how many at once: nginx's leaky bucket and its count of requests in flight, by any key.
//!
//! ```text
//!   rate        a rate, what may come beyond it, and the arithmetic of the bucket
//!   table       keys and what is known of each, in a bounded room
//!   rate_zone   buckets by key; several limits over one request
//!   conn_zone   requests in flight by key
//!   zones       the zones of the process by name
//!   shared      one count for several edges, in memcached
//! ```
//!
//! It is here because both nginx's directives (`limit_req`, `limit_conn`) and rules limit, and must count alike.
//!
//! What always holds: a zone never takes more than its size; nobody sleeps here and no clock is read in a decision, `now` is
//! handed in; what one request counts is counted for all limits over it or for none; whoever asks memcached and gets no answer
//! is told what the edge knows by itself.

mod conn_zone;
mod rate;
mod rate_zone;
mod shared;
mod table;
mod zones;

pub use conn_zone::{ConnZone, Crowded, Guard};
pub use rate::{Delay, Rate, RateLimit};
pub use rate_zone::{Ask, Checked, RateVerdict, RateZone, check_all};
pub use shared::{Clock, Counts, Judge, Shared};
pub use zones::{KeyChanged, LEAST_SIZE, Zones};

use std::sync::OnceLock;
use std::time::Instant;

/// Milliseconds of a clock that never goes back, from an arbitrary beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// For whoever asks a zone.
    pub fn now() -> Millis {
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        Millis(BEGINNING.get_or_init(Instant::now).elapsed().as_millis() as u64)
    }
}
