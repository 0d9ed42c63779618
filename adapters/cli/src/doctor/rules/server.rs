//! What may be wrong with an MCP endpoint.

use super::Rule;
use crate::doctor::report::Severity::{Error, Note, Warning};

pub(crate) const PLAIN_HTTP: Rule = Rule {
    code: "plain-http",
    severity: Error,
    requirements: &["RS-14"],
    what: "the server is reached by plain http",
    effect: "Clients refuse the URL; whoever is on the way reads tokens.",
    remedy: "Serve it by https, or put a TLS front before it.",
};
pub(crate) const TLS_INVALID: Rule = Rule {
    code: "tls-invalid",
    severity: Error,
    requirements: &["RS-14", "AS-13"],
    what: "there is no valid TLS session",
    effect: "Clients do not connect.",
    remedy: "Install a certificate for this name with its whole chain, from an issuer that browsers trust, and offer TLS 1.2 or 1.3.",
};
pub(crate) const CERTIFICATE_ENDS: Rule = Rule {
    code: "certificate-ends",
    severity: Warning,
    requirements: &["RS-14", "AS-13"],
    what: "the certificate ends within two weeks",
    effect: "All clients will stop at that day.",
    remedy: "Renew it, and see that renewal works by itself.",
};
pub(crate) const CLOCK: Rule = Rule {
    code: "clock",
    severity: Warning,
    requirements: &["RS-64"],
    what: "the clock is more than a minute away from this machine's",
    effect: "Tokens are refused as expired or not yet valid.",
    remedy: "Let the machine take its time from a time server (or see whether this one's clock is wrong).",
};
pub(crate) const SERVER_REDIRECTS: Rule = Rule {
    code: "server-redirects",
    severity: Error,
    requirements: &["CL-71", "RS-20"],
    what: "the MCP endpoint redirects",
    effect: "Clients do not follow a redirect with a token: nothing works at this URL.",
    remedy: "Publish the URL that the redirect leads to, in the metadata too.",
};
pub(crate) const NOT_MCP: Rule = Rule {
    code: "not-mcp",
    severity: Error,
    requirements: &["RS-20"],
    what: "nothing at this URL speaks MCP",
    effect: "Clients report that there is no server.",
    remedy: "Give the URL of the MCP endpoint itself, with its path, as clients are given it; it takes POST.",
};
pub(crate) const OPEN_SERVER: Rule = Rule {
    code: "open-server",
    severity: Error,
    requirements: &["RS-20", "RS-40"],
    what: "the server answers tools/list without a token",
    effect: "Everybody can use it.",
    remedy: "Put it behind a check of tokens that answers 401 before the request is handled; if it is to be public, there is nothing to authorize.",
};
pub(crate) const OPEN_HANDSHAKE: Rule = Rule {
    code: "open-handshake",
    severity: Error,
    requirements: &["RS-45"],
    what: "the server answers initialize or server/discover without a token",
    effect: "Clients think that they are connected and fail at the first tool; the server shows itself to everybody.",
    remedy: "Ask for a token on every request, the first one too.",
};
pub(crate) const NO_401: Rule = Rule {
    code: "no-401",
    severity: Error,
    requirements: &["RS-20"],
    what: "a request without a token is not answered with 401",
    effect: "Clients see a broken server and never begin to log in.",
    remedy: "Answer 401 with WWW-Authenticate: Bearer.",
};
pub(crate) const NO_CHALLENGE: Rule = Rule {
    code: "no-challenge",
    severity: Error,
    requirements: &["RS-21"],
    what: "a 401 has no WWW-Authenticate field",
    effect: "Clients that look for the metadata in the challenge do not find an authorization server.",
    remedy: "Send WWW-Authenticate: Bearer resource_metadata=\"...\".",
};
pub(crate) const NO_BEARER: Rule = Rule {
    code: "no-bearer",
    severity: Error,
    requirements: &["RS-21"],
    what: "the challenge of a 401 offers no Bearer scheme",
    effect: "Clients have only Bearer tokens, and give up.",
    remedy: "Add a Bearer challenge.",
};
pub(crate) const UNREADABLE_CHALLENGE: Rule = Rule {
    code: "unreadable-challenge",
    severity: Error,
    requirements: &["RS-31"],
    what: "the Bearer challenge cannot be read",
    effect: "Clients pass over it, or take half of it for the whole.",
    remedy: "Write each parameter once, as name=\"value\" in straight quotes, with commas between, and only printable ASCII.",
};
pub(crate) const SEVERAL_BEARER: Rule = Rule {
    code: "several-bearer",
    severity: Warning,
    requirements: &["RS-31"],
    what: "there are several Bearer challenges",
    effect: "Clients choose different ones.",
    remedy: "Send one, with all parameters.",
};
pub(crate) const EMPTY_CHALLENGE: Rule = Rule {
    code: "empty-challenge",
    severity: Error,
    requirements: &["RS-21"],
    what: "the Bearer challenge has no parameter",
    effect: "Readers that need one, as RFC 6750 asks, pass over it.",
    remedy: "Send at least resource_metadata.",
};
pub(crate) const NO_POINTER: Rule = Rule {
    code: "no-pointer",
    severity: Warning,
    requirements: &["RS-04"],
    what: "the challenge does not name resource_metadata",
    effect: "Clients of 2025-06-18 that look only there do not find the metadata; others guess its place.",
    remedy: "Add resource_metadata=\"URL of the metadata\" to the challenge.",
};
pub(crate) const POINTER_URL: Rule = Rule {
    code: "pointer-url",
    severity: Error,
    requirements: &["RS-04", "RS-14"],
    what: "resource_metadata of the challenge is no URL that may be used",
    effect: "Clients refuse it and stop.",
    remedy: "Name the https URL of the metadata, absolute and without fragment.",
};
pub(crate) const POINTER_ORIGIN: Rule = Rule {
    code: "pointer-origin",
    severity: Warning,
    requirements: &["RS-04", "RS-05"],
    what: "resource_metadata of the challenge leads to another origin",
    effect: "Careful clients refuse metadata that the server's own host does not vouch for.",
    remedy: "Serve the metadata at the well-known path of the server's own origin.",
};
pub(crate) const ERROR_WITHOUT_TOKEN: Rule = Rule {
    code: "error-without-token",
    severity: Warning,
    requirements: &["RS-22"],
    what: "the challenge names an error though no token was sent",
    effect: "Some clients take their stored token for rejected and forget it.",
    remedy: "Leave error and error_description out when the request has no token.",
};
pub(crate) const NO_SCOPE: Rule = Rule {
    code: "no-scope",
    severity: Note,
    requirements: &["RS-26"],
    what: "neither challenge nor metadata names scopes",
    effect: "Clients ask for no scope, and get what the authorization server gives by default.",
    remedy: "Name the scopes that the request needs in the challenge.",
};
pub(crate) const OFFLINE_IN_CHALLENGE: Rule = Rule {
    code: "offline-in-challenge",
    severity: Warning,
    requirements: &["RS-29"],
    what: "the challenge asks for offline_access",
    effect: "Clients ask users for lasting access though the tool does not need it.",
    remedy: "Leave offline_access to clients and the authorization server.",
};
pub(crate) const GARBAGE_ADMITTED: Rule = Rule {
    code: "garbage-admitted",
    severity: Error,
    requirements: &["RS-20", "RS-40"],
    what: "a token that nobody issued is accepted",
    effect: "Everybody can use the server with any text as token.",
    remedy: "Verify each token: signature or introspection, issuer, audience and expiry.",
};
pub(crate) const GARBAGE_STATUS: Rule = Rule {
    code: "garbage-status",
    severity: Error,
    requirements: &["RS-20"],
    what: "a token that nobody issued is not answered with 401",
    effect: "Clients with an expired token see a broken server instead of getting a new one.",
    remedy: "Answer 401 for every token that is not valid.",
};
pub(crate) const GARBAGE_UNDECIDED: Rule = Rule {
    code: "garbage-undecided",
    severity: Warning,
    requirements: &["RS-81"],
    what: "the server cannot decide about a token now",
    effect: "Clients have to wait.",
    remedy: "See whether it reaches its authorization server.",
};
pub(crate) const GARBAGE_NO_CHALLENGE: Rule = Rule {
    code: "garbage-no-challenge",
    severity: Error,
    requirements: &["RS-21"],
    what: "the 401 for a token that is not valid has no readable Bearer challenge",
    effect: "Clients do not learn that they need a new token.",
    remedy: "Send the same challenge as without a token, with the error added.",
};
pub(crate) const GARBAGE_NO_ERROR: Rule = Rule {
    code: "garbage-no-error",
    severity: Warning,
    requirements: &["RS-23"],
    what: "the challenge for a token that is not valid names no error",
    effect: "Clients cannot tell a dead token from a missing one.",
    remedy: "Add the error code for invalid tokens of RFC 6750 to the challenge.",
};
pub(crate) const QUERY_TOKEN: Rule = Rule {
    code: "query-token",
    severity: Error,
    requirements: &["RS-33"],
    what: "a token in the query is read",
    effect: "Tokens end up in logs and browser histories.",
    remedy: "Read tokens from the Authorization field only.",
};
pub(crate) const MALFORMED_CREDENTIALS: Rule = Rule {
    code: "malformed-credentials",
    severity: Error,
    requirements: &["RS-24"],
    what: "credentials that cannot be read are answered with success or a server error",
    effect: "A proxy before it and the server may read the same request differently.",
    remedy: "Answer 400 for an Authorization field that is no token68.",
};
pub(crate) const PREFLIGHT_TOKEN: Rule = Rule {
    code: "preflight-token",
    severity: Warning,
    requirements: &["RS-36"],
    what: "the preflight request of browsers is asked for a token",
    effect: "Clients in a browser cannot call the server at all.",
    remedy: "Answer OPTIONS without a token.",
};
pub(crate) const CHALLENGE_HIDDEN: Rule = Rule {
    code: "challenge-hidden",
    severity: Warning,
    requirements: &["RS-36"],
    what: "browsers may call the server, but not read its challenge",
    effect: "Clients in a browser see a 401 and do not find the authorization server.",
    remedy: "Send Access-Control-Expose-Headers: WWW-Authenticate.",
};
