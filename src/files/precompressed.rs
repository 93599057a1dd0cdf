//! `gzip_static`, `brotli_static` and `zstd_static`: `style.css.gz`, `.br` or `.zst` in place of `style.css`.
//!
//! As in nginx's module the times of the two files are not compared, the file itself need not exist, and one that
//! cannot be opened is passed over, while one that is neither file nor directory is a 404. Blocks; runs beside
//! the runtime.

use std::path::Path;

use super::links::Links;
use super::open::{Found, Opened, open};
use super::path::append;
use super::refusal::Refusal;

/// The directives' values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Static {
    #[default]
    Off,
    /// For clients that accept the encoding.
    On,
    /// For all, whatever they accept.
    Always,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Brotli,
    Zstd,
    Gzip,
}

impl Encoding {
    /// The Content-Encoding.
    pub fn token(self) -> &'static str {
        match self {
            Encoding::Brotli => "br",
            Encoding::Zstd => "zstd",
            Encoding::Gzip => "gzip",
        }
    }

    fn suffix(self) -> &'static [u8] {
        match self {
            Encoding::Brotli => b".br",
            Encoding::Zstd => b".zst",
            Encoding::Gzip => b".gz",
        }
    }
}

/// One encoding to look for.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub encoding: Encoding,
    pub mode: Static,
    /// What the client's Accept-Encoding says.
    pub accepted: bool,
}

impl Candidate {
    fn usable(&self) -> bool {
        self.mode == Static::Always || (self.mode == Static::On && self.accepted)
    }
}

/// What [`pick`] found.
#[derive(Debug, Default)]
pub struct Picked {
    pub opened: Option<(Opened, Encoding)>,
    /// Another Accept-Encoding would have got something else.
    pub varies: bool,
    /// Something in place of the compressed file that ends the search.
    pub refused: Option<Refusal>,
}

/// The first usable candidate beside `path`. Without `gzip_vary` nothing is looked for that this client cannot use.
pub fn pick(path: &Path, candidates: &[Candidate], gzip_vary: bool, links: impl Fn(&Path) -> Option<Links>) -> Picked {
    let mut picked = Picked::default();
    for candidate in candidates {
        if candidate.mode == Static::Off || !(candidate.usable() || gzip_vary) {
            continue;
        }
        let Ok(beside) = append(path, candidate.encoding.suffix()) else {
            continue;
        };
        let Ok(found) = open(&beside, links(&beside)) else { continue };
        picked.varies |= candidate.mode == Static::On;
        if !candidate.usable() {
            continue;
        }
        match found {
            Found::File(opened) => picked.opened = Some((opened, candidate.encoding)),
            Found::Special => picked.refused = Some(Refusal::NotRegular(beside)),
            Found::Directory => continue,
        }
        break;
    }
    picked
}
