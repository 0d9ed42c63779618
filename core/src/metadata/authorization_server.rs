//! Authorization server metadata, read by clients and resource servers (RFC 8414 §2, OpenID Connect
//! Discovery §3).

use super::{MetadataError, read_members, read_strings, read_text};
use crate::encoding::{
    json::{JsonStr, Reader},
    scratch::Scratch,
};

/// What an authorization server says about itself, as far as it concerns an MCP client.
///
/// Endpoints have yet to pass the URL policy (CL-27, SEC-170). Lists are kept as what was found in
/// them; what is not listed is not supported, and a list that is absent has the meaning that RFC
/// 8414 gives to its absence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServer<'m> {
    /// The issuer identifier: the one that was asked for, byte for byte.
    pub issuer: &'m str,
    /// `authorization_endpoint`; absent where no grant needs it.
    pub authorization_endpoint: Option<&'m str>,
    /// `token_endpoint`.
    pub token_endpoint: Option<&'m str>,
    /// `registration_endpoint` (RFC 7591).
    pub registration_endpoint: Option<&'m str>,
    /// `revocation_endpoint` (RFC 7009).
    pub revocation_endpoint: Option<&'m str>,
    /// `introspection_endpoint` (RFC 7662).
    pub introspection_endpoint: Option<&'m str>,
    /// `jwks_uri`.
    pub jwks_uri: Option<&'m str>,
    /// Whether the `code` response type is offered; a server that names none is taken to (it is the
    /// only one of OAuth 2.1).
    pub response_type_code: bool,
    /// The grants; absent means authorization code alone (of those we know).
    pub grant_types: GrantTypes,
    /// How clients may authenticate at the token endpoint; absent means `client_secret_basic`.
    pub token_endpoint_auth_methods: AuthMethods,
    /// How resource servers may authenticate at the introspection endpoint; absent as above.
    pub introspection_endpoint_auth_methods: AuthMethods,
    /// How clients may authenticate at the revocation endpoint; absent as above.
    pub revocation_endpoint_auth_methods: AuthMethods,
    /// Whether `code_challenge_methods_supported` names `S256`. When not, a client must stop
    /// (CL-25): absent means that there is no PKCE.
    pub code_challenge_s256: bool,
    /// Whether `scopes_supported` names `offline_access` (CL-44).
    pub offline_access: bool,
    /// `client_id_metadata_document_supported` (CL-30).
    pub client_id_metadata_document_supported: bool,
    /// `authorization_response_iss_parameter_supported` (CL-50).
    pub authorization_response_iss_parameter_supported: bool,
}

impl<'m> AuthorizationServer<'m> {
    /// Reads the metadata of `issuer`, the identifier that the URL was built from.
    ///
    /// A document that names another issuer, be it by a slash or a letter's case, is
    /// [`MetadataError::Issuer`], and nothing else of it can be had (CL-24, SEC-165).
    pub fn parse(
        document: &'m [u8],
        issuer: &str,
        scratch: &mut Scratch<'m>,
    ) -> Result<Self, MetadataError> {
        let mut found = Self::default();
        read_members(document, |name, reader| {
            if let Some(endpoint) = found.text_mut(name) {
                *endpoint = Some(read_text(reader, scratch)?);
            } else if let Some(methods) = found.auth_methods_mut(name) {
                *methods = AuthMethods::read(reader)?;
            } else if let Some(flag) = found.flag_mut(name) {
                *flag = reader.boolean()?;
            } else if name.eq_str("issuer") {
                found.issuer = read_text(reader, scratch)?;
            } else if name.eq_str("grant_types_supported") {
                found.grant_types = GrantTypes::read(reader)?;
            } else if let Some((flag, sought)) = found.sought_mut(name) {
                *flag = has(reader, sought)?;
            } else {
                reader.skip()?;
            }
            Ok(())
        })?;
        match found.issuer {
            "" => Err(MetadataError::Missing),
            own if own == issuer => Ok(found),
            _ => Err(MetadataError::Issuer),
        }
    }

