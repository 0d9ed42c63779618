"""A server on the TypeScript SDK with `portcullis protect` before it, and the tokens of either authorization server:
npm's `oidc-provider`, whose keys the proxy fetches, or ours on SQLite, with a key that both know.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from demo import PASSWORD, USER, metadata_url
from others import BASE, FURTHER, Others, free_ports

OTHERS, OURS = "proxy", "proxy-ours"
COMMAND_SECS_MAX = 60
CONFIGURATION = """
listen = "127.0.0.1:{port}"
issuer = "{issuer}"
[database]
sqlite = "records.db"
[limits]
registrations_per_peer_per_hour = 1000
requests_per_peer_per_second = 0
wrong_secrets_per_minute = 100
pending_authorizations_per_peer = 1000
[[resource]]
identifier = "{resource}"
name = "Clock"
token_format = "hs256"
[[resource.scope]]
name = "{base}"
description = "read the time"
default = true
[[resource.scope]]
name = "{further}"
description = "set the time"
"""


def start(program: Path, mode: str, cache: Path, node: Path) -> Others:
    """Starts all three on free ports; `node` is the folder with the programs in JavaScript and their packages."""
    upstream, authorization, proxy = free_ports(3)
    issuer, resource = f"http://localhost:{authorization}", f"http://localhost:{proxy}/mcp"
    log = cache / f"demo-{mode}.log"
    log.unlink(missing_ok=True)
    server = Others(mode, log, issuer, resource, {OTHERS: "protect, oidc-provider", OURS: "protect, ours on SQLite"}[mode])
    try:
        server.run(["node", str(node / "server.mjs"), str(upstream)])
        if mode == OURS:
            keys = _ours(server, program, cache / mode, authorization)
        else:
            scopes = f"{BASE} {FURTHER}"
            server.run(["node", str(node / "oidc_provider.mjs"), str(authorization), resource, scopes, USER, PASSWORD])
            keys = ["--jwks", f"{issuer}/jwks"]
        server.answers(f"{issuer}/.well-known/oauth-authorization-server")
        server.answers(f"http://127.0.0.1:{upstream}/mcp")
        command = [str(program), "protect", "--upstream", f"http://127.0.0.1:{upstream}/mcp", "--resource", resource]
        command += ["--issuer", issuer, "--listen", f"127.0.0.1:{proxy}", *keys]
        command += ["--scopes", BASE, "--tool", f"set_time={FURTHER}"]
        server.run(command, ours=True)
        server.answers(metadata_url(resource))
        return server
    except BaseException:
        server.stop()
        raise


def _ours(server: Others, program: Path, folder: Path, port: int) -> list[str]:
    """Starts our authorization server in an empty folder; how the proxy checks its tokens."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    file = folder / "portcullis.toml"
    file.write_text(CONFIGURATION.format(port=port, issuer=server.issuer, resource=server.resource, base=BASE, further=FURTHER))

    def command(*words: str, typed: str = "") -> None:
        done = [str(program), *words]
        ended = subprocess.run(done, cwd=folder, input=typed, capture_output=True, text=True, timeout=COMMAND_SECS_MAX)
        if ended.returncode:
            raise RuntimeError(f"{' '.join(words[:2])}: {ended.stderr}")

    server.run([str(program), "authorization-server"], folder, ours=True)
    server.answers(f"{server.issuer}/.well-known/oauth-authorization-server")
    command("user", "add", USER, typed=f"{PASSWORD}\n")
    master, key = folder / "portcullis-data" / "master.key", folder / "resource.key"
    command("key", "derive", "--master-key", str(master), "--resource", server.resource, "--out", str(key))
    return ["--key-file", str(key)]
