use super::*;
use proptest::prelude::*;

const VALUES: &str = include_str!("../../../tests/msm/values.txt");

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// A value that a Tomcat has stored.
fn recorded(name: &str) -> Vec<u8> {
    let line = VALUES.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    bytes(line.unwrap_or_else(|| panic!("{name} is not recorded")))
}

/// The attributes begin with the magic number of a Java stream.
fn begins_there(value: &[u8], header: &Header) -> bool {
    value[header.attributes..].starts_with(b"\xac\xed\x00\x05")
}

#[test]
fn a_new_session_is_read_as_it_was_stored() {
    let value = recorded("new");
    let header = Header::read(&value).unwrap();
    assert_eq!((header.version, header.created, header.last_accessed), (2, 1795358886877, 1795358886877));
    assert_eq!((header.this_accessed, header.saved, header.max_inactive), (1795358886885, 1795358886893, 1800));
    assert_eq!((header.is_new, header.is_valid), (true, true));
    assert_eq!(header.id, "0D12D25DA2469911BA29D6F58A5FC859-n2.t1");
    assert_eq!((header.authentication, header.has_principal(), header.user()), (Authentication::None, false, None));
    assert_eq!((header.attributes, header.has_saved_request()), (90, false));
    let second = recorded("second");
    assert!(!Header::read(&second).unwrap().is_new);
    for name in ["new", "second", "basic", "form", "form_unfinished", "non_sticky"] {
        let value = recorded(name);
        assert!(begins_there(&value, &Header::read(&value).unwrap()), "{name}");
    }
}

#[test]
fn who_has_logged_in_is_read_and_nothing_of_it_is_shown() {
    for (name, authentication, has_saved_request) in [
        ("basic", Authentication::Basic, false),
        ("form", Authentication::Form, false),
        ("form_unfinished", Authentication::Form, true),
    ] {
        let value = recorded(name);
        let header = Header::read(&value).unwrap();
        assert_eq!((header.authentication, header.has_principal()), (authentication, true), "{name}");
        assert_eq!(
            (header.user().as_deref(), header.has_saved_request()),
            (Some("alice"), has_saved_request),
            "{name}"
        );
        let shown = format!("{header:?}");
        assert!(!shown.contains("secret") && !shown.contains(header.id), "{shown}");
    }
}

#[test]
fn version_1_ends_with_the_principal() {
    let mut value = recorded("new");
    value[1] = 1;
    let attributes = value.split_off(90);
    value.truncate(86);
    value[3] = 86;
    value.extend(attributes);
    let header = Header::read(&value).unwrap();
    assert_eq!((header.version, header.attributes), (1, 86));
    assert!(begins_there(&value, &header));
}

#[test]
fn a_session_is_resumable_until_it_was_idle_for_too_long() {
    let mut value = recorded("new");
    let accessed = Header::read(&value).unwrap().this_accessed;
    let resumable = |value: &[u8], now| Header::read(value).unwrap().is_resumable(now);
    assert!(resumable(&value, accessed + 1_799_999));
    assert!(!resumable(&value, accessed + 1_800_000));
    // A clock that is behind ends no session.
    assert!(resumable(&value, accessed - 5_000_000));
    value[20..24].copy_from_slice(&(-1i32).to_be_bytes());
    assert!(resumable(&value, i64::MAX));
    value[25] = b'0';
    assert!(!resumable(&value, accessed));
}

#[test]
fn what_is_no_session_is_said() {
    assert_eq!(Header::read(&[1]), Err(Unreadable::Missing));
    assert_eq!(Header::read(&[]), Err(Unreadable::Malformed));
    assert_eq!(Header::read(&recorded("validity")), Err(Unreadable::Version(0)));
    let whole = recorded("form");
    let attributes = Header::read(&whole).unwrap().attributes;
    for length in 2..attributes {
        assert_eq!(Header::read(&whole[..length]), Err(Unreadable::Malformed), "{length}");
        assert_eq!(refreshed(&whole[..length], 0), None);
    }
    assert!(Header::read(&whole[..attributes]).is_ok());
    for (offset, byte, why) in
        [(1, 3, Unreadable::Version(3)), (2, 0x80, Unreadable::Malformed), (43, 255, Unreadable::Malformed)]
    {
        let mut other = whole.clone();
        other[offset] = byte;
        assert_eq!(Header::read(&other), Err(why), "{offset}");
    }
}

#[test]
fn a_refreshed_session_has_other_times_and_nothing_else() {
    let value = recorded("second");
    let now = 1_800_000_000_000;
    let fresh = refreshed(&value, now).unwrap();
    let (old, new) = (Header::read(&value).unwrap(), Header::read(&fresh).unwrap());
    assert!(!old.is_resumable(now) && new.is_resumable(now + 1_799_999));
    assert_eq!(new, Header { last_accessed: now, this_accessed: now, ..old });
    assert_eq!(fresh[old.attributes..], value[old.attributes..]);
    assert_eq!(refreshed(&[1], now), None);
}

#[test]
fn the_validity_is_twenty_bytes() {
    let value = recorded("validity");
    let validity = Validity::read(&value).unwrap();
    assert_eq!(validity.max_inactive, 1800);
    assert!(validity.is_valid(validity.this_accessed + 1_799_999));
    assert!(!validity.is_valid(validity.this_accessed + 1_800_000));
    assert!(Validity { max_inactive: 0, ..validity }.is_valid(i64::MAX));
    assert_eq!(Validity::read(&value[..19]), None);
    assert_eq!(Validity::read(&[&value[..], &[0]].concat()), None);
    assert_eq!(Validity::read(&[1]), None);
}

#[test]
fn a_principal_that_is_cut_or_of_another_class_has_no_name() {
    let value = recorded("basic");
    let serialized = Header::read(&value).unwrap().principal;
    let until = serialized.windows(5).position(|part| part == b"alice").unwrap() + 5;
    assert_eq!(principal::name(&serialized[..until]).as_deref(), Some("alice"));
    assert!((0..until).all(|length| principal::name(&serialized[..length]).is_none()));
    let mut other = serialized.to_vec();
    let class = "org.apache.catalina.realm.GenericPrincipal$SerializablePrincipal".len();
    other[8 + class - 1] ^= 1;
    assert_eq!(principal::name(&other), None);
    let mut control = serialized[..until].to_vec();
    control[until - 1] = 0x1b;
    assert_eq!(principal::name(&control), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..400), now in any::<i64>()) {
        all(&value, now);
    }

    #[test]
    fn any_change_of_a_real_session_is_read_or_refused(
        name in prop::sample::select(vec!["new", "basic", "form_unfinished"]),
        changes in proptest::collection::vec((0usize..900, any::<u8>()), 1..6),
        length in 0usize..1000,
        now in any::<i64>(),
    ) {
        let mut value = recorded(name);
        for (at, byte) in changes {
            let at = at % value.len();
            value[at] = byte;
        }
        value.truncate(length);
        all(&value, now);
    }
}

/// All that can be asked of a value.
fn all(value: &[u8], now: i64) {
    let _ = principal::name(value);
    let _ = Validity::read(value).map(|validity| validity.is_valid(now));
    let Ok(header) = Header::read(value) else {
        assert_eq!(refreshed(value, now), None);
        return;
    };
    let _ = (header.is_resumable(now), header.user(), format!("{header:?}"));
    let fresh = refreshed(value, now).unwrap();
    assert!(Header::read(&fresh).unwrap().is_resumable(now) || !header.is_valid);
}
