//! The process itself: its pid file, its limits, its user.

use super::Failure;
use crate::proxy::snapshot::Process;
use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};

/// The file with the number of the process; removed when it ends.
pub struct PidFile(PathBuf);

impl PidFile {
    pub fn write(path: &Path) -> Result<PidFile, Failure> {
        let failed = || Failure::system(format!("the pid file {} cannot be written", path.display()));
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed())?;
        }
        std::fs::write(path, format!("{}\n", std::process::id())).map_err(failed())?;
        Ok(PidFile(path.to_owned()))
    }
}

impl PidFile {
    /// After a reload: the new file is written, the old one goes.
    pub fn move_to(&mut self, path: &Path) -> Result<(), Failure> {
        if self.0 != path {
            *self = PidFile::write(path)?;
        }
        Ok(())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another process may have taken the file over meanwhile.
        let own = super::running_pid(&self.0).is_ok_and(|pid| pid as u32 == std::process::id());
        if own {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

/// `worker_rlimit_nofile`; without it, as many files as the system lets us have.
pub fn raise_limits(process: &Process) {
    // SAFETY: both calls only read and write the struct given to them.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return;
        }
        let wanted = process.nofile.unwrap_or(limit.rlim_max);
        let new = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &new) != 0 {
            log::warn!("worker_rlimit_nofile {wanted}: {}", io::Error::last_os_error());
        }
    }
}

/// From now on edge runs as `user`, once what only root may do is done.
pub fn drop_privileges(process: &Process) -> Result<(), Failure> {
    let Some(user) = &process.user else { return Ok(()) };
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        log::warn!("the `user` key makes sense only if edge is started by root; it is ignored");
        return Ok(());
    }
    let mut words = user.split_whitespace();
    let (name, group) = (words.next().unwrap_or_default(), words.next());
    let no_such = |kind: &str, name: &str| Failure::System {
        what: format!("`user: {user}`"),
        error: io::Error::new(io::ErrorKind::NotFound, format!("there is no {kind} `{name}`")),
    };
    let (uid, own_gid) = user_ids(name).ok_or_else(|| no_such("user", name))?;
    let gid = match group {
        Some(group) => group_id(group).ok_or_else(|| no_such("group", group))?,
        None => own_gid,
    };
    let name = CString::new(name).map_err(|_| no_such("user", name))?;
    // SAFETY: `name` is a C string that lives for the calls; the rest are numbers.
    let ok = unsafe { libc::initgroups(name.as_ptr(), gid) == 0 && libc::setgid(gid) == 0 && libc::setuid(uid) == 0 };
    if ok { Ok(()) } else { Err(Failure::system(format!("`user: {user}`"))(io::Error::last_os_error())) }
}

fn user_ids(name: &str) -> Option<(libc::uid_t, libc::gid_t)> {
    let name = CString::new(name).ok()?;
    // SAFETY: called before other threads look users up; the result is read at once.
    unsafe {
        let found = libc::getpwnam(name.as_ptr());
        (!found.is_null()).then(|| ((*found).pw_uid, (*found).pw_gid))
    }
}

fn group_id(name: &str) -> Option<libc::gid_t> {
    let name = CString::new(name).ok()?;
    // SAFETY: as above.
    unsafe {
        let found = libc::getgrnam(name.as_ptr());
        (!found.is_null()).then(|| (*found).gr_gid)
    }
}
