//! Private keys that are encrypted with a passphrase: in PKCS #8, as OpenSSL 3 writes them, and in the older form, whose
//! header names a cipher (RFC 1421). `ssl_password_file` has the passphrases.
//!
//! What comes out is a key as if it had never been encrypted, so that nobody else has to know of any of this.

use aes::{Aes128, Aes192, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, KeyIvInit};
use des::TdesEde3;
use md5::{Digest, Md5};
use pkcs8::EncryptedPrivateKeyInfo;

use super::pem::{Flaw, Pem};

const LOCKED: &str = "ENCRYPTED PRIVATE KEY";

/// A section of a file that is encrypted.
struct Section {
    label: String,
    /// `AES-256-CBC,IV` in the older form.
    cipher: Option<String>,
    bytes: Vec<u8>,
}

pub fn is_locked(file: &Pem) -> bool {
    section(file).is_some()
}

/// The key, opened by one of the passphrases; the file as it is if it holds nothing that is encrypted.
pub fn unlocked(file: Pem, passwords: &Pem) -> Result<Pem, Flaw> {
    let Some(locked) = section(&file) else { return Ok(file) };
    let lines = passwords.bytes.split(|b| *b == b'\n');
    let passwords_of_it = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty());
    let opened = passwords_of_it.clone().find_map(|password| match &locked.cipher {
        None => Some(("PRIVATE KEY", open_pkcs8(&locked.bytes, password)?)),
        Some(cipher) => Some((locked.label.as_str(), open_older(&locked.bytes, cipher, password)?)),
    });
    match opened {
        Some((label, der)) => {
            let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der));
            Ok(Pem { path: file.path, bytes: text.into_bytes() })
        }
        None => {
            let count = passwords_of_it.count();
            let why =
                format!("none of the {count} passphrases in `{}` opens the key in `{}`", passwords.path, file.path);
            Err(Flaw {
                message: why,
                help: Some(format!("`openssl pkey -in {} -noout` asks for it; a line has one", file.path)),
            })
        }
    }
}

fn section(file: &Pem) -> Option<Section> {
    let text = String::from_utf8_lossy(&file.bytes);
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let label = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        let Some(label) = label.filter(|label| label.ends_with("PRIVATE KEY")) else { continue };
        let end = format!("-----END {label}-----");
        let inside: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        let cipher =
            inside.iter().find_map(|line| line.strip_prefix("DEK-Info:")).map(|cipher| cipher.trim().to_owned());
        if label != LOCKED && cipher.is_none() {
            continue;
        }
        let data: String = inside.iter().filter(|line| !line.contains(':')).copied().collect();
        return Some(Section { label: label.to_owned(), cipher, bytes: BASE64.decode(data).ok()? });
    }
    None
}

fn open_pkcs8(der: &[u8], password: &[u8]) -> Option<Vec<u8>> {
    let info = EncryptedPrivateKeyInfo::try_from(der).ok()?;
    Some(info.decrypt(password).ok()?.as_bytes().to_vec())
}

/// A wrong passphrase is known by what comes out: no padding, or no sequence of ASN.1.
fn open_older(bytes: &[u8], cipher: &str, password: &[u8]) -> Option<Vec<u8>> {
    let (name, iv) = cipher.split_once(',')?;
    let iv = unhex(iv.trim())?;
    let opened = match name.trim() {
        "AES-128-CBC" => decrypted::<Decryptor<Aes128>>(bytes, &key(password, &iv, 16)?, &iv),
        "AES-192-CBC" => decrypted::<Decryptor<Aes192>>(bytes, &key(password, &iv, 24)?, &iv),
        "AES-256-CBC" => decrypted::<Decryptor<Aes256>>(bytes, &key(password, &iv, 32)?, &iv),
        "DES-EDE3-CBC" => decrypted::<Decryptor<TdesEde3>>(bytes, &key(password, &iv, 24)?, &iv),
        _ => None,
    };
    opened.filter(|der| der.first() == Some(&0x30))
}

fn decrypted<D: KeyIvInit + BlockDecryptMut>(bytes: &[u8], key: &[u8], iv: &[u8]) -> Option<Vec<u8>> {
    D::new_from_slices(key, iv).ok()?.decrypt_padded_vec_mut::<Pkcs7>(bytes).ok()
}

/// OpenSSL's EVP_BytesToKey: MD5, once, salted with the beginning of the initialization vector.
fn key(password: &[u8], iv: &[u8], length: usize) -> Option<Vec<u8>> {
    let salt = iv.get(..8)?;
    let mut key = Vec::new();
    let mut last = Vec::new();
    while key.len() < length {
        let mut digest = Md5::new();
        digest.update(&last);
        digest.update(password);
        digest.update(salt);
        last = digest.finalize().to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    Some(key)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::super::pem;
    use super::*;
    use std::process::Command;

    fn pem(path: &str, text: &str) -> Pem {
        Pem { path: path.into(), bytes: text.as_bytes().to_vec() }
    }

    fn openssl(words: &str) -> Pem {
        let made = Command::new("openssl").args(words.split(' ')).output().expect("openssl");
        assert!(made.status.success(), "{words}: {}", String::from_utf8_lossy(&made.stderr));
        Pem { path: words.into(), bytes: made.stdout }
    }

    #[test]
    fn keys_that_openssl_has_encrypted_are_opened() {
        let home = tempfile::tempdir().unwrap();
        let plain = home.path().join("plain.key");
        std::fs::write(&plain, openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256").bytes).unwrap();
        let plain = plain.display();
        let expected = pem::key(&openssl(&format!("pkey -in {plain}"))).unwrap().secret_der().to_vec();
        let sec1 = pem::key(&openssl(&format!("ec -in {plain}"))).unwrap().secret_der().to_vec();
        let passwords = pem("passwords", "wrong\r\n\ns3cret\nother\n");
        for (cipher, older) in
            [("aes-128-cbc", true), ("aes-192-cbc", true), ("aes256", true), ("des3", true), ("aes-256-cbc", false)]
        {
            let more = if older { "-traditional" } else { "-v2prf hmacWithSHA256" };
            let made = match older {
                true => openssl(&format!("pkey -in {plain} -{cipher} -passout pass:s3cret {more}")),
                false => openssl(&format!("pkcs8 -topk8 -in {plain} -v2 {cipher} -passout pass:s3cret {more}")),
            };
            assert!(is_locked(&made) && pem::key(&made).is_err(), "{cipher}");
            let opened = unlocked(made.clone(), &passwords).unwrap();
            let der = pem::key(&opened).unwrap().secret_der().to_vec();
            assert!(der == expected || der == sec1, "{cipher}");
            let refused = unlocked(made, &pem("passwords", "no\nS3cret\n")).unwrap_err();
            assert!(refused.message.starts_with("none of the 2 passphrases in `passwords` opens the key in `pk"));
        }
    }

    #[test]
    fn what_is_not_encrypted_is_left_as_it_is() {
        for text in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no PEM"] {
            let file = pem("a.key", text);
            assert!(!is_locked(&file));
            assert_eq!(unlocked(file.clone(), &pem("p", "x\n")).unwrap().bytes, file.bytes);
        }
        let cut =
            pem("a.key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n");
        assert!(unlocked(cut, &pem("p", "x\n")).is_err());
    }
}
