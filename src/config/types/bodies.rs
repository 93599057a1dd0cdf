//! How it is written what becomes of bodies and where copies go: lists of files, maps of charsets, mirrors, and the address
//! that connections come from.

use serde_json::json;

use crate::config::value::{Arg, Named, Repeated, Spanned, Value, mismatch};
use crate::config::{Diagnostics, Node};
use crate::words;

words! {
    /// What a list of files is written in.
    pub enum AutoindexFormat {
        Html = "html",
        Json = "json",
        Jsonp = "jsonp",
        Xml = "xml",
    }
}

/// `{ 'FROM TO': { C0: D18E } }`: what the bytes of one charset are in another.
pub type CharsetMaps = Named<Named<String>>;

/// `off`, or paths.
#[derive(Clone, Debug, Default)]
pub struct Mirrors(pub Vec<Spanned<String>>);

impl Value for Mirrors {
    const REPEATS: bool = true;

    fn expected() -> String {
        "`off`, or a list of paths".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Mirrors> {
        let paths = Repeated::<Spanned<String>>::read(node, diagnostics)?.0;
        let is_off = |path: &Spanned<String>| matches!(path.as_str(), "off" | "false");
        match paths.as_slice() {
            [one] if is_off(one) => Some(Mirrors::default()),
            several => match several.iter().find(|path| !path.starts_with('/')) {
                Some(wrong) => {
                    diagnostics.error(wrong.span, format!("`{}` is no path: it begins with no `/`", wrong.value));
                    None
                }
                None => Some(Mirrors(paths)),
            },
        }
    }

    fn schema() -> serde_json::Value {
        Vec::<String>::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        Repeated::<Spanned<String>>::from_args(args)
    }
}

/// An address, perhaps with a port or with variables; `off`: none.
#[derive(Clone, Debug, Default)]
pub struct BindAddress(pub Option<String>);

impl Value for BindAddress {
    fn expected() -> String {
        "an address such as `192.0.2.1` or `[2001:db8::1]:4711`, or `off`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<BindAddress> {
        match node.as_text() {
            Some("off" | "false") => Some(BindAddress(None)),
            Some(text) if text == "$remote_addr" || text == "$binary_remote_addr" => {
                diagnostics
                    .error(node.span, "connections cannot come from the client's own address: edge is not transparent")
                    .help(
                        "the upstream learns the client's address by `proxy_set_header: { X-Real-IP: $remote_addr }`",
                    );
                None
            }
            Some(text) => Some(BindAddress(Some(text.to_owned()))),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "boolean"] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [address] => Ok(address.node()),
            [_, transparent] if transparent.text == "transparent" => {
                Err("edge does not support `transparent`: the system would have to route the answers to it".into())
            }
            _ => Err(format!("expected {}", Self::expected())),
        }
    }
}
