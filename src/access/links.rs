//! Signed links: `secure_link`, `secure_link_md5`, `secure_link_secret` (nginx's ngx_http_secure_link_module).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq as _;

/// What `$secure_link` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// `1`
    Good,
    /// `0`: it was, until its time was over.
    Expired,
}

/// A link's own part of `secure_link`: the sum, and until when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'v> {
    sum: &'v [u8],
    /// As it was written.
    pub expires: Option<&'v [u8]>,
    until: Option<u64>,
}

/// As nginx's `ngx_decode_base64url`, which looks at no bit it does not need and at nothing behind the first `=`.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);
/// The text of a sum is not longer than this.
const LONGEST: usize = 24;

impl<'v> Link<'v> {
    /// Reads `SUM` or `SUM,TIME`. `None`: the time is none.
    pub fn parse(value: &'v [u8]) -> Option<Link<'v>> {
        let Some(at) = value.iter().position(|b| *b == b',') else {
            return Some(Link { sum: value, expires: None, until: None });
        };
        let expires = &value[at + 1..];
        let digits = expires.iter().all(u8::is_ascii_digit).then_some(expires)?;
        let until: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let until = u64::try_from(until).ok().filter(|until| *until > 0)?;
        Some(Link { sum: &value[..at], expires: Some(expires), until: Some(until) })
    }

    /// Whether the sum is that of `text`, which holds what only the signer knows. `now`: seconds since 1970.
    pub fn check(&self, text: &[u8], now: u64) -> Option<Signed> {
        let letters = Some(self.sum).filter(|sum| sum.len() <= LONGEST)?.split(|b| *b == b'=').next()?;
        let sum = BASE64URL.decode(letters).ok()?;
        let own: [u8; 16] = Md5::digest(text).into();
        let same = bool::from(sum.as_slice().ct_eq(&own[..]));
        let over = self.until.is_some_and(|until| until < now);
        same.then_some(if over { Signed::Expired } else { Signed::Good })
    }
}

/// `/prefix/SUM/link` of `secure_link_secret`: the link, if the sum is that of the link and the secret.
pub fn by_secret<'u>(uri: &'u [u8], secret: &[u8]) -> Option<&'u [u8]> {
    let rest = uri.get(1..)?;
    let sum_at = rest.iter().position(|b| *b == b'/')? + 1;
    let rest = &rest[sum_at..];
    let end = rest.iter().position(|b| *b == b'/')?;
    let (sum, link) = (&rest[..end], &rest[end + 1..]);
    if sum.len() != 32 || link.is_empty() {
        return None;
    }
    let own = Md5::new().chain_update(link).chain_update(secret).finalize();
    let mut told = [0_u8; 16];
    for (byte, pair) in told.iter_mut().zip(sum.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    bool::from(told[..].ct_eq(own.as_slice())).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_until_its_time_is_over() {
        // echo -n '2147483647/s/link127.0.0.1 secret' | openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d =
        let text = b"2147483647/s/link127.0.0.1 secret";
        let link = Link::parse(b"_e4Nc3iduzkWRm01TBBNYw,2147483647").unwrap();
        assert_eq!(link.expires, Some(&b"2147483647"[..]));
        assert_eq!(link.check(text, 2_147_483_647), Some(Signed::Good));
        assert_eq!(link.check(text, 2_147_483_648), Some(Signed::Expired));
        assert_eq!(link.check(b"another", 0), None);
        assert_eq!(Link::parse(b"_e4Nc3iduzkWRm01TBBNYw==").unwrap().check(text, u64::MAX), Some(Signed::Good));
    }

    #[test]
    fn what_is_no_link_is_refused() {
        for value in ["a,", "a,0", "a,x", "a,-1", "a,99999999999999999999", "a,1,2"] {
            assert_eq!(Link::parse(value.as_bytes()), None, "{value}");
        }
        for value in ["", "a", "????", "_e4Nc3iduzkWRm01TBBNYwAAAAAA", "_e4Nc3iduzkWRm01TBBNY", "\u{fc}"] {
            let link = Link::parse(value.as_bytes()).unwrap();
            assert_eq!(link.check(b"2147483647/s/link127.0.0.1 secret", 0), None, "{value}");
        }
    }

    #[test]
    fn a_secret_signs_what_follows_the_sum() {
        // echo -n 'linksecret' | openssl md5 -hex
        let good = b"/p/1b43d34a1a6e73c66c0d9e58f3a4e0e5/link";
        let sum = format!("{:x}", Md5::digest(b"linksecret"));
        let uri = String::from_utf8_lossy(good).replace("1b43d34a1a6e73c66c0d9e58f3a4e0e5", &sum);
        assert_eq!(by_secret(uri.as_bytes(), b"secret"), Some(&b"link"[..]));
        assert_eq!(by_secret(uri.to_uppercase().replace("LINK", "link").as_bytes(), b"secret"), Some(&b"link"[..]));
        assert_eq!(by_secret(good, b"secret"), None);
        for uri in ["", "/", "//", "/p", "/p/x", "/p/x/", "/p/zz43d34a1a6e73c66c0d9e58f3a4e0e5/link"] {
            assert_eq!(by_secret(uri.as_bytes(), b"secret"), None, "{uri}");
        }
    }
}
