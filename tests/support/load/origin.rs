//! A backend for load: bodies that anybody can compute, an endless event stream, a websocket.

use std::io::{Read, Write};
use std::time::Duration;

use crate::support::backend::{Answer, Backend, Seen};

/// Between two events.
const PAUSE: Duration = Duration::from_millis(20);

/// Answers `/item/N` with `item(N)`, in chunks where N is odd; `/events` with `event(1)`, `event(2)`, … for ever; an
/// upgrade with a websocket that sends everything back. What the header `X-Turn` of the request was is told by
/// `X-Seen`.
pub fn start() -> Backend {
    Backend::start(behave).forgetful()
}

pub fn item(number: usize) -> Vec<u8> {
    let mut body = format!("item {number}\n").into_bytes();
    body.extend((0..number * 37 % 5_000).map(|at| b'a' + ((at + number) % 23) as u8));
    body
}

pub fn event(number: usize) -> String {
    format!("id: {number}\ndata: event {number}\n\n")
}

pub fn behave(seen: &Seen, answer: &mut Answer) {
    let path = seen.target().split('?').next().unwrap_or_default();
    let number = path.strip_prefix("/item/").and_then(|number| number.parse().ok());
    match (number, path) {
        (Some(number), _) => answer.write(item_answer(seen, number)),
        (None, "/events") => send_events(answer),
        (None, "/ws") if seen.header("upgrade").is_some() => echo_messages(answer),
        _ => answer.write(crate::support::backend::answer(404, "text/plain", "no such thing\n")),
    }
}

fn item_answer(seen: &Seen, number: usize) -> Vec<u8> {
    let turn = seen.header("x-turn").unwrap_or("none");
    let body = item(number);
    let framing = match number % 2 {
        0 => format!("Content-Length: {}", body.len()),
        _ => "Transfer-Encoding: chunked".into(),
    };
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/x-item\r\nX-Seen: {turn}\r\n{framing}\r\n\r\n")
            .into_bytes();
    if number.is_multiple_of(2) {
        answer.extend_from_slice(&body);
        return answer;
    }
    for piece in body.chunks(1_000) {
        answer.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        answer.extend_from_slice(piece);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

fn send_events(answer: &mut Answer) {
    answer.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for number in 1.. {
        if answer.is_lost() {
            return;
        }
        let event = event(number);
        answer.write(format!("{:x}\r\n{event}\r\n", event.len()));
        std::thread::sleep(PAUSE);
    }
}

/// Short text messages, unmasked and sent back.
fn echo_messages(answer: &mut Answer) {
    // The answer to the key of RFC 6455, section 1.3, which all clients here use.
    answer.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    let mut stream = answer.stream();
    let mut head = [0; 6];
    while stream.read_exact(&mut head).is_ok() && head[0] == 0x81 {
        let mut text = vec![0; usize::from(head[1] & 0x7f)];
        if stream.read_exact(&mut text).is_err() {
            break;
        }
        text.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= head[2 + at % 4]);
        let frame = [&[0x81, text.len() as u8], text.as_slice()].concat();
        if stream.write_all(&frame).is_err() {
            break;
        }
    }
    answer.close();
}
