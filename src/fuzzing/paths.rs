//! Targets, hosts, and what processes of edge tell each other: none of them leads where it should not.

use super::{lines, mark};
use crate::files::path::{Mapping, map};
use crate::http::escape;
use crate::route::{Uri, validate_host};
use crate::server::control::Answer;
use crate::system::{Reply, Request};
use bytes::Bytes;

/// No path climbs above the root, whatever it is written with; one that was normalized stays as it is.
pub fn uri(bytes: &[u8]) -> u64 {
    let target = Bytes::copy_from_slice(bytes);
    let outcomes = [true, false].map(|merge| match Uri::parse(&target, merge) {
        Err(why) => mark(why as u8),
        Ok(uri) => {
            let path = &uri.path[..];
            assert!(path.starts_with(b"/") && !path.contains(&0), "{}", path.escape_ascii());
            assert!(!path.split(|b| *b == b'/').any(|part| part == b"." || part == b".."), "{}", path.escape_ascii());
            assert!(!merge || !path.windows(2).any(|two| two == b"//"), "{}", path.escape_ascii());
            is_normalized(path, merge);
            is_below(path);
            let authority = uri.authority.as_deref().map(|a| validate_host(a).is_ok());
            mark((uri.changed, uri.quoted, uri.args.is_some(), authority, path.len().min(20)))
        }
    });
    mark(outcomes)
}

fn is_normalized(path: &[u8], merge: bool) {
    let written: Bytes = escape::uri(path).into_owned().into();
    match Uri::parse(&written, merge) {
        Ok(again) => assert_eq!(&again.path[..], path, "{}", written.escape_ascii()),
        // What is above ASCII or a control is written so that it is read again; nothing else may happen to it.
        Err(why) => panic!("{why}: {}", written.escape_ascii()),
    }
}

fn is_below(path: &[u8]) {
    let climbs = |file: &std::path::Path| file.components().any(|part| part == std::path::Component::ParentDir);
    for mapping in [
        Mapping::Root(b"/srv"),
        Mapping::Alias { path: b"/srv/", prefix_len: 1 },
        Mapping::Alias { path: b"/srv/x", prefix_len: 2 },
    ] {
        if let Ok(file) = map(mapping, path) {
            assert!(
                file.starts_with("/srv") || matches!(mapping, Mapping::Alias { prefix_len: 2, .. }),
                "{}",
                file.display()
            );
            assert!(!climbs(&file), "{}", file.display());
        }
    }
}

/// A name is lower case, has no port, and nothing that means something elsewhere.
pub fn host(bytes: &[u8]) -> u64 {
    let Ok(host) = validate_host(bytes) else { return 0 };
    let bad = |b: &u8| b.is_ascii_uppercase() || *b <= b' ' || *b >= 0x7f || b"/\\?#@<>\"".contains(b);
    assert!(!host.name.is_empty() && !host.name.iter().any(bad), "{}", host.name.escape_ascii());
    assert!(!host.name.windows(2).any(|two| two == b".."));
    let again = validate_host(&host.name).expect("a name is a host");
    assert_eq!((&again.name, again.port), (&host.name, None));
    mark((host.port.map(u16::leading_zeros), host.name.starts_with(b"["), host.name.len().min(10)))
}

/// What the process that keeps rights is asked for reads as it was written, and has no zero that would cut it.
pub fn keeper(bytes: &[u8]) -> u64 {
    let reply =
        Reply::of_paths(bytes.split(|b| *b == b'\n').map(|path| std::ffi::OsStr::to_owned(os(path)).into()).collect());
    let written = Reply::to_bytes(&Ok(reply));
    assert_eq!(written[..4], [0; 4]);
    let Some(request) = Request::from_bytes(bytes) else { return 0 };
    assert!(!bytes.contains(&0));
    assert_eq!(Request::from_bytes(&request.to_bytes()), Some(request));
    mark(bytes[0])
}

fn os(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

/// A line of words, and an answer: no text of an answer can be read as its end.
pub fn control(bytes: &[u8]) -> u64 {
    let [line, rest] = lines(bytes);
    let words = serde_json::from_slice::<Vec<String>>(line).map(|words| words.len());
    // A CR before a line end is no part of the line.
    let text = String::from_utf8_lossy(rest).replace('\r', "");
    let read = Answer::from_text(&text);
    if let Some(answer) = &read {
        assert_eq!(Answer::from_text(&answer.to_text()).as_ref(), Some(answer));
    }
    let told = Answer { out: format!("{text}\n"), errors: String::new(), failure: Some("why".into()) };
    let again = Answer::from_text(&told.to_text()).expect("what was written is read");
    assert_eq!(again.failure.as_deref(), Some("why"), "a text ends the answer");
    mark((
        words.is_ok(),
        read.map(|answer| (answer.failure.is_some(), answer.out.len().min(9), answer.errors.len().min(9))),
    ))
}
