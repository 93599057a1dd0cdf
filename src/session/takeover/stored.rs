//! What has to be known of a stored session before a server is asked to take it over.

use crate::session::blob::{Authentication, Header};

/// Of the head of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Whether MSM would load it. Whether it has expired by the clock is left to MSM: its machine's clock is not ours.
    pub valid: bool,
    pub max_inactive: i32,
    /// By the clock of the Tomcat that wrote it: to be compared with nothing but what the same one wrote.
    pub last_backup: i64,
    pub logged_in: bool,
    /// A request is kept for after a FORM login.
    pub saved_request: bool,
}

impl Stored {
    /// Nothing if it is no session: MSM's ping of one byte, another version, something cut off.
    pub fn read(value: &[u8]) -> Option<Stored> {
        let header = Header::read(value).ok()?;
        Some(Stored {
            valid: header.is_valid,
            max_inactive: header.max_inactive,
            last_backup: header.saved,
            logged_in: header.authentication != Authentication::None,
            saved_request: header.has_saved_request(),
        })
    }

    /// Whether a probe could end up as the request that a login was waiting for.
    pub fn awaits_login(&self, form_login: bool) -> bool {
        self.saved_request || (form_login && !self.logged_in)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A value as MSM writes it.
    pub fn value(id: &str, authentication: u16, saved: &[u8], attributes: &[u8]) -> Vec<u8> {
        let mut head = vec![0; 44];
        head[0..2].copy_from_slice(&2u16.to_be_bytes());
        head[20..24].copy_from_slice(&1800u32.to_be_bytes());
        head[24..26].copy_from_slice(b"01");
        head[41] = 5;
        head[42..44].copy_from_slice(&(id.len() as u16).to_be_bytes());
        head.extend(id.bytes());
        head.extend(authentication.to_be_bytes());
        head.extend([0, 0]);
        head.extend((saved.len() as u16).to_be_bytes());
        head.extend(saved);
        head.extend([0, 0]);
        let length = head.len() as u16;
        head[2..4].copy_from_slice(&length.to_be_bytes());
        head.extend(attributes);
        head
    }

    #[test]
    fn a_session_is_read_as_far_as_it_matters() {
        let read = Stored::read(&value("A-n1.t1", 0, b"", b"attributes")).unwrap();
        assert_eq!((read.valid, read.max_inactive, read.last_backup), (true, 1800, 5));
        assert!(!read.logged_in && !read.saved_request);
        let read = Stored::read(&value("A-n1.t1", 4, b"GET /", b"")).unwrap();
        assert!(read.logged_in && read.saved_request);
    }

    #[test]
    fn a_session_that_waits_for_a_login_is_told() {
        let waits = |authentication, saved: &[u8], form| {
            Stored::read(&value("A", authentication, saved, b"")).unwrap().awaits_login(form)
        };
        assert!(waits(0, b"GET /", false) && waits(4, b"GET /", true) && waits(0, b"", true));
        assert!(!waits(0, b"", false) && !waits(4, b"", true));
    }

    #[test]
    fn what_is_no_session_is_none() {
        let good = value("A-n1.t1", 0, b"", b"");
        let mut old = good.clone();
        old[1] = 3;
        for bad in [&b"\x01"[..], b"", b"locked", &good[..good.len() - 1], &old] {
            assert_eq!(Stored::read(bad), None, "{bad:?}");
        }
    }
}
