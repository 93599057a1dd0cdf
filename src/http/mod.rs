//! HTTP as such, known by every other room: the head of a request as the client wrote it, status lines, the pages of
//! errors, media types and dates. Nothing here knows about configuration, connections or upstreams.

pub mod bytes;
pub mod escape;
pub mod head;
pub mod pages;
pub mod status;

pub use head::{Framing, Head, Headers, Version};
