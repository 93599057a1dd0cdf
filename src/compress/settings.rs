//! What the configuration says about compression, compiled once and shared by all requests.
//!
//! Every algorithm has the same set of [`Rules`], which are nginx's `gzip_*` directives. Plain data:
//! two settings are equal when they were written alike, so that a reload can tell what changed.

use http::Version;

use super::negotiate::Algorithm;
use crate::pattern;

/// Compression in one location.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub gzip: Rules,
    pub brotli: Rules,
    pub zstd: Rules,
}

impl Settings {
    /// The rules of one algorithm.
    pub fn rules(&self, algorithm: Algorithm) -> &Rules {
        match algorithm {
            Algorithm::Gzip => &self.gzip,
            Algorithm::Brotli => &self.brotli,
            Algorithm::Zstd => &self.zstd,
        }
    }

    /// True if no algorithm is on, so that a request need not be looked at.
    pub fn is_off(&self) -> bool {
        !(self.gzip.on || self.brotli.on || self.zstd.on)
    }

    /// True if gzip is the only algorithm on: negotiation is then nginx's.
    pub fn is_gzip_alone(&self) -> bool {
        self.gzip.on && !self.brotli.on && !self.zstd.on
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gzip: Rules::new(Algorithm::Gzip),
            brotli: Rules::new(Algorithm::Brotli),
            zstd: Rules::new(Algorithm::Zstd),
        }
    }
}

/// The directives of one algorithm; `gzip_buffers` has no counterpart, buffers here grow as needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// `gzip on`
    pub on: bool,
    /// `gzip_types`
    pub types: Types,
    /// `gzip_min_length`, in bytes; counts only where the length is known
    pub min_length: u64,
    /// `gzip_comp_level`; a level outside the algorithm's range is clamped to it
    pub comp_level: u32,
    /// `gzip_proxied`
    pub proxied: Proxied,
    /// `gzip_vary`
    pub vary: bool,
    /// `gzip_disable`
    pub disable: Vec<Pattern>,
    /// `gzip_http_version`
    pub http_version: Version,
}

impl Rules {
    /// The defaults of nginx's modules: off, `text/html`, 20 bytes, not for proxied requests, HTTP/1.1.
    pub fn new(algorithm: Algorithm) -> Self {
        let comp_level = match algorithm {
            Algorithm::Gzip => 1,
            Algorithm::Brotli => 6,
            Algorithm::Zstd => 1,
        };
        Self {
            on: false,
            types: Types::default(),
            min_length: 20,
            comp_level,
            proxied: Proxied::OFF,
            vary: false,
            disable: Vec::new(),
            http_version: Version::HTTP_11,
        }
    }
}

/// `gzip_types`: which content types are compressed.
#[derive(Clone, Debug, PartialEq)]
pub enum Types {
    /// `*`: any, also an answer without a type
    Any,
    /// in lower case, `text/html` among them
    Listed(Vec<String>),
}

impl Types {
    /// As the directive's arguments; `*` anywhere among them means any.
    pub fn new<S: AsRef<str>>(types: impl IntoIterator<Item = S>) -> Self {
        let mut listed = vec!["text/html".to_owned()];
        for one in types {
            let one = one.as_ref().to_ascii_lowercase();
            if one == "*" {
                return Self::Any;
            }
            if !listed.contains(&one) {
                listed.push(one);
            }
        }
        Self::Listed(listed)
    }

    /// nginx's `ngx_http_test_content_type`: a `charset` parameter is not part of the type, any other
    /// parameter is.
    pub fn matches(&self, content_type: Option<&[u8]>) -> bool {
        let Self::Listed(listed) = self else {
            return true;
        };
        let Some(content_type) = content_type else {
            return false;
        };
        let wanted = before_charset(content_type);
        listed.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(wanted))
    }
}

impl Default for Types {
    fn default() -> Self {
        Self::new::<&str>([])
    }
}

/// The content type up to `;charset=`, exactly as nginx's upstream module cuts it: a semicolon with
/// nothing behind it ends the search, and the byte after a semicolon is not looked at twice.
fn before_charset(content_type: &[u8]) -> &[u8] {
    let mut at = 0;
    while at < content_type.len() {
        if content_type[at] != b';' {
            at += 1;
            continue;
        }
        let semicolon = at;
        at += 1;
        while content_type.get(at) == Some(&b' ') {
            at += 1;
        }
        let rest = content_type.get(at..).unwrap_or_default();
        if rest.len() >= 8 && rest[..8].eq_ignore_ascii_case(b"charset=") {
            return &content_type[..semicolon];
        }
        at += 1;
    }
    content_type
}

/// `gzip_proxied`: which answers are compressed for a request with a `Via` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxied(u16);

impl Proxied {
    pub const OFF: Self = Self(1);
    pub const EXPIRED: Self = Self(1 << 1);
    pub const NO_CACHE: Self = Self(1 << 2);
    pub const NO_STORE: Self = Self(1 << 3);
    pub const PRIVATE: Self = Self(1 << 4);
    pub const NO_LAST_MODIFIED: Self = Self(1 << 5);
    pub const NO_ETAG: Self = Self(1 << 6);
    pub const AUTH: Self = Self(1 << 7);
    pub const ANY: Self = Self(1 << 8);

