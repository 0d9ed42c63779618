//! Protected resource metadata (RFC 9728 §2): written by a resource server, read by clients.

use super::{MetadataError, read_members, read_strings, read_text};
use crate::{
    encoding::{
        json::{Reader, write},
        scratch::{BufferFull, Scratch},
        text::TextWriter,
        uri::Uri,
    },
    scope::ScopeSet,
};
use serde::{Serialize, Serializer};

/// Most authorization servers of one resource that are written, or kept when read.
pub const AUTHORIZATION_SERVERS_MAX: usize = 8;

/// Issuers of access tokens for a resource, no one twice.
pub type AuthorizationServers<'m> = heapless::Vec<&'m str, AUTHORIZATION_SERVERS_MAX>;

/// The algorithms of DPoP proofs that are known here, of those that a resource takes.
#[cfg(feature = "dpop")]
pub type ProofAlgorithms = heapless::Vec<&'static str, { crate::dpop::ALGORITHMS.len() }>;

/// How a token may be sent, as far as it concerns us (`bearer_methods_supported`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BearerMethods {
    /// Nothing is said.
    #[default]
    Unstated,
    /// In the `Authorization` header, the one way of MCP (RS-11, CL-70).
    Header,
    /// Only in ways that MCP forbids, or in none.
    WithoutHeader,
}

/// What a protected resource says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProtectedResource<'m> {
    /// The resource identifier.
    pub resource: &'m str,
    /// Whose tokens it accepts, in the resource's order (RS-02).
    #[serde(serialize_with = "write_list", skip_serializing_if = "is_empty")]
    pub authorization_servers: AuthorizationServers<'m>,
    /// The scopes for basic use (RS-09).
    #[serde(serialize_with = "write_scopes", skip_serializing_if = "is_scopeless")]
    pub scopes_supported: ScopeSet<'m>,
    /// How a token may be sent.
    #[serde(serialize_with = "write_methods", skip_serializing_if = "is_not_header")]
    pub bearer_methods_supported: BearerMethods,
    /// Its name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<&'m str>,
    /// Where developers read about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<&'m str>,
    /// How its data may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_policy_uri: Option<&'m str>,
    /// Its terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_tos_uri: Option<&'m str>,
    /// The algorithms of DPoP proofs that it takes (DP-14); `None` where it says nothing.
    #[cfg(feature = "dpop")]
    #[serde(serialize_with = "write_algorithms", skip_serializing_if = "Option::is_none")]
    pub dpop_signing_alg_values_supported: Option<ProofAlgorithms>,
    /// Whether it refuses tokens that are not bound to a key (DP-14).
    #[cfg(feature = "dpop")]
    #[serde(skip_serializing_if = "is_false")]
    pub dpop_bound_access_tokens_required: bool,
}

#[cfg(feature = "dpop")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl<'m> ProtectedResource<'m> {
    /// Writes the document; lists without entries are left out (RS-08).
    pub fn write<'b>(&self, out: &'b mut [u8]) -> Result<&'b str, BufferFull> {
        core::str::from_utf8(write::to_slice(self, out)?).map_err(|_| BufferFull)
    }

    /// Reads a document.
    ///
    /// At least one authorization server must be named (RS-02): that there is none never means that
    /// no token is needed. The first [`AUTHORIZATION_SERVERS_MAX`] are kept, each once; further ones
    /// would only be further tries (SEC-171). Whether the document is about the right resource is
    /// for [`ProtectedResource::matches`].
    pub fn parse(document: &'m [u8], scratch: &mut Scratch<'m>) -> Result<Self, MetadataError> {
        let mut found = Self::default();
        read_members(document, |name, reader| {
            let text = match () {
                () if name.eq_str("resource") => {
                    found.resource = read_text(reader, scratch)?;
                    return Ok(());
                }
                () if name.eq_str("authorization_servers") => {
                    found.authorization_servers = read_issuers(reader, scratch)?;
                    return Ok(());
                }
                () if name.eq_str("scopes_supported") => {
                    found.scopes_supported = read_scopes(reader, scratch)?;
                    return Ok(());
                }
                () if name.eq_str("bearer_methods_supported") => {
                    found.bearer_methods_supported = read_methods(reader)?;
                    return Ok(());
                }
                #[cfg(feature = "dpop")]
                () if name.eq_str("dpop_signing_alg_values_supported") => {
                    found.dpop_signing_alg_values_supported = Some(read_algorithms(reader)?);
                    return Ok(());
                }
                #[cfg(feature = "dpop")]
                () if name.eq_str("dpop_bound_access_tokens_required") => {
                    found.dpop_bound_access_tokens_required = reader.boolean()?;
                    return Ok(());
                }
                () if name.eq_str("resource_name") => &mut found.resource_name,
                () if name.eq_str("resource_documentation") => &mut found.resource_documentation,
                () if name.eq_str("resource_policy_uri") => &mut found.resource_policy_uri,
                () if name.eq_str("resource_tos_uri") => &mut found.resource_tos_uri,
                () => return Ok(reader.skip()?),
            };
            *text = Some(read_text(reader, scratch)?);
            Ok(())
        })?;
        if found.resource.is_empty() || found.authorization_servers.is_empty() {
            return Err(MetadataError::Missing);
        }
        Ok(found)
    }

    /// Whether the document says that proofs of this algorithm are taken. It says nothing of algorithms where it
    /// only says that no other tokens are: then any is (RFC 9728 §2).
    #[cfg(feature = "dpop")]
    pub fn takes_proofs(&self, algorithm: &str) -> bool {
        match &self.dpop_signing_alg_values_supported {
            Some(algorithms) => algorithms.contains(&algorithm),
            None => self.dpop_bound_access_tokens_required,
        }
    }

    /// Whether the document may speak for the MCP server at this URL (CL-04, §8.2): same scheme,
    /// host and port, and the resource's path is the server's or whole leading segments of it.
    ///
    /// A slash at the end of either path does not count. Neither resource nor server may have
    /// userinfo, a fragment or dot segments, nor the resource a query.
    pub fn matches(&self, server_url: &str) -> bool {
        covers(self.resource, server_url)
    }

    /// Whether the document names exactly this URL: RFC 9728 §3.3 without MCP's allowance.
    pub fn matches_exactly(&self, server_url: &str) -> bool {
        self.resource == server_url && self.matches(server_url)
    }
}

