//! Who may come in: decisions over addresses, users, signed links, referers and cookies, in nginx's terms.
//!
//! Nothing in here knows a request or a connection: values go in, a decision comes out, so that phases of the proxy and
//! whoever else decides over requests share them. What reads a file or counts rounds of a hash says so; it blocks, and its
//! caller runs it where that hurts nobody. A text that came over a network is compared, never trusted to be well-formed.

pub mod addresses;
pub mod browsers;
pub mod forwarded;
pub mod links;
pub mod passwords;
pub mod referers;
pub mod tokens;
pub mod uids;
pub mod users;

pub use addresses::{Client, Network, Networks, Rule, Rules, Verdict, Who};
