//! The name in a principal of Tomcat's own realms (`GenericPrincipal$SerializablePrincipal`), as Java serializes it.
//!
//! Only what stands before the name is walked over: one class without a superclass that serializes, numbers, texts, nothings
//! and references. At the first thing that is something else the name is not known: that is for show only, and nobody is
//! let in by it.

use super::Bytes;

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const END_OF_CLASS: u8 = 0x78;
/// No principal has so many fields.
const FIELDS: u16 = 16;

struct Field<'b> {
    kind: u8,
    name: &'b [u8],
}

pub(super) fn name(serialized: &[u8]) -> Option<String> {
    let mut rest = Bytes(serialized);
    rest.array().filter(|magic| *magic == *b"\xac\xed\x00\x05")?;
    let fields = class(&mut rest)?;
    for field in fields {
        if field.name == b"name" {
            return text(&mut rest);
        }
        skip(&mut rest, field.kind)?;
    }
    None
}

fn class<'b>(rest: &mut Bytes<'b>) -> Option<Vec<Field<'b>>> {
    (rest.u8()? == OBJECT && rest.u8()? == CLASS).then_some(())?;
    let is_tomcats = rest.counted()?.ends_with(b"SerializablePrincipal");
    // A number of its version and flags.
    rest.take(9)?;
    let count = rest.u16().filter(|count| is_tomcats && *count <= FIELDS)?;
    let fields = (0..count).map(|_| field(rest)).collect::<Option<_>>()?;
    (rest.u8()? == END_OF_CLASS && rest.u8()? == NULL).then_some(fields)
}

fn field<'b>(rest: &mut Bytes<'b>) -> Option<Field<'b>> {
    let kind = rest.u8()?;
    let name = rest.counted()?;
    // The class of what it refers to.
    if matches!(kind, b'L' | b'[') {
        skip(rest, b'L')?;
    }
    Some(Field { kind, name })
}

fn skip(rest: &mut Bytes<'_>, kind: u8) -> Option<()> {
    let length = match kind {
        b'B' | b'Z' => 1,
        b'C' | b'S' => 2,
        b'I' | b'F' => 4,
        b'J' | b'D' => 8,
        b'L' | b'[' => match rest.u8()? {
            NULL => 0,
            REFERENCE => 4,
            STRING => usize::from(rest.u16()?),
            _ => return None,
        },
        _ => return None,
    };
    rest.take(length).map(drop)
}

/// A text that can be shown on one line.
fn text(rest: &mut Bytes<'_>) -> Option<String> {
    let bytes = (rest.u8()? == STRING).then(|| rest.counted())??;
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}
