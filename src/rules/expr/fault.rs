//! Why an expression has no value for a request.

/// Why an expression has no value for a request. None of this is a mistake of whoever wrote it: those are told at load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A header, key or element that is not there.
    #[error("there is no {0}")]
    Missing(Box<str>),
    #[error("a number left its range")]
    Overflow,
    #[error("a division by zero")]
    Division,
    #[error("{0}")]
    Type(Box<str>),
    #[error("{0}")]
    Conversion(Box<str>),
    /// A text, list or map grew too large.
    #[error("a text of more than 64 KiB")]
    TooLarge,
    #[error("it took more steps than one expression may")]
    TooExpensive,
    /// A regular expression turned back too often.
    #[error("the search for `{0}` was given up")]
    GivenUp(Box<str>),
}
