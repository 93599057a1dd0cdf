//! Compression of answers: who gets which content coding, and the encoders.
//!
//! Pingora's own compression gzips a 206, ignores `q=0`, sends chunks to HTTP/1.0 clients and holds
//! server-sent events back until the end; its types and minimum length are constants. This room
//! follows nginx's gzip filter instead, and treats Brotli and Zstandard the same way.
//!
//! What always holds: with gzip alone switched on, the decision is nginx's (`nginx_1_22.rs` is a
//! table of its answers), stricter only where bytes or meaning would be lost (`no-transform`,
//! trailers). A compressed body ends cleanly only if the answer itself did.
//!
//! - [`settings`]: what the configuration says, compiled
//! - [`negotiate`]: `Accept-Encoding` → which coding
//! - [`decide`]: request and response → compress or not; knows no Pingora
//! - [`rewrite`]: the response header of a compressed answer
//! - [`encoder`]: bytes in, coded bytes out
//! - [`module`]: the above as a Pingora `HttpModule`

pub mod decide;
pub mod encoder;
pub mod module;
pub mod negotiate;
pub mod rewrite;
pub mod settings;

#[cfg(test)]
mod nginx_1_22;
#[cfg(test)]
mod nginx_1_22_proxied;

pub use decide::{Decision, Fields, RequestFacts, acceptable, decide, gzip_ok, is_for_some};
pub use encoder::{Encoder, Flush, encode_whole};
pub use module::{Compression, CompressionBuilder, Totals};
pub use negotiate::{Accepted, Algorithm};
pub use settings::{Pattern, Proxied, Rules, Settings, Types};
