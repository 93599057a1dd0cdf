//! The value memcached-session-manager keeps of a session: its header (version 2) and, with the Java serializer,
//! one attribute `counter`.
//!
//! The layout is MSM's `TranscoderService`, all numbers big-endian; the attributes are byte for byte what Java's
//! `ObjectOutputStream` writes for a map of one `Integer`, so a real Tomcat could go on with a demo's session.

const VERSION: u16 = 2;
/// Everything of an `ObjectOutputStream` up to the value of its first `Integer`.
const INTEGER: &[u8] =
    b"\xac\xed\x00\x05sr\x00\x11java.lang.Integer\x12\xe2\xa0\xa4\xf7\x81\x878\x02\x00\x01I\x00\x05value\
xr\x00\x10java.lang.Number\x86\xac\x95\x1d\x0b\x94\xe0\x8b\x02\x00\x00xp";
/// How many attributes follow, and the name of the one.
const NAME: &[u8] = b"\x00\x00\x00\x01t\x00\x07counter";
/// The very `Integer` that said how many: Java shares small ones.
const SAME: &[u8] = b"q\x00~\x00\x02";
const ANOTHER: &[u8] = b"sq\x00~\x00\x00";

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
    pub counter: u32,
}

impl Blob {
    pub fn encode(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(256);
        let flag = |yes| if yes { b'1' } else { b'0' };
        // Four lengths of two bytes end the header: authentication, principal, saved request, saved principal.
        let fields = 44 + self.id.len() + 8;
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
        blob.extend([0; 8]);
        blob.extend([INTEGER, NAME].concat());
        match self.counter {
            1 => blob.extend(SAME),
            counter => blob.extend([ANOTHER, &counter.to_be_bytes()].concat()),
        }
        blob
    }

    /// `None` if MSM would not take it for a valid session, or if its attributes are another application's.
    pub fn decode(blob: &[u8]) -> Option<Blob> {
        let fields = usize::from(u16::from_be_bytes(at(blob, 2)?));
        let length = usize::from(u16::from_be_bytes(at(blob, 42)?));
        let valid = *blob.get(25)? == b'1';
        if u16::from_be_bytes(at(blob, 0)?) != VERSION || !valid {
            return None;
        }
        Some(Blob {
            id: std::str::from_utf8(blob.get(44..44 + length)?).ok()?.to_string(),
            created: u64::from_be_bytes(at(blob, 4)?),
            last_accessed: u64::from_be_bytes(at(blob, 12)?),
            max_inactive: i32::from_be_bytes(at(blob, 20)?),
            is_new: *blob.get(24)? == b'1',
            accessed: u64::from_be_bytes(at(blob, 26)?),
            saved: u64::from_be_bytes(at(blob, 34)?),
            counter: counter(blob.get(fields..)?)?,
        })
    }

    pub fn is_expired(&self, now: u64) -> bool {
        self.max_inactive > 0 && now.saturating_sub(self.accessed) >= self.max_inactive as u64 * 1000
    }
}

fn counter(attributes: &[u8]) -> Option<u32> {
    let value = attributes.strip_prefix(INTEGER)?.strip_prefix(NAME)?;
    if value == SAME {
        return Some(1);
    }
    value.strip_prefix(ANOTHER)?.try_into().ok().map(u32::from_be_bytes)
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
            let blob = Blob::decode(&bytes(hex)).unwrap();
            assert_eq!((blob.counter, blob.is_new, blob.max_inactive), (counter, is_new, 1800));
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
    fn a_session_expires_after_its_idle_time() {
        let mut blob = Blob::decode(&bytes(RECORDED[0])).unwrap();
        assert!(!blob.is_expired(blob.accessed + 1_799_999));
        assert!(blob.is_expired(blob.accessed + 1_800_000));
        blob.max_inactive = 0;
        assert!(!blob.is_expired(u64::MAX));
    }
}
