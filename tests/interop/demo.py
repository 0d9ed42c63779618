"""A running demo: started on free ports, its log kept, stopped again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

START_SECS_MAX = 30
USER, PASSWORD = "demo_user", "demo_password"
# Two for older clients: one server takes ten wrong passwords in a minute, and each run brings one.
MODES = {
    "offline": ["--verify", "offline"],
    "introspection": ["--verify", "introspection"],
    "jwks": ["--verify", "jwks"],
    "legacy": ["--legacy"],
    "hidden": ["--legacy"],
}


@dataclass
class Demo:
    """One running demo and its log."""

    mode: str
    process: subprocess.Popen[bytes]
    log: Path
    issuer: str
    resource: str

    @property
    def options(self) -> str:
        """What it was started with, as a user would type it."""
        return " ".join(MODES[self.mode])

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(program: Path, mode: str, cache: Path) -> Demo:
    """Starts a demo on free ports and waits until its servers answer."""
    log = cache / f"demo-{mode}.log"
    command = [str(program), "demo", *MODES[mode], "--server-port", "0", "--redirect-port", "0"]
    command += [] if "--legacy" in MODES[mode] else ["--authorization-server-port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | {"RUST_LOG": "trace"}
        )
    deadline = time.monotonic() + START_SECS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        # What the demo calls its servers is what a user would type.
        said = log.read_text("utf-8", "replace")
        issuer = re.search(r"^authorization server  (\S+)$", said, re.MULTILINE)
        resource = re.search(r"^protected MCP server  (\S+)$", said, re.MULTILINE)
        if issuer and resource:
            demo = Demo(mode, process, log, issuer[1], resource[1])
            try:
                well_known = demo.issuer + "/.well-known/oauth-authorization-server"
                if fetch(metadata_url(demo.resource))[0] == fetch(well_known)[0] == 200:
                    return demo
            except OSError:
                pass
        time.sleep(0.1)
    process.kill()
    process.wait()
    raise RuntimeError(f"no start within {START_SECS_MAX} s: {log.read_text('utf-8', 'replace')[-800:]}")


def metadata_url(resource: str) -> str:
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"


def fetch(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Message, bytes]:
    """Status, headers and body, whatever the status is."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()
