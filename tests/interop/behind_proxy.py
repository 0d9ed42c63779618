"""A server and an authorization server of others, with `portcullis protect` between them.

The MCP server is one on the TypeScript SDK, the tokens are those of npm's `oidc-provider`.
"""

from __future__ import annotations

from pathlib import Path

from demo import PASSWORD, USER, metadata_url
from others import BASE, FURTHER, Others, free_ports


def start(program: Path, mode: str, cache: Path, node: Path) -> Others:
    """Starts all three on free ports; `node` is the folder with the programs in JavaScript and their packages."""
    upstream, authorization, proxy = free_ports(3)
    issuer, resource = f"http://localhost:{authorization}", f"http://localhost:{proxy}/mcp"
    log = cache / f"demo-{mode}.log"
    log.unlink(missing_ok=True)
    server = Others(mode, log, issuer, resource, "protect, oidc-provider")
    try:
        server.run(["node", str(node / "server.mjs"), str(upstream)])
        scopes = f"{BASE} {FURTHER}"
        server.run(["node", str(node / "oidc_provider.mjs"), str(authorization), resource, scopes, USER, PASSWORD])
        server.answers(f"{issuer}/.well-known/oauth-authorization-server")
        server.answers(f"http://127.0.0.1:{upstream}/mcp")
        command = [str(program), "protect", "--upstream", f"http://127.0.0.1:{upstream}/mcp", "--resource", resource]
        command += ["--issuer", issuer, "--listen", f"127.0.0.1:{proxy}", "--jwks", f"{issuer}/jwks"]
        command += ["--scopes", BASE, "--tool", f"set_time={FURTHER}"]
        server.run(command)
        server.answers(metadata_url(resource))
        return server
    except BaseException:
        server.stop()
        raise
