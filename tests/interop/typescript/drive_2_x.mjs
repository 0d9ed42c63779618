// The official TypeScript SDK 2.x: its client sends `initialize`, or probes `server/discover` when it is told to.

import {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
  extractWWWAuthenticateParams,
} from "@modelcontextprotocol/client";

import { main } from "./flow.mjs";

await main({
  name: "typescript 2.x",
  StreamableHTTPClientTransport,
  UnauthorizedError,
  extractWWWAuthenticateParams,
  client: (info, era) =>
    new Client(info, { versionNegotiation: { mode: era === "stateless" ? "auto" : "legacy" } }),
  finish: (transport, callback) => transport.finishAuth(callback),
});
