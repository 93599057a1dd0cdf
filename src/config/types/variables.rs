//! How the variables that a configuration defines are written: `map`, `geo` and `split_clients`, each a map of names with what
//! they are made of. In nginx.conf each is a block.

use crate::config::keys::{map_schema, read_map};
use crate::config::value::{Named, Spanned, Value};
use crate::config::{Diagnostics, Node};
use crate::keys;

keys! {
    /// One `map`.
    pub struct MapKeys {
        /// The text that is looked up, such as `$http_host` or `$scheme:$arg_a`.
        ["-"] source: String,
        /// Keys may be names of hosts with a `*`: `*.example.com`, `.example.com` (with the name itself), `www.example.*`.
        ["-"] hostnames: bool = "false",
        /// Found out each time the variable is used, not once for each request.
        ["-"] volatile: bool = "false",
        /// What it is where nothing fits.
        ["-"] default: String = "''",
        /// Texts with what becomes of them, in order. A key is a text (letters are not told apart by their case) or a regular
        /// expression, `~…` or `~*…`, whose groups the value may name; `\` before a first `~` or `\` makes it a text. Values
        /// may hold variables. Texts go before hosts with a `*`, and these before regular expressions, of which the first counts.
        ["-"] values: Named<Spanned<String>> = "{}",
    }
}

keys! {
    /// One `geo`.
    pub struct GeoKeys {
        /// The variable that holds the address; the client's address by default.
        ["-"] address: String,
        /// Keys are ranges of IPv4 addresses, `192.0.2.1-192.0.2.99`, instead of networks.
        ["-"] ranges: bool = "false",
        /// Where these networks ask from, the address is the last one in `X-Forwarded-For`.
        ["-"] proxy: Vec<Spanned<String>> = "[]",
        /// Of the addresses in `X-Forwarded-For` the last one that is no `proxy`'s.
        ["-"] proxy_recursive: bool = "false",
        /// What it is where nothing fits.
        ["-"] default: String = "''",
        /// Networks (`192.0.2.0/24`, `2001:db8::/32`) or single addresses with what becomes of them; the longest prefix counts.
        /// Of ranges one may lie within another that stands before it. Values are taken as they stand.
        ["-"] values: Named<Spanned<String>> = "{}",
    }
}

keys! {
    /// One `split_clients`.
    pub struct SplitKeys {
        /// The text whose hash decides, such as `$remote_addr`.
        ["-"] source: String,
        /// Parts of all (`0.5%`, `33%`) with what they get, and `'*'` for the rest. Values are taken as they stand. Where two parts
        /// are of one size, a list: `[{ 10%: a }, { 10%: b }]`.
        ["-"] values: Parts = "{}",
    }
}

/// The parts of a `split_clients`, in order.
#[derive(Clone, Debug, Default)]
pub struct Parts(pub Vec<(Spanned<String>, Spanned<String>)>);

impl Value for Parts {
    fn expected() -> String {
        "a map of parts such as `10%` or `'*'` with their values, or a list of such maps".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Parts> {
        let maps = node.items().iter().filter_map(|item| Named::<Spanned<String>>::read(item, diagnostics));
        Some(Parts(maps.flat_map(|map| map.0).collect()))
    }

    fn schema() -> serde_json::Value {
        let map = Named::<String>::schema();
        serde_json::json!({ "anyOf": [map, { "type": "array", "items": map }] })
    }
}

macro_rules! defined_by {
    ($($(#[doc = $doc:literal])* $name:ident($keys:ident) = $what:literal, $one:literal;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub $keys);

        impl Value for $name {
            fn expected() -> String {
                $what.into()
            }

            fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<$name> {
                read_map(node, $one, diagnostics).map($name)
            }

            fn schema() -> serde_json::Value {
                map_schema::<$keys>()
            }
        }
    )*};
}

defined_by! {
    /// What one `map` says.
    MapDefinition(MapKeys) = "a map with `source`, `values` and perhaps `default`, `hostnames`, `volatile`", "a `map`";
    /// What one `geo` says.
    GeoDefinition(GeoKeys) = "a map with `values` and perhaps `address`, `ranges`, `proxy`, `proxy_recursive`, `default`", "a `geo`";
    /// What one `split_clients` says.
    SplitDefinition(SplitKeys) = "a map with `source` and `values`", "a `split_clients`";
}
