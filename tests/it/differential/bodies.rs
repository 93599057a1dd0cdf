//! Request bodies: by length and by chunks, well-formed and not, too big, and expected first.

use super::case::{Case, ask, ask_bytes, expecting};

const MB: usize = 1 << 20;

pub fn all() -> Vec<Case> {
    [by_length(), by_chunks(), malformed_chunks(), smuggling(), expectations()].into_iter().flatten().collect()
}

fn by_length() -> Vec<Case> {
    let body = |size: usize| "0123456789abcdef".repeat(size / 16);
    let sized = |name: &str, size: usize| {
        let length = format!("Content-Length: {size}");
        ask(&format!("length: {name}"), "POST", "/echo/b", &[&length], &body(size))
    };
    let with =
        |name: &str, headers: &[&str], body: &str| ask(&format!("length: {name}"), "POST", "/echo/b", headers, body);
    vec![
        sized("16 bytes", 16),
        sized("100 KiB", 100 * 1024),
        sized("more than the buffer in memory", 300 * 1024),
        sized("3 MiB", 3 * MB),
        sized("exactly the limit", 20 * MB),
        with("one byte over the limit, announced", &["Content-Length: 20971521", "Connection: close"], ""),
        with("a gigabyte announced", &["Content-Length: 1073741824"], ""),
        with("too big a number", &["Content-Length: 99999999999999999999999"], ""),
        with("negative", &["Content-Length: -1"], ""),
        with("a plus sign", &["Content-Length: +3"], "abc"),
        with("not a number", &["Content-Length: abc"], ""),
        with("a number and more", &["Content-Length: 3abc"], "abc"),
        with("hexadecimal", &["Content-Length: 0x3"], "abc"),
        with("with leading zeros", &["Content-Length: 0003"], "abc"),
        with("empty", &["Content-Length:"], ""),
        with("a list", &["Content-Length: 3, 3"], "abc"),
        with("twice the same", &["Content-Length: 3", "Content-Length: 3"], "abc"),
        with("twice different", &["Content-Length: 3", "Content-Length: 4"], "abcd"),
        with("spaces around", &["Content-Length:   3  "], "abc"),
        with("a space inside", &["Content-Length: 1 0"], "0123456789"),
        ask("length: GET with a body", "GET", "/echo/b", &["Content-Length: 3"], "abc"),
        ask("length: GET of a script with a body", "GET", "/echo/b.js?u={u}", &["Content-Length: 3"], "abc"),
        ask("length: HEAD with a body", "HEAD", "/page.html", &["Content-Length: 3"], "abc"),
        ask("length: DELETE with a body", "DELETE", "/echo/b", &["Content-Length: 3"], "abc"),
        ask("length: POST to a script", "POST", "/echo/b.js?u={u}", &["Content-Length: 3"], "abc"),
        ask(
            "length: a form",
            "POST",
            "/echo/b.action",
            &["Content-Type: application/x-www-form-urlencoded", "Content-Length: 7"],
            "a=1&b=2",
        ),
        ask("length: to a page that is not there", "POST", "/none", &["Content-Length: 3"], "abc"),
        ask("length: to a file", "POST", "/page.html", &["Content-Length: 3"], "abc"),
    ]
}

