//! An XML file as a list of its elements, each with its place and its attributes.
//!
//! roxmltree reads the text; nothing is fetched, a DOCTYPE is refused, size and number of elements are bounded. The values
//! of attributes that hold secrets are dropped here, and the text that messages show has stars in their place.

use super::secrets;
use crate::config::diagnostics::plain;
use crate::config::{Diagnostics, Span};
use roxmltree::{Document, Error, Node, ParsingOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

/// A server.xml has some 10 KB.
const MAX_BYTES: u64 = 1 << 20;
const MAX_ELEMENTS: u32 = 100_000;

/// A text and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: String,
    pub span: Span,
}

#[derive(Debug)]
pub struct Element {
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// The index of the element it stands in.
    pub parent: Option<usize>,
    attributes: Vec<Attribute>,
}

#[derive(Debug)]
pub struct Attribute {
    pub name: Word,
    /// Empty where it is a secret.
    pub value: Word,
}

impl Element {
    pub fn get(&self, name: &str) -> Option<&Word> {
        self.attributes.iter().find(|a| a.name.text == name).map(|a| &a.value)
    }

    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }
}

/// The elements of a file, in its order. `None` if it cannot be read, which is noted.
pub fn load(path: &Path, diagnostics: &mut Diagnostics) -> Option<Vec<Element>> {
    match read(path) {
        Ok(text) => parse(path, text.strip_prefix('\u{feff}').unwrap_or(&text), diagnostics),
        Err(why) => {
            diagnostics
                .error_nowhere(format!("{}: {why}", path.display()))
                .help("`--context` names a Tomcat's context.xml or server.xml");
            None
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let why = |e: io::Error| plain(&e);
    // A pipe would be waited for, a device read without end.
    if std::fs::metadata(path).is_ok_and(|kind| !kind.is_file()) {
        return Err("it is no regular file".into());
    }
    let file = crate::system::open(path).map_err(why)?;
    if !file.metadata().map_err(why)?.is_file() {
        return Err("it is no regular file".into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(why)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it is larger than {} MB: this is no file of a Tomcat's", MAX_BYTES >> 20));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a text that stands for the file `path`.
pub fn parse(path: &Path, text: &str, diagnostics: &mut Diagnostics) -> Option<Vec<Element>> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_ELEMENTS, entity_resolver: None };
    match Document::parse_with_options(text, options) {
        Ok(document) => {
            let file = diagnostics.add_source(path, &without_secrets(text, &document));
            Some(elements(&document, &mut Places::new(file, text)))
        }
        Err(why) => {
            let file = diagnostics.add_source(path, &secrets::guessed(text));
            let at = why.pos();
            let noted =
                diagnostics.error(Span { file, line: at.row.max(1), column: at.col.max(1), width: 1 }, words(&why));
            if let Error::DtdDetected = why {
                noted.help("take the DOCTYPE out of a copy, write in what its entities stand for, and name the copy");
            }
            None
        }
    }
}

fn words(why: &Error) -> String {
    match why {
        Error::DtdDetected => "a DOCTYPE is not read: it could bring in other files".into(),
        Error::NodesLimitReached => "too many elements: this is no file of a Tomcat's".into(),
        // Its name may be a part of a password in which a `&` was left as it is.
        Error::UnknownEntityReference(..) => {
            "this is no XML: an entity that XML does not have; write `&` as `&amp;`".into()
        }
        other => {
            let text = other.to_string();
            format!("this is no XML: {}", text.rsplit_once(" at ").map_or(text.as_str(), |(what, _)| what))
        }
    }
}

/// What messages may show.
fn without_secrets(text: &str, document: &Document<'_>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    let mut replace = |range: Range<usize>, by: String| {
        shown.push_str(text.get(at..range.start).unwrap_or_default());
        shown.push_str(&by);
        at = range.end;
    };
    for node in document.descendants() {
        for attribute in node.attributes().filter(|a| secrets::is_secret(a.name())) {
            replace(attribute.range_value(), secrets::stars(&text[attribute.range_value()]));
        }
        if node.is_comment() {
            replace(node.range(), secrets::guessed(&text[node.range()]));
        }
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    secrets::without_urls(&shown)
}

fn elements(document: &Document<'_>, places: &mut Places<'_>) -> Vec<Element> {
    let mut found: Vec<Element> = Vec::new();
    // The elements that are open, by the end of their text.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for node in document.descendants().filter(Node::is_element) {
        let range = node.range();
        while open.pop_if(|(end, _)| *end <= range.start).is_some() {}
        let name = node.tag_name().name();
        let span = places.span(range.start + 1..range.start + 1 + name.len());
        let attributes = node
            .attributes()
            .map(|a| {
                let text = if secrets::is_secret(a.name()) { "" } else { a.value() };
                let name = Word { text: a.name().to_owned(), span: places.span(a.range_qname()) };
                Attribute { name, value: Word { text: text.to_owned(), span: places.span(a.range_value()) } }
            })
            .collect();
        let parent = open.last().map(|(_, index)| *index);
        open.push((range.end, found.len()));
        found.push(Element { name: name.to_owned(), span, parent, attributes });
    }
    found
}

/// Lines and columns of places that are asked for in their order, so that the text is walked through once.
struct Places<'t> {
    file: u16,
    text: &'t str,
    at: usize,
    line: u32,
    column: u32,
}

impl Places<'_> {
    fn new(file: u16, text: &str) -> Places<'_> {
        Places { file, text, at: 0, line: 1, column: 1 }
    }

    fn span(&mut self, range: Range<usize>) -> Span {
        let passed = self.text.get(self.at..range.start).unwrap_or_default();
        for c in passed.chars() {
            match c {
                '\n' => (self.line, self.column) = (self.line + 1, 1),
                _ => self.column += 1,
            }
        }
        self.at = range.start.max(self.at);
        let marked = self.text.get(range).unwrap_or_default();
        let width = marked.lines().next().unwrap_or_default().chars().count().max(1);
        Span { file: self.file, line: self.line, column: self.column, width: width as u32 }
    }
}
