//! Seeing what edge does: access logs, the error log. Nothing here ever waits for a disk on the way of a request.

pub mod access;
pub mod errors;
mod mask;
pub mod traffic;
mod writer;

pub use access::{AccessLog, Format};
pub use mask::Mask;
pub use writer::{LogFile, dropped, flush, open, reopen};
