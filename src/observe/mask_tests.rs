use super::*;
use crate::http::escape::LogEscape;
use crate::pattern::Pattern;
use crate::variables::defined::Values;
use crate::variables::{Captures, Defined, Definition, Definitions, Roots, Template, tests};
use bytes::Bytes;
use pingora_http::ResponseHeader;
use proptest::prelude::*;
use std::sync::Arc;

fn mask() -> Arc<Mask> {
    Mask::new(["JSESSIONID", "jsessionid", "sid"].into_iter()).unwrap()
}

fn text(line: &str) -> String {
    let mut out = line.as_bytes().to_vec();
    mask().text(0, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_base_is_hidden_and_node_and_route_stay() {
    for (line, expected) in [
        ("GET /x;jsessionid=ABC-n1.t1?y=1 HTTP/1.1", "GET /x;jsessionid=*-n1.t1?y=1 HTTP/1.1"),
        ("/x;jsessionid=ABC;k=v/y;jsessionid=DEF", "/x;jsessionid=*;k=v/y;jsessionid=*"),
        ("a=1; JSESSIONID=\"ABC.t1\"; b=2", "a=1; JSESSIONID=\"*.t1\"; b=2"),
        ("a=1; JSESSIONID = ABC", "a=1; JSESSIONID = *"),
        ("JSESSIONID=ABC-n1.t2; Path=/; HttpOnly", "JSESSIONID=*-n1.t2; Path=/; HttpOnly"),
        ("https://h/x;JSessionId=ABC#f", "https://h/x;JSessionId=*#f"),
        ("/l?next=%2Fx%3Bjsessionid%3DABC-n1.t1&z", "/l?next=%2Fx%3Bjsessionid%3D*-n1.t1&z"),
        ("/l?n=%252Fx%253Bjsessionid%253dABC", "/l?n=%252Fx%253Bjsessionid%253d*"),
        ("\\x22JSESSIONID=\\x22ABC.t1\\x22", "\\x22JSESSIONID=\\x22*.t1\\x22"),
        ("?jsessionid=ABC&x=1", "?jsessionid=*&x=1"),
        ("JSESSIONID=sid=ABC", "JSESSIONID=*"),
    ] {
        assert_eq!(text(line), expected);
    }
}

#[test]
fn what_is_no_id_stays() {
    for line in
        ["", "/xsid=1", "x-sid=1", "my_sid=2", "jsessionid", "jsessionid=", "/;jsessionid=;x", "JSESSIONIDX=1", "sid%3"]
    {
        assert_eq!(text(line), line);
    }
}

#[test]
fn without_names_there_is_nothing_to_hide() {
    assert!(Mask::new([].into_iter()).is_none());
    assert!(Mask::new([""].into_iter()).is_none());
}

/// A request as a client might send it, with ids of this session wherever one may stand.
fn exchange(id: &str, noise: &str, quoted: bool) -> Exchange {
    let quote = if quoted { "\"" } else { "" };
    let target = format!("/{noise};jsessionid={id}/a?to=%2F%3Bjsessionid%3D{id}&sid={id}");
    let field = |name: &'static str, value: String| (Bytes::from_static(name.as_bytes()), Bytes::from(value));
    let fields = [
        field("Host", "example.com".into()),
        field("Cookie", format!("a={noise};\tJSESSIONID={quote}{id}{quote}; sid = {id}")),
        field("Referer", format!("http://example.com/{noise};jsessionid={id}?x")),
        field("X-Session", id.to_owned()),
    ];
    let (path, args) = target.split_once('?').unwrap();
    let mut x = tests::exchange();
    let head = Arc::make_mut(&mut x.head);
    (head.target, head.headers) = (Bytes::from(target.clone()), fields.into_iter().collect());
    head.line = Bytes::from(format!("GET {target} HTTP/1.1"));
    (x.path, x.args) = (path.as_bytes().to_vec(), Some(args.as_bytes().to_vec()));
    let root = Template::literal("/var/www");
    x.roots = Some(Arc::new(Roots { root, alias: None, prefix: 0, is_regex: false }));
    x.captures = Captures::new(Pattern::compile("jsessionid=([^/]*)", false).unwrap(), x.path.clone());
    let mut names = Defined::default();
    let slot = names.slot("named");
    x.defined = Values::new(&Arc::new(Definitions::new(names, vec![Definition::Captured])));
    x.defined.set(slot, Bytes::from(id.to_owned()));
    let mut answer = ResponseHeader::build(200, None).unwrap();
    answer.append_header("Set-Cookie", format!("JSESSIONID={id}; Path=/")).unwrap();
    answer.append_header("Location", format!("/y;jsessionid={id}")).unwrap();
    x.answer.upstream = Some(Box::new(answer.clone()));
    x.answer.sent = Some(Box::new(answer));
    x
}

const EVERYWHERE: &str = "$request|$request_uri|$uri|$args|$http_cookie|$cookie_jsessionid|$cookie_sid|$arg_sid|$arg_to|\
     $http_referer|$http_x_session|$sent_http_set_cookie|$sent_http_location|$upstream_http_set_cookie|\
     $upstream_cookie_JSESSIONID|$request_filename|$1|$named";

proptest! {
    #[test]
    fn no_base_ever_stands_in_a_log(
        base in "[A-F0-9]{32}|[!$'()*+0-9:=@A-Z_a-z~]{14,40}",
        rest in "(-n[0-9])?(\\.[a-z0-9]{1,8})?",
        noise in "[ -~]{0,20}|(;jsessionid=|%3B|JSESSIONID|sid=|=|;|%25){0,4}",
        quoted: bool,
    ) {
        let mask = mask();
        let mut defined = Defined::default();
        defined.slot("named");
        let template = Template::compile(EVERYWHERE, &defined).unwrap();
        let x = exchange(&format!("{base}{rest}"), &noise, quoted);
        for how in [LogEscape::Default, LogEscape::Json, LogEscape::None] {
            let (mut line, bases) = (Vec::new(), mask.bases(&x));
            template.write_escaped(how, &x, |v, from, out| mask.value(v, &bases, from, out), &mut line);
            prop_assert!(memmem::find(&line, base.as_bytes()).is_none(), "{}", String::from_utf8_lossy(&line));
        }
        let told = format!(
            "*1 refused, client: 192.0.2.7, request: \"{}\", upstream: \"http://127.0.0.1:1{}\", referrer: \"{}\"",
            String::from_utf8_lossy(&x.head.line),
            String::from_utf8_lossy(&x.path),
            String::from_utf8_lossy(x.head.headers.get("referer").unwrap()),
        );
        let told = text(&told);
        prop_assert!(!told.contains(&base), "{told}");
    }

    #[test]
    fn any_bytes_are_read(line in proptest::collection::vec(any::<u8>(), 0..200), from in 0..20_usize) {
        let mut out = line.clone();
        mask().text(from.min(line.len()), &mut out);
        prop_assert!(out.len() <= line.len());
    }
}
