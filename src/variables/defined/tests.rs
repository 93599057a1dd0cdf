use super::*;
use crate::variables::exchange::tests::exchange;
use crate::variables::template::Template;

fn text(text: &str, names: &Defined) -> Template {
    Template::compile(text, names).unwrap()
}

/// A request of a configuration that defines these.
fn request(names: Defined, list: Vec<Definition>) -> Exchange {
    let mut x = exchange();
    x.defined = Values::new(&Arc::new(Definitions::new(names, list)));
    x
}

fn names(all: &[&str]) -> Defined {
    let mut names = Defined::default();
    for name in all {
        names.slot(name);
    }
    names
}

fn said(template: &str, names: &Defined, x: &Exchange) -> String {
    String::from_utf8(text(template, names).evaluate(x).into_owned()).unwrap()
}

fn map(source: &str, default: &str, volatile: bool, names: &Defined) -> Map {
    Map::new(text(source, names), false, volatile, text(default, names))
}

#[test]
fn a_map_is_found_out_once_and_a_volatile_one_each_time() {
    let names = names(&["once", "each"]);
    let list = [false, true].map(|volatile| Definition::Map(Box::new(map("", "<$uri>", volatile, &names))));
    let mut x = request(names.clone(), list.into());
    assert_eq!(said("$once $each", &names, &x), "</a b> </a b>");
    x.path = b"/c".to_vec();
    assert_eq!(said("$once $each", &names, &x), "</a b> </c>");
}

#[test]
fn a_variable_that_needs_itself_is_nothing() {
    let names = names(&["a", "b", "c"]);
    let list = ["x$a", "b$c", "c$b"].map(|text| Definition::Map(Box::new(map("", text, false, &names))));
    let x = request(names.clone(), list.into());
    assert_eq!(said("$a|$b|$c", &names, &x), "x|bc|c");
}

#[test]
fn what_a_map_captures_holds_until_the_next_pattern() {
    let names = names(&["m", "word"]);
    let mut map = map("$uri", "none", false, &names);
    map.insert_pattern(Pattern::compile("^/(a)(?<word>.*)$", false).unwrap(), text("<$2>", &names));
    let mut x = request(names.clone(), vec![Definition::Map(Box::new(map)), Definition::Captured]);
    x.capture(&Pattern::compile("^(/)", false).unwrap(), b"/");
    assert_eq!(said("$1", &names, &x), "/");
    assert_eq!(said("$1 $m $1 $word", &names, &x), "a < b> a  b");
    x.capture(&Pattern::compile("(x)", false).unwrap(), b"x");
    assert_eq!(said("$1 $m", &names, &x), "x < b>");
    x.forget_captures();
    assert_eq!(said("[$1]", &names, &x), "[]");
}

#[test]
fn what_is_set_takes_the_place_of_what_a_name_means_by_itself() {
    let names = names(&["arg_x", "mine"]);
    let family = Variable::find_family("arg_x");
    let mut x = request(names.clone(), vec![Definition::Set(family), Definition::Set(None)]);
    assert_eq!(said("$arg_x[$mine]", &names, &x), "1[]");
    x.defined.set(0, Bytes::from_static(b"set"));
    x.defined.set(1, Bytes::from_static(b"too"));
    assert_eq!(said("$arg_x[$mine]", &names, &x), "set[too]");
}

