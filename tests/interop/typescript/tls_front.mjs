// TLS 1.3 before an HTTP server of this machine that has none. Arguments: certificate and key in PEM, its port, that
// server's port.

import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { pipeline } from "node:stream";
import { createServer } from "node:tls";

const [certificate, key, port, behind] = process.argv.slice(2);

createServer({ cert: readFileSync(certificate), key: readFileSync(key), minVersion: "TLSv1.3" }, (peer) => {
  const server = connect(Number(behind), "127.0.0.1");
  // Whoever ends first ends both.
  pipeline(peer, server, () => {});
  pipeline(server, peer, () => {});
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));
