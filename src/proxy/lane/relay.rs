//! An answer goes to the client: its head as the long way writes it, its body framed anew, head and first piece in one write.
//!
//! A piece is read only when the one before it has found room: with the client, in memory or in its file.

use super::super::{direct, exchange, headers, keepalive};
use super::asking::{Answering, Asking, Part};
use super::head::{is_chunked, length};
use crate::compress::Compression;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{StatusCode, Version};
use pingora_core::modules::http::HttpModule;
use pingora_error::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use std::io;
use tokio::io::AsyncWriteExt;

/// What is longer goes out from where it lies.
const COPIED: usize = 16 << 10;

/// How the body that the client gets is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// The head says all.
    Nothing,
    /// So much is still to come.
    Length(u64),
    Chunks,
    Close,
}

/// What is written next.
struct Outgoing {
    framing: Framing,
    /// What stands before the pieces.
    text: BytesMut,
    pieces: Vec<Bytes>,
}

impl Asking<'_> {
    /// Gives the client the answer.
    pub async fn relay(&mut self, answering: Answering) -> Result<()> {
        let Answering { link, mut head, mut body, keeps, key, idle } = answering;
        let mut ends_lease = !headers::is_bodiless(&head, self.request);
        let is_over = body.is_over();
        let (text, mut compression, framing) = self.tell(&mut head, is_over).await?;
        let mut head = Some(head);
        let mut out = Outgoing { framing, text, pieces: Vec::new() };
        let mut link = Some(link);
        let by_close = body.ends_by_close();
        loop {
            let taken = body.take(&mut self.inbox, &mut out.pieces);
            self.received = body.received();
            if body.is_over() {
                if std::mem::take(&mut ends_lease) {
                    self.request.answer_ended();
                }
                let is_clean = keeps && !by_close && self.inbox.is_empty() && self.has_sent();
                let used = link.take().filter(|link| is_clean && !idle.is_zero() && !link.line().is_outlived(now()));
                // The next request may have it while the client still takes its answer.
                if let Some(link) = used {
                    self.lane.pool.put(key, link, idle);
                }
            }
            self.pace(&out.pieces).await;
            if let Some(compression) = &mut compression {
                compress(compression, &mut out.pieces, body.is_over())?;
            }
            self.write(&mut out, body.is_over()).await?;
            self.told = self.told.take().or_else(|| head.take());
            taken.map_err(Error::into_up)?;
            let Some(link) = link.as_mut().filter(|_| !body.is_over()) else { break };
            if self.hear(link, Part::Body).await? == 0 {
                body.close().map_err(Error::into_up)?;
            }
        }
        match out.framing {
            // What was asked for by another method than the client's may lack what its head announces.
            Framing::Length(left) if left > 0 => {
                let total = self.told.as_ref().and_then(|told| length(&told.headers)).unwrap_or(left);
                let why = format!("Content-length: {total} bytes written: {}", total.saturating_sub(left));
                Err(Error::explain(ErrorType::new("PrematureBodyEnd"), why).into_down())
            }
            _ => Ok(()),
        }
    }

    /// The head as the client gets it, who compresses what stands behind it, and how that is framed.
    async fn tell(
        &mut self,
        head: &mut ResponseHeader,
        is_over: bool,
    ) -> Result<(BytesMut, Option<Compression>, Framing)> {
        let (request, connection) = (&mut *self.request, self.connection);
        let is_bodiless = request.is_head() || matches!(head.status.as_u16(), 204 | 304);
        let is_unframed = |head: &ResponseHeader| {
            !head.headers.contains_key(TRANSFER_ENCODING) && !head.headers.contains_key(CONTENT_LENGTH)
        };
        // As Pingora makes it of an answer that the end of the connection ends.
        let is_switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if !is_bodiless && !is_over && !is_switched && is_unframed(head) {
            head.set_version(Version::HTTP_11);
            head.insert_header(TRANSFER_ENCODING, "chunked")?;
        }
        let settled = exchange::settle(request, connection, head).await?;
        if keepalive::is_due(request, connection) {
            super::close_after(request, connection);
        }
        exchange::tell(request, connection, head)?;
        if is_switched {
            connection.upgrade();
            return Ok((direct::text_of(head), None, Framing::Close));
        }
        connection.set_buffering(settled.buffering);
        let mut compression = None;
        if !request.location.compress.is_off() {
            let mut deciding = Compression::default();
            deciding.set_unbuffered(settled.unbuffered);
            deciding.begin_with(&request.location.compress, &headers::compression_view(request), head, is_over)?;
            compression = Some(deciding).filter(Compression::is_compressing);
        }
        let framing = match () {
            () if is_bodiless => Framing::Nothing,
            () if is_chunked(&head.headers) => Framing::Chunks,
            () => length(&head.headers).map_or(Framing::Close, Framing::Length),
        };
        if framing == Framing::Close {
            super::close_after(request, connection);
        }
        let text = direct::complete(head, request.keepalive)?;
        Ok((text, compression, framing))
    }

    /// `proxy_limit_rate`
    async fn pace(&mut self, pieces: &[Bytes]) {
        let bytes = pieces.iter().map(Bytes::len).sum();
        if let Some(wait) = self.request.pace_of_upstream(bytes).filter(|wait| !wait.is_zero()) {
            tokio::time::sleep(wait).await;
        }
    }

    async fn write(&mut self, out: &mut Outgoing, is_over: bool) -> Result<()> {
        out.frame(is_over);
        let written = match out.text.is_empty() && out.pieces.is_empty() {
            true => Ok(()),
            false => self.send(out).await,
        };
        out.text.clear();
        out.pieces.clear();
        written.map_err(|e| Error::because(ErrorType::WriteError, "while writing body", e).into_down())
    }

    async fn send(&mut self, out: &mut Outgoing) -> io::Result<()> {
        if let [first, rest @ ..] = &mut out.pieces[..] {
            let mut both = (&out.text[..]).chain(first);
            self.client.write_all_buf(&mut both).await?;
            for piece in rest {
                self.client.write_all_buf(piece).await?;
            }
        } else {
            self.client.write_all(&out.text).await?;
        }
        self.client.flush().await
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The pieces as they are compressed.
fn compress(compression: &mut Compression, pieces: &mut Vec<Bytes>, is_over: bool) -> Result<()> {
    let plain = std::mem::take(pieces);
    let last = plain.len().saturating_sub(1);
    if plain.is_empty() && is_over {
        let mut end = None;
        compression.response_body_filter(&mut end, true)?;
        pieces.extend(end);
    }
    for (at, piece) in plain.into_iter().enumerate() {
        let mut piece = Some(piece);
        compression.response_body_filter(&mut piece, is_over && at == last)?;
        pieces.extend(piece);
    }
    pieces.retain(|piece| !piece.is_empty());
    Ok(())
}

impl Outgoing {
    /// Puts the framing around the pieces; small ones stand in the text then.
    fn frame(&mut self, is_over: bool) {
        let whole: usize = self.pieces.iter().map(Bytes::len).sum();
        match &mut self.framing {
            Framing::Nothing => self.pieces.clear(),
            Framing::Length(left) => {
                *left = left.saturating_sub(whole as u64);
                self.gather(whole);
            }
            Framing::Close => self.gather(whole),
            Framing::Chunks => {
                if whole > 0 {
                    self.text.put_slice(format!("{whole:X}\r\n").as_bytes());
                    self.gather(whole);
                    self.end_with(b"\r\n");
                }
                if is_over {
                    self.end_with(b"0\r\n\r\n");
                }
            }
        }
    }

    fn gather(&mut self, whole: usize) {
        if whole <= COPIED || self.pieces.len() > 1 {
            self.text.reserve(whole + 16);
            self.pieces.drain(..).for_each(|piece| self.text.extend_from_slice(&piece));
        }
    }

    fn end_with(&mut self, end: &'static [u8]) {
        match self.pieces.is_empty() {
            true => self.text.put_slice(end),
            false => self.pieces.push(Bytes::from_static(end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(framing: Framing, pieces: &[&[u8]]) -> Outgoing {
        let pieces = pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
        Outgoing { framing, text: BytesMut::from("HEAD"), pieces }
    }

    fn framed(framing: Framing, pieces: &[&[u8]], is_over: bool) -> Vec<u8> {
        let mut out = outgoing(framing, pieces);
        out.frame(is_over);
        [out.text.to_vec(), out.pieces.concat()].concat()
    }

    #[test]
    fn pieces_that_come_together_are_one_chunk() {
        assert_eq!(framed(Framing::Chunks, &[b"0123456789", b"abcdef"], false), b"HEAD10\r\n0123456789abcdef\r\n");
        assert_eq!(framed(Framing::Chunks, &[b"a"], true), b"HEAD1\r\na\r\n0\r\n\r\n");
        assert_eq!(framed(Framing::Chunks, &[], true), b"HEAD0\r\n\r\n");
        assert_eq!(framed(Framing::Chunks, &[], false), b"HEAD");
    }

    #[test]
    fn a_long_piece_is_not_copied() {
        let long = vec![b'x'; COPIED + 1];
        let mut out = outgoing(Framing::Chunks, &[&long]);
        out.frame(true);
        assert_eq!(&out.text[..], b"HEAD4001\r\n");
        assert_eq!(out.pieces.concat(), [&long[..], b"\r\n0\r\n\r\n"].concat());
    }

    #[test]
    fn what_is_missing_of_a_length_is_known() {
        let mut out = outgoing(Framing::Length(5), &[b"abc"]);
        out.frame(true);
        assert_eq!(out.framing, Framing::Length(2));
        assert_eq!(framed(Framing::Nothing, &[b"abc"], true), b"HEAD");
    }
}
