// A certified provider of OpenID Connect over TLS on loopback: node provider.mjs CERTIFICATE KEY CLIENT SECRET BACK
// Says its port. Whoever types a name signs in as malee@school.example.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { Provider } from "oidc-provider";

const [certificate, key, client, secret, back] = process.argv.slice(2);
const person = {
  email: "malee@school.example",
  email_verified: true,
  name: "มาลี ดีงาม",
  hd: "school.example",
  groups: ["ครู"],
};
const settings = {
  clients: [{ client_id: client, client_secret: secret, redirect_uris: [back] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "hd", "groups"] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...person }) }),
};
const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) });
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  server.on("request", new Provider(`https://127.0.0.1:${port}`, settings).callback());
  console.log(port);
});
