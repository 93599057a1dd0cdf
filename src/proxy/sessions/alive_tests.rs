use super::*;

#[test]
fn a_session_is_due_once_and_again_when_its_time_has_come() {
    let (mut known, now) = (Known::default(), Instant::now());
    assert!(known.is_due("a", now));
    assert!(!known.is_due("a", now + LEAST / 2));
    assert!(known.is_due("a", now + LEAST));
    known.put("a", now + Duration::from_secs(600));
    assert!(!known.is_due("a", now + Duration::from_secs(599)));
    assert!(known.is_due("a", now + Duration::from_secs(600)));
}

#[test]
fn no_more_sessions_are_known_than_there_is_room_for() {
    let (mut known, now) = (Known::default(), Instant::now());
    known.is_due("used", now);
    for at in 0..2 * ROOM {
        known.is_due(&at.to_string(), now);
        assert!(!known.is_due("used", now), "one that is used stays known");
    }
    assert!(known.young.len() + known.old.len() <= ROOM);
}
