//! Which server and which location answer a request: nginx's algorithm, as pure functions over plain data.
//!
//! ```text
//! target ── Uri::parse ──> path (decoded, . .. // resolved), args, original                               normalize
//!
//! Host   ── validate_host ──> name, lower case, no port, no final dot                                     host
//! name   ── ServerNames::find                                                                             names
//!           1. the exact name                       example.org   ""
//!           2. the longest leading wildcard         *.example.org  .example.org
//!           3. the longest trailing wildcard        mail.*
//!           4. the first regex, in file order       ~^www\d+\.
//!           5. the default server of the address
//!
//! path   ── Locations::pick, on one level of a server                                                     locations
//!           1. `= path`: it is this one, the search is over
//!           2. the longest prefix (plain or ^~) is remembered, and its nested locations are searched in the same way:
//!              an exact match or a redirect in there ends the search
//!           3. no prefix is the path, but `path/` is one and hands its requests on: 301 to `path/`
//!           4. the regexes of this level in file order, unless the remembered prefix has ^~; in the first that matches
//!              the nested locations are searched, and the search is over
//!           5. otherwise the prefix remembered last, innermost
//! ```
//!
//! What ends the search inside a location ends it for the levels around, too; if nothing does, their regexes are next, and
//! `^~` counts for the regexes of its own level only. Inside a regex location only regex locations are asked. Writing bytes
//! back into URIs, pages and logs is [`crate::http::escape`]'s part.

mod explain;
mod first;
pub mod host;
mod level;
pub mod locations;
pub mod matcher;
pub mod names;
pub mod normalize;
#[cfg(test)]
mod tables;

pub use explain::{Step, Verdict};
pub use host::{Host, InvalidHost, validate_host};
pub use locations::{Entry, Locations, Misplaced, Pick};
pub use matcher::{Matcher, MatcherError};
pub use names::{NameError, ServerNames};
pub use normalize::{BadUri, Uri};
