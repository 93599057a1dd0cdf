//! A session's attributes as MSM's Java serializer stores them: how many, then name and value of each, byte for byte what
//! Java's `ObjectOutputStream` writes, so that a real Tomcat could go on with them.
//!
//! Java writes an object that it has written before as a reference, and keeps one object for each small `Integer` that is
//! made by boxing, but not for those that were read back. MSM compares bytes, so this shows: an `Integer` that came from
//! the store is written once more after its first use, though nobody changed it.

use bytes::Bytes;

const STREAM: &[u8] = b"\xac\xed\x00\x05";
/// The class of an `Integer`, as it is written before the first one: two handles.
const INTEGER: &[u8] = b"r\x00\x11java.lang.Integer\x12\xe2\xa0\xa4\xf7\x81\x878\x02\x00\x01I\x00\x05value\
xr\x00\x10java.lang.Number\x86\xac\x95\x1d\x0b\x94\xe0\x8b\x02\x00\x00xp";
const INTEGER_HANDLE: u32 = 0;
/// The class of a `byte[]`: one handle.
const ARRAY: &[u8] = b"r\x00\x02[B\xac\xf3\x17\xf8\x06\x08T\xe0\x02\x00\x00xp";
const FIRST_HANDLE: u32 = 0x7e_0000;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// `boxed`: made by this process, so that equal small ones are one object.
    Number {
        value: i32,
        boxed: bool,
    },
    Text(String),
    Array(Bytes),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Attributes(Vec<(String, Value)>);

impl Attributes {
    pub fn number(&self, name: &str) -> Option<i32> {
        match self.get(name)? {
            Value::Number { value, .. } => Some(*value),
            _ => None,
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn set_number(&mut self, name: &str, value: i32) {
        self.set(name, Value::Number { value, boxed: true });
    }

    /// Longer texts have another form in Java, which is not written here: they are cut.
    pub fn set_text(&mut self, name: &str, text: &str) {
        let fitting: String = text.chars().filter(char::is_ascii).take(usize::from(u16::MAX)).collect();
        self.set(name, Value::Text(fitting));
    }

    pub fn set_array(&mut self, name: &str, array: Bytes) {
        self.set(name, Value::Array(array));
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_string(), value)),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer { bytes: STREAM.to_vec(), handles: 0, boxed: Vec::new(), array: None };
        writer.number(self.0.len() as i32, true);
        for (name, value) in &self.0 {
            writer.text(name);
            match value {
                Value::Number { value, boxed } => writer.number(*value, *boxed),
                Value::Text(text) => writer.text(text),
                Value::Array(array) => writer.array(array),
            }
        }
        writer.bytes
    }

    /// `None` if they are another application's: there are more types than these.
    pub fn decode(bytes: &[u8]) -> Option<Attributes> {
        let mut reader = Reader { rest: bytes.strip_prefix(STREAM)?, seen: Vec::new() };
        let Value::Number { value: count, .. } = reader.value()? else {
            return None;
        };
        let mut attributes = Vec::new();
        for _ in 0..count {
            let Value::Text(name) = reader.value()? else {
                return None;
            };
            attributes.push((name, reader.value()?));
        }
        reader.rest.is_empty().then_some(Attributes(attributes))
    }
}

struct Writer {
    bytes: Vec<u8>,
    handles: u32,
    boxed: Vec<(i32, u32)>,
    array: Option<u32>,
}

impl Writer {
    fn number(&mut self, value: i32, boxed: bool) {
        let known = self.boxed.iter().find(|(known, _)| boxed && *known == value).map(|(_, handle)| *handle);
        if let Some(handle) = known {
            return self.reference(handle);
        }
        self.bytes.push(b's');
        if self.handles == INTEGER_HANDLE {
            self.bytes.extend(INTEGER);
            self.handles += 2;
        } else {
            self.reference(INTEGER_HANDLE);
        }
        self.bytes.extend(value.to_be_bytes());
        if boxed && (-128..128).contains(&value) {
            self.boxed.push((value, self.handles));
        }
        self.handles += 1;
    }

