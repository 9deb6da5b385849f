//! Networks whose machines a socket lets in: `192.168.1.7`, `10.0.0.0/8`, `fd00::/8`.

use std::net::IpAddr;

use super::super::reader::{Context, Reader, shown};

/// Networks of one source.
const NETWORKS_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many of the address's first bits count.
    bits: u32,
}

impl Network {
    /// `ip`: not an IPv4 address written as IPv6.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let is_same = |network: u128, ip: u128, width: u32| (network ^ ip).checked_shr(width - self.bits).unwrap_or(0) == 0;
        match (self.address, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => is_same(network.to_bits().into(), ip.to_bits().into(), 32),
            (IpAddr::V6(network), IpAddr::V6(ip)) => is_same(network.to_bits(), ip.to_bits(), 128),
            _ => false,
        }
    }
}

/// `allow`; none: everyone.
pub fn read(context: &mut Context, reader: &mut Reader) -> Vec<Network> {
    let mut networks = Vec::new();
    for text in reader.texts(context, "allow", NETWORKS_MAX).unwrap_or_default() {
        match parse(&text.value) {
            Some(network) => networks.push(network),
            None => {
                let help = "for example \"192.168.1.7\" or \"192.168.1.0/24\"";
                context.error(text.place, format!("`{}` is neither an IP address nor a network", shown(&text.value)), help);
            }
        }
    }
    networks
}

fn parse(text: &str) -> Option<Network> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address = address.parse::<IpAddr>().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(width), |bits| bits.parse().ok().filter(|bits| *bits <= width))?;
    Some(Network { address, bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_within_and_without() {
        let has = |network: &str, ip: &str| parse(network).unwrap().contains(ip.parse().unwrap());
        assert!(has("192.168.1.7", "192.168.1.7") && !has("192.168.1.7", "192.168.1.6"));
        assert!(has("10.0.0.0/8", "10.255.1.2") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(has("192.168.1.130/25", "192.168.1.129") && !has("192.168.1.130/25", "192.168.1.1"));
        assert!(has("0.0.0.0/0", "203.0.113.9") && !has("0.0.0.0/0", "::1"));
        assert!(has("::/0", "fd00::1") && has("fd00::/8", "fdff::1") && !has("fd00::/8", "fe80::1"));
        for wrong in ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0", "10.0.0.0/"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
