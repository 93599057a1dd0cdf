//! The value memcached-session-manager keeps of a session: its header (version 2), then the attributes.
//!
//! The layout is MSM's `TranscoderService`, all numbers big-endian. Principals and saved requests are carried as they are.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::attributes::Attributes;

const VERSION: u16 = 2;
/// Where the id's length stands.
const ID_AT: usize = 42;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Blob {
    pub id: String,
    /// Milliseconds since 1970, as all times here.
    pub created: u64,
    /// The access before this one.
    pub last_accessed: u64,
    pub accessed: u64,
    pub saved: u64,
    /// Seconds; 0 and less is for ever.
    pub max_inactive: i32,
    pub is_new: bool,
    /// 0: nobody; 1: BASIC; 4: FORM.
    pub auth_type: u16,
    pub principal: Vec<u8>,
    /// What FORM goes on with after the login.
    pub saved_request: Vec<u8>,
    pub attributes: Attributes,
}

impl Blob {
    pub fn new(id: String, max_inactive: i32, now: u64) -> Blob {
        Blob {
            id,
            created: now,
            last_accessed: now,
            accessed: now,
            saved: now,
            max_inactive,
            is_new: true,
            auth_type: 0,
            principal: Vec::new(),
            saved_request: Vec::new(),
            attributes: Attributes::default(),
        }
    }

    pub fn counter(&self) -> Option<i32> {
        self.attributes.number("counter")
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(256);
        let flag = |yes| if yes { b'1' } else { b'0' };
        // Four numbers of two bytes end the header: authentication, principal, saved request, saved principal.
        let fields = ID_AT + 2 + self.id.len() + 8 + self.principal.len() + self.saved_request.len();
        blob.extend(VERSION.to_be_bytes());
        blob.extend((fields as u16).to_be_bytes());
        blob.extend(self.created.to_be_bytes());
        blob.extend(self.last_accessed.to_be_bytes());
        blob.extend(self.max_inactive.to_be_bytes());
        blob.extend([flag(self.is_new), flag(true)]);
        blob.extend(self.accessed.to_be_bytes());
        blob.extend(self.saved.to_be_bytes());
        blob.extend((self.id.len() as u16).to_be_bytes());
        blob.extend(self.id.as_bytes());
        blob.extend(self.auth_type.to_be_bytes());
        for part in [&self.principal, &self.saved_request, &Vec::new()] {
            blob.extend((part.len() as u16).to_be_bytes());
            blob.extend(part);
        }
        blob.extend(self.attributes.encode());
        blob
    }

    /// `None` if MSM would not take it for a valid session, or if its attributes are another application's.
    pub fn decode(blob: &[u8]) -> Option<Blob> {
        let fields = usize::from(u16::from_be_bytes(at(blob, 2)?));
        let valid = *blob.get(25)? == b'1';
        if u16::from_be_bytes(at(blob, 0)?) != VERSION || !valid {
            return None;
        }
        let (id, next) = part(blob, ID_AT)?;
        let auth_type = u16::from_be_bytes(at(blob, next)?);
        let (principal, next) = part(blob, next + 2)?;
        let (saved_request, _) = part(blob, next)?;
        Some(Blob {
            id: std::str::from_utf8(id).ok()?.to_string(),
            created: u64::from_be_bytes(at(blob, 4)?),
            last_accessed: u64::from_be_bytes(at(blob, 12)?),
            max_inactive: i32::from_be_bytes(at(blob, 20)?),
            is_new: *blob.get(24)? == b'1',
            accessed: u64::from_be_bytes(at(blob, 26)?),
            saved: u64::from_be_bytes(at(blob, 34)?),
            auth_type,
            principal: principal.to_vec(),
            saved_request: saved_request.to_vec(),
            attributes: Attributes::decode(blob.get(fields..)?)?,
        })
    }

    pub fn is_expired(&self, now: u64) -> bool {
        self.max_inactive > 0 && now.saturating_sub(self.accessed) >= self.max_inactive as u64 * 1000
    }

    /// What non-sticky mode keeps beside the session, to be renewed without it.
    pub fn validity(&self) -> Vec<u8> {
        let times = [self.last_accessed.to_be_bytes(), self.accessed.to_be_bytes()].concat();
        [&self.max_inactive.to_be_bytes()[..], &times].concat()
    }

    /// Takes over what `validity` wrote; `None` if it is something else.
    pub fn renew(&mut self, validity: &[u8]) -> Option<()> {
        self.max_inactive = i32::from_be_bytes(at(validity, 0)?);
        self.last_accessed = u64::from_be_bytes(at(validity, 4)?);
        self.accessed = u64::from_be_bytes(at(validity, 12)?);
        Some(())
    }
}