    /// The directive's words.
    pub const WORDS: [(&'static str, Self); 9] = [
        ("off", Self::OFF),
        ("expired", Self::EXPIRED),
        ("no-cache", Self::NO_CACHE),
        ("no-store", Self::NO_STORE),
        ("private", Self::PRIVATE),
        ("no_last_modified", Self::NO_LAST_MODIFIED),
        ("no_etag", Self::NO_ETAG),
        ("auth", Self::AUTH),
        ("any", Self::ANY),
    ];

    /// One word of the directive.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| *name == word).map(|(_, flag)| *flag)
    }

    /// True if all of `other` is set here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Proxied {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A pattern that does not compile.
#[derive(Debug, thiserror::Error)]
#[error("pattern {source_text:?} does not compile: {reason}")]
pub struct PatternError {
    pub source_text: String,
    pub reason: pattern::PatternError,
}

/// One argument of `gzip_disable`: a case-insensitive regex over the User-Agent, or `msie6`.
///
/// Equal when written alike.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Msie6,
    Regex(pattern::Pattern),
}

impl Pattern {
    pub fn compile(source: &str) -> Result<Self, PatternError> {
        if source == "msie6" {
            return Ok(Self::Msie6);
        }
        let compiled = pattern::Pattern::compile(source, true);
        compiled.map(Self::Regex).map_err(|reason| PatternError { source_text: source.to_owned(), reason })
    }

    /// Whether this User-Agent gets nothing compressed. A search that is given up at its limit counts as
    /// a match, as nginx takes an error of PCRE.
    pub fn matches(&self, user_agent: &[u8]) -> bool {
        match self {
            Self::Msie6 => is_msie6(user_agent),
            Self::Regex(regex) => regex.finds(user_agent).unwrap_or(true),
        }
    }
}

/// nginx's `msie6`: the first `MSIE ` is 4.x, 5.x, or 6.x without `SV1` (XP's service pack 2) behind it.
fn is_msie6(user_agent: &[u8]) -> bool {
    let Some(at) = find(user_agent, b"MSIE ") else {
        return false;
    };
    let rest = &user_agent[at..];
    if rest.len() <= 7 || rest[6] != b'.' {
        return false;
    }
    match rest[5] {
        b'4' | b'5' => true,
        b'6' => find(&rest[8.min(rest.len())..], b"SV1").is_none(),
        _ => false,
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_html_is_always_among_the_types() {
        let types = Types::new(["Text/CSS", "text/html"]);
        assert_eq!(types, Types::Listed(vec!["text/html".into(), "text/css".into()]));
        assert!(types.matches(Some(b"text/HTML; charset=utf-8")));
        assert!(!types.matches(Some(b"text/plain")));
        assert!(!types.matches(None));
    }

    #[test]
    fn a_star_among_the_types_means_any() {
        let types = Types::new(["text/css", "*"]);
        assert_eq!(types, Types::Any);
        assert!(types.matches(None));
    }

    #[test]
    fn only_a_charset_is_cut_from_a_content_type() {
        for (whole, cut) in [
            ("a/b", "a/b"),
            ("a/b; charset=x", "a/b"),
            ("a/b;v=1;  CharSet=\"x\"; y=1", "a/b;v=1"),
            ("a/b;v=1", "a/b;v=1"),
            ("a/b;", "a/b;"),
            ("a/b;;charset=x", "a/b;;charset=x"),
            ("a/b; charset", "a/b; charset"),
        ] {
            assert_eq!(before_charset(whole.as_bytes()), cut.as_bytes(), "{whole}");
        }
    }

    #[test]
    fn patterns_are_equal_when_written_alike() {
        let one = Pattern::compile(r"MSIE [1-6]\.(?!.*SV1)").unwrap();
        assert_eq!(one, Pattern::compile(r"MSIE [1-6]\.(?!.*SV1)").unwrap());
        assert_ne!(one, Pattern::compile("curl").unwrap());
        assert_eq!(format!("{one:?}"), r"Regex(/MSIE [1-6]\.(?!.*SV1)/i)");
    }

    #[test]
    fn a_plain_pattern_reads_bytes_that_are_not_utf8() {
        assert!(Pattern::compile("^.curl$").unwrap().matches(b"\xffCURL"));
        assert!(Pattern::compile("^.curl(?!x)").unwrap().matches(b"\xffCURL"));
    }

    #[test]
    fn a_pattern_that_backtracks_without_end_counts_as_matching() {
        let pattern = Pattern::compile(r"^(?:(a|ab|b)(?!x))*(?!c)c$").unwrap();
        let agent = "ab".repeat(100) + "c";
        assert!(pattern.matches(agent.as_bytes()));
    }

    #[test]
    fn a_user_agent_made_to_be_slow_is_given_up_and_counts_as_matching() {
        let pattern = Pattern::compile(r"MSIE [1-6]\.(?!.*SV1)").unwrap();
        let agent = "MSIE 6.".repeat(4500) + "SV1";
        assert!(pattern.matches(agent.as_bytes()));
        assert!(!pattern.matches(&b"MSIE 7.0; ".repeat(3000)));
    }

    #[test]
    fn a_broken_pattern_is_reported_with_its_text() {
        let error = Pattern::compile("a(b").unwrap_err();
        assert_eq!(error.source_text, "a(b");
    }

    #[test]
    fn words_of_proxied_are_parsed_and_joined() {
        let both = Proxied::parse("no-cache").unwrap() | Proxied::parse("auth").unwrap();
        assert!(both.contains(Proxied::NO_CACHE) && both.contains(Proxied::AUTH));
        assert!(!both.contains(Proxied::ANY));
        assert_eq!(Proxied::parse("no_cache"), None);
    }
}
