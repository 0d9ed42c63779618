//! What may be wrong with the metadata of a protected resource.

use super::Rule;
use crate::doctor::report::Severity::{Error, Note, Warning};

pub(crate) const NO_PRM: Rule = Rule {
    code: "no-prm",
    severity: Error,
    requirements: &["RS-01", "RS-04"],
    what: "there is no metadata of the protected resource",
    effect: "Clients do not learn which authorization server to go to.",
    remedy: "Serve an RFC 9728 document at /.well-known/oauth-protected-resource followed by the server's path.",
};
pub(crate) const POINTER_BROKEN: Rule = Rule {
    code: "pointer-broken",
    severity: Error,
    requirements: &["RS-04"],
    what: "there is no document where the challenge points to",
    effect: "Clients that follow the challenge stop there.",
    remedy: "Let resource_metadata name the URL at which the document is served.",
};
pub(crate) const NO_PATH_FORM: Rule = Rule {
    code: "no-path-form",
    severity: Warning,
    requirements: &["RS-05"],
    what: "the metadata is not at the well-known path of this server's path",
    effect: "Clients that got no challenge, or build the URL as RFC 9728 says, do not find it.",
    remedy: "Serve it at /.well-known/oauth-protected-resource followed by the server's path.",
};
pub(crate) const PRM_REDIRECTS: Rule = Rule {
    code: "prm-redirects",
    severity: Error,
    requirements: &["RS-08", "CL-06"],
    what: "the metadata redirects",
    effect: "Clients do not follow it, and take the metadata for missing.",
    remedy: "Serve the document itself at this URL, with status 200.",
};
pub(crate) const PRM_NEEDS_TOKEN: Rule = Rule {
    code: "prm-needs-token",
    severity: Error,
    requirements: &["RS-17"],
    what: "the metadata is asked for a token",
    effect: "Clients need it to get a token: they cannot begin.",
    remedy: "Serve the well-known path without a check of tokens.",
};
pub(crate) const PRM_TROUBLE: Rule = Rule {
    code: "prm-trouble",
    severity: Error,
    requirements: &["RS-08"],
    what: "the metadata's server is in trouble",
    effect: "Clients stop there, and try no other place.",
    remedy: "Look into that server's log; a place without a document answers 404.",
};
pub(crate) const PRM_MEDIA_TYPE: Rule = Rule {
    code: "prm-media-type",
    severity: Error,
    requirements: &["RS-08"],
    what: "the metadata is not application/json",
    effect: "Clients pass over the document.",
    remedy: "Send Content-Type: application/json.",
};
pub(crate) const PRM_UNREADABLE: Rule = Rule {
    code: "prm-unreadable",
    severity: Error,
    requirements: &["RS-08"],
    what: "the metadata cannot be read",
    effect: "Clients refuse the document.",
    remedy: "Serve one JSON object, each member once and of the type that RFC 9728 gives it.",
};
pub(crate) const PRM_TOO_LONG: Rule = Rule {
    code: "prm-too-long",
    severity: Error,
    requirements: &["RS-08"],
    what: "the metadata is longer than 64 KiB or does not end",
    effect: "Clients stop reading and discard it.",
    remedy: "Serve a short document.",
};
pub(crate) const PRM_SLOW: Rule = Rule {
    code: "prm-slow",
    severity: Warning,
    requirements: &["RS-08"],
    what: "the metadata takes more than three seconds",
    effect: "Clients with a short time limit give up.",
    remedy: "Serve it from memory; it does not change.",
};
pub(crate) const PRM_NO_RESOURCE: Rule = Rule {
    code: "prm-no-resource",
    severity: Error,
    requirements: &["RS-03"],
    what: "the metadata does not name its resource",
    effect: "Clients cannot see whose document it is, and refuse it.",
    remedy: "Add resource with the exact URL of the MCP endpoint.",
};
pub(crate) const PRM_RESOURCE_SYNTAX: Rule = Rule {
    code: "prm-resource-syntax",
    severity: Error,
    requirements: &["RS-03"],
    what: "the resource is no https URL without query and fragment",
    effect: "Clients refuse the document.",
    remedy: "Let resource be the exact URL of the MCP endpoint, without query and fragment.",
};
pub(crate) const PRM_OTHER_RESOURCE: Rule = Rule {
    code: "prm-other-resource",
    severity: Error,
    requirements: &["RS-07"],
    what: "the metadata is that of another resource",
    effect: "Clients refuse the document and stop: otherwise one server could ask for another's tokens.",
    remedy: "Let resource be the exact URL that clients use; behind a proxy, the public one.",
};
pub(crate) const PRM_INEXACT_RESOURCE: Rule = Rule {
    code: "prm-inexact-resource",
    severity: Warning,
    requirements: &["RS-07"],
    what: "the resource is not exactly the server's URL",
    effect: "Clients that compare exactly refuse it; others ask for tokens for that text, which the server must then accept as audience.",
    remedy: "Let resource be the URL that is given to clients, byte for byte, without a slash at the end.",
};
pub(crate) const PRM_NO_ISSUER: Rule = Rule {
    code: "prm-no-issuer",
    severity: Error,
    requirements: &["RS-02"],
    what: "the metadata names no authorization server",
    effect: "Clients have nowhere to go.",
    remedy: "Add authorization_servers with the issuer identifier.",
};
pub(crate) const PRM_EMPTY_LIST: Rule = Rule {
    code: "prm-empty-list",
    severity: Warning,
    requirements: &["RS-08"],
    what: "the metadata has a list without entries",
    effect: "Clients read it as \"none\", which is not the same as not said.",
    remedy: "Leave such members out.",
};
pub(crate) const PRM_NO_HEADER: Rule = Rule {
    code: "prm-no-header",
    severity: Error,
    requirements: &["RS-11"],
    what: "the resource says that it takes no token in the Authorization field",
    effect: "MCP clients have no other way to send one.",
    remedy: "Set bearer_methods_supported to [\"header\"].",
};
pub(crate) const PRM_OTHER_METHODS: Rule = Rule {
    code: "prm-other-methods",
    severity: Warning,
    requirements: &["RS-11", "RS-33"],
    what: "the resource says that it takes tokens in the query or a form",
    effect: "MCP forbids the query; a client that believes it puts tokens into logs.",
    remedy: "Set bearer_methods_supported to [\"header\"].",
};
pub(crate) const PRM_OFFLINE: Rule = Rule {
    code: "prm-offline",
    severity: Warning,
    requirements: &["RS-10"],
    what: "scopes_supported of the resource lists offline_access",
    effect: "Clients ask users for lasting access.",
    remedy: "Leave it to the authorization server's metadata.",
};
pub(crate) const PRM_NO_CORS: Rule = Rule {
    code: "prm-no-cors",
    severity: Note,
    requirements: &["RS-16"],
    what: "browsers may not read the metadata",
    effect: "Clients in a browser do not find the authorization server.",
    remedy: "Send Access-Control-Allow-Origin: * with it; it is public.",
};
pub(crate) const PRM_NO_CACHE: Rule = Rule {
    code: "prm-no-cache",
    severity: Note,
    requirements: &["RS-16"],
    what: "the metadata does not say how long it may be kept",
    effect: "Clients fetch it again for each connection.",
    remedy: "Send Cache-Control: max-age=3600.",
};
pub(crate) const PRM_HEAD: Rule = Rule {
    code: "prm-head",
    severity: Note,
    requirements: &["RS-08"],
    what: "HEAD of the metadata is not answered as GET is",
    effect: "Monitors and caches report a missing page.",
    remedy: "Answer HEAD like GET, without the body.",
};
