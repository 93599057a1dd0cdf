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
        /// The gRPC upstream that calls go to: `grpc://NAME`, `grpcs://host:port`, `grpc://unix:/path`.
        ["l"] grpc_pass: String,
        /// Only requests edge has redirected itself come here.
        ["l"] internal: bool = "false",
        /// A word that only the server and who makes links know: `$secure_link` is what follows the MD5 of link and word in the URI.
        ["l"] secure_link_secret: String,
        /// The upstream or address that requests go to, perhaps with a URI that replaces the location's prefix.
        ["lx"] proxy_pass: String,
    }
}

keys! {
    /// The key of `limit_except` that is no location's.
    pub struct LimitExceptKeys {
        /// The methods that the location itself is for; GET includes HEAD. All others are for what stands here.
        ["x"] methods: Vec<Spanned<String>>,
    }
}
