//! What may be wrong with an authorization server.

use super::Rule;
use crate::doctor::report::Severity::{Error, Warning};

pub(crate) const ISSUER_URL: Rule = Rule {
    code: "issuer-url",
    severity: Error,
    requirements: &["AS-03", "AS-13"],
    what: "the issuer is no https URL without query and fragment",
    effect: "Clients refuse the authorization server.",
    remedy: "Give it an https issuer.",
};
pub(crate) const ISSUER_FORBIDDEN: Rule = Rule {
    code: "issuer-forbidden",
    severity: Error,
    requirements: &["RS-02", "CL-92"],
    what: "metadata leads to an address that is not public",
    effect: "Clients that run on servers refuse it; those on users' machines would ask their own network.",
    remedy: "Name an authorization server that its users can reach. (For a private network: --allow-private.)",
};
pub(crate) const NO_METADATA: Rule = Rule {
    code: "no-metadata",
    severity: Error,
    requirements: &["AS-02", "AS-04"],
    what: "there is no metadata of the authorization server",
    effect: "Clients stop here.",
    remedy: "Serve RFC 8414 metadata at /.well-known/oauth-authorization-server followed by the issuer's path.",
};
pub(crate) const METADATA_REDIRECTS: Rule = Rule {
    code: "metadata-redirects",
    severity: Error,
    requirements: &["AS-05", "CL-06"],
    what: "the authorization server's metadata redirects",
    effect: "Clients do not follow it, and take the metadata for missing.",
    remedy: "Serve the document itself, or name the issuer that the redirect leads to.",
};
pub(crate) const METADATA_TROUBLE: Rule = Rule {
    code: "metadata-trouble",
    severity: Error,
    requirements: &["AS-05"],
    what: "the authorization server is in trouble",
    effect: "Clients stop there, and try no other place.",
    remedy: "Look into its log; a place without a document answers 404.",
};
pub(crate) const METADATA_MEDIA_TYPE: Rule = Rule {
    code: "metadata-media-type",
    severity: Error,
    requirements: &["AS-05"],
    what: "the authorization server's metadata is not application/json",
    effect: "Clients pass over the document.",
    remedy: "Send Content-Type: application/json.",
};
pub(crate) const METADATA_UNREADABLE: Rule = Rule {
    code: "metadata-unreadable",
    severity: Error,
    requirements: &["AS-05"],
    what: "the authorization server's metadata cannot be read",
    effect: "Clients refuse the document.",
    remedy: "Serve one JSON object, each member once and of the type that RFC 8414 gives it.",
};
pub(crate) const METADATA_TOO_LONG: Rule = Rule {
    code: "metadata-too-long",
    severity: Error,
    requirements: &["AS-05"],
    what: "the authorization server's metadata is longer than 64 KiB or does not end",
    effect: "Clients stop reading and discard it.",
    remedy: "Serve a short document.",
};
pub(crate) const METADATA_MEMBERS: Rule = Rule {
    code: "metadata-members",
    severity: Error,
    requirements: &["AS-06"],
    what: "the authorization server's metadata lacks a required member",
    effect: "Clients have no endpoint to go to, and refuse the document.",
    remedy: "Add issuer, authorization_endpoint and token_endpoint.",
};
pub(crate) const METADATA_SLOW: Rule = Rule {
    code: "metadata-slow",
    severity: Warning,
    requirements: &["AS-05"],
    what: "the authorization server's metadata takes more than three seconds",
    effect: "Clients with a short time limit give up.",
    remedy: "Serve it from memory.",
};
pub(crate) const METADATA_EMPTY_LIST: Rule = Rule {
    code: "metadata-empty-list",
    severity: Warning,
    requirements: &["AS-05"],
    what: "the authorization server's metadata has a list without entries",
    effect: "Clients read it as \"none\", which is not the same as not said.",
    remedy: "Leave such members out.",
};
pub(crate) const METADATA_DISAGREE: Rule = Rule {
    code: "metadata-disagree",
    severity: Warning,
    requirements: &["AS-02", "AS-05"],
    what: "the RFC 8414 and the OpenID Connect documents of one issuer differ",
    effect: "Clients behave differently, by which they read first.",
    remedy: "Serve the same endpoints and PKCE methods in both.",
};
pub(crate) const OTHER_ISSUER: Rule = Rule {
    code: "other-issuer",
    severity: Error,
    requirements: &["AS-05", "CL-24", "RS-02"],
    what: "the metadata is that of another issuer than the resource names",
    effect: "Clients refuse it: nothing of it may be used.",
    remedy: "Let authorization_servers of the resource and issuer of the metadata be the same text, byte for byte.",
};
pub(crate) const ISSUER_SLASH: Rule = Rule {
    code: "issuer-slash",
    severity: Error,
    requirements: &["AS-05", "CL-24", "RS-02"],
    what: "the resource and the metadata spell the issuer differently by a slash at the end",
    effect: "Clients compare byte for byte, and refuse it.",
    remedy: "Copy issuer from the metadata into authorization_servers, slash and all.",
};
pub(crate) const NO_RESPONSE_TYPES: Rule = Rule {
    code: "no-response-types",
    severity: Warning,
    requirements: &["AS-06"],
    what: "the metadata does not state response_types_supported",
    effect: "Strict readers refuse the document.",
    remedy: "Add \"response_types_supported\": [\"code\"].",
};
pub(crate) const NO_CODE: Rule = Rule {
    code: "no-code",
    severity: Error,
    requirements: &["AS-06"],
    what: "the authorization server does not offer the response type code",
    effect: "Clients know no other way.",
    remedy: "Offer the authorization code grant.",
};
pub(crate) const NO_PKCE: Rule = Rule {
    code: "no-pkce",
    severity: Error,
    requirements: &["AS-07", "CL-25"],
    what: "the authorization server does not say that it knows PKCE with S256",
    effect: "Clients must stop.",
    remedy: "Support PKCE and say \"code_challenge_methods_supported\": [\"S256\"].",
};
pub(crate) const PLAIN_PKCE: Rule = Rule {
    code: "plain-pkce",
    severity: Warning,
    requirements: &["AS-07", "AS-58"],
    what: "PKCE with plain is offered",
    effect: "A client that uses it is not protected.",
    remedy: "List S256 alone.",
};
pub(crate) const NO_GRANT_TYPES: Rule = Rule {
    code: "no-grant-types",
    severity: Warning,
    requirements: &["AS-08"],
    what: "grant_types_supported is not stated",
    effect: "Its default includes the implicit grant and no refresh tokens.",
    remedy: "State the grants that are offered.",
};
pub(crate) const NO_CODE_GRANT: Rule = Rule {
    code: "no-code-grant",
    severity: Error,
    requirements: &["AS-08", "AS-01"],
    what: "the authorization code grant is not among grant_types_supported",
    effect: "Clients do not begin.",
    remedy: "Offer and list authorization_code.",
};
pub(crate) const NO_AUTH_METHODS: Rule = Rule {
    code: "no-auth-methods",
    severity: Warning,
    requirements: &["AS-08"],
    what: "token_endpoint_auth_methods_supported is not stated",
    effect: "Its default is client_secret_basic: public clients, which most MCP clients are, seem to be excluded.",
    remedy: "State the methods, with none for public clients.",
};
pub(crate) const NO_PUBLIC_CLIENTS: Rule = Rule {
    code: "no-public-clients",
    severity: Warning,
    requirements: &["AS-08"],
    what: "the metadata does not say that public clients are admitted at the token endpoint",
    effect: "Clients without a secret, which most MCP clients are, take it that they cannot redeem a code.",
    remedy: "Admit them, and add none to token_endpoint_auth_methods_supported.",
};
pub(crate) const NO_ASSERTION_ALGORITHMS: Rule = Rule {
    code: "no-assertion-algorithms",
    severity: Error,
    requirements: &["AS-09"],
    what: "private_key_jwt is listed, but not with which algorithms",
    effect: "Clients cannot choose how to sign.",
    remedy: "Add token_endpoint_auth_signing_alg_values_supported.",
};
pub(crate) const ALGORITHM_NONE: Rule = Rule {
    code: "algorithm-none",
    severity: Error,
    requirements: &["AS-09"],
    what: "client assertions without a signature are offered",
    effect: "Everybody can be any client.",
    remedy: "Remove none from the algorithms.",
};
pub(crate) const NO_ISS: Rule = Rule {
    code: "no-iss",
    severity: Warning,
    requirements: &["AS-10", "AS-66"],
    what: "the authorization server does not announce iss in its answers",
    effect: "A client of several servers can be made to send a code to the wrong one (mix-up).",
    remedy: "Add iss to every authorization response, and authorization_response_iss_parameter_supported: true.",
};
pub(crate) const NO_REGISTRATION: Rule = Rule {
    code: "no-registration",
    severity: Warning,
    requirements: &["AS-20", "AS-21"],
    what: "clients can neither register nor identify themselves by a document",
    effect: "Only clients that an administrator has entered before can be used.",
    remedy: "Support client ID metadata documents, or dynamic registration.",
};
pub(crate) const ENDPOINT_URL: Rule = Rule {
    code: "endpoint-url",
    severity: Error,
    requirements: &["AS-13", "CL-27"],
    what: "an endpoint of the authorization server is no https URL",
    effect: "Clients refuse the server.",
    remedy: "Serve all endpoints by https.",
};
pub(crate) const AUTHORIZE_CORS: Rule = Rule {
    code: "authorize-cors",
    severity: Error,
    requirements: &["AS-14"],
    what: "the authorization endpoint permits requests of scripts from other origins",
    effect: "A web page can act in a signed-in user's name.",
    remedy: "Leave the authorization endpoint out of CORS.",
};
pub(crate) const AUTHORIZE_REDIRECTS: Rule = Rule {
    code: "authorize-redirects",
    severity: Error,
    requirements: &["AS-51", "AS-54"],
    what: "the authorization endpoint redirects to a URL that no client has registered",
    effect: "It is an open redirector; answers can be led to an attacker.",
    remedy: "Show the user a page when client or redirect URI are not known.",
};
pub(crate) const AUTHORIZE_FAILS: Rule = Rule {
    code: "authorize-fails",
    severity: Warning,
    requirements: &["AS-51"],
    what: "the authorization endpoint fails when the client is not known",
    effect: "Users see a broken page instead of a reason.",
    remedy: "Answer 400 with a page that says so.",
};
pub(crate) const KEYS_UNREACHABLE: Rule = Rule {
    code: "keys-unreachable",
    severity: Error,
    requirements: &["AS-12", "AS-15"],
    what: "there is no key set at jwks_uri",
    effect: "Resource servers cannot verify tokens.",
    remedy: "Serve the key set there, or leave jwks_uri out.",
};
pub(crate) const KEYS_UNUSABLE: Rule = Rule {
    code: "keys-unusable",
    severity: Warning,
    requirements: &["AS-15"],
    what: "no key of the set is one for ES256, EdDSA or RS256",
    effect: "Resource servers cannot verify tokens.",
    remedy: "Publish a public key for one of them.",
};
pub(crate) const KEYS_PRIVATE: Rule = Rule {
    code: "keys-private",
    severity: Error,
    requirements: &["AS-15"],
    what: "the key set has private or secret keys",
    effect: "Everybody can sign tokens.",
    remedy: "Withdraw these keys now, make new ones, and publish public parts only.",
};
pub(crate) const KEYS_IDS: Rule = Rule {
    code: "keys-ids",
    severity: Warning,
    requirements: &["AS-15"],
    what: "keys of the set have no kid, or share one",
    effect: "Resource servers cannot tell which key signed a token.",
    remedy: "Give each key a kid of its own.",
};
