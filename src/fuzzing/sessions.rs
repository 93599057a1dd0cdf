//! What clients, servers and memcached say of sessions. An id is a part of commands and of fields: nothing may come through it.

use super::{lines, mark};
use crate::config::nodes::parse_nodes;
use crate::session::blob::{Header, Validity, refreshed};
use crate::session::carried::Names;
use crate::session::id::Id;
use crate::session::record::Record;
use crate::session::servers::{Question, Reading, read_answer};

pub fn blob(bytes: &[u8]) -> u64 {
    let validity = Validity::read(bytes).map(|validity| validity.is_valid(1_700_000_000_000));
    let header = match Header::read(bytes) {
        Err(why) => return mark((validity, why.to_string().len())),
        Ok(header) => header,
    };
    assert!(header.attributes <= bytes.len());
    let user = header.user();
    let now = 1_700_000_000_000;
    let newer = refreshed(bytes, now).expect("it was a session before");
    let again = Header::read(&newer).expect("it still is one");
    assert_eq!((again.last_accessed, again.this_accessed), (now, now));
    assert_eq!(
        (again.id, again.created, again.attributes, again.user()),
        (header.id, header.created, header.attributes, user.clone())
    );
    mark((header.version, header.is_resumable(now), header.has_principal(), header.has_saved_request(), user.is_some()))
}

/// Its parts are all there is of it, and it stands in a key of memcached's as it is.
pub fn id(bytes: &[u8]) -> u64 {
    let Some(id) = Id::parse(bytes) else { return 0 };
    let node = id.node().map(|node| format!("-{node}")).unwrap_or_default();
    let route = id.route().map(|route| format!(".{route}")).unwrap_or_default();
    assert_eq!(format!("{}{node}{route}", id.base()).as_bytes(), bytes);
    assert!(!id.base().is_empty() && bytes.iter().all(|b| b.is_ascii_graphic() && !b";,\"\\/?#".contains(b)));
    for before in ["", "bak:validity:", "static:x:bak:"] {
        let key = id.key(before).expect("an id stands in a key");
        assert!(key.as_str().len() <= 250 && key.as_str().bytes().all(|b| b.is_ascii_graphic()));
    }
    let moved = id.with_route("t2");
    let again = Id::parse(moved.as_bytes());
    assert!(again.is_none_or(|again| (again.base(), again.route()) == (id.base(), Some("t2"))));
    mark((id.node().map(|n| n.len().min(3)), id.route().map(|r| r.len().min(3)), id.base().len().min(3)))
}

/// `Cookie` and TARGET: an id takes the place of another one, and nothing else changes.
pub fn carried(bytes: &[u8]) -> u64 {
    let [cookie, target] = lines(bytes);
    let names = Names::default();
    let found: Vec<Id> = names.ids([cookie].into_iter(), target).collect();
    let _ = (names.id_set(cookie), names.is_set(cookie));
    for id in found.iter().take(3) {
        let (field, path) =
            (names.exchange_cookie(cookie, id.as_str(), "NEW.t9"), names.exchange_path(target, id.as_str(), "NEW.t9"));
        assert!(field.is_some() || path.is_some(), "{} stands nowhere", id.as_str());
        for (new, old) in [(&field, cookie), (&path, target)] {
            let Some(new) = new else { continue };
            assert!(new.windows(6).any(|part| part == b"NEW.t9"));
            let grown = new.len() as i64 - old.len() as i64;
            assert_eq!(grown % (6 - id.as_str().len() as i64).abs().max(1), 0);
        }
        let ids =
            names.ids([field.as_deref().unwrap_or(cookie)].into_iter(), path.as_deref().unwrap_or(target)).count();
        assert_eq!(ids, found.len());
    }
    mark((found.len().min(5), found.first().map(|id| (id.node().is_some(), id.route().is_some()))))
}

/// BASE, then a record: written it is read as the same, and no field of it makes a line.
pub fn record(bytes: &[u8]) -> u64 {
    let [base, text] = lines(bytes);
    let Ok(base) = std::str::from_utf8(base) else { return 0 };
    let Some(record) = Record::parse(text, base) else { return 1 };
    assert_eq!(record.id.base, base);
    let breaks = |text: &str| text.contains(['\n', '\r', '\0']);
    assert!(!breaks(&record.server) && !record.set_cookie.as_deref().is_some_and(breaks));
    assert_eq!(Record::parse(record.to_text().as_bytes(), base).as_ref(), Some(&record));
    mark((record.done, record.set_cookie.is_some(), record.former.len(), record.generation.leading_zeros()))
}

pub fn nodes(bytes: &[u8]) -> u64 {
    match std::str::from_utf8(bytes).map(parse_nodes) {
        Err(_) => 0,
        Ok(Err(why)) => mark(why.to_string().len()),
        Ok(Ok(nodes)) => {
            // A single node need not have a name.
            let named = nodes.len() == 1 || nodes.iter().all(|(name, _)| !name.is_empty());
            assert!(named && nodes.iter().all(|(_, address)| !address.is_empty()));
            mark(nodes.len())
        }
    }
}

/// What a server says to whether it lives: at the end of the connection more is not waited for.
pub fn answer(bytes: &[u8]) -> u64 {
    let questions = [Question::Options, Question::Header("X-Instance".into()), Question::Path("/i".into())];
    let outcomes = questions.map(|question| {
        let ended = read_answer(bytes, &question, true);
        assert_ne!(ended, Reading::More);
        let now = read_answer(bytes, &question, false);
        let shown = |reading: &Reading| match reading {
            Reading::More => 0,
            Reading::Nonsense => 1,
            Reading::Answer { keeps, token } => 2 + u64::from(*keeps) + 2 * u64::from(token.is_some()),
        };
        (shown(&ended), shown(&now))
    });
    mark(outcomes)
}
