//! The list of a directory's files, as nginx's autoindex module writes it, and one of them at random.
//!
//! What always holds: files whose names begin with a dot are not in it, and no name can break out of the text it stands
//! in. Blocks; runs beside the runtime. A directory with more entries than [`MOST`] is refused.

use super::refusal::Refusal;
use crate::http::escape::{self, LogEscape};
use crate::variables;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The most entries that are listed: the list is made in memory.
const MOST: usize = 200_000;
/// How long a name is shown in HTML.
const SHOWN: usize = 50;

/// What a list is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Html,
    Json,
    Jsonp,
    Xml,
}

/// `autoindex`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    pub format: Format,
    pub exact_size: bool,
    pub local_time: bool,
    /// Names are UTF-8: the answer says so, and a name is as long as it has characters.
    pub utf8: bool,
}

#[derive(Debug)]
struct Item {
    name: Vec<u8>,
    kind: Kind,
    size: u64,
    modified: SystemTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Other,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Directory => "directory",
            Kind::File => "file",
            Kind::Other => "other",
        }
    }
}

/// A list, and its media type.
pub struct Listed {
    pub content_type: &'static str,
    pub text: Vec<u8>,
}

impl Listing {
    /// `callback` is what JSONP is asked for by; `None` in its place: it is no name. `uri` is the path that was asked for.
    pub fn list(&self, directory: &Path, uri: &[u8], callback: Option<&[u8]>) -> Result<Listed, Refusal> {
        let items = read(directory).map_err(|source| Refusal::Open { path: directory.to_path_buf(), source })?;
        Ok(match (self.format, callback) {
            (Format::Html, _) => Listed { content_type: "text/html", text: self.html(&items, uri) },
            (Format::Xml, _) => Listed { content_type: "text/xml; charset=utf-8", text: xml(&items) },
            (Format::Jsonp, Some(callback)) => {
                let parts = [b"/* callback */\r\n", callback, b"(", &json(&items), b");"];
                Listed { content_type: "application/javascript", text: parts.concat() }
            }
            (Format::Json | Format::Jsonp, _) => Listed { content_type: "application/json", text: json(&items) },
        })
    }

    /// What the argument `callback` says; an error, the status to refuse the request with, if it is no name.
    pub fn callback<'a>(&self, args: &'a [u8]) -> Result<Option<&'a [u8]>, u16> {
        let named =
            |pair: &'a [u8]| pair.get(..9).is_some_and(|n| n.eq_ignore_ascii_case(b"callback=")).then(|| &pair[9..]);
        let found = args.split(|b| *b == b'&').find_map(named).filter(|name| !name.is_empty());
        let Some(name) = found.filter(|_| self.format == Format::Jsonp) else { return Ok(None) };
        let is_name = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
        if is_name && name.len() <= 128 { Ok(Some(name)) } else { Err(400) }
    }

    fn html(&self, items: &[Item], uri: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + items.len() * 160);
        let title = escape::html(uri);
        out.extend_from_slice(b"<html>\r\n<head><title>Index of ");
        out.extend_from_slice(&title);
        out.extend_from_slice(b"</title></head>\r\n<body>\r\n<h1>Index of ");
        out.extend_from_slice(&title);
        out.extend_from_slice(b"</h1><hr><pre><a href=\"../\">../</a>\r\n");
        items.iter().for_each(|item| self.html_line(item, &mut out));
        out.extend_from_slice(b"</pre><hr></body>\r\n</html>\r\n");
        out
    }

    fn html_line(&self, item: &Item, out: &mut Vec<u8>) {
        let is_directory = item.kind == Kind::Directory;
        out.extend_from_slice(b"<a href=\"");
        out.extend_from_slice(&escape::uri_component(&item.name));
        if is_directory {
            out.push(b'/');
        }
        out.extend_from_slice(b"\">");
        let length = if self.utf8 { characters(&item.name) } else { item.name.len() };
        match length > SHOWN {
            true => {
                out.extend_from_slice(&escape::html(self.beginning(&item.name)));
                out.extend_from_slice(b"..&gt;</a>");
            }
            false => {
                out.extend_from_slice(&escape::html(&item.name));
                let slash = usize::from(is_directory && length < SHOWN);
                out.extend_from_slice(&b"/"[..slash]);
                out.extend_from_slice(b"</a>");
                out.resize(out.len() + SHOWN - length - slash, b' ');
            }
        }
        let size = match (is_directory, self.exact_size) {
            (true, true) => format!("{:>19}", "-"),
            (true, false) => format!("{:>7}", "-"),
            (false, true) => format!("{:>19}", item.size),
            (false, false) => rounded(item.size),
        };
        out.extend_from_slice(format!(" {} {size}\r\n", self.time(item.modified)).as_bytes());
    }

    /// As much of a long name as is shown.
    fn beginning<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        if !self.utf8 || characters(name) == name.len() {
            return &name[..SHOWN - 3];
        }
        let starts = name.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80);
        let end = starts.map(|(at, _)| at).nth(SHOWN - 3).unwrap_or(name.len());
        &name[..end]
    }

    /// `03-Feb-2001 04:05`
    fn time(&self, at: SystemTime) -> String {
        let iso = if self.local_time { variables::iso8601(at) } else { utc(at) };
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = iso.get(5..7).and_then(|month| month.parse::<usize>().ok()).unwrap_or(1);
        let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or("Jan");
        let part = |range| iso.get(range).unwrap_or_default();
        format!("{}-{month}-{} {}", part(8..10), part(0..4), part(11..16))
    }
}

