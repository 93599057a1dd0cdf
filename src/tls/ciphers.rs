//! `ssl_ciphers`: OpenSSL's list of ciphers, read by OpenSSL's rules, for the suites of TLS 1.2 that rustls has.
//!
//! Those are the six with ECDHE and an AEAD. The list is worked off as `ssl_create_cipher_list` does: every rule moves the
//! ciphers it matches within one line of all of them, so that order, `-`, `+` and `@STRENGTH` come out as with nginx.
//! What edge lacks on purpose (CBC, RSA key exchange) is left out, with a warning where a cipher was asked for by its name.
//! DHE is left out without one: nginx does not use it either unless there is an `ssl_dhparam`.

use rustls::crypto::ring::cipher_suite as suites;
use rustls::{CipherSuite, SupportedCipherSuite};

use super::{Mistake, Part};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bulk {
    Aes256,
    ChaCha20,
    Aes128,
}

struct Cipher {
    name: &'static str,
    suite: SupportedCipherSuite,
    is_ecdsa: bool,
    bulk: Bulk,
}

/// In OpenSSL's own order.
static TLS12: [Cipher; 6] = [
    cipher("ECDHE-ECDSA-AES256-GCM-SHA384", suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, true, Bulk::Aes256),
    cipher("ECDHE-RSA-AES256-GCM-SHA384", suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, false, Bulk::Aes256),
    cipher(
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        true,
        Bulk::ChaCha20,
    ),
    cipher("ECDHE-RSA-CHACHA20-POLY1305", suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, false, Bulk::ChaCha20),
    cipher("ECDHE-ECDSA-AES128-GCM-SHA256", suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true, Bulk::Aes128),
    cipher("ECDHE-RSA-AES128-GCM-SHA256", suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false, Bulk::Aes128),
];

/// In OpenSSL's order; `ssl_ciphers` does not govern them.
pub static TLS13: [SupportedCipherSuite; 3] =
    [suites::TLS13_AES_256_GCM_SHA384, suites::TLS13_CHACHA20_POLY1305_SHA256, suites::TLS13_AES_128_GCM_SHA256];

/// Words that are known and match none of the six.
const ABSENT: &[&str] = &[
    "COMPLEMENTOFDEFAULT",
    "COMPLEMENTOFALL",
    "MEDIUM",
    "LOW",
    "EXP",
    "EXPORT",
    "EXPORT40",
    "EXPORT56",
    "RSA",
    "kRSA",
    "DH",
    "DHE",
    "EDH",
    "kDHE",
    "kEDH",
    "kDH",
    "kDHr",
    "kDHd",
    "ADH",
    "AECDH",
    "kECDH",
    "kECDHr",
    "kECDHe",
    "aECDH",
    "aDH",
    "aNULL",
    "eNULL",
    "NULL",
    "aDSS",
    "DSS",
    "PSK",
    "kPSK",
    "aPSK",
    "kECDHEPSK",
    "kDHEPSK",
    "kRSAPSK",
    "SRP",
    "kSRP",
    "aSRP",
    "GOST",
    "kGOST",
    "aGOST",
    "aGOST01",
    "aGOST12",
    "kGOST18",
    "GOST94",
    "GOST89MAC",
    "GOST12",
    "MD5",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA384",
    "3DES",
    "DES",
    "RC4",
    "RC2",
    "IDEA",
    "SEED",
    "CAMELLIA",
    "CAMELLIA128",
    "CAMELLIA256",
    "ARIA",
    "ARIA128",
    "ARIA256",
    "ARIAGCM",
    "AESCCM",
    "AESCCM8",
    "CBC",
    "SSLv2",
    "SSLv3",
    "TLSv1",
    "TLSv1.0",
];

