//! The keys of servers and locations that blocks inside do not inherit.

use crate::config::types::*;
use crate::config::value::Spanned;
use crate::keys;

keys! {
    /// Keys of one server.
    pub struct ServerKeys {
        /// The addresses it listens on.
        ["s"] listen: Vec<Spanned<Listen>> = "80",
        /// Its names: exact, `*.example.com`, `www.*`, `~^www\d+\.example\.com$`.
        ["s"] server_name: Vec<Spanned<String>> = "''",
    }
}

keys! {
    /// Keys of a server or a location that blocks inside do not inherit.
    pub struct Handling {
        /// Answers at once: a status, a URL, `{status, text}` or `{status, location}`.
        ["sl"] return_ ("return"): Return,
        /// Changes the URI: a list of `{match, to, flag}`.
        ["sl"] rewrite: Vec<Rewrite>,
        /// The answer says how many connections and requests there are.
        ["sl"] stub_status: bool = "false",
        /// The first of these files that exists is sent; the last item is a URI, a named location or `=CODE`.
        ["sl"] try_files: Vec<Spanned<String>>,
    }
}

keys! {
    /// Keys of one location.
    pub struct LocationKeys {
        /// Which paths it is for: `/prefix`, `= /exact`, `^~ /prefix`, `~ regex`, `~* regex` or `@name`.
        ["l"] pattern ("match"): String,
        /// What stands in the place of the location's prefix.
        ["l"] alias: String,
        /// The answer is a transparent picture of one pixel.
        ["l"] empty_gif: bool = "false",
        /// The gRPC upstream that calls go to: `grpc://NAME`, `grpcs://host:port`, `grpc://unix:/path`.
        ["l"] grpc_pass: String,
        /// Only requests edge has redirected itself come here.
        ["l"] internal: bool = "false",
        /// The upstream or address that requests go to, perhaps with a URI that replaces the location's prefix.
        ["l"] proxy_pass: String,
        /// A directory is answered with one of its files, whichever.
        ["l"] random_index: bool = "false",
    }
}
