//! Authorization server metadata, read by clients and resource servers (RFC 8414 §2, OpenID Connect
//! Discovery §3).

use super::{MetadataError, StringList, read_members, read_text};
use crate::encoding::{json::JsonStr, scratch::Scratch};

/// What an authorization server says about itself, as far as it concerns an MCP client.
///
/// Not to be used before [`AuthorizationServer::validate_issuer`] has passed, and no endpoint before
/// the URL policy has (CL-27, SEC-170). A list that is absent is empty.
#[derive(Clone, Debug, Default)]
pub struct AuthorizationServer<'m> {
    /// The issuer identifier.
    pub issuer: &'m str,
    /// Where the user is sent.
    pub authorization_endpoint: &'m str,
    /// Where codes become tokens.
    pub token_endpoint: &'m str,
    /// RFC 7591.
    pub registration_endpoint: Option<&'m str>,
    /// RFC 7009.
    pub revocation_endpoint: Option<&'m str>,
    /// RFC 7662.
    pub introspection_endpoint: Option<&'m str>,
    /// RFC 8628 §4.
    pub device_authorization_endpoint: Option<&'m str>,
    /// The keys of JWTs it signs.
    pub jwks_uri: Option<&'m str>,
    /// `code` is the only one of OAuth 2.1.
    pub response_types_supported: StringList<'m>,
    /// Empty means `authorization_code` (and `implicit`, which OAuth 2.1 has no more).
    pub grant_types_supported: StringList<'m>,
    /// Empty means `client_secret_basic` (CL-60).
    pub token_endpoint_auth_methods_supported: StringList<'m>,
    /// What a client may sign with to authenticate; empty means that nothing is said (RFC 8414 §2).
    pub token_endpoint_auth_signing_alg_values_supported: StringList<'m>,
    /// Empty means `client_secret_basic`.
    pub revocation_endpoint_auth_methods_supported: StringList<'m>,
    /// Empty means that nothing is said.
    pub introspection_endpoint_auth_methods_supported: StringList<'m>,
    /// Without `S256` a client must stop (CL-25): empty means that there is no PKCE.
    pub code_challenge_methods_supported: StringList<'m>,
    /// Where `offline_access` is looked for (CL-44).
    pub scopes_supported: StringList<'m>,
    /// The algorithms of DPoP proofs; empty means that tokens are not bound to keys (RFC 9449 §5.1).
    pub dpop_signing_alg_values_supported: StringList<'m>,
    /// CL-30.
    pub client_id_metadata_document_supported: bool,
    /// CL-50.
    pub authorization_response_iss_parameter_supported: bool,
}

impl<'m> AuthorizationServer<'m> {
    /// Reads a document, which must name the issuer and the two endpoints that MCP needs (AS-06).
    pub fn parse(document: &'m [u8], scratch: &mut Scratch<'m>) -> Result<Self, MetadataError> {
        let mut found = Self::default();
        read_members(document, |name, reader| {
            if let Some(text) = found.text_mut(name) {
                *text = read_text(reader, scratch)?;
            } else if let Some(endpoint) = found.endpoint_mut(name) {
                *endpoint = Some(read_text(reader, scratch)?);
            } else if let Some(list) = found.list_mut(name) {
                *list = StringList::read(reader)?;
            } else if let Some(flag) = found.flag_mut(name) {
                *flag = reader.boolean()?;
            } else {
                reader.skip()?;
            }
            Ok(())
        })?;
        let required = [found.issuer, found.authorization_endpoint, found.token_endpoint];
        if required.contains(&"") {
            return Err(MetadataError::Missing);
        }
        Ok(found)
    }

    /// Whether this is the metadata of `issuer`, the identifier that its URL was built from: byte
    /// for byte, no slash or case aside (CL-24, SEC-165).
    pub fn validate_issuer(&self, issuer: &str) -> Result<(), MetadataError> {
        if self.issuer == issuer { Ok(()) } else { Err(MetadataError::Issuer) }
    }