/// What the names of OpenSSL's ciphers are made of; a name of other words is a slip of the pen.
const WORDS: &[&str] = &[
    "ECDHE",
    "DHE",
    "EDH",
    "ECDH",
    "ADH",
    "AECDH",
    "RSA",
    "ECDSA",
    "DSS",
    "PSK",
    "SRP",
    "AES128",
    "AES256",
    "CAMELLIA128",
    "CAMELLIA256",
    "ARIA128",
    "ARIA256",
    "CHACHA20",
    "POLY1305",
    "GCM",
    "CCM",
    "CCM8",
    "CBC",
    "CBC3",
    "DES",
    "3DES",
    "EDE",
    "RC4",
    "RC2",
    "IDEA",
    "SEED",
    "NULL",
    "EXP",
    "MD5",
    "SHA",
    "SHA256",
    "SHA384",
    "AES",
    "128",
    "256",
];

const fn cipher(name: &'static str, suite: SupportedCipherSuite, is_ecdsa: bool, bulk: Bulk) -> Cipher {
    Cipher { name, suite, is_ecdsa, bulk }
}

impl Cipher {
    /// Whether the cipher is one of those that a word means; `None` for a word that means nothing.
    fn is(&self, word: &str) -> Option<bool> {
        match word {
            "ALL" | "HIGH" | "ECDHE" | "EECDH" | "ECDH" | "kECDHE" | "kEECDH" | "TLSv1.2" => Some(true),
            "aRSA" => Some(!self.is_ecdsa),
            "ECDSA" | "aECDSA" => Some(self.is_ecdsa),
            "AES" | "AESGCM" | "FIPS" => Some(self.bulk != Bulk::ChaCha20),
            "AES128" => Some(self.bulk == Bulk::Aes128),
            "AES256" => Some(self.bulk == Bulk::Aes256),
            "CHACHA20" => Some(self.bulk == Bulk::ChaCha20),
            _ if ABSENT.contains(&word) => Some(false),
            _ if TLS12.iter().any(|cipher| cipher.name == word) => Some(self.name == word),
            _ => None,
        }
    }

    fn bits(&self) -> u32 {
        if self.bulk == Bulk::Aes128 { 128 } else { 256 }
    }
}

/// All ciphers in one line, those in use among those not.
struct Line(Vec<(&'static Cipher, bool)>);

impl Line {
    fn add(&mut self, matches: impl Fn(&Cipher) -> bool) {
        self.move_last(|cipher, used| !used && matches(cipher));
    }

    fn put_last(&mut self, matches: impl Fn(&Cipher) -> bool) {
        self.move_last(|cipher, used| used && matches(cipher));
    }

    fn move_last(&mut self, moves: impl Fn(&Cipher, bool) -> bool) {
        let (moved, stay): (Vec<_>, Vec<_>) = self.0.iter().partition(|(cipher, used)| moves(cipher, *used));
        self.0 = stay;
        self.0.extend(moved.into_iter().map(|(cipher, _)| (cipher, true)));
    }

    /// Out of use; what is added again later comes before what was never used.
    fn delete(&mut self, matches: impl Fn(&Cipher) -> bool) {
        let (deleted, stay): (Vec<_>, Vec<_>) = self.0.iter().partition(|(cipher, used)| *used && matches(cipher));
        self.0 = deleted.into_iter().map(|(cipher, _)| (cipher, false)).collect();
        self.0.extend(stay);
    }

    fn kill(&mut self, matches: impl Fn(&Cipher) -> bool) {
        self.0.retain(|(cipher, _)| !matches(cipher));
    }

    fn sort_by_strength(&mut self) {
        for bits in [256, 128] {
            self.put_last(|cipher| cipher.bits() == bits);
        }
    }

    fn in_use(&self) -> Vec<SupportedCipherSuite> {
        self.0.iter().filter(|(_, used)| *used).map(|(cipher, _)| cipher.suite).collect()
    }
}

/// Words of a list that mean nothing here.
#[derive(Default)]
struct Unheeded<'a> {
    /// Ciphers of OpenSSL's that edge does not have.
    lacking: Vec<&'a str>,
    unknown: Vec<&'a str>,
}

/// The suites of TLS 1.2 that a list names, in its order. nginx's default is `HIGH:!aNULL:!MD5`.
pub fn compile(list: Option<&str>, mistakes: &mut Vec<Mistake>) -> Vec<SupportedCipherSuite> {
    let list = list.unwrap_or("HIGH:!aNULL:!MD5");
    if let Some(fixed) = suite_b(list) {
        return fixed;
    }
    let mut line = Line(TLS12.iter().map(|cipher| (cipher, false)).collect());
    let mut unheeded = Unheeded::default();
    let rules = list.split([':', ',', ';', ' ', '\t', '\n']).filter(|rule| !rule.is_empty());
    for (at, rule) in rules.enumerate() {
        match rule {
            // Only at the beginning, as with OpenSSL, which passes over it elsewhere.
            "DEFAULT" if at == 0 => line.add(|_| true),
            "DEFAULT" => {}
            "@STRENGTH" => line.sort_by_strength(),
            _ if rule.starts_with('@') => {}
            _ => apply(rule, &mut line, &mut unheeded),
        }
    }
    unheeded.note(mistakes);
    line.in_use()
}

fn apply<'a>(rule: &'a str, line: &mut Line, unheeded: &mut Unheeded<'a>) {
    let (sign, words) = match rule.as_bytes()[0] {
        sign @ (b'!' | b'-' | b'+') => (sign, &rule[1..]),
        _ => (b' ', rule),
    };
    if words.split('+').any(|word| TLS12[0].is(word).is_none()) {
        if sign == b' ' {
            unheeded.add(words);
        }
        return;
    }
    let matches = |cipher: &Cipher| words.split('+').all(|word| cipher.is(word) == Some(true));
    match sign {
        b'!' => line.kill(matches),
        b'-' => line.delete(matches),
        b'+' => line.put_last(matches),
        _ => line.add(matches),
    }
}

