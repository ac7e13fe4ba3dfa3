//! Which addresses a ring may go to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// A block of addresses as settings write it: `10.1.0.0/16`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    network: u128,
    /// Bits that must be equal, of 128.
    bits: u32,
    v4: bool,
}

#[derive(Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no address and no block like 10.1.0.0/16")]
pub struct BlockError(String);

impl FromStr for Block {
    type Err = BlockError;

    fn from_str(text: &str) -> Result<Self, BlockError> {
        let wrong = || BlockError(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most: u32 = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| wrong())?,
            None => most,
        };
        if bits > most {
            return Err(wrong());
        }
        Ok(Self {
            network: number(address),
            bits: bits + 128 - most,
            v4: address.is_ipv4(),
        })
    }
}

impl Block {
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let differing = self.network ^ number(address);
        self.v4 == address.is_ipv4() && (self.bits == 0 || differing >> (128 - self.bits) == 0)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// Of the public internet. An address that stands for another one (mapped, translated, tunnelled) is judged by the other, or not let
/// through at all.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // "This network", multicast, what is reserved, broadcast.
        || a == 0
        || a >= 224
        // Carrier-grade NAT, protocol assignments, relays for 6to4, benchmarks.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // What is not in here is loopback, mapped, NAT64, unique local, link-local, multicast or reserved.
    let is_unicast = (0x2000..0x4000).contains(&a);
    // Teredo and other protocol assignments, documentation, 6to4, documentation again.
    let is_special =
        (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    is_unicast && !is_special
}

/// Lets a doorbell's connections through.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Inside the network, and meant.
    pub allowed: Vec<Block>,
    /// Without TLS nothing else is.
    pub only_allowed: bool,
}

impl Guard {
    /// # Errors
    /// Why not, in a few words.
    pub fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        if self.allowed.iter().any(|block| block.holds(address)) {
            return Ok(());
        }
        if !is_public(address) {
            return Err("an address inside the network that allow_internal does not name");
        }
        if self.only_allowed {
            return Err("an address outside the network, which is rung over https only");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_inside_are_refused_however_they_are_written() {
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:a9fe:a9fe",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(inside)), "{inside}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_let_through() {
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450:4001::64",
        ] {
            assert!(is_public(address(public)), "{public}");
        }
    }

    #[test]
    fn a_block_holds_its_addresses_and_no_others() {
        let block: Block = "10.1.0.0/16".parse().unwrap();
        assert!(block.holds(address("10.1.255.1")) && block.holds(address("::ffff:10.1.2.3")));
        assert!(!block.holds(address("10.2.0.0")) && !block.holds(address("::a01:1")));
        let one: Block = "fd00::7".parse().unwrap();
        assert!(one.holds(address("fd00::7")) && !one.holds(address("fd00::8")));
        let all: Block = "::/0".parse().unwrap();
        assert!(all.holds(address("fd00::8")) && !all.holds(address("10.0.0.1")));
        for wrong in ["", "10.1", "10.1.0.0/33", "10.1.0.0/x", "shop.example"] {
            assert!(wrong.parse::<Block>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_tls_only_what_is_allowed_by_name_is_rung() {
        let guard = Guard {
            allowed: vec!["127.0.0.1".parse().unwrap()],
            only_allowed: true,
        };
        assert!(guard.check(address("127.0.0.1")).is_ok());
        assert!(guard.check(address("127.0.0.2")).is_err());
        assert!(guard.check(address("1.1.1.1")).is_err());
    }
}
