//! What is measured: the same checks of the same token, by this project and by others.
//!
//! Everyone gets the value of an `Authorization` field and must find out whether it is an access
//! token (`typ`) of the right issuer for the right resource that lives now, names its subject and
//! client, and has the needed scope.

pub mod ours;
pub mod peers;
pub mod token;

/// One way of checking.
pub struct Contender {
    /// For reports.
    pub name: &'static str,
    /// Whether the field value admits the request.
    pub admits: Box<dyn Fn(&[u8]) -> bool>,
}

/// Everyone, ours first and the floor last.
pub fn contenders() -> Vec<Contender> {
    let mut all = vec![ours::decide()];
    all.extend(peers::all());
    all.push(floor());
    all
}

/// The least that any HS256 verification costs: the MAC over the same bytes, with the padded key
/// states computed beforehand and the signature decoded. Checks nothing else.
fn floor() -> Contender {
    use hmac::{Hmac, KeyInit, Mac};
    let states = Hmac::<sha2::Sha256>::new_from_slice(token::KEY).expect("any length");
    // Decoded once for each token outside of what is measured: kept by length, of which there are two.
    let signatures = token::Size::ALL.map(|size| (size, token::signature(&size.token())));
    Contender {
        name: "bare hmac (floor)",
        admits: Box::new(move |field| {
            let Some((input, _)) = token::split(field) else { return false };
            let known = signatures.iter().find(|(size, _)| size.field_len() == field.len());
            let Some((_, signature)) = known else { return false };
            states.clone().chain_update(input).verify_slice(signature).is_ok()
        }),
    }
}
