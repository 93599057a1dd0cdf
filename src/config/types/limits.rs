//! How it is written how often and how many at once: `limit_req_zone`, `limit_req` and their like.

use super::{Accepted, entry, parameters, read_short, short_or_map, short_schema};
use crate::config::keys::{map_schema, read_map};
use crate::config::value::{Arg, Named, Size, Value};
use crate::config::{Diagnostics, Node};
use crate::{keys, words};

keys! {
    /// A zone that counts how often.
    pub struct LimitReqZoneKeys {
        /// What is counted by, with variables; a request whose key is empty is not counted.
        ["-"] key: String,
        /// The memory of the zone; each key takes 128 bytes or, if it is long, more. Where it is full, who came longest ago is forgotten.
        ["-"] size: Size,
        /// How often: `10r/s`, `30r/m` as in nginx, which rounds to thousandths per second, or exactly `10/s`, `5/m`, `100/h`.
        ["-"] rate: String = "1r/s",
        /// Accepted; the zones of several edges are not synchronized.
        ["-"] sync: Accepted,
    }
}

keys! {
    /// A zone that counts how many at once.
    pub struct LimitConnZoneKeys {
        /// What is counted by, with variables; a request whose key is empty is not counted.
        ["-"] key: String,
        /// The memory of the zone; each key that somebody is in for takes 128 bytes or, if it is long, more. Where it is full, nobody
        /// else is let in.
        ["-"] size: Size,
    }
}

keys! {
    /// A limit of how often.
    pub struct LimitReqKeys {
        /// The zone, of `limit_req_zone`.
        ["-"] zone: String,
        /// So many may come before it is their turn; more are refused.
        ["-"] burst: u32 = "0",
        /// They pass at once. Otherwise they wait for their turn.
        ["-"] nodelay: bool = "false",
        /// So many of them pass at once, the others wait.
        ["-"] delay: u32,
    }
}

words! {
    /// The level of a line in the error log.
    pub enum LimitLogLevel {
        Info = "info",
        Notice = "notice",
        Warn = "warn",
        Error = "error",
    }
}

/// `{key, size, rate}`
#[derive(Clone, Debug)]
pub struct LimitReqZone(pub LimitReqZoneKeys);

impl Value for LimitReqZone {
    fn expected() -> String {
        "a map with `key`, `size` and `rate`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<LimitReqZone> {
        let keys: LimitReqZoneKeys = read_map(node, "a zone of `limit_req_zone`", diagnostics)?;
        has_all(node, &["key", "size"], diagnostics).then_some(LimitReqZone(keys))
    }

    fn schema() -> serde_json::Value {
        let mut schema = map_schema::<LimitReqZoneKeys>();
        schema["required"] = serde_json::json!(["key", "size"]);
        schema
    }
}

/// `{key, size}`
#[derive(Clone, Debug)]
pub struct LimitConnZone(pub LimitConnZoneKeys);

impl Value for LimitConnZone {
    fn expected() -> String {
        "a map with `key` and `size`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<LimitConnZone> {
        let keys: LimitConnZoneKeys = read_map(node, "a zone of `limit_conn_zone`", diagnostics)?;
        has_all(node, &["key", "size"], diagnostics).then_some(LimitConnZone(keys))
    }

    fn schema() -> serde_json::Value {
        let mut schema = map_schema::<LimitConnZoneKeys>();
        schema["required"] = serde_json::json!(["key", "size"]);
        schema
    }
}

fn has_all(node: &Node, names: &[&str], diagnostics: &mut Diagnostics) -> bool {
    let missing = names.iter().find(|name| node.get(name).is_none());
    if let Some(missing) = missing {
        diagnostics
            .error(node.span, format!("this zone has no `{missing}`"))
            .help("write `{ key: $binary_remote_addr, size: 10m }`");
    }
    missing.is_none()
}

/// nginx's `limit_req_zone KEY zone=NAME:SIZE rate=RATE` names the zone in a parameter.
#[derive(Clone, Debug)]
pub struct LimitReqZones(pub Named<LimitReqZone>);

impl Value for LimitReqZones {
    const REPEATS: bool = true;

    fn expected() -> String {
        Named::<LimitReqZone>::expected()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<LimitReqZones> {
        Named::read(node, diagnostics).map(LimitReqZones)
    }

    fn schema() -> serde_json::Value {
        Named::<LimitReqZone>::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        zone_from_args(args, &["rate", "sync"])
    }
}

/// nginx's `limit_conn_zone KEY zone=NAME:SIZE`.
#[derive(Clone, Debug)]
pub struct LimitConnZones(pub Named<LimitConnZone>);

impl Value for LimitConnZones {
    const REPEATS: bool = true;

    fn expected() -> String {
        Named::<LimitConnZone>::expected()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<LimitConnZones> {
        Named::read(node, diagnostics).map(LimitConnZones)
    }

    fn schema() -> serde_json::Value {
        Named::<LimitConnZone>::schema()
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        zone_from_args(args, &[])
    }
}

fn zone_from_args(args: &[Arg], others: &[&str]) -> Result<Node, String> {
    let [key, rest @ ..] = args else {
        return Err("expected a key and `zone=NAME:SIZE`".into());
    };
    let mut entries = vec![entry("key", key.span, key.node())];
    let mut zone = None;
    for e in parameters(rest, &["sync"])? {
        match (e.key.as_str(), e.value.as_text().and_then(|text| text.split_once(':'))) {
            ("zone", Some((name, size))) if !name.is_empty() => {
                zone = Some((name.to_owned(), e.span));
                entries.push(entry("size", e.span, Node::scalar(e.span, size)));
            }
            ("zone", _) => return Err("`zone` is NAME:SIZE".into()),
            (name, _) if others.contains(&name) => entries.push(e),
            (name, _) => return Err(format!("unknown parameter `{name}`")),
        }
    }
    let (name, at) = zone.ok_or("expected `zone=NAME:SIZE`")?;
    Ok(Node::map(key.span, vec![entry(&name, at, Node::map(key.span, entries))]))
}

/// `limit_req: login` or `limit_req: {zone, burst, nodelay}`.
#[derive(Clone, Debug)]
pub struct LimitReq(pub LimitReqKeys);

impl Value for LimitReq {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a zone, or a map with `zone`, `burst` and `nodelay` or `delay`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<LimitReq> {
        let keys: LimitReqKeys = read_short::<LimitReq, _>(node, "zone", "a limit", diagnostics)?;
        if keys.zone.is_none() {
            diagnostics.error(node.span, "this limit has no `zone`").help("write `{ zone: NAME, burst: 5 }`");
            return None;
        }
        if let (true, Some(delay)) = (keys.nodelay.is_some(), &keys.delay) {
            diagnostics.error(delay.span, "a limit has either `nodelay` or `delay`");
        }
        Some(LimitReq(keys))
    }

    fn schema() -> serde_json::Value {
        short_schema::<LimitReqKeys>(String::schema())
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let mut entries = parameters(args, &["nodelay"])?;
        let at = entries.iter().position(|e| e.key == "zone").ok_or("expected `zone=NAME`")?;
        if let Some(unknown) = entries.iter().find(|e| !["zone", "burst", "nodelay", "delay"].contains(&e.key.as_str()))
        {
            return Err(format!("unknown parameter `{}`", unknown.key));
        }
        let zone = entries.remove(at);
        Ok(short_or_map("zone", zone.value, entries))
    }
}
