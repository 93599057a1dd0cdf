//! Streaming encoders: bytes in, coded bytes out.
//!
//! What always holds: memory is bounded by the window and by the piece that was put in, never by the
//! length of the body; a stream ends only where [`Flush::Finish`] was asked for, so that a body that broke
//! off is seen to be broken. One output buffer serves a whole body.
//!
//! Windows: 32 KiB for gzip, 512 KiB for Brotli and Zstandard (RFC 9659 allows up to 8 MiB), and only as
//! much of it as the body needs where its length is known.

use std::io;

use brotli::enc::StandardAlloc;
use brotli::enc::encode::{
    BrotliEncoderCompressStream, BrotliEncoderCreateInstance, BrotliEncoderHasMoreOutput, BrotliEncoderIsFinished,
    BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderSetParameter, BrotliEncoderStateStruct,
};
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::stream::raw::{CParameter, InBuffer, Operation, OutBuffer};

use super::negotiate::Algorithm;

/// Output is handed on when there is this much of it, or when it is flushed.
pub const HOLD: usize = 8 * 1024;

/// How much room an encoder is given at a time.
const STEP: usize = 16 * 1024;

/// log2 of the largest window of Brotli and Zstandard.
const WINDOW: u32 = 19;

/// An encoder that gave up; the body cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("gzip: {0}")]
    Gzip(#[from] flate2::CompressError),
    #[error("br: the encoder refused its input")]
    Brotli,
    #[error("zstd: {0}")]
    Zstd(#[source] io::Error),
    #[error("{0}: the encoder makes no progress")]
    Stuck(&'static str),
}

/// What must be out after a piece went in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// nothing: the encoder collects
    None,
    /// everything that went in so far can be decoded
    Sync,
    /// the end of the stream
    Finish,
}

/// One body's encoder.
pub struct Encoder {
    kind: Kind,
    out: Vec<u8>,
}

enum Kind {
    Gzip(Compress),
    Brotli(Box<BrotliEncoderStateStruct<StandardAlloc>>),
    Zstd(zstd::stream::raw::Encoder<'static>),
}

impl Encoder {
    /// An encoder at this level, clamped to what the algorithm knows; `length` is the body's, where known.
    pub fn new(algorithm: Algorithm, level: u32, length: Option<u64>) -> Result<Self, EncodeError> {
        let kind = match algorithm {
            Algorithm::Gzip => {
                Kind::Gzip(Compress::new_gzip(Compression::new(level.clamp(1, 9)), window(length, 9, 15) as u8))
            }
            Algorithm::Brotli => Kind::Brotli(Box::new(brotli_state(level, length))),
            Algorithm::Zstd => Kind::Zstd(zstd_state(level, length).map_err(EncodeError::Zstd)?),
        };
        Ok(Self { kind, out: Vec::new() })
    }

    /// Puts one piece in, and takes out what is due: all of it when flushing, else what exceeds [`HOLD`].
    pub fn write(&mut self, input: &[u8], flush: Flush) -> Result<Option<Bytes>, EncodeError> {
        match &mut self.kind {
            Kind::Gzip(state) => gzip(state, input, &mut self.out, flush)?,
            Kind::Brotli(state) => brotli(state, input, &mut self.out, flush)?,
            Kind::Zstd(state) => zstd(state, input, &mut self.out, flush)?,
        }
        if self.out.is_empty() || (flush == Flush::None && self.out.len() < HOLD) {
            return Ok(None);
        }
        if flush == Flush::Finish {
            return Ok(Some(Bytes::from(std::mem::take(&mut self.out))));
        }
        let due = Bytes::copy_from_slice(&self.out);
        self.out.clear();
        // One big piece must not leave its buffer behind for the rest of a long answer.
        self.out.shrink_to(4 * STEP);
        Ok(Some(due))
    }
}

/// A whole body at once, as for a variant that is kept in a cache.
pub fn encode_whole(algorithm: Algorithm, level: u32, body: &[u8]) -> Result<Bytes, EncodeError> {
    let mut encoder = Encoder::new(algorithm, level, Some(body.len() as u64))?;
    Ok(encoder.write(body, Flush::Finish)?.unwrap_or_default())
}

/// log2 of the window: no more than the body needs.
fn window(length: Option<u64>, least: u32, most: u32) -> u32 {
    match length {
        // 262 bytes of zlib's window are out of use, 16 of Brotli's.
        Some(length) => (u64::BITS - length.saturating_add(262).leading_zeros()).clamp(least, most),
        None => most,
    }
}

fn brotli_state(level: u32, length: Option<u64>) -> BrotliEncoderStateStruct<StandardAlloc> {
    let mut state = BrotliEncoderCreateInstance(StandardAlloc::default());
    BrotliEncoderSetParameter(&mut state, BrotliEncoderParameter::BROTLI_PARAM_QUALITY, level.min(11));
    let window = window(length, 10, WINDOW);
    BrotliEncoderSetParameter(&mut state, BrotliEncoderParameter::BROTLI_PARAM_LGWIN, window);
    state
}

fn zstd_state(level: u32, length: Option<u64>) -> io::Result<zstd::stream::raw::Encoder<'static>> {
    // Above 19 are the levels that want hundreds of megabytes.
    let mut state = zstd::stream::raw::Encoder::new(level.clamp(1, 19) as i32)?;
    state.set_parameter(CParameter::WindowLog(window(length, 10, WINDOW)))?;
    Ok(state)
}

/// Room for the encoder to write to.
fn make_room(out: &mut Vec<u8>) {
    if out.capacity() - out.len() < STEP / 4 {
        out.reserve(STEP);
    }
}

fn gzip(state: &mut Compress, input: &[u8], out: &mut Vec<u8>, flush: Flush) -> Result<(), EncodeError> {
    let mode = match flush {
        Flush::None => FlushCompress::None,
        Flush::Sync => FlushCompress::Sync,
        Flush::Finish => FlushCompress::Finish,
    };
    let mut rest = input;
    loop {
        make_room(out);
        let (before_in, before_out) = (state.total_in(), out.len());
        let status = state.compress_vec(rest, out, mode)?;
        let taken = (state.total_in() - before_in) as usize;
        rest = rest.get(taken..).unwrap_or_default();
        let is_done = match flush {
            Flush::Finish => status == Status::StreamEnd,
            // Room left over means that nothing is pending.
            _ => rest.is_empty() && out.len() < out.capacity(),
        };
        if is_done {
            return Ok(());
        }
        if taken == 0 && out.len() == before_out {
            return Err(EncodeError::Stuck("gzip"));
        }
    }
}

fn brotli(
    state: &mut BrotliEncoderStateStruct<StandardAlloc>,
    input: &[u8],
    out: &mut Vec<u8>,
    flush: Flush,
) -> Result<(), EncodeError> {
    let operation = match flush {
        Flush::None => BrotliEncoderOperation::BROTLI_OPERATION_PROCESS,
        Flush::Sync => BrotliEncoderOperation::BROTLI_OPERATION_FLUSH,
        Flush::Finish => BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
    };
    let (mut left, mut from) = (input.len(), 0);
    loop {
        make_room(out);
        let (before, before_left) = (out.len(), left);
        out.resize(out.capacity(), 0);
        let (mut room, mut written) = (out.len() - before, 0);
        let accepted = BrotliEncoderCompressStream(
            state,
            operation,
            &mut left,
            input,
            &mut from,
            &mut room,
            &mut out[before..],
            &mut written,
            &mut None,
            &mut |_, _, _, _| (),
        );
        out.truncate(before + written);
        if accepted <= 0 {
            return Err(EncodeError::Brotli);
        }
        let is_done = match flush {
            Flush::Finish => BrotliEncoderIsFinished(state) != 0,
            _ => left == 0 && BrotliEncoderHasMoreOutput(state) == 0,
        };
        if is_done {
            return Ok(());
        }
        if written == 0 && left == before_left {
            return Err(EncodeError::Stuck("br"));
        }
    }
}

fn zstd(
    state: &mut zstd::stream::raw::Encoder<'static>,
    input: &[u8],
    out: &mut Vec<u8>,
    flush: Flush,
) -> Result<(), EncodeError> {
    let mut input = InBuffer::around(input);
    while input.pos() < input.src.len() {
        make_room(out);
        let (before_in, before_out) = (input.pos(), out.len());
        state.run(&mut input, &mut OutBuffer::around_pos(out, before_out)).map_err(EncodeError::Zstd)?;
        if input.pos() == before_in && out.len() == before_out {
            return Err(EncodeError::Stuck("zstd"));
        }
    }
    if flush == Flush::None {
        return Ok(());
    }
    loop {
        make_room(out);
        let before = out.len();
        let mut buffer = OutBuffer::around_pos(out, before);
        let left = match flush {
            Flush::Finish => state.finish(&mut buffer, true),
            _ => state.flush(&mut buffer),
        };
        if left.map_err(EncodeError::Zstd)? == 0 {
            return Ok(());
        }
        if out.len() == before {
            return Err(EncodeError::Stuck("zstd"));
        }
    }
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
