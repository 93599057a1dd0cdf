//! `Cache-Tag`: the names under which an answer can be purged.
//!
//! What always holds: an upstream cannot make one answer cost more than [`MOST`] names of [`LONGEST`] bytes.

use http::HeaderMap;

/// What is beyond is not taken.
pub const MOST: usize = 128;
pub const LONGEST: usize = 256;

/// As CDNs read the field: names between commas or blanks, each once, in their order. Case counts.
pub fn tags(headers: &HeaderMap) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    let lines = headers.get_all("cache-tag").iter().map(|line| line.as_bytes());
    for tag in lines.flat_map(|line| line.split(|byte| matches!(byte, b',' | b' ' | b'\t'))) {
        if tags.len() == MOST {
            break;
        }
        let Ok(tag) = std::str::from_utf8(tag) else { continue };
        let fits = (1..=LONGEST).contains(&tag.len());
        if fits && !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}