    fn text_mut(&mut self, name: JsonStr<'_>) -> Option<&mut Option<&'m str>> {
        Some(match () {
            () if name.eq_str("authorization_endpoint") => &mut self.authorization_endpoint,
            () if name.eq_str("token_endpoint") => &mut self.token_endpoint,
            () if name.eq_str("registration_endpoint") => &mut self.registration_endpoint,
            () if name.eq_str("revocation_endpoint") => &mut self.revocation_endpoint,
            () if name.eq_str("introspection_endpoint") => &mut self.introspection_endpoint,
            () if name.eq_str("jwks_uri") => &mut self.jwks_uri,
            () => return None,
        })
    }

    fn auth_methods_mut(&mut self, name: JsonStr<'_>) -> Option<&mut AuthMethods> {
        Some(match () {
            () if name.eq_str("token_endpoint_auth_methods_supported") => {
                &mut self.token_endpoint_auth_methods
            }
            () if name.eq_str("introspection_endpoint_auth_methods_supported") => {
                &mut self.introspection_endpoint_auth_methods
            }
            () if name.eq_str("revocation_endpoint_auth_methods_supported") => {
                &mut self.revocation_endpoint_auth_methods
            }
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

    /// For a list of which one entry matters: where to note it, and the entry.
    fn sought_mut(&mut self, name: JsonStr<'_>) -> Option<(&mut bool, &'static str)> {
        Some(match () {
            () if name.eq_str("response_types_supported") => (&mut self.response_type_code, "code"),
            () if name.eq_str("code_challenge_methods_supported") => {
                (&mut self.code_challenge_s256, "S256")
            }
            () if name.eq_str("scopes_supported") => (&mut self.offline_access, "offline_access"),
            () => return None,
        })
    }
}

impl Default for AuthorizationServer<'_> {
    /// What a document without members would say.
    fn default() -> Self {
        Self {
            issuer: "",
            authorization_endpoint: None,
            token_endpoint: None,
            registration_endpoint: None,
            revocation_endpoint: None,
            introspection_endpoint: None,
            jwks_uri: None,
            response_type_code: true,
            grant_types: GrantTypes { authorization_code: true, ..GrantTypes::NONE },
            token_endpoint_auth_methods: AuthMethods::DEFAULT,
            introspection_endpoint_auth_methods: AuthMethods::DEFAULT,
            revocation_endpoint_auth_methods: AuthMethods::DEFAULT,
            code_challenge_s256: false,
            offline_access: false,
            client_id_metadata_document_supported: false,
            authorization_response_iss_parameter_supported: false,
        }
    }
}

/// The grants of `grant_types_supported` that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantTypes {
    /// `authorization_code`
    pub authorization_code: bool,
    /// `refresh_token`
    pub refresh_token: bool,
    /// `client_credentials`
    pub client_credentials: bool,
}

impl GrantTypes {
    const NONE: Self =
        Self { authorization_code: false, refresh_token: false, client_credentials: false };

    fn read(reader: &mut Reader<'_>) -> Result<Self, MetadataError> {
        let mut found = Self::NONE;
        read_strings(reader, |grant| {
            found.authorization_code |= grant.eq_str("authorization_code");
            found.refresh_token |= grant.eq_str("refresh_token");
            found.client_credentials |= grant.eq_str("client_credentials");
            Ok(())
        })?;
        Ok(found)
    }
}

/// The client authentication methods of a list that we know (RFC 8414 §2, RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthMethods {
    /// `none`: public clients.
    pub none: bool,
    /// `client_secret_basic`
    pub client_secret_basic: bool,
    /// `client_secret_post`
    pub client_secret_post: bool,
    /// `private_key_jwt`
    pub private_key_jwt: bool,
}

impl AuthMethods {
    const NONE: Self = Self {
        none: false,
        client_secret_basic: false,
        client_secret_post: false,
        private_key_jwt: false,
    };
    /// The meaning of an absent list (CL-60).
    const DEFAULT: Self = Self { client_secret_basic: true, ..Self::NONE };

