//! Where in a file a mistake inside of an expression stands: expressions know bytes of their own text, readers of a message
//! want a line and a column of the file.

use super::expr::Mistake;
use crate::config::{Diagnostics, Span, Spanned};

/// Lines below its key that a text in a block (`when: |`) is looked for in.
const BLOCK: u32 = 200;

/// Notes the mistakes of an expression at their places.
pub fn tell(mistakes: Vec<Mistake>, text: &Spanned<String>, diagnostics: &mut Diagnostics) {
    for mistake in mistakes {
        let span = within(text, mistake.at, mistake.len, diagnostics);
        diagnostics.error(span, mistake.message);
    }
}

/// The place of some bytes of a text; the text's own where it is written in a way that hides them (escapes, folded lines).
pub fn within(text: &Spanned<String>, at: usize, len: usize, diagnostics: &Diagnostics) -> Span {
    let at = at.min(text.len());
    let Some(before) = text.value.get(..at) else { return text.span };
    let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.value[begin..].lines().next().unwrap_or_default();
    if line.trim().is_empty() {
        return text.span;
    }
    let inside = text.value[begin..at].chars().count();
    let marked = text.value.get(at..(at + len).min(begin + line.len())).unwrap_or_default();
    let width = marked.chars().count().max(1) as u32;
    for below in 0..BLOCK {
        let place = Span { line: text.span.line + below, ..text.span };
        let Some(source) = diagnostics.line(place) else { break };
        let from = if below == 0 { text.span.column.saturating_sub(1) as usize } else { 0 };
        let skipped: usize = source.chars().take(from).map(char::len_utf8).sum();
        if let Some(found) = source.get(skipped..).and_then(|rest| rest.find(line)) {
            let column = source[..skipped + found].chars().count() + inside + 1;
            return Span { column: column as u32, width, ..place };
        }
    }
    text.span
}
