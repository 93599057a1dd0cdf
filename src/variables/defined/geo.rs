//! `geo`: an address becomes a text, as in nginx's ngx_http_geo_module: the network with the longest prefix, or the range it
//! lies in.

use crate::variables::Exchange;
use crate::variables::template::Template;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};

/// A `geo`, compiled.
#[derive(Debug)]
pub struct Geo {
    /// Where the address stands; `None`: it is the client's.
    pub address: Option<Template>,
    /// From these clients `X-Forwarded-For` is believed.
    pub proxies: Vec<Network>,
    /// Of several addresses in it the last one that is no proxy's, instead of the last one.
    pub recursive: bool,
    pub places: Places,
    pub default: Bytes,
}

/// What addresses are looked up in.
#[derive(Debug)]
pub enum Places {
    Networks(Networks),
    Ranges(Ranges),
}

/// `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    v6: bool,
    bits: u128,
    prefix: u8,
}

impl Network {
    /// nginx's forms; what stands behind the prefix is put to zero, and `true` says that there was something.
    pub fn parse(text: &str) -> Option<(Network, bool)> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv6() { 128 } else { 32 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|p| *p <= longest)?
            }
            Some(_) => return None,
            None => longest,
        };
        let whole = bits_of(address);
        let bits = masked(whole, prefix, longest);
        Some((Network { v6: address.is_ipv6(), bits, prefix }, bits != whole))
    }

    fn contains(&self, address: IpAddr) -> bool {
        let longest = if self.v6 { 128 } else { 32 };
        address.is_ipv6() == self.v6 && masked(bits_of(address), self.prefix, longest) == self.bits
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn masked(bits: u128, prefix: u8, longest: u8) -> u128 {
    let rest = u32::from(longest - prefix);
    bits.checked_shr(rest).and_then(|kept| kept.checked_shl(rest)).unwrap_or(0)
}

/// Networks by the length of their prefix, of both families.
#[derive(Debug, Default)]
pub struct Networks {
    v4: BTreeMap<u8, HashMap<u128, Bytes>>,
    v6: BTreeMap<u8, HashMap<u128, Bytes>>,
}

impl Networks {
    /// Says what the network had before: the last one counts.
    pub fn insert(&mut self, network: Network, value: Bytes) -> Option<Bytes> {
        let of_family = if network.v6 { &mut self.v6 } else { &mut self.v4 };
        of_family.entry(network.prefix).or_default().insert(network.bits, value)
    }

    fn find(&self, address: IpAddr) -> Option<&Bytes> {
        let (of_family, longest) = if address.is_ipv6() { (&self.v6, 128) } else { (&self.v4, 32) };
        let bits = bits_of(address);
        of_family.iter().rev().find_map(|(prefix, networks)| networks.get(&masked(bits, *prefix, longest)))
    }
}

/// Ranges of IPv4 addresses, in order, none within another.
#[derive(Debug, Default)]
pub struct Ranges(Vec<(u32, u32, Bytes)>);

impl Ranges {
    /// `192.0.2.1-192.0.2.9`
    pub fn parse(text: &str) -> Option<(u32, u32)> {
        let (from, to) = text.split_once('-')?;
        let (from, to): (Ipv4Addr, Ipv4Addr) = (from.parse().ok()?, to.parse().ok()?);
        (from <= to).then(|| (from.to_bits(), to.to_bits()))
    }

    /// A range may lie within one that stands before it, of which it takes its part. An error is the range it overlaps.
    pub fn insert(&mut self, from: u32, to: u32, value: Bytes) -> Result<(), String> {
        let at = self.0.partition_point(|(_, end, _)| *end < from);
        let Some((start, end, outer)) = self.0.get(at).filter(|(start, ..)| *start <= to).cloned() else {
            self.0.insert(at, (from, to, value));
            return Ok(());
        };
        if from < start || to > end {
            return Err(format!("{}-{}", Ipv4Addr::from_bits(start), Ipv4Addr::from_bits(end)));
        }
        let before = (from > start).then(|| (start, from - 1, outer.clone()));
        let after = (to < end).then(|| (to + 1, end, outer));
        self.0.splice(at..=at, before.into_iter().chain([(from, to, value)]).chain(after));
        Ok(())
    }

    pub(super) fn find(&self, address: u32) -> Option<&Bytes> {
        let at = self.0.partition_point(|(start, ..)| *start <= address).checked_sub(1)?;
        self.0.get(at).filter(|(_, end, _)| address <= *end).map(|(.., value)| value)
    }
}

/// What is looked up where there is no address, as in nginx.
const NONE: Ipv4Addr = Ipv4Addr::BROADCAST;

impl Geo {
    pub(super) fn find(&self, x: &Exchange) -> &[u8] {
        let address = self.address_of(x).map(|address| address.to_canonical());
        let found = match (&self.places, address) {
            (Places::Networks(networks), address) => networks.find(address.unwrap_or(NONE.into())),
            (Places::Ranges(ranges), Some(IpAddr::V4(v4))) => ranges.find(v4.to_bits()),
            (Places::Ranges(ranges), _) => ranges.find(NONE.to_bits()),
        };
        found.unwrap_or(&self.default)
    }

    fn address_of(&self, x: &Exchange) -> Option<IpAddr> {
        let direct = match &self.address {
            None => x.peer.remote.ip(),
            Some(template) => parse_ip(&template.evaluate(x))?,
        };
        Some(if self.proxies.is_empty() { direct } else { self.forwarded(direct, x) })
    }

    /// nginx's ngx_http_get_forwarded_addr.
    fn forwarded(&self, direct: IpAddr, x: &Exchange) -> IpAddr {
        let fields: Vec<&[u8]> = x.head.headers.get_all("x-forwarded-for").collect();
        let words = fields
            .iter()
            .rev()
            .flat_map(|field| field.rsplit(|b| matches!(b, b' ' | b',')).filter(|word| !word.is_empty()));
        let mut address = direct;
        for word in words {
            let trusted = self.proxies.iter().any(|proxy| proxy.contains(address.to_canonical()));
            let Some(next) = trusted.then(|| parse_with_port(word)).flatten() else { break };
            address = next;
            if !self.recursive {
                break;
            }
        }
        address
    }
}

fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An address, perhaps with a port.
fn parse_with_port(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    inner.parse().ok().or_else(|| text.parse().ok().map(|socket: std::net::SocketAddr| socket.ip()))
}
