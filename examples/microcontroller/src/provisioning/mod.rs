//! What makes one device out of the image that all of them share: who it is, whom it trusts, and its
//! keys. Nothing of it is compiled in.
//!
//! ```json
//! {
//!   "version": 1,
//!   "resource": "https://thermometer.example/mcp",
//!   "issuer": "https://login.example",
//!   "keys": [{ "kid": "2026-01", "key": "base64url, without padding" }],
//!   "time_servers": ["192.0.2.1:123", "192.0.2.2:123"]
//! }
//! ```
//!
//! `version` rises with every new provisioning; an older document is not taken again. A second entry in
//! `keys` is the key to come, while keys are changed. `time_servers` is for boards without a calendar of
//! their own, and may be left out. An image with the feature `introspection` reads `introspection` in
//! place of `keys`; its documentation is at [`Introspection`].

#[cfg(feature = "introspection")]
mod introspection;
mod keys;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;

#[cfg(feature = "introspection")]
pub use introspection::Introspection;
pub use keys::Keys;
use portcullis_core::{
    encoding::{
        json::{JsonError, JsonStr, Reader},
        scratch::{BufferFull, Scratch},
    },
    jwt::KeyError,
    limits::IDENTIFIER_LEN_MAX,
};

/// Longest document in bytes.
pub const DOCUMENT_LEN_MAX: usize = 3072;
/// Most time servers.
pub const TIME_SERVERS_MAX: usize = 4;
/// Deepest nesting: the object, the list of keys, a key.
const DEPTH_MAX: u8 = 3;
/// Most members of an object.
const MEMBERS_MAX: usize = 6;
/// Longest address with its port, in bytes: IPv6 in brackets.
const ADDRESS_LEN_MAX: usize = 48;

/// The identity of one device, checked for form; whether the URLs may be used is for
/// [`ResourceServer::new`](portcullis_core::resource_server::ResourceServer::new) to say.
#[derive(Debug)]
pub struct Provisioning<'m> {
    /// Which provisioning of this device it is, from 1.
    pub version: u32,
    /// The URL of the device's MCP endpoint, as clients use it.
    pub resource: &'m str,
    /// The authorization server whose tokens it accepts.
    pub issuer: &'m str,
    /// The keys that its tokens are checked with.
    #[cfg(not(feature = "introspection"))]
    pub keys: Keys,
    /// The keys that its tokens are checked with; `None` where the authorization server is asked.
    #[cfg(feature = "introspection")]
    pub keys: Option<Keys>,
    /// How the authorization server is asked, in place of keys.
    #[cfg(feature = "introspection")]
    pub introspection: Option<Introspection<'m>>,
    /// Whom to ask for the time.
    pub time_servers: heapless::Vec<SocketAddr, TIME_SERVERS_MAX>,
}

impl<'m> Provisioning<'m> {
    /// Reads the document. What is kept is copied to `memory`, so that the document, which holds
    /// keys, can be wiped.
    pub fn read(document: &[u8], memory: &mut Scratch<'m>) -> Result<Self, ProvisioningError> {
        let mut reader = Reader::new(document, DEPTH_MAX)?;
        let mut members = reader.object_bounded::<MEMBERS_MAX>()?;
        let (mut version, mut resource, mut issuer, mut keys) = (None, None, None, None);
        #[cfg(feature = "introspection")]
        let mut introspection = None;
        let mut time_servers = heapless::Vec::new();
        while let Some(name) = members.next(&mut reader)? {
            match name.plain() {
                Some("version") => version = Some(read_version(&mut reader)?),
                Some("resource") => resource = Some(copy(reader.string()?, memory)?),
                Some("issuer") => issuer = Some(copy(reader.string()?, memory)?),
                Some("keys") => keys = Some(Keys::read(&mut reader)?),
                Some("time_servers") => time_servers = read_addresses(&mut reader)?,
                #[cfg(feature = "introspection")]
                Some("introspection") => {
                    introspection = Some(Introspection::read(&mut reader, memory)?);
                }
                _ => return Err(ProvisioningError::UnknownMember),
            }
        }
        reader.end()?;
        let missing = ProvisioningError::Missing;
        let version = version.ok_or(missing("version"))?;
        let resource = resource.ok_or(missing("resource"))?;
        let issuer = issuer.ok_or(missing("issuer"))?;
        #[cfg(not(feature = "introspection"))]
        let keys = keys.ok_or(missing("keys"))?;
        #[cfg(feature = "introspection")]
        match (&keys, &introspection) {
            (None, None) => return Err(missing("keys")),
            (Some(_), Some(_)) => return Err(ProvisioningError::TwoWays),
            (Some(_), None) | (None, Some(_)) => {}
        }
        Ok(Self {
            version,
            resource,
            issuer,
            keys,
            #[cfg(feature = "introspection")]
            introspection,
            time_servers,
        })
    }
}

