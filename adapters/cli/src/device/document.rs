//! The provisioning document as JSON.

use std::{net::SocketAddr, num::NonZeroU32};

use portcullis_core::{encoding::base64url, jwt::KeyError};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::{
    Device, DeviceError, Introspection, Verification,
    key::{Key, Keys, base64url_text},
};
use crate::output;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: NonZeroU32,
    resource: String,
    issuer: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<KeyEntry>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    introspection: Option<IntrospectionEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    time_servers: Vec<SocketAddr>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    kid: String,
    key: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IntrospectionEntry {
    endpoint: String,
    address: SocketAddr,
    client_id: String,
    client_secret: Zeroizing<String>,
    certificate: String,
}

/// What is there has a value: `null` is none to a device.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Reads a document, whose texts are still to be checked.
pub(super) fn parse(document: &[u8]) -> Result<Device, DeviceError> {
    let document: Document = serde_json::from_slice(document).map_err(|error| {
        // Its own words may quote the document.
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Data => DeviceError::Members(line, column),
            Category::Io | Category::Syntax | Category::Eof => DeviceError::Json(line, column),
        }
    })?;
    let verification = match (document.keys, document.introspection) {
        (Some(keys), None) => Verification::Keys(read_keys(&keys)?),
        (None, Some(entry)) => Verification::Introspection(read_introspection(entry)?),
        (Some(_), Some(_)) | (None, None) => return Err(DeviceError::Ways),
    };
    Ok(Device {
        version: document.version,
        resource: document.resource,
        issuer: document.issuer,
        verification,
        time_servers: document.time_servers,
    })
}

fn read_keys(entries: &[KeyEntry]) -> Result<Keys, DeviceError> {
    let key = |entry: &KeyEntry| Key::from_text(&entry.kid, &entry.key);
    match entries {
        [] => Err(DeviceError::Ways),
        [current] => Ok(Keys { current: key(current)?, next: None }),
        [current, next] => Ok(Keys { current: key(current)?, next: Some(key(next)?) }),
        _ => Err(KeyError::Ring.into()),
    }
}

fn read_introspection(entry: IntrospectionEntry) -> Result<Introspection, DeviceError> {
    // Decoded it is shorter than encoded.
    let mut room = vec![0; entry.certificate.len()];
    let certificate = base64url::decode_into(entry.certificate.as_bytes(), &mut room)
        .map_err(|_| DeviceError::Certificate)?;
    Ok(Introspection {
        endpoint: entry.endpoint,
        address: entry.address,
        client_id: entry.client_id,
        client_secret: entry.client_secret,
        certificate: certificate.to_vec(),
    })
}

/// Writes a document, on one line.
pub(super) fn write(device: &Device) -> Result<Zeroizing<String>, DeviceError> {
    let entry = |key: &Key| KeyEntry { kid: key.id().to_string(), key: key.text() };
    let (keys, introspection) = match &device.verification {
        Verification::Keys(Keys { current, next }) => {
            (Some([Some(current), next.as_ref()].into_iter().flatten().map(entry).collect()), None)
        }
        Verification::Introspection(introspection) => {
            let entry = IntrospectionEntry {
                endpoint: introspection.endpoint.clone(),
                address: introspection.address,
                client_id: introspection.client_id.clone(),
                client_secret: introspection.client_secret.clone(),
                certificate: base64url_text(&introspection.certificate).to_string(),
            };
            (None, Some(entry))
        }
    };
    let document = Document {
        version: device.version,
        resource: device.resource.clone(),
        issuer: device.issuer.clone(),
        keys,
        introspection,
        time_servers: device.time_servers.clone(),
    };
    // Texts and numbers have a JSON form, always.
    output::json_text(&document).map_err(|_| DeviceError::TooLong)
}
