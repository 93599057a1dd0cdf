//! The directory of a zone: names of files, the lock, and what does not belong there.
//!
//! One process owns a directory: it holds a lock on `.lock` that ends with it, however it ends. At a hand-over the old
//! process still holds it while the new one begins; the new one is a guest then. Both may read, write and remove
//! files, as a file says itself whose it is and comes by one rename; what needs the whole directory (loading it, removing
//! what a killed process left) waits until the guest has become the owner. A purge reaches the files of both, but
//! what the old process has in memory it goes on answering with until it ends.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::settings::ZoneError;
use crate::cache::key::{Hash, Variant};
use crate::cache::meta::Coding;

const LOCK: &str = ".lock";
const TEMPORARY: &str = ".temp";
/// How long another process that is just ending is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Home {
    path: PathBuf,
    levels: Vec<u8>,
    lock: std::sync::Mutex<File>,
    owned: AtomicBool,
    medium: Medium,
}

/// Whom reading a file may have to wait for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Medium {
    /// Nobody: tmpfs.
    Memory,
    /// A disk of this machine, unless the kernel has it in memory.
    Disk,
    /// Perhaps a server, even to open what is known.
    Unknown,
}

/// As statfs(2) names it.
const TMPFS: u32 = 0x0102_1994;
/// ext, XFS, btrfs, F2FS, ZFS.
const DISKS: [u32; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1];

impl Home {
    /// `heir_of`: the process that hands over to this one, and may hold the lock.
    pub fn open(zone: &str, path: &Path, levels: &[u8], heir_of: Option<u32>) -> Result<Home, ZoneError> {
        let unwritable = |source| ZoneError::Unwritable { zone: zone.into(), path: path.into(), source };
        let lock = prepare(path).map_err(unwritable)?;
        let home = Home {
            path: path.to_owned(),
            levels: levels.to_vec(),
            owned: AtomicBool::new(false),
            medium: Medium::of(&lock),
            lock: std::sync::Mutex::new(lock),
        };
        let begun = std::time::Instant::now();
        while !home.own() {
            let holder = home.holder();
            if heir_of.is_some_and(|pid| pid.to_string() == holder) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(ZoneError::Locked { zone: zone.into(), path: path.into(), holder });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(home)
    }

    /// Tries to become the owner.
    pub fn own(&self) -> bool {
        if self.owned.load(Ordering::Relaxed) {
            return true;
        }
        let mut file = super::lock(&self.lock);
        // SAFETY: the descriptor is that of a file that is open for as long as `file` is borrowed.
        let locked = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0;
        if locked {
            // Whom the lock belongs to is told to people only; that it is held does not depend on this.
            let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
            self.owned.store(true, Ordering::Relaxed);
        }
        locked
    }

    fn holder(&self) -> String {
        let mut text = String::new();
        let mut file = super::lock(&self.lock);
        let read = file.rewind().and_then(|()| (&mut *file).take(20).read_to_string(&mut text));
        match read {
            Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
            _ => "(unknown)".into(),
        }
    }

    pub fn medium(&self) -> Medium {
        self.medium
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn levels(&self) -> &[u8] {
        &self.levels
    }

    /// The last digits name the directories, as with nginx.
    fn directory(&self, hash: &Hash) -> PathBuf {
        let digits = hex(hash);
        let mut end = digits.len();
        let mut path = self.path.clone();
        for level in &self.levels {
            let begin = end - usize::from(*level);
            path.push(&digits[begin..end]);
            end = begin;
        }
        path
    }

    pub fn file(&self, hash: &Hash, variant: Variant) -> PathBuf {
        self.directory(hash).join(format!("{}-{}{}", hex(hash), hex(&variant.fields), variant.coding.number()))
    }

    pub fn temporary(&self, id: u64) -> PathBuf {
        self.path.join(TEMPORARY).join(format!("{id:x}.{}", std::process::id()))
    }

    pub fn create(&self, id: u64) -> io::Result<(File, PathBuf)> {
        let path = self.temporary(id);
        let open = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = open().or_else(|error| again_with_directory(error, &path, open))?;
        Ok((file, path))
    }

    /// From its temporary name to the one it is found by.
    pub fn publish(&self, temporary: &Path, hash: &Hash, variant: Variant) -> io::Result<()> {
        let path = self.file(hash, variant);
        let rename = || fs::rename(temporary, &path);
        rename().or_else(|error| again_with_directory(error, &path, rename))
    }

    /// The files of one key, by looking into its directory; for keys that the index does not know yet. Where all files
    /// lie in one directory that would take too long, and only the one that does not vary is looked for.
    pub fn probe(&self, hash: &Hash) -> Vec<(Variant, u64)> {
        if self.levels.is_empty() {
            let found = fs::metadata(self.file(hash, Variant::NONE));
            return found.map(|file| vec![(Variant::NONE, file.len())]).unwrap_or_default();
        }
        let Ok(entries) = fs::read_dir(self.directory(hash)) else {
            return vec![];
        };
        let named =
            entries.flatten().filter_map(|entry| Some((parse_name(&entry.file_name().to_string_lossy())?, entry)));
        let own = named.filter(|((other, _), _)| other == hash);
        own.filter_map(|((_, variant), entry)| Some((variant, entry.metadata().ok()?.len()))).collect()
    }

    /// When a file was made here, in nanoseconds since 1970: what comes now comes later, also if the clock went back.
    pub fn last_written(&self) -> u64 {
        let written = fs::metadata(self.path.join(TEMPORARY)).and_then(|metadata| metadata.modified());
        let since = written.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(0)
    }

    /// What a process left that is no more. For the owner, before it writes.
    pub fn clear_leftovers(&self) -> u64 {
        let Ok(entries) = fs::read_dir(self.path.join(TEMPORARY)) else {
            return 0;
        };
        let own = format!(".{}", std::process::id());
        let left = entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().ends_with(&own));
        left.filter(|entry| fs::remove_file(entry.path()).is_ok()).count() as u64
    }

    /// The directories that files lie in.
    pub fn leaves(&self) -> Vec<PathBuf> {
        let mut leaves = vec![self.path.clone()];
        for level in &self.levels {
            let below = leaves.iter().flat_map(|path| directories(path, usize::from(*level)));
            leaves = below.collect();
        }
        leaves
    }

    pub fn free_space(&self) -> io::Result<u64> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::CString::new(self.path.as_os_str().as_bytes()).map_err(io::Error::other)?;
        let mut told = std::mem::MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: the path ends with a zero, and there is room for the one struct that is written.
        if unsafe { libc::statvfs(path.as_ptr(), told.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so all of it was written.
        let told = unsafe { told.assume_init() };
        Ok(told.f_bavail.saturating_mul(told.f_frsize))
    }
}

/// Directories whose names have so many digits.
fn directories(path: &Path, digits: usize) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return vec![];
    };
    let fits = |name: &str| name.len() == digits && name.bytes().all(|b| b.is_ascii_hexdigit());
    let named = entries.flatten().filter(|entry| fits(&entry.file_name().to_string_lossy()));
    named.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

fn prepare(path: &Path) -> io::Result<File> {
    let directory = path.join(TEMPORARY);
    make_directory(&directory)?;
    let probe = directory.join(format!("probe.{}", std::process::id()));
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)?;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path.join(LOCK))
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn again_with_directory<T>(error: io::Error, path: &Path, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let Some(directory) = path.parent().filter(|_| error.kind() == io::ErrorKind::NotFound) else {
        return Err(error);
    };
    make_directory(directory)?;
    work()
}

