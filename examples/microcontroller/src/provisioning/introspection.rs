//! Whom to ask about tokens.

use core::{fmt, net::SocketAddr};

use portcullis_core::encoding::{
    base64url,
    json::{JsonStr, Reader},
    scratch::Scratch,
};

use zeroize::Zeroizing;

use super::{MEMBERS_MAX, ProvisioningError, address, copy, unescape};

/// Longest client secret in bytes.
const SECRET_LEN_MAX: usize = 128;

/// The authorization server that is asked about tokens (RFC 7662).
///
/// ```json
/// "introspection": {
///   "endpoint": "https://login.example/introspect",
///   "address": "192.0.2.1:443",
///   "client_id": "thermometer", "client_secret": "...",
///   "certificate": "base64url, without padding"
/// }
/// ```
///
/// `address` is where the endpoint is: a device asks no name server. `certificate` is the DER of the
/// authority that issued the endpoint's certificate.
pub struct Introspection<'m> {
    /// The URL of the endpoint.
    pub endpoint: &'m str,
    /// Where it is.
    pub address: SocketAddr,
    /// Who the device is to the authorization server.
    pub client_id: &'m str,
    /// How it shows that.
    pub client_secret: Zeroizing<heapless::String<SECRET_LEN_MAX>>,
    /// The certificate, in DER, of the authority that vouches for the endpoint.
    pub certificate: &'m [u8],
}

impl<'m> Introspection<'m> {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        memory: &mut Scratch<'m>,
    ) -> Result<Self, ProvisioningError> {
        let mut members = reader.object_bounded::<MEMBERS_MAX>()?;
        let (mut endpoint, mut at, mut id, mut secret, mut authority) =
            (None, None, None, None, None);
        while let Some(name) = members.next(reader)? {
            let text = reader.string()?;
            match name.plain() {
                Some("endpoint") => endpoint = Some(copy(text, memory)?),
                Some("address") => at = Some(address(text)?),
                Some("client_id") => id = Some(copy(text, memory)?),
                Some("client_secret") => {
                    let mut buffer = Zeroizing::new([0; SECRET_LEN_MAX]);
                    let text = unescape(text, buffer.as_mut())?;
                    secret = heapless::String::try_from(text).ok().map(Zeroizing::new);
                }
                Some("certificate") => authority = Some(certificate(text, memory)?),
                _ => return Err(ProvisioningError::UnknownMember),
            }
        }
        let missing = ProvisioningError::Missing;
        Ok(Self {
            endpoint: endpoint.ok_or(missing("endpoint"))?,
            address: at.ok_or(missing("address"))?,
            client_id: id.ok_or(missing("client_id"))?,
            client_secret: secret.ok_or(missing("client_secret"))?,
            certificate: authority.ok_or(missing("certificate"))?,
        })
    }
}

fn certificate<'m>(
    text: JsonStr<'_>,
    memory: &mut Scratch<'m>,
) -> Result<&'m [u8], ProvisioningError> {
    let text = text.plain().ok_or(ProvisioningError::Encoding)?;
    base64url::decode(text.as_bytes(), memory).map_err(|_| ProvisioningError::Encoding)
}

impl fmt::Debug for Introspection<'_> {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("endpoint", &self.endpoint)
            .field("address", &self.address)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
