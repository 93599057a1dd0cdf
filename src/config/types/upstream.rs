//! How upstreams are written: their servers, which is chosen, when the next is tried.

use serde_json::json;

use super::{entry, parameters, read_short, short_schema};
use crate::config::value::{Arg, Time, Value};
use crate::config::{Diagnostics, Node};
use crate::{keys, words};

keys! {
    /// A server of an upstream.
    pub struct UpstreamServerKeys {
        /// `host:port`, `host` (port 80) or `unix:/path`.
        ["-"] address: String,
        /// Its share of the requests.
        ["-"] weight: u32 = "1",
        /// So many failed tries within `fail_timeout` make it unavailable for `fail_timeout`; 0: never.
        ["-"] max_fails: u32 = "1",
        /// The time for which failures are counted, and for which it is unavailable then.
        ["-"] fail_timeout: Time = "10s",
        /// The most requests at once; 0: as many as come.
        ["-"] max_conns: u32 = "0",
        /// Only used when no other server is left.
        ["-"] backup: bool = "false",
        /// Never used. Sessions that it has go on at others as their requests come, as if it had died: `edge upstream move` before that lets
        /// what is under way to it end.
        ["-"] down: bool = "false",
        /// Used for requests bound to it only.
        ["-"] drain: bool = "false",
        /// After it came back its weight grows from 0 over this time.
        ["-"] slow_start: Time = "0",
        /// The jvmRoute of its Tomcat.
        ["-"] route: String,
    }
}

/// A server: an address or a map.
#[derive(Clone, Debug)]
pub struct UpstreamServer(pub UpstreamServerKeys);

impl Value for UpstreamServer {
    const REPEATS: bool = true;

    fn expected() -> String {
        "an address, or a map with `address`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<UpstreamServer> {
        let keys: UpstreamServerKeys =
            read_short::<UpstreamServer, _>(node, "address", "a server of an upstream", diagnostics)?;
        if keys.address.is_none() {
            diagnostics.error(node.span, "a server of an upstream has an `address`");
        }
        Some(UpstreamServer(keys))
    }

    fn schema() -> serde_json::Value {
        short_schema::<UpstreamServerKeys>(json!({ "type": "string" }))
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [address, rest @ ..] = args else {
            return Err("expected an address".into());
        };
        if rest.is_empty() {
            return Ok(address.node());
        }
        if let Some(service) = rest.iter().find(|arg| arg.parameter("service").is_some()) {
            return Err(format!("edge asks for no SRV records (`{}`): name each server with its port", service.text));
        }
        let mut entries = vec![entry("address", address.span, address.node())];
        entries.extend(parameters(rest, &["backup", "down", "drain", "resolve"])?);
        entries.retain(|e| e.key != "resolve"); // names are resolved again and again anyway
        // What nginx's module by others for jvmRoutes calls it.
        entries.iter_mut().filter(|e| e.key == "srun_id").for_each(|e| e.key = "route".into());
        Ok(Node::map(address.span, entries))
    }
}

words! {
    /// When the next server is tried.
    pub enum NextUpstream {
        Error = "error",
        Timeout = "timeout",
        InvalidHeader = "invalid_header",
        Http500 = "http_500",
        Http502 = "http_502",
        Http503 = "http_503",
        Http504 = "http_504",
        Http403 = "http_403",
        Http404 = "http_404",
        Http429 = "http_429",
        NonIdempotent = "non_idempotent",
        Updating = "updating",
        Denied = "denied",
        Off = "off" | "false",
    }
}

words! {
    /// When the next memcached is asked.
    pub enum MemcachedNext {
        Error = "error",
        Timeout = "timeout",
        InvalidResponse = "invalid_response",
        NotFound = "not_found",
        Off = "off" | "false",
    }
}

words! {
    /// A version of HTTP/1.
    pub enum HttpVersion {
        Http10 = "1.0",
        Http11 = "1.1",
    }
}

words! {
    /// The version spoken to upstreams.
    pub enum UpstreamVersion {
        Http10 = "1.0",
        Http11 = "1.1",
        Http2 = "2" | "2.0",
    }
}

words! {
    /// The PROXY protocol header that connections to upstreams begin with.
    pub enum ProxyHeader {
        Off = "off" | "false",
        V1 = "v1" | "on" | "true",
        V2 = "v2",
    }
}
