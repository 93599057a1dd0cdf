//! What the user wrote. A text becomes a tree with places ([`yaml`], or the `convert` room for nginx.conf), the tree typed
//! values ([`raw`]). What a program runs on is compiled of them by the rooms that use it; all their mistakes end in one
//! [`Diagnostics`].

pub mod diagnostics;
pub(crate) mod glob;
pub mod keys;
pub mod node;
pub mod nodes;
pub mod raw;
pub mod reference;
pub mod schema;
pub mod types;
pub mod value;
pub mod yaml;

pub use diagnostics::{Diagnostic, Diagnostics, Severity, Span};
pub use node::Node;
pub use raw::Raw;
pub use value::{Arg, Named, Size, Spanned, Time, Value};
