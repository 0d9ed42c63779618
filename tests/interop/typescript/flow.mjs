// The flow that every TypeScript SDK is taken through, case by case as `flow.py` does it for Python.
//
// Prints one line per case, `ok - …` or `not ok - …: why`, and ends with status 1 if a case failed.

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { isDeepStrictEqual, parseArgs } from "node:util";

import { Browser, LoginRefused } from "./browser.mjs";
import { Declined, Session } from "./session.mjs";

const CASE_MS_MAX = 60_000;
const REVISIONS = { handshake: "2025-11-25", stateless: "2026-07-28" };
const OPTIONS = {
  "server-url": { type: "string" },
  "redirect-uri": { type: "string" },
  "open-tool": { type: "string", default: "get_time" },
  label: { type: "string", default: "demo" },
  era: { type: "string", default: "handshake" },
  "hide-metadata": { type: "boolean", default: false },
  report: { type: "string" },
};

class Run {
  failed = 0;
  secrets = new Set();
  token = "";

  constructor(sdk, options) {
    this.sdk = sdk;
    this.options = options;
  }

  /** Runs one case; what it returns is said beside its title. */
  async case(title, body) {
    const name = `${this.sdk.name}, ${this.options.label}: ${title}`;
    try {
      const remark = await withDeadline(body);
      console.log(`ok - ${name}${remark ? ` (${remark})` : ""}`);
    } catch (error) {
      this.failed += 1;
      console.log(`not ok - ${name}: ${describe(error)}`);
    }
  }

  /** Hands `body` a client; afterwards its secrets are kept and it is closed. */
  async withSession(settings, body) {
    const session = new Session(this.sdk, this.options, settings.browser ?? new Browser(), settings);
    try {
      return await body(session);
    } finally {
      for (const secret of session.exchanges.secrets) this.secrets.add(secret);
      await session.close();
    }
  }

  async withoutToken() {
    for (const [headers, error] of [
      [{}, undefined],
      [{ Authorization: "Bearer mF_9.B5f-4.1JqM" }, "invalid_token"],
    ]) {
      const answer = await this.postToolCall(headers);
      expect(answer.status, 401, "status");
      const challenge = this.sdk.extractWWWAuthenticateParams(answer);
      expect(challenge.error, error, "error");
      const metadata = await (await fetch(challenge.resourceMetadataUrl)).json();
      expect(metadata.resource, this.options["server-url"], "resource");
    }
  }

  async wrongPassword() {
    const password = randomBytes(16).toString("base64url");
    this.secrets.add(password);
    await this.withSession({ browser: new Browser({ password }) }, async (session) => {
      const error = await failureOf(session.open());
      expect(error instanceof LoginRefused, true, `the login page came back, not ${describe(error)}`);
      expect(session.tokens, undefined, "tokens");
    });
  }

  async userSaysNo() {
    await this.withSession({ browser: new Browser({ approve: false }) }, async (session) => {
      await failureOf(session.open());
      expect(session.callbacks.map((callback) => callback.get("error")), ["access_denied"], "callbacks");
      expect(session.tokens, undefined, "tokens");
    });
  }

  wholeFlow() {
    return this.withSession({}, async (session) => {
      const { "open-tool": openTool, era } = this.options;
      await session.open();
      const tools = await session.listTools();
      const names = tools.map((tool) => tool.name);
      expect(names.includes(openTool), true, `${openTool} in ${names}`);
      const result = await session.callTool(openTool, {});
      expect(Boolean(result.isError), false, "isError");
      expect(result.content.length > 0, true, "content");
      expect(session.exchanges.revision, REVISIONS[era], "revision");
      // MCP took up RFC 8707 together with RFC 9728: without its metadata these clients name no resource.
      const named = this.options["hide-metadata"] ? null : this.options["server-url"];
      expect(session.provider.authorizationUrl.searchParams.get("resource"), named, "resource asked for");
      expect(session.exchanges.withStatus(403).length, 0, "403 answers");
      this.token = session.tokens.access_token;
      const further = tools.find((tool) => tool.name !== openTool);
      this.furtherCall = [further.name, argumentsFor(further)];
      return `granted '${session.tokens.scope}'`;
    });
  }

  async changedToken() {
    const good = await this.postToolCall(bearer(this.token));
    expect(good.status, 200, "status of the token itself");
    const middle = Math.floor(this.token.length / 2);
    const other = this.token[middle] === "A" ? "B" : "A";
    const answer = await this.postToolCall(
      bearer(this.token.slice(0, middle) + other + this.token.slice(middle + 1)),
    );
    expect(answer.status, 401, "status");
    expect(this.sdk.extractWWWAuthenticateParams(answer).error, "invalid_token", "error");
  }

