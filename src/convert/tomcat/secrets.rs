//! What must not be shown of a Tomcat's file: a message shows the line it speaks of, and a password may stand in it.
//!
//! Characters are replaced one by one, so that places stay what they are.

use once_cell::sync::Lazy;
use regex::{Captures, Regex};

/// `user:password@` of a URL.
static OF_URLS: Lazy<Regex> = Lazy::new(|| pattern(r#"(://)([^\s"'<>]*)(@)"#));
/// Attributes of which nobody can be sure what they are, because the text is no XML, or is commented out.
static OF_TEXT: Lazy<Regex> = Lazy::new(|| {
    pattern(r#"(?i)([\w:.-]*(?:pass|secret|username|credential)[\w:.-]*\s*=\s*)("[^"]*|'[^']*|[^\s>"']*)()"#)
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern that a test compiles") // both are constants
}

/// Whether the value of this attribute is nobody's business.
pub fn is_secret(attribute: &str) -> bool {
    let name = attribute.to_ascii_lowercase();
    ["pass", "secret", "username", "credential"].iter().any(|word| name.contains(word))
}

/// The text without the passwords of its URLs.
pub fn without_urls(text: &str) -> String {
    OF_URLS.replace_all(text, hide).into_owned()
}

/// The text without anything that looks like a password.
pub fn guessed(text: &str) -> String {
    OF_TEXT.replace_all(&without_urls(text), hide).into_owned()
}

fn hide(found: &Captures<'_>) -> String {
    format!("{}{}{}", &found[1], stars(&found[2]), &found[3])
}

/// As many stars as there are characters; lines and quotes stay.
pub fn stars(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\r' | '"' | '\'') { c } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_password_is_stars_and_the_rest_stays_in_its_place() {
        for (text, expected) in [
            (r#"<a password="s3cret" b="c"/>"#, r#"<a password="******" b="c"/>"#),
            ("userName = 's' x='y'", "userName = '*' x='y'"),
            ("connectionPassword=abc>", "connectionPassword=***>"),
            (r#"password="open"#, r#"password="****"#),
            ("redis://me:p@ss@host:1/0", "redis://*******@host:1/0"),
            ("http://host:1/pools", "http://host:1/pools"),
        ] {
            assert_eq!(guessed(text), expected);
        }
    }
}