    fn text(&mut self, text: &str) {
        self.bytes.push(b't');
        self.bytes.extend((text.len() as u16).to_be_bytes());
        self.bytes.extend(text.as_bytes());
        self.handles += 1;
    }

    fn array(&mut self, array: &[u8]) {
        self.bytes.push(b'u');
        match self.array {
            Some(class) => self.reference(class),
            None => {
                self.bytes.extend(ARRAY);
                self.array = Some(self.handles);
                self.handles += 1;
            }
        }
        self.bytes.extend((array.len() as u32).to_be_bytes());
        self.bytes.extend(array);
        self.handles += 1;
    }

    fn reference(&mut self, handle: u32) {
        self.bytes.push(b'q');
        self.bytes.extend((FIRST_HANDLE + handle).to_be_bytes());
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// What each handle is; classes are `None`.
    seen: Vec<Option<Value>>,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Value> {
        let value = match self.take(1)?[0] {
            b'q' => {
                let handle = self.number()?.checked_sub(FIRST_HANDLE)?;
                return self.seen.get(handle as usize)?.clone();
            }
            b's' => {
                self.class(INTEGER, 2)?;
                Value::Number { value: self.number()? as i32, boxed: false }
            }
            b't' => {
                let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
                Value::Text(std::str::from_utf8(self.take(usize::from(length))?).ok()?.to_string())
            }
            b'u' => {
                self.class(ARRAY, 1)?;
                let length = self.number()?;
                Value::Array(Bytes::copy_from_slice(self.take(length as usize)?))
            }
            _ => return None,
        };
        self.seen.push(Some(value.clone()));
        Some(value)
    }

    /// The class itself, or a reference to it.
    fn class(&mut self, class: &[u8], handles: usize) -> Option<()> {
        if let Some(rest) = self.rest.strip_prefix(class) {
            self.rest = rest;
            self.seen.extend(vec![None; handles]);
            return Some(());
        }
        let referred = self.take(1)?[0] == b'q' && self.number()? >= FIRST_HANDLE;
        referred.then_some(())
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded: a count of 2 beside a user, whose counter is the very object that says that there are two.
    const RECORDED: &[u8] =
        b"\xac\xed\x00\x05sr\x00\x11java.lang.Integer\x12\xe2\xa0\xa4\xf7\x81\x878\x02\x00\x01I\x00\x05\
valuexr\x00\x10java.lang.Number\x86\xac\x95\x1d\x0b\x94\xe0\x8b\x02\x00\x00xp\x00\x00\x00\x02t\x00\x07counterq\x00~\
\x00\x02t\x00\x04usert\x00\x03bob";

    #[test]
    fn a_recorded_map_is_written_byte_for_byte() {
        let mut attributes = Attributes::default();
        attributes.set_number("counter", 1);
        attributes.set_text("user", "bob");
        attributes.set_number("counter", 2);
        assert_eq!(attributes.encode(), RECORDED);
        let read = Attributes::decode(RECORDED).unwrap();
        assert_eq!((read.number("counter"), read.text("user")), (Some(2), Some("bob")));
    }

    #[test]
    fn a_number_that_was_read_back_is_an_object_of_its_own() {
        let read = Attributes::decode(RECORDED).unwrap();
        assert_eq!(read.encode().len(), RECORDED.len() + 5);
        assert_eq!(Attributes::decode(&read.encode()).unwrap(), read);
    }

    #[test]
    fn all_types_survive_a_round_and_what_is_cut_off_does_not() {
        let mut attributes = Attributes::default();
        for (at, number) in [0, 3, -1, 127, 128, i32::MAX].into_iter().enumerate() {
            attributes.set_number(&format!("number{at}"), number);
        }
        attributes.set_array("first", Bytes::from_static(b"abc"));
        attributes.set_array("second", Bytes::new());
        attributes.set_text("empty", "");
        let bytes = attributes.encode();
        let read = Attributes::decode(&bytes).unwrap();
        assert_eq!((read.number("number3"), read.number("number5")), (Some(127), Some(i32::MAX)));
        assert_eq!(read.get("first"), attributes.get("first"));
        for length in 0..bytes.len() {
            assert_eq!(Attributes::decode(&bytes[..length]), None, "{length}");
        }
    }
}
