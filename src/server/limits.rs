//! `worker_rlimit_nofile`: how many files, and so connections, the process may have open.

use std::io;

/// Sets the limit; without one, as many files as the system lets us have.
pub fn raise(nofile: Option<u64>) {
    // SAFETY: both calls only read and write the struct given to them.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return;
        }
        let wanted = nofile.unwrap_or(limit.rlim_max);
        let new = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &new) != 0 {
            log::warn!("worker_rlimit_nofile {wanted}: {}", io::Error::last_os_error());
        }
    }
}
