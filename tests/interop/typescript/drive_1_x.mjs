// The official TypeScript SDK 1.x, which knows the handshake revisions only.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError, extractWWWAuthenticateParams } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { main } from "./flow.mjs";

await main({
  name: "typescript 1.x",
  StreamableHTTPClientTransport,
  UnauthorizedError,
  extractWWWAuthenticateParams,
  client: (info) => new Client(info),
  // Its hosts look at the callback themselves and hand over the code alone.
  async finish(transport, callback) {
    if (!callback.has("code")) throw new Error(`the callback says ${callback.get("error")}`);
    await transport.finishAuth(callback.get("code"));
  },
});
