// The certified client library against the authorization server: every endpoint, and what it must refuse.

import { readFileSync } from 'node:fs'
import * as oauth from 'oauth4webapi'
import { authorize, connectDevice, end, expect, local, refused, test } from './peer.mjs'

const site = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const issuer = new URL(site.issuer)
const basic = oauth.ClientSecretBasic
const resourceServer = { client_id: 'clock-server' }
const asResourceServer = basic(site.secrets['clock-server'])

let as

await test('discovery (RFC 8414)', async () => {
  const options = { algorithm: 'oauth2', ...local }
  as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options))
  expect(as.code_challenge_methods_supported?.includes('S256'), 'no S256')
  expect(as.authorization_response_iss_parameter_supported === true, 'no iss')
})

await test('discovery: another issuer is not found there', async () => {
  const other = new URL(issuer.href.replace('127.0.0.1', 'localhost'))
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...local })
  await refused(oauth.processDiscoveryResponse(other, answer), 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
})

if (!as) end()

function register(metadata) {
  const request = oauth.dynamicClientRegistrationRequest(as, metadata, local)
  return request.then(oauth.processDynamicClientRegistrationResponse)
}

const metadata = {
  client_name: 'oauth4webapi',
  redirect_uris: [site.redirect_uri],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
}
let client

await test('dynamic registration (RFC 7591)', async () => {
  client = await register(metadata)
  expect(client.token_endpoint_auth_method === 'none', JSON.stringify(client))
})

await test('dynamic registration: no script as redirect URI', () =>
  refused(register({ ...metadata, redirect_uris: ['javascript:alert(1)'] }), 'invalid_redirect_uri'))

if (!client) end()

/** An authorization request, answered by the user. */
async function authorization({ resource = site.opaque, scope = 'user', approve = true, changes = {}, push } = {}) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(as.authorization_endpoint)
  const parameters = {
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: site.redirect_uri,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    scope,
    resource,
    ...changes,
  }
  const sent = push ? await push(parameters) : parameters
  for (const [name, value] of Object.entries(sent)) url.searchParams.set(name, value)
  const callback = await authorize(url, approve)
  return { callback, verifier, state }
}

function checked({ callback, state }) {
  return oauth.validateAuthResponse(as, client, callback, state)
}

function exchange(parameters, { verifier, redirect = site.redirect_uri, resource = site.opaque, DPoP } = {}) {
  const options = { additionalParameters: { resource }, DPoP, ...local }
  const request = oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, redirect, verifier, options)
  return request.then((answer) => oauth.processAuthorizationCodeResponse(as, client, answer))
}

async function login(wishes = {}) {
  const answer = await authorization(wishes)
  return exchange(checked(answer), { verifier: answer.verifier, resource: wishes.resource })
}

function refresh(token, { resource = site.opaque, by = client, DPoP } = {}) {
  const options = { additionalParameters: { resource }, DPoP, ...local }
  const request = oauth.refreshTokenGrantRequest(as, by, oauth.None(), token, options)
  return request.then((answer) => oauth.processRefreshTokenResponse(as, by, answer))
}

function introspect(token, authentication = asResourceServer) {
  const request = oauth.introspectionRequest(as, resourceServer, authentication, token, local)
  return request.then((answer) => oauth.processIntrospectionResponse(as, resourceServer, answer))
}

async function expectActive(token, active) {
  const facts = await introspect(token)
  expect(facts.active === active, `active is ${facts.active}`)
  return facts
}

let tokens

await test('code with PKCE, resource, state and iss (RFC 6749, 7636, 8707, 9207)', async () => {
  tokens = await login()
  expect(tokens.refresh_token && tokens.scope === 'user', JSON.stringify(Object.keys(tokens)))
})

await test('the user says no: access_denied, with iss and state', async () => {
  const answer = await authorization({ approve: false })
  expect(answer.callback.searchParams.get('iss') === site.issuer, 'no iss')
  try {
    checked(answer)
  } catch (error) {
    return expect(error.error === 'access_denied', String(error))
  }
  throw new Error('accepted')
})

await test('an answer of another issuer is refused by the library, so ours has its own', async () => {
  const answer = await authorization()
  answer.callback.searchParams.set('iss', 'http://127.0.0.1:2')
  try {
    checked(answer)
  } catch (error) {
    return expect(error.code === 'OAUTH_INVALID_RESPONSE', String(error))
  }
  throw new Error('accepted')
})

for (const [what, changes, error] of [
  ['an unknown resource', { resource: 'http://127.0.0.1:1/other' }, 'invalid_target'],
  ['code_challenge_method plain', { code_challenge_method: 'plain' }, 'invalid_request'],
  ['response_type token', { response_type: 'token' }, 'unsupported_response_type'],
  ['a scope that the resource does not have', { scope: 'nothing' }, 'invalid_scope'],
]) {
  await test(`authorization refuses ${what}: ${error}`, async () => {
    const { callback } = await authorization({ changes })
    const said = callback.searchParams.get('error')
    expect(said === error && !callback.searchParams.has('code'), `${said}`)
  })
}

