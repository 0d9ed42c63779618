// An MCP server on the official TypeScript SDK 1.x that is its own authorization server: the SDK's endpoints and
// its bearer middleware, with the user's pages and what is granted in memory. SDK 2.x has no authorization server.
// Arguments: its port, the scope, the scope of the further tool, the user's name, the password.

import { randomBytes } from "node:crypto";

import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { InvalidGrantError, InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { getOAuthProtectedResourceMetadataUrl, mcpAuthRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express from "express";

const [port, base, further, user, password] = process.argv.slice(2);
const TOKEN_SECS = 600;
const origin = new URL(`http://localhost:${port}`);
const resource = new URL("/mcp", origin);
const [clients, asked, codes, access, refresh] = Array.from({ length: 5 }, () => new Map());

const random = () => randomBytes(24).toString("base64url");

/** Takes what is there once. */
function take(map, key) {
  const found = map.get(key);
  map.delete(key);
  if (!found) throw new InvalidGrantError("unknown or used");
  return found;
}

function issue(grant, scopes) {
  const tokens = { access_token: random(), refresh_token: random(), token_type: "bearer" };
  const expiresAt = Math.floor(Date.now() / 1000) + TOKEN_SECS;
  access.set(tokens.access_token, { ...grant, scopes, expiresAt, token: tokens.access_token });
  refresh.set(tokens.refresh_token, grant);
  return { ...tokens, expires_in: TOKEN_SECS, scope: scopes.join(" ") };
}

/** What the SDK asks of an authorization server. */
const provider = {
  clientsStore: {
    getClient: (id) => clients.get(id),
    registerClient: (client) => {
      clients.set(client.client_id, client);
      return client;
    },
  },
  async authorize(client, params, response) {
    const number = random();
    asked.set(number, { client, params });
    response.redirect(`/interaction/${number}`);
  },
  async challengeForAuthorizationCode(_, code) {
    if (!codes.has(code)) throw new InvalidGrantError("unknown or used");
    return codes.get(code).challenge;
  },
  async exchangeAuthorizationCode(_, code) {
    const { challenge, ...grant } = take(codes, code);
    return issue(grant, grant.scopes);
  },
  async exchangeRefreshToken(_, token, scopes) {
    const grant = take(refresh, token);
    return issue(grant, scopes ?? grant.scopes);
  },
  async verifyAccessToken(token) {
    if (!access.has(token)) throw new InvalidTokenError("unknown");
    return access.get(token);
  },
  async revokeToken(client) {
    for (const tokens of [access, refresh])
      for (const [token, { clientId }] of tokens) if (clientId === client.client_id) tokens.delete(token);
  },
};

/** Pages with what the scripted user needs, and no more. */
const LOGIN = '<form method="post"><input name="username"><input type="password" name="password"><button>Sign in</button></form>';
const CONSENT =
  '<form method="post"><button name="decision" value="approve">Approve</button>' +
  '<button name="decision" value="deny">Deny</button></form>';

function decided(number, approved) {
  const { client, params } = take(asked, number);
  const target = new URL(params.redirectUri);
  if (params.state !== undefined) target.searchParams.set("state", params.state);
  if (approved) {
    const scopes = params.scopes?.length ? params.scopes : [base];
    const code = random();
    codes.set(code, { clientId: client.client_id, scopes, resource: params.resource, challenge: params.codeChallenge });
    target.searchParams.set("code", code);
  } else {
    target.searchParams.set("error", "access_denied");
  }
  return target.href;
}

function clock() {
  const server = new McpServer({ name: "clock", version: "1.0.0" });
  const tool = (name, description, say) =>
    server.registerTool(name, { description }, () => ({ content: [{ type: "text", text: say() }] }));
  tool("get_time", "Seconds since 1970", () => String(Math.floor(Date.now() / 1000)));
  tool("set_time", "Sets the time", () => "pretend that the time is set");
  return server;
}

const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resource);
const bearer = (...requiredScopes) =>
  requireBearerAuth({ verifier: provider, requiredScopes, resourceMetadataUrl, expectedResource: resource });
const [open, more] = [bearer(base), bearer(base, further)];

const app = express();
// Prints what `portcullis doctor` asks, and nothing of other clients.
app.use(({ method, originalUrl: url, headers }, _, next) => {
  const { authorization = null, cookie = null } = headers;
  if (headers["user-agent"]?.startsWith("portcullis-doctor/")) {
    console.log(`asked ${JSON.stringify({ method, url, authorization, cookie })}`);
  }
  next();
});
app.use(mcpAuthRouter({ provider, issuerUrl: origin, resourceServerUrl: resource, scopesSupported: [base, further] }));
app.get("/interaction/:number", (_, response) => response.type("html").send(LOGIN));
app.post("/interaction/:number", express.urlencoded({ extended: false }), ({ params, body }, response) => {
  if (body.decision) return response.redirect(303, decided(params.number, body.decision === "approve"));
  const known = body.username === user && body.password === password;
  response.status(known ? 200 : 401).type("html").send(known ? CONSENT : LOGIN);
});
const guard = (request, response, next) =>
  (request.body?.params?.name === "set_time" ? more : open)(request, response, next);
app.all("/mcp", express.json(), guard, async (request, response) => {
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => transport.close());
  await clock().connect(transport);
  await transport.handleRequest(request, response, request.body);
});
app.listen(Number(port), "127.0.0.1", () => console.log("listening"));
