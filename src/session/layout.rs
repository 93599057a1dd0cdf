//! MSM's keys: where a session, its validity, its backup and its lock lie (StorageKeyFormat.java, SessionIdFormat.java).

use super::id::Id;
use crate::memcached::Key;
use sha2::{Digest, Sha256};

/// The keys of one web application's sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The storage key prefix with its `_`; empty where there is none.
    prefix: String,
}

/// What the tokens of `storageKeyPrefix` stand for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Application<'a> {
    /// The name of Tomcat's `Host`.
    pub host: &'a str,
    /// The context's path, `/shop`; empty for the root.
    pub context: &'a str,
    /// `webappVersion`, empty without parallel deployment.
    pub version: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no token of `storageKeyPrefix`: expected `static:TEXT`, `host`, `host.hash`, `context`, `context.hash` or `webappVersion`"
)]
pub struct UnknownToken(String);

impl Layout {
    /// From MSM's `storageKeyPrefix`, tokens parted by commas; its default is `webappVersion`.
    pub fn new(tokens: &str, application: &Application<'_>) -> Result<Layout, UnknownToken> {
        let tokens = tokens.split(',').map(str::trim).filter(|token| !token.is_empty());
        let values: Vec<String> = tokens.map(|token| value_of(token, application)).collect::<Result<_, _>>()?;
        let values: Vec<String> = values.into_iter().filter(|value| !value.trim().is_empty()).collect();
        let prefix = if values.is_empty() { String::new() } else { values.join(":") + "_" };
        Ok(Layout { prefix })
    }

    /// From the prefix itself, with its `_`.
    pub fn with_prefix(prefix: impl Into<String>) -> Layout {
        Layout { prefix: prefix.into() }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// MSM looks for the node in the whole key: with such a prefix it finds none, and stores nothing.
    pub fn warning(&self) -> Option<String> {
        let trap = self.prefix.chars().find(|c| matches!(c, '.' | '-'))?;
        Some(format!(
            "the storage key prefix `{}` contains `{trap}`: memcached-session-manager looks for the node's name in the whole \
             key, finds none and stores nothing; use `host.hash`, `context.hash` or `static:` without `.` and `-`",
            self.prefix
        ))
    }

    /// The session.
    pub fn session(&self, id: &Id) -> Option<Key> {
        id.key(&self.prefix)
    }

    /// Non-sticky: when it was last accessed. On the session's node.
    pub fn validity(&self, id: &Id) -> Option<Key> {
        id.key(&format!("validity:{}", self.prefix))
    }

    /// Non-sticky: the copy of the session, on the next node.
    pub fn backup(&self, id: &Id) -> Option<Key> {
        id.key(&format!("bak:{}", self.prefix))
    }

    /// Non-sticky: the copy of the validity, on the next node. MSM puts the prefix before a key that has it already.
    pub fn backup_validity(&self, id: &Id) -> Option<Key> {
        id.key(&format!("bak:{0}validity:{0}", self.prefix))
    }

    /// Non-sticky: some Tomcat works on the session. On the session's node.
    pub fn lock(&self, id: &Id) -> Option<Key> {
        id.key(&format!("lock:{}", self.prefix))
    }
}

fn value_of(token: &str, application: &Application<'_>) -> Result<String, UnknownToken> {
    if let Some(text) = token.strip_prefix("static:") {
        return Ok(text.to_owned());
    }
    Ok(match token {
        "host" => application.host.to_owned(),
        "host.hash" => hash(application.host),
        "context" => application.context.to_owned(),
        "context.hash" => hash(application.context),
        "webappVersion" => application.version.to_owned(),
        _ => return Err(UnknownToken(token.to_owned())),
    })
}

/// The first 8 digits of the SHA-256.
fn hash(text: &str) -> String {
    Sha256::digest(text)[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: Application<'static> = Application { host: "localhost", context: "/app", version: "" };

    fn prefix(tokens: &str, application: Application) -> String {
        Layout::new(tokens, &application).unwrap().prefix().to_owned()
    }

    #[test]
    fn prefixes_are_made_as_tomcats_were_seen_to_make_them() {
        assert_eq!(prefix("static:shop", APP), "shop_");
        assert_eq!(prefix("host,context", APP), "localhost:/app_");
        let deployed = Application { version: "001", ..APP };
        assert_eq!(prefix("host.hash,context.hash,webappVersion", deployed), "49960de5:f53b52ad:001_");
        assert_eq!(prefix("webappVersion", deployed), "001_");
        assert_eq!(prefix("webappVersion", APP), "");
        assert_eq!(prefix("host , webappVersion", APP), "localhost_");
        assert_eq!(prefix("", APP), "");
        let mistake = Layout::new("host,contxt", &APP).unwrap_err().to_string();
        assert!(mistake.starts_with("`contxt` is no token"), "{mistake}");
    }

    #[test]
    fn keys_are_those_tomcats_were_seen_to_write() {
        let layout = Layout::new("static:shop", &APP).unwrap();
        let id = Id::parse(b"873083CB9C4689FDFB4F00550DBD1958-n2").unwrap();
        let keys = [
            layout.session(&id),
            layout.validity(&id),
            layout.backup(&id),
            layout.backup_validity(&id),
            layout.lock(&id),
        ];
        let texts: Vec<String> = keys.into_iter().map(|key| key.unwrap().as_str().to_owned()).collect();
        assert_eq!(
            texts,
            [
                "shop_873083CB9C4689FDFB4F00550DBD1958-n2",
                "validity:shop_873083CB9C4689FDFB4F00550DBD1958-n2",
                "bak:shop_873083CB9C4689FDFB4F00550DBD1958-n2",
                "bak:shop_validity:shop_873083CB9C4689FDFB4F00550DBD1958-n2",
                "lock:shop_873083CB9C4689FDFB4F00550DBD1958-n2",
            ]
        );
    }

    #[test]
    fn a_prefix_that_keeps_msm_from_storing_anything_is_told_of() {
        let warning = |tokens: &str, app: Application| Layout::new(tokens, &app).unwrap().warning();
        assert_eq!(warning("static:shop", APP), None);
        assert!(warning("static:my-app", APP).unwrap().contains("`my-app_` contains `-`"));
        let version = Application { version: "1.0.1", ..APP };
        assert!(warning("webappVersion", version).unwrap().contains("contains `.`"));
        let host = Application { host: "shop.example", ..APP };
        assert!(warning("host", host).is_some());
        assert_eq!(warning("host.hash", host), None);
    }

    #[test]
    fn a_prefix_no_key_can_have_gives_no_key() {
        let id = Id::parse(b"A-n1.t1").unwrap();
        assert_eq!(Layout::with_prefix("a b_").session(&id), None);
        assert_eq!(Layout::with_prefix("x\r\nflush_all\r\n").lock(&id), None);
        assert_eq!(Layout::with_prefix("p".repeat(250)).session(&id), None);
    }
}
