//! Answers kept for the next request: under which key, what is known of them, and where they lie.

mod frame;
pub mod key;
pub mod meta;
pub mod store;
