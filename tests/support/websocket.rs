//! As much of a websocket client (RFC 6455) as an echo needs: short unfragmented messages.

use std::net::SocketAddr;

use super::client::{Client, Failure};
use super::request;

pub struct WebSocket {
    client: Client,
    received: Vec<u8>,
}

impl WebSocket {
    /// Upgrades a fresh connection; the answer must be a correct 101.
    pub fn connect(to: SocketAddr, target: &str) -> WebSocket {
        Self::upgrade(Client::connect(to), target)
    }

    /// The same on a connection that is open already, such as one with TLS.
    pub fn upgrade(mut client: Client, target: &str) -> WebSocket {
        let upgrade = request::get(target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let answer = client.ask(&upgrade).unwrap_or_else(|failure| panic!("the upgrade: {failure}"));
        assert_eq!(answer.status(), 101, "{answer}");
        // The example of RFC 6455, section 1.3.
        assert_eq!(answer.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        let received = client.left_over().to_vec();
        WebSocket { client, received }
    }

    pub fn send(&mut self, text: &str) {
        self.frame(0x1, text.as_bytes());
    }

    /// The next text message.
    pub fn receive(&mut self) -> Result<String, Failure> {
        let head = self.bytes(2)?;
        let mut length = usize::from(head[1] & 0x7f);
        if length == 126 {
            let long = self.bytes(2)?;
            length = usize::from(u16::from_be_bytes([long[0], long[1]]));
        }
        let text = self.bytes(length)?;
        match head[0] {
            0x81 => Ok(String::from_utf8_lossy(&text).into_owned()),
            other => Err(Failure::Malformed(format!("frame {other:#x}: {text:?}"))),
        }
    }

    /// Says goodbye; true if the other side does too and closes.
    pub fn close(mut self) -> bool {
        self.frame(0x8, &[]);
        self.client.wait_closed(std::time::Duration::from_secs(5))
    }

    fn frame(&mut self, kind: u8, payload: &[u8]) {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![0x80 | kind];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(long).expect("messages of a test are short").to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        self.client.write(frame);
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.received.len() < count {
            let mut piece = [0; 4096];
            match self.client.read(&mut piece)? {
                0 => return Err(Failure::Closed),
                got => self.received.extend_from_slice(&piece[..got]),
            }
        }
        Ok(self.received.drain(..count).collect())
    }
}
