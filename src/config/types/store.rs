//! Who may read and write a file that `proxy_store` leaves.

use serde_json::json;

use crate::config::value::{Arg, Value, mismatch};
use crate::config::{Diagnostics, Node};

/// `user:rw group:rw all:r`, as the bits of a mode. The user may always do both unless it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreAccess(pub u32);

impl StoreAccess {
    fn parse(text: &str) -> Option<StoreAccess> {
        let (mut user, mut mode) = (0o600, 0);
        for word in text.split_ascii_whitespace() {
            let (who, what) = word.split_once(':')?;
            let shift = match who {
                "user" => {
                    user = 0;
                    6
                }
                "group" => 3,
                "all" => 0,
                _ => return None,
            };
            let bits = match what {
                "rw" => 6,
                "r" => 4,
                _ => return None,
            };
            mode |= bits << shift;
        }
        (!text.is_empty()).then_some(StoreAccess(mode | user))
    }

    /// Who may read files of a directory may search it.
    pub fn of_directory(self) -> u32 {
        self.0 | (self.0 & 0o444) >> 2
    }
}

impl Value for StoreAccess {
    fn expected() -> String {
        "`user:rw`, `group:r` and their like, one or several".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<StoreAccess> {
        match node.as_text().and_then(StoreAccess::parse) {
            Some(access) => Some(access),
            None => mismatch(node, diagnostics),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^((user|group|all):rw?( |$))+$" })
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [first, ..] = args else { return Err(format!("expected {}", Self::expected())) };
        let words: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
        Ok(Node::scalar(first.span, words.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_as_nginx_reads_them() {
        let mode = |text| StoreAccess::parse(text).map(|access| access.0);
        assert_eq!(mode("user:rw group:rw all:r"), Some(0o664));
        assert_eq!(mode("group:r"), Some(0o640));
        assert_eq!(mode("user:r all:r"), Some(0o404));
        assert_eq!(StoreAccess(0o644).of_directory(), 0o755);
        for wrong in ["", "user", "user:x", "other:r", "user:rwx"] {
            assert_eq!(mode(wrong), None, "{wrong}");
        }
    }
}
