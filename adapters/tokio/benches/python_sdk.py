"""The official Python SDK's resource server, for comparison: one tool, one worker.

It uses the SDK's own bearer check. The verifier is the cheapest there can be: it believes every token
and asks nobody.

    pip install mcp==2.3.0 && python python_sdk.py 8101
"""

import sys
import time

from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer


class Believer:
    async def verify_token(self, token: str) -> AccessToken:
        return AccessToken(token=token, client_id="client-1", scopes=["user"])


def main() -> None:
    port = int(sys.argv[1])
    url = f"http://127.0.0.1:{port}"
    auth = AuthSettings(
        issuer_url="http://localhost:9000",
        required_scopes=["user"],
        resource_server_url=f"{url}/mcp",
        validate_token_resource=False,
    )
    server = MCPServer("clock", token_verifier=Believer(), auth=auth, log_level="ERROR")

    @server.tool()
    async def get_time() -> str:
        return str(int(time.time()))

    server.run(transport="streamable-http", port=port, stateless_http=True, json_response=True)


if __name__ == "__main__":
    main()
