//! nginx's `$variables`, compiled once into something that prints quickly.
//!
//! A [`Template`] is a text with variables. Compiling finds what each name means, so that printing is a walk over parts; an
//! unknown name is a mistake of the configuration, told with its place. What is printed comes from one [`Exchange`].

mod clock;
pub mod counts;
pub mod defined;
mod exchange;
mod names;
mod placed;
mod print;
mod rules;
mod session;
mod template;
mod tls;
pub mod trace;

pub use clock::{http_date, iso8601, local, write_http_date};
pub use defined::{Definition, Definitions};
#[cfg(test)]
pub(crate) use exchange::tests;
pub use exchange::{Answer, Asked, Captures, Exchange, Peer, Roots, Try};
pub use names::{Defined, Variable};
pub use placed::{Place, PlacedField};
pub use print::{hostname, request_id, write_number};
pub use rules::Rules;
pub use session::{Session, SessionField, StoredSession};
pub use template::{Mistake, Template};
pub use trace::Trace;
