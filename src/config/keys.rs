//! One definition a key: its name, type, default, the blocks it may stand in and its documentation. The reader of YAML,
//! the reader of nginx.conf, the schema, the reference page and "did you mean" are all made of it.

use super::diagnostics::Diagnostics;
use super::node::Node;
use super::value::{Arg, Value};

/// The blocks a key may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contexts(pub u8);

impl Contexts {
    pub const MAIN: Contexts = Contexts(1);
    pub const HTTP: Contexts = Contexts(2);
    pub const SERVER: Contexts = Contexts(4);
    pub const LOCATION: Contexts = Contexts(8);
    pub const UPSTREAM: Contexts = Contexts(16);
    pub const IF: Contexts = Contexts(32);
    pub const LIMIT_EXCEPT: Contexts = Contexts(64);

    /// From letters, as the definitions write them: `h` http (the top of edge.yaml), `s` server, `l` location, `m` main,
    /// `u` upstream, `i` an `if` of a location, `x` limit_except, `-` a part of a value.
    pub const fn from_letters(letters: &str) -> Contexts {
        let bytes = letters.as_bytes();
        let mut bits = 0;
        let mut i = 0;
        while i < bytes.len() {
            bits |= match bytes[i] {
                b'm' => 1,
                b'h' => 2,
                b's' => 4,
                b'l' => 8,
                b'u' => 16,
                b'i' => 32,
                b'x' => 64,
                _ => 0,
            };
            i += 1;
        }
        Contexts(bits)
    }

    pub fn contains(self, other: Contexts) -> bool {
        self.0 & other.0 == other.0
    }

    /// In words, for messages and the reference.
    pub fn names(self) -> String {
        [
            (Self::MAIN, "the top"),
            (Self::HTTP, "the top"),
            (Self::SERVER, "server"),
            (Self::LOCATION, "location"),
            (Self::UPSTREAM, "upstream"),
            (Self::IF, "if"),
            (Self::LIMIT_EXCEPT, "limit_except"),
        ]
        .iter()
        .filter(|(context, _)| self.contains(*context))
        .map(|(_, name)| *name)
        .fold(Vec::new(), |mut names, name| {
            if !names.contains(&name) {
                names.push(name);
            }
            names
        })
        .join(", ")
    }
}

/// What is known of a key without its values.
#[derive(Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub contexts: Contexts,
    /// The default as it would be written.
    pub default: Option<&'static str>,
    /// The documentation, one paragraph a line.
    pub doc: &'static [&'static str],
    pub kind: KeyKind,
}

/// What is known of a key's type.
#[derive(Clone, Copy)]
pub struct KeyKind {
    pub expected: fn() -> String,
    pub schema: fn() -> serde_json::Value,
    pub from_args: fn(&[Arg]) -> Result<Node, String>,
    pub repeats: bool,
}

impl KeyKind {
    pub const fn of<T: Value>() -> KeyKind {
        KeyKind { expected: T::expected, schema: T::schema, from_args: T::from_args, repeats: T::REPEATS }
    }
}

/// A group of keys that stand in one map.
pub trait Keys: Default {
    const KEYS: &'static [Key];

    /// Reads one entry of the map; false if the group has no such key.
    fn read_key(&mut self, key: &str, node: &Node, diagnostics: &mut Diagnostics) -> bool;
}

/// Reads a map that consists of one group of keys.
pub fn read_map<K: Keys>(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<K> {
    let Some(entries) = node.as_map() else {
        diagnostics.error(node.span, format!("expected {what}, found {}", node.describe()));
        return None;
    };
    let mut keys = K::default();
    for entry in entries {
        if !keys.read_key(&entry.key, &entry.value, diagnostics) {
            diagnostics
                .error(entry.span, format!("unknown key `{}` in {what}", entry.key))
                .did_you_mean(&entry.key, K::KEYS.iter().map(|k| k.name));
        }
    }
    Some(keys)
}

/// The schema of a map of one group of keys.
pub fn map_schema<K: Keys>() -> serde_json::Value {
    schema_of(K::KEYS.iter())
}

pub fn schema_of<'k>(keys: impl Iterator<Item = &'k Key>) -> serde_json::Value {
    let properties: serde_json::Map<String, serde_json::Value> = keys
        .map(|key| {
            let mut schema = (key.kind.schema)();
            schema["description"] = key.doc.iter().map(|l| l.trim()).collect::<Vec<_>>().join("\n").into();
            if let Some(default) = key.default {
                schema["default"] = default.into();
            }
            (key.name.to_owned(), schema)
        })
        .collect();
    serde_json::json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The value a default text stands for. Panics on a default that does not read, which a test excludes for every key.
pub fn default_value<T: Value>(text: &str) -> T {
    let mut diagnostics = Diagnostics::new();
    let node = super::yaml::parse(std::path::Path::new("default"), text, &mut diagnostics);
    match node.and_then(|node| T::read(&node, &mut diagnostics)) {
        Some(value) => value,
        None => unreachable!("the test `every_default_reads` has read this default: {text}: {diagnostics}"),
    }
}

/// Defines a group of keys: `[contexts] name: Type = "default",`.
#[macro_export]
macro_rules! keys {
    ($(#[$attr:meta])* pub struct $group:ident {
        $($(#[doc = $doc:literal])* [$contexts:literal] $key:ident $(($name:literal))? : $ty:ty $(= $default:literal)?,)*
    }) => {
        $(#[$attr])*
        #[derive(Clone, Debug, Default)]
        pub struct $group {
            $($(#[doc = $doc])* pub $key: Option<$crate::config::Spanned<$ty>>,)*
        }

        impl $crate::config::keys::Keys for $group {
            const KEYS: &'static [$crate::config::keys::Key] = &[$($crate::config::keys::Key {
                name: $crate::key_name!($key $($name)?),
                contexts: $crate::config::keys::Contexts::from_letters($contexts),
                default: $crate::key_default!($($default)?),
                doc: &[$($doc),*],
                kind: $crate::config::keys::KeyKind::of::<$ty>(),
            }),*];

            fn read_key(
                &mut self,
                key: &str,
                node: &$crate::config::Node,
                diagnostics: &mut $crate::config::Diagnostics,
            ) -> bool {
                $(if key == $crate::key_name!($key $($name)?) {
                    self.$key = $crate::config::Spanned::read(node, diagnostics);
                    return true;
                })*
                false
            }
        }

        impl $group {
            /// What is not set here is taken from the block outside.
            #[allow(dead_code)] // parts of values stand in no block
            pub fn inherit(&self, outer: &$group) -> $group {
                $group { $($key: self.$key.clone().or_else(|| outer.$key.clone()),)* }
            }

            $($(
                #[doc = concat!("The value in force; `", $default, "` by default.")]
                pub fn $key(&self) -> $ty {
                    match &self.$key {
                        Some(spanned) => spanned.value.clone(),
                        None => $crate::config::keys::default_value::<$ty>($default),
                    }
                }
            )?)*
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! key_name {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:ident $name:literal) => {
        $name
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! key_default {
    () => {
        None
    };
    ($default:literal) => {
        Some($default)
    };
}
