// One client of an SDK, with the OAuth provider that its host must write and the browser it sends the user to.

import { randomUUID } from "node:crypto";

import { Exchanges } from "./exchanges.mjs";

/** The user does not open the page again. */
export class Declined extends Error {}

/** The SDK's `OAuthClientProvider`, in memory. */
class Provider {
  authorizationUrl = undefined;
  #state;
  #client;
  #tokens;
  #verifier;
  #discovery;

  constructor(redirectUrl, name, grants) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = {
      client_name: `interop ${name}`,
      redirect_uris: [redirectUrl],
      grant_types: grants,
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  state() {
    return (this.#state = randomUUID());
  }
  isState(state) {
    return state !== null && state === this.#state;
  }
  clientInformation() {
    return this.#client;
  }
  saveClientInformation(client) {
    this.#client = client;
  }
  tokens() {
    return this.#tokens;
  }
  saveTokens(tokens) {
    this.#tokens = tokens;
  }
  redirectToAuthorization(url) {
    this.authorizationUrl = url;
  }
  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }
  codeVerifier() {
    return this.#verifier;
  }
  discoveryState() {
    return this.#discovery;
  }
  saveDiscoveryState(discovery) {
    this.#discovery = discovery;
  }
}

export class Session {
  /** The parameters of each callback. */
  callbacks = [];
  #client;
  #transport;
  #logins = 0;

  /** The user logs in `loginsMax` times at most; `grants` is what the client registers for. */
  constructor(sdk, options, browser, { loginsMax = 2, grants = ["authorization_code", "refresh_token"] } = {}) {
    this.sdk = sdk;
    this.options = options;
    this.browser = browser;
    this.loginsMax = loginsMax;
    this.exchanges = new Exchanges(options["hide-metadata"]);
    this.provider = new Provider(options["redirect-uri"], sdk.name, grants);
  }

  get tokens() {
    return this.provider.tokens();
  }

  open() {
    return this.#withLogin(async () => {
      this.#transport = new this.sdk.StreamableHTTPClientTransport(new URL(this.options["server-url"]), {
        authProvider: this.provider,
        fetch: this.exchanges.fetch,
      });
      this.#client = this.sdk.client({ name: "interop", version: "1.0.0" }, this.options.era);
      await this.#client.connect(this.#transport);
    });
  }

  async listTools() {
    return (await this.#client.listTools()).tools;
  }

  callTool(name, args) {
    return this.#withLogin(() => this.#client.callTool({ name, arguments: args }));
  }

  async close() {
    await this.#client?.close();
  }

  /** Does what the SDK asks of its host when the user is needed, and repeats the call. */
  async #withLogin(call) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof this.sdk.UnauthorizedError)) throw error;
      await this.#login();
      return await call();
    }
  }

  async #login() {
    this.#logins += 1;
    if (this.#logins > this.loginsMax) throw new Declined("the user closed the page");
    const callback = await this.browser.authorize(this.provider.authorizationUrl);
    this.callbacks.push(callback);
    if (!this.provider.isState(callback.get("state"))) throw new Error("the callback has another state");
    await this.sdk.finish(this.#transport, callback);
  }
}
