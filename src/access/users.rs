//! Files of users and their passwords: `auth_basic_user_file`.
//!
//! What always holds: a file counts as it is now, for each look asks for its stamp; what was read is kept as long as that
//! stays the same. Who was verified once is known by a keyed hash until the file changes, since a good hash takes long by
//! intention and browsers send the password with every request. What is kept is bounded.

use super::passwords::{self, Unknown};
use ring::hmac;
use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// So many files are kept: names may be made of what clients send.
const FILES: usize = 64;
/// So many verified passwords of a file.
const VERIFIED: usize = 1024;
/// A file that was changed a moment ago may change again without another time.
const YOUNG: Duration = Duration::from_secs(2);

/// The files that were looked into.
pub struct Users {
    files: Mutex<HashMap<PathBuf, Arc<Kept>>>,
    key: hmac::Key,
}

struct Kept {
    stamp: Stamp,
    /// It was written long enough before it was read.
    settled: bool,
    users: HashMap<Vec<u8>, Vec<u8>>,
    verified: Mutex<HashSet<[u8; 32]>>,
}

/// What differs if a file does.
#[derive(PartialEq, Eq)]
struct Stamp([i64; 7]);

impl Stamp {
    fn of(m: &Metadata) -> Stamp {
        let numbers = [m.dev(), m.ino(), m.size()].map(u64::cast_signed);
        let [device, inode, size] = numbers;
        Stamp([device, inode, size, m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()])
    }
}

/// A user's line.
pub struct User {
    file: Arc<Kept>,
    stored: Vec<u8>,
    tag: [u8; 32],
}

impl Users {
    /// With a key of its own, which nobody knows: edge's hashes say nothing to whoever sees the memory of another.
    pub fn new() -> Result<Users, ring::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &ring::rand::SystemRandom::new())?;
        Ok(Users { files: Mutex::default(), key })
    }

    /// Looks for a user; reads the file if it is not known as it is. Blocks.
    pub fn find(&self, path: &Path, user: &[u8], password: &[u8]) -> io::Result<Option<User>> {
        let file = self.file(path)?;
        let Some(stored) = file.users.get(user).cloned() else { return Ok(None) };
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user, &stored, password] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        Ok(Some(User { file, stored, tag }))
    }

    fn file(&self, path: &Path) -> io::Result<Arc<Kept>> {
        // A keeper may have to open it; what edge may not look at itself is read each time.
        let stamp = std::fs::metadata(path).map(|metadata| Stamp::of(&metadata));
        let known = self.lock().get(path).cloned();
        if let (Ok(stamp), Some(known)) = (&stamp, known)
            && known.settled
            && known.stamp == *stamp
        {
            return Ok(known);
        }
        let bytes = crate::system::read(path)?;
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let age = modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
        let settled = stamp.is_ok() && age.is_some_and(|age| age > YOUNG);
        let stamp = stamp.unwrap_or(Stamp([0; 7]));
        let kept = Arc::new(Kept { stamp, settled, users: read(&bytes), verified: Mutex::default() });
        let mut files = self.lock();
        if files.len() >= FILES && !files.contains_key(path) {
            files.clear();
        }
        files.insert(path.to_owned(), kept.clone());
        Ok(kept)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Arc<Kept>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl User {
    /// Whether this password was found to be right before.
    pub fn is_verified(&self) -> bool {
        self.file.verified.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.tag)
    }

    /// Whether the password is right. Takes long, by intention. Blocks.
    pub fn verify(&self, password: &[u8]) -> Result<bool, Unknown> {
        let right = passwords::is(password, &self.stored)?;
        if right {
            let mut verified = self.file.verified.lock().unwrap_or_else(PoisonError::into_inner);
            if verified.len() >= VERIFIED {
                verified.clear();
            }
            verified.insert(self.tag);
        }
        Ok(right)
    }
}

