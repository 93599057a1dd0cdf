//! Where answers are kept: zones, each with a memory tier and, if it has a path, a directory.
//!
//! A request looks up (`Zone::look_up`), fetches what is missing under a lock (`Zone::lock`), begins to store it
//! (`Zone::begin`), and others read along (`Follow`). Nothing of that waits for a disk on the runtime's threads: a thread of the
//! zone writes (`writer`), another one keeps it within its limits and loads it after a restart (`keeper`).
//!
//! What always holds: what is handed out is one answer, whole and verified, or ends with an error. A zone whose disk fails
//! goes on without storing. Every queue, table and memory has a bound that the settings or a constant here give.

mod core;
mod fill;
mod filling;
mod follow;
mod format;
#[cfg(test)]
pub(crate) mod fuzzed;
mod head;
mod home;
mod keeper;
mod latch;
mod list;
mod lookup;
mod purge;
mod read;
mod settings;
mod shard;
mod spread;
#[cfg(test)]
mod tests;
mod uses;
mod writer;
mod zone;
mod zones;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

pub use self::core::Moment;
pub use fill::{Fill, Pressure, Truncated};
pub use filling::Begun;
pub use follow::{Aborted, Follow};
pub use head::Head;
pub use latch::{Guard, Locked, Turn, Waiter};
pub use list::{Cursor, Page, Row};
pub use lookup::{Hit, Lookup, Wanted};
pub use purge::Purge;
pub use read::Body;
pub use settings::{ZoneError, ZoneSettings};
pub use zone::{Counters, Zone};
pub use zones::Zones;

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A thread that panicked under a lock leaves counters a little wrong at worst; the others go on.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
