"""A server and an authorization server of others, with `portcullis protect` between them.

The MCP server is one on the TypeScript SDK, the tokens are those of npm's `oidc-provider`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from demo import PASSWORD, START_SECS_MAX, USER, fetch, metadata_url

BASE, FURTHER = "user", "time:write"


@dataclass
class BehindProxy:
    """What runs; it has what the drivers and checks ask of a `Demo`."""

    mode: str
    log: Path
    issuer: str
    resource: str
    options: str = "protect, oidc-provider"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: list[str]) -> None:
        """The log is the proxy's alone: what others write about their own secrets is theirs to judge."""
        with (self.log if "protect" in command else Path(os.devnull)).open("ab") as out:
            self.processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | {"RUST_LOG": "trace"})
            )

    def answers(self, url: str) -> None:
        """Waits until something answers there."""
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and all(process.poll() is None for process in self.processes):
            try:
                fetch(url)
                return
            except OSError:
                time.sleep(0.1)
        said = self.log.read_text("utf-8", "replace")[-800:] if self.log.exists() else ""
        raise RuntimeError(f"nothing answers at {url}: {said}")

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def start(program: Path, mode: str, cache: Path, node: Path) -> BehindProxy:
    """Starts all three on free ports; `node` is the folder with the programs in JavaScript and their packages."""
    upstream, authorization, proxy = free_ports(3)
    issuer, resource = f"http://localhost:{authorization}", f"http://localhost:{proxy}/mcp"
    log = cache / f"demo-{mode}.log"
    log.unlink(missing_ok=True)
    server = BehindProxy(mode, log, issuer, resource)
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
