//! What stands in an nginx.conf beside its directives: comments, and which file each line came from. They find their way
//! into the text that edge.yaml is by the lines they stood at: a comment goes above what its directive has become.

use super::parser::{Block, Body};
use crate::config::node::{Entry, Kind};
use crate::config::{Diagnostics, Node, Span};
use std::collections::{BTreeMap, HashMap};

/// A line of one of the files.
pub type Line = (u16, u32);

#[derive(Default)]
pub struct Notes {
    above: BTreeMap<Line, Vec<String>>,
    /// Comments before a closing brace, or the end of a file.
    below: BTreeMap<Line, Vec<String>>,
    /// Comments at the end of all.
    end: Vec<String>,
    files: HashMap<u16, String>,
    /// The file that the last thing written came from.
    last: Option<u16>,
    pub directives: usize,
}

/// Lines of one thing that is written: it itself, and what is written in the same line with it.
pub fn lines_of(entry: &Entry, in_one_line: bool) -> Vec<Line> {
    let mut lines = vec![line_of(entry.span), line_of(entry.value.span)];
    if in_one_line {
        add_lines(&entry.value, &mut lines);
    }
    lines
}

/// The depth of a tree is bounded where it was read.
pub fn add_lines(node: &Node, lines: &mut Vec<Line>) {
    lines.push(line_of(node.span));
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| add_lines(item, lines)),
        Kind::Map(entries) => entries.iter().for_each(|e| {
            lines.push(line_of(e.span));
            add_lines(&e.value, lines);
        }),
        Kind::Null | Kind::Scalar(_) => {}
    }
}

fn line_of(span: Span) -> Line {
    (span.file, span.line)
}

impl Notes {
    pub(super) fn of(conf: &Block, diagnostics: &Diagnostics) -> Notes {
        let mut notes = Notes::default();
        notes.take(conf, None, diagnostics);
        notes
    }

    fn take(&mut self, block: &Block, of: Option<Line>, diagnostics: &Diagnostics) {
        for d in &block.directives {
            let at = line_of(d.name.span);
            self.directives += 1;
            self.last = self.last.or(Some(d.name.span.file));
            if let (false, Some(path)) = (self.files.contains_key(&at.0), diagnostics.path_of(d.name.span)) {
                self.files.insert(at.0, path.display().to_string());
            }
            let comments = d.comments.iter().chain(&d.remark).cloned();
            let (at, inner) = match &d.body {
                // There is no `http` in edge.yaml: what stands above it goes above what it begins with.
                Body::Block(inner) if matches!(d.name.text.as_str(), "http" | "events") => {
                    (inner.directives.first().map_or(at, |first| line_of(first.name.span)), Some(inner))
                }
                Body::Block(inner) => (at, Some(inner)),
                Body::None | Body::Lua(_) => (at, None),
            };
            self.above.entry(at).or_default().extend(comments);
            if let Some(inner) = inner {
                self.take(inner, Some(at), diagnostics);
            }
        }
        let last = block.directives.last().map(|d| line_of(d.name.span)).or(of);
        let comments = block.comments.iter().cloned();
        match last {
            _ if block.comments.is_empty() => {}
            Some(last) if of.is_some() => self.below.entry(last).or_default().extend(comments),
            _ => self.end.extend(comments),
        }
    }

    /// What is to stand above something that these lines have become.
    pub fn above(&mut self, lines: &[Line]) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let file = lines.first().map(|line| line.0).filter(|file| self.files.contains_key(file));
        let real = lines.first().is_some_and(|line| line.1 > 0);
        if let Some(file) = file.filter(|file| real && self.last.is_some_and(|last| last != *file)) {
            texts.push(format!(" from {}", self.files[&file]));
            self.last = Some(file);
        }
        texts.extend(lines.iter().filter_map(|line| self.above.remove(line)).flatten());
        texts
    }

    pub fn below(&mut self, lines: &[Line]) -> Vec<String> {
        lines.iter().filter_map(|line| self.below.remove(line)).flatten().collect()
    }

    pub fn end(&mut self) -> Vec<String> {
        std::mem::take(&mut self.end)
    }

    /// What belongs to nothing that was written, with its place.
    pub fn rest(&mut self) -> Vec<String> {
        let all = std::mem::take(&mut self.above).into_iter().chain(std::mem::take(&mut self.below));
        let name = |file| self.files.get(&file).map_or("", String::as_str);
        all.flat_map(|((file, line), texts)| texts.into_iter().map(move |t| format!(" {}:{line}:{t}", name(file))))
            .collect()
    }
}