fn by_chunks() -> Vec<Case> {
    let big = {
        let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        piece.repeat(320) + "1\r\nx\r\n0\r\n\r\n"
    };
    vec![
        chunks("one", "3\r\nabc\r\n0\r\n\r\n"),
        chunks("three", "3\r\nabc\r\n1\r\nd\r\n2\r\nef\r\n0\r\n\r\n"),
        chunks("none", "0\r\n\r\n"),
        chunks("upper-case hexadecimal", "A\r\n0123456789\r\n0\r\n\r\n"),
        chunks("leading zeros", "0003\r\nabc\r\n000\r\n\r\n"),
        chunks("an extension", "3;name=value\r\nabc\r\n0\r\n\r\n"),
        chunks("a quoted extension", "3;name=\"va;lue\"\r\nabc\r\n0\r\n\r\n"),
        chunks("an extension on the last", "3\r\nabc\r\n0;x\r\n\r\n"),
        chunks("a space after the size", "3 \r\nabc\r\n0\r\n\r\n"),
        chunks("a trailer", "3\r\nabc\r\n0\r\nX-Trailer: yes\r\n\r\n"),
        chunks("a trailer that must not be one", "3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"),
        chunks("300 KiB in one", &format!("4b000\r\n{}\r\n0\r\n\r\n", "y".repeat(0x4b000))),
        chunks("each byte by itself", &("1\r\nz\r\n".repeat(500) + "0\r\n\r\n")),
        chunks("one byte over the limit", &big),
        ask("chunks: GET", "GET", "/echo/c", &["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n"),
        ask(
            "chunks: to a script",
            "POST",
            "/echo/c.js?u={u}",
            &["Transfer-Encoding: chunked"],
            "3\r\nabc\r\n0\r\n\r\n",
        ),
    ]
}

fn malformed_chunks() -> Vec<Case> {
    vec![
        chunks("no size", "\r\nabc\r\n0\r\n\r\n"),
        chunks("a size that is no number", "zz\r\nabc\r\n0\r\n\r\n"),
        chunks("a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
        chunks("a size with a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        chunks("a negative size", "-3\r\nabc\r\n0\r\n\r\n"),
        chunks("a size too big to count", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        chunks("a size that overflows", "8000000000000000\r\nabc\r\n0\r\n\r\n"),
        chunks("longer than its size", "3\r\nabcd\r\n0\r\n\r\n"),
        chunks("shorter than its size", "4\r\nabc\r\n0\r\n\r\n"),
        chunks("no CRLF after the data", "3\r\nabc0\r\n\r\n"),
        chunks("LF only", "3\nabc\n0\n\n"),
        chunks("LF only after the size", "3\nabc\r\n0\r\n\r\n"),
        chunks("CR only after the size", "3\rabc\r\n0\r\n\r\n"),
    ]
}

fn chunks(name: &str, body: &str) -> Case {
    ask(&format!("chunks: {name}"), "POST", "/echo/c", &["Transfer-Encoding: chunked"], body)
}

/// Headers that two servers could understand differently.
fn smuggling() -> Vec<Case> {
    let whole = "3\r\nabc\r\n0\r\n\r\n";
    let with =
        |name: &str, headers: &[&str], body: &str| ask(&format!("framing: {name}"), "POST", "/echo/s", headers, body);
    vec![
        with("length and chunks", &["Content-Length: 3", "Transfer-Encoding: chunked"], whole),
        with("chunks and length", &["Transfer-Encoding: chunked", "Content-Length: 3"], whole),
        with("chunked in capitals", &["Transfer-Encoding: CHUNKED"], whole),
        with("chunked twice", &["Transfer-Encoding: chunked, chunked"], whole),
        with("two lines of chunked", &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], whole),
        with("gzip, chunked", &["Transfer-Encoding: gzip, chunked"], whole),
        with("chunked, gzip", &["Transfer-Encoding: chunked, gzip"], whole),
        with("identity", &["Transfer-Encoding: identity"], ""),
        with("chunked and identity lines", &["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], whole),
        with("an unknown coding", &["Transfer-Encoding: xchunked"], ""),
        with("an empty Transfer-Encoding", &["Transfer-Encoding:"], ""),
        with("a quoted chunked", &["Transfer-Encoding: \"chunked\""], whole),
        with("a tab before chunked", &["Transfer-Encoding:\tchunked"], whole),
        with("a vertical tab before chunked", &["Transfer-Encoding:\u{b}chunked"], whole),
        with("a space after chunked", &["Transfer-Encoding: chunked "], whole),
        with("a space before the colon", &["Transfer-Encoding : chunked"], whole),
        with("chunked on a folded line", &["Transfer-Encoding:", " chunked"], whole),
        with("an underscore in the name", &["Transfer_Encoding: chunked"], ""),
        with("content_length with an underscore", &["Content_Length: 5", "Content-Length: 3"], "abc"),
        with("a request in the body", &["Content-Length: 38"], "GET /echo/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]
}

fn expectations() -> Vec<Case> {
    let head = |headers: &[&str]| ask_bytes("POST", "/echo/e", headers, "");
    let wish = "Expect: 100-continue";
    vec![
        expecting("expect: a body", head(&[wish, "Content-Length: 5"]), b"hello"),
        expecting("expect: in capitals", head(&["Expect: 100-CONTINUE", "Content-Length: 5"]), b"hello"),
        expecting("expect: chunks", head(&[wish, "Transfer-Encoding: chunked"]), b"5\r\nhello\r\n0\r\n\r\n"),
        expecting("expect: a body over the limit", head(&[wish, "Content-Length: 20971521"]), b""),
        expecting("expect: nothing to send", head(&[wish, "Content-Length: 0"]), b""),
        expecting("expect: something unknown", head(&["Expect: 200-ok", "Content-Length: 5"]), b"hello"),
        ask("expect: not waiting for it", "POST", "/echo/e", &[wish, "Content-Length: 5"], "hello"),
        ask("expect: without a body", "GET", "/echo/e", &[wish], ""),
        expecting(
            "expect: a page that is not there",
            ask_bytes("POST", "/none", &[wish, "Content-Length: 5"], ""),
            b"hello",
        ),
    ]
}
