//! How `admin` is written: a socket, perhaps with the token of those who may change something through it.

use serde_json::json;

use super::Listen;
use crate::config::keys::{map_schema, read_map};
use crate::config::value::{Arg, Spanned, Value};
use crate::config::{Diagnostics, Node};
use crate::keys;

keys! {
    /// The socket that shows how edge does.
    pub struct AdminKeys {
        /// Where it listens, as `listen` of a server.
        ["-"] listen: Vec<Spanned<Listen>>,
        /// The file of a token, one line of at least 16 characters; who knows it may change something over HTTP. Without it nobody may.
        ["-"] token_file: String,
    }
}

/// `admin: 127.0.0.1:9145`, what else `listen` may be, or `{listen, token_file}`.
#[derive(Clone, Debug)]
pub struct Admin(pub AdminKeys);

impl Admin {
    /// What it says of the socket and of the token.
    pub fn parts(node: &Node) -> (Option<&Node>, Option<&Node>) {
        match (node.get("listen"), node.get("token_file")) {
            (None, None) => (Some(node), None),
            parts => parts,
        }
    }
}

impl Value for Admin {
    const REPEATS: bool = Listen::REPEATS;

    fn expected() -> String {
        "an address such as `127.0.0.1:9145`, or a map with `listen` and `token_file`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Admin> {
        if let (Some(listen), None) = Admin::parts(node)
            && std::ptr::eq(listen, node)
        {
            let listen = Spanned::read(node, diagnostics);
            return Some(Admin(AdminKeys { listen, ..AdminKeys::default() }));
        }
        let keys: AdminKeys = read_map(node, "`admin`", diagnostics)?;
        if node.get("listen").is_none() {
            diagnostics
                .error(node.span, "`admin` has no `listen`")
                .help("write where it listens: `admin: { listen: 127.0.0.1:9145, token_file: admin.token }`");
            return None;
        }
        Some(Admin(keys))
    }

    fn schema() -> serde_json::Value {
        json!({ "anyOf": [Vec::<Listen>::schema(), map_schema::<AdminKeys>()] })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        Listen::from_args(args)
    }
}
