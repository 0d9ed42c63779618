//! The keys of a provisioning.

use portcullis_core::{
    encoding::{base64url, json::Reader},
    jwt::{KeyError, KeyId},
    limits::{HMAC_KEY_LEN_MAX, KEY_ID_LEN_MAX},
};
use portcullis_embassy::keys::storage::Key;
use zeroize::Zeroizing;

use super::{MEMBERS_MAX, ProvisioningError, unescape};

/// The key that tokens are signed with and, while keys are changed, the key to come.
#[derive(Debug)]
pub struct Keys {
    /// The current key.
    pub current: Key,
    /// The key to come.
    pub next: Option<Key>,
}

impl Keys {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ProvisioningError> {
        let mut elements = reader.array()?;
        let (mut current, mut next) = (None::<Key>, None::<Key>);
        while elements.next(reader)? {
            let key = read_key(reader)?;
            match (&current, &next) {
                (None, _) => current = Some(key),
                (Some(current), None) if current.id() != key.id() => next = Some(key),
                (Some(_), None) => return Err(KeyError::DuplicateKeyId.into()),
                (Some(_), Some(_)) => return Err(KeyError::Ring.into()),
            }
        }
        Ok(Self { current: current.ok_or(ProvisioningError::Missing("keys"))?, next })
    }
}

fn read_key(reader: &mut Reader<'_>) -> Result<Key, ProvisioningError> {
    let mut members = reader.object_bounded::<MEMBERS_MAX>()?;
    let (mut id, mut len) = (None, None);
    let mut bytes = Zeroizing::new([0; HMAC_KEY_LEN_MAX]);
    while let Some(name) = members.next(reader)? {
        let text = reader.string()?;
        match name.plain() {
            Some("kid") => id = Some(KeyId::new(unescape(text, &mut [0; KEY_ID_LEN_MAX])?)?),
            Some("key") => {
                let text = text.plain().ok_or(ProvisioningError::Encoding)?;
                let decoded = base64url::decode_into(text.as_bytes(), bytes.as_mut())
                    .map_err(|_| ProvisioningError::Encoding)?;
                len = Some(decoded.len());
            }
            _ => return Err(ProvisioningError::UnknownMember),
        }
    }
    let id = id.ok_or(ProvisioningError::Missing("kid"))?;
    let key = bytes.get(..len.ok_or(ProvisioningError::Missing("key"))?);
    Ok(Key::new(id, key.unwrap_or_default())?)
}