/// Tells whether two states of a session differ in what MSM saves them for: attributes and who is logged in.
pub(super) fn fingerprint(blob: &[u8]) -> Option<u64> {
    let (_, next) = part(blob, ID_AT)?;
    let mut hasher = DefaultHasher::new();
    blob.get(next..)?.hash(&mut hasher);
    Some(hasher.finish())
}

/// A length of two bytes and as many bytes, and what follows them.
fn part(blob: &[u8], offset: usize) -> Option<(&[u8], usize)> {
    let begin = offset + 2;
    let end = begin + usize::from(u16::from_be_bytes(at(blob, offset)?));
    Some((blob.get(begin..end)?, end))
}

fn at<const N: usize>(blob: &[u8], offset: usize) -> Option<[u8; N]> {
    blob.get(offset..offset + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from Tomcat 9.0.70 with MSM: a new session, and the same one after its second request.
    const RECORDED: [&str; 2] = [
        "0002005a000001a203ba8bdd000001a203ba8bdd000007083131000001a203ba8be5000001a203ba8bed002630\
         443132443235444132343639393131424132394436463538413546433835392d6e322e74310000000000000000\
         aced0005737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c756578\
         7200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000001740007636f756e7465\
         7271007e0002",
        "0002005a000001a203ba8bdd000001a203ba8bf3000007083031000001a203ba8cad000001a203ba8cae002630\
         443132443235444132343639393131424132394436463538413546433835392d6e322e74310000000000000000\
         aced0005737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c756578\
         7200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000001740007636f756e7465\
         727371007e000000000002",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(pair).collect()
    }

    #[test]
    fn what_tomcat_wrote_is_read_and_written_again_byte_for_byte() {
        for (hex, counter, is_new) in [(RECORDED[0], 1, true), (RECORDED[1], 2, false)] {
            let mut blob = Blob::decode(&bytes(hex)).unwrap();
            assert_eq!((blob.counter(), blob.is_new, blob.max_inactive), (Some(counter), is_new, 1800));
            blob.attributes.set_number("counter", counter);
            assert_eq!(blob.id, "0D12D25DA2469911BA29D6F58A5FC859-n2.t1");
            assert_eq!(blob.encode(), bytes(hex));
        }
    }

    #[test]
    fn a_cut_or_invalid_blob_is_no_session() {
        let whole = bytes(RECORDED[1]);
        for length in 0..whole.len() {
            assert_eq!(Blob::decode(&whole[..length]), None, "{length}");
        }
        for (offset, byte) in [(1, 3), (25, b'0'), (43, 255), (3, 255)] {
            let mut other = whole.clone();
            other[offset] = byte;
            assert_eq!(Blob::decode(&other), None, "{offset}");
        }
        // What MSM leaves under a key whose session is missing.
        assert_eq!(Blob::decode(&[1]), None);
    }

    #[test]
    fn a_principal_and_a_saved_request_are_carried_and_told_apart() {
        let mut blob = Blob::decode(&bytes(RECORDED[1])).unwrap();
        let before = fingerprint(&blob.encode());
        blob.accessed += 1;
        blob.id = "B-n1.t2".to_string();
        assert_eq!(fingerprint(&blob.encode()), before, "neither times nor id count");
        (blob.auth_type, blob.principal, blob.saved_request) = (4, b"who".to_vec(), b"what".to_vec());
        assert_ne!(fingerprint(&blob.encode()), before);
        assert_eq!(Blob::decode(&blob.encode()).unwrap(), blob);
    }

    #[test]
    fn validity_is_written_and_read_as_msm_does() {
        let mut blob = Blob::decode(&bytes(RECORDED[1])).unwrap();
        let validity = blob.validity();
        assert_eq!(validity.len(), 20);
        let whole = blob.clone();
        (blob.max_inactive, blob.accessed, blob.last_accessed) = (1, 2, 3);
        blob.renew(&validity).unwrap();
        assert_eq!(blob, whole);
        assert_eq!(blob.renew(&validity[..19]), None);
    }

    #[test]
    fn a_session_expires_after_its_idle_time() {
        let mut blob = Blob::decode(&bytes(RECORDED[0])).unwrap();
        assert!(!blob.is_expired(blob.accessed + 1_799_999));
        assert!(blob.is_expired(blob.accessed + 1_800_000));
        blob.max_inactive = 0;
        assert!(!blob.is_expired(u64::MAX));
    }
}
