"""A server on the TypeScript SDK with `portcullis protect` before it: the proxy fetches the keys of the authorization
server, or shares one with it.
"""

from __future__ import annotations

from columns import Column, Means
from servers import Server, free_ports, metadata_url


def start(means: Means, column: Column) -> Server:
    """Starts both."""
    (upstream,) = free_ports(1)
    issuer, resource = means.issuers[column.issuer], means.resource(column)
    server = Server(column.name, means.cache, issuer.issuer, resource)
    keys = {"jwt": ["--jwks", f"{issuer.issuer}/jwks"]}
    try:
        server.run(["node", str(means.node / "server.mjs"), str(upstream)])
        server.answers(f"http://127.0.0.1:{upstream}/mcp")
        command = [str(means.program), "protect", "--upstream", f"http://127.0.0.1:{upstream}/mcp", "--resource", resource]
        command += ["--issuer", issuer.issuer, "--listen", f"127.0.0.1:{means.ports[column.name]}"]
        command += ["--scopes", column.base, "--tool", f"set_time={column.further}"]
        command += keys.get(column.token_format) or ["--key-file", str(issuer.key_file(column, resource))]
        server.run(command, ours=True)
        server.answers(metadata_url(resource))
        return server
    except BaseException:
        server.stop()
        raise
