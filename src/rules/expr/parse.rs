//! From text to the tree of the crate `cel`, with the place of each of its nodes.
//!
//! The parser descends by recursion and needs much of the stack for each bracket. What it is given was looked through
//! before ([`tokens`]), which bounds how deep it goes, and it runs, with the check behind it, on a stack of its own.

use cel::common::ast::{EntryExpr, Expr as Ast, IdedExpr, SourceInfo};

use super::scope::Mistake;
use super::tokens::{self, Is, Token};

/// How long an expression may be.
pub(super) const LONGEST: usize = 8 << 10;

/// For what 32 brackets take in a build without optimization, many times over. The system gives what is used of it.
const STACK: usize = 256 << 20;

/// A parsed expression.
pub(super) struct Parsed<'t> {
    pub text: &'t str,
    pub root: IdedExpr,
    info: SourceInfo,
    tokens: Vec<Token>,
}

/// Runs something that descends deeply.
pub(super) fn on_a_deep_stack<R: Send>(run: impl FnOnce() -> R + Send) -> Option<R> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("rules".into()).stack_size(STACK).spawn_scoped(scope, run);
        thread.ok()?.join().ok()
    })
}

pub(super) fn parse(text: &str) -> Result<Parsed<'_>, Mistake> {
    if text.len() > LONGEST {
        let message = format!("an expression is at most {LONGEST} bytes long, and this one {}", text.len());
        return Err(Mistake::new(0, text.len(), message));
    }
    let mut tokens = tokens::read(text)?;
    tokens::check(text, &mut tokens)?;
    // Without macros, so that the tree is what was written.
    let parser = cel::Env::default().with_optional_support(false).parser();
    match parser.parse_with_source_info(text) {
        Ok((root, info)) => Ok(Parsed { text, root, info, tokens }),
        Err(errors) => Err(errors.errors.first().map_or_else(
            || Mistake::new(0, text.len(), "this is no expression of CEL"),
            |error| told(text, &tokens, error),
        )),
    }
}

/// What the parser refuses although its tokens can follow each other.
fn told(text: &str, tokens: &[Token], error: &cel::ParseError) -> Mistake {
    let (line, column) = (usize::try_from(error.pos.0).unwrap_or(1), usize::try_from(error.pos.1).unwrap_or(1));
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let inside = text[start..].char_indices().nth(column.saturating_sub(1)).map_or(text.len() - start, |(at, _)| at);
    let at = start + inside;
    let token = tokens.iter().find(|token| token.at <= at && at < token.end);
    let (at, len) = token.map_or((at, 0), |token| (token.at, token.end - token.at));
    let written = &text[at..at + len];
    let message = match token.map(|token| token.is) {
        Some(Is::Number) if written.contains(['.', 'e', 'E']) && !written.starts_with("0x") => {
            format!("{written} is too large for a double")
        }
        Some(Is::Number) => format!("{written} does not fit into 64 bits"),
        Some(Is::Text) => "this text holds a character that there is not".to_owned(),
        _ => format!("this is no expression of CEL: {}", error.msg),
    };
    Mistake::new(at, len, message)
}

impl Parsed<'_> {
    /// The token that the parser keeps for a node: its operator, name or bracket.
    fn token(&self, id: u64) -> usize {
        let at = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        // The last one is the end, which is no node's.
        self.tokens.partition_point(|token| token.at < at).min(self.tokens.len().saturating_sub(1))
    }

    /// From where to where a node is written, in bytes; brackets around it are left out.
    pub fn span(&self, node: &IdedExpr) -> (usize, usize) {
        let at = self.token(node.id);
        let own = self.tokens[at];
        let closed = self.tokens[own.closed_by].end;
        let ends = |nodes: &[IdedExpr]| {
            let first = nodes.first().map_or(own.at, |node| self.span(node).0);
            (first.min(own.at), nodes.last().map_or(own.end, |node| self.span(node).1).max(own.end))
        };
        match &node.expr {
            Ast::Call(call) => match (&call.target, own.is) {
                (Some(target), _) => (self.span(target).0, closed),
                (None, Is::Sign("(")) if is_name(&call.func_name) => (self.name_before(at).0, closed),
                (None, Is::Sign("[")) => (ends(&call.args).0, closed),
                (None, _) => ends(&call.args),
            },
            Ast::Select(select) => {
                let field = self.tokens[(at + 1).min(self.tokens.len() - 1)];
                (self.span(&select.operand).0, field.end)
            }
            Ast::List(_) | Ast::Map(_) | Ast::Struct(_) => (own.at, closed),
            _ => (own.at, own.end),
        }
    }

    /// Where the name of a function is written, of a call whose bracket this is.
    fn name_before(&self, bracket: usize) -> (usize, usize) {
        let name = self.tokens[bracket.saturating_sub(1)];
        (name.at, name.end)
    }

    /// Where the name of the function of a call stands, or the operator, or the name behind the dot.
    pub fn word(&self, node: &IdedExpr) -> (usize, usize) {
        let at = self.token(node.id);
        match &node.expr {
            Ast::Call(call) if is_name(&call.func_name) => self.name_before(at),
            Ast::Select(_) => {
                let field = self.tokens[(at + 1).min(self.tokens.len() - 1)];
                (field.at, field.end)
            }
            _ => (self.tokens[at].at, self.tokens[at].end),
        }
    }

    /// What is written there.
    pub fn written(&self, node: &IdedExpr) -> &str {
        let (start, end) = self.span(node);
        self.text.get(start..end).unwrap_or_default()
    }
}

/// Whether it is the name of a function, not of an operator.
fn is_name(function: &str) -> bool {
    function.trim_start_matches('.').starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !function.starts_with("_[")
        && !function.ends_with('_')
}

/// The entries of a map; a message has none.
pub(super) fn entries(map: &cel::common::ast::MapExpr) -> impl Iterator<Item = (&IdedExpr, &IdedExpr)> {
    map.entries.iter().filter_map(|entry| match &entry.expr {
        EntryExpr::MapEntry(entry) => Some((&entry.key, &entry.value)),
        EntryExpr::StructField(_) => None,
    })
}
