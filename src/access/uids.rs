//! Cookies that tell browsers apart: `userid` (nginx's and Apache's mod_uid).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Four numbers: who gave it, when, which process, and which of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uid(pub [u32; 4]);

/// As nginx, which looks at no bit it does not need.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);
/// The letters of one without the two that fill up.
const LETTERS: usize = 22;

/// A cookie that a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Got<'c> {
    pub uid: Uid,
    letters: &'c [u8],
    mark: Option<u8>,
}

/// Why a cookie says nothing, as nginx words it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    #[error("client sent too short userid cookie")]
    Short,
    #[error("client sent invalid userid cookie")]
    Invalid,
}

impl<'c> Got<'c> {
    pub fn read(cookie: &'c [u8]) -> Result<Got<'c>, Bad> {
        // The letters that fill up may be a mark, or gone.
        let letters = cookie.get(..LETTERS).ok_or(Bad::Short)?;
        let bytes = BASE64.decode(letters).map_err(|_| Bad::Invalid)?;
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let mark = cookie.get(LETTERS).copied().filter(|_| cookie.get(LETTERS + 1) == Some(&b'='));
        Ok(Got { uid: Uid(words), letters, mark })
    }

    /// Whether it is one at all: nobody is given a zero.
    pub fn is_some(&self) -> bool {
        self.uid.0[3] != 0
    }

    pub fn is_marked(&self, mark: u8) -> bool {
        self.mark == Some(mark)
    }

    /// The same with a mark.
    pub fn marked(&self, mark: u8) -> Vec<u8> {
        [self.letters, &[mark, b'=']].concat()
    }
}

/// How they are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

static NEXT: [AtomicU32; 2] = [AtomicU32::new(1), AtomicU32::new(FIRST_TWO)];
/// No byte of these is zero or looks like the end of a text.
const FIRST_TWO: u32 = 0x0303_0302;

static START: LazyLock<u32> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.subsec_micros() / 20) << 16 | (std::process::id() & 0xffff)
});

impl Uid {
    /// A new one. `service`: `userid_service`; else the server's own address tells it from others.
    pub fn new(version: Version, service: Option<u32>, local: IpAddr, now: SystemTime) -> Uid {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as u32;
        match version {
            Version::One => {
                let number = NEXT[0].fetch_add(0x100, Ordering::Relaxed);
                Uid([service.unwrap_or(0), seconds, *START, number])
            }
            Version::Two => {
                let step = |n: u32| Some(n.checked_add(0x100).unwrap_or(FIRST_TWO));
                let number = NEXT[1].fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap_or(FIRST_TWO);
                let own = match local.to_canonical() {
                    IpAddr::V4(v4) => u32::from_ne_bytes(v4.octets()),
                    IpAddr::V6(v6) => {
                        let [.., a, b, c, d] = v6.octets();
                        u32::from_ne_bytes([a, b, c, d])
                    }
                };
                Uid([service.map_or(own, u32::to_be), seconds.to_be(), START.to_be(), number.to_be()])
            }
        }
    }

    /// The value of a cookie.
    pub fn cookie(&self, mark: Option<u8>) -> Vec<u8> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut text = STANDARD.encode(bytes).into_bytes();
        if let (Some(mark), Some(place)) = (mark, text.get_mut(LETTERS)) {
            *place = mark;
        }
        text
    }

    /// `NAME=` and the numbers, as logs have it.
    pub fn write(&self, name: &str, out: &mut Vec<u8>) {
        let [a, b, c, d] = self.0;
        out.extend_from_slice(format!("{name}={a:08X}{b:08X}{c:08X}{d:08X}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn what_is_given_is_read_again() {
        for version in [Version::One, Version::Two] {
            let uid = Uid::new(version, None, LOCAL, SystemTime::now());
            let cookie = uid.cookie(None);
            assert_eq!(cookie.len(), 24);
            let got = Got::read(&cookie).unwrap();
            assert!(got.uid == uid && got.is_some() && !got.is_marked(b'x'));
            let marked = uid.cookie(Some(b'x'));
            let again = Got::read(&marked).unwrap();
            assert!(again.uid == uid && again.is_marked(b'x') && !again.is_marked(b'y'));
            assert_eq!(got.marked(b'x'), marked);
            assert_ne!(Uid::new(version, None, LOCAL, SystemTime::now()), uid);
        }
        let uid = Uid::new(Version::One, Some(7), LOCAL, UNIX_EPOCH);
        assert_eq!(uid.0[..2], [7, 0]);
        let mut text = Vec::new();
        Uid([1, 2, 3, 0xabcd]).write("uid", &mut text);
        assert_eq!(text, b"uid=0000000100000002000000030000ABCD");
    }

    #[test]
    fn what_is_no_cookie_says_nothing() {
        assert_eq!(Got::read(b""), Err(Bad::Short));
        assert_eq!(Got::read(b"AAAAAAAAAAAAAAAAAAAAA"), Err(Bad::Short));
        assert_eq!(Got::read(b"AAAAAAAAAAAA!AAAAAAAAA"), Err(Bad::Invalid));
        assert!(!Got::read(b"AAAAAAAAAAAAAAAAAAAAAA").unwrap().is_some());
    }
}
