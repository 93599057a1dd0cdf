//! The files a configuration consists of: `include`, and what it may cost.
//!
//! Only regular files are read, so that nothing is waited for; how many, how large and how deep they include each other
//! is bounded, and a file never includes itself.

use super::lexer::{Lexer, Mistake};
use super::parser::{self, Block, Directive, Step};
use super::shown;
use crate::config::diagnostics::numbered;
use crate::config::{Diagnostics, Span};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::glob;

/// Files that include files.
const MAX_OPEN: usize = 32;
const MAX_FILES: usize = 1_000;
/// All files together.
const MAX_BYTES: u64 = 16 << 20;
/// After so many mistakes of syntax the file is something else than a configuration.
const MAX_MISTAKES: usize = 20;

/// The files that are being read, and what they may still cost.
pub struct Files<'d> {
    pub diagnostics: &'d mut Diagnostics,
    /// What includes are relative to: the directory of the first file, as nginx has it.
    prefix: PathBuf,
    /// The files that are being read, the outermost first.
    open: Vec<PathBuf>,
    read: usize,
    bytes_left: u64,
    pub directives: usize,
    mistakes: usize,
    /// The nesting of blocks is not what was meant.
    pub broken: bool,
}

impl<'d> Files<'d> {
    pub fn new(path: &Path, diagnostics: &'d mut Diagnostics) -> Files<'d> {
        Files {
            diagnostics,
            prefix: path.parent().unwrap_or(Path::new("")).to_owned(),
            open: Vec::new(),
            read: 0,
            bytes_left: MAX_BYTES,
            directives: 0,
            mistakes: 0,
            broken: false,
        }
    }

    /// `from`: the `include` that names it.
    pub fn file(&mut self, path: &Path, from: Option<Span>, depth: usize) -> Option<Block> {
        let bytes = match self.read(path) {
            Ok(bytes) => bytes,
            Err(why) => {
                match from {
                    Some(span) => self.diagnostics.error(span, why),
                    None => self.diagnostics.error_nowhere(why),
                };
                return None;
            }
        };
        self.text(path, &String::from_utf8_lossy(&bytes), depth)
    }

    fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        self.read += 1;
        let failed = |e: io::Error| format!("open() \"{}\" failed ({})", path.display(), numbered(&e));
        // A pipe would be waited for, a device read without end.
        let regular = |kind: std::fs::Metadata| match (kind.is_dir(), kind.is_file()) {
            (true, _) => Err(failed(io::Error::from_raw_os_error(libc::EISDIR))),
            (_, true) => Ok(()),
            _ => Err(format!("\"{}\" is not a file", path.display())),
        };
        std::fs::metadata(path).map_or(Ok(()), regular)?;
        let mut bytes = Vec::new();
        let file = crate::system::open(path).map_err(failed)?;
        regular(file.metadata().map_err(failed)?)?;
        file.take(self.bytes_left + 1).read_to_end(&mut bytes).map_err(failed)?;
        let size = bytes.len() as u64;
        if size > self.bytes_left {
            return Err(format!("\"{}\": the configuration is larger than {} MB", path.display(), MAX_BYTES >> 20));
        }
        self.bytes_left -= size;
        Ok(bytes)
    }

    /// A text that stands for a file.
    pub fn text(&mut self, path: &Path, text: &str, depth: usize) -> Option<Block> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = self.diagnostics.add_source(path, text);
        let nowhere = Span { file, line: 1, column: 1, width: 1 };
        if text.contains('\0') {
            self.broken = true;
            self.diagnostics.error(nowhere, "this is not a text file: it holds zero bytes");
            return None;
        }
        self.open.push(path.to_owned());
        let conf = parser::read_text(self, Lexer::new(file, text), depth);
        self.open.pop();
        self.broken |= conf.is_none();
        conf
    }

    /// Notes a mistake of syntax.
    pub fn note(&mut self, mistake: Mistake) -> Step {
        let noted = self.diagnostics.error(mistake.span, mistake.message);
        if let Some(help) = mistake.help {
            noted.help(help);
        }
        self.mistakes += 1;
        if mistake.fatal {
            return Step::Stop;
        }
        if self.mistakes >= MAX_MISTAKES {
            self.diagnostics.error(mistake.span, "too many mistakes of syntax: the rest is not read");
            return Step::Stop;
        }
        Step::On
    }

    /// What the files hold that an `include` names.
    pub fn include(&mut self, directive: &Directive, depth: usize) -> Vec<Block> {
        let span = directive.name.span;
        let [pattern] = directive.args.as_slice() else {
            self.diagnostics
                .error(span, "invalid number of arguments in \"include\" directive")
                .help("expected the path of a file, or a pattern such as `conf.d/*.conf`");
            return Vec::new();
        };
        match glob::files(&self.prefix, &pattern.text) {
            Ok(paths) => paths.iter().filter_map(|path| self.included(path, pattern.span, depth)).collect(),
            Err(why) => {
                self.diagnostics.error(pattern.span, format!("include \"{}\": {why}", shown(&pattern.text)));
                Vec::new()
            }
        }
    }

    fn included(&mut self, path: &Path, span: Span, depth: usize) -> Option<Block> {
        let problem = if self.open.iter().any(|open| same_file(open, path)) {
            Some(format!("\"{}\" includes itself", path.display()))
        } else if self.open.len() >= MAX_OPEN {
            Some(format!("more than {MAX_OPEN} files include each other"))
        } else if self.read >= MAX_FILES {
            Some(format!("more than {MAX_FILES} files are included"))
        } else {
            None
        };
        if let Some(problem) = problem {
            self.diagnostics.error(span, problem);
            return None;
        }
        self.file(path, Some(span), depth)
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
