//! Seeing what edge does: access logs, the error log, counts, traces. Nothing here ever waits for a disk, or for who is told of
//! traces, on the way of a request.

pub mod access;
pub mod errors;
mod mask;
pub mod trace;
pub mod traffic;
mod writer;

pub use access::{AccessLog, Format};
pub use mask::Mask;
pub use writer::{LogFile, dropped, flush, open, reopen};
