//! Sending what was planned: a file's bytes, in chunks, without holding up the runtime.
//!
//! What always holds: the chunks add up to exactly [`Body::len`] bytes, or the last one is an error. A file that
//! shrinks while it is read is such an error, because the Content-Length has already gone out. Dropping a pending
//! [`Body::next`] loses nothing: the position moves only with the bytes handed out.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::open::off_runtime;
use super::range::Multipart;

/// Bytes in one chunk, at most.
pub const CHUNK: u64 = 64 * 1024;

#[derive(Debug, Default)]
pub struct Body {
    file: Option<Arc<File>>,
    len: u64,
    /// What is left of the span being read.
    span: Range<u64>,
    framed: Option<Framed>,
    /// Something else than a file.
    text: Option<Bytes>,
}

/// Several spans, taken up one after the other.
#[derive(Debug)]
struct Framed {
    multipart: Multipart,
    next: usize,
}

impl Body {
    /// For HEAD and 304.
    pub fn empty() -> Self {
        Body::default()
    }

    /// One span of the file, or all of it.
    pub fn span(file: File, span: Range<u64>) -> Self {
        Body { file: Some(Arc::new(file)), len: span.end.saturating_sub(span.start), span, framed: None, text: None }
    }

    /// Several, with the framing between them.
    pub fn multipart(file: File, multipart: Multipart) -> Self {
        let len = multipart.total_len();
        Body { file: Some(Arc::new(file)), len, span: 0..0, framed: Some(Framed { multipart, next: 0 }), text: None }
    }

    /// A text that was made of what the disk has.
    pub fn text(text: Vec<u8>) -> Self {
        Body { len: text.len() as u64, text: Some(text.into()), ..Body::default() }
    }

    /// Of the whole body as it was planned, in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next chunk, never an empty one; None at the end. After an error the answer must be cut off: there
    /// is no way to complete it.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.span.start < self.span.end {
            return self.read().await.map(Some);
        }
        if let Some(text) = self.text.take().filter(|text| !text.is_empty()) {
            return Ok(Some(text));
        }
        Ok(self.framed.as_mut().and_then(|framed| framed.advance(&mut self.span)))
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let Some(file) = &self.file else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let at = self.span.start;
        let want = (self.span.end - at).min(CHUNK) as usize;
        let chunk = match read_cached(file, at, want) {
            Some(chunk) => chunk,
            None => {
                let file = Arc::clone(file);
                off_runtime(move || read_waiting(&file, at, want)).await??
            }
        };
        self.span.start += chunk.len() as u64;
        Ok(chunk)
    }
}

impl Framed {
    fn advance(&mut self, span: &mut Range<u64>) -> Option<Bytes> {
        let index = self.next;
        self.next = index.saturating_add(1);
        match self.multipart.parts().get(index) {
            Some(part) => {
                *span = part.clone();
                Some(self.multipart.head(index))
            }
            None if index == self.multipart.parts().len() => Some(self.multipart.tail()),
            None => None,
        }
    }
}

/// What the page cache holds, read here and now: it spares most answers the way to another thread. None if it
/// holds nothing, or the file system cannot tell.
fn read_cached(file: &File, at: u64, want: usize) -> Option<Bytes> {
    let mut buffer: Vec<u8> = Vec::with_capacity(want);
    let offset = libc::off_t::try_from(at).ok()?;
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: want };
    // SAFETY: the one iovec describes `want` bytes of spare capacity that `buffer` owns until after the call.
    let got = unsafe { libc::preadv2(file.as_raw_fd(), &part, 1, offset, libc::RWF_NOWAIT) };
    let got = usize::try_from(got).ok().filter(|&got| got > 0 && got <= want)?;
    // SAFETY: the kernel wrote the first `got` bytes, and `got` is within the capacity.
    unsafe { buffer.set_len(got) };
    Some(buffer.into())
}

/// Blocks. An end before the planned one is an error, not a short body.
fn read_waiting(file: &File, at: u64, want: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; want];
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file shrank while it was sent"));
            }
            Ok(got) => {
                buffer.truncate(got);
                return Ok(buffer.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("writes");
        file
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at % 251) as u8).collect()
    }

    async fn drain(body: &mut Body) -> io::Result<Vec<u8>> {
        let mut all = vec![];
        while let Some(chunk) = body.next().await? {
            assert!(!chunk.is_empty() && chunk.len() as u64 <= CHUNK);
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_file_of_several_chunks_arrives_whole() {
        for len in [0, 1, CHUNK as usize, CHUNK as usize + 1, 3 * CHUNK as usize + 77] {
            let content = pattern(len);
            let mut body = Body::span(file(&content), 0..len as u64);
            assert_eq!(body.len(), len as u64);
            assert!(drain(&mut body).await.expect("reads") == content, "{len}");
            assert!(body.next().await.expect("stays at its end").is_none());
        }
    }

    #[tokio::test]
    async fn a_span_is_cut_out_exactly() {
        let content = pattern(200_000);
        let mut body = Body::span(file(&content), 70_001..170_003);
        assert!(drain(&mut body).await.expect("reads") == content[70_001..170_003]);
    }

    #[tokio::test]
    async fn several_spans_come_framed_and_as_long_as_announced() {
        let multipart = Multipart::new("7".into(), Some("text/plain"), vec![0..1, 90_000..190_000, 2..4], 200_000);
        let content = pattern(200_000);
        let mut expected = vec![];
        for (index, part) in multipart.parts().iter().enumerate() {
            expected.extend_from_slice(&multipart.head(index));
            expected.extend_from_slice(&content[part.start as usize..part.end as usize]);
        }
        expected.extend_from_slice(&multipart.tail());
        let mut body = Body::multipart(file(&content), multipart);
        assert_eq!(body.len(), expected.len() as u64);
        assert!(drain(&mut body).await.expect("reads") == expected);
        assert!(body.next().await.expect("stays at its end").is_none());
    }

    #[tokio::test]
    async fn a_file_that_shrinks_is_an_error_and_stays_one() {
        let content = pattern(3 * CHUNK as usize);
        let file = file(&content);
        let shrinking = file.try_clone().expect("clones");
        let mut body = Body::span(file, 0..content.len() as u64);
        assert!(body.next().await.expect("reads").is_some());
        shrinking.set_len(CHUNK + 10).expect("shrinks");
        assert_eq!(body.next().await.expect("reads the rest").map(|chunk| chunk.len()), Some(10));
        for _ in 0..3 {
            let error = body.next().await.expect_err("is over");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[tokio::test]
    async fn a_file_that_grows_is_sent_as_it_was_announced() {
        let file = file(b"0123456789");
        let mut growing = file.try_clone().expect("clones");
        let mut body = Body::span(file, 0..10);
        growing.write_all(b"more").expect("grows");
        assert_eq!(drain(&mut body).await.expect("reads"), b"0123456789");
    }

    #[test]
    fn both_ways_of_reading_give_the_same() {
        let content = pattern(1000);
        let file = file(&content);
        assert_eq!(&read_waiting(&file, 10, 100).expect("reads")[..], &content[10..110]);
        assert_eq!(&read_waiting(&file, 990, 100).expect("reads")[..], &content[990..]);
        if let Some(cached) = read_cached(&file, 10, 100) {
            assert_eq!(&cached[..], &content[10..10 + cached.len()]);
        }
        assert!(read_cached(&file, 1000, 100).is_none());
        assert!(read_cached(&file, u64::MAX, 100).is_none());
    }
}
