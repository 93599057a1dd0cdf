use super::*;
use proptest::prelude::*;

fn keys(names: &[&str]) -> Vec<Key> {
    names.iter().map(|name| Key::checked((*name).to_owned()).unwrap()).collect()
}

/// Whether the reply was whole, read in pieces of `step` bytes.
fn read(expected: Expected<'_>, text: &[u8], step: usize) -> Result<bool, Wrong> {
    let mut reply = Reply::to(expected);
    text.chunks(step).try_for_each(|piece| reply.feed(piece))?;
    Ok(reply.is_whole())
}

/// The same however it is cut.
fn read_all(expected: Expected<'_>, text: &str) -> Result<bool, Wrong> {
    let whole = read(expected, text.as_bytes(), text.len());
    for step in 1..text.len().min(40) {
        assert_eq!(read(expected, text.as_bytes(), step).is_err(), whole.is_err(), "{step}: {text:?}");
    }
    whole
}

#[test]
fn what_was_asked_for_is_whole_at_its_end_and_not_before() {
    let keys = keys(&["a", "b"]);
    let values = Expected::Values(&keys);
    for text in [
        "END\r\n",
        "VALUE a 0 3\r\nxyz\r\nEND\r\n",
        "VALUE a 0 0\r\n\r\nVALUE b 0 5\r\nEND\r\n\r\nEND\r\n",
        "VALUE b 0 1 17\r\nx\r\nVALUE a 0 1\r\ny\r\nEND\r\n",
    ] {
        assert_eq!(read_all(values, text), Ok(true), "{text:?}");
        for cut in 0..text.len() {
            assert_eq!(read(values, &text.as_bytes()[..cut], 7), Ok(false), "{text:?} {cut}");
        }
    }
    assert_eq!(read_all(Expected::Line(&["STORED", "NOT_STORED"]), "STORED\r\n"), Ok(true));
    assert_eq!(read_all(Expected::Line(&["VERSION "]), "VERSION 1.4.15\r\n"), Ok(true));
}

#[test]
fn a_key_that_was_asked_for_twice_is_answered_twice_and_no_more() {
    let keys = keys(&["a", "a"]);
    let one = "VALUE a 0 1\r\nx\r\n";
    assert_eq!(read_all(Expected::Values(&keys), &format!("{one}{one}END\r\n")), Ok(true));
    assert!(read_all(Expected::Values(&keys), &format!("{one}{one}{one}END\r\n")).is_err());
}

#[test]
fn a_number_is_a_number_or_not_there() {
    for text in ["0\r\n", "99  \r\n", "18446744073709551615\r\n", "NOT_FOUND\r\n"] {
        assert_eq!(read_all(Expected::Number, text), Ok(true), "{text:?}");
    }
    for text in
        ["\r\n", "-1\r\n", "+1\r\n", " 1\r\n", "18446744073709551616\r\n", "1\r\n2\r\n", "STORED\r\n", "END\r\n"]
    {
        assert!(read_all(Expected::Number, text).is_err(), "{text:?}");
    }
    let said = read(Expected::Number, b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", 99);
    assert!(matches!(said, Err(Wrong::Said(_))));
}

#[test]
fn what_does_not_belong_to_the_question_is_refused() {
    let keys = keys(&["a"]);
    for text in [
        "VALUE other 0 1\r\nx\r\nEND\r\n",
        "VALUE a 0 1\r\nxy\r\nEND\r\n",
        "VALUE a 0 -1\r\n",
        "VALUE a 0\r\n",
        "VALUE  a 0 1\r\n",
        "END\r\nVALUE a 0 1\r\nx\r\nEND\r\n",
        "END\r\nEND\r\n",
        "END\n",
        "STORED\r\n",
        "\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
    ] {
        assert!(read_all(Expected::Values(&keys), text).is_err(), "{text:?}");
    }
    for text in ["END\r\n", "STORED\r\nSTORED\r\n", "STOREDX\r\n", "VERSION 1\r\n", "EXISTS\r\n"] {
        assert!(read_all(Expected::Line(&["STORED", "NOT_STORED"]), text).is_err(), "{text:?}");
    }
    let endless = vec![b'x'; LINE + 1];
    assert!(read(Expected::Line(&["STORED"]), &endless, 100).is_err());
}

#[test]
fn what_memcached_says_of_itself_is_told_in_its_words() {
    let said = read(Expected::Line(&["STORED"]), b"SERVER_ERROR out of memory storing object\r\n", 9);
    assert_eq!(said, Err(Wrong::Said("SERVER_ERROR out of memory storing object".into())));
}

#[test]
fn nobody_makes_room_for_what_a_line_only_claims() {
    let keys = keys(&["a", "b", "c"]);
    let claim = |length: usize| read(Expected::Values(&keys), format!("VALUE a 0 {length}\r\n").as_bytes(), 99);
    assert_eq!(claim(VALUE), Ok(false));
    assert_eq!(claim(VALUE + 1), Err(Wrong::TooLarge(VALUE + 1)));
    assert_eq!(claim(usize::MAX), Err(Wrong::TooLarge(usize::MAX)));
    let mut reply = Reply::to(Expected::Values(&keys));
    for (key, last) in [("a", false), ("b", false), ("c", true)] {
        assert_eq!(reply.feed(format!("VALUE {key} 0 {VALUE}\r\n").as_bytes()).is_err(), last);
        if !last {
            reply.feed(&vec![0; VALUE]).unwrap();
            reply.feed(b"\r\n").unwrap();
        }
    }
}

#[test]
fn a_refused_value_does_not_tell_its_key() {
    let keys = keys(&["mine"]);
    let wrong = read(Expected::Values(&keys), b"VALUE somebodys-id 0 1\r\n", 50).unwrap_err();
    assert!(!wrong.to_string().contains("somebodys"), "{wrong}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
        let keys = keys(&["a", "b"]);
        let _ = read(Expected::Values(&keys), &text, step);
        let _ = read(Expected::Number, &text, step);
        let _ = read(Expected::Line(&["STORED", "VERSION "]), &text, step);
    }

    #[test]
    fn any_words_of_the_protocol_are_read_or_refused(
        words in proptest::collection::vec(
            prop::sample::select(vec!["VALUE ", "a ", "b ", "0 ", "3", "\r\n", "xyz", "END", "18446744073709551615"]),
            0..30,
        ),
        step in 1usize..9,
    ) {
        let keys = keys(&["a", "b"]);
        let text = words.concat();
        if read(Expected::Values(&keys), text.as_bytes(), step) == Ok(true) {
            prop_assert!(text.ends_with("END\r\n"));
        }
    }
}
