//! Which addresses may be connected to on behalf of a stranger (AS-40, CL-93, RFC 6890).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not the public internet, each with the length of its prefix.
const SPECIAL_V4: [([u8; 4], u32); 20] = [
    ([0, 0, 0, 0], 8),        // this network
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // shared by carriers; some clouds' metadata services
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // a cloud's host agent, on an address that looks public
    ([169, 254, 0, 0], 16),   // link-local; most clouds' metadata services
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 31, 196, 0], 24),  // AS112
    ([192, 52, 193, 0], 24),  // AMT
    ([192, 88, 99, 0], 24),   // 6to4 relays
    ([192, 168, 0, 0], 16),   // private
    ([192, 175, 48, 0], 24),  // AS112
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 4),      // multicast
    ([240, 0, 0, 0], 4),      // reserved, broadcast
    ([255, 255, 255, 255], 32),
];

/// What of IPv6 is assigned to the public internet. Everything else is refused, and with it whatever
/// has an IPv4 address inside (mapped, NAT64) and all local and multicast addresses.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Networks in [`GLOBAL_V6`] that are not public all the same.
const SPECIAL_V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: an IPv4 address inside
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether `address` is one of the public internet, so that a stranger may send a program there: no special-use
/// network (RFC 6890), and of IPv6 only what is assigned, without IPv4 addresses inside.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !SPECIAL_V4.iter().any(|(network, length)| in_v4(v4, (*network).into(), *length))
        }
        IpAddr::V6(v6) => {
            let (global, length) = GLOBAL_V6;
            in_v6(v6, global, length)
                && !SPECIAL_V6.iter().any(|(network, length)| in_v6(v6, *network, *length))
        }
    }
}

fn in_v4(address: Ipv4Addr, network: Ipv4Addr, length: u32) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= length
}

fn in_v6(address: Ipv6Addr, network: Ipv6Addr, length: u32) -> bool {
    (address.to_bits() ^ network.to_bits()).leading_zeros() >= length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(address: &str, expected: bool) {
        assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
    }

    #[test]
    fn sec_280_special_ipv4_and_their_neighbours() {
        for special in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.0.0",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.31.196.1",
            "192.52.193.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "192.175.48.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.0",
            "255.255.255.255",
        ] {
            check(special, false);
        }
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
        ] {
            check(public, true);
        }
    }

    #[test]
    fn sec_280_special_ipv6_and_their_neighbours() {
        for special in [
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::5db8:d822",
            "64:ff9b:1::1",
            "100::1",
            "1fff:ffff::",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:10::1",
            "2001:1ff:ffff::",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:5db8:d822::1",
            "2620:4f:8000::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(special, false);
        }
        for public in [
            "2000::1",
            "2001:200::1",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1",
            "2a00:1450::1",
            "3fff:1000::1",
        ] {
            check(public, true);
        }
    }

    proptest! {
        /// The standard library's own words for addresses, and every way to put an IPv4 address into
        /// an IPv6 one.
        #[test]
        fn sec_280_what_is_public_is_nothing_else(bits: u32, wide: u128) {
            let v4 = Ipv4Addr::from_bits(bits);
            let is_special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.octets()[0] == 0;
            prop_assert!(!(is_special && is_public(v4.into())), "{v4}");
            let low = u128::from(bits);
            let with_v4 = [
                low,                                         // compatible
                (0xffff << 32) | low,                        // mapped
                (0x0064_ff9b << 96) | low,                   // NAT64
                (0x2002 << 112) | (low << 80),               // 6to4
                (0x2001_0000 << 96) | u128::from(!bits),     // Teredo
            ];
            for bits in with_v4 {
                let v6 = Ipv6Addr::from_bits(bits);
                prop_assert!(!is_public(v6.into()), "{v6}");
            }
            for high in [wide, (0xfe80 << 112) | (wide >> 10), (0xfc << 120) | (wide >> 7)] {
                let v6 = Ipv6Addr::from_bits(high);
                let is_special = v6.is_loopback()
                    || v6.is_multicast()
                    || v6.is_unspecified()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local();
                prop_assert!(!(is_special && is_public(v6.into())), "{v6}");
            }
            // What is assigned to the public internet and not taken out is public.
            let v6 = Ipv6Addr::from_bits((0x2a00 << 112) | (wide >> 16));
            prop_assert!(is_public(v6.into()), "{v6}");
        }
    }
}
