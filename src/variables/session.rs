//! The variables of a session: what the id says, where the request went because of it, and what is stored of it.

use std::time::Duration;

/// `$session_…`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionField {
    Age,
    Id,
    Idle,
    Node,
    Route,
    State,
    User,
}

impl SessionField {
    /// Whether memcached has to be asked for it.
    pub fn is_stored(self) -> bool {
        matches!(self, SessionField::Age | SessionField::Idle | SessionField::User)
    }
}

/// The session of a request. Its id is a password and not in here.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// A keyed hash of the id's base: the same while the session moves. `None`: the request has no session.
    pub id: Option<String>,
    pub route: Option<String>,
    pub node: Option<String>,
    /// What was decided on where it is.
    pub state: Option<&'static str>,
    /// As memcached has it, if it was asked and has it.
    pub stored: Option<StoredSession>,
}

/// What is known of a stored session.
#[derive(Clone, Debug, Default)]
pub struct StoredSession {
    pub age: Duration,
    pub idle: Duration,
    pub user: Option<String>,
}