/// Why a device cannot be what the document says. No variant carries any of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProvisioningError {
    /// Not acceptable JSON, or a member of another type.
    Json(JsonError),
    /// A member is not there.
    Missing(&'static str),
    /// A member that means nothing to this image, perhaps a misspelt one.
    UnknownMember,
    /// A text is too long, or there are too many.
    TooLong,
    /// Not a number from 1 to 2^32 - 1.
    Version,
    /// An address that is not `IP:PORT`.
    Address,
    /// A key or certificate that is not base64url without padding.
    Encoding,
    /// A key or its id cannot be used, or there are too many.
    Key(KeyError),
    /// Both keys and introspection: one says how tokens are checked.
    TwoWays,
}

impl core::fmt::Display for ProvisioningError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Missing(name) => write!(f, "`{name}` is missing"),
            Self::UnknownMember => f.write_str("a member has an unknown name"),
            Self::TooLong => f.write_str("a text is too long"),
            Self::Version => f.write_str("`version` is not a number from 1"),
            Self::Address => f.write_str("an address is not IP:PORT"),
            Self::Encoding => f.write_str("a key or certificate is not base64url without padding"),
            Self::Key(error) => error.fmt(f),
            Self::TwoWays => f.write_str("there are both `keys` and `introspection`"),
        }
    }
}

impl core::error::Error for ProvisioningError {}

impl From<JsonError> for ProvisioningError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<BufferFull> for ProvisioningError {
    fn from(BufferFull: BufferFull) -> Self {
        Self::TooLong
    }
}

impl From<KeyError> for ProvisioningError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<u32, ProvisioningError> {
    match u32::try_from(reader.unsigned()?) {
        Ok(version) if version > 0 => Ok(version),
        Ok(_) | Err(_) => Err(ProvisioningError::Version),
    }
}

fn read_addresses(
    reader: &mut Reader<'_>,
) -> Result<heapless::Vec<SocketAddr, TIME_SERVERS_MAX>, ProvisioningError> {
    let mut elements = reader.array()?;
    let mut addresses = heapless::Vec::new();
    while elements.next(reader)? {
        let address = address(reader.string()?)?;
        addresses.push(address).map_err(|_| ProvisioningError::TooLong)?;
    }
    Ok(addresses)
}

fn address(text: JsonStr<'_>) -> Result<SocketAddr, ProvisioningError> {
    let mut buffer = [0; ADDRESS_LEN_MAX];
    unescape(text, &mut buffer)?.parse().map_err(|_| ProvisioningError::Address)
}

/// Copies a text to memory that stays.
fn copy<'m>(text: JsonStr<'_>, memory: &mut Scratch<'m>) -> Result<&'m str, ProvisioningError> {
    let mut buffer = [0; IDENTIFIER_LEN_MAX];
    let text = unescape(text, &mut buffer)?;
    let copied = memory.take(text.len())?;
    copied.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    // A copy of a text is one.
    core::str::from_utf8(copied).map_err(|_| ProvisioningError::Json(JsonError::Utf8))
}

/// Texts are short: one without escapes that is longer than the buffer is refused as well.
fn unescape<'b>(text: JsonStr<'b>, buffer: &'b mut [u8]) -> Result<&'b str, ProvisioningError> {
    let len_max = buffer.len();
    match text.read(&mut Scratch::new(buffer)) {
        Ok(text) if text.len() <= len_max => Ok(text),
        Ok(_) | Err(JsonError::BufferFull) => Err(ProvisioningError::TooLong),
        Err(error) => Err(error.into()),
    }
}