await test('token: a wrong verifier', async () => {
  const answer = await authorization()
  await refused(exchange(checked(answer), { verifier: oauth.generateRandomCodeVerifier() }), 'invalid_grant')
})

await test('token: another redirect URI', async () => {
  const answer = await authorization()
  const redirect = site.redirect_uri.replace('/callback', '/elsewhere')
  await refused(exchange(checked(answer), { verifier: answer.verifier, redirect }), 'invalid_grant')
})

await test('token: another resource', async () => {
  const answer = await authorization()
  await refused(exchange(checked(answer), { verifier: answer.verifier, resource: site.jwt }), 'invalid_target')
})

await test('token: a code used twice ends what it brought', async () => {
  const answer = await authorization()
  const [parameters, { verifier }] = [checked(answer), answer]
  const first = await exchange(parameters, { verifier })
  await expectActive(first.access_token, true)
  await refused(exchange(parameters, { verifier }), 'invalid_grant')
  await expectActive(first.access_token, false)
  await refused(refresh(first.refresh_token), 'invalid_grant')
})

await test('introspection (RFC 7662)', async () => {
  const facts = await expectActive(tokens.access_token, true)
  expect([facts.aud].flat().join() === site.opaque && facts.scope === 'user' && facts.iss === site.issuer, JSON.stringify(facts))
  expect(facts.client_id === client.client_id && facts.exp > Date.now() / 1000, JSON.stringify(facts))
})

await test('introspection: with a wrong secret', () =>
  refused(introspect(tokens.access_token, basic('wrong')), 'OAUTH_WWW_AUTHENTICATE_CHALLENGE'))

await test('introspection: without authentication', async () => {
  const body = new URLSearchParams({ token: tokens.access_token })
  const answer = await fetch(as.introspection_endpoint, { method: 'POST', body })
  expect(answer.status === 401, `${answer.status}`)
})

await test('introspection: what is no token is not active', () => expectActive('no-token', false))

await test('refresh with rotation', async () => {
  const next = await refresh(tokens.refresh_token)
  expect(next.refresh_token && next.refresh_token !== tokens.refresh_token, 'the same refresh token')
  expect(next.access_token !== tokens.access_token && next.scope === 'user', next.scope)
  await expectActive(next.access_token, true)
  tokens = { ...next, old: tokens.refresh_token }
})

await test('refresh: another resource', () =>
  refused(refresh(tokens.refresh_token, { resource: site.jwt }), 'invalid_target'))

await test('refresh: another client', async () => {
  const other = await register(metadata)
  await refused(refresh(tokens.refresh_token, { by: other }), 'invalid_grant')
})

await test('refresh: an old token ends the whole grant', async () => {
  await refused(refresh(tokens.old), 'invalid_grant')
  await refused(refresh(tokens.refresh_token), 'invalid_grant')
  await expectActive(tokens.access_token, false)
})

function revoke(token, by = client) {
  return oauth.revocationRequest(as, by, oauth.None(), token, local).then(oauth.processRevocationResponse)
}

await test('revocation (RFC 7009) of an access token', async () => {
  const { access_token } = await login()
  await expectActive(access_token, true)
  await revoke(access_token)
  await expectActive(access_token, false)
})

await test('revocation of a refresh token ends the grant', async () => {
  const { access_token, refresh_token } = await login()
  await revoke(refresh_token)
  await expectActive(access_token, false)
  await refused(refresh(refresh_token), 'invalid_grant')
})

await test('revocation: what is no token is no error, and a stranger revokes nothing', async () => {
  await revoke('no-token')
  const { access_token } = await login()
  await revoke(access_token, await register(metadata)).catch(() => {})
  await expectActive(access_token, true)
})

async function asBearer(token, audience = site.jwt) {
  const request = new Request(audience, { headers: { authorization: `Bearer ${token}` } })
  return oauth.validateJwtAccessToken(as, request, audience, local)
}

await test('a JWT access token (RFC 9068) verifies with the published keys', async () => {
  const { access_token } = await login({ resource: site.jwt })
  const claims = await asBearer(access_token)
  expect(claims.aud === site.jwt && claims.client_id === client.client_id, JSON.stringify(claims))
  const [head, body, signature] = access_token.split('.')
  const changed = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
  await refused(asBearer([head, body, changed].join('.')), 'OAUTH_WWW_AUTHENTICATE_CHALLENGE').catch((error) => {
    expect(/OAUTH_INVALID_RESPONSE/.test(error.message), error.message)
  })
})

