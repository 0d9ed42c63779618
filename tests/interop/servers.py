"""Servers that clients meet: started as programs, looked at, stopped again."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Iterable
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from clients import Outcome

START_SECS_MAX = 60
STOP_SECS_MAX = 10
# Below those that outgoing connections get: one of these would be in the way of a server that starts anew.
PORTS = range(20_000, 32_000)
USER, PASSWORD = "demo_user", "demo_password"


class Programs:
    """Programs that run for a while, and what they say."""

    def __init__(self, name: str, cache: Path) -> None:
        self.log = cache / f"log-{name}.log"
        """Of our programs alone: what others write about their own secrets is theirs to judge."""
        self._others_log = cache / f"log-{name}.others.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        for log in (self.log, self._others_log):
            log.write_bytes(b"")

    def run(self, command: list[str], folder: Path | None = None, ours: bool = False, **environment: str) -> None:
        variables = os.environ | {"RUST_LOG": "trace"} | environment
        with (self.log if ours else self._others_log).open("ab") as out:
            self._processes.append(
                subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=variables)
            )

    def answers(self, url: str) -> None:
        """Waits until something answers there."""
        deadline = time.monotonic() + START_SECS_MAX
        while time.monotonic() < deadline and self.alive():
            try:
                fetch(url)
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"nothing answers at {url}: {self.said()[-800:]} {self.others_said()[-800:]}")

    def alive(self) -> bool:
        return all(process.poll() is None for process in self._processes)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def others_said(self) -> str:
        return self._others_log.read_text("utf-8", "replace")

    def stop(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(timeout=STOP_SECS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()


class Server(Programs):
    """A protected MCP server, and whose tokens it takes."""

    def __init__(self, name: str, cache: Path, issuer: str, resource: str) -> None:
        super().__init__(name, cache)
        self.issuer, self.resource = issuer, resource

    def when_left(self, outcome: Outcome, label: str) -> None:
        """Adds what only this server shows about a client that has gone; `label` begins the titles of its cases."""

    def own_checks(self) -> Iterable[tuple[str, str | None]]:
        """Cases beside those of clients, and why they failed."""
        return ()


def metadata_url(resource: str) -> str:
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{parts.path}"


def fetch(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str | None = None
) -> tuple[int, Message, bytes]:
    """Status, headers and body, whatever the status is."""
    request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read()


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    probes: list[socket.socket] = []
    try:
        while len(probes) < count:
            probe = socket.socket()
            try:
                probe.bind(("127.0.0.1", random.choice(PORTS)))
            except OSError:
                probe.close()
            else:
                probes.append(probe)
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
