use super::parser::{Block, Body, Directive, load, parse};
use super::print::print;
use crate::config::{Arg, Diagnostics};
use proptest::prelude::*;
use std::path::Path;
use std::time::{Duration, Instant};

fn read(text: &str) -> (Option<Block>, String) {
    let mut diagnostics = Diagnostics::new();
    let block = parse(Path::new("nginx.conf"), text, &mut diagnostics);
    (block, diagnostics.to_string())
}

/// A directory of files, the first of which is read.
fn read_files(files: &[(&str, &str)]) -> (Option<Block>, String) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut diagnostics = Diagnostics::new();
    let block = load(&dir.path().join(files[0].0), &mut diagnostics);
    let said = diagnostics.to_string().replace(&format!("{}/", dir.path().display()), "");
    (block, said)
}

fn names(block: &Block) -> Vec<&str> {
    block.directives.iter().map(|d| d.name.text.as_str()).collect()
}

#[test]
fn comments_stay_with_what_they_stand_at() {
    let (block, said) =
        read("# one\n# two\na b # in\n c; # behind a\n# three\nd { # behind d\n  e;\n  # last\n}\n# end\n");
    assert_eq!(said, "");
    let block = block.unwrap();
    let [a, d] = block.directives.as_slice() else { panic!("{block:?}") };
    assert_eq!(a.comments, [" one", " two", " in"]);
    assert_eq!(a.remark.as_deref(), Some(" behind a"));
    assert_eq!((d.comments.as_slice(), d.remark.as_deref()), ([" three".to_owned()].as_slice(), Some(" behind d")));
    let Body::Block(inner) = &d.body else { panic!("{d:?}") };
    assert_eq!(inner.comments, [" last"]);
    assert_eq!(block.comments, [" end"]);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_words() {
    let (block, said) = read("\u{feff}a b;\r\nc {\r\n}\r\n");
    assert_eq!(said, "");
    let block = block.unwrap();
    assert_eq!(names(&block), ["a", "c"]);
    assert_eq!(block.directives[0].name.span.column, 1);
}

#[test]
fn lua_is_kept_as_it_stands() {
    let (block, said) = read("location / { content_by_lua_block { ngx.say(\"}\") -- }\n } a; }");
    assert_eq!(said, "");
    let block = block.unwrap();
    let Body::Block(inner) = &block.directives[0].body else { panic!("{block:?}") };
    assert_eq!(names(inner), ["content_by_lua_block", "a"]);
    assert!(matches!(&inner.directives[0].body, Body::Lua(code) if code.text == " ngx.say(\"}\") -- }\n "));
}

#[test]
fn includes_are_relative_to_the_first_file_and_keep_their_order() {
    let (block, said) = read_files(&[
        (
            "nginx.conf",
            "a;\n# of the parts\ninclude conf.d/*.conf;\nb { include nothing/*.conf; include \"conf.d/1.conf\"; }",
        ),
        ("conf.d/2.conf", "d; include more/x;"),
        ("conf.d/1.conf", "# of c\nc;\n# after c\n"),
        ("conf.d/.hidden.conf", "h;"),
        ("more/x", "x;"),
    ]);
    assert_eq!(said, "");
    let block = block.unwrap();
    assert_eq!(names(&block), ["a", "c", "d", "x", "b"]);
    assert_eq!(block.directives[1].comments, [" of the parts", " of c"]);
    assert_eq!(block.directives[2].comments, [" after c"]);
    let Body::Block(b) = &block.directives[4].body else { panic!("{block:?}") };
    assert_eq!(names(b), ["c"]);
}

#[test]
fn a_loop_of_includes_is_named_where_it_closes() {
    let (block, said) = read_files(&[("a.conf", "x;\ninclude b.conf;"), ("b.conf", "include a.conf;")]);
    assert_eq!(names(&block.unwrap()), ["x"]);
    assert!(said.starts_with("b.conf:1:9: error: \"a.conf\" includes itself\n"), "{said}");
    let (_, said) = read_files(&[("a.conf", "include *.conf;")]);
    assert!(said.starts_with("a.conf:1:9: error: \"a.conf\" includes itself\n"), "{said}");
}

#[test]
fn files_that_include_many_files_come_to_an_end() {
    let files: Vec<(String, String)> = (0..40).map(|i| (format!("{i}.c"), format!("include {}.c;", i + 1))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert!(read_files(&files).1.contains("more than 32 files include each other"));
    let twice: Vec<(String, String)> =
        (0..20).map(|i| (format!("{i}.c"), format!("include {0}.c; include {0}.c;", i + 1))).collect();
    let twice: Vec<(&str, &str)> =
        twice.iter().map(|(a, b)| (a.as_str(), b.as_str())).chain([("20.c", "x;")]).collect();
    assert!(read_files(&twice).1.contains("more than 1000 files are included"));
}

#[test]
fn what_is_not_a_file_is_not_read() {
    let (_, said) = read_files(&[("a.conf", "include /dev/zero;")]);
    assert!(said.contains("a.conf:1:9: error: \"/dev/zero\" is not a file"), "{said}");
    let (_, said) = read_files(&[("a.conf", "include /;")]);
    assert!(said.contains("a.conf:1:9: error: open() \"/\" failed (21: Is a directory)"), "{said}");
}

#[test]
fn hostile_texts_end_in_few_messages_and_soon() {
    let began = Instant::now();
    let size = 100 << 10;
    for text in [
        "{".repeat(size),
        "}".repeat(size),
        ";".repeat(size),
        "a{".repeat(size),
        "a{}".repeat(size) + "\"",
        "\"".repeat(size + 1),
        "'".to_owned() + &"x".repeat(size),
        "\\".repeat(size),
        "\"a\"b".repeat(size),
        "${".repeat(size),
        "x_by_lua_block{".to_owned() + &"[=[".repeat(size),
        "x_by_lua_block{".to_owned() + &"--[".repeat(size),
        "x_by_lua_block{".to_owned() + &"'".repeat(size),
        "\0".repeat(size),
        "\u{fffd} ".repeat(size),
    ] {
        let (block, said) = read(&text);
        assert!(block.is_none(), "{:.20}", text);
        assert!((1..150).contains(&said.lines().count()), "{:.20}: {said}", text);
        assert!(said.len() < 20_000, "{:.20}: {}", text, said.len());
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_binary_file_is_a_message_and_latin_1_in_a_comment_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.conf");
    let said = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let mut diagnostics = Diagnostics::new();
        load(&path, &mut diagnostics);
        diagnostics.to_string()
    };
    assert!(said(b"\x7fELF\x02\x01\x01\0\0\0").contains("this is not a text file"));
    assert!(said(b"\xff\xfea;").contains("is not UTF-8 text"));
    assert_eq!(said(b"# M\xfcller\na;"), "");
}

fn word() -> impl Strategy<Value = Arg> + Clone {
    ("[a-z_]{1,8}|(?s).{0,12}|[\\\\\"'{};#$ a]{0,12}").prop_filter_map("include is not a word", |text| {
        let plain = !text.contains(['\0', '\u{fffd}']) && text != "include" && !text.ends_with("_by_lua_block");
        plain.then_some(Arg { text, quoted: true, span: Default::default() })
    })
}

fn directive() -> impl Strategy<Value = Directive> {
    let comment = "[^\0\r\n]{0,10}".prop_map(|c| c.trim_end().to_owned());
    let head = (
        word(),
        prop::collection::vec(word(), 0..4),
        prop::collection::vec(comment.clone(), 0..3),
        prop::option::of(comment.clone()),
    );
    let simple = head.clone().prop_map(|(name, args, comments, remark)| Directive {
        name,
        args,
        body: Body::None,
        comments,
        remark,
    });
    simple.prop_recursive(4, 30, 4, move |inner| {
        (head.clone(), prop::collection::vec(inner, 0..4), prop::collection::vec(comment.clone(), 0..2)).prop_map(
            |((name, args, comments, remark), directives, last)| Directive {
                name,
                args,
                body: Body::Block(Block { directives, comments: last }),
                comments,
                remark,
            },
        )
    })
}

/// The same without places.
fn placeless(block: &Block) -> Block {
    let arg = |arg: &Arg| Arg { span: Default::default(), quoted: true, ..arg.clone() };
    Block {
        comments: block.comments.clone(),
        directives: block
            .directives
            .iter()
            .map(|d| Directive {
                name: arg(&d.name),
                args: d.args.iter().map(arg).collect(),
                body: match &d.body {
                    Body::None => Body::None,
                    Body::Lua(code) => Body::Lua(arg(code)),
                    Body::Block(block) => Body::Block(placeless(block)),
                },
                ..d.clone()
            })
            .collect(),
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_the_same(directives in prop::collection::vec(directive(), 0..5)) {
        let block = Block { directives, comments: Vec::new() };
        let text = print(&block);
        let (again, said) = read(&text);
        prop_assert_eq!(&said, "", "{}", text);
        prop_assert_eq!(placeless(&again.unwrap()), placeless(&block), "{}", text);
    }

    #[test]
    fn what_was_read_prints_and_reads_the_same(text in "([a-z$\\\\.]{1,5}|[ ;{}\"'\n]|# x\n|a_by_lua_block){0,60}") {
        if let (Some(block), _) = read(&text) {
            let printed = print(&block);
            let (again, said) = read(&printed);
            prop_assert!(again.is_some(), "{}\n{}", said, printed);
            prop_assert_eq!(placeless(&again.unwrap()), placeless(&block), "{}", printed);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,300}|[ab\\\\\"'{};#$ \n]{0,300}") {
        let (_, said) = read(&text);
        let _ = said.len();
    }
}