#[test]
fn names_of_hosts_are_found_with_the_longest_wildcard() {
    let none = Defined::default();
    let mut map = Map::new(text("$arg_x", &none), true, false, text("none", &none));
    for key in ["example.com", "*.example.com", "*.a.example.com", ".dotted.org", "www.*", "www.shop.*"] {
        map.insert(key, text(key, &none)).unwrap();
    }
    for (host, expected) in [
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
        ("b.example.com", "*.example.com"),
        ("c.a.example.com", "*.a.example.com"),
        ("a.example.com", "*.example.com"),
        ("dotted.org", ".dotted.org"),
        ("x.y.dotted.org", ".dotted.org"),
        ("www.anything.net", "www.*"),
        ("www.shop.net", "www.shop.*"),
        ("www", "none"),
        ("", "none"),
    ] {
        let mut x = exchange();
        x.args = Some(format!("x={host}").into_bytes());
        let mut out = Vec::new();
        map.write(&x, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{host}");
    }
    for (wrong, mistake) in [
        ("*.a.*", MapMistake::Wildcard),
        ("a*b", MapMistake::Wildcard),
        ("a..b", MapMistake::Wildcard),
        ("Example.COM", MapMistake::Conflicting),
    ] {
        assert_eq!(map.insert(wrong, text("", &none)), Err(mistake), "{wrong}");
    }
}

fn geo(address: &str, proxies: &[&str], recursive: bool) -> Geo {
    let mut networks = Networks::default();
    for (network, value) in
        [("10.0.0.0/8", "ten"), ("10.1.0.0/16", "inner"), ("2001:db8::/32", "six"), ("192.0.2.7", "one")]
    {
        networks.insert(Network::parse(network).unwrap().0, value.into());
    }
    Geo {
        address: (!address.is_empty()).then(|| Template::literal(address)),
        proxies: proxies.iter().map(|p| Network::parse(p).unwrap().0).collect(),
        recursive,
        places: Places::Networks(networks),
        default: "none".into(),
    }
}

#[test]
fn the_longest_prefix_decides_where_an_address_is() {
    let x = exchange();
    for (address, expected) in [
        ("10.2.3.4", "ten"),
        ("10.1.3.4", "inner"),
        ("::ffff:10.1.3.4", "inner"),
        ("2001:db8::1", "six"),
        ("2001:db9::1", "none"),
        ("nonsense", "none"),
        ("", "one"),
    ] {
        assert_eq!(geo(address, &[], false).find(&x), expected.as_bytes(), "{address}");
    }
}

#[test]
fn forwarded_addresses_are_believed_of_proxies_alone() {
    let mut x = exchange();
    let mut head = (*x.head).clone();
    head.headers.push(Bytes::from_static(b"X-Forwarded-For"), Bytes::from_static(b"2001:db8::1, 10.1.0.1"));
    head.headers.push(Bytes::from_static(b"X-Forwarded-For"), Bytes::from_static(b"10.2.0.1:80"));
    x.head = Arc::new(head);
    for (proxies, recursive, expected) in [
        (&["203.0.113.0/24"][..], true, "one"),
        (&["192.0.2.0/24"], false, "ten"),
        (&["192.0.2.0/24"], true, "ten"),
        (&["192.0.2.0/24", "10.2.0.0/16"], true, "inner"),
        (&["192.0.2.0/24", "10.0.0.0/8"], true, "six"),
        (&["192.0.2.0/24", "10.0.0.0/8"], false, "ten"),
    ] {
        assert_eq!(geo("", proxies, recursive).find(&x), expected.as_bytes(), "{proxies:?} {recursive}");
    }
}

#[test]
fn a_range_within_another_takes_its_part() {
    let mut ranges = Ranges::default();
    let mut insert = |text: &str, value: &'static str| {
        let (from, to) = Ranges::parse(text).unwrap();
        ranges.insert(from, to, Bytes::from_static(value.as_bytes()))
    };
    assert_eq!(insert("10.0.0.0-10.0.0.99", "a"), Ok(()));
    assert_eq!(insert("10.0.0.10-10.0.0.19", "b"), Ok(()));
    assert_eq!(insert("10.0.1.0-10.0.1.9", "c"), Ok(()));
    assert_eq!(insert("10.0.0.90-10.0.0.120", "d"), Err("10.0.0.20-10.0.0.99".into()));
    let find = |text: &str| ranges.find(text.parse::<std::net::Ipv4Addr>().unwrap().to_bits()).map(|v| &v[..]);
    for (address, expected) in [
        ("10.0.0.0", Some("a")),
        ("10.0.0.10", Some("b")),
        ("10.0.0.19", Some("b")),
        ("10.0.0.20", Some("a")),
        ("10.0.0.100", None),
        ("10.0.1.9", Some("c")),
        ("9.255.255.255", None),
    ] {
        assert_eq!(find(address), expected.map(str::as_bytes), "{address}");
    }
}

#[test]
fn what_a_pattern_captures_is_kept_only_where_a_text_may_ask_for_it() {
    let pattern = Pattern::compile(r"\.(js|css)$", false).unwrap();
    let none = Defined::default();
    assert!(text("a$1", &none).uses_captures() && !text("a$uri", &none).uses_captures());
    for (asked, expected) in [(true, "css"), (false, "")] {
        let mut x = exchange();
        x.asks_captures = asked;
        x.capture(&pattern, b"/a.css");
        assert_eq!(said("$1", &none, &x), expected);
    }
    // A name is a variable like others.
    let pattern = Pattern::compile(r"\.(?<kind>js|css)$", false).unwrap();
    let names = names(&["kind"]);
    let mut x = request(names.clone(), vec![Definition::Captured]);
    x.asks_captures = false;
    x.capture(&pattern, b"/a.css");
    assert_eq!(said("$kind", &names, &x), "css");
}
