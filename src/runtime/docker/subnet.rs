//! Subnets of version 4: which one a cluster's network gets.

use std::{fmt, net::Ipv4Addr, str::FromStr};

/// A subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    address: u32,
    prefix: u32,
}

impl Subnet {
    /// A subnet from its first address and the length of its prefix (at most 32).
    #[must_use]
    pub const fn new(address: Ipv4Addr, prefix: u32) -> Self {
        let prefix = if prefix > 32 { 32 } else { prefix };
        Self {
            address: address.to_bits() & mask(prefix),
            prefix,
        }
    }

    /// How many addresses it has; the largest number for the subnet of all.
    #[must_use]
    pub const fn size(self) -> u32 {
        match 1_u32.checked_shl(32 - self.prefix) {
            Some(size) => size,
            None => u32::MAX,
        }
    }

    /// The address at an offset.
    #[must_use]
    pub const fn nth(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address | offset & !mask(self.prefix))
    }

    /// Whether they have an address in common.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        let prefix = if self.prefix < other.prefix {
            self.prefix
        } else {
            other.prefix
        };
        self.address & mask(prefix) == other.address & mask(prefix)
    }
}

const fn mask(prefix: u32) -> u32 {
    match u32::MAX.checked_shl(32 - prefix) {
        Some(mask) => mask,
        None => 0,
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.nth(0), self.prefix)
    }
}

/// A text that is no subnet.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an IPv4 subnet")]
pub struct BadSubnet(String);

impl FromStr for Subnet {
    type Err = BadSubnet;

    fn from_str(text: &str) -> Result<Self, BadSubnet> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let prefix: u32 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Self::new(address.parse().ok()?, prefix))
        };
        parse().ok_or_else(|| BadSubnet(text.to_owned()))
    }
}

/// Where clusters may be, in the order of preference: where Kubernetes clusters like to be, then further away.
fn pool() -> impl Iterator<Item = Subnet> {
    let first = 244..=255_u8;
    let second = 96..=127_u8;
    first
        .chain(second)
        .map(|second| Subnet::new(Ipv4Addr::new(10, second, 0, 0), 16))
        .chain((128..=255).map(|third| Subnet::new(Ipv4Addr::new(192, 168, third, 0), 24)))
}

/// The subnets of the pool that nobody else uses.
pub fn candidates(taken: Vec<Subnet>) -> impl Iterator<Item = Subnet> {
    pool().filter(move |subnet| !taken.iter().any(|other| other.overlaps(*subnet)))
}

/// The subnets in a routing table as `/proc/net/route` shows it. The default route is no subnet.
#[must_use]
pub fn routes(table: &str) -> Vec<Subnet> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            // In the machine's own byte order, as the kernel prints its memory.
            let number = |text: &str| {
                u32::from_str_radix(text, 16)
                    .ok()
                    .map(|n| u32::from_be_bytes(n.to_ne_bytes()))
            };
            let address = number(fields.next()?)?;
            let mask = number(fields.nth(5)?)?;
            (mask != 0).then(|| Subnet::new(Ipv4Addr::from_bits(address), mask.leading_ones()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn subnets_overlap_if_one_contains_the_other() {
        let rows = [
            ("10.1.0.0/16", "10.1.2.0/24", true),
            ("10.1.2.0/24", "10.0.0.0/8", true),
            ("10.1.0.0/16", "10.2.0.0/16", false),
            ("0.0.0.0/0", "192.168.0.0/24", true),
        ];
        for (one, other, expected) in rows {
            assert_eq!(
                subnet(one).overlaps(subnet(other)),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                subnet(other).overlaps(subnet(one)),
                expected,
                "{other} {one}"
            );
        }
    }

    #[test]
    fn a_subnet_is_what_it_says() {
        assert_eq!(subnet("10.1.2.3/16").to_string(), "10.1.0.0/16");
        assert_eq!(subnet("10.1.0.0/28").size(), 16);
        assert_eq!(subnet("10.1.0.0/28").nth(3).to_string(), "10.1.0.3");
        for bad in ["", "10.1.0.0", "10.1.0.0/33", "10.1.0/8", "fd00::/8"] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cluster_goes_where_nobody_is() {
        let taken = vec![subnet("10.244.0.0/16"), subnet("10.245.3.0/24")];
        assert_eq!(candidates(taken).next(), Some(subnet("10.246.0.0/16")));
        let all_of_10 = vec![subnet("10.0.0.0/8")];
        assert_eq!(
            candidates(all_of_10).next(),
            Some(subnet("192.168.128.0/24"))
        );
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_hosts_routes_are_read() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        assert_eq!(routes(table), [subnet("172.17.0.0/16")]);
    }
}
