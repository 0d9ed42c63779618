//! What the numbers of an RP2040 mean.

use sha2::{Digest, Sha256};

/// Reads of the converter, 0 to this.
const ADC_STEPS: i32 = 4096;
/// What the converter compares with, in microvolts.
const ADC_REFERENCE_MICROVOLTS: i32 = 3_300_000;
/// The sensor's voltage at 27 degrees, in microvolts (RP2040 data sheet, section 4.9.5).
const SENSOR_MICROVOLTS: i32 = 706_000;
/// How much lower it is for each degree, in microvolts.
const SENSOR_MICROVOLTS_PER_DEGREE: i32 = 1_721;

/// The temperature of the chip in thousandths of a degree, from the converter's 12 bits.
///
/// Not calibrated: data sheet and supply leave it some degrees of error.
pub const fn millicelsius(reading: u16) -> i32 {
    let microvolts = (reading as i64 * ADC_REFERENCE_MICROVOLTS as i64) / ADC_STEPS as i64;
    let above = (SENSOR_MICROVOLTS as i64 - microvolts) * 1_000;
    27_000 + (above / SENSOR_MICROVOLTS_PER_DEGREE as i64) as i32
}

/// An Ethernet address that no other device has, from the number of the flash chip.
///
/// It is one of those that anybody may use (locally administered, unicast). The number's bytes are not
/// evenly spread, so that it is hashed. `None` when the chip has no number: all its bytes are equal.
pub fn ethernet_address(unique_id: [u8; 8]) -> Option<[u8; 6]> {
    if unique_id.iter().all(|byte| *byte == unique_id[0]) {
        return None;
    }
    let hash = Sha256::new().chain_update(b"ethernet address").chain_update(unique_id).finalize();
    let [first, second, third, fourth, fifth, sixth, ..] = <[u8; 32]>::from(hash);
    Some([(first | 0b10) & !0b1, second, third, fourth, fifth, sixth])
}

/// The document in a sector of flash that was erased before it was written: it ends at the first byte
/// that no text has. `None` when there is none.
pub fn document(sector: &[u8]) -> Option<&[u8]> {
    let document = sector.split(|byte| matches!(byte, 0x00 | 0xff)).next()?;
    if document.is_empty() { None } else { Some(document) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures() {
        // 27 - (V - 0.706) / 0.001721, calculated in another way; whole microvolts cost a thousandth or two.
        let cases = [(876, 27_138), (877, 26_670), (891, 20_116), (0, 437_226), (4095, -1_479_795)];
        for (reading, expected) in cases {
            assert!(millicelsius(reading).abs_diff(expected) <= 2, "{reading}");
        }
    }

    #[test]
    fn ethernet_addresses_are_local_unicast_and_differ() {
        let addresses: std::collections::BTreeSet<_> = (0..=255)
            .map(|last| ethernet_address([0xe6, 0x61, 0x38, 0x52, 0x83, 0x17, 0x2c, last]).unwrap())
            .collect();
        assert_eq!(addresses.len(), 256);
        assert!(addresses.iter().all(|address| address[0] & 0b11 == 0b10));
    }

    #[test]
    fn an_ethernet_address_stays() {
        let address = ethernet_address([1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(address, ethernet_address([1, 2, 3, 4, 5, 6, 7, 8]));
    }

    #[test]
    fn a_chip_without_a_number_has_no_ethernet_address() {
        for byte in [0x00, 0xff, 0x4b] {
            assert_eq!(ethernet_address([byte; 8]), None);
        }
    }

    #[test]
    fn documents() {
        let cases: [(&[u8], Option<&[u8]>); 6] = [
            (b"{}\xff\xff", Some(b"{}")),
            (b"{}\0\xff", Some(b"{}")),
            (b"{}", Some(b"{}")),
            (b"\xff\xff\xff", None),
            (b"\0{}", None),
            (b"", None),
        ];
        for (sector, expected) in cases {
            assert_eq!(document(sector), expected, "{sector:?}");
        }
    }
}
