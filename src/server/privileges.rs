//! Who edge runs as: `user` looked up, and become for good.

use super::Failure;
use std::ffi::{CStr, CString};
use std::io;

/// A user and a group of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: CString,
    pub user: libc::uid_t,
    pub group: libc::gid_t,
}

pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

impl Account {
    /// `user: NAME [GROUP]`. To be called while the process has one thread.
    pub fn find(written: &str) -> Result<Account, Failure> {
        let mut words = written.split_whitespace();
        let (name, group) = (words.next().unwrap_or_default(), words.next());
        let no_such = |kind: &str, name: &str| Failure::System {
            what: format!("`user: {written}`"),
            error: io::Error::new(io::ErrorKind::NotFound, format!("there is no {kind} `{name}`")),
        };
        let c_name = CString::new(name).map_err(|_| no_such("user", name))?;
        let (user, own_group) = user_ids(&c_name).ok_or_else(|| no_such("user", name))?;
        let group = match group {
            Some(group) => group_id(group).ok_or_else(|| no_such("group", group))?,
            None => own_group,
        };
        Ok(Account { name: c_name, user, group })
    }

    /// From now on the process is this user, gains no privilege by executing anything, and leaves nothing behind that
    /// anybody may write to.
    pub fn become_it(&self) -> io::Result<()> {
        // SAFETY: the name is a C string that lives for the calls; the rest are numbers.
        unsafe {
            done(libc::initgroups(self.name.as_ptr(), self.group))?;
            done(libc::setgid(self.group))?;
            done(libc::setuid(self.user))?;
            done(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
            let mask = libc::umask(0o022);
            libc::umask(mask | 0o022);
        }
        Ok(())
    }
}

fn done(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn user_ids(name: &CStr) -> Option<(libc::uid_t, libc::gid_t)> {
    // SAFETY: no other thread looks users up meanwhile; the result is read at once.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name_and_missed_by_name() {
        let root = Account::find("root").unwrap();
        assert_eq!((root.user, root.group), (0, 0));
        let nobody = Account::find("nobody root").unwrap();
        assert_eq!((nobody.user, nobody.group), (65534, 0));
        let told = |written: &str| Account::find(written).unwrap_err().to_string();
        assert_eq!(told("nobdy"), "`user: nobdy`: there is no user `nobdy`");
        assert_eq!(told("nobody no-such-group"), "`user: nobody no-such-group`: there is no group `no-such-group`");
    }
}
