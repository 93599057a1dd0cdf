//! `basic_auth`: as the keys `auth_basic` and `auth_basic_user_file`, where a rule says so. Who looks into the file and counts
//! hashes is the caller.

use super::{Action, Reader};
use crate::config::Node;
use crate::config::keys::read_map;
use crate::config::value::Spanned;
use crate::keys;
use crate::variables::{Exchange, Template};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Who does not say who they are, with the right password, is refused.
#[derive(Debug)]
pub struct BasicAuth {
    pub realm: Template,
    file: Template,
    /// Where a relative path begins.
    prefix: PathBuf,
    /// Only these of the file; empty: all.
    users: Box<[String]>,
}

impl BasicAuth {
    /// The file of users for a request.
    pub fn file(&self, x: &Exchange) -> PathBuf {
        self.prefix.join(OsStr::from_bytes(&self.file.evaluate(x)))
    }

    /// Whether somebody is meant, whatever the password.
    pub fn means(&self, user: &[u8]) -> bool {
        self.users.is_empty() || self.users.iter().any(|known| known.as_bytes() == user)
    }

    /// What the client is told with a 401, in `WWW-Authenticate`.
    pub fn demand(&self, x: &Exchange) -> Vec<u8> {
        [b"Basic realm=\"".as_slice(), &self.realm.evaluate(x), b"\""].concat()
    }
}

keys! {
    /// `basic_auth`
    pub struct BasicAuthKeys {
        /// What browsers show when they ask for the password; may hold variables.
        ["-"] realm: String = "restricted",
        /// The file of users and their passwords, as for `auth_basic_user_file`; may hold variables. It counts as it is when a request comes.
        ["-"] users_file: String,
        /// Only these of the file; all by default.
        ["-"] users: Vec<Spanned<String>>,
    }
}

pub(super) fn basic_auth(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Action>> {
    let keys: BasicAuthKeys = read_map(node, "`basic_auth`", reader.diagnostics)?;
    let Some(file) = &keys.users_file else {
        if node.get("users_file").is_none() {
            reader
                .error(node, "`basic_auth` has no `users_file`: nobody could come in")
                .help("write `basic_auth: { users_file: users }`, a file with lines as `htpasswd` writes them");
        }
        return None;
    };
    let default = || Spanned { value: keys.realm(), span: node.span };
    let realm = keys.realm.clone().unwrap_or_else(default);
    if let Some(quote) = realm.find('"') {
        let span = crate::rules::place::within(&realm, quote, 1, reader.diagnostics);
        reader.diagnostics.error(span, "a realm has no `\"`: it is told between two of them");
    }
    if let Some(none) = keys.users.as_ref().filter(|users| users.value.is_empty()) {
        reader
            .diagnostics
            .error(none.span, "`users` names nobody: nobody could come in")
            .help("take it out, and all of the file may");
    }
    let users = keys.users.iter().flat_map(|users| &users.value);
    if let Some(nobody) = users.clone().find(|user| user.is_empty() || user.contains(':')) {
        let message = format!("`{}` is no name of a user: it is not empty, and has no `:`", nobody.value);
        reader.diagnostics.error(nobody.span, message);
    }
    let users = users.map(|user| user.value.clone()).collect();
    let (realm, file) = (reader.template(&realm)?, reader.template(file)?);
    let prefix = reader.names.prefix.to_owned();
    reader.parts.basics.push(BasicAuth { realm, file, prefix, users });
    Some(vec![Action::BasicAuth(reader.parts.basics.len() - 1)])
}
