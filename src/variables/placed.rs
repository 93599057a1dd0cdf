//! What the place says that a request has come to: a server or a location, by its own configuration.
//!
//! Found out when it is asked for: what it is made of may be set until then.

use super::Exchange;

/// A variable whose value is the place's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacedField {
    AncientBrowser,
    InvalidReferer,
    ModernBrowser,
    Msie,
    SecureLink,
    SecureLinkExpires,
    UidGot,
    UidSet,
}

/// A server or a location.
pub trait Place: Send + Sync {
    /// Appends the value; false: there is none.
    fn value(&self, asked: PlacedField, exchange: &Exchange, out: &mut Vec<u8>) -> bool;
}
