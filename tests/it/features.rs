//! Edge's features, one small nginx.conf each, against Debian's nginx: the same text is run by both, on the same port and
//! in front of the same backends, one after the other, and the same requests are sent.
//!
//! Compared are statuses, reasons, fields, bodies, what became of the connection, what the backends were sent, and the
//! lines of `logs/lines.log` where the configuration writes one. What differs and is not in `wanted` fails.

mod backends;
mod check;
mod covered;
mod files_of;
mod setup;
mod wanted;

mod access;
mod answers;
mod around;
mod auth_basic;
mod auth_request;
mod bodies;
mod caching;
mod caching_stale;
mod charsets;
mod connections;
mod contents;
mod cookies;
mod errors;
mod files;
mod gunzip;
mod gzip;
mod heads;
mod kinds;
mod limit_except;
mod limits;
mod listings;
mod locations;
mod logs;
mod memcacheds;
mod mirrors;
mod proxied;
mod proxy_fields;
mod real_ip;
mod redirects;
mod referers;
mod retries;
mod returns;
mod rewrites;
mod script_if;
mod script_steps;
mod script_told;
mod script_variables;
mod servers;
mod small;
mod subs;
mod timeouts;
mod try_files;
mod user_ids;