/// Whether the URL belongs to the resource of this identifier, by the rule of [`ProtectedResource::matches`]:
/// tokens for the resource may be shown there and nowhere else (CL-71).
pub fn covers(resource: &str, url: &str) -> bool {
    let (Ok(resource), Ok(url)) = (Uri::parse(resource), Uri::parse(url)) else {
        return false;
    };
    let is_plain = |uri: Uri<'_>| {
        uri.userinfo().is_none() && uri.fragment().is_none() && !uri.has_dot_segments()
    };
    is_plain(resource)
        && is_plain(url)
        && resource.query().is_none()
        && resource.origin().is_some()
        && resource.origin() == url.origin()
        && is_path_prefix(resource.path(), url.path())
}

/// `/api` leads `/api/v1` and not `/api2`.
fn is_path_prefix(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn read_issuers<'m>(
    reader: &mut Reader<'m>,
    scratch: &mut Scratch<'m>,
) -> Result<AuthorizationServers<'m>, MetadataError> {
    let mut issuers = AuthorizationServers::new();
    read_strings(reader, |issuer| {
        if issuer.raw().is_empty() {
            return Err(MetadataError::Member);
        }
        if !issuers.is_full() && !issuers.iter().any(|earlier| issuer.eq_str(earlier)) {
            // There is room, as was just seen.
            let _ = issuers.push(issuer.read(scratch)?);
        }
        Ok(())
    })?;
    Ok(issuers)
}

/// Joins the scopes of an array, as they are joined in a request (CL-43).
fn read_scopes<'m>(
    reader: &mut Reader<'m>,
    scratch: &mut Scratch<'m>,
) -> Result<ScopeSet<'m>, MetadataError> {
    let joined = scratch.fill(|free| {
        let mut out = TextWriter::new(free);
        read_strings(reader, |scope| {
            // A blank inside would make two scopes of one.
            if scope.raw().is_empty() || scope.chars().any(|character| character == ' ') {
                return Err(MetadataError::Member);
            }
            if !out.is_empty() {
                out.push(" ")?;
            }
            Ok(scope.chars().try_for_each(|character| out.push_char(character))?)
        })?;
        Ok::<_, MetadataError>(out.len())
    })?;
    let joined = core::str::from_utf8(joined).map_err(|_| MetadataError::Member)?;
    Ok(ScopeSet::parse(joined)?)
}

#[cfg(feature = "dpop")]
fn read_algorithms(reader: &mut Reader<'_>) -> Result<ProofAlgorithms, MetadataError> {
    let mut algorithms = ProofAlgorithms::new();
    read_strings(reader, |algorithm| {
        let known = crate::dpop::ALGORITHMS.into_iter().find(|known| algorithm.eq_str(known));
        if let Some(known) = known.filter(|known| !algorithms.contains(known)) {
            // There is room for each of them once.
            let _ = algorithms.push(known);
        }
        Ok(())
    })?;
    Ok(algorithms)
}

fn read_methods(reader: &mut Reader<'_>) -> Result<BearerMethods, MetadataError> {
    let mut methods = BearerMethods::WithoutHeader;
    read_strings(reader, |method| {
        if method.eq_str("header") {
            methods = BearerMethods::Header;
        }
        Ok(())
    })?;
    Ok(methods)
}

fn is_empty(list: &[&str]) -> bool {
    list.is_empty()
}

fn is_scopeless(scopes: &ScopeSet<'_>) -> bool {
    scopes.is_empty()
}

fn is_not_header(methods: &BearerMethods) -> bool {
    *methods != BearerMethods::Header
}

fn write_list<S: Serializer>(list: &[&str], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(list)
}

#[cfg(feature = "dpop")]
fn write_algorithms<S: Serializer>(
    algorithms: &Option<ProofAlgorithms>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(algorithms.iter().flatten())
}

fn write_scopes<S: Serializer>(scopes: &ScopeSet<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scopes.iter())
}

fn write_methods<S: Serializer>(_: &BearerMethods, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(["header"])
}

#[cfg(test)]
mod tests;
