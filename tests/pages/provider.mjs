// The OpenID provider that users of the test sign in at: npm's `oidc-provider`, with its own development pages.
// Arguments: where its package is, its port, the client's secret, the client's redirect URI.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [home, port, secret, redirectUri] = process.argv.slice(2);
const found = createRequire(`${home}/package.json`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(found));

const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ client_id: "portcullis", client_secret: secret, redirect_uris: [redirectUri] }],
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} of Example Corp`, email: `${id}@${id}.example`, email_verified: true }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
