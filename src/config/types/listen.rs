//! How `listen` is written: an address, or a map of it and what else is said of the socket.

use serde_json::json;

use super::{Accepted, parameters, read_short, short_or_map, short_schema};
use crate::config::value::{Arg, Size, Value};
use crate::config::{Diagnostics, Node};
use crate::keys;

keys! {
    /// An address to listen on.
    pub struct ListenKeys {
        /// `8888`, `127.0.0.1:80`, `[::]:80`, `*:80`, `localhost:80`, `unix:/path`, or a range of ports: `127.0.0.1:8000-8007`.
        ["-"] address: String,
        /// The server that answers requests whose host no server of this address names.
        ["-"] default_server: bool = "false",
        /// Connections speak TLS: the server has `ssl_certificate`.
        ["-"] ssl: bool = "false",
        /// HTTP/2, whatever the servers' `http2` says.
        ["-"] http2: bool = "false",
        /// Connections begin with a header of the PROXY protocol that tells the client's address.
        ["-"] proxy_protocol: bool = "false",
        /// The length of the queue of connections not yet accepted.
        ["-"] backlog: u32 = "511",
        /// An IPv6 address takes IPv6 connections only.
        ["-"] ipv6only: bool = "true",
        /// A socket of its own for each worker.
        ["-"] reuseport: bool = "false",
        /// Accepted; accept filters are a matter of FreeBSD.
        ["-"] deferred: bool = "false",
        /// Accepted, likewise.
        ["-"] accept_filter: Accepted,
        /// Accepted; connections are opened as always.
        ["-"] fastopen: Accepted,
        /// Accepted; edge always binds on its own.
        ["-"] bind: bool = "false",
        /// TCP keepalive probes on accepted connections.
        ["-"] so_keepalive: String = "off",
        /// The size of the receive buffer.
        ["-"] rcvbuf: Size,
        /// The size of the send buffer.
        ["-"] sndbuf: Size,
    }
}

/// What may stand without a value in nginx.conf.
const WORDS: &[&str] =
    &["default_server", "default", "ssl", "http2", "proxy_protocol", "reuseport", "deferred", "bind"];

/// `listen: 8888`, `listen: {address: 8888, default_server: true}`, or a list of these.
#[derive(Clone, Debug, Default)]
pub struct Listen(pub ListenKeys);

impl Value for Listen {
    const REPEATS: bool = true;

    fn expected() -> String {
        "an address such as `8888`, `127.0.0.1:80` or `[::]:80`, or a map with `address`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Listen> {
        let keys: ListenKeys = read_short::<Listen, _>(node, "address", "`listen`", diagnostics)?;
        if keys.address.is_none() {
            diagnostics.error(node.span, "`listen` has no `address`");
            return None;
        }
        Some(Listen(keys))
    }

    fn schema() -> serde_json::Value {
        short_schema::<ListenKeys>(json!({ "type": ["integer", "string"] }))
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [address, rest @ ..] = args else {
            return Err("expected an address".into());
        };
        let mut entries = parameters(rest, WORDS)?;
        for e in &mut entries {
            if e.key == "default" {
                e.key = "default_server".into();
            }
        }
        Ok(short_or_map("address", address.node(), entries))
    }
}
