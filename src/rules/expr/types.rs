//! The types of CEL, as far as the rules know them.

use std::fmt;

/// What is known of a value before there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    List(Box<Kind>),
    Map(Box<Kind>, Box<Kind>),
    /// What `type(x)` yields.
    Type,
    /// Known only when it runs: the claims of a token, a list of this and that.
    Dyn,
}

impl Kind {
    pub fn list(of: Kind) -> Kind {
        Kind::List(Box::new(of))
    }

    pub fn map(keys: Kind, values: Kind) -> Kind {
        Kind::Map(Box::new(keys), Box::new(values))
    }

    /// `int`, `uint` or `double`.
    pub fn is_number(&self) -> bool {
        matches!(self, Kind::Int | Kind::Uint | Kind::Double)
    }
}

/// As CEL names it.
impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Kind::Null => "null",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::Double => "double",
            Kind::Text => "string",
            Kind::Bytes => "bytes",
            Kind::Duration => "duration",
            Kind::Timestamp => "timestamp",
            Kind::Type => "type",
            Kind::Dyn => "dyn",
            Kind::List(of) => return write!(out, "list({of})"),
            Kind::Map(keys, values) => return write!(out, "map({keys}, {values})"),
        };
        out.write_str(word)
    }
}
