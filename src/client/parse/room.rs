//! nginx's accounting of header buffers: a head fills the first buffer, then up to NUMBER large ones of SIZE bytes, and
//! no line is ever split over two of them.

/// How much of its buffers a head has used.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    left: usize,
    spare: usize,
    size: usize,
}

/// Why a line does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// It is longer than a whole buffer.
    Line,
    /// All buffers are used up.
    Head,
}

impl Room {
    pub fn new(first: usize, (number, size): (usize, usize)) -> Self {
        Room { left: first, spare: number, size }
    }

    /// Takes the room of a whole line, its line end counted.
    pub fn take(&mut self, len: usize) -> Result<(), Full> {
        self.check(len)?;
        if len > self.left {
            self.spare -= 1;
            self.left = self.size;
        }
        self.left -= len;
        Ok(())
    }

    /// Whether a line of that many bytes fits; also asked for a line whose end has not been read.
    pub fn check(&self, len: usize) -> Result<(), Full> {
        if len <= self.left {
            Ok(())
        } else if self.spare == 0 {
            Err(Full::Head)
        } else if len > self.size {
            Err(Full::Line)
        } else {
            Ok(())
        }
    }
}
