// An MCP server on the official TypeScript SDK that knows nothing of OAuth. Argument: its port.

import { createServer } from "node:http";

import { McpServer, createMcpHandler } from "@modelcontextprotocol/server";

const port = Number(process.argv[2]);

function clock() {
  const server = new McpServer({ name: "clock", version: "1.0.0" });
  const tool = (name, description, say) =>
    server.registerTool(name, { description }, () => ({ content: [{ type: "text", text: say() }] }));
  tool("get_time", "Seconds since 1970", () => String(Math.floor(Date.now() / 1000)));
  tool("set_time", "Sets the time", () => "pretend that the time is set");
  return server;
}

const handler = createMcpHandler(clock);

createServer(async (request, response) => {
  // What a token opens is for the proxy alone (RS-44): a token that gets here fails the call.
  if (request.headers.authorization) return response.writeHead(500).end();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
  const { method, headers, url } = request;
  const answer = await handler.fetch(new Request(`http://localhost:${port}${url}`, { method, headers, body }));
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  for await (const chunk of answer.body ?? []) response.write(chunk);
  response.end();
}).listen(port, "127.0.0.1", () => console.log("listening"));
