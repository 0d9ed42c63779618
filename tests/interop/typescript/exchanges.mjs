// What an SDK's HTTP requests are seen to do, through the `fetch` that it is given.

const SECRETS_SENT = ["code", "code_verifier", "refresh_token", "client_secret"];
const SECRETS_RECEIVED = ["access_token", "refresh_token", "client_secret", "registration_access_token"];
const RESOURCE_METADATA = "/.well-known/oauth-protected-resource";

/** Looks on at the requests of one client: their answers, the secrets that passed by, the revision spoken. */
export class Exchanges {
  /** In order: `{ method, path, grant, status, response }`. */
  seen = [];
  secrets = new Set();
  /** Of the last request that named it. */
  revision = undefined;

  /** With `hidden`, what RFC 9728 adds does not reach the client, as with a server that is older. */
  constructor(hidden) {
    this.hidden = hidden;
  }

  fetch = async (url, init = {}) => {
    const { pathname } = new URL(url);
    if (this.hidden && pathname.startsWith(RESOURCE_METADATA)) return new Response(null, { status: 404 });
    const headers = new Headers(init.headers);
    this.revision = headers.get("mcp-protocol-version") ?? this.revision;
    const form = new URLSearchParams(isForm(headers, init.body) ? init.body : "");
    for (const name of SECRETS_SENT) this.#keep(form.get(name));

    const answer = await fetch(url, init);
    const response = this.hidden ? withoutMetadata(answer) : answer;
    const [grant, method] = [form.get("grant_type"), init.method ?? "GET"];
    this.seen.push({ method, path: pathname, grant, status: response.status, response: headersOf(response) });
    if (["/token", "/register"].includes(pathname) && response.ok) {
      const document = await response.clone().json();
      for (const name of SECRETS_RECEIVED) this.#keep(document[name]);
    }
    return response;
  };

  /** The answers with this status. */
  withStatus(status) {
    return this.seen.filter((exchange) => exchange.status === status).map((exchange) => exchange.response);
  }

  /** In words, what was posted after the first answer with this status. */
  after(status) {
    const first = this.seen.findIndex((exchange) => exchange.status === status);
    const later = first < 0 ? [] : this.seen.slice(first + 1).filter(({ method }) => method === "POST");
    return later.map(({ path, grant, status }) => [path, grant, status].filter(Boolean).join(" ")).join(", ");
  }

  #keep(value) {
    if (value) this.secrets.add(value);
  }
}

function isForm(headers, body) {
  return body instanceof URLSearchParams || headers.get("content-type") === "application/x-www-form-urlencoded";
}

/** A response to read challenges from after the SDK has read its body. */
function headersOf(response) {
  return new Response(null, { status: response.status, headers: response.headers });
}

function withoutMetadata(response) {
  const challenge = response.headers.get("www-authenticate");
  if (challenge === null) return response;
  const headers = new Headers(response.headers);
  headers.set("www-authenticate", challenge.replace(/,? *resource_metadata="[^"]*"/, ""));
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
