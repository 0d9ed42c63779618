// An authorization server that is not ours: npm's `oidc-provider`, with registration, and access tokens for some
// resources, as JWTs or opaque. Argument: a file with `port`, `user`, `password` and `resources`, each of which has
// `identifier`, `scope`, `format`, `client` with the id and secret that its server introspects with, and maybe `sign`
// with the `kid` and `key` of HS256.

import { readFileSync } from "node:fs";

import Provider, { errors } from "oidc-provider";

const { port, user, password, resources } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const TOKEN_SECS = 3600;
const scopes = new Set(resources.flatMap(({ scope }) => scope.split(" ")));
const records = new Map();

/** What `oidc-provider` asks of its storage, for one kind of record. */
class Memory {
  constructor(kind) {
    this.kind = kind;
    if (!records.has(kind)) records.set(kind, new Map());
    this.records = records.get(kind);
  }

  async upsert(id, { scope: registered, ...record }) {
    // SDKs register with the scope of the first challenge; as a ceiling it would break every step-up.
    const keep = this.kind === "Client" || registered === undefined ? {} : { scope: registered };
    this.records.set(id, { ...record, ...keep });
  }

  async find(id) {
    return this.records.get(id);
  }

  async findByUid(uid) {
    return [...this.records.values()].find((record) => record.uid === uid);
  }

  async consume(id) {
    this.records.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.records.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, record] of this.records) if (record.grantId === grantId) this.records.delete(id);
  }
}

const provider = new Provider(`http://localhost:${port}`, {
  adapter: Memory,
  scopes: ["openid", "offline_access", ...scopes],
  clients: resources.map(({ client }) => ({ ...client, redirect_uris: [], response_types: [], grant_types: [] })),
  // SDKs of 1.x name no application type, and wait on http://localhost.
  clientDefaults: { application_type: "native" },
  routes: { authorization: "/authorize", token: "/token", registration: "/register", introspection: "/introspect" },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
  cookies: { keys: ["a key for a test alone"] },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    // Who asks has a secret; clients that registered themselves learn nothing.
    introspection: { enabled: true, allowedPolicy: (_, client) => resources.some((it) => it.client.client_id === client.clientId) },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, asked) => {
        const known = resources.find(({ identifier }) => identifier === asked);
        if (!known) throw new errors.InvalidTarget();
        const jwt = known.sign && { sign: { alg: "HS256", kid: known.sign.kid, key: Buffer.from(known.sign.key, "base64url") } };
        return { scope: known.scope, audience: asked, accessTokenFormat: known.format, accessTokenTTL: TOKEN_SECS, jwt };
      },
    },
  },
});

/** Pages with what the scripted user needs, and no more. */
const LOGIN = '<form method="post"><input name="username"><input type="password" name="password"><button>Sign in</button></form>';
const CONSENT =
  '<form method="post"><button name="decision" value="approve">Approve</button>' +
  '<button name="decision" value="deny">Deny</button></form>';

async function formOf(request) {
  let body = "";
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

/** What the user consents to: all that this request asks for and the grant does not have yet. */
async function grantFor({ grantId, params, session, prompt: { details } }) {
  const known = grantId && (await provider.Grant.find(grantId));
  const grant = known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(" "));
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
  for (const [indicator, missing] of Object.entries(details.missingResourceScopes ?? {})) {
    grant.addResourceScope(indicator, missing.join(" "));
  }
  return { consent: { grantId: await grant.save() } };
}

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  const asksForLogin = details.prompt.name === "login";
  ctx.type = "html";
  ctx.body = asksForLogin ? LOGIN : CONSENT;
  if (ctx.method !== "POST") return;
  const form = await formOf(ctx.req);
  let result;
  if (!asksForLogin) {
    result = form.get("decision") === "approve" ? await grantFor(details) : { error: "access_denied" };
  } else if (form.get("username") === user && form.get("password") === password) {
    result = { login: { accountId: user } };
  } else {
    ctx.status = 401;
    return;
  }
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: false }));
  ctx.status = 303;
});

provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
