// What the cases of the client library share: the user, the cases' lines, and the library's own settings.

import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import * as oauth from 'oauth4webapi'

const SECRETS = ['access_token', 'refresh_token', 'device_code', 'registration_access_token', 'request_uri']
const secrets = new Set()

/** Notes the secrets that the server gives, for they must be in no log. */
async function watched(url, options) {
  const answer = await fetch(url, options)
  const body = await answer.clone().json().catch(() => ({}))
  // What stands before the last colon, as in a request_uri, is known to everybody.
  for (const name of SECRETS) if (body?.[name]) secrets.add(body[name].split(':').pop())
  return answer
}

// The server is on loopback, where plain HTTP is for development.
export const local = { [oauth.allowInsecureRequests]: true, [oauth.customFetch]: watched }

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Asks the harness for what a person does; the answer is a line of JSON. */
async function ask(question) {
  process.stdout.write(`> ${JSON.stringify(question)}\n`)
  const { value, done } = await answers.next()
  if (done) throw new Error('the harness is gone')
  const answer = JSON.parse(value)
  if (answer.error) throw new Error(answer.error)
  return answer
}

/** Where the user's browser is sent back to. */
export async function authorize(url, approve = true) {
  return new URL((await ask({ authorize: url.href, approve })).callback)
}

/** The user types in the code of a device. */
export async function connectDevice(verificationUri, userCode, approve = true) {
  await ask({ device: verificationUri, user_code: userCode, approve })
}

let failed = 0

/** One case: it fails by any exception, and the next one goes on. */
export async function test(title, body) {
  try {
    await body()
    console.log(`ok - oauth4webapi: ${title}`)
  } catch (error) {
    failed += 1
    const cause = error.cause?.body ? ` ${JSON.stringify(error.cause.body)}` : ''
    console.log(`not ok - oauth4webapi: ${title}: ${String(error)}${cause}`.replaceAll('\n', ' '))
  }
}

/** Leaves the secrets in the file that the harness named. */
export function end() {
  writeFileSync(process.argv[3], JSON.stringify([...secrets]), { mode: 0o600 })
  process.exit(failed === 0 ? 0 : 1)
}

export function expect(held, otherwise) {
  if (!held) throw new Error(otherwise)
}

/** The library must refuse, with this `error` of the server or this code of its own. */
export async function refused(promise, code) {
  let value
  try {
    value = await promise
  } catch (error) {
    const said = error.error ?? error.code
    if (said === code) return
    throw new Error(`refused with ${said} instead of ${code}: ${error}`)
  }
  throw new Error(`accepted: ${JSON.stringify(value)}`)
}
