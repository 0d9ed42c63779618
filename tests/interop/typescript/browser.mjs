// The user and the browser are the program that started this one: it is asked by a line on standard output
// and answers by a line on standard input.

import { createInterface } from "node:readline";

/** The login page came back after credentials were sent. */
export class LoginRefused extends Error {}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let count = 0;

/** A browser without cookies, and a user who says yes or no. */
export class Browser {
  constructor({ approve = true, password } = {}) {
    count += 1;
    this.user = { browser: count, approve, password };
  }

  /** Opens the URL and acts until the redirect URI was called; its parameters. */
  async authorize(url) {
    console.log(`authorize ${JSON.stringify({ ...this.user, url })}`);
    const { value, done } = await answers.next();
    if (done) throw new Error("nobody answered");
    const { callback, refused, stopped } = JSON.parse(value);
    if (refused) throw new LoginRefused(refused);
    if (stopped) throw new Error(stopped);
    return new URLSearchParams(callback);
  }
}
