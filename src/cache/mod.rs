//! Answers kept for the next request.

pub mod policy;
