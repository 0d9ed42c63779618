"""Servers on the official SDKs that are their own authorization servers. Only our client meets them: how the SDKs'
clients get on with the SDKs' servers is not ours to test.
"""

from __future__ import annotations

from pathlib import Path

from columns import Column, Means
from servers import PASSWORD, USER, Server

PYTHON, TYPESCRIPT = "python-sdk", "typescript-sdk"


def start(means: Means, column: Column) -> Server:
    port = means.ports[column.name]
    origin = f"http://localhost:{port}"
    server = Server(column.name, means.cache, origin, f"{origin}/mcp")
    here = Path(__file__).resolve().parent
    commands = {
        PYTHON: [str(means.python), str(here / "server_2_x.py"), str(port), column.base, USER, PASSWORD],
        TYPESCRIPT: ["node", str(means.node / "server_1_x.mjs"), str(port), column.base, column.further, USER, PASSWORD],
    }
    try:
        server.run(commands[column.name])
        server.answers(f"{origin}/.well-known/oauth-authorization-server")
        return server
    except BaseException:
        server.stop()
        raise
