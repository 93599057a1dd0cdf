//! Directives as text, for the test that reading what was printed gives the same again.

use super::parser::{Block, Body, Directive};

pub fn print(block: &Block) -> String {
    let mut out = String::new();
    write_block(block, &mut out);
    out
}

fn write_block(block: &Block, out: &mut String) {
    for directive in &block.directives {
        write_directive(directive, out);
    }
    write_comments(&block.comments, out);
}

fn write_comments(comments: &[String], out: &mut String) {
    for comment in comments {
        *out += &format!("#{comment}\n");
    }
}

fn write_directive(d: &Directive, out: &mut String) {
    write_comments(&d.comments, out);
    let words = std::iter::once(&d.name).chain(&d.args).map(|word| quoted(&word.text));
    *out += &words.collect::<Vec<_>>().join(" ");
    let remark = d.remark.as_ref().map(|r| format!(" #{r}")).unwrap_or_default();
    match &d.body {
        Body::None => *out += &format!(";{remark}\n"),
        Body::Lua(code) => *out += &format!(" {{{}}}{remark}\n", code.text),
        Body::Block(block) => {
            *out += &format!(" {{{remark}\n");
            write_block(block, out);
            *out += "}\n";
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
