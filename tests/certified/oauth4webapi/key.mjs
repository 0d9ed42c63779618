// Prints a new key of a service as a JWK, for tests alone.

import { webcrypto } from 'node:crypto'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const { privateKey } = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
const { kty, crv, x, y, d } = await webcrypto.subtle.exportKey('jwk', privateKey)
console.log(JSON.stringify({ kty, crv, x, y, d, alg: 'ES256', use: 'sig', kid: 'service-key' }))
