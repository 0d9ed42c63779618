"""The demo: its authorization server and its MCP server are one program."""

from __future__ import annotations

import re
import time

from columns import Column, Means
from servers import START_SECS_MAX, Server, fetch, metadata_url

# What it is started with, by the names of columns. Two for older clients: one server takes ten wrong passwords in a
# minute, and each client brings one.
OPTIONS = {
    "demo-offline": ["--verify", "offline"],
    "demo-jwks": ["--verify", "jwks"],
    "demo-legacy": ["--legacy"],
    "demo-hidden": ["--legacy"],
}


def start(means: Means, column: Column) -> Server:
    """Starts it on free ports and waits until its servers answer."""
    server = Server(column.name, means.cache, "", "")
    ports = ["--server-port", "0", "--redirect-port", "0"]
    ports += [] if column.legacy else ["--authorization-server-port", "0"]
    try:
        server.run([str(means.program), "demo", *OPTIONS[column.name], *ports], ours=True)
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and server.alive():
            # What the demo calls its servers is what a user would type.
            said = server.said()
            issuer = re.search(r"^authorization server  (\S+)$", said, re.MULTILINE)
            resource = re.search(r"^protected MCP server  (\S+)$", said, re.MULTILINE)
            if issuer and resource:
                server.issuer, server.resource = issuer[1], resource[1]
                well_known = server.issuer + "/.well-known/oauth-authorization-server"
                try:
                    if fetch(metadata_url(server.resource))[0] == fetch(well_known)[0] == 200:
                        return server
                except OSError:
                    pass
            time.sleep(0.1)
        raise RuntimeError(f"no start within {START_SECS_MAX} s: {server.said()[-800:]}")
    except BaseException:
        server.stop()
        raise
