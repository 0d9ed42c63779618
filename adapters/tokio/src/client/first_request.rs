//! What a server says to those who have no token yet.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::{
    Authorizer, Party,
    fetcher::Received,
    mcp_client::{ANSWER_LEN_MAX, Call},
    operation::challenges,
};

/// The challenges of the server's 401 to a request without a token (CL-02): they name the metadata and the scopes
/// to begin with (CL-43), which the metadata alone does not. None when it does not answer so: then the metadata is
/// looked for at its well-known places.
pub(super) async fn challenges_of(authorizer: &Authorizer) -> Vec<Vec<u8>> {
    let (server_url, options) = (authorizer.server_url(), authorizer.options());
    let call = Call { id: 0, method: "tools/list", name: None };
    let is_admitted = options.url_policy(server_url).admit(server_url).is_ok();
    let (true, Ok(fields)) = (is_admitted, call.fields()) else { return Vec::new() };
    let body = Bytes::from(call.body(json!({})).to_string());
    let sent = authorizer.fetcher().send(
        Method::POST,
        server_url,
        fields,
        body,
        ANSWER_LEN_MAX,
        options.fetch_time_limit,
        // The head says it all.
        |_, _| true,
    );
    let received = sent.await;
    let status = received.as_ref().map(Received::status).map_err(|failure| *failure);
    let parties = (Party::Client, Party::ResourceServer);
    authorizer.flow().tell(parties, ("POST", server_url), status, "tools/list without a token");
    match received {
        Ok(answer) if answer.status() == 401 => challenges(&answer.head.headers),
        Ok(_) | Err(_) => Vec::new(),
    }
}
