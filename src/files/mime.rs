//! `types`, `default_type` and `charset` compiled into one lookup: extension → finished Content-Type.
//!
//! The charset is added here and not later, because the parts of a multipart range repeat the full type.

use std::collections::HashMap;

use http::HeaderValue;
use thiserror::Error;

use super::mime_table;

#[derive(Debug, Error)]
#[error("\"{0}\" cannot stand in a Content-Type header")]
pub struct BadType(String);

/// The directives `charset` and `charset_types`.
#[derive(Debug, Clone)]
pub struct Charset {
    pub name: String,
    /// Media types that get it, in lower case; `*` is all of them.
    pub types: Vec<String>,
}

impl Charset {
    /// With nginx's default `charset_types`.
    pub fn new(name: impl Into<String>) -> Self {
        const TYPES: [&str; 6] = [
            "text/html",
            "text/xml",
            "text/plain",
            "text/vnd.wap.wml",
            "application/javascript",
            "application/rss+xml",
        ];
        Charset { name: name.into(), types: TYPES.map(String::from).to_vec() }
    }

    fn applies_to(&self, kind: &str) -> bool {
        self.types.iter().any(|listed| listed == "*" || listed.eq_ignore_ascii_case(kind))
    }
}

#[derive(Debug, Clone)]
pub struct Types {
    by_extension: HashMap<Box<[u8]>, HeaderValue>,
    default: Option<HeaderValue>,
    /// Length of the longest extension; nothing longer is looked up.
    longest: usize,
}

/// Longer extensions than this in a `types` block are never found; Debian's longest has seven bytes.
const MAX_EXTENSION: usize = 64;

impl Types {
    /// From pairs of media type and extensions separated by blanks, as the lines of a `types` block; a later pair wins.
    /// An empty `default_type` means no Content-Type, as in nginx.
    pub fn new<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
        default_type: &str,
        charset: Option<&Charset>,
    ) -> Result<Self, BadType> {
        let mut by_extension = HashMap::new();
        let mut longest = 0;
        for (kind, extensions) in entries {
            let value = finished(kind, charset)?;
            for extension in extensions.split_ascii_whitespace().filter(|name| name.len() <= MAX_EXTENSION) {
                longest = longest.max(extension.len());
                by_extension.insert(extension.to_ascii_lowercase().into_bytes().into(), value.clone());
            }
        }
        let default = if default_type.is_empty() { None } else { Some(finished(default_type, charset)?) };
        Ok(Types { by_extension, default, longest })
    }

    /// What nginx knows without a `types` block.
    pub fn builtin() -> impl Iterator<Item = (&'static str, &'static str)> {
        [("text/html", "html"), ("image/gif", "gif"), ("image/jpeg", "jpg")].into_iter()
    }

    /// Debian's `/etc/nginx/mime.types`.
    pub fn debian() -> impl Iterator<Item = (&'static str, &'static str)> {
        mime_table::DEBIAN.iter().copied()
    }

    /// The Content-Type for a decoded path, by its extension in any case.
    pub fn of(&self, uri: &[u8]) -> Option<&HeaderValue> {
        extension(uri).and_then(|extension| self.by_name(extension)).or(self.default.as_ref())
    }

    fn by_name(&self, extension: &[u8]) -> Option<&HeaderValue> {
        if extension.len() > self.longest {
            return None;
        }
        let mut lowered = [0; MAX_EXTENSION];
        let lowered = lowered.get_mut(..extension.len())?;
        lowered.copy_from_slice(extension);
        lowered.make_ascii_lowercase();
        self.by_extension.get(&*lowered)
    }
}

fn finished(kind: &str, charset: Option<&Charset>) -> Result<HeaderValue, BadType> {
    let text = match charset.filter(|charset| charset.applies_to(kind)) {
        Some(charset) => format!("{kind}; charset={}", charset.name),
        None => kind.to_string(),
    };
    HeaderValue::from_str(&text).map_err(|_| BadType(text))
}

/// What stands behind the last dot of the last component; a dot at its beginning (`/.html`) makes no extension.
fn extension(uri: &[u8]) -> Option<&[u8]> {
    let at = uri.iter().rposition(|&byte| matches!(byte, b'.' | b'/'))?;
    (uri[at] == b'.' && at > 1 && uri[at - 1] != b'/').then(|| &uri[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(types: &Types, uri: &[u8]) -> String {
        types.of(uri).map_or("none".into(), |value| value.to_str().expect("text").into())
    }

    #[test]
    fn types_are_found_as_nginx_finds_them() {
        let types = Types::new(Types::debian(), "application/octet-stream", None).expect("valid");
        let table: [(&[u8], &str); 14] = [
            (b"/f.txt", "text/plain"),
            (b"/UP.TXT", "text/plain"),
            (b"/a.b.PnG", "image/png"),
            (b"/z.js", "application/javascript"),
            (b"/z.js.gz", "application/octet-stream"),
            (b"/noext", "application/octet-stream"),
            (b"/.html", "application/octet-stream"),
            (b"/d/.html", "application/octet-stream"),
            (b"/trail.", "application/octet-stream"),
            (b"/x.unknown", "application/octet-stream"),
            (b"/d.html/x", "application/octet-stream"),
            (b"/\xff.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
            (b"", "application/octet-stream"),
            (b"/d.jardiff", "application/x-java-archive-diff"),
        ];
        for (uri, expected) in table {
            assert_eq!(kind(&types, uri), expected, "{}", String::from_utf8_lossy(uri));
        }
        let long = [b"/a.".as_slice(), &[b'x'; 300]].concat();
        assert_eq!(kind(&types, &long), "application/octet-stream");
    }

    #[test]
    fn an_empty_default_type_is_no_type() {
        let types = Types::new(Types::builtin(), "", None).expect("valid");
        assert_eq!(kind(&types, b"/noext"), "none");
        assert_eq!(kind(&types, b"/a.html"), "text/html");
    }

    #[test]
    fn the_charset_goes_to_text_only() {
        let charset = Charset::new("utf-8");
        let types = Types::new(Types::debian(), "text/plain", Some(&charset)).expect("valid");
        assert_eq!(kind(&types, b"/f.txt"), "text/plain; charset=utf-8");
        assert_eq!(kind(&types, b"/z.js"), "application/javascript; charset=utf-8");
        assert_eq!(kind(&types, b"/a.png"), "image/png");
        assert_eq!(kind(&types, b"/noext"), "text/plain; charset=utf-8");
        let all = Charset { name: "koi8-r".into(), types: vec!["*".into()] };
        let types = Types::new(Types::debian(), "text/plain", Some(&all)).expect("valid");
        assert_eq!(kind(&types, b"/a.png"), "image/png; charset=koi8-r");
    }

    #[test]
    fn a_later_entry_wins_and_a_broken_one_is_named() {
        let types = Types::new([("a/a", "x y"), ("b/b", "X")], "", None).expect("valid");
        assert_eq!(kind(&types, b"/f.x"), "b/b");
        assert_eq!(kind(&types, b"/f.y"), "a/a");
        let broken = Types::new([("a/a\r\nX: y", "x")], "", None);
        assert!(broken.is_err_and(|error| error.to_string().contains("cannot stand")));
    }
}
