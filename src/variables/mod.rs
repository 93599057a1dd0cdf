//! nginx's `$variables`, compiled once into something that prints quickly.
//!
//! A [`Template`] is a text with variables. Compiling finds what each name means, so that printing is a walk over parts; an
//! unknown name is a mistake of the configuration, told with its place. What is printed comes from one [`Exchange`].

mod clock;
mod exchange;
mod names;
mod placed;
mod print;
mod session;
mod template;
mod tls;

pub use clock::{http_date, iso8601, local, write_http_date};
#[cfg(test)]
pub(crate) use exchange::tests;
pub use exchange::{Answer, Captures, Exchange, Peer, Try};
pub use names::{Defined, Variable};
pub use placed::{Place, PlacedField};
pub use session::{Session, SessionField, StoredSession};
pub use template::{Mistake, Template};
