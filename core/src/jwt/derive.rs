//! One HS256 key for each resource, all from one master key (HKDF-SHA256, RFC 5869).

use core::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{HmacKey, KeyError, KeyId, key::check_key_bytes};

/// Says what the derived bytes are for, so that no other use of the same master key yields them.
const LABEL: &[u8] = b"portcullis HS256 resource key 1";

/// The secret from which an authorization server derives the key of each resource.
///
/// Holds the state after HKDF's extract step and not the secret; wiped on drop, never shown.
pub struct MasterKey {
    extracted: Hkdf<Sha256>,
}

impl MasterKey {
    /// Takes 32 to 64 bytes from a random source.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        check_key_bytes(bytes)?;
        // No salt: the input is uniformly random already (RFC 5869 §3.1).
        let (mut pseudorandom_key, extracted) = Hkdf::extract(None, bytes);
        pseudorandom_key.as_mut_slice().zeroize();
        Ok(Self { extracted })
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// SEC-324: the states wipe themselves (features `zeroize` of `hmac` and `sha2`).
impl ZeroizeOnDrop for MasterKey {}

/// The 32 bytes of one resource's key: what a device is provisioned with.
///
/// Ask for them only to write them to that device; to sign or verify, use [`derive_key`].
pub fn derive_key_bytes(
    master: &MasterKey,
    resource: &str,
    id: &KeyId,
) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    // LABEL NUL id NUL resource. Neither label nor id has a NUL, so the first two end them and all
    // that follows is the resource: different pairs never give the same text.
    let info = [LABEL, b"\0", id.as_str().as_bytes(), b"\0", resource.as_bytes()];
    master
        .extracted
        .expand_multi_info(&info, bytes.as_mut_slice())
        .map_err(|_| KeyError::TooLong)?;
    Ok(bytes)
}

/// The HS256 key of one resource: a device never holds what another device verifies with (SEC-511).
///
/// `resource` is the exact resource identifier, `id` the `kid` of this generation of the key.
pub fn derive_key(master: &MasterKey, resource: &str, id: &KeyId) -> Result<HmacKey, KeyError> {
    let bytes = derive_key_bytes(master, resource, id)?;
    HmacKey::new(bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, format, vec::Vec};

    const MASTER: [u8; 32] = *b"an example master key, 32 bytes.";

    fn derived(master: &[u8], resource: &str, id: &str) -> Vec<u8> {
        let master = MasterKey::new(master).unwrap();
        derive_key_bytes(&master, resource, &KeyId::new(id).unwrap()).unwrap().to_vec()
    }

    fn hex(text: &str) -> Vec<u8> {
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
        text.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
    }

    #[test]
    fn rfc_5869_vectors() {
        // RFC 5869 A.1, A.2, A.3: input, salt, info, output.
        let rising = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
        let cases = [
            (
                [0x0b; 22].to_vec(),
                rising(0, 0x0c),
                rising(0xf0, 0xf9),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            ),
            (
                rising(0, 0x4f),
                rising(0x60, 0xaf),
                rising(0xb0, 0xff),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
            (
                [0x0b; 22].to_vec(),
                Vec::new(),
                Vec::new(),
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            ),
        ];
        for (input, salt, info, expected) in cases {
            let expected = hex(expected);
            let mut output = std::vec![0; expected.len()];
            Hkdf::<Sha256>::new(Some(&salt), &input).expand(&info, &mut output).unwrap();
            assert_eq!(output, expected);
            let mut flipped = input;
            flipped[0] ^= 1;
            Hkdf::<Sha256>::new(Some(&salt), &flipped).expand(&info, &mut output).unwrap();
            assert_ne!(output, expected);
        }
    }

    #[test]
    fn the_stated_text_is_what_is_expanded() {
        let mut expected = [0; 32];
        let info = b"portcullis HS256 resource key 1\0k1\0https://a.example/mcp";
        Hkdf::<Sha256>::new(None, &MASTER).expand(info, &mut expected).unwrap();
        assert_eq!(derived(&MASTER, "https://a.example/mcp", "k1"), expected);
    }

    #[test]
    fn sec_511_each_resource_generation_and_master_has_its_own_key() {
        let mut other_master = MASTER;
        other_master[31] ^= 1;
        let mut seen = HashSet::new();
        for master in [&MASTER, &other_master] {
            for resource in ["https://a.example/mcp", "https://b.example/mcp", "k", "\0k", ""] {
                for id in ["1", "2", "1k", "https://a.example/mcp"] {
                    assert!(seen.insert(derived(master, resource, id)), "{resource:?} {id}");
                }
            }
        }
    }

    #[test]
    fn sec_511_a_stolen_key_forges_nothing_for_another_device() {
        let master = MasterKey::new(&MASTER).unwrap();
        let id = KeyId::new("k1").unwrap();
        let stolen = derive_key(&master, "https://a.example/mcp", &id).unwrap();
        let other = derive_key(&master, "https://b.example/mcp", &id).unwrap();
        let forged = stolen.sign(b"message");
        assert!(stolen.verify(b"message", &forged).is_ok());
        assert!(other.verify(b"message", &forged).is_err());
    }

    #[test]
    fn sec_074_a_master_key_must_look_random() {
        for (bytes, expected) in [
            (&[1; 31][..], Some(KeyError::TooShort)),
            (&[1; 32], None),
            (&[1; 64], None),
            (&[1; 65], Some(KeyError::TooLong)),
            (&[0; 32], Some(KeyError::AllZero)),
        ] {
            assert_eq!(MasterKey::new(bytes).err(), expected);
        }
    }

    #[test]
    fn sec_320_debug_shows_nothing() {
        assert_eq!(format!("{:?}", MasterKey::new(&MASTER).unwrap()), "MasterKey(..)");
    }
}
