//! The zones of the process by name. They outlive a reload with all they have counted.
//!
//! As in nginx a zone of another size is another one, which begins empty, and one that counts by another key is refused: the
//! old counts would be read as something else.

use super::{ConnZone, RateZone};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// nginx's "zone is too small": eight pages.
pub const LEAST_SIZE: usize = 8 * 4096;

/// A zone counts by one key and would have to by another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the zone `{zone}` counts by `{now}`, but in the configuration in force it counts by `{before}`")]
pub struct KeyChanged {
    pub zone: String,
    pub before: String,
    pub now: String,
}

/// One for the process.
#[derive(Debug, Default)]
pub struct Zones {
    rates: Known<RateZone>,
    connections: Known<ConnZone>,
}

impl Zones {
    /// The rates of that name; `key`: what they are counted by, as it is written.
    pub fn rate(&self, name: &str, size: usize, key: &str) -> Result<Arc<RateZone>, KeyChanged> {
        self.rates.find(name, size, key, RateZone::new)
    }

    /// The requests in flight of that name.
    pub fn connections(&self, name: &str, size: usize, key: &str) -> Result<Arc<ConnZone>, KeyChanged> {
        self.connections.find(name, size, key, ConnZone::new)
    }
}

/// Those that some configuration holds, and the latest of each name last. A configuration that came to nothing lets go of what
/// it made, and what it would have replaced is still there.
#[derive(Debug)]
struct Known<Z>(Mutex<HashMap<String, Vec<Made<Z>>>>);

#[derive(Debug)]
struct Made<Z> {
    size: usize,
    key: String,
    zone: Weak<Z>,
}

impl<Z> Default for Known<Z> {
    fn default() -> Self {
        Known(Mutex::default())
    }
}

impl<Z> Known<Z> {
    fn find(&self, name: &str, size: usize, key: &str, make: fn(usize) -> Z) -> Result<Arc<Z>, KeyChanged> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, made| {
            made.retain(|made| made.zone.strong_count() > 0);
            !made.is_empty()
        });
        let same = known.get(name).and_then(|made| made.iter().rev().find(|made| made.size == size));
        if let Some((made, zone)) = same.and_then(|made| Some((made, made.zone.upgrade()?))) {
            return match made.key == key {
                true => Ok(zone),
                false => Err(KeyChanged { zone: name.into(), before: made.key.clone(), now: key.into() }),
            };
        }
        let zone = Arc::new(make(size));
        let made = Made { size, key: key.to_owned(), zone: Arc::downgrade(&zone) };
        known.entry(name.to_owned()).or_default().push(made);
        Ok(zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Delay, Millis, Rate, RateLimit, RateVerdict};

    #[test]
    fn counts_outlive_a_reload_unless_the_size_is_another() {
        let zones = Zones::default();
        let limit = RateLimit { rate: Rate::parse("1/h").unwrap(), burst: 0, delay: Delay::All };
        let passes = |zone: &RateZone| zone.check(b"a", &limit, Millis(0)) == RateVerdict::Pass;
        let before = zones.rate("z", 1 << 20, "$remote_addr").unwrap();
        assert!(passes(&before) && !passes(&before));
        let after = zones.rate("z", 1 << 20, "$remote_addr").unwrap();
        assert!(!passes(&after));
        // A configuration that came to nothing has changed nothing.
        drop(zones.rate("z", 2 << 20, "$remote_addr").unwrap());
        assert!(!passes(&zones.rate("z", 1 << 20, "$remote_addr").unwrap()));
        assert!(passes(&zones.rate("z", 2 << 20, "$remote_addr").unwrap()));
        assert!(passes(&zones.rate("y", 1 << 20, "$remote_addr").unwrap()));
        // Nobody holds it any more.
        drop((before, after));
        assert!(passes(&zones.rate("z", 1 << 20, "$remote_addr").unwrap()));
    }

    #[test]
    fn another_key_is_refused_while_the_zone_is_in_use() {
        let zones = Zones::default();
        let held = zones.connections("z", 1 << 20, "$remote_addr").unwrap();
        let refused = zones.connections("z", 1 << 20, "$server_name").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the zone `z` counts by `$server_name`, but in the configuration in force it counts by `$remote_addr`"
        );
        assert!(zones.connections("z", 2 << 20, "$server_name").is_ok());
        drop(held);
        assert!(zones.connections("z", 1 << 20, "$server_name").is_ok());
    }
}