    fn read(reader: &mut Reader<'_>) -> Result<Self, MetadataError> {
        let mut found = Self::NONE;
        read_strings(reader, |method| {
            found.none |= method.eq_str("none");
            found.client_secret_basic |= method.eq_str("client_secret_basic");
            found.client_secret_post |= method.eq_str("client_secret_post");
            found.private_key_jwt |= method.eq_str("private_key_jwt");
            Ok(())
        })?;
        Ok(found)
    }
}

/// Whether `sought` is an entry of an array of strings, however long it is.
fn has(reader: &mut Reader<'_>, sought: &str) -> Result<bool, MetadataError> {
    let mut found = false;
    read_strings(reader, |entry| {
        found |= entry.eq_str(sought);
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::json::JsonError;
    use std::{format, string::String, vec::Vec};

    const ISSUER: &str = "https://as.example.com/t1";

    fn with(members: &str) -> String {
        format!("{{\"issuer\":\"{ISSUER}\"{members}}}")
    }

    /// Reads the document and shows what `view` picks.
    fn read<T>(
        members: &str,
        view: impl FnOnce(&AuthorizationServer<'_>) -> T,
    ) -> Result<T, MetadataError> {
        let (document, mut buffer) = (with(members), [0; 256]);
        let mut scratch = Scratch::new(&mut buffer);
        AuthorizationServer::parse(document.as_bytes(), ISSUER, &mut scratch).map(|it| view(&it))
    }

    #[track_caller]
    fn check(members: &str, expected: Result<(), MetadataError>) {
        assert_eq!(read(members, |_| ()), expected, "{members}");
    }

    #[test]
    fn a_whole_document() {
        let members = r#","authorization_endpoint":"https:\/\/as\/authorize",
            "token_endpoint":"https://as/token","registration_endpoint":"https://as/register",
            "revocation_endpoint":"https://as/revoke","introspection_endpoint":"https://as/i",
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
        let expected = AuthorizationServer {
            issuer: ISSUER,
            authorization_endpoint: Some("https://as/authorize"),
            token_endpoint: Some("https://as/token"),
            registration_endpoint: Some("https://as/register"),
            revocation_endpoint: Some("https://as/revoke"),
            introspection_endpoint: Some("https://as/i"),
            jwks_uri: Some("https://as/jwks"),
            response_type_code: true,
            grant_types: GrantTypes {
                authorization_code: true,
                refresh_token: true,
                client_credentials: false,
            },
            token_endpoint_auth_methods: AuthMethods {
                none: true,
                client_secret_post: true,
                ..AuthMethods::NONE
            },
            introspection_endpoint_auth_methods: AuthMethods {
                private_key_jwt: true,
                ..AuthMethods::NONE
            },
            revocation_endpoint_auth_methods: AuthMethods { none: true, ..AuthMethods::NONE },
            code_challenge_s256: true,
            offline_access: true,
            client_id_metadata_document_supported: true,
            authorization_response_iss_parameter_supported: true,
        };
        assert_eq!(read(members, |found| *found == expected), Ok(true));
    }

    #[test]
    fn what_is_absent_has_its_defined_meaning() {
        let expected = AuthorizationServer { issuer: ISSUER, ..AuthorizationServer::default() };
        assert_eq!(read("", |found| *found == expected), Ok(true));
        let default = AuthorizationServer::default();
        assert!(default.token_endpoint_auth_methods.client_secret_basic); // CL-60
        assert!(!default.token_endpoint_auth_methods.none);
        assert!(!default.authorization_response_iss_parameter_supported);
    }

    #[test]
    fn cl_24_sec_165_another_issuer() {
        let of = |issuer: &str| {
            let document =
                format!("{{\"issuer\":\"{issuer}\",\"token_endpoint\":\"https://as/t\"}}");
            AuthorizationServer::parse(document.as_bytes(), ISSUER, &mut Scratch::new(&mut [0; 64]))
                .map(drop)
        };
        assert_eq!(of(ISSUER), Ok(()));
        assert_eq!(of("https:\\/\\/as.example.com\\/t1"), Ok(()));
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
        ] {
            assert_eq!(of(other), Err(MetadataError::Issuer), "{other}");
        }
        assert_eq!(of(""), Err(MetadataError::Member));
    }

    #[test]
    fn cl_24_an_issuer_has_to_be_named() {
        let parse = |issuer| {
            AuthorizationServer::parse(
                b"{\"token_endpoint\":\"x\"}",
                issuer,
                &mut Scratch::new(&mut []),
            )
            .map(drop)
        };
        assert_eq!(parse(ISSUER), Err(MetadataError::Missing));
        assert_eq!(parse(""), Err(MetadataError::Missing));
    }

    #[test]
    fn cl_25_sec_169_only_a_named_s256_is_pkce() {
        let s256 = |list: &str| {
            let members = format!(",\"code_challenge_methods_supported\":{list}");
            read(&members, |found| found.code_challenge_s256)
        };
        assert_eq!(s256("[\"S256\"]"), Ok(true));
        assert_eq!(s256("[\"\\u0053256\"]"), Ok(true));
        assert_eq!(read("", |found| found.code_challenge_s256), Ok(false));
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
            assert_eq!(read(&members, |found| found.code_challenge_s256), Ok(true));
        }
    }

    #[test]
    fn sec_032_a_wrong_type_is_never_absent() {
        for (names, values) in [
            (
                &["authorization_endpoint", "token_endpoint", "registration_endpoint", "jwks_uri"]
                    [..],
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
        check(r#","token_endpoint":"""#, Err(MetadataError::Member));
    }

    #[test]
    fn sec_020_duplicate_members() {
        let duplicate = Err(MetadataError::Json(JsonError::Duplicate));
        check(&format!(",\"issuer\":\"{ISSUER}\""), duplicate);
        check(r#","token_endpoint":"a","token\u005fendpoint":"b""#, duplicate);
    }

    #[test]
    fn an_empty_list_supports_nothing() {
        let members = r#","grant_types_supported":[],"response_types_supported":[],
            "token_endpoint_auth_methods_supported":[]"#;
        let found = read(members, |found| {
            (found.grant_types, found.response_type_code, found.token_endpoint_auth_methods)
        });
        assert_eq!(found, Ok((GrantTypes::NONE, false, AuthMethods::NONE)));
    }
}
