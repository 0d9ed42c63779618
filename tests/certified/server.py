"""The authorization server under test: `portcullis authorization-server` in an empty folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

USER, PASSWORD = "alice", "9Qx correct horse battery"
START_SECS_MAX = 60

# Two resources whose tokens differ: one asks about them, the other one verifies them by itself.
CONFIGURATION = """
listen = "127.0.0.1:{port}"
issuer = "http://127.0.0.1:{port}"
dpop = "offered"

[database]
sqlite = "records.db"

[limits]
registrations_per_peer_per_hour = 1000
requests_per_peer_per_second = 0
wrong_secrets_per_minute = 100

[[resource]]
identifier = "{opaque}"
name = "Clock"
token_format = "opaque"
introspection = {{ client_id = "clock-server", secret = {{ file = "clock-server.secret" }} }}
[[resource.scope]]
name = "user"
description = "read the time"
default = true
[[resource.scope]]
name = "admin"
description = "set the clock"

[[resource]]
identifier = "{jwt}"
name = "Calendar"
token_format = "es256"
[[resource.scope]]
name = "user"
description = "read the calendar"
default = true

[[client]]
id = "conformance"
name = "Conformance tool"
redirect_uris = ["http://127.0.0.1:{callback_port}/callback"]

[[client]]
id = "device"
name = "Device"

[[service]]
id = "service-secret"
name = "Service with a secret"
scopes = ["user"]
secret = {{ file = "service.secret" }}

[[service]]
id = "service-key"
name = "Service with a key"
scopes = ["user"]
public_keys = "service.jwks"
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Site:
    """A folder with a configuration, and the server that runs in it."""

    program: Path
    folder: Path
    secrets: dict[str, str]
    port: int = field(default_factory=free_port)
    callback_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Nobody listens there: a resource server is played by the peers.
    opaque = "http://127.0.0.1:1/clock/mcp"
    jwt = "http://127.0.0.1:1/calendar/mcp"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def prepare(self) -> None:
        """Writes the configuration and adds the user, as an operator does."""
        text = CONFIGURATION.format(
            port=self.port, callback_port=self.callback_port, opaque=self.opaque, jwt=self.jwt
        )
        self._write("portcullis.toml", text)
        self._write("clock-server.secret", self.secrets["clock-server"])
        self._write("service.secret", self.secrets["service-secret"])
        self._run("user", "add", USER, typed=PASSWORD)
        self._run("authorization-server", "--check")

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(self.program), "authorization-server"], cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"RUST_LOG": "trace"},
            )
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.issuer + "/ready", timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"no start within {START_SECS_MAX} s: {self.log.read_text('utf-8', 'replace')[-800:]}")

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def complaints(self) -> list[str]:
        """What the server logged as an error of its own, or died of."""
        lines = re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text("utf-8", "replace")).splitlines()
        return [line for line in lines if re.search(r"\bERROR\b|panicked", line)]

    def _run(self, *arguments: str, typed: str = "") -> None:
        done = subprocess.run(
            [str(self.program), *arguments], cwd=self.folder, input=typed + "\n", capture_output=True, text=True, timeout=60
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()[-400:]}")

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