/// One file of a directory, whichever; `None`: there is none.
pub fn any(directory: &Path, draw: impl FnOnce(usize) -> usize) -> io::Result<Option<Vec<u8>>> {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for entry in fs::read_dir(directory)?.take(MOST) {
        let entry = entry?;
        let name = entry.file_name().as_bytes().to_vec();
        let is_file = !name.starts_with(b".") && fs::metadata(entry.path()).is_ok_and(|found| found.is_file());
        if is_file {
            files.push(name);
        }
    }
    let drawn = if files.is_empty() { 0 } else { draw(files.len()) };
    Ok(files.into_iter().nth(drawn))
}

fn read(directory: &Path) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in fs::read_dir(directory)? {
        if items.len() >= MOST {
            return Err(io::Error::other("the directory has too many files to be listed"));
        }
        items.extend(item(&entry?));
    }
    // Directories first, each by the bytes of their names.
    items.sort_by(|a: &Item, b: &Item| {
        let rank = |item: &Item| item.kind != Kind::Directory;
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    Ok(items)
}

/// What is to be said of an entry; a link that leads nowhere is itself.
fn item(entry: &DirEntry) -> Option<Item> {
    let name = entry.file_name().as_bytes().to_vec();
    if name.starts_with(b".") {
        return None;
    }
    let path: PathBuf = entry.path();
    let found: Metadata = fs::metadata(&path).or_else(|_| fs::symlink_metadata(&path)).ok()?;
    let kind = match found.file_type() {
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_file() => Kind::File,
        _ => Kind::Other,
    };
    let seconds = u64::try_from(found.mtime()).unwrap_or(0);
    Some(Item { name, kind, size: found.len(), modified: UNIX_EPOCH + Duration::from_secs(seconds) })
}

/// `1M`, `20K`, `9999`
fn rounded(size: u64) -> String {
    let scaled = |unit: u64| size / unit + u64::from(size % unit > unit / 2 - 1);
    match size {
        0x4000_0000.. => format!("{:>6}G", scaled(1 << 30)),
        0x10_0000.. => format!("{:>6}M", scaled(1 << 20)),
        10_000.. => format!("{:>6}K", scaled(1 << 10)),
        _ => format!("{size:>7}"),
    }
}

fn characters(name: &[u8]) -> usize {
    name.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// `2001-02-03T04:05:06`
fn utc(at: SystemTime) -> String {
    let date = httpdate::HttpDate::from(at).to_string();
    // Sat, 03 Feb 2001 04:05:06 GMT
    let part = |range| date.get(range).unwrap_or_default();
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = MONTHS.find(part(8..11)).unwrap_or(0) / 3 + 1;
    format!("{}-{month:02}-{}T{}", part(12..16), part(5..7), part(17..25))
}

fn json(items: &[Item]) -> Vec<u8> {
    let mut out = b"[".to_vec();
    for (at, item) in items.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\r\n" } else { b",\r\n" });
        out.extend_from_slice(b"{ \"name\":\"");
        out.extend_from_slice(&escape::log(&item.name, LogEscape::Json));
        let date = variables::http_date(item.modified);
        out.extend_from_slice(format!("\", \"type\":\"{}\", \"mtime\":\"{date}\"", item.kind.word()).as_bytes());
        if item.kind == Kind::File {
            out.extend_from_slice(format!(", \"size\":{}", item.size).as_bytes());
        }
        out.extend_from_slice(b" }");
    }
    out.extend_from_slice(b"\r\n]");
    out
}

fn xml(items: &[Item]) -> Vec<u8> {
    let mut out = b"<?xml version=\"1.0\"?>\r\n<list>\r\n".to_vec();
    for item in items {
        let kind = item.kind.word();
        out.extend_from_slice(format!("<{kind} mtime=\"{}Z\"", utc(item.modified)).as_bytes());
        if item.kind == Kind::File {
            out.extend_from_slice(format!(" size=\"{}\"", item.size).as_bytes());
        }
        out.push(b'>');
        out.extend_from_slice(&escape::html(&item.name));
        out.extend_from_slice(format!("</{kind}>\r\n").as_bytes());
    }
    out.extend_from_slice(b"</list>\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: Listing = Listing { format: Format::Html, exact_size: true, local_time: false, utf8: false };

    fn item(name: &str, kind: Kind, size: u64) -> Item {
        Item { name: name.into(), kind, size, modified: UNIX_EPOCH + Duration::from_secs(981_173_106) }
    }

    fn line(listing: Listing, item: &Item) -> String {
        let mut out = Vec::new();
        listing.html_line(item, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_line_is_as_long_as_nginx_makes_it() {
        let dir = line(LISTING, &item("sub dir", Kind::Directory, 4096));
        assert_eq!(dir, format!("<a href=\"sub%20dir/\">sub dir/</a>{:43}03-Feb-2001 04:05{:>20}\r\n", "", "-"));
        let file = line(LISTING, &item("a<b>&.txt", Kind::File, 12));
        let expected =
            format!("<a href=\"a%3Cb%3E%26.txt\">a&lt;b&gt;&amp;.txt</a>{:42}03-Feb-2001 04:05{:>20}\r\n", "", 12);
        assert_eq!(file, expected);
    }

    #[test]
    fn a_long_name_is_cut_where_a_character_ends() {
        let long = "\u{fc}".repeat(51);
        let bytes = line(LISTING, &item(&long, Kind::File, 1));
        assert!(bytes.contains(">\u{fc}\u{fc}") && bytes.contains("..&gt;</a> 03-Feb"), "{bytes}");
        let text = line(Listing { utf8: true, ..LISTING }, &item(&long, Kind::File, 1));
        assert!(text.contains(&format!(">{}..&gt;</a> 03-Feb", "\u{fc}".repeat(47))), "{text}");
    }

    #[test]
    fn sizes_are_rounded_as_nginx_rounds_them() {
        let sizes = [0, 9_999, 10_000, 10_751, 10_752, 1_048_575, 1_048_576, 1_500_000, 3 << 30];
        let told = sizes.map(rounded).map(|size| size.trim().to_owned());
        assert_eq!(told, ["0", "9999", "10K", "10K", "11K", "1024K", "1M", "1M", "3G"]);
        assert!(sizes.iter().all(|size| rounded(*size).len() == 7));
    }

    #[test]
    fn a_callback_is_a_name() {
        let listing = Listing { format: Format::Jsonp, ..LISTING };
        assert_eq!(listing.callback(b"a=b&callback=cb.x_1"), Ok(Some(&b"cb.x_1"[..])));
        assert_eq!(listing.callback(b"callback="), Ok(None));
        assert_eq!(listing.callback(b"callback=a-b"), Err(400));
        assert_eq!(LISTING.callback(b"callback=a-b"), Ok(None));
    }

    #[test]
    fn one_of_the_files_is_drawn_and_no_directory() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(any(home.path(), |_| 0).unwrap(), None);
        std::fs::create_dir(home.path().join("directory")).unwrap();
        std::fs::write(home.path().join(".hidden"), "").unwrap();
        std::fs::write(home.path().join("a"), "").unwrap();
        let drawn = any(home.path(), |of| {
            assert_eq!(of, 1);
            0
        });
        assert_eq!(drawn.unwrap(), Some(b"a".to_vec()));
    }
}
