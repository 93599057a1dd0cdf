//! `cidr()`: whether an address lies in a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::eval::Budget;
use super::super::fault::Fault;
use super::super::value::Value;
use super::texts::text_of;

/// Networks, read when the expression was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Networks(Box<[Network]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Networks {
    /// Reads them; else says which is none, and why.
    pub fn read<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Result<Networks, String> {
        let networks: Result<Box<[Network]>, String> = texts.map(read).collect();
        networks.map(Networks)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

fn read(text: &[u8]) -> Result<Network, String> {
    let text = String::from_utf8_lossy(text);
    let (address, prefix) = text.split_once('/').map_or((&*text, None), |(address, prefix)| (address, Some(prefix)));
    let none = || format!("'{text}' is no network; one is written '10.0.0.0/8', '2001:db8::/32' or '192.0.2.7'");
    let address: IpAddr = address.parse().map_err(|_| none())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(none)?,
        None => longest,
    };
    let first = masked(address, prefix);
    if first != address {
        return Err(format!("'{text}' has bits behind its prefix; '{first}/{prefix}' is what it means"));
    }
    Ok(Network { address, prefix })
}

/// The address with all bits behind the prefix gone.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from(u32::from(v4) & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & mask).into()
        }
    }
}

/// What is no address lies in no network.
pub fn cidr<'v>(address: &Value<'_>, networks: &Networks, budget: &mut Budget) -> Result<Value<'v>, Fault> {
    budget.spend(networks.len())?;
    let text = std::str::from_utf8(text_of(address)?).unwrap_or_default().trim();
    let address: Option<IpAddr> = text.parse().ok();
    Ok(Value::Bool(address.is_some_and(|address| networks.contain(address.to_canonical()))))
}