/// Words that stand for a whole list.
fn suite_b(list: &str) -> Option<Vec<SupportedCipherSuite>> {
    let names: &[&str] = match list {
        "SUITEB128" => &["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"],
        "SUITEB128ONLY" => &["ECDHE-ECDSA-AES128-GCM-SHA256"],
        "SUITEB192" => &["ECDHE-ECDSA-AES256-GCM-SHA384"],
        _ => return None,
    };
    Some(
        names
            .iter()
            .flat_map(|name| TLS12.iter().filter(move |cipher| cipher.name == *name))
            .map(|c| c.suite)
            .collect(),
    )
}

impl<'a> Unheeded<'a> {
    fn add(&mut self, words: &'a str) {
        let is_tls13 = TLS13.iter().any(|suite| openssl_name(suite.suite()) == words);
        let is_known = words.split('-').all(|word| WORDS.contains(&word));
        if is_tls13 || words.starts_with("DHE-") {
            return;
        }
        let list = if is_known { &mut self.lacking } else { &mut self.unknown };
        if !list.contains(&words) {
            list.push(words);
        }
    }

    fn note(&self, mistakes: &mut Vec<Mistake>) {
        if !self.lacking.is_empty() {
            let message = format!("edge does without {}", self.lacking.join(", "));
            let help = "it has no CBC and no RSA key exchange; clients since about 2014 have one of the six with ECDHE and \
                        GCM or ChaCha20, older ones cannot connect";
            mistakes.push(Mistake::warning(Part::Ciphers, message).with_help(help));
        }
        for word in &self.unknown {
            let mistake = Mistake::warning(Part::Ciphers, format!("there is no cipher `{word}`; it is passed over"));
            mistakes.push(match suggestion(word) {
                Some(name) => mistake.with_help(format!("did you mean `{name}`?")),
                None => mistake.with_help("`openssl ciphers -v ALL` lists the names"),
            });
        }
    }
}

/// The cipher that a name was meant to be: by its name in the standard, or by a name much like it.
fn suggestion(word: &str) -> Option<&'static str> {
    let standard = TLS12.iter().find(|cipher| cipher.suite.suite().as_str() == Some(word));
    standard.map(|cipher| cipher.name).or_else(|| {
        let upper = word.to_ascii_uppercase();
        let near = TLS12.iter().map(|cipher| (strsim::damerau_levenshtein(cipher.name, &upper), cipher.name)).min()?;
        (near.0 <= 4).then_some(near.1)
    })
}

/// OpenSSL's name, as nginx prints `$ssl_cipher`.
pub fn openssl_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        _ => TLS12.iter().find(|cipher| cipher.suite.suite() == suite).map_or("", |cipher| cipher.name),
    }
}
