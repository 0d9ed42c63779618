// npm `oidc-provider` as an authorization server for one resource, with records in memory.
//
// Its own adapter for that holds a thousand records and then drops the oldest; this one is as simple, and drops
// none. Nothing it keeps outlives the process. Whoever asks is signed in and has agreed: codes are not what is measured.
//
//     npm ci && node server.js PORT

import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const resource = 'http://localhost:8001/mcp';
const redirect = 'http://localhost:3030/callback';

const kinds = new Map();

/** What `oidc-provider` asks of its storage, for one kind of record. */
class Memory {
  constructor(kind) {
    if (!kinds.has(kind)) kinds.set(kind, new Map());
    this.records = kinds.get(kind);
  }

  async upsert(id, payload) {
    this.records.set(id, payload);
  }

  async find(id) {
    return this.records.get(id);
  }

  async findByUid(uid) {
    for (const payload of this.records.values()) if (payload.uid === uid) return payload;
    return undefined;
  }

  async consume(id) {
    this.records.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.records.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, payload] of this.records) if (payload.grantId === grantId) this.records.delete(id);
  }
}

const provider = new Provider(issuer, {
  adapter: Memory,
  clients: [
    {
      client_id: 'bench',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [redirect],
    },
    {
      client_id: 'resource-server',
      client_secret: 'a-secret-of-thirty-two-characters',
      grant_types: [],
      response_types: [],
      redirect_uris: [],
    },
  ],
  scopes: ['offline_access'],
  ttl: { AccessToken: 600, AuthorizationCode: 600, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  cookies: { keys: ['a key for a benchmark alone'] },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  // Consent was given before.
  loadExistingGrant: async (ctx) => {
    const known = ctx.oidc.session.grantIdFor(ctx.oidc.client.clientId);
    if (known) return ctx.oidc.provider.Grant.find(known);
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(resource, 'user');
    await grant.save();
    return grant;
  },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === 'resource-server' },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: 'user', audience: resource, accessTokenFormat: 'opaque' }),
    },
  },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  return provider.interactionFinished(ctx.req, ctx.res, { login: { accountId: 'alice' } });
});

provider.listen(port, '127.0.0.1', () => {
  console.log(JSON.stringify({
    authorization: '/auth',
    token: '/token',
    introspection: '/token/introspection',
    client_id: 'bench',
    scope: 'user offline_access',
    resource_server: ['resource-server', 'a-secret-of-thirty-two-characters'],
  }));
});
