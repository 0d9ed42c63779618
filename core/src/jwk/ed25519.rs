//! Ed25519 public keys that must not be used.

/// The order-8 points' `y`, little-endian; the other four of them are its negative and both signs.
const ORDER_8: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
    0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];
const ORDER_8_NEGATIVE: [u8; 32] = [
    0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
    0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
];

/// Whether a public key is one of the eight points of small order, for which a signature over some
/// message can be made without any secret, or is not the one encoding of its point (RFC 8032 §5.1.3).
///
/// The bit that holds the sign of `x` is left out: with either sign a `y` has the same order.
pub(super) fn is_weak(key: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = key;
    let last = last & 0x7f;
    let rest = |byte: u8| middle.iter().all(|other| *other == byte);
    // y = 0 (order 4) and y = 1 (order 1).
    let is_low = last == 0 && rest(0) && *first <= 1;
    // p - 1 = -1 (order 2), and p to 2^255 - 1, which are no numbers modulo p.
    let is_high = last == 0x7f && rest(0xff) && *first >= 0xec;
    let is_order_8 =
        [&ORDER_8, &ORDER_8_NEGATIVE].into_iter().any(|[y_first, y_middle @ .., y_last]| {
            first == y_first && middle == y_middle && last == *y_last
        });
    is_low || is_high || is_order_8
}
