//! What has to be known of a stored session before a server is asked to take it over: the head of MSM's value, which no
//! serializer writes (TranscoderService.java). Numbers are big-endian.

/// Of the head of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Whether MSM would load it. Whether it has expired by the clock is left to MSM: its machine's clock is not ours.
    pub valid: bool,
    pub max_inactive: i32,
    /// By the clock of the Tomcat that wrote it: to be compared with nothing but what the same one wrote.
    pub last_backup: u64,
    /// 0: nobody has logged in.
    pub authentication: u16,
    /// A request is kept for after a FORM login.
    pub saved_request: bool,
}

impl Stored {
    /// Nothing if it is no session: MSM's ping of one byte, another version, something cut off.
    pub fn read(value: &[u8]) -> Option<Stored> {
        let version = number(value, 0, 2)?;
        let attributes = number(value, 2, 2)? as usize;
        if !(1..=2).contains(&version) || attributes > value.len() {
            return None;
        }
        let head = &value[..attributes];
        let max_inactive = number(head, 20, 4)? as u32 as i32;
        let valid = *head.get(25)? == b'1';
        let last_backup = number(head, 34, 8)?;
        let authentication_at = 44 + number(head, 42, 2)? as usize;
        let authentication = number(head, authentication_at, 2)? as u16;
        let principal = number(head, authentication_at + 2, 2)? as usize;
        let saved = match version {
            1 => 0,
            _ => number(head, authentication_at + 4 + principal, 2)?,
        };
        Some(Stored { valid, max_inactive, last_backup, authentication, saved_request: saved > 0 })
    }

    /// Whether a probe could end up as the request that a login was waiting for.
    pub fn awaits_login(&self, form_login: bool) -> bool {
        self.saved_request || (form_login && self.authentication == 0)
    }
}

fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!((read.authentication, read.saved_request), (0, false));
        let read = Stored::read(&value("A-n1.t1", 4, b"GET /", b"")).unwrap();
        assert_eq!((read.authentication, read.saved_request), (4, true));
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

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), version in 0u8..4) {
            let _ = Stored::read(&bytes);
            if bytes.len() > 4 {
                let length = bytes.len() as u8;
                bytes[..4].copy_from_slice(&[0, version, 0, length]);
                let _ = Stored::read(&bytes);
            }
        }
    }
}
