//! Files that no person wrote: each ends in a message, soon, and never in a panic.

use std::ffi::CString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use super::{Desk, Said};

/// Whatever was wrong: it is said, in few words, by an ordinary end of the program.
fn assert_refused(said: &Said, what: &str) {
    assert_eq!(said.status.code(), Some(1), "{what}: {}", said.stderr);
    assert!(!said.stderr.contains("panicked"), "{what}: {}", said.stderr);
    assert!(
        ["is not right: ", "test failed: "].iter().any(|words| said.stderr.contains(words)),
        "{what}: {}",
        said.stderr
    );
    assert!(said.stderr.len() < 200_000, "{what}: {} bytes are said", said.stderr.len());
    assert!(!said.stderr.bytes().any(|b| b < b' ' && b != b'\n'), "{what}: {:?}", said.stderr);
}

fn make_pipe(path: &std::path::Path) {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name is a C string that lives for the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

#[test]
fn a_hostile_file_ends_in_a_message() {
    let garbage: Vec<u8> = (0..100_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let deep_yaml: String = (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let laughs: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..9).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "))))
        .collect();
    for (what, content) in [
        ("random bytes", garbage),
        ("zero bytes", vec![0; 100_000]),
        ("opening braces", vec![b'{'; 100_000]),
        ("closing braces", vec![b'}'; 100_000]),
        ("opening brackets", vec![b'['; 100_000]),
        ("quotation marks", b"\"'".repeat(50_000)),
        ("blocks in blocks", b"location / { ".repeat(20_000)),
        ("deep indentation", deep_yaml.into_bytes()),
        ("aliases of aliases", laughs.into_bytes()),
        ("an alias of itself", b"a: &a [*a]\n".to_vec()),
        ("one long line", [b"a: ".to_vec(), vec![b'x'; 1 << 20], b"\nb: [".to_vec()].concat()),
        ("a hundred thousand unknown keys", (0..100_000).flat_map(|i| format!("k{i}: 1;\n").into_bytes()).collect()),
        ("half a character", b"pid: \xe9\xa4\n".to_vec()),
        ("a terminal's commands", b"pi\x1b[2Jd: \x1b]0;x\x07\n".to_vec()),
        ("no bytes at all", Vec::new()),
    ] {
        let desk = Desk::new().with("edge.yaml", &content).with("nginx.conf", &content);
        for file in ["edge.yaml", "nginx.conf"] {
            assert_refused(&desk.check(file), &format!("{what} as {file}"));
        }
    }
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    for file in ["edge.yaml", "nginx.conf"] {
        let desk = Desk::new();
        make_pipe(&desk.path(file));
        assert_refused(&desk.check(file), "a pipe");
        let desk = Desk::new();
        std::os::unix::fs::symlink("/dev/zero", desk.path(file)).unwrap();
        assert_refused(&desk.check(file), "a device without end");
        let desk = Desk::new();
        std::fs::create_dir(desk.path(file)).unwrap();
        assert_refused(&desk.check(file), "a directory");
    }
}

#[test]
fn what_is_included_is_no_less_careful() {
    let yaml = "include: more.yaml\nserver: [{ listen: 8080 }]\n";
    let conf = "http { include more.yaml; server { listen 8080; } }\n";
    for (file, content) in [("edge.yaml", yaml), ("nginx.conf", conf)] {
        let desk = Desk::new().with(file, content);
        make_pipe(&desk.path("more.yaml"));
        let said = desk.check(file);
        assert_refused(&said, "a pipe");
        assert!(said.stderr.starts_with(&format!("{file}:1:")), "{}", said.stderr);
        let desk = Desk::new().with(file, content);
        std::os::unix::fs::symlink("/dev/zero", desk.path("more.yaml")).unwrap();
        assert_refused(&desk.check(file), "a device without end");
    }
}

#[test]
fn a_secret_is_read_from_files_only() {
    let desk = Desk::new().with("edge.yaml", "pid: ${file:secret}\nserver: [{ listen: 8080 }]\n");
    make_pipe(&desk.path("secret"));
    let said = desk.check("edge.yaml");
    assert_refused(&said, "a pipe");
    assert!(said.stderr.contains("edge.yaml:1:6: error:"), "{}", said.stderr);
}

#[test]
fn a_file_that_is_too_large_is_not_read_to_its_end() {
    let desk = Desk::new();
    for file in ["edge.yaml", "nginx.conf"] {
        let mut large = std::fs::File::create(desk.path(file)).unwrap();
        large.write_all(b"# a comment without end ").unwrap();
        // Only the length: no disk is filled.
        large.set_len(40 << 20).unwrap();
        let said = desk.check(file);
        assert_refused(&said, file);
        assert!(said.stderr.contains("larger than 16 MB"), "{}", said.stderr);
    }
}

#[test]
fn files_that_include_each_other_end_in_a_message() {
    let desk = Desk::new()
        .with("edge.yaml", "include: a.yaml\nserver: [{ listen: 8080 }]\n")
        .with("a.yaml", "include: b.yaml\n")
        .with("b.yaml", "include: ./a.yaml\n")
        .with("nginx.conf", "http { include a.conf; }\n")
        .with("a.conf", "include b.conf;\n")
        .with("b.conf", "include ./a.conf;\n");
    let said = desk.check("edge.yaml");
    assert_refused(&said, "edge.yaml");
    assert!(said.stderr.contains("b.yaml:1:10: error:") && said.stderr.contains("includes itself"), "{}", said.stderr);
    let said = desk.check("nginx.conf");
    assert_refused(&said, "nginx.conf");
    assert!(said.stderr.contains("b.conf:1:9: error:") && said.stderr.contains("includes itself"), "{}", said.stderr);
}

#[test]
fn a_chain_of_includes_has_an_end() {
    let desk = Desk::new();
    desk.put("edge.yaml", "include: 1.yaml\nserver: [{ listen: 8080 }]\n");
    desk.put("nginx.conf", "http { include 1.conf; }\n");
    for at in 1..3_000 {
        desk.put(&format!("{at}.yaml"), format!("include: {}.yaml\n", at + 1));
        desk.put(&format!("{at}.conf"), format!("include {}.conf;\n", at + 1));
    }
    for file in ["edge.yaml", "nginx.conf"] {
        assert_refused(&desk.check(file), file);
    }
}
