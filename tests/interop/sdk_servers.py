"""Servers on the official SDKs that are their own authorization servers. Only our client meets them: how the SDKs'
clients get on with the SDKs' servers is not ours to test.
"""

from __future__ import annotations

from pathlib import Path

from demo import PASSWORD, USER
from others import BASE, FURTHER, Others, free_ports

PYTHON, TYPESCRIPT = "python-sdk", "typescript-sdk"
# Those where no tool needs a further scope, and why.
ONE_SCOPE = {PYTHON: "the SDK's middleware asks the same scopes of every call"}


def start(mode: str, cache: Path, python: Path, node: Path) -> Others:
    """Starts one on a free port; `node` is the folder with the programs in JavaScript and their packages."""
    (port,) = free_ports(1)
    origin = f"http://localhost:{port}"
    server = Others(mode, cache / f"demo-{mode}.log", origin, f"{origin}/mcp", f"{mode} server")
    server.log.unlink(missing_ok=True)
    here = Path(__file__).resolve().parent
    commands = {
        PYTHON: [str(python), str(here / "server_2_x.py"), str(port), BASE, USER, PASSWORD],
        TYPESCRIPT: ["node", str(node / "server_1_x.mjs"), str(port), BASE, FURTHER, USER, PASSWORD],
    }
    try:
        server.run(commands[mode])
        server.answers(f"{origin}/.well-known/oauth-authorization-server")
        return server
    except BaseException:
        server.stop()
        raise
