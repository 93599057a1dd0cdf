//! Answers kept for the next request.
//!
//! ```text
//!   key      under what an answer is kept
//!   meta     what is known of it besides fields and body
//!   policy/  what may be kept, for how long, and what it may be used for
//!   store/   where it is kept: memory and disk
//! ```

mod frame;
pub mod key;
pub mod meta;
pub mod policy;
pub mod store;
