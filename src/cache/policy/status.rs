//! `$upstream_cache_status`.

use std::fmt;

/// What the cache did for a request. A request that `proxy_cache_min_uses` still counts is a MISS, as in nginx.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    Miss,
    /// `proxy_cache_bypass`.
    Bypass,
    /// The copy was stale, the answer is the upstream's.
    Expired,
    /// The copy was stale and went out, because the upstream failed or is asked in the background.
    Stale,
    /// The copy was stale and went out, because another request updates it.
    Updating,
    /// The copy was stale and the upstream confirmed it.
    Revalidated,
    Hit,
}

impl CacheStatus {
    /// In the order in which they are counted and told.
    pub const ALL: [CacheStatus; 7] = [
        CacheStatus::Miss,
        CacheStatus::Bypass,
        CacheStatus::Expired,
        CacheStatus::Stale,
        CacheStatus::Updating,
        CacheStatus::Revalidated,
        CacheStatus::Hit,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            CacheStatus::Miss => "MISS",
            CacheStatus::Bypass => "BYPASS",
            CacheStatus::Expired => "EXPIRED",
            CacheStatus::Stale => "STALE",
            CacheStatus::Updating => "UPDATING",
            CacheStatus::Revalidated => "REVALIDATED",
            CacheStatus::Hit => "HIT",
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
