//! Addresses and networks: `allow`, `deny`, `set_real_ip_from`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Ip(IpAddr),
    /// A unix socket has no addresses.
    Unix,
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address such as `192.0.2.7`, a network such as `10.0.0.0/8` or `2001:db8::/32`")]
pub struct NoNetwork;

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/BITS`. True: bits of the address lie outside of the mask and mean nothing.
    pub fn parse(text: &str) -> Result<(Network, bool), NoNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = parse_ip(address.as_bytes()).ok_or(NoNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().map_err(|_| NoNetwork)?,
            Some(_) => return Err(NoNetwork),
        };
        if bits > most {
            return Err(NoNetwork);
        }
        let network = Network { address: masked(address, bits), bits };
        Ok((network, network.address != address))
    }

    /// An address of IPv4 in the clothes of IPv6 is one of IPv4, too, as in nginx.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same =
            |address: IpAddr| address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address;
        same(address) || same(address.to_canonical())
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let shift = |width: u32| width - u32::from(bits).min(width);
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(shift(32)).unwrap_or(0)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(shift(128)).unwrap_or(0)).into(),
    }
}

/// An address as nginx reads it: numbers may have leading zeros, and 255.255.255.255 is none.
pub fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    if text.contains(&b':') {
        return std::str::from_utf8(text).ok()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let mut octets = [0_u8; 4];
    let mut parts = text.split(|b| *b == b'.');
    for octet in &mut octets {
        let part = parts.next().filter(|part| !part.is_empty())?;
        let value = part.iter().try_fold(0_u16, |value, digit| {
            let digit = digit.is_ascii_digit().then_some(u16::from(digit.wrapping_sub(b'0')))?;
            Some(value * 10 + digit).filter(|value| *value <= 255)
        })?;
        *octet = u8::try_from(value).ok()?;
    }
    let ends = parts.next().is_none() && octets != [255; 4];
    ends.then_some(IpAddr::V4(octets.into()))
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    All,
    Network(Network),
    Unix,
}

impl Who {
    fn is(&self, client: Client) -> bool {
        match (self, client) {
            (Who::All, _) | (Who::Unix, Client::Unix) => true,
            (Who::Network(network), Client::Ip(address)) => network.contains(address),
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Deny,
}

/// `allow …` or `deny …`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub verdict: Verdict,
    pub who: Who,
}

/// The rules of a place in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    /// What the first rule says that is about the client; `None`: none is.
    pub fn decide(&self, client: Client) -> Option<Verdict> {
        self.0.iter().find(|rule| rule.who.is(client)).map(|rule| rule.verdict)
    }
}

/// Networks somebody is in or not: `set_real_ip_from`, `cidr(…)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Who>);

impl Networks {
    pub fn contains(&self, client: Client) -> bool {
        self.0.iter().any(|who| who.is(client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Client {
        Client::Ip(text.parse().unwrap())
    }

    fn network(text: &str) -> Who {
        Who::Network(Network::parse(text).unwrap().0)
    }

    #[test]
    fn networks_are_read_with_and_without_a_mask() {
        for (text, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("10.1.2.3/31", "10.1.2.2", "10.1.2.4"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1"),
        ] {
            let networks = Networks(vec![network(text)]);
            assert!(networks.contains(ip(inside)) && !networks.contains(ip(outside)), "{text}");
            assert!(!networks.contains(Client::Unix), "{text}");
        }
        assert!(Network::parse("10.1.2.3/8").unwrap().1 && !Network::parse("10.0.0.0/8").unwrap().1);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "10",
            "10.0.0",
            "10.0.0.0.0",
            "10.0.0.256",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+1",
            "a.b.c.d",
            "255.255.255.255",
            "1.2.3.4 ",
            "::g",
            "[::1]",
            "10.0.0.0/8/8",
            "99999999999.0.0.1",
        ] {
            assert_eq!(Network::parse(text), Err(NoNetwork), "{text}");
        }
    }

    #[test]
    fn the_first_rule_that_is_about_a_client_decides() {
        let rule = |verdict, who| Rule { verdict, who };
        let rules = Rules(vec![
            rule(Verdict::Deny, network("10.0.0.1")),
            rule(Verdict::Allow, network("10.0.0.0/8")),
            rule(Verdict::Allow, Who::Unix),
            rule(Verdict::Deny, network("::/0")),
        ]);
        assert_eq!(rules.decide(ip("10.0.0.1")), Some(Verdict::Deny));
        assert_eq!(rules.decide(ip("10.0.0.2")), Some(Verdict::Allow));
        assert_eq!(rules.decide(ip("192.0.2.1")), None);
        assert_eq!(rules.decide(ip("::1")), Some(Verdict::Deny));
        assert_eq!(rules.decide(Client::Unix), Some(Verdict::Allow));
        assert_eq!(Rules(vec![rule(Verdict::Deny, Who::All)]).decide(Client::Unix), Some(Verdict::Deny));
    }
}
