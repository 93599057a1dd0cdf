//! A word that who may do something knows, and nobody else.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;
const LONGEST: usize = 1024;

/// What stands in a file of a token, and is in memory as a hash alone.
#[derive(Clone)]
pub struct Token([u8; 32]);

/// Why a text is no token. The text itself is nowhere in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("a token has at least {SHORTEST} characters, so that nobody guesses it")]
    Short,
    #[error("a token is one line of at most {LONGEST} letters, digits and marks, without blanks")]
    Shape,
}

impl Token {
    /// Reads a file's content; blanks around it are none of it.
    pub fn read(content: &[u8]) -> Result<Token, BadToken> {
        let token = content.trim_ascii();
        if token.len() > LONGEST || !token.iter().all(u8::is_ascii_graphic) {
            return Err(BadToken::Shape);
        }
        if token.len() < SHORTEST {
            return Err(BadToken::Short);
        }
        Ok(Token(Sha256::digest(token).into()))
    }

    /// Whether that is it; the time that takes says nothing about it.
    pub fn is(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The token of `Authorization: Bearer TOKEN`.
pub fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_line_of_its_file_and_nothing_else() {
        let token = Token::read(b"  0123456789abcdef\n").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdef ", "0123456789ABCDEF"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn what_can_be_guessed_or_is_no_line_is_no_token() {
        assert_eq!(Token::read(b"0123456789abcde\n").unwrap_err(), BadToken::Short);
        assert_eq!(Token::read(b"\n").unwrap_err(), BadToken::Short);
        for wrong in
            [&b"0123456789abcdef\n0123456789abcdef"[..], b"0123456789 abcdef", b"0123456789abcdef\xff", &[b'a'; 2000]]
        {
            assert_eq!(Token::read(wrong).unwrap_err(), BadToken::Shape);
        }
    }

    #[test]
    fn a_field_bears_a_token_or_it_does_not() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for wrong in ["", "Bearer", "Bearer ", "Basic abc", "Bearerabc"] {
            assert_eq!(bearer(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