await test('a JWT access token is for one audience', async () => {
  const { access_token } = await login({ resource: site.jwt })
  await refused(asBearer(access_token, site.opaque), 'OAUTH_JWT_CLAIM_COMPARISON_FAILED')
})

// Pushed requests and bound tokens

async function push(parameters) {
  const request = oauth.pushedAuthorizationRequest(as, client, oauth.None(), parameters, local)
  const { request_uri } = await request.then((answer) => oauth.processPushedAuthorizationResponse(as, client, answer))
  return { client_id: client.client_id, request_uri }
}

await test('a pushed authorization request (RFC 9126)', async () => {
  let sent
  const answer = await authorization({ push: async (parameters) => (sent = await push(parameters)) })
  expect(sent.request_uri.startsWith('urn:'), sent.request_uri)
  const { access_token } = await exchange(checked(answer), { verifier: answer.verifier })
  await expectActive(access_token, true)
  // Decided once: the same name leads nowhere any more.
  const again = authorization({ push: async () => sent })
  await again.then(() => expect(false, 'used twice'), (error) => expect(/FlowStopped/.test(error.message), error.message))
})

await test('a pushed request for an unknown resource', () =>
  refused(authorization({ resource: 'http://127.0.0.1:1/other', push }), 'invalid_target'))

await test('tokens bound to a key (RFC 9449)', async () => {
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const answer = await authorization()
  const bound = await exchange(checked(answer), { verifier: answer.verifier, DPoP })
  expect(bound.token_type === 'dpop', bound.token_type)
  const facts = await expectActive(bound.access_token, true)
  expect(facts.cnf?.jkt === (await DPoP.calculateThumbprint()), JSON.stringify(facts))
  const other = oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  await refused(refresh(bound.refresh_token, { DPoP: other }), 'invalid_dpop_proof')
  await refused(refresh(bound.refresh_token), 'invalid_dpop_proof')
  const next = await refresh(bound.refresh_token, { DPoP })
  expect(next.token_type === 'dpop', next.token_type)
})

// Services

function serve(id, authentication, resource = site.opaque) {
  const service = { client_id: id }
  const parameters = new URLSearchParams({ scope: 'user', resource })
  const request = oauth.clientCredentialsGrantRequest(as, service, authentication, parameters, local)
  return request.then((answer) => oauth.processClientCredentialsResponse(as, service, answer))
}

for (const [name, method] of [['basic', basic], ['post', oauth.ClientSecretPost]]) {
  await test(`client credentials, client_secret_${name}`, async () => {
    const { access_token, refresh_token } = await serve('service-secret', method(site.secrets['service-secret']))
    expect(!refresh_token, 'a refresh token')
    const facts = await expectActive(access_token, true)
    expect(facts.client_id === 'service-secret', JSON.stringify(facts))
  })
}

await test('client credentials: a wrong secret', () =>
  refused(serve('service-secret', basic('wrong')), 'OAUTH_WWW_AUTHENTICATE_CHALLENGE'))

await test('client credentials, private_key_jwt (RFC 7523)', async () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('jwk', site.service_key, algorithm, false, ['sign'])
  const { access_token } = await serve('service-key', oauth.PrivateKeyJwt(key))
  await expectActive(access_token, true)
  const other = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
  await refused(serve('service-key', oauth.PrivateKeyJwt(other.privateKey)), 'invalid_client')
})

await test('client credentials are not for public clients', () =>
  refused(serve(client.client_id, oauth.None()), 'invalid_client'))

// Devices

const device = { client_id: 'device' }

async function deviceAuthorization() {
  const parameters = new URLSearchParams({ scope: 'user', resource: site.opaque })
  const request = await oauth.deviceAuthorizationRequest(as, device, oauth.None(), parameters, local)
  return oauth.processDeviceAuthorizationResponse(as, device, request)
}

function poll(code) {
  const request = oauth.deviceCodeGrantRequest(as, device, oauth.None(), code, local)
  return request.then((answer) => oauth.processDeviceCodeResponse(as, device, answer))
}

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000 + 200))

await test('device authorization (RFC 8628)', async () => {
  const { device_code, user_code, verification_uri, interval } = await deviceAuthorization()
  await refused(poll(device_code), 'authorization_pending')
  await connectDevice(verification_uri, user_code)
  await pause(interval)
  const { access_token } = await poll(device_code)
  await expectActive(access_token, true)
  await pause(interval)
  await refused(poll(device_code), 'invalid_grant')
})

await test('device authorization: the user says no', async () => {
  const { device_code, user_code, verification_uri } = await deviceAuthorization()
  await connectDevice(verification_uri, user_code, false)
  await refused(poll(device_code), 'access_denied')
})

end()
