//! edge: a programmable edge proxy on Pingora.

pub mod config;
pub mod http;
pub mod variables;
