//! The JSON Schema of edge.yaml, made of the definitions of the keys.

use super::keys::{Contexts, Key, schema_of};
use super::raw::{GROUPS, all_keys};
use super::value::Value as _;
use serde_json::{Value, json};

/// The schema of a whole edge.yaml.
pub fn schema() -> Value {
    let mut top = block(Contexts(Contexts::MAIN.0 | Contexts::HTTP.0));
    let properties = &mut top["properties"];
    properties["server"] =
        json!({ "type": "array", "items": { "$ref": "#/$defs/server" }, "description": "The servers." });
    properties["upstream"] = json!({
        "type": "object",
        "additionalProperties": { "$ref": "#/$defs/upstream" },
        "description": "The upstreams, by name.",
    });
    top["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    top["title"] = "edge.yaml".into();
    top["$defs"] = json!({
        "server": with_locations(block(Contexts::SERVER)),
        "location": with_limit(with_locations(block(Contexts::LOCATION))),
        "limit_except": block(Contexts::LIMIT_EXCEPT),
        "upstream": block(Contexts::UPSTREAM),
        "if": block(Contexts::IF),
    });
    top
}

fn block(contexts: Contexts) -> Value {
    let here: Vec<&Key> = all_keys().filter(|k| k.contexts.0 & contexts.0 != 0).collect();
    let mut schema = schema_of(here.into_iter());
    for group in GROUPS {
        let short = short_form(group, &schema["properties"]);
        if let Some(long) = schema["properties"].get_mut(*group) {
            let description = long["description"].take();
            *long = json!({ "anyOf": [bool::schema(), short], "description": description });
        }
    }
    schema["properties"]["include"] = json!({
        "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        "description": "Files whose keys are put in here; `*` and `?` work.",
    });
    schema
}

/// `gzip: {types: …}`: the keys of a group without their beginning.
fn short_form(group: &str, properties: &Value) -> Value {
    let long = properties.as_object().into_iter().flatten();
    let part = |name: &str| Some(name.strip_prefix(group)?.strip_prefix('_')?.to_owned());
    let mut short: serde_json::Map<String, Value> =
        long.filter_map(|(name, schema)| Some((part(name)?, schema.clone()))).collect();
    short.insert("enabled".into(), bool::schema());
    json!({ "type": "object", "properties": short, "additionalProperties": false })
}

fn with_locations(mut schema: Value) -> Value {
    schema["properties"]["location"] = json!({
        "type": "array",
        "items": { "$ref": "#/$defs/location" },
        "description": "The locations inside.",
    });
    schema
}

fn with_limit(mut schema: Value) -> Value {
    schema["properties"]["limit_except"] = json!({
        "$ref": "#/$defs/limit_except",
        "description": "What holds for other methods than those named.",
    });
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_schema_of_the_blocks_it_may_stand_in() {
        let schema = schema();
        for key in all_keys() {
            let places = [
                (Contexts::MAIN, &schema["properties"]),
                (Contexts::HTTP, &schema["properties"]),
                (Contexts::SERVER, &schema["$defs"]["server"]["properties"]),
                (Contexts::LOCATION, &schema["$defs"]["location"]["properties"]),
                (Contexts::LIMIT_EXCEPT, &schema["$defs"]["limit_except"]["properties"]),
                (Contexts::UPSTREAM, &schema["$defs"]["upstream"]["properties"]),
                (Contexts::IF, &schema["$defs"]["if"]["properties"]),
            ];
            for (context, properties) in places {
                assert_eq!(
                    key.contexts.contains(context),
                    properties.get(key.name).is_some() && key.contexts.contains(context),
                    "{}",
                    key.name
                );
                if key.contexts.contains(context) {
                    assert!(properties[key.name]["description"].is_string(), "{} has no documentation", key.name);
                }
            }
        }
    }
}
