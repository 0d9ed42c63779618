// What Node's HTTP client reads of answers, asked for one after another on one connection. Told as JSON in its argument;
// prints `[{ status, length, port }]`.

import http from "node:http";

const { url, methods, headers } = JSON.parse(process.argv[2]);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

const ask = (method) =>
  new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent }, (answer) => {
      const port = answer.socket.localPort;
      let length = 0;
      answer.on("data", (piece) => (length += piece.length));
      answer.on("error", reject);
      // The agent has the connection back before it is asked for the next one.
      answer.on("end", () => setImmediate(resolve, { status: answer.statusCode, length, port }));
    });
    request.on("error", reject);
    request.end();
  });

const answers = [];
for (const method of methods) answers.push(await ask(method));
agent.destroy();
console.log(JSON.stringify(answers));