    fn text_mut(&mut self, name: JsonStr<'_>) -> Option<&mut &'m str> {
        Some(match () {
            () if name.eq_str("issuer") => &mut self.issuer,
            () if name.eq_str("authorization_endpoint") => &mut self.authorization_endpoint,
            () if name.eq_str("token_endpoint") => &mut self.token_endpoint,
            () => return None,
        })
    }

    fn endpoint_mut(&mut self, name: JsonStr<'_>) -> Option<&mut Option<&'m str>> {
        Some(match () {
            () if name.eq_str("registration_endpoint") => &mut self.registration_endpoint,
            () if name.eq_str("revocation_endpoint") => &mut self.revocation_endpoint,
            () if name.eq_str("introspection_endpoint") => &mut self.introspection_endpoint,
            () if name.eq_str("device_authorization_endpoint") => {
                &mut self.device_authorization_endpoint
            }
            () if name.eq_str("jwks_uri") => &mut self.jwks_uri,
            () => return None,
        })
    }

    fn list_mut(&mut self, name: JsonStr<'_>) -> Option<&mut StringList<'m>> {
        Some(match () {
            () if name.eq_str("response_types_supported") => &mut self.response_types_supported,
            () if name.eq_str("grant_types_supported") => &mut self.grant_types_supported,
            () if name.eq_str("token_endpoint_auth_methods_supported") => {
                &mut self.token_endpoint_auth_methods_supported
            }
            () if name.eq_str("token_endpoint_auth_signing_alg_values_supported") => {
                &mut self.token_endpoint_auth_signing_alg_values_supported
            }
            () if name.eq_str("revocation_endpoint_auth_methods_supported") => {
                &mut self.revocation_endpoint_auth_methods_supported
            }
            () if name.eq_str("introspection_endpoint_auth_methods_supported") => {
                &mut self.introspection_endpoint_auth_methods_supported
            }
            () if name.eq_str("dpop_signing_alg_values_supported") => {
                &mut self.dpop_signing_alg_values_supported
            }
            () if name.eq_str("code_challenge_methods_supported") => {
                &mut self.code_challenge_methods_supported
            }
            () if name.eq_str("scopes_supported") => &mut self.scopes_supported,
            () => return None,
        })
    }

    fn flag_mut(&mut self, name: JsonStr<'_>) -> Option<&mut bool> {
        Some(match () {
            () if name.eq_str("client_id_metadata_document_supported") => {
                &mut self.client_id_metadata_document_supported
            }
            () if name.eq_str("authorization_response_iss_parameter_supported") => {
                &mut self.authorization_response_iss_parameter_supported
            }
            () => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::json::JsonError;
    use std::{format, string::String, vec::Vec};

    const ISSUER: &str = "https://as.example.com/t1";
    const REQUIRED: &str = concat!(
        r#""issuer":"https://as.example.com/t1","#,
        r#""authorization_endpoint":"https:\/\/as\/authorize","#,
        r#""token_endpoint":"https://as/token""#
    );

    /// Reads a document with the required members and these, and shows what `view` picks.
    fn read<T>(
        members: &str,
        view: impl FnOnce(&AuthorizationServer<'_>) -> T,
    ) -> Result<T, MetadataError> {
        let (document, mut buffer) = (format!("{{{REQUIRED}{members}}}"), [0; 256]);
        let mut scratch = Scratch::new(&mut buffer);
        AuthorizationServer::parse(document.as_bytes(), &mut scratch).map(|found| view(&found))
    }

    #[track_caller]
    fn check(members: &str, expected: Result<(), MetadataError>) {
        assert_eq!(read(members, |_| ()), expected, "{members}");
    }

    #[test]
    fn a_whole_document() {
        let members = r#","registration_endpoint":"https://as/register",
            "revocation_endpoint":"https://as/revoke","introspection_endpoint":"https://as/i",
            "device_authorization_endpoint":"https://as/device",
            "token_endpoint_auth_signing_alg_values_supported":["ES256"],
            "jwks_uri":"https://as/jwks","response_types_supported":["code"],
            "grant_types_supported":["authorization_code","refresh_token","urn:x"],
            "token_endpoint_auth_methods_supported":["none","client_secret_post","tls"],
            "introspection_endpoint_auth_methods_supported":["private_key_jwt"],
            "revocation_endpoint_auth_methods_supported":["none"],
            "code_challenge_methods_supported":["plain","S256"],
            "scopes_supported":["user","offline_access"],
            "client_id_metadata_document_supported":true,
            "authorization_response_iss_parameter_supported":true,
            "x":{"issuer":["https://evil"]}"#;
        read(members, |found| {
            assert_eq!(found.issuer, ISSUER);
            assert_eq!(found.authorization_endpoint, "https://as/authorize");
            assert_eq!(found.token_endpoint, "https://as/token");
            assert_eq!(found.registration_endpoint, Some("https://as/register"));
            assert_eq!(found.revocation_endpoint, Some("https://as/revoke"));
            assert_eq!(found.introspection_endpoint, Some("https://as/i"));
            assert_eq!(found.device_authorization_endpoint, Some("https://as/device"));
            assert!(found.token_endpoint_auth_signing_alg_values_supported.contains("ES256"));
            assert_eq!(found.jwks_uri, Some("https://as/jwks"));
            assert!(found.response_types_supported.contains("code"));
            assert!(found.grant_types_supported.contains("refresh_token"));
            assert!(!found.grant_types_supported.contains("client_credentials"));
            assert!(found.token_endpoint_auth_methods_supported.contains("none"));
            assert!(!found.token_endpoint_auth_methods_supported.contains("client_secret_basic"));
            assert!(
                found.introspection_endpoint_auth_methods_supported.contains("private_key_jwt")
            );
            assert!(found.revocation_endpoint_auth_methods_supported.contains("none"));
            assert!(found.code_challenge_methods_supported.contains("S256"));
            assert!(found.scopes_supported.contains("offline_access"));
            assert!(found.client_id_metadata_document_supported);
            assert!(found.authorization_response_iss_parameter_supported);
        })
        .unwrap();
    }

    #[test]
    fn what_is_absent_is_empty_or_false() {
        read("", |found| {
            assert_eq!(found.registration_endpoint, None);
            assert!(found.token_endpoint_auth_methods_supported.is_empty());
            assert!(!found.client_id_metadata_document_supported);
            assert!(!found.authorization_response_iss_parameter_supported);
        })
        .unwrap();
    }

    #[test]
    fn as_06_required_members() {
        let whole: Vec<&str> = REQUIRED.split(',').collect();
        for missing in 0..whole.len() {
            let mut members = whole.clone();
            members.remove(missing);
            let document = format!("{{{}}}", members.join(","));
            let mut buffer = [0; 64];
            let found =
                AuthorizationServer::parse(document.as_bytes(), &mut Scratch::new(&mut buffer));
            assert_eq!(found.err(), Some(MetadataError::Missing), "{document}");
        }
        check("", Ok(()));
    }

    #[test]
    fn cl_24_sec_165_another_issuer() {
        let validate = |issuer| read("", |found| found.validate_issuer(issuer)).unwrap();
        assert_eq!(validate(ISSUER), Ok(()));
        for other in [
            "https://as.example.com/t1/",
            "https://as.example.com/T1",
            "https://AS.example.com/t1",
            "https://as.example.com:443/t1",
            "https://as.example.com/t%31",
            "https://as.example.com/t2",
            "https://as.example.com",
            "http://as.example.com/t1",
            "https://evil.example/t1",
            "",
        ] {
            assert_eq!(validate(other), Err(MetadataError::Issuer), "{other}");
        }
    }

    #[test]
    fn cl_25_sec_169_only_a_named_s256_is_pkce() {
        let s256 = |list: &str| {
            let members = format!(",\"code_challenge_methods_supported\":{list}");
            read(&members, |found| found.code_challenge_methods_supported.contains("S256"))
        };
        assert_eq!(s256("[\"S256\"]"), Ok(true));
        assert_eq!(s256("[\"\\u0053256\"]"), Ok(true));
        assert_eq!(
            read("", |found| found.code_challenge_methods_supported.contains("S256")),
            Ok(false)
        );
        for list in ["[]", "[\"plain\"]", "[\"s256\"]", "[\"S2567\"]", "[\"S256 \"]"] {
            assert_eq!(s256(list), Ok(false), "{list}");
        }
        for list in ["\"S256\"", "null", "{\"S256\":true}", "[\"S256\",1]", "[[\"S256\"]]"] {
            assert_eq!(s256(list), Err(MetadataError::Json(JsonError::Type)), "{list}");
        }
    }

    #[test]
    fn no_length_of_a_list_changes_what_is_found() {
        for count in [0, 63, 64, 65, 1000] {
            let list: Vec<String> = (0..count).map(|index| format!("\"m{index}\",")).collect();
            let members =
                format!(",\"code_challenge_methods_supported\":[{}\"S256\"]", list.concat());
            let found =
                read(&members, |found| found.code_challenge_methods_supported.contains("S256"));
            assert_eq!(found, Ok(true));
        }
    }

    #[test]
    fn sec_032_a_wrong_type_is_never_absent() {
        for (names, values) in [
            (
                &[
                    "registration_endpoint",
                    "revocation_endpoint",
                    "introspection_endpoint",
                    "device_authorization_endpoint",
                    "jwks_uri",
                ][..],
                &["null", "1", "false", "{}", "[]"][..],
            ),
            (
                &[
                    "authorization_response_iss_parameter_supported",
                    "client_id_metadata_document_supported",
                ],
                &["null", "1", "\"true\"", "{}", "[]"],
            ),
            (
                &[
                    "grant_types_supported",
                    "response_types_supported",
                    "scopes_supported",
                    "token_endpoint_auth_methods_supported",
                    "introspection_endpoint_auth_methods_supported",
                    "token_endpoint_auth_signing_alg_values_supported",
                    "revocation_endpoint_auth_methods_supported",
                ],
                &["null", "1", "\"none\"", "{}", "[1]", "[null]"],
            ),
        ] {
            for (name, value) in names.iter().flat_map(|name| values.iter().map(move |v| (name, v)))
            {
                let member = format!(",\"{name}\":{value}");
                check(&member, Err(MetadataError::Json(JsonError::Type)));
            }
        }
        check(r#","jwks_uri":"""#, Err(MetadataError::Member));
    }

    #[test]
    fn sec_176_signed_metadata_has_no_say() {
        for value in [r#""a.b.c""#, r#""""#, "null", r#"{"issuer":"https://evil"}"#] {
            let members = format!(",\"signed_metadata\":{value}");
            assert_eq!(read(&members, |found| found.validate_issuer(ISSUER)), Ok(Ok(())));
        }
    }

    #[test]
    fn sec_020_duplicate_members() {
        let duplicate = Err(MetadataError::Json(JsonError::Duplicate));
        check(&format!(",\"issuer\":\"{ISSUER}\""), duplicate);
        check(r#","token\u005fendpoint":"b""#, duplicate);
    }
}
