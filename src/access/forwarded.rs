//! Which address a proxy in front of edge has told of: nginx's `ngx_http_get_forwarded_addr`.

use super::addresses::{Client, Networks, parse_ip};
use std::net::{IpAddr, SocketAddr};

/// The address that proxies we trust have told of, the last word first; `None`: the client's own holds.
///
/// `values`: the fields in the order in which they came, each perhaps a list. `recursive`: what a trusted proxy says of
/// another trusted proxy is followed further.
pub fn told(client: Client, values: &[&[u8]], trusted: &Networks, recursive: bool) -> Option<SocketAddr> {
    let mut found = None;
    let mut speaker = client;
    for value in values.iter().rev() {
        let mut rest = Some(*value);
        while let Some(list) = rest.filter(|_| trusted.contains(speaker)) {
            let (word, before) = last_word(list);
            let Some(address) = parse_socket(word) else { return found };
            (found, speaker) = (Some(address), Client::Ip(address.ip()));
            if !recursive {
                return found;
            }
            rest = before;
        }
        // One that is not trusted has the last word, and without a list there is no next field.
        if !recursive || !trusted.contains(speaker) {
            return found;
        }
    }
    found
}

/// The last item of a list parted by commas and spaces, and what stands before it.
fn last_word(list: &[u8]) -> (&[u8], Option<&[u8]>) {
    let parts = |b: &u8| matches!(*b, b' ' | b',');
    // nginx never looks whether the first byte parts anything.
    let end = (1..list.len()).rev().find(|at| !parts(&list[*at])).map_or(list.len().min(1), |at| at + 1);
    match (1..end).rev().find(|at| parts(&list[*at])) {
        Some(at) => (&list[at + 1..end], Some(&list[..at])),
        None => (&list[..end], None),
    }
}

/// `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`; without a port it is 0.
pub fn parse_socket(text: &[u8]) -> Option<SocketAddr> {
    if let Some(address) = parse_ip(text) {
        return Some(SocketAddr::new(address, 0));
    }
    let (address, port) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let end = rest.iter().position(|b| *b == b']')?;
            (&rest[..end], rest[end + 1..].strip_prefix(b":")?)
        }
        None => {
            let at = text.iter().position(|b| *b == b':')?;
            (&text[..at], &text[at + 1..])
        }
    };
    let address: IpAddr = parse_ip(address)?;
    let digits = port.iter().all(u8::is_ascii_digit).then_some(port)?;
    let port = std::str::from_utf8(digits).ok()?.parse::<u16>().ok().filter(|port| *port > 0)?;
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::super::addresses::{Network, Who};
    use super::*;
    use proptest::prelude::*;

    fn trusted(texts: &[&str]) -> Networks {
        Networks(texts.iter().map(|text| Who::Network(Network::parse(text).unwrap().0)).collect())
    }

    fn tell(values: &[&str], recursive: bool) -> Option<String> {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        let client = Client::Ip("127.0.0.1".parse().unwrap());
        told(client, &values, &trusted(&["127.0.0.1", "10.0.0.0/8"]), recursive).map(|address| address.to_string())
    }

    #[test]
    fn the_last_word_counts_and_recursion_passes_over_trusted_proxies() {
        for (values, plain, recursive) in [
            (&["192.0.2.1"][..], Some("192.0.2.1:0"), Some("192.0.2.1:0")),
            (&["192.0.2.1, 192.0.2.2"], Some("192.0.2.2:0"), Some("192.0.2.2:0")),
            (&["192.0.2.1, 10.0.0.1"], Some("10.0.0.1:0"), Some("192.0.2.1:0")),
            (&["192.0.2.9, 192.0.2.1,10.0.0.1 , 10.0.0.2 ,"], Some("10.0.0.2:0"), Some("192.0.2.1:0")),
            (&["192.0.2.1", "10.0.0.2"], Some("10.0.0.2:0"), Some("192.0.2.1:0")),
            (&["10.0.0.1, 10.0.0.2"], Some("10.0.0.2:0"), Some("10.0.0.1:0")),
            (&["nonsense, 10.0.0.2"], Some("10.0.0.2:0"), Some("10.0.0.2:0")),
            (&["10.0.0.2, nonsense"], None, None),
            (&["192.0.2.1:77"], Some("192.0.2.1:77"), Some("192.0.2.1:77")),
            (&["[2001:db8::1]:77"], Some("[2001:db8::1]:77"), Some("[2001:db8::1]:77")),
            (&["2001:db8::1"], Some("[2001:db8::1]:0"), Some("[2001:db8::1]:0")),
            (&["[2001:db8::1]"], None, None),
            (&["192.0.2.1:0"], None, None),
            (&["192.0.2.1:70000"], None, None),
            (&[""], None, None),
            (&[" "], None, None),
            (&[], None, None),
        ] {
            assert_eq!(tell(values, false).as_deref(), plain, "{values:?}");
            assert_eq!(tell(values, true).as_deref(), recursive, "{values:?} recursive");
        }
    }

    #[test]
    fn whoever_is_not_trusted_is_not_believed() {
        let client = Client::Ip("192.0.2.7".parse().unwrap());
        assert_eq!(told(client, &[b"192.0.2.1"], &trusted(&["127.0.0.1"]), true), None);
        assert_eq!(told(Client::Unix, &[b"192.0.2.1"], &trusted(&["127.0.0.1"]), true), None);
        assert!(told(Client::Unix, &[b"192.0.2.1"], &Networks(vec![Who::Unix]), true).is_some());
    }

    proptest! {
        #[test]
        fn no_field_breaks_it(values in prop::collection::vec("[0-9a-f:., \\[\\]]{0,40}|.{0,20}", 0..4), recursive: bool) {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            told(Client::Unix, &values, &Networks(vec![Who::All]), recursive);
        }
    }
}
