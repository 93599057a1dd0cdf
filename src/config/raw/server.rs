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
        ["sli"] return_ ("return"): Return,
        /// What is done before content is looked for, step by step in this order, and then `return`. A step is
        /// `{ match: '^/old/(.*)$', to: /new/$1, flag: last }`, which changes the URI (`rewrite` in nginx.conf),
        /// `{ set: { $name: value } }`, `break`, `{ return: 403 }` (as the key) or `{ if: '$name = value', … }`, which holds
        /// `rewrite` and `return` of its own. In nginx.conf these are directives whose order counts, so here they are one list.
        /// An `if` in a location is a location: the keys in it (`proxy_pass`, `root`, `add_header`, …) hold from then on,
        /// others are the location's; of several that apply the last one holds, and `try_files` does not.
        ["sli"] rewrite: Vec<Spanned<ScriptStep>>,
        /// The answer says how many connections and requests there are.
        ["sl"] stub_status: bool = "false",
        /// The first of these files that exists is sent; the last item is a URI, a named location or `=CODE`.
        ["sl"] try_files: Vec<Spanned<String>>,
    }
}

keys! {
    /// Keys of one `if` of a script.
    pub struct IfKeys {
        /// When it applies: `$name` (neither empty nor `0`), `$name = value`, `!=`, `~ regex`, `~*`, `!~`, `!~*`, or a file: `-f path`,
        /// `-d`, `-e`, `-x`, `!-f`, `!-d`, `!-e`, `!-x`. What stands behind the operator is the value, without quotes.
        ["i"] condition ("if"): Condition,
    }
}

keys! {
    /// Keys of one location.
    pub struct LocationKeys {
        /// Which paths it is for: `/prefix`, `= /exact`, `^~ /prefix`, `~ regex`, `~* regex` or `@name`.
        ["l"] pattern ("match"): String,
        /// What stands in the place of the location's prefix.
        ["l"] alias: String,
        /// Shows how edge does: at the location's path a live page, below it `status` (JSON) and `metrics` (for Prometheus). It asks nobody
        /// who he is: `access`, `auth_basic` and the like do, as everywhere.
        ["l"] api: bool = "false",
        /// The file of a token, one line of at least 16 characters. Who sends it (`Authorization: Bearer …`) may change something below a
        /// location with `api`: POST to `reload`, `cache/purge`, `upstream/drain`, `upstream/up`, `upstream/move`. Without it nobody may.
        ["l"] api_token_file: String,
        /// The answer is a transparent picture of one pixel.
        ["l"] empty_gif: bool = "false",
        /// The gRPC upstream that calls go to: `grpc://NAME`, `grpcs://host:port`, `grpc://unix:/path`.
        ["li"] grpc_pass: String,
        /// Only requests edge has redirected itself come here.
        ["l"] internal: bool = "false",
        /// The memcached whose items are the answers: the name of an upstream, `127.0.0.1:11211`, `unix:/path`.
        /// Which item it is `$memcached_key` says, which has to be `set`; one that is not there is 404.
        ["li"] memcached_pass: String,
        /// A word that only the server and who makes links know: `$secure_link` is what follows the MD5 of link and word in the URI.
        ["l"] secure_link_secret: String,
        /// The upstream or address that requests go to, perhaps with a URI that replaces the location's prefix.
        ["lix"] proxy_pass: String,
        /// A directory is answered with one of its files, whichever.
        ["l"] random_index: bool = "false",
    }
}

keys! {
    /// The key of `limit_except` that is no location's.
    pub struct LimitExceptKeys {
        /// The methods that the location itself is for; GET includes HEAD. All others are for what stands here.
        ["x"] methods: Vec<Spanned<String>>,
    }
}
