//! A recorded scenario: its steps, and what was seen in each, with ids in a form that can be compared.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const HOME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/msm/recordings");

/// What the nodes were told, or hold: a list for each node that has any.
pub type ByNode = BTreeMap<String, Vec<String>>;

pub fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{HOME}/{name}.json")).expect("the recording");
    serde_json::from_str(&text).expect("JSON")
}

/// The base parts of recorded ids, and of those that stand for them.
#[derive(Default)]
pub struct Bases {
    ours: HashMap<String, String>,
}

impl Bases {
    pub fn learn(&mut self, recorded: &str, ours: &str) {
        self.ours.insert(recorded.to_string(), ours.to_string());
    }

    pub fn knows(&self, recorded: &str) -> bool {
        self.ours.contains_key(recorded)
    }

    /// A recorded text as it would be here.
    pub fn here(&self, text: &str) -> String {
        self.ours.iter().fold(text.to_string(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    /// A text of here as it would have been recorded.
    pub fn recorded(&self, text: &str) -> String {
        self.ours.iter().fold(text.to_string(), |text, (recorded, ours)| text.replace(ours, recorded))
    }
}

impl Bases {
    /// A command as it would have been recorded; the id of a session that no answer told is `?`.
    pub fn settled(&self, command: &str) -> String {
        let command = self.recorded(command);
        let unknown = bases(&command).into_iter().filter(|base| !self.knows(base));
        unknown.fold(command.clone(), |command, base| command.replace(&base, "?"))
    }
}

/// All bases in a text, in their order.
pub fn bases(text: &str) -> Vec<String> {
    let words = text.split(|char: char| !char.is_ascii_hexdigit());
    let is_base = |word: &&str| word.len() == 32 && !word.bytes().any(|byte| byte.is_ascii_lowercase());
    words.filter(is_base).map(str::to_string).collect()
}

pub fn base_of_cookie(cookie: &str) -> Option<String> {
    bases(cookie).into_iter().next()
}

/// The node in `…-n1.t1; Path=/`.
pub fn node_of(id: &str) -> Option<&str> {
    let id = id.split(';').next()?.split('.').next()?;
    id.split_once('-').map(|(_, node)| node)
}

/// The nodes that new ids of a step got, in the order in which they were made.
pub fn new_nodes(step: &Value, known: &Bases) -> Vec<String> {
    let commands = step["memcached_commands_seen"].as_object().into_iter().flat_map(|nodes| nodes.values());
    let commands = commands.flat_map(|list| list.as_array().cloned().unwrap_or_default());
    let deleted = commands.filter_map(|command| command.as_str()?.strip_prefix("delete ").map(str::to_string));
    let made = deleted.chain(cookies(step));
    let is_new = |id: &String| base_of_cookie(id).is_some_and(|base| !known.knows(&base));
    made.filter(is_new).filter_map(|id| node_of(&id).map(str::to_string)).collect()
}

pub fn cookies(step: &Value) -> Vec<String> {
    let list = step["set_cookie"].as_array().cloned().unwrap_or_default();
    list.iter().filter_map(|cookie| cookie.as_str().map(str::to_string)).collect()
}

/// The commands that count, in a form that can be compared.
pub fn commands<'a>(all: impl Iterator<Item = &'a str>, lengths: bool) -> Vec<String> {
    let counted = all.filter(|command| !(command.starts_with("get ") && command.contains("ping-")));
    let mut list: Vec<String> = counted.map(|command| settled(command, lengths)).collect();
    list.dedup();
    list
}

/// Longer than 30 days is a time of day, which is not the recorded one.
fn settled(command: &str, lengths: bool) -> String {
    let mut words: Vec<&str> = command.split(' ').collect();
    if matches!(words[0], "set" | "add") && words.len() == 5 {
        if words[3].parse::<i64>().is_ok_and(|exptime| exptime > 1_000_000_000) {
            words[3] = "TIME";
        }
        if !lengths {
            words.truncate(4);
        }
    }
    words.join(" ")
}

/// What was recorded of a step's commands.
pub fn recorded_commands(step: &Value, known: &Bases, lengths: bool) -> ByNode {
    let nodes = step["memcached_commands_seen"].as_object().cloned().unwrap_or_default();
    let list = nodes.into_iter().map(|(node, list)| {
        let list = list.as_array().cloned().unwrap_or_default();
        let list: Vec<String> = list.iter().filter_map(Value::as_str).map(|one| known.settled(one)).collect();
        (node, commands(list.iter().map(String::as_str), lengths))
    });
    list.filter(|(_, list)| !list.is_empty()).collect()
}

/// What was recorded of the keys after a step; `None` if nobody looked.
pub fn recorded_keys(step: &Value, lengths: bool) -> Option<BTreeSet<String>> {
    let list = step["keys"].as_array()?;
    let lying = list.iter().filter(|key| key["down"] != true);
    let described = lying.map(|key| {
        let length = key["value_len"].as_u64().unwrap_or(0);
        let value = unhex(key["value_hex"].as_str().unwrap_or_default());
        let flags = key["flags"].as_u64().unwrap_or(0) as u32;
        let (node, name) = (key["node"].as_str().unwrap_or_default(), key["key"].as_str().unwrap_or_default());
        let ends = !key["ttl_left_s"].is_null();
        describe(node, name, flags, ends, &value, lengths.then_some(length as usize))
    });
    Some(described.collect())
}

/// A key and what its value's header says, without times and ids.
pub fn describe(node: &str, key: &str, flags: u32, ends: bool, value: &[u8], length: Option<usize>) -> String {
    let number = |at: usize, length: usize| {
        let bytes = value.get(at..at + length).unwrap_or_default();
        bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte))
    };
    let kind = match value.len() {
        20 => format!("validity max {}", number(0, 4)),
        ..44 => format!("{value:?}"),
        _ => {
            let id = number(42, 2) as usize;
            let (max, new, valid) = (number(20, 4) as i32, value[24] as char, value[25] as char);
            let saved_at = 44 + id + 4 + number(44 + id + 2, 2) as usize;
            let (auth, principal) = (number(44 + id, 2), number(44 + id + 2, 2));
            let saves = number(saved_at, 2) > 0;
            format!("max {max} new {new} valid {valid} auth {auth} principal {principal} request {saves}")
        }
    };
    let length = length.map_or(String::new(), |length| format!(" length {length}"));
    format!("{node} {key} flags {flags} ends {ends}{length}: {kind}")
}

fn unhex(text: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap_or_default(), 16).unwrap_or_default();
    (0..text.len()).step_by(2).map(pair).collect()
}