  furtherScopeIsChallenged() {
    return this.withSession({ loginsMax: 1 }, async (session) => {
      await session.open();
      const error = await failureOf(session.callTool(...this.furtherCall));
      const [challenge, base] = [403, 401].map((status) =>
        this.sdk.extractWWWAuthenticateParams(session.exchanges.withStatus(status)[0]),
      );
      expect(challenge.error, "insufficient_scope", "error");
      expect(challenge.resourceMetadataUrl, base.resourceMetadataUrl, "resource_metadata");
      this.furtherScopes = scopes(challenge.scope);
      const beyond = this.furtherScopes.filter((scope) => !scopes(base.scope).includes(scope));
      expect(beyond.length > 0, true, `a scope beyond '${base.scope}' in '${challenge.scope}'`);
      const outcome = error instanceof Declined ? "the SDK then asks the user again, who declines" : describe(error);
      return `scope '${challenge.scope}'; ${outcome}`;
    });
  }

  /** What comes after the challenge is said when the tool does not run. */
  furtherScopeIsGranted(settings) {
    return this.withSession(settings, async (session) => {
      await session.open();
      let result;
      try {
        result = await session.callTool(...this.furtherCall);
      } catch (error) {
        throw new Error(`${describe(error)}; after the challenge: ${session.exchanges.after(403)}`);
      }
      expect(Boolean(result.isError), false, "isError");
      const open = await session.callTool(this.options["open-tool"], {});
      expect(Boolean(open.isError), false, "isError of the first tool");
      expect(session.exchanges.withStatus(403).length, 1, "403 answers");
      const granted = scopes(session.tokens.scope);
      const missing = this.furtherScopes.filter((scope) => !granted.includes(scope));
      expect(missing, [], `missing in '${session.tokens.scope}'`);
    });
  }

  /** A `tools/call` of a client that speaks 2025-11-25. */
  postToolCall(headers) {
    const params = { name: this.options["open-tool"], arguments: {} };
    return fetch(this.options["server-url"], {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        "MCP-Protocol-Version": REVISIONS.handshake,
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
    });
  }

  async all() {
    await this.case("without a token, and with a made-up one: 401 and the way to the metadata", () => this.withoutToken());
    await this.case("a wrong password does not log in", () => this.wrongPassword());
    await this.case("consent refused: no token", () => this.userSaysNo());
    await this.case("logs in, lists the tools, calls the open one", () => this.wholeFlow());
    await this.case("one character of the token changed: 401", () => this.changedToken());
    await this.case("the further tool: 403 names its scope", () => this.furtherScopeIsChallenged());
    await this.case("the user grants the further scope: the tool runs", () => this.furtherScopeIsGranted({}));
    await this.case("a client without refresh tokens, the further scope granted: the tool runs", () =>
      this.furtherScopeIsGranted({ grants: ["authorization_code"] }),
    );
  }
}

function expect(actual, expected, what) {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}

/** The error of a promise that must fail. */
async function failureOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it worked");
}

function withDeadline(body) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${CASE_MS_MAX} ms`)), CASE_MS_MAX);
  });
  return Promise.race([body(), deadline]).finally(() => clearTimeout(timer));
}

/** Some value for each argument that the tool's schema requires. */
function argumentsFor({ inputSchema }) {
  const some = { integer: 1, number: 1, boolean: true, string: "x" };
  return Object.fromEntries((inputSchema.required ?? []).map((name) => [name, some[inputSchema.properties[name].type]]));
}

function scopes(list) {
  return (list ?? "").split(" ").filter(Boolean);
}

function bearer(token) {
  return { Authorization: `Bearer ${token}` };
}

function describe(error) {
  const cause = error.cause ? `; ${describe(error.cause)}` : "";
  return `${error.constructor.name}: ${error.message}${cause}`.replaceAll("\n", " ").slice(0, 600);
}

/** Takes an SDK through the flow; `drive_1_x.mjs` shows what it is made of. */
export async function main(sdk) {
  const { values: options } = parseArgs({ options: OPTIONS });
  const run = new Run(sdk, options);
  await run.all();
  if (options.report) {
    writeFileSync(options.report, JSON.stringify({ token: run.token, secrets: [...run.secrets].sort() }));
  }
  process.exit(run.failed > 0 ? 1 : 0);
}
