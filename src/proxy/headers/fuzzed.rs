//! Bytes for the reader of this room: a `Set-Cookie` of an upstream on its way to the client.

use super::cookies::{parse, print, set_flags};
use crate::fuzzing::{mark, pieces};
use crate::proxy::snapshot::CookieFlag;

/// What is printed reads as it was, and a flag that is to be there is there once.
pub(crate) fn set_cookie(bytes: &[u8]) -> u64 {
    let (choice, bytes) = pieces(bytes);
    let printed = print(&parse(bytes));
    assert_eq!(print(&parse(&printed)), printed);
    let breaks = |text: &[u8]| text.iter().filter(|b| matches!(b, b'\r' | b'\n' | 0)).count();
    assert_eq!(breaks(&printed), breaks(bytes));
    let words: [&[&str]; 4] = [
        &["secure", "httponly"],
        &["nosecure", "nosamesite"],
        &["samesite=strict"],
        &["nohttponly", "samesite=lax", "secure"],
    ];
    let words = words[choice % words.len()];
    let flags: Vec<CookieFlag> = words.iter().filter_map(|word| CookieFlag::parse(word.as_bytes())).collect();
    assert_eq!(flags.len(), words.len());
    let mut attributes = parse(bytes);
    set_flags(&mut attributes, &flags);
    let flagged = print(&attributes);
    let first = |cookie: &[u8]| cookie.split(|b| *b == b';').next().map(<[u8]>::to_vec);
    assert_eq!(first(&flagged), first(&printed), "the cookie itself is another one");
    let mut twice = parse(&flagged);
    set_flags(&mut twice, &flags);
    assert_eq!(print(&twice), flagged);
    mark((attributes.len().min(8), choice % 4, flagged.len() - printed.len().min(flagged.len())))
}
