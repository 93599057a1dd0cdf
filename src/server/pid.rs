//! The pid file: the number of the process that whoever started edge knows, for as long as it runs.

use super::Failure;
use crate::config::diagnostics::plain;
use crate::system::{self, Request};
use std::io;
use std::path::{Path, PathBuf};

/// The file with the number of the process; removed when it ends.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// The keeper has written it and removes it.
    kept: bool,
}

impl PidFile {
    pub fn write(path: &Path) -> Result<PidFile, Failure> {
        // Where a directory on the way is not root's alone, the keeper leaves it to whom it belongs.
        let kept = system::has_keeper() && system::ask(&Request::Pid(path.to_owned()), None).is_ok();
        if !kept {
            let failed = Failure::system(format!("the pid file {} cannot be written", path.display()));
            write_number(path).map_err(failed)?;
        }
        Ok(PidFile { path: path.to_owned(), kept })
    }

    /// After a reload: the new file is written, the old one goes.
    pub fn move_to(&mut self, path: &Path) -> Result<(), Failure> {
        if self.path != path {
            *self = PidFile::write(path)?;
        }
        Ok(())
    }

    /// The number moves to another file, as before a new binary starts and after it has failed.
    pub fn rename(&mut self, to: &Path) -> io::Result<()> {
        if !self.kept {
            std::fs::rename(&self.path, to)?;
        }
        self.path = to.to_owned();
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The process that whoever started edge knows: this one, or the keeper.
fn number() -> u32 {
    if system::has_keeper() { std::os::unix::process::parent_id() } else { std::process::id() }
}

/// Where the old process keeps its number while a new binary starts.
pub fn old_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".oldbin");
    name.into()
}

/// Writes the number, the directory made if need be.
fn write_number(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, format!("{}\n", number()))
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another process may have taken the file over meanwhile.
        let own = !self.kept && running_pid(&self.path).is_ok_and(|pid| pid as u32 == number());
        if own {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The number that a running edge has written.
pub fn running_pid(path: &Path) -> Result<i32, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {}", path.display(), plain(&e)))?;
    let number = text.trim().parse().ok().filter(|pid: &i32| *pid > 0);
    number.ok_or_else(|| format!("{} holds no number of a process", path.display()))
}