fn hex(hash: &Hash) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// Whose file it is, by its name.
pub fn parse_name(name: &str) -> Option<(Hash, Variant)> {
    let (hash, variant) = name.split_once('-')?;
    let all_lower = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hash.len() != 32 || variant.len() != 33 || !all_lower(hash) || !all_lower(variant) {
        return None;
    }
    let hash = u128::from_str_radix(hash, 16).ok()?.to_be_bytes();
    let fields = u128::from_str_radix(&variant[..32], 16).ok()?.to_be_bytes();
    let coding = Coding::from_number(variant[32..].parse().ok()?)?;
    Some((hash, Variant { fields, coding }))
}

impl Medium {
    /// What a file lies on.
    fn of(file: &File) -> Medium {
        // SAFETY: it is plain data that the call fills in.
        let mut about: libc::statfs = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is that of an open file, and `about` lives until after the call.
        let told = unsafe { libc::fstatfs(file.as_raw_fd(), &mut about) };
        // What is longer in memory than 32 bits is sign-extended at the most.
        match about.f_type as u32 {
            _ if told != 0 => Medium::Unknown,
            TMPFS => Medium::Memory,
            kind if DISKS.contains(&kind) => Medium::Disk,
            _ => Medium::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::Key;

    #[test]
    fn names_are_read_back_and_directories_are_the_last_digits() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open("z", dir.path(), &[1, 2], None).unwrap();
        let key = Key::of(&[b"a"]);
        let variant = Variant::of([("accept", b"x".as_slice())]).coded(Coding::Zstd);
        let path = home.file(key.hash(), variant);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(parse_name(name), Some((*key.hash(), variant)));
        let digits = format!("{key:?}");
        assert_eq!(path.parent().unwrap(), dir.path().join(&digits[31..]).join(&digits[29..31]));
        for bad in ["", "-", "x", &name[1..], &name[..48], &name.to_uppercase(), &format!("{name}0")] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
        let last = name.len() - 1;
        assert_eq!(parse_name(&format!("{}9", &name[..last])), None);
    }
}
