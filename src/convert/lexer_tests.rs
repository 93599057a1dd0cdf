//! The table was compared with nginx 1.22, which names the first word of a line it does not know.

use super::lexer::{Kind, Lexer};
use crate::config::Span;
use proptest::prelude::*;

/// The tokens in short: words as they are, quoted ones in «», comments after #, mistakes after !.
fn tokens(text: &str) -> Vec<String> {
    let mut lexer = Lexer::new(0, text);
    let mut found = Vec::new();
    loop {
        match lexer.token() {
            Ok(token) => match token.kind {
                Kind::Word { text, quoted: true } => found.push(format!("«{text}»")),
                Kind::Word { text, quoted: false } => found.push(text),
                Kind::Comment(text) => found.push(format!("#{text}")),
                Kind::Semicolon => found.push(";".into()),
                Kind::Open => found.push("{".into()),
                Kind::Close => found.push("}".into()),
                Kind::End => return found,
            },
            Err(mistake) => {
                found.push(format!("!{}", mistake.message));
                if mistake.fatal {
                    return found;
                }
            }
        }
    }
}

const EOF: &str = "!unexpected end of file, expecting \";\" or \"}\"";

#[test]
fn words_are_split_as_nginx_splits_them() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        (" \t\r\n", &[]),
        ("a;", &["a", ";"]),
        ("a b;", &["a", "b", ";"]),
        ("a\tb\r\n;", &["a", "b", ";"]),
        ("a\r;", &["a", ";"]),
        ("a{}", &["a", "{", "}"]),
        ("a {b;}", &["a", "{", "b", ";", "}"]),
        ("a }", &["a", "}"]),
        ("a}b;", &["a}b", ";"]),
        ("a};", &["a}", ";"]),
        ("}}", &["}", "}"]),
        (";;", &[";", ";"]),
        ("a#b;", &["a#b", ";"]),
        ("a #b;\n;", &["a", "#b;", ";"]),
        ("#a", &["#a"]),
        ("a;#b", &["a", ";", "#b"]),
        ("# a \r\nb;", &["# a", "b", ";"]),
        ("#{\n}", &["#{", "}"]),
        ("#配置 \"{\nb;", &["#配置 \"{", "b", ";"]),
        // Quotations.
        ("\"a\";", &["«a»", ";"]),
        ("'a';", &["«a»", ";"]),
        ("\"\";", &["«»", ";"]),
        ("''  \"\"{", &["«»", "«»", "{"]),
        ("\"a b\";", &["«a b»", ";"]),
        ("\"a;b{c}#d\";", &["«a;b{c}#d»", ";"]),
        ("\"a'b\";", &["«a'b»", ";"]),
        ("'a\"b';", &["«a\"b»", ";"]),
        ("\"a\nb\";", &["«a\nb»", ";"]),
        ("a\"b;", &["a\"b", ";"]),
        ("a'b c'd;", &["a'b", "c'd", ";"]),
        ("a=\"b c\";", &["a=\"b", "c\"", ";"]),
        ("(\"a\");", &["(\"a\")", ";"]),
        ("= \"a\") {", &["=", "«a»", ")", "{"]),
        ("\"a\")b;", &["«a»", ")b", ";"]),
        ("\"a\"b;", &["«a»", "!unexpected \"b\"", "b", ";"]),
        ("\"a\"\"b\";", &["«a»", "!unexpected \"\"\"", "«b»", ";"]),
        ("\"a\"#b\n;", &["«a»", "!unexpected \"#\"", "#b", ";"]),
        ("\"a\"}", &["«a»", "}"]),
        ("\"a", &[EOF]),
        ("'a\";", &[EOF]),
        ("\"a\\\"", &[EOF]),
        // Backslashes.
        (r#""a\"b";"#, &["«a\"b»", ";"]),
        (r#"'a\'b';"#, &["«a'b»", ";"]),
        (r#"'a\"b';"#, &["«a\"b»", ";"]),
        (r#"a\"b;"#, &["a\"b", ";"]),
        (r"a\\b;", &[r"a\b", ";"]),
        (r"a\tb;", &["a\tb", ";"]),
        (r#""a\r\nb";"#, &["«a\r\nb»", ";"]),
        (r"a\.b\d;", &[r"a\.b\d", ";"]),
        (r"~ \.(gif|jpg)$ {", &["~", r"\.(gif|jpg)$", "{"]),
        (r"a\ b;", &[r"a\ b", ";"]),
        (r"a\;b;", &[r"a\;b", ";"]),
        (r"\{;", &[r"\{", ";"]),
        (r"\#a;", &[r"\#a", ";"]),
        (r#"\"a b;"#, &["\"a", "b", ";"]),
        (r"a\\;", &[r"a\", ";"]),
        (r"\\\\;", &[r"\\", ";"]),
        (r"\\n;", &[r"\n", ";"]),
        ("\\", &["\\"]),
        ("a\\é;", &["a\\é", ";"]),
        // Variables.
        ("$a;", &["$a", ";"]),
        ("${a};", &["${a}", ";"]),
        ("x${a}y;", &["x${a}y", ";"]),
        ("${a}{", &["${a}", "{"]),
        ("${a{b;", &["${a", "{", "b", ";"]),
        ("${{a;", &["${{a", ";"]),
        ("$ {", &["$", "{"]),
        ("\"${a}\";", &["«${a}»", ";"]),
        ("a$;", &["a$", ";"]),
        (r"$\{;", &[r"$\{", ";"]),
        ("^a{2}$ {", &["^a", "{", "2}$", "{"]),
    ];
    for (text, expected) in table {
        assert_eq!(tokens(text), *expected, "{text}");
    }
}

#[test]
fn a_place_is_counted_in_characters() {
    let mut lexer = Lexer::new(3, "配置 a;\r\n\t\"b\nc\" é{");
    let mut spans = Vec::new();
    while let Ok(token) = lexer.token() {
        if token.kind == Kind::End {
            break;
        }
        assert_eq!(token.span.file, 3);
        spans.push((token.span.line, token.span.column, token.span.width));
    }
    assert_eq!(spans, [(1, 1, 2), (1, 4, 1), (1, 5, 1), (2, 2, 2), (3, 4, 1), (3, 5, 1)]);
}

#[test]
fn a_word_has_nginx_s_greatest_length() {
    assert_eq!(tokens(&format!("{};", "x".repeat(4095))).len(), 2);
    assert_eq!(tokens(&format!("{};", "x".repeat(4096))), ["!too long parameter \"xxxxxxxxxx...\" started"]);
    assert_eq!(tokens(&format!("'{}';", "x".repeat(4095))).len(), 2);
    assert_eq!(
        tokens(&format!("a '{}';", "x".repeat(5000))),
        ["a", "!too long parameter, probably missing terminating \"'\" character"]
    );
    // nginx refuses a long comment as well, which nobody means.
    assert_eq!(tokens(&format!("#{}\na;", "x".repeat(5000))).len(), 3);
}

#[test]
fn lua_ends_where_its_braces_are_even() {
    let lua = |text: &str| {
        let mut lexer = Lexer::new(0, text);
        let code = match lexer.lua() {
            Ok(token) => token.kind,
            Err(mistake) => return format!("!{}", mistake.message),
        };
        assert_eq!(lexer.token().unwrap().kind, Kind::Semicolon, "{text}");
        match code {
            Kind::Word { text, .. } => text,
            other => format!("{other:?}"),
        }
    };
    for code in [
        "",
        " a = 1 ",
        "t = { {}, {1} }",
        "s = '}' .. \"}\" .. '\\'}'",
        "-- }\n",
        "--[[ } ]] a",
        "--[==[ } ]] } ]==] a",
        "s = [[ } ]]",
        "s = [=[ ]] } ]=]",
        "t[t[1]] = {}",
        "a--b }\n",
    ] {
        assert_eq!(lua(&format!("{code}}};")), code);
    }
    for open in ["{", "'}", "[[ }", "--[[ }", "--}"] {
        assert_eq!(lua(open), "!unexpected end of file, expecting \"}\"", "{open}");
    }
}

#[test]
fn a_span_never_leaves_its_line() {
    let token = Lexer::new(0, "\"ab\r\ncdefgh\"").token().unwrap();
    assert_eq!(token.span, Span { file: 0, line: 1, column: 1, width: 3 });
}

proptest! {
    #[test]
    fn every_text_comes_to_an_end(text in "(?s).{0,300}|[a\\\\\"'{};#$ \n\\[\\]=-]{0,300}") {
        let count = tokens(&text).len();
        prop_assert!(count <= 2 * text.len() + 1);
        let _ = Lexer::new(0, &text).lua();
    }

    #[test]
    fn a_word_in_quotes_is_the_word(word in "(?s).{0,100}") {
        let quoted = format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
        prop_assert_eq!(tokens(&quoted), [format!("«{word}»")]);
    }
}
