//! The secrets of a run, and the search for them in whatever was printed meanwhile (SEC-320).

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};

use crate::{scenario::Scenarios, server};

/// Longest prefix of a secret that may be printed, in characters.
const PREFIX_LEN_MAX: usize = 4;
/// A text shorter than this is searched for only as a part of its token.
const RANDOM_LEN_MIN: usize = 20;

/// One secret, by the part of it that nobody can guess.
#[derive(Clone)]
pub struct Secret {
    name: String,
    random: Vec<u8>,
}

impl Secret {
    /// The secret called `name`, which nothing else begins like.
    pub fn new(name: impl Into<String>, random: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), random: random.into() }
    }

    /// Every secret of the scenarios.
    pub fn all(scenarios: &Scenarios) -> Vec<Self> {
        let mut all = Vec::new();
        for name in ["k1", "k2", "b1"] {
            let bytes = server::secret_bytes(name);
            all.push(Self::new(format!("key {name}"), bytes));
            all.push(Self::new(
                format!("key {name} as text"),
                Base64UrlUnpadded::encode_string(&bytes),
            ));
        }
        all.push(Self::new("client secret", server::client_secret()));
        for (name, token) in scenarios.template.tokens().iter() {
            // The signature is what makes a token; header and payload alone are no secret.
            let random = token.rsplit('.').next().unwrap_or_default();
            if token.contains('.') && random.len() >= RANDOM_LEN_MIN {
                all.push(Self::new(format!("token {name}"), random));
            } else if token.len() >= RANDOM_LEN_MIN {
                all.push(Self::new(format!("token {name}, whole"), token));
            }
        }
        for token in scenarios.template.opaque_tokens() {
            all.push(Self::new("opaque token", token));
        }
        all
    }

    /// What it begins with in every form in which it may have been printed.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let start = self.random.get(..=PREFIX_LEN_MAX).unwrap_or(&self.random);
        let hex = |upper: bool| -> String {
            let one = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
            start.iter().map(one).collect()
        };
        let percent = |text: &str| -> String {
            text.as_bytes()
                .chunks(2)
                .map(|pair| format!("%{}", String::from_utf8_lossy(pair)))
                .collect()
        };
        let list = format!("{start:?}");
        let mut forms = vec![
            ("plain", start.to_vec()),
            ("hex", hex(false).into_bytes()),
            ("upper-case hex", hex(true).into_bytes()),
            ("percent-encoded", percent(&hex(true)).into_bytes()),
            ("percent-encoded in lower case", percent(&hex(false)).into_bytes()),
            ("list of numbers", list.trim_matches(['[', ']']).as_bytes().to_vec()),
        ];
        for offset in 0..3 {
            forms.push(("base64", inside_base64(start, offset, Base64::encode_string)));
            forms.push((
                "base64url",
                inside_base64(start, offset, Base64UrlUnpadded::encode_string),
            ));
        }
        forms
    }

    /// Which secret it is; never the secret.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A search for many secrets at once, by the first two bytes of each form.
pub struct Search {
    secrets: Vec<Secret>,
    by_start: Vec<Vec<Form>>,
}

/// One form of one secret.
struct Form {
    bytes: Vec<u8>,
    name: &'static str,
    secret: usize,
}

impl Search {
    /// For these secrets.
    pub fn new(secrets: Vec<Secret>) -> Self {
        let mut by_start: Vec<_> = (0..=u16::MAX).map(|_| Vec::new()).collect();
        for (secret, all) in secrets.iter().map(Secret::forms).enumerate() {
            for (name, bytes) in all {
                by_start[start_of(&bytes).unwrap()].push(Form { bytes, name, secret });
            }
        }
        Self { secrets, by_start }
    }

    /// Each secret that `printed` has, and the form in which it has it.
    pub fn find(&self, printed: &[u8]) -> Vec<(&str, &'static str)> {
        let mut found = Vec::new();
        for at in 0..printed.len() {
            let rest = &printed[at..];
            let Some(start) = start_of(rest) else { break };
            for form in &self.by_start[start] {
                if rest.starts_with(&form.bytes) {
                    found.push((self.secrets[form.secret].name(), form.name));
                }
            }
        }
        found.dedup();
        found
    }
}

fn start_of(bytes: &[u8]) -> Option<usize> {
    let [first, second, ..] = *bytes else { return None };
    Some(usize::from(u16::from_be_bytes([first, second])))
}

/// The characters of the Base64 of a longer text that `bytes`, `offset` bytes into a group, settle alone.
fn inside_base64(bytes: &[u8], offset: usize, encode: fn(&[u8]) -> String) -> Vec<u8> {
    let text = encode(&[&vec![0; offset], bytes].concat());
    let first = (offset * 8).div_ceil(6);
    let last = (offset + bytes.len()) * 8 / 6;
    text.as_bytes()[first..last].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_320_a_planted_secret_is_found_in_every_form() {
        let text = "q7Zx-Kp93_vL0mWe4RtY";
        let search = Search::new(vec![Secret::new("planted", text)]);
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let basic = format!("Basic {}", Base64::encode_string(format!("rs-1:{text}").as_bytes()));
        let cut = &text[..PREFIX_LEN_MAX + 1];
        let list = format!("{:?}", text.as_bytes());
        for (form, printed) in [
            ("plain", format!("token={text}")),
            ("plain", format!("{cut}...")),
            ("hex", hex.clone()),
            ("upper-case hex", hex.to_uppercase()),
            ("percent-encoded", percent.clone()),
            ("percent-encoded in lower case", percent.to_lowercase()),
            ("list of numbers", list),
            ("base64", Base64::encode_string(text.as_bytes())),
            ("base64", Base64::encode_string(format!("a{text}").as_bytes())),
            ("base64", basic),
        ] {
            let found = search.find(format!("before {printed} after").as_bytes());
            assert!(found.contains(&("planted", form)), "{form}: {found:?}");
        }
    }

    #[test]
    fn four_characters_are_no_secret() {
        let search = Search::new(vec![Secret::new("planted", "q7Zx-Kp93_vL0mWe4RtY")]);
        assert_eq!(search.find(b"q7Zx.. refused"), []);
        assert_eq!(search.find(b"nothing of the kind"), []);
    }
}
