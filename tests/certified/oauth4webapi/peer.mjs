// What the cases of the client library share: the user, the cases' lines, and the library's own settings.

import { createInterface } from 'node:readline'
import * as oauth from 'oauth4webapi'

// The server is on loopback, where plain HTTP is for development.
export const local = { [oauth.allowInsecureRequests]: true }

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

export function end() {
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