/// `user:password` in lines, perhaps with more behind another colon; `#` begins a comment. A user's first line counts.
pub(crate) fn read(bytes: &[u8]) -> HashMap<Vec<u8>, Vec<u8>> {
    let mut users = HashMap::new();
    for line in bytes.split(|b| *b == b'\n') {
        let Some(at) = line.iter().position(|b| *b == b':').filter(|_| !line.starts_with(b"#")) else { continue };
        let password = line[at + 1..].split(|b| matches!(*b, b':' | b'\r')).next().unwrap_or_default();
        users.entry(line[..at].to_vec()).or_insert_with(|| password.to_vec());
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn users() -> Users {
        Users::new().unwrap()
    }

    fn old(path: &Path) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    }

    #[test]
    fn lines_are_read_as_nginx_reads_them() {
        let text = b"# a:x\na:1\n\r\nb:2:more\r\nno colon\n:nobody\na:second\nc:\nd:4";
        let users = read(text);
        let stored = |user: &str| users.get(user.as_bytes()).map(|s| String::from_utf8_lossy(s).into_owned());
        assert_eq!(stored("a").as_deref(), Some("1"));
        assert_eq!(stored("b").as_deref(), Some("2"));
        assert_eq!(stored("c").as_deref(), Some(""));
        assert_eq!(stored("d").as_deref(), Some("4"));
        assert_eq!(stored("no colon"), None);
        assert_eq!(stored("# a"), None);
    }

    #[test]
    fn who_was_verified_is_known_until_the_file_changes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("users");
        std::fs::write(&path, "a:{PLAIN}one\n").unwrap();
        old(&path);
        let users = users();
        let find = |password: &str| users.find(&path, b"a", password.as_bytes()).unwrap().unwrap();
        assert!(!find("one").is_verified());
        assert_eq!(find("two").verify(b"two"), Ok(false));
        assert_eq!(find("one").verify(b"one"), Ok(true));
        assert!(find("one").is_verified() && !find("two").is_verified());
        std::fs::write(&path, "a:{PLAIN}two\n").unwrap();
        assert!(!find("one").is_verified());
        assert_eq!(find("one").verify(b"one"), Ok(false));
        assert_eq!(find("two").verify(b"two"), Ok(true));
        // Written a moment ago, it is not relied on.
        assert!(!find("two").is_verified());
        assert!(users.find(&path, b"b", b"").unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(users.find(&path, b"a", b"two").err().map(|e| e.kind()), Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn what_is_kept_has_an_end() {
        let home = tempfile::tempdir().unwrap();
        let users = users();
        let path = home.path().join("many");
        let text: String = (0..VERIFIED + 10).map(|n| format!("u{n}:{{PLAIN}}p\n")).collect();
        std::fs::write(&path, text).unwrap();
        old(&path);
        for n in 0..VERIFIED + 10 {
            let user = users.find(&path, format!("u{n}").as_bytes(), b"p").unwrap().unwrap();
            assert_eq!(user.verify(b"p"), Ok(true));
        }
        assert_eq!(users.lock()[&path].verified.lock().unwrap().len(), 10);
        for n in 0..FILES + 1 {
            let path = home.path().join(n.to_string());
            std::fs::write(&path, "a:b").unwrap();
            users.find(&path, b"a", b"").unwrap();
        }
        assert!(users.lock().len() <= FILES);
    }

    #[test]
    fn hostile_files_are_errors_or_hold_nobody() {
        let home = tempfile::tempdir().unwrap();
        let users = users();
        assert!(users.find(home.path(), b"a", b"").is_err());
        assert!(users.find(Path::new("/dev/zero"), b"a", b"").is_err());
        assert!(users.find(Path::new("/no\0thing"), b"a", b"").is_err());
        let large = home.path().join("large");
        File::create(&large).unwrap().set_len(17 << 20).unwrap();
        assert!(users.find(&large, b"a", b"").is_err());
        let zeros = home.path().join("zeros");
        std::fs::write(&zeros, vec![0; 1 << 16]).unwrap();
        assert!(users.find(&zeros, b"a", b"").unwrap().is_none());
    }
}
