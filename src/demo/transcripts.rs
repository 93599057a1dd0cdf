//! What memcached 1.6.18 was heard to answer, and the proof that it still does.
//!
//! Each entry is one connection to an empty store: everything that is sent, and everything that comes back until the
//! store closes. `{K250}` is a key of the greatest length, `{cas}` a unique number that was just read, `*` a version.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{Conversation, Store};

#[rustfmt::skip]
const TRANSCRIPTS: &[(&[u8], &[u8])] = &[
    (b"get\r\n", b"ERROR\r\n"),
    (b"get \r\n", b"ERROR\r\n"),
    (b"get a\r\n", b"END\r\n"),
    (b"gets\r\n", b"ERROR\r\n"),
    (b"GET a\r\n", b"ERROR\r\n"),
    (b"foo\r\n", b"ERROR\r\n"),
    (b"a\x00b\r\n", b"ERROR\r\n"),
    (b"get a\tb\r\n", b"END\r\n"),
    (b" get  a   a \r\n", b"END\r\n"),
    (b"get a\r\r\n", b"END\r\n"),
    (b"get {K250}\r\n", b"END\r\n"),
    (b"get {K250}k\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"get a {K250}k\r\nget a\r\n", b"CLIENT_ERROR bad command line format\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\nget a\r\ngets b\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nEND\r\n"),
    (b"set a 0 0 1\r\nxx\r\nget a\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\nset a 0 0 3\r\nabcde\r\nget a\r\n", b"STORED\r\nCLIENT_ERROR bad data chunk\r\nERROR\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 0 3\r\nab\r\nget a\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
    (b"set a 0 0 5\r\na\r\nbc\r\nget a\r\n", b"STORED\r\nVALUE a 0 5\r\na\r\nbc\r\nEND\r\n"),
    (b"set a 0 0 0\r\n\r\nget a\r\n", b"STORED\r\nVALUE a 0 0\r\n\r\nEND\r\n"),
    (b"set b 0 0 2\r\n\r\n\r\nget b\r\n", b"STORED\r\nVALUE b 0 2\r\n\r\n\r\nEND\r\n"),
    (b"set a 0 0\r\nget a\r\n", b"ERROR\r\nEND\r\n"),
    (b"set a 0 0 -1\r\nget a\r\n", b"CLIENT_ERROR bad command line format\r\nEND\r\n"),
    (b"set a 0 0 x\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set a 0 0 0x1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set a 0 0 +1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 0 01\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 0 1 bogus\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 0 1 noreply\r\nx\r\nget a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 0 1 noreply \r\nx\r\nget a\r\n", b"VALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 0 2 NOREPLY\r\nxy\r\nget a\r\n", b"STORED\r\nVALUE a 0 2\r\nxy\r\nEND\r\n"),
    (b"set a 0 1 1 noreply x\r\nx\r\n", b"ERROR\r\nERROR\r\n"),
    (b"set a 0 0 1 noreply\r\nxx\r\nversion\r\n", b"ERROR\r\nVERSION *\r\n"),
    (b"set a x 0 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set a x 0 1 noreply\r\nx\r\nversion\r\n", b"ERROR\r\nVERSION *\r\n"),
    (b"set a 4294967295 0 1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 4294967295 1\r\nx\r\nEND\r\n"),
    (b"set a 4294967297 0 1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 1 1\r\nx\r\nEND\r\n"),
    (b"set a 18446744073709551616 0 1\r\nx\r\nget a\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\nEND\r\n"),
    (b"set a -1 0 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set a +1 0 1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 1 1\r\nx\r\nEND\r\n"),
    (b"set a 0 x 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set a 0 1x 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set a 0 -1 1\r\nx\r\nget a\r\n", b"STORED\r\nEND\r\n"),
    (b"set a 0 2592000 1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 2592001 1\r\nx\r\nget a\r\n", b"STORED\r\nEND\r\n"),
    (b"set a 0 2147483647 1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 4294967297 1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 4102444800 1\r\nx\r\nget a\r\n", b"STORED\r\nEND\r\n"),
    (b"set a 0 99999999999999999999 1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set a 0 0 99999999999999999999\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set a 0 0 2147483647\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"set {K250}k 0 0 1\r\nx\r\nget a\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\nEND\r\n"),
    (b"set {K250}k 0 0 1 noreply\r\nx\r\nversion\r\n", b"ERROR\r\nVERSION *\r\n"),
    (b"set {K250} 7 0 1\r\nx\r\nget {K250}\r\n", b"STORED\r\nVALUE {K250} 7 1\r\nx\r\nEND\r\n"),
    (b"set a\x01b 0 0 1\r\nx\r\nget a\x01b\r\n", b"STORED\r\nVALUE a\x01b 0 1\r\nx\r\nEND\r\n"),
    (b"set a\xc3\xa9 0 0 1\r\nx\r\nget a\xc3\xa9\r\n", b"STORED\r\nVALUE a\xc3\xa9 0 1\r\nx\r\nEND\r\n"),
    (b"set a\x00b 0 0 1\r\nx\r\nget a\x00b\r\n", b"ERROR\r\nERROR\r\nEND\r\n"),
    (b"set\r\n", b"ERROR\r\n"),
    (b"set a\r\n", b"ERROR\r\n"),
    (b"add a 5 0 1\r\nx\r\nadd a 6 0 1\r\ny\r\nget a\r\n", b"STORED\r\nNOT_STORED\r\nVALUE a 5 1\r\nx\r\nEND\r\n"),
    (b"add fresh 0 -1 1\r\nx\r\nadd fresh 0 0 1\r\ny\r\nget fresh\r\n", b"STORED\r\nSTORED\r\nVALUE fresh 0 1\r\ny\r\nEND\r\n"),
    (b"replace a 0 0 1\r\nx\r\nset a 1 0 1\r\ny\r\nreplace a 2 0 2\r\nzz\r\nget a\r\n", b"NOT_STORED\r\nSTORED\r\nSTORED\r\nVALUE a 2 2\r\nzz\r\nEND\r\n"),
    (b"append a 0 0 1\r\nx\r\nset a 3 0 1\r\nx\r\nappend a 9 0 1\r\ny\r\nprepend a 9 0 2\r\nzz\r\nget a\r\n", b"NOT_STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\nVALUE a 3 4\r\nzzxy\r\nEND\r\n"),
    (b"append a 0 0 1 noreply\r\nx\r\nget a\r\n", b"END\r\n"),
    (b"set a 0 0 1\r\nx\r\ngets a\r\ncas a 5 0 1 {cas}\r\ny\r\ncas a 5 0 1 {cas}\r\nz\r\nget a\r\n", b"STORED\r\nVALUE a 0 1 {cas}\r\nx\r\nEND\r\nSTORED\r\nEXISTS\r\nVALUE a 5 1\r\ny\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\ncas a 0 0 1 0\r\ny\r\nget a\r\n", b"STORED\r\nEXISTS\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"cas a 0 0 1\r\nx\r\n", b"ERROR\r\nERROR\r\n"),
    (b"cas a 0 0 1 1\r\nx\r\n", b"NOT_FOUND\r\n"),
    (b"cas a 0 0 1 1 noreply\r\nx\r\nversion\r\n", b"VERSION *\r\n"),
    (b"cas a 0 0 1 1 x\r\nx\r\n", b"NOT_FOUND\r\n"),
    (b"cas a 0 0 1 x\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"cas a 0 0 1 -1\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"cas a 0 0 1 18446744073709551616\r\nx\r\n", b"CLIENT_ERROR bad command line format\r\nERROR\r\n"),
    (b"cas a 0 0 -1 1\r\nversion\r\n", b"CLIENT_ERROR bad command line format\r\nVERSION *\r\n"),
    (b"delete\r\n", b"ERROR\r\n"),
    (b"delete a\r\n", b"NOT_FOUND\r\n"),
    (b"set a 0 0 1\r\nx\r\ndelete a\r\nget a\r\n", b"STORED\r\nDELETED\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\ndelete a 0\r\ndelete a 5\r\ndelete a x y\r\n", b"STORED\r\nDELETED\r\nCLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\nCLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"),
    (b"delete a 0 noreply x\r\n", b"ERROR\r\n"),
    (b"set a 0 0 1\r\nx\r\ndelete a noreply\r\nget a\r\n", b"STORED\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\ndelete a 0 noreply\r\nget a\r\n", b"STORED\r\nEND\r\n"),
    (b"delete a x noreply\r\nversion\r\n", b"VERSION *\r\n"),
    (b"delete a noreply noreply\r\nversion\r\n", b"VERSION *\r\n"),
    (b"delete {K250}k\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"incr\r\n", b"ERROR\r\n"),
    (b"incr a\r\n", b"ERROR\r\n"),
    (b"incr a 1\r\n", b"NOT_FOUND\r\n"),
    (b"incr a 1 2 3\r\n", b"ERROR\r\n"),
    (b"incr a 1 0 noreply\r\n", b"ERROR\r\n"),
    (b"incr a x\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n"),
    (b"incr {K250}k 1\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"set n 0 0 1\r\n5\r\nincr n 1\r\nincr n x\r\nincr n 1x\r\nincr n -1\r\nincr n +1\r\nincr n 1 x\r\n", b"STORED\r\n6\r\nCLIENT_ERROR invalid numeric delta argument\r\nCLIENT_ERROR invalid numeric delta argument\r\nCLIENT_ERROR invalid numeric delta argument\r\n7\r\n8\r\n"),
    (b"set n 0 0 1\r\n5\r\nincr n 18446744073709551615\r\nincr n 18446744073709551616\r\ndecr n 1\r\ndecr n 100\r\n", b"STORED\r\n4\r\nCLIENT_ERROR invalid numeric delta argument\r\n3\r\n0\r\n"),
    (b"set n 0 0 2\r\n10\r\ndecr n 1\r\nget n\r\ndecr n 18446744073709551615\r\nget n\r\n", b"STORED\r\n9\r\nVALUE n 0 2\r\n9 \r\nEND\r\n0\r\nVALUE n 0 2\r\n0 \r\nEND\r\n"),
    (b"set n 7 0 2\r\n99\r\nincr n 1\r\nget n\r\nincr n 1 noreply\r\nget n\r\n", b"STORED\r\n100\r\nVALUE n 7 3\r\n100\r\nEND\r\nVALUE n 7 3\r\n101\r\nEND\r\n"),
    (b"set n 0 0 1\r\na\r\nincr n 1\r\ndecr n 1\r\n", b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
    (b"set n 0 0 0\r\n\r\nincr n 1\r\nget n\r\n", b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nVALUE n 0 0\r\n\r\nEND\r\n"),
    (b"set n 0 0 21\r\n111111111111111111111\r\nincr n 1\r\n", b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
    (b"set n 0 0 20\r\n18446744073709551615\r\nincr n 1\r\nget n\r\n", b"STORED\r\n0\r\nVALUE n 0 20\r\n0                   \r\nEND\r\n"),
    (b"set n 0 0 20\r\n99999999999999999999\r\nincr n 1\r\n", b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
    (b"set n 0 0 2\r\n5 \r\nincr n 1\r\nget n\r\n", b"STORED\r\n6\r\nVALUE n 0 2\r\n6 \r\nEND\r\n"),
    (b"set n 0 0 3\r\n\t 7\r\nincr n 1\r\nget n\r\n", b"STORED\r\n8\r\nVALUE n 0 3\r\n8  \r\nEND\r\n"),
    (b"set n 0 0 3\r\n5 x\r\nincr n 1\r\nget n\r\n", b"STORED\r\n6\r\nVALUE n 0 3\r\n6  \r\nEND\r\n"),
    (b"set n 0 0 2\r\n-5\r\nincr n 1\r\n", b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
    (b"set n 0 0 2\r\n99\r\nincr n -18446744073709551615\r\n", b"STORED\r\n100\r\n"),
    (b"set n 0 0 5\r\n00099\r\nincr n 1\r\nget n\r\n", b"STORED\r\n100\r\nVALUE n 0 5\r\n100  \r\nEND\r\n"),
    (b"set n 3 100 1\r\n9\r\nincr n 1\r\nappend n 0 0 1\r\n1\r\ndecr n 1\r\nget n\r\n", b"STORED\r\n10\r\nSTORED\r\n100\r\nVALUE n 3 3\r\n100\r\nEND\r\n"),
    (b"touch\r\n", b"ERROR\r\n"),
    (b"touch a\r\n", b"ERROR\r\n"),
    (b"touch a 10\r\n", b"NOT_FOUND\r\n"),
    (b"touch a x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
    (b"touch a x noreply\r\nversion\r\n", b"VERSION *\r\n"),
    (b"set a 1 0 1\r\nx\r\ntouch a 10\r\ntouch a 10 20\r\ntouch a 10 noreply\r\nget a\r\ntouch a -1\r\nget a\r\n", b"STORED\r\nTOUCHED\r\nTOUCHED\r\nVALUE a 1 1\r\nx\r\nEND\r\nTOUCHED\r\nEND\r\n"),
    (b"touch {K250}k 1\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"gat\r\n", b"ERROR\r\n"),
    (b"gat 10\r\n", b"END\r\n"),
    (b"gats\r\n", b"ERROR\r\n"),
    (b"gats 10\r\n", b"END\r\n"),
    (b"gat x a\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
    (b"gat 10 a\r\n", b"END\r\n"),
    (b"set a 1 0 1\r\nx\r\ngat 10 a b a\r\ngats 10 a\r\ngat -1 a\r\nget a\r\n", b"STORED\r\nVALUE a 1 1\r\nx\r\nVALUE a 1 1\r\nx\r\nEND\r\nVALUE a 1 1 {cas}\r\nx\r\nEND\r\nVALUE a 1 1\r\nx\r\nEND\r\nEND\r\n"),
    (b"gat 1 {K250}k\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"set a 0 0 1\r\nx\r\nflush_all\r\nget a\r\nset a 0 0 1\r\ny\r\nget a\r\n", b"STORED\r\nOK\r\nEND\r\nSTORED\r\nVALUE a 0 1\r\ny\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\nflush_all 0\r\nget a\r\n", b"STORED\r\nOK\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\nflush_all -1\r\nget a\r\n", b"STORED\r\nOK\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\nflush_all noreply\r\nget a\r\n", b"STORED\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\nflush_all 0 noreply\r\nget a\r\n", b"STORED\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\r\nflush_all 9999\r\nget a\r\nflush_all\r\n", b"STORED\r\nOK\r\nVALUE a 0 1\r\nx\r\nEND\r\nOK\r\n"),
    (b"flush_all x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
    (b"flush_all x noreply\r\nversion\r\n", b"VERSION *\r\n"),
    (b"flush_all noreply x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
    (b"flush_all 0 0\r\n", b"OK\r\n"),
    (b"flush_all 1 2 3\r\n", b"ERROR\r\n"),
    (b"version x\r\n", b"VERSION *\r\n"),
    (b"version noreply\r\n", b"VERSION *\r\n"),
    (b"verbosity\r\n", b"ERROR\r\n"),
    (b"verbosity 1\r\n", b"OK\r\n"),
    (b"verbosity noreply\r\n", b""),
    (b"verbosity 1 noreply\r\n", b""),
    (b"verbosity x\r\n", b"CLIENT_ERROR bad command line format\r\n"),
    (b"verbosity 1 2\r\n", b"OK\r\n"),
    (b"verbosity 1 2 3\r\n", b"ERROR\r\n"),
    (b"verbosity 1 2 noreply\r\n", b"ERROR\r\n"),
    (b"stats reset\r\n", b"RESET\r\n"),
    (b"stats reset x\r\n", b"RESET\r\n"),
    (b"stats foo\r\n", b"ERROR\r\n"),
    (b"stats noreply\r\n", b"ERROR\r\n"),
    (b"shutdown\r\n", b"ERROR: shutdown not enabled\r\n"),
    (b"get a noreply\r\n", b"END\r\n"),
    (b"quit\r\nversion\r\n", b""),
    (b"quit x\r\nversion\r\n", b""),
    (b"QUIT\r\nversion\r\n", b"ERROR\r\nVERSION *\r\n"),
    (b"get a\nversion\n", b"END\r\nVERSION *\r\n"),
    (b"\r\n\r\n", b"ERROR\r\nERROR\r\n"),
    (b"\n", b"ERROR\r\n"),
    (b"\rversion\r\n", b"ERROR\r\n"),
    (b"set a 0 0 1\nx\r\nget a\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    (b"set a 0 0 1\r\nx\nversion\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
    (b"version\r", b""),
    (b"set a 0 0 9\r\nx", b""),
];

/// Sends a part, and returns what came back; `None` in the end means that nothing more will be sent.
type Peer = Box<dyn FnMut(Option<&[u8]>) -> Vec<u8>>;

fn replace(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text: String = text.iter().map(|byte| char::from(*byte)).collect();
    text.replace(from, to).chars().map(|letter| letter as u8).collect()
}

/// The transcript's answer with the unique numbers and the version's text taken out.
fn normal(reply: &[u8]) -> Vec<u8> {
    let text: String = reply.iter().map(|byte| char::from(*byte)).collect();
    let lines: Vec<String> = text.split("\r\n").map(normal_line).collect();
    lines.join("\r\n").chars().map(|letter| letter as u8).collect()
}

fn normal_line(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["VERSION", _] => "VERSION *".to_string(),
        ["VALUE", key, flags, length, _] => format!("VALUE {key} {flags} {length} {{cas}}"),
        _ => line.to_string(),
    }
}

fn run(send: &[u8], exchange: &mut Peer) -> Vec<u8> {
    let send = replace(send, "{K250}", &"k".repeat(250));
    let mut parts = send.splitn(2, |byte| *byte == b'{');
    let first = parts.next().unwrap();
    let mut reply = Vec::new();
    if let Some(rest) = parts.next() {
        // The line which asks for the unique comes right before the one that uses it.
        let read = first.windows(2).rposition(|end| end == b"\r\n").unwrap() + 2;
        reply.extend(exchange(Some(&first[..read])));
        let text = String::from_utf8(reply.clone()).unwrap();
        let value = text.lines().find(|line| line.starts_with("VALUE")).unwrap();
        let unique = value.rsplit(' ').next().unwrap();
        let rest = [&first[read..], b"{", rest].concat();
        reply.extend(exchange(Some(&replace(&rest, "{cas}", unique))));
    } else {
        reply.extend(exchange(Some(first)));
    }
    reply.extend(exchange(None));
    normal(&reply)
}

fn assert_same(store: &str, fresh: &mut dyn FnMut() -> Peer) {
    for (send, expected) in TRANSCRIPTS {
        let reply = run(send, &mut fresh());
        let expected = replace(expected, "{K250}", &"k".repeat(250));
        assert_eq!(
            reply.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{store} after {}",
            send.escape_ascii()
        );
    }
}

/// Our own store, fed in pieces of a given size.
fn own(piece: usize) -> Peer {
    let store = Store::new(0);
    let mut conversation = Conversation::new();
    let mut input = BytesMut::new();
    let mut open = true;
    Box::new(move |send| {
        for part in send.unwrap_or_default().chunks(piece) {
            input.extend_from_slice(part);
            open = open && conversation.feed(&mut input, &store);
        }
        conversation.replies.take().concat()
    })
}

#[test]
fn the_store_answers_as_memcached_was_heard_to() {
    assert!(TRANSCRIPTS.len() >= 60);
    assert_same("in one piece", &mut || own(usize::MAX));
    assert_same("byte by byte", &mut || own(1));
}

#[test]
fn large_items_meet_the_same_limit() {
    for (set, get) in LARGE {
        let (command, size) = *set;
        let send = [format!("{command}{size}\r\n").as_bytes(), &vec![b'x'; size], b"\r\nget a\r\n"].concat();
        let reply = run(&[b"set a 0 0 1\r\nx\r\n", &send[..]].concat(), &mut own(usize::MAX));
        assert_eq!(shape(&reply), *get, "{set:?}");
    }
}

/// Commands on an existing `a`, and the replies' shape.
const LARGE: &[((&str, usize), &str)] = &[
    (("set a 0 0 ", 1_048_516), "STORED STORED VALUE 1048516 END"),
    (("set a 0 0 ", 1_048_517), "STORED SERVER_ERROR END"),
    (("set a 1 0 ", 1_048_512), "STORED STORED VALUE 1048512 END"),
    (("set a 1 0 ", 1_048_513), "STORED SERVER_ERROR END"),
    (("set a 0 0 ", 3_000_000), "STORED SERVER_ERROR END"),
    (("add a 0 0 ", 2_000_000), "STORED SERVER_ERROR VALUE 1 END"),
    (("append a 0 0 ", 1_048_516), "STORED NOT_STORED VALUE 1 END"),
];

fn shape(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let mut words = Vec::new();
    for line in text.lines() {
        let line: Vec<&str> = line.trim_end().split(' ').collect();
        match line[..] {
            ["VALUE", _, _, length] => words.extend(["VALUE", length]),
            [word @ ("STORED" | "NOT_STORED" | "END" | "SERVER_ERROR"), ..] => words.push(word),
            _ => {}
        }
    }
    words.join(" ")
}

#[test]
fn endless_lines_end_the_connection() {
    for (line, open) in [
        ("x".repeat(2048), true),
        ("x".repeat(2049), false),
        (format!("get {}", "k ".repeat(2000)), true),
        (format!("gat 1 {}", "k ".repeat(2000)), false),
        (format!("get {}", "k ".repeat(40_000)), false),
        (format!("{}get {}", " ".repeat(101), "k ".repeat(2000)), false),
    ] {
        let mut input = BytesMut::from(line.as_bytes());
        assert_eq!(Conversation::new().feed(&mut input, &Store::new(0)), open, "{line:.20}");
    }
}

#[test]
fn noise_is_answered_alike_however_it_arrives() {
    let words =
        ["get ", "set ", "cas ", "incr ", "a ", "b", " 0 0 3", "\r\n", "\n", "abc", " noreply", "-1 ", "\0", "gat 5 "];
    let mut seed = 7_u64;
    for _ in 0..500 {
        let mut noise = String::new();
        for _ in 0..60 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise.push_str(words[(seed >> 33) as usize % words.len()]);
        }
        let (mut whole, mut bytewise) = (own(usize::MAX), own(1));
        assert_eq!(whole(Some(noise.as_bytes())), bytewise(Some(noise.as_bytes())), "{noise:?}");
    }
}

struct Real(Child);

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real memcached on a socket of its own, if one is installed.
fn real() -> Option<(Real, String)> {
    let path = std::env::temp_dir().join(format!("edge-demo-transcripts-{}", std::process::id()));
    let path = path.to_string_lossy().into_owned();
    let child = Command::new("memcached").args(["-u", "root", "-s", &path]).stderr(Stdio::null()).spawn();
    let child = Real(child.ok()?);
    let limit = Instant::now() + Duration::from_secs(10);
    while UnixStream::connect(&path).is_err() {
        assert!(Instant::now() < limit, "memcached does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    Some((child, path))
}

fn wired(path: &str) -> Peer {
    let mut flush = UnixStream::connect(path).unwrap();
    flush.write_all(b"flush_all\r\n").unwrap();
    flush.read_exact(&mut [0; 4]).unwrap();
    let mut stream = UnixStream::connect(path).unwrap();
    Box::new(move |send| {
        let mut reply = Vec::new();
        let Some(send) = send else {
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut reply);
            return reply;
        };
        // It may have closed by itself.
        let _ = stream.write_all(send);
        while send.ends_with(b"gets a\r\n") && !reply.ends_with(b"END\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            reply.push(byte[0]);
        }
        reply
    })
}

#[test]
fn the_transcripts_are_what_a_real_memcached_answers() {
    let Some((_memcached, path)) = real() else {
        eprintln!("memcached is not installed: the recorded answers stand alone");
        return;
    };
    let mut version = wired(&path);
    version(Some(b"version\r\n"));
    if !String::from_utf8_lossy(&version(None)).contains("VERSION 1.6.") {
        return eprintln!("this memcached is of another age than the recording");
    }
    assert_same("memcached", &mut || wired(&path));
    for ((command, size), expected) in LARGE {
        let data = vec![b'x'; *size];
        let send = [format!("set a 0 0 1\r\nx\r\n{command}{size}\r\n").as_bytes(), &data, b"\r\nget a\r\n"].concat();
        let reply = run(&send, &mut wired(&path));
        assert_eq!(shape(&reply), *expected, "{command}{size}");
    }
    let _ = std::fs::remove_file(&path);
}
