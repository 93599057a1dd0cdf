//! edge: a programmable edge proxy on Pingora.

pub mod access;
pub mod cache;
pub mod cli;
pub mod client;
pub mod compress;
pub mod config;
pub mod convert;
pub mod count;
pub mod demo;
pub mod files;
pub mod filter;
#[cfg(test)]
mod fuzzing;
pub mod health;
pub mod http;
pub mod limit;
pub mod memcached;
pub mod observe;
pub mod pattern;
pub mod proxy;
pub mod route;
pub mod rules;
pub mod server;
pub mod session;
pub mod system;
pub mod tls;
pub mod upstream;
pub mod variables;

pub use proxy::rules::Filter;
